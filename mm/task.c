/*
 * Tasks: start, fork, exec, exit.
 *
 * A task costs a task_struct, a kernel stack and, for a process, an address
 * space.  Its record stays to the machine's end, so that a driver's pointer
 * never dangles; the simulated objects are freed at exit.
 *
 * Not modelled: zombies waiting for their parent keep nothing.
 */
#include "mm/task.h"

#include "mm/aspace.h"
#include "mm/expect.h"
#include "mm/fork.h"
#include "mm/machine.h"
#include "mm/page_alloc.h"
#include "mm/pieces.h"
#include "mm/vrange.h"

#include <errno.h>

static unsigned
stack_order(const struct machine *machine)
{
    unsigned order = 0;

    while (pages_to_bytes(UINT64_C(1) << order) < machine->sizes.kernel_stack)
        order++;
    return order;
}

static void
link_task(struct machine *machine, struct task *task)
{
    task->prev = machine->tasks_last;
    if (machine->tasks_last)
        machine->tasks_last->next = task;
    else
        machine->tasks = task;
    machine->tasks_last = task;
}

static void
unlink_task(struct machine *machine, struct task *task)
{
    if (task->prev)
        task->prev->next = task->next;
    else
        machine->tasks = task->next;
    if (task->next)
        task->next->prev = task->prev;
    else
        machine->tasks_last = task->prev;
    task->prev = task->next = NULL;
}

static void
link_thread(struct task *leader, struct task *task)
{
    task->leader = leader;
    task->thread_prev = leader->threads_last;
    if (leader->threads_last)
        leader->threads_last->thread_next = task;
    else
        leader->threads = task;
    leader->threads_last = task;
}

static void
unlink_thread(struct task *task)
{
    struct task *leader = task->leader;

    if (task->thread_prev)
        task->thread_prev->thread_next = task->thread_next;
    else
        leader->threads = task->thread_next;
    if (task->thread_next)
        task->thread_next->thread_prev = task->thread_prev;
    else
        leader->threads_last = task->thread_prev;
    task->thread_prev = task->thread_next = NULL;
}

/* The simulated objects of a task, of a new process if it has no leader; NULL:
 * no memory. */
static struct task *
task_create(struct machine *machine, unsigned cpu, uint64_t uid,
            struct task *leader)
{
    void *object = slab_alloc(machine, SLAB_TASK);

    if (!object)
        return NULL;
    pfn_t stack =
        page_alloc(machine, machine->cpu, PAGE_TASK, stack_order(machine));
    if (pfn_is_none(stack)) {
        slab_free(machine, SLAB_TASK, object);
        return NULL;
    }
    for (uint32_t i = 0; i < 1u << stack_order(machine); i++) {
        machine->pages[stack.v + i].holder = HOLDER_KERNEL;
        machine->pages[stack.v + i].map_count = 0;
    }
    struct task *task = pieces_get(machine->object_pieces, sizeof(*task));
    *task = (struct task){
        .machine = machine,
        .serial = machine->task_created_count,
        .cpu = cpu,
        .uid = uid,
        .object = object,
        .stack = stack,
        .start_ns = machine->now_ns,
    };
    machine->task_created_count++;
    link_task(machine, task);
    link_thread(leader ? leader : task, task);
    gauge_add(machine, GAUGE_task_count, 1);
    charge(machine, CHARGE_task_create, 1);
    return task;
}

static void
task_release(struct task *task)
{
    struct machine *machine = task->machine;

    page_free(machine, machine->cpu, task->stack, stack_order(machine), 0);
    slab_free(machine, SLAB_TASK, task->object);
    gauge_sub(machine, GAUGE_task_count, 1);
    unlink_task(machine, task);
    unlink_thread(task);
    task->mm = NULL;
}

static void
mm_put(struct mm *mm)
{
    mm_assert(mm->user_count > 0);
    if (--mm->user_count == 0)
        mm_destroy(mm);
}

/* A fresh address space as exec leaves it; NULL: no memory. */
static struct mm *
new_image(struct machine *machine, uint64_t uid,
          const struct exec_layout *layout)
{
    struct mm *mm = mm_create(machine);

    if (!mm)
        return NULL;
    mm_set_layout(mm, layout);
    mm->uid_holder = machine_holder_of(machine, uid);
    if (mm_map_stack(mm, mm->stack_top) < 0) {
        mm_destroy(mm);
        return NULL;
    }
    return mm;
}

int
task_start(struct machine *machine, uint64_t uid, unsigned cpu,
           const struct exec_layout *layout, struct task **result)
{
    struct task *task = task_create(machine, cpu, uid, NULL);

    if (!task)
        return -ENOMEM;
    task->mm = new_image(machine, uid, layout);
    if (!task->mm) {
        task_release(task);
        return -ENOMEM;
    }
    task->mm->user_count = 1;
    *result = task;
    return 0;
}

int
task_fork(struct task *parent, unsigned cpu, struct task **child)
{
    struct task *task = task_create(parent->machine, cpu, parent->uid, NULL);

    if (!task)
        return -ENOMEM;
    task->mm = fork_mm(parent->mm);
    if (!task->mm) {
        task_release(task);
        return -ENOMEM;
    }
    task->mm->user_count = 1;
    task->parent = parent->leader;
    *child = task;
    return 0;
}

/* A task that runs in the parent's address space. */
static struct task *
share_mm(struct task *parent, unsigned cpu, struct task *leader)
{
    struct task *task = task_create(parent->machine, cpu, parent->uid, leader);

    if (!task)
        return NULL;
    task->mm = parent->mm;
    task->mm->user_count++;
    return task;
}

int
task_vfork(struct task *parent, unsigned cpu, struct task **child)
{
    struct task *task = share_mm(parent, cpu, NULL);

    if (!task)
        return -ENOMEM;
    task->vfork_parent = parent;
    task->parent = parent->leader;
    *child = task;
    return 0;
}

int
task_thread(struct task *parent, unsigned cpu, struct task **child)
{
    struct task *task = share_mm(parent, cpu, parent->leader);

    if (!task)
        return -ENOMEM;
    *child = task;
    return 0;
}

void
task_exit(struct task *task)
{
    struct mm *mm = task->mm;

    if (mm->user_count == 1)
        expect_exits(task);
    task->vfork_parent = NULL;
    task_release(task);
    mm_put(mm);
}

/* Every thread of the process but `except`. */
static void
end_threads(struct task *leader, const struct task *except)
{
    for (struct task *task = leader->threads, *next; task; task = next) {
        next = task->thread_next;
        if (task != except)
            task_exit(task);
    }
}

void
task_exit_group(struct task *task)
{
    end_threads(task->leader, NULL);
}

int
task_exec(struct task *task, const struct exec_layout *layout)
{
    struct mm *mm = new_image(task->machine, task->uid, layout);
    struct mm *old = task->mm;

    if (!mm)
        return -ENOMEM;
    end_threads(task->leader, task);
    mm->user_count = 1;
    task->mm = mm;
    task->vfork_parent = NULL;
    mm_put(old);
    return 0;
}

void
task_setuid(struct task *task, uint64_t uid)
{
    struct mm *mm = task->mm;

    if (uid == task->uid)
        return;
    task->uid = uid;
    mm->uid_holder = machine_holder_of(task->machine, uid);
    mm->creds_changed = true;
}

/* A tracer of another uid may read what the target frees later. */
void
task_ptrace(struct task *tracer, struct task *target)
{
    if (tracer->uid != target->uid && target->mm)
        target->mm->creds_changed = true;
}
