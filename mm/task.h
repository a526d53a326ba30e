/*
 * Tasks: threads of execution with an address space and a CPU.
 */
#pragma once

#include "mm/types.h"

struct machine;
struct mm;

struct task {
    struct machine *machine;
    struct task *prev, *next;  // machine.tasks, order of creation
    struct mm *mm;             // NULL after exit
    struct task *vfork_parent; // parent whose mm it borrows until exec or exit
    void *object;              // slab object: task_struct
    pfn_t stack;               // kernel stack: first frame
    unsigned cpu;
    struct task *leader;       // first task of the process, ended or not
    struct task *threads;      // a leader's: who lives, oldest first
    struct task *threads_last;
    struct task *thread_prev, *thread_next;

    /* From here on nothing that its exit looks at. */
    struct task *parent;       // leader of the process that forked this one
    uint32_t serial;           // order of creation, from 0
    bool oom_killed;
    uint64_t uid;
    uint64_t children_points;  // a leader's: mm/oom.c's
    uint64_t start_ns;         // functional clock at creation
    void *user;                // the driver's
};

/* Layout and limits of a new image; 0 where the preset decides. */
struct exec_layout {
    uint64_t mmap_base, brk, stack_top;
    uint64_t rlimit_stack, rlimit_memlock, rlimit_as;
    bool has_rlimit_memlock, has_rlimit_as;
};

/* All return 0 or -errno; *task is the new one. */
int task_start(struct machine *machine, uint64_t uid, unsigned cpu,
               const struct exec_layout *layout, struct task **task);
int task_fork(struct task *parent, unsigned cpu, struct task **child);
int task_vfork(struct task *parent, unsigned cpu, struct task **child);
int task_thread(struct task *parent, unsigned cpu, struct task **child);
/* Ends the other threads of the process. */
int task_exec(struct task *task, const struct exec_layout *layout);
void task_exit(struct task *task);
/* All threads of the process. */
void task_exit_group(struct task *task);
void task_setuid(struct task *task, uint64_t uid);
void task_ptrace(struct task *tracer, struct task *target);
