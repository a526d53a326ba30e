/*
 * The OOM killer: whom the kernel of the preset would choose.
 *
 *   2.6.2   total_vm, divided by roots of CPU time and age
 *   2.6.24  and half of the total_vm of children with an mm of their own
 *   2.6.38  (rss + swap) * 1000 / totalpages, -30 for root
 *   4.10    rss + swap + page tables, root -3 %
 *   6.1     rss + swap + page tables
 *
 * CPU time and age are zero here unless a trace has times; nice values,
 * oom_adj and oom_score_adj are not modelled, nor are 2.6.2's filters on the
 * frequency of failures.  A victim dies at once, unless it is the process that
 * asked: that one goes on to its next safe point.
 */
#include "mm/reclaim.h"

#include "mm/aspace.h"
#include "mm/machine.h"
#include "mm/task.h"

#define AGE_SHIFT_NS 40  // about 17 minutes

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

static uint64_t
badness_by_size(const struct task *task)
{
    const struct machine *machine = task->machine;
    uint64_t age = (machine->now_ns - task->start_ns) >> AGE_SHIFT_NS;
    uint64_t divisor = integer_root(integer_root(age));
    uint64_t points = task->mm->total_pages;

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
    uint64_t total =
        machine->ram_pages + bytes_to_pages(machine->config.swap_bytes);
    uint64_t points = rss_pages(mm);

    switch (machine->kernel.oom) {
    case OOM_2_6_2:
    case OOM_2_6_24:
        return badness_by_size(task);
    case OOM_2_6_38:
        points = points * 1000 / total;
        return task->uid == 0 ? points - MIN(points, 30) : points;
    case OOM_4_10:
        points += mm->pagetable.page_count;
        return task->uid == 0 ? points - points * 3 / 100 : points;
    case OOM_6_1:
        return points + mm->pagetable.page_count;
    }
    return points;
}

/* NULL: nobody is left, or the last victim is still on its way out and gives
 * back more than another one's death would be worth. */
static struct task *
worst_task(const struct machine *machine)
{
    struct task *worst = NULL;
    uint64_t worst_points = 0;

    for (struct task *task = machine->tasks; task; task = task->next) {
        if (task->mm && task->oom_killed)
            return NULL;
        if (!task->mm || task->vfork_parent)
            continue;
        uint64_t points = badness(task);

        if (!worst || points > worst_points) {
            worst = task;
            worst_points = points;
        }
    }
    return worst;
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
    struct task *victim = worst_task(machine);

    if (!victim)
        return false;
    machine->counters.oom_kill_count++;
    mark_killed(machine, victim->mm);
    if (machine->current && machine->current->mm == victim->mm)
        return false;
    reap(machine, victim->mm);
    return true;
}
