/*
 * Operations: one call each, carried out in steps.
 *
 *   begin --> [call step] --> touches: (prepare, commit)* --> done
 *
 * A system call is one step; mmap with populate or locked, mlock and
 * madvise(POPULATE) go on as touches without exceptions, page by page.  The
 * recorded driver lets operation_run() take runs of pages instead; both ways
 * go through touch_prepare() and touch_commit().
 *
 * After every step an OOM kill of the task's own process takes effect: the
 * kernel, too, lets the victim run to the next safe point.
 */
#include "mm/operation.h"

#include "mm/file.h"
#include "mm/machine.h"
#include "mm/purge.h"
#include "mm/vrange.h"

#include <errno.h>
#include <string.h>

/* mprotect_fixup() populates since about 2.6.39 (recalled; 6.18 measured). */
#define MPROTECT_POPULATES_VERSION 2006039

/* do_mmap_pgoff() called remap_file_pages() for MAP_POPULATE, which takes none
 * but shared mappings (2.6.20); from here on it populates itself (recalled). */
#define MMAP_POPULATES_ITSELF_VERSION 2006023

enum phase { PHASE_CALL, PHASE_TOUCH, PHASE_POPULATE, PHASE_DONE };

static void
want_mmap_lock(struct operation *op, enum lock_mode mode)
{
    op->wants = (struct lock_request){
        .kind = LOCK_MMAP, .mode = mode, .object = op->task->mm};
}

/* The lock that the call takes first, by era. */
static void
plan_lock(struct operation *op)
{
    bool old = op->machine->kernel.version < 2006022;

    switch (op->call->kind) {
    case CALL_TOUCH:
        want_mmap_lock(op, LOCK_READ);
        return;
    case CALL_MADVISE:
        want_mmap_lock(op, old || op->call->advice > ADVICE_PAGEOUT
                               ? LOCK_WRITE
                               : LOCK_READ);
        return;
    case CALL_PURGE:
    case CALL_REUSE:
    case CALL_VRANGE:
        if (op->call->kind == CALL_VRANGE ||
            op->machine->policy.purge->uses_vrange) {
            op->wants = (struct lock_request){.kind = LOCK_VRANGE,
                                              .mode = LOCK_WRITE,
                                              .object = op->task->mm};
            return;
        }
        want_mmap_lock(op, old ? LOCK_WRITE : LOCK_READ);
        return;
    case CALL_START:
    case CALL_SETUID:
    case CALL_PTRACE:
        return;
    case CALL_MMAP:
    case CALL_MUNMAP:
    case CALL_MPROTECT:
    case CALL_MREMAP:
    case CALL_BRK:
    case CALL_GUARD:
    case CALL_MLOCK:
    case CALL_MUNLOCK:
    case CALL_REMAP_FILE_PAGES:
    case CALL_FORK:
    case CALL_VFORK:
    case CALL_THREAD:
    case CALL_EXEC:
    case CALL_EXIT:
    case CALL_EXIT_GROUP:
        want_mmap_lock(op, LOCK_WRITE);
        return;
    }
}

static void
make_current(struct operation *op)
{
    op->machine->current = op->task;
    op->machine->cpu = op->task ? op->task->cpu : op->call->cpu;
}

void
operation_begin(struct operation *op, struct machine *machine,
                struct task *task, const struct call *call)
{
    op->machine = machine;
    op->task = task;
    op->call = call;
    op->wants = (struct lock_request){0};
    op->result = 0;
    op->child = NULL;
    op->is_syscall = false;
    op->touch.next = op->touch.end = 0;
    op->touch.work.count = 0;
    op->touch.no_memory = false;
    memset(op->touch.outcome_pages, 0, sizeof(op->touch.outcome_pages));
    make_current(op);
    plan_lock(op);
    op->phase = PHASE_CALL;
}

/* Touch a range from here on; outcomes add up. */
static void
start_touch(struct operation *op, uint64_t start, uint64_t length,
            enum touch_access access, bool gup)
{
    touch_begin(&op->touch, op->task->mm, start, length, access);
    op->touch.gup = gup;
    if (op->call->from_kernel || gup)
        op->touch.memory = REMEMBERS_ALL;
    op->touch.tag = op->call->tag;
}

static void
start_populate(struct operation *op, uint64_t start, uint64_t length,
               enum populate_for populate_for)
{
    op->populate_addr = page_floor(start);
    op->populate_end = page_ceil(start + length);
    op->populate_for = populate_for;
    op->touch.end = 0;
    op->touch.next = 0;
    op->phase = PHASE_POPULATE;
}

