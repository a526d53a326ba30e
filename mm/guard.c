/*
 * The `guard` axis: how a thread library's guard page comes about.
 *
 *   mprotect  a PROT_NONE part at the low end of the stack: two VMAs more
 *   gap       the part is unmapped, and the mapping above it keeps that room
 *             free below itself in every later search; a plain munmap would be
 *             filled by the next top-down mmap
 *   install   MADV_GUARD_INSTALL (6.13): markers in the page table, no VMA
 *   none      no guard
 */
#include "mm/aspace.h"
#include "mm/machine.h"
#include "mm/madvise.h"

static int64_t
make_gap(struct mm *mm, uint64_t start, uint64_t length)
{
    int64_t error = mm_munmap(mm, start, length);

    if (error)
        return error;
    uint64_t end = start + page_ceil(length);
    struct vma *above = vma_find(mm, end);

    if (above && above->start == end && page_ceil(length) <= UINT32_MAX) {
        above->gap_below_bytes = (uint32_t)page_ceil(length);
        vma_tree_gap_changed(above);
    }
    return 0;
}

bool
guard_uses_markers(const struct machine *machine)
{
    return machine->policy.guard == GUARD_INSTALL;
}

int64_t
mm_guard(struct mm *mm, uint64_t start, uint64_t length, bool *is_call)
{
    *is_call = true;
    switch (mm->machine->policy.guard) {
    case GUARD_MPROTECT:
        return mm_mprotect(mm, start, length, 0);
    case GUARD_GAP:
        return make_gap(mm, start, length);
    case GUARD_INSTALL:
        return mm_guard_install(mm, start, length);
    case GUARD_NONE:
        break;
    }
    *is_call = false;
    return 0;
}
