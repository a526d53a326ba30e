/*
 * Which tasks live while a trace is read, and whose names they use.
 *
 *   task (thread) --> process --> address space --> names
 *
 * Threads share a process; a vfork child is a process of its own on its
 * parent's address space until it execs or exits.  An entry outlives its task,
 * so that a `wait` below the exit still knows whom it means; a new task with
 * the same id takes the entry over.
 */
#pragma once

#include "traces/trace.h"
#include "traces/trace_names.h"

struct trace_process;

struct trace_live {
    uint64_t id;
    uint32_t index;  // of the latest task with this id, in trace.tasks
    struct trace_process *process;  // NULL: it has exited
    struct trace_live *next;        // in the process
    struct trace_live **link;       // what points at this one
};

enum { TRACE_TASKS_CACHED = 256 };

struct trace_tasks {
    GHashTable *by_id;  // uint64_t -> struct trace_live
    struct trace_live *cached[TRACE_TASKS_CACHED];  // by the low bits of the id
};

void trace_tasks_init(struct trace_tasks *tasks);
void trace_tasks_finish(struct trace_tasks *tasks);

/* NULL when no task ever had this id. */
struct trace_live *trace_tasks_find_slowly(struct trace_tasks *tasks,
                                           uint64_t id);
static inline struct trace_live *
trace_tasks_find(struct trace_tasks *tasks, uint64_t id)
{
    struct trace_live *live = tasks->cached[id % TRACE_TASKS_CACHED];
    return live && live->id == id ? live : trace_tasks_find_slowly(tasks, id);
}

/* Bring a task to life whose id is free.  `parent` is NULL for `start`; `op`
 * says what it inherits. */
void trace_tasks_create(struct trace_tasks *tasks, uint64_t id, uint32_t index,
                        struct trace_live *parent, enum trace_op op);
void trace_tasks_exec(struct trace_live *live);
void trace_tasks_exit(struct trace_live *live);
void trace_tasks_exit_group(struct trace_live *live);

struct trace_names *trace_tasks_names(struct trace_live *live);