/* ---- calls ---- */

static bool
is_populated(const struct kernel *kernel, uint32_t flags)
{
    bool knows_populate =
        kernel->version >= MMAP_POPULATES_ITSELF_VERSION ||
        (KERNEL_HAS(kernel, REMAP_FILE_PAGES) && (flags & MM_SHARED));

    return !(flags & MM_EXEC_IMAGE) &&
           (flags & MM_LOCKED || (flags & MM_POPULATE && knows_populate));
}

static void
do_mmap(struct operation *op)
{
    const struct call *call = op->call;
    struct mmap_args args = {
        .addr = call->addr,
        .length = call->length,
        .pgoff = call->pgoff,
        .pgoff_rest = call->pgoff_rest,
        .file = call->file,
        .prot = call->prot,
        .flags = call->flags,
    };

    op->is_syscall = !(call->flags & MM_EXEC_IMAGE);
    op->result = mm_mmap(op->task->mm, &args);
    if (op->result >= 0 && is_populated(&op->machine->kernel, call->flags))
        start_populate(op, (uint64_t)op->result, call->length,
                       POPULATE_FOR_MMAP);
}

static void
do_madvise(struct operation *op)
{
    const struct call *call = op->call;
    bool populates = call->advice == ADVICE_POPULATE_READ ||
                     call->advice == ADVICE_POPULATE_WRITE;

    op->result =
        mm_madvise(op->task->mm, call->addr, call->length, call->advice);
    if (populates && (op->result == 0 || op->result == -ENOMEM)) {
        op->result = 0;  // the walk of the pages tells of holes
        start_populate(op, call->addr, call->length, POPULATE_FOR_MADVISE);
    }
}

static void
do_mlock(struct operation *op)
{
    op->result = mm_mlock(op->task->mm, op->call->addr, op->call->length);
    if (op->result == 0)
        start_populate(op, op->call->addr, op->call->length,
                       POPULATE_FOR_MLOCK);
}

/* From the first to the last VMA of the call that is private, locked and not
 * writable yet; one in between that is writable already is populated, too. */
static void
find_made_writable(const struct operation *op, uint64_t *start, uint64_t *end)
{
    const struct call *call = op->call;
    uint64_t limit = call->addr + page_ceil(call->length), at = call->addr;

    *start = *end = at;
    for (const struct vma *vma = vma_find_quiet(op->task->mm, at);
         vma && vma->start <= at && at < limit; vma = vma->next) {
        uint64_t stop = MIN(vma->end, limit);

        if ((vma->flags & (VM_WRITE | VM_SHARED | VM_LOCKED)) == VM_LOCKED) {
            *start = *start == *end ? at : *start;
            *end = stop;
        }
        at = stop;
    }
}

/* Locked private pages that become writable are copied or cleared at once. */
static void
do_mprotect(struct operation *op)
{
    const struct call *call = op->call;
    uint64_t start = 0, end = 0;

    if ((call->prot & VM_WRITE) && op->task->mm->locked_pages &&
        op->machine->kernel.version >= MPROTECT_POPULATES_VERSION)
        find_made_writable(op, &start, &end);
    op->result =
        mm_mprotect(op->task->mm, call->addr, call->length, call->prot);
    if (start < end && (op->result == 0 || op->result == -ENOMEM))
        start_populate(op, start, end - start, POPULATE_FOR_MPROTECT);
}

/* What a locked mapping grows by is faulted in. */
static void
do_mremap(struct operation *op)
{
    const struct call *call = op->call;
    struct mm *mm = op->task->mm;
    uint64_t old_length = page_ceil(call->length);
    uint64_t new_length = page_ceil(call->new_length);

    op->result = mm_mremap(mm, call->addr, call->length, call->new_length,
                           call->flags, call->new_addr);
    if (op->result < 0 || new_length <= old_length)
        return;
    uint64_t grown = (uint64_t)op->result + old_length;
    const struct vma *vma = vma_find(mm, grown);

    if (vma && (vma->flags & VM_LOCKED))
        start_populate(op, grown, new_length - old_length, POPULATE_FOR_MMAP);
}

static void
do_vrange(struct operation *op)
{
    const struct call *call = op->call;
    struct machine *machine = op->machine;

    if (!KERNEL_HAS(&machine->kernel, VRANGE) &&
        !machine->policy.purge->uses_vrange) {
        op->result = -ENOSYS;
        return;
    }
    if (call->is_volatile)
        machine->counters.purge_call_count++;
    else
        machine->counters.reuse_call_count++;
    op->result =
        vrange_call(op->task->mm, call->addr, call->length, call->is_volatile);
}

