/*
 * Translating calls, their flags and advice to the host's own numbers.
 */
#include "sim/verify_syscall.h"

#include "mm/machine.h"
#include "mm/purge.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#define LOWEST_HINT 0x10000  // vm.mmap_min_addr

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE  103
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

static int
host_advice(enum advice advice)
{
    static const int advices[] = {
        [ADVICE_DONTNEED] = MADV_DONTNEED,
        [ADVICE_FREE] = MADV_FREE,
        [ADVICE_WILLNEED] = MADV_WILLNEED,
        [ADVICE_COLD] = MADV_COLD,
        [ADVICE_PAGEOUT] = MADV_PAGEOUT,
        [ADVICE_HUGEPAGE] = MADV_HUGEPAGE,
        [ADVICE_NOHUGEPAGE] = MADV_NOHUGEPAGE,
        [ADVICE_DONTFORK] = MADV_DONTFORK,
        [ADVICE_DOFORK] = MADV_DOFORK,
        [ADVICE_WIPEONFORK] = MADV_WIPEONFORK,
        [ADVICE_KEEPONFORK] = MADV_KEEPONFORK,
        [ADVICE_POPULATE_READ] = MADV_POPULATE_READ,
        [ADVICE_POPULATE_WRITE] = MADV_POPULATE_WRITE,
        [ADVICE_GUARD_INSTALL] = MADV_GUARD_INSTALL,
        [ADVICE_GUARD_REMOVE] = MADV_GUARD_REMOVE,
        [ADVICE_DONTNEED_LOCKED] = MADV_DONTNEED_LOCKED,
        [ADVICE_NORMAL] = MADV_NORMAL,
        [ADVICE_RANDOM] = MADV_RANDOM,
        [ADVICE_SEQUENTIAL] = MADV_SEQUENTIAL,
        [ADVICE_MERGEABLE] = MADV_MERGEABLE,
        [ADVICE_UNMERGEABLE] = MADV_UNMERGEABLE,
        [ADVICE_COLLAPSE] = MADV_COLLAPSE,
    };

    return advices[advice];
}

static uint64_t
translate_flags(uint32_t flags, const uint32_t (*table)[2], size_t count)
{
    uint64_t result = 0;

    for (size_t i = 0; i < count; i++)
        if (flags & table[i][0])
            result |= table[i][1];
    return result;
}

static uint64_t
host_mmap_flags(const struct call *call)
{
    static const uint32_t table[][2] = {
        {MM_FIXED, MAP_FIXED},
        {MM_FIXED_NOREPLACE, MAP_FIXED_NOREPLACE},
        {MM_NORESERVE, MAP_NORESERVE},
        {MM_POPULATE, MAP_POPULATE},
        {MM_LOCKED, MAP_LOCKED},
        {MM_STACK, MAP_STACK},
        {MM_GROWSDOWN, MAP_GROWSDOWN},
    };

    uint32_t flags = call->flags;

    if (flags & MM_EXEC_IMAGE)  // the kernel maps images with its own flags
        flags = (flags & ~(uint32_t)MM_STACK) | MM_FIXED;
    return translate_flags(flags, table, G_N_ELEMENTS(table)) |
           (call->flags & MM_SHARED ? MAP_SHARED : MAP_PRIVATE) |
           (call->file ? 0 : MAP_ANONYMOUS);
}

static uint64_t
host_mremap_flags(const struct call *call)
{
    static const uint32_t table[][2] = {
        {MREMAP_CAN_MOVE, MREMAP_MAYMOVE},
        {MREMAP_TO_FIXED, MREMAP_FIXED},
        {MREMAP_KEEP_OLD, MREMAP_DONTUNMAP},
    };

    return translate_flags(call->flags, table, G_N_ELEMENTS(table));
}

static struct host_syscall
advise(const struct call *call, int advice)
{
    return (struct host_syscall){SYS_madvise,
                                 {call->addr, call->length, (uint64_t)advice}};
}

/* What a policy event becomes under the axes of this run. */
static struct host_syscall
policy_syscall(const struct operation *op)
{
    const struct policy *policy = &op->machine->policy;
    const struct call *call = op->call;

    if (call->kind == CALL_PURGE && policy->purge == &purge_dontneed)
        return advise(call, MADV_DONTNEED);
    if (call->kind == CALL_PURGE && policy->purge == &purge_free)
        return advise(call, MADV_FREE);
    if (call->kind == CALL_GUARD && policy->guard == GUARD_INSTALL)
        return advise(call, MADV_GUARD_INSTALL);
    if (call->kind == CALL_GUARD && policy->guard == GUARD_MPROTECT)
        return (struct host_syscall){SYS_mprotect,
                                     {call->addr, call->length, PROT_NONE}};
    return (struct host_syscall){.number = -1};
}

struct host_syscall
host_syscall_of(const struct operation *op, int file_fd)
{
    const struct call *call = op->call;

    switch ((int)call->kind) {
    case CALL_MMAP:
        return (struct host_syscall){
            SYS_mmap,
            {call->addr, call->length, call->prot, host_mmap_flags(call),
             (uint64_t)(int64_t)file_fd,
             pages_to_bytes(call->pgoff) + call->pgoff_rest}};
    case CALL_MUNMAP:
        return (struct host_syscall){SYS_munmap, {call->addr, call->length}};
    case CALL_MPROTECT:
        return (struct host_syscall){SYS_mprotect,
                                     {call->addr, call->length, call->prot}};
    case CALL_MREMAP:
        return (struct host_syscall){SYS_mremap,
                                     {call->addr, call->length,
                                      call->new_length, host_mremap_flags(call),
                                      call->new_addr}};
    case CALL_MADVISE:
        return advise(call, host_advice(call->advice));
    case CALL_BRK:
        return (struct host_syscall){SYS_brk,
                                     {op->task->mm->brk_start + call->length}};
    case CALL_MLOCK:
        return (struct host_syscall){SYS_mlock, {call->addr, call->length}};
    case CALL_MUNLOCK:
        return (struct host_syscall){SYS_munlock, {call->addr, call->length}};
    case CALL_REMAP_FILE_PAGES:
        return (struct host_syscall){
            SYS_remap_file_pages,
            {call->addr, call->length, 0, call->pgoff, 0}};
    case CALL_SETUID:
        return (struct host_syscall){SYS_setresuid,
                                     {call->uid, call->uid, call->uid}};
    default:
        return policy_syscall(op);
    }
}

static struct host_range
range_of(uint64_t start, uint64_t length)
{
    return (struct host_range){start, start + MIN(length, UINT64_MAX - start)};
}

size_t
host_syscall_ranges(const struct host_syscall *call,
                    struct host_range ranges[2])
{
    const uint64_t *args = call->args;

    switch (call->number) {
    case SYS_brk:
    case SYS_setresuid:
        return 0;
    case SYS_mmap:
        if (args[3] & (MAP_FIXED | MAP_FIXED_NOREPLACE))
            break;
        /* A place that is too low becomes the lowest. */
        ranges[0].start = args[0];
        ranges[0].end = range_of(MAX(args[0], LOWEST_HINT), args[1]).end;
        return args[0] > 0;  // else wherever there is room
    case SYS_mremap:
        ranges[1] = range_of(args[4], args[3] & MREMAP_FIXED ? args[2] : 0);
        ranges[0] = range_of(args[0], MAX(args[1], args[2]));
        return 2;
    default:
        break;
    }
    ranges[0] = range_of(args[0], args[1]);
    return 1;
}
