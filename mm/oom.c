/*
 * The OOM killer: whom the kernel of the preset would choose (mm/oom_kill.c).
 *
 *          points                                        who dies for it
 *   2.6.2  total_vm, by the fourth root of the age       itself
 *   2.6.24 and half of that of each child, before that   its first child
 *   2.6.38 rss + swap in thousandths of all memory       its worst child
 *   3.8    pages of rss, swap and page tables            its worst child
 *   4.10   the same                                      its worst child
 *   6.1    the same                                      itself
 *
 * Root has a sixteenth of the points up to 2.6.24, 30 thousandths of all memory
 * less up to 3.8, 3 % less in 4.10.  Among equals the first dies, from 6.1 on
 * the last.  A child is one with an address space of its own; when its parent
 * ends, it is nobody's.  Page tables are those of all levels: 3.8 counted the
 * lowest, 4.10 two, which is a page or two fewer.
 *
 * Not modelled: CPU time, by whose root the formulas up to 2.6.24 divide, nice
 * values, oom_adj and oom_score_adj, and 2.6.2's filters on the frequency of
 * failures.  A victim dies at once, unless it is the process that asked: that
 * one goes on to its next safe point.
 */
#include "mm/reclaim.h"

#include "mm/aspace.h"
#include "mm/machine.h"
#include "mm/task.h"

#define AGE_SHIFT 10  // ages count in 1024 seconds, of 1024 jiffies in 2.6.2
#define NS_PER_S  UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

/* Who has most points so far. */
struct choice {
    struct task *task;
    uint64_t points;
};

static uint64_t
rss_pages(const struct mm *mm)
{
    uint64_t pages = 0;

    for (unsigned kind = 0; kind < RSS_KIND_COUNT; kind++)
        pages += mm->rss_pages[kind];
    return pages;
}

static uint64_t
integer_root(uint64_t value)
{
    uint64_t root = 0;

    while ((root + 1) * (root + 1) <= value)
        root++;
    return root;
}

/* Units of some 17 minutes: 1024 seconds, or as many jiffies as a shift makes
 * of them, by 7 for the HZ of 100 in 2.4 and by 10 for that of 1000 in 2.6.2.
 */
static uint64_t
age_of(const struct task *task)
{
    const struct machine *machine = task->machine;
    uint64_t now = machine->now_ns, start = task->start_ns;

    if (machine->kernel.oom != OOM_2_6_2)
        return (now / NS_PER_S - start / NS_PER_S) >> AGE_SHIFT;
    if (machine->kernel.version < 2005000)
        return (now - start) / (10 * NS_PER_MS) >> (AGE_SHIFT + 7);
    return (now - start) / NS_PER_MS >> (AGE_SHIFT + 10);
}

/* Whether it stands for a process with an address space of its own, whose
 * parent lives in another. */
static bool
is_child(const struct task *task)
{
    const struct task *parent = task->parent;

    return task->mm && task == task->leader->threads && parent &&
           parent->threads && parent->threads->mm != task->mm;
}

/* So that no process has to look for its own. */
static void
add_up_children(const struct machine *machine)
{
    for (struct task *task = machine->tasks; task; task = task->next)
        task->leader->children_points = 0;
    for (struct task *task = machine->tasks; task; task = task->next)
        if (is_child(task))
            task->parent->children_points += task->mm->total_pages / 2 + 1;
}

static uint64_t
badness_by_size(const struct task *task)
{
    uint64_t divisor = integer_root(integer_root(age_of(task)));
    uint64_t points = task->mm->total_pages;

    if (task->machine->kernel.oom == OOM_2_6_24)
        points += task->leader->children_points;
    if (divisor)
        points /= divisor;
    /* root, and CAP_SYS_RAWIO that comes with it */
    return task->uid == 0 ? points / 4 / 4 : points;
}

static uint64_t
badness(const struct task *task)
{
    const struct machine *machine = task->machine;
    const struct mm *mm = task->mm;
    uint64_t total = machine->ram_pages - machine->reserved_pages +
                     bytes_to_pages(machine->config.swap_bytes);
    uint64_t points = rss_pages(mm);

    switch (machine->kernel.oom) {
    case OOM_2_6_2:
    case OOM_2_6_24:
        return badness_by_size(task);
    case OOM_2_6_38:
        points = points * 1000 / total;
        points -= task->uid == 0 ? MIN(points, 30) : 0;
        return CLAMP(points, 1, 1000);
    case OOM_3_8:
        points += mm->pagetable.page_count;
        points -= task->uid == 0 ? MIN(points, total / 1000 * 30) : 0;
        return MAX(points, 1);
    case OOM_4_10:
        points += mm->pagetable.page_count;
        points -= task->uid == 0 ? points * 3 / 100 : 0;
        return MAX(points, 1);
    case OOM_6_1:
        return points + mm->pagetable.page_count;
    }
    return points;
}

static void
consider(struct choice *choice, struct task *task)
{
    uint64_t points = badness(task);
    bool is_late = task->machine->kernel.oom == OOM_6_1;

    if (!choice->task || points > choice->points ||
        (points == choice->points && is_late))
        *choice = (struct choice){task, points};
}

/* NULL: nobody is left, or the last victim is still on its way out and gives
 * back more than another one's death would be worth. */
static struct task *
worst_task(const struct machine *machine)
{
    struct choice choice = {0};

    add_up_children(machine);
    for (struct task *task = machine->tasks; task; task = task->next) {
        if (task->mm && task->oom_killed)
            return NULL;
        if (task->mm && !task->vfork_parent)
            consider(&choice, task);
    }
    return choice.task;
}

/* The child that dies in its place, or the task itself. */
static struct task *
victim_for(struct task *worst)
{
    struct machine *machine = worst->machine;
    enum oom_form form = machine->kernel.oom;
    struct choice choice = {0};

    if (form == OOM_2_6_2 || form == OOM_6_1)
        return worst;
    for (struct task *task = machine->tasks; task; task = task->next)
        if (task->parent == worst->leader && is_child(task) &&
            (form != OOM_2_6_24 || !choice.task))
            consider(&choice, task);
    return choice.task ? choice.task : worst;
}

/* Every task that shares the victim's address space dies. */
static void
mark_killed(struct machine *machine, const struct mm *mm)
{
    for (struct task *task = machine->tasks; task; task = task->next)
        if (task->mm == mm)
            task->oom_killed = true;
}

static void
reap(struct machine *machine, const struct mm *mm)
{
    for (struct task *task = machine->tasks, *next; task; task = next) {
        next = task->next;
        if (task->mm == mm)
            task_exit(task);
    }
}

bool
oom_kill(struct machine *machine)
{
    struct task *worst = worst_task(machine);

    if (!worst)
        return false;

    struct task *victim = victim_for(worst);

    machine->counters.oom_kill_count++;
    mark_killed(machine, victim->mm);
    if (machine->current && machine->current->mm == victim->mm)
        return false;
    reap(machine, victim->mm);
    return true;
}