static void
do_policy_event(struct operation *op)
{
    const struct purge_ops *purge = op->machine->policy.purge;
    struct mm *mm = op->task->mm;
    struct purge_outcome outcome = {0};

    if (op->call->kind == CALL_GUARD)
        outcome.result =
            mm_guard(mm, op->call->addr, op->call->length, &outcome.is_call);
    else if (op->call->kind == CALL_PURGE)
        outcome = purge->purge(mm, op->call->addr, op->call->length);
    else
        outcome = purge->reuse(mm, op->call->addr, op->call->length);
    op->result = outcome.result;
    op->is_syscall = outcome.is_call;
}

/* Whether [start, end) is one mapping of the VMA's file, perhaps in parts. */
static bool
is_one_mapping(const struct vma *vma, uint64_t end)
{
    const struct vma *part = vma;

    while (part->end < end) {
        const struct vma *next = part->next;

        if (!next || next->start != part->end || next->file != vma->file ||
            next->flags != vma->flags)
            return false;
        part = next;
    }
    return true;
}

/* Emulated by a populated mapping since 4.0; old kernels' nonlinear PTEs are
 * not modelled and behave the same here. */
static void
do_remap_file_pages(struct operation *op)
{
    const struct call *call = op->call;
    uint64_t start = page_floor(call->addr);
    uint64_t length = page_floor(call->length);
    const struct vma *vma = vma_find(op->task->mm, start);
    bool is_known = KERNEL_HAS(&op->machine->kernel, REMAP_FILE_PAGES);

    op->result = is_known ? -EINVAL : -ENOSYS;
    if (!is_known || start + length <= start ||
        call->pgoff + bytes_to_pages(length) < call->pgoff || !vma ||
        vma->start > start || !(vma->flags & VM_SHARED) ||
        !is_one_mapping(vma, start + length))
        return;
    struct mmap_args args = {
        .addr = start,
        .length = length,
        .pgoff = call->pgoff,
        .file = vma->file,
        .prot = vma->flags & VM_ACCESS,
        .flags =
            MM_SHARED | MM_FIXED | (vma->flags & VM_LOCKED ? MM_LOCKED : 0u),
    };
    args.file->is_pinned = true;  // its last VMA may be what is replaced
    int64_t addr = mm_mmap(op->task->mm, &args);
    args.file->is_pinned = false;
    file_put(args.file);

    op->result = addr < 0 ? addr : 0;
    if (addr >= 0)
        start_populate(op, start, length, POPULATE_FOR_MMAP);
}

static void
do_start(struct operation *op)
{
    op->is_syscall = false;
    op->result = task_start(op->machine, op->call->uid, op->call->cpu,
                            &op->call->layout, &op->child);
}

/* Calls that need the address space; touches are begun, not done. */
static void
do_memory_call(struct operation *op)
{
    const struct call *call = op->call;
    struct mm *mm = op->task->mm;

    switch ((int)call->kind) {
    case CALL_MMAP:
        do_mmap(op);
        return;
    case CALL_MUNMAP:
        op->result = mm_munmap(mm, call->addr, call->length);
        return;
    case CALL_MPROTECT:
        do_mprotect(op);
        return;
    case CALL_MREMAP:
        do_mremap(op);
        return;
    case CALL_MADVISE:
        do_madvise(op);
        return;
    case CALL_BRK:
        op->result = mm_brk(mm, call->length, call->nozero);
        return;
    case CALL_VRANGE:
        do_vrange(op);
        return;
    case CALL_MLOCK:
        do_mlock(op);
        return;
    case CALL_MUNLOCK:
        op->result = mm_munlock(mm, call->addr, call->length);
        return;
    case CALL_REMAP_FILE_PAGES:
        do_remap_file_pages(op);
        return;
    default:
        do_policy_event(op);
        return;
    }
}

