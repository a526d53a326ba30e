/*
 * First fit from a fixed base: Linux 2.4.21 arch_get_unmapped_area().
 *
 * Bottom-up, every search walks over all VMAs above TASK_UNMAPPED_BASE that
 * lie before the first gap that fits; n thread stacks cost n^2 steps.  The
 * top-down layout is the mirror image (it never existed): the highest gap that
 * fits below mmap_base, found by walking down, then bottom-up.
 *
 * No state.  Addresses are those of rb-gap.
 */
#include "mm/aspace.h"
#include "mm/gap_private.h"
#include "mm/machine.h"

/* Highest VMA with start < addr, or NULL. */
static struct vma *
last_before(const struct mm *mm, uint64_t addr)
{
    struct vma *vma = vma_find_quiet(mm, addr - 1);

    if (!vma)
        return mm->last;
    return vma->start < addr ? vma : vma->prev;
}

static uint64_t
walk_down(struct mm *mm, uint64_t length)
{
    uint64_t lowest_end = PAGE_BYTES + length;
    uint64_t end = mm->mmap_base;
    struct vma *first, *last, *above;
    bool found;

    if (end < lowest_end)
        return GAP_NONE;
    first = last_before(mm, end);
    above = first ? first->next : mm->first;
    if (above)
        end = MIN(end, vma_start_gap(above));
    if (end >= lowest_end && (!first || first->end + length <= end))
        return end - length;
    if (!first)
        return GAP_NONE;

    /* first..last, downwards, are in the way; the walk gives up below the
     * first VMA that starts too low to have room below it. */
    last = vma_tree_prev_gap(first, length);
    found = last && vma_start_gap(last) >= lowest_end;
    if (!found)
        last = last_before(mm, lowest_end);
    if (!last)
        last = mm->first;
    gap_probed(mm, vma_tree_rank(first) - vma_tree_rank(last) + 1);
    return found ? vma_start_gap(last) - length : GAP_NONE;
}

static uint64_t
linear_search(struct mm *mm, const struct gap_request *request)
{
    uint64_t addr = GAP_NONE;

    if (request->top_down)
        addr = walk_down(mm, request->length);
    if (addr == GAP_NONE)
        addr = gap_walk_up(mm, mm->pagetable.arch->unmapped_base,
                           request->length, NULL);
    return addr;
}

const struct gap_ops gap_linear = {
    .name = "linear",
    .search = linear_search,
};
