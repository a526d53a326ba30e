/*
 * Life and death of tasks while a trace is read.
 *
 * Not modelled: what a task's death means for the others; a reader only needs
 * to know who may still have lines.
 */
#include "traces/trace_tasks.h"

struct space {
    struct trace_names names;
    uint32_t users;  // processes
};

struct trace_process {
    struct space *space;
    struct trace_live *threads;  // linked by next
};

static struct space *
space_new(void)
{
    struct space *space = g_new0(struct space, 1);
    space->users = 1;
    return space;
}

static struct space *
space_fork(struct space *parent)
{
    struct space *space = space_new();
    space->names = trace_names_copy(&parent->names);
    return space;
}

static void
space_unref(struct space *space)
{
    if (--space->users > 0)
        return;
    trace_names_clear(&space->names);
    g_free(space);
}

static void
process_add(struct trace_process *process, struct trace_live *live)
{
    live->process = process;
    live->next = process->threads;
    live->link = &process->threads;
    if (live->next)
        live->next->link = &live->next;
    process->threads = live;
}

static void
process_remove(struct trace_live *live)
{
    *live->link = live->next;
    if (live->next)
        live->next->link = live->link;
    live->process = NULL;
}

static struct trace_process *
process_new(struct space *space)
{
    struct trace_process *process = g_new0(struct trace_process, 1);
    process->space = space;
    return process;
}

static void
process_free(struct trace_process *process)
{
    space_unref(process->space);
    g_free(process);
}

static void
live_destroy(gpointer data)
{
    struct trace_live *live = data;
    if (live->process)
        trace_tasks_exit(live);
    g_free(live);
}

void
trace_tasks_init(struct trace_tasks *tasks)
{
    *tasks = (struct trace_tasks){
        .by_id = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL,
                                       live_destroy),
    };
}

void
trace_tasks_finish(struct trace_tasks *tasks)
{
    g_hash_table_destroy(tasks->by_id);
}

struct trace_live *
trace_tasks_find_slowly(struct trace_tasks *tasks, uint64_t id)
{
    struct trace_live *live = g_hash_table_lookup(tasks->by_id, &id);
    if (live)
        tasks->cached[id % TRACE_TASKS_CACHED] = live;
    return live;
}

static struct trace_process *
process_for(struct trace_live *parent, enum trace_op op)
{
    if (!parent)
        return process_new(space_new());
    struct space *space = parent->process->space;
    if (op == TRACE_OP_THREAD)
        return parent->process;
    if (op == TRACE_OP_FORK)
        return process_new(space_fork(space));
    space->users++;  // vfork
    return process_new(space);
}

void
trace_tasks_create(struct trace_tasks *tasks, uint64_t id, uint32_t index,
                   struct trace_live *parent, enum trace_op op)
{
    struct trace_live *live = trace_tasks_find(tasks, id);
    if (!live) {
        live = g_new0(struct trace_live, 1);
        live->id = id;
        g_hash_table_insert(tasks->by_id, &live->id, live);
    }
    live->index = index;
    process_add(process_for(parent, op), live);
}

void
trace_tasks_exit(struct trace_live *live)
{
    struct trace_process *process = live->process;
    process_remove(live);
    if (!process->threads)
        process_free(process);
}

/* End the threads of a process except `survivor`, which may be NULL. */
static void
end_threads(struct trace_process *process, struct trace_live *survivor)
{
    struct trace_live *live = process->threads;
    process->threads = NULL;
    while (live) {
        struct trace_live *next = live->next;
        live->process = NULL;
        if (live == survivor)
            process_add(process, live);
        live = next;
    }
}

void
trace_tasks_exit_group(struct trace_live *live)
{
    struct trace_process *process = live->process;
    end_threads(process, NULL);
    process_free(process);
}

void
trace_tasks_exec(struct trace_live *live)
{
    struct trace_process *process = live->process;
    end_threads(process, live);
    space_unref(process->space);
    process->space = space_new();
}

struct trace_names *
trace_tasks_names(struct trace_live *live)
{
    return &live->process->space->names;
}