/* Life and credentials; false: a memory call. */
static bool
do_task_call(struct operation *op)
{
    const struct call *call = op->call;
    struct task *task = op->task;

    switch ((int)call->kind) {
    case CALL_START:
        do_start(op);
        return true;
    case CALL_FORK:
        op->result = task_fork(task, call->cpu, &op->child);
        return true;
    case CALL_VFORK:
        op->result = task_vfork(task, call->cpu, &op->child);
        return true;
    case CALL_THREAD:
        op->result = task_thread(task, call->cpu, &op->child);
        return true;
    case CALL_EXEC:
        op->result = task_exec(task, &call->layout);
        return true;
    case CALL_EXIT:
        task_exit(task);
        return true;
    case CALL_EXIT_GROUP:
        task_exit_group(task);
        return true;
    case CALL_SETUID:
        task_setuid(task, call->uid);
        return true;
    case CALL_PTRACE:
        task_ptrace(task, call->target);
        return true;
    default:
        return false;
    }
}

/* The kernel does not execute a program's memory: it reads it. */
static enum touch_access
access_of(const struct call *call)
{
    bool is_read =
        call->access == TOUCH_EXEC && (call->from_kernel || call->gup);

    return is_read ? TOUCH_READ : call->access;
}

static void
do_call(struct operation *op)
{
    const struct call *call = op->call;
    struct machine *machine = op->machine;

    op->phase = PHASE_DONE;
    if (call->kind == CALL_TOUCH) {
        if (call->length == 0)
            return;
        start_touch(op, call->addr, call->length, access_of(call), call->gup);
        if (call->stride)
            op->touch.stride = call->stride;
        op->phase = PHASE_TOUCH;
        return;
    }
    op->is_syscall = true;
    if (!do_task_call(op))
        do_memory_call(op);
    if (!op->is_syscall)
        return;
    machine->counters.syscall_count++;
    charge(machine, CHARGE_syscall, 1);
    charge(machine, CHARGE_mmap_lock_pair, op->wants.kind == LOCK_MMAP);
}

/* ---- populate ---- */

static void
end_populate(struct operation *op, int64_t error)
{
    bool is_told = op->populate_for == POPULATE_FOR_MADVISE ||
                   op->populate_for == POPULATE_FOR_MLOCK;

    if (is_told && error)
        op->result = error;
    op->phase = PHASE_DONE;
}

/* -errno if populating may not touch this VMA. */
static int64_t
populate_refusal(const struct operation *op, const struct vma *vma, bool write)
{
    if (op->populate_for == POPULATE_FOR_MLOCK)
        return vma->flags & VM_ACCESS ? 0 : -ENOMEM;
    if (op->populate_for == POPULATE_FOR_MADVISE &&
        (!(vma->flags & (write ? VM_WRITE : VM_READ)) ||
         (vma->flags & VM_SPECIAL)))
        return -EINVAL;
    return 0;
}

static bool
populates_by_write(const struct operation *op, const struct vma *vma)
{
    if (op->populate_for == POPULATE_FOR_MADVISE)
        return op->call->advice == ADVICE_POPULATE_WRITE;
    return (vma->flags & VM_WRITE) && !(vma->flags & VM_SHARED);
}

/* Begin the touches of the part of the range that lies in the VMA. */
static void
populate_vma(struct operation *op, const struct vma *vma)
{
    uint64_t start = op->populate_addr, end = MIN(vma->end, op->populate_end);
    bool write = populates_by_write(op, vma);
    bool is_meant = op->populate_for != POPULATE_FOR_MPROTECT ||
                    (vma->flags & (VM_LOCKED | VM_SHARED)) == VM_LOCKED;
    int64_t refusal = populate_refusal(op, vma, write);

    if (refusal) {
        end_populate(op, refusal);
        return;
    }
    op->populate_addr = end;
    if (!is_meant)
        return;
    start_touch(op, start, end - start, write ? TOUCH_WRITE : TOUCH_READ,
                /* gup = */ true);
    op->touch.ends_refused = true;
    if (op->populate_for == POPULATE_FOR_MMAP ||
        op->populate_for == POPULATE_FOR_MLOCK)
        op->touch.memory = REMEMBERS_NOTHING;
}

static void
populate_next_vma(struct operation *op)
{
    struct vma *vma = vma_find(op->task->mm, op->populate_addr);

    if (op->populate_addr >= op->populate_end) {
        end_populate(op, 0);
        return;
    }
    if (!vma || vma->start >= op->populate_end ||
        (vma->start > op->populate_addr &&
         op->populate_for == POPULATE_FOR_MADVISE)) {
        end_populate(op, -ENOMEM);
        return;
    }
    op->populate_addr = MAX(op->populate_addr, vma->start);
    populate_vma(op, vma);
}

