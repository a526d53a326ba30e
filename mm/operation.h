/*
 * Operations: how a driver makes the simulated kernel do something.
 *
 * A call -- a system call, a touch, a fork -- is begun as an operation and
 * carried out in atomic steps.  Between steps all invariants hold.  A touch
 * that needs a frame takes two: *prepare* (look up, allocate, clear or copy)
 * and *commit* (look at the PTE again; install, or give the page back), so two
 * tasks can race for a page as on a real kernel.  Everything else is one step.
 *
 * The recorded driver runs the steps back to back with operation_run(), which
 * works on runs of pages; operation_step() takes one page at a time, and both
 * go through the same prepare and commit (mm/fault.c).
 *
 * Before a step, `wants` names the lock that must be granted; after it, the
 * receipt (if machine.receipt is set) tells what was taken and charged.  mm/
 * knows lock identities, never times, owners or queues.
 */
#pragma once

#include "mm/aspace.h"
#include "mm/counters.h"
#include "mm/fault.h"
#include "mm/madvise.h"
#include "mm/task.h"

#include <glib.h>

enum call_kind {
    CALL_MMAP,
    CALL_MUNMAP,
    CALL_MPROTECT,
    CALL_MREMAP,
    CALL_MADVISE,
    CALL_BRK,
    CALL_VRANGE,
    CALL_PURGE,
    CALL_REUSE,
    CALL_GUARD,
    CALL_MLOCK,
    CALL_MUNLOCK,
    CALL_REMAP_FILE_PAGES,
    CALL_TOUCH,
    CALL_START,
    CALL_FORK,
    CALL_VFORK,
    CALL_THREAD,
    CALL_EXEC,
    CALL_EXIT,
    CALL_EXIT_GROUP,
    CALL_SETUID,
    CALL_PTRACE,
};

struct call {
    enum call_kind kind;
    uint64_t addr, length;  // bytes
    uint64_t new_addr, new_length;
    uint64_t pgoff;       // pages
    uint64_t pgoff_rest;  // mmap: bytes that the offset has beyond them
    uint64_t stride;      // touch: bytes, 0 = every page
    uint32_t prot;        // VM_READ...: mmap, mprotect
    uint32_t flags;       // mmap_flag or mremap_flag
    struct file *file;
    enum advice advice;
    enum touch_access access;
    bool from_kernel;           // touch: copy_to_user and friends
    bool gup;                   // touch: no exception
    bool nozero;                // brk2
    bool is_volatile;           // vrange
    uint64_t uid;               // start, setuid
    unsigned cpu;               // start, fork: where the new task runs
    struct exec_layout layout;  // start, exec
    struct task *target;        // ptrace
    uint32_t tag;               // touch: content that a write leaves
};

enum step_status { STEP_DONE, STEP_MORE };

enum lock_kind { LOCK_NONE, LOCK_MMAP, LOCK_VRANGE };
enum lock_mode { LOCK_READ, LOCK_WRITE };
struct lock_request {
    enum lock_kind kind;
    enum lock_mode mode;
    bool try;
    const void *object;
};

/* What a step took and cost; filled when machine.receipt is set.  Among the
 * charges are the locks that were taken on the way and only delay: zone, LRU,
 * anon_vma, PTE.  The one that decides is in operation.wants. */
struct receipt {
    uint64_t charges[CHARGE_COUNT];
    uint64_t tlb_flush_count;
    uint64_t tlb_ipi_count;
};

/* For whom pages are faulted in without a touch; they differ in what an error
 * does. */
enum populate_for {
    POPULATE_FOR_MMAP,      // errors are not told; holes are skipped
    POPULATE_FOR_MLOCK,     // an inaccessible VMA ends it with -ENOMEM
    POPULATE_FOR_MADVISE,   // every error ends it and is told
    POPULATE_FOR_MPROTECT,  // private locked VMAs that became writable
};

struct operation {
    struct machine *machine;
    struct task *task;          // NULL only for CALL_START
    const struct call *call;    // the driver's; outlives the operation
    struct lock_request wants;  // before the next step

    int64_t result;      // 0, an address, or -errno; vrange: 0 or 1
    struct task *child;  // START, FORK, VFORK, THREAD
    bool is_syscall;     // it was a call that counts

    /* Touches, and what populate and mlock make of themselves. */
    struct touch touch;
    uint64_t populate_addr, populate_end;  // still to be populated
    enum populate_for populate_for;
    unsigned phase;  // private to operation.c
};

/* touch.report of *op is the driver's and is kept; everything else is set.  A
 * new operation's report is zeroed first. */
void operation_begin(struct operation *op, struct machine *machine,
                     struct task *task, const struct call *call);
enum step_status operation_step(struct operation *op);
/* All steps, back to back, on runs of pages. */
void operation_run(struct operation *op);
/* Between two steps of a fault the kernel holds mmap_sem for reading. */
bool operation_holds_lock(const struct operation *op);
/* Frees what a begun operation holds, whether it was finished or not. */
void operation_finish(struct operation *op);
