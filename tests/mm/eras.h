/*
 * Whole machines of the five eras, with every policy axis set as the era's
 * preset has it, and one-line calls.
 */
#pragma once

#include "kernel_fixture.h"

#include "mm/gap.h"
#include "mm/operation.h"
#include "mm/purge.h"
#include "mm/rmap.h"

static inline struct machine_config
era_config(int era, const struct arch *arch, uint64_t ram_bytes)
{
    struct machine_config config = kernel_fixtures[era](arch, ram_bytes);

    config.policy.rmap = era < 2 ? &rmap_pte_chain : &rmap_anon_vma;
    config.policy.gap = era == 0   ? &gap_linear
                        : era == 1 ? &gap_area_cache
                        : era < 4  ? &gap_hole_size
                                   : &gap_maple;
    config.policy.vma_index = era < 4 ? VMA_INDEX_RBTREE : VMA_INDEX_MAPLE;
    config.policy.purge = &purge_dontneed;
    config.cpu_count = 2;
    config.nozero_race_fix = true;
    config.track_content = true;
    return config;
}

static inline int64_t
run_call(struct machine *machine, struct task *task, const struct call *call)
{
    struct operation op = {0};

    operation_begin(&op, machine, task, call);
    operation_run(&op);
    operation_finish(&op);
    return op.result;
}

static inline struct task *
run_new_task(struct machine *machine, struct task *parent,
             const struct call *call)
{
    struct operation op = {0};

    operation_begin(&op, machine, parent, call);
    operation_run(&op);
    operation_finish(&op);
    return op.result == 0 ? op.child : NULL;
}

static inline struct task *
start_task(struct machine *machine, uint64_t uid)
{
    return run_new_task(machine, NULL,
                        &(struct call){.kind = CALL_START, .uid = uid});
}

static inline struct task *
fork_task(struct task *parent, unsigned cpu)
{
    return run_new_task(parent->machine, parent,
                        &(struct call){.kind = CALL_FORK, .cpu = cpu});
}

static inline struct task *
thread_task(struct task *parent, unsigned cpu)
{
    return run_new_task(parent->machine, parent,
                        &(struct call){.kind = CALL_THREAD, .cpu = cpu});
}

static inline uint64_t
map_anon(struct task *task, uint64_t length)
{
    int64_t addr = run_call(task->machine, task,
                            &(struct call){.kind = CALL_MMAP,
                                           .length = length,
                                           .prot = VM_READ | VM_WRITE});
    mm_assert(addr > 0);
    return (uint64_t)addr;
}

static inline struct call
touch_call(enum touch_access access, uint64_t addr, uint64_t length,
           uint32_t tag)
{
    return (struct call){.kind = CALL_TOUCH,
                         .addr = addr,
                         .length = length,
                         .access = access,
                         .tag = tag};
}

static inline void
touch(struct task *task, enum touch_access access, uint64_t addr,
      uint64_t length)
{
    struct call call = touch_call(access, addr, length, 1);

    run_call(task->machine, task, &call);
}

static inline int64_t
memory_call(struct task *task, enum call_kind kind, uint64_t addr,
            uint64_t length)
{
    return run_call(
        task->machine, task,
        &(struct call){.kind = kind, .addr = addr, .length = length});
}

static inline void
exit_all_tasks(struct machine *machine)
{
    while (machine->tasks)
        run_call(machine, machine->tasks,
                 &(struct call){.kind = CALL_EXIT_GROUP});
}

/* PTE_NONE where there is no table, too. */
static inline pte_t
entry_at(const struct task *task, uint64_t addr)
{
    const struct leaf *leaf = pagetable_leaf(task->mm, addr);

    return leaf ? leaf->pte[leaf_index(task->machine->arch, addr)] : PTE_NONE;
}
