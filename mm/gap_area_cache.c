/*
 * free_area_cache: a search begins where the last one ended.
 *
 * Bottom-up is the form of Linux 2.5.74 to 2.6.12, arch_get_unmapped_area():
 * the cache is the end of the latest area; unmapping below it lowers it; at the
 * end of the address space the search begins again from TASK_UNMAPPED_BASE,
 * once.  A freed area that is too small for the next request is skipped, and
 * forgotten until the cache comes down or wraps.
 *
 * Top-down is the first form, 2.6.9 to 2.6.12,
 * arch_get_unmapped_area_topdown(): the cache is the start of the latest area,
 * raised by unmapping above it.  The kernel also pulled it down while walking
 * over a VMA that ends at it, to no effect: every way out sets it again.
 */
#include "mm/aspace.h"
#include "mm/gap_private.h"
#include "mm/machine.h"
#include "mm/vma_walk.h"

static uint64_t
search_up(struct mm *mm, uint64_t length)
{
    uint64_t base = mm->pagetable.arch->unmapped_base;
    uint64_t from = MAX(mm->gap.cache, base);
    uint64_t addr = gap_walk_up(mm, from, length, NULL);

    if (addr == GAP_NONE && from != base)
        addr = gap_walk_up(mm, base, length, NULL);
    if (addr != GAP_NONE)
        mm->gap.cache = addr + length;
    return addr;
}

/* Try the area below the cache, then the one below each VMA in the way. */
static uint64_t
walk_down(struct mm *mm, uint64_t length)
{
    struct vma_walk walk = {.length = length, .end = mm->gap.cache};

    if (walk.end < PAGE_BYTES + length)
        return GAP_NONE;
    if (!vma_find_quiet(mm, walk.end - length))
        return walk.end - length;  // above all VMAs: the cache stays

    bool is_free = vma_walk_down(vma_tree_btree(mm), &walk);

    gap_probed(mm, walk.step_count);
    if (!is_free)
        return GAP_NONE;
    mm->gap.cache = walk.end - length;
    return mm->gap.cache;
}

static uint64_t
search_down(struct mm *mm, uint64_t length)
{
    uint64_t addr;

    mm->gap.cache = MIN(mm->gap.cache, mm->mmap_base);
    addr = walk_down(mm, length);
    if (addr != GAP_NONE)
        return addr;
    mm->gap.cache = mm->mmap_base;
    addr = walk_down(mm, length);
    if (addr != GAP_NONE)
        return addr;
    mm->gap.cache = mm->pagetable.arch->unmapped_base;
    addr = search_up(mm, length);
    mm->gap.cache = mm->mmap_base;
    return addr;
}

static uint64_t
cache_search(struct mm *mm, const struct gap_request *request)
{
    return request->top_down ? search_down(mm, request->length)
                             : search_up(mm, request->length);
}

static void
cache_unmapped_piece(struct mm *mm, uint64_t start, uint64_t end)
{
    if (mm->top_down)
        mm->gap.cache = MAX(mm->gap.cache, end);
    else if (start >= mm->pagetable.arch->unmapped_base)
        mm->gap.cache = MIN(mm->gap.cache, start);
}

static void
cache_exec(struct mm *mm)
{
    mm->gap = (struct gap_state){.cache = gap_layout_base(mm)};
}

static void
cache_forked(struct mm *child, const struct mm *parent)
{
    child->gap = (struct gap_state){.cache = gap_layout_base(parent)};
}

const struct gap_ops gap_area_cache = {
    .name = "area-cache",
    .search = cache_search,
    .unmapped_piece = cache_unmapped_piece,
    .exec = cache_exec,
    .forked = cache_forked,
};