/* A refused page ends a populate whose caller is told; others go on. */
static void
check_populated(struct operation *op)
{
    const uint64_t *pages = op->touch.outcome_pages;

    if (op->touch.no_memory)
        end_populate(op, op->populate_for == POPULATE_FOR_MLOCK ? -EAGAIN
                                                                : -ENOMEM);
    else if (pages[OUTCOME_SEGV] || pages[OUTCOME_BUS]) {
        if (op->populate_for == POPULATE_FOR_MADVISE)
            end_populate(op, -EFAULT);
        else if (op->populate_for == POPULATE_FOR_MLOCK)
            end_populate(op, -ENOMEM);
    }
}

/* ---- driving ---- */

static void
touch_one_step(struct operation *op)
{
    if (touch_is_pending(&op->touch))
        touch_commit(&op->touch);
    else
        touch_prepare(&op->touch, 1);
}

/* Everything at once: the prepared run is committed back to back. */
static void
touch_all(struct touch *touch)
{
    while (!touch_is_done(touch)) {
        touch_prepare(touch, UINT32_MAX);
        if (touch_is_pending(touch))
            touch_commit(touch);
    }
}

static void
finish_touch(struct operation *op)
{
    if (op->touch.no_memory)
        op->result = -ENOMEM;
    else if (op->touch.outcome_pages[OUTCOME_SEGV])
        op->result = -EFAULT;
    op->phase = PHASE_DONE;
}

/* The process was chosen by the OOM killer while it asked for memory. */
static void
die_if_killed(struct operation *op)
{
    struct task *task = op->task;

    if (!task || !task->oom_killed || !task->mm)
        return;
    if (touch_is_pending(&op->touch))
        touch_abandon(&op->touch);
    task_exit_group(task);
    op->result = -ENOMEM;
    op->phase = PHASE_DONE;
}

static void
step_touches(struct operation *op)
{
    if (op->phase == PHASE_TOUCH) {
        touch_one_step(op);
        if (touch_is_done(&op->touch))
            finish_touch(op);
    } else if (op->phase == PHASE_POPULATE) {
        if (touch_is_done(&op->touch)) {
            populate_next_vma(op);
            return;
        }
        touch_one_step(op);
        if (touch_is_done(&op->touch))
            check_populated(op);
    }
}

static void
step(struct operation *op)
{
    if (op->task && !op->task->mm) {  // killed between two steps
        touch_abandon(&op->touch);
        op->phase = PHASE_DONE;
        return;
    }
    bool is_begun = op->phase != PHASE_CALL;

    if (!is_begun)
        do_call(op);
    /* To begin a touch changes nothing: its first page is the first step. */
    if (is_begun || op->call->kind == CALL_TOUCH)
        step_touches(op);
    die_if_killed(op);
}

static void
write_receipt(struct operation *op, const struct receipt *before)
{
    struct machine *machine = op->machine;
    struct receipt *receipt = machine->receipt;

    for (unsigned i = 0; i < CHARGE_COUNT; i++)
        receipt->charges[i] = machine->charges[i] - before->charges[i];
    receipt->tlb_flush_count =
        machine->counters.tlb_flush_count - before->tlb_flush_count;
    receipt->tlb_ipi_count =
        machine->counters.tlb_ipi_count - before->tlb_ipi_count;
}

static struct receipt
receipt_so_far(const struct machine *machine)
{
    struct receipt receipt = {
        .tlb_flush_count = machine->counters.tlb_flush_count,
        .tlb_ipi_count = machine->counters.tlb_ipi_count,
    };

    for (unsigned i = 0; i < CHARGE_COUNT; i++)
        receipt.charges[i] = machine->charges[i];
    return receipt;
}

enum step_status
operation_step(struct operation *op)
{
    make_current(op);
    if (op->machine->receipt) {
        struct receipt before = receipt_so_far(op->machine);

        step(op);
        write_receipt(op, &before);
    } else {
        step(op);
    }
    return op->phase == PHASE_DONE ? STEP_DONE : STEP_MORE;
}

bool
operation_holds_lock(const struct operation *op)
{
    return op->phase == PHASE_POPULATE || touch_is_pending(&op->touch);
}

void
operation_run(struct operation *op)
{
    make_current(op);
    do_call(op);
    if (op->phase == PHASE_TOUCH) {
        touch_all(&op->touch);
        finish_touch(op);
    }
    while (op->phase == PHASE_POPULATE) {
        populate_next_vma(op);
        if (op->phase != PHASE_POPULATE)
            break;
        touch_all(&op->touch);
        check_populated(op);
    }
    die_if_killed(op);
}

void
operation_finish(struct operation *op)
{
    touch_abandon(&op->touch);
}
