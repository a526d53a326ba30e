/*
 * free_area_cache with cached_hole_size: Linux 2.6.13 to 3.7.
 *
 * Besides the place where the last search ended the address space remembers
 * the largest hole that searches have skipped; a request that fits into it
 * starts from the layout's base instead of from the cache.
 *
 * Bottom-up, arch_get_unmapped_area(): x86-64 had a version of its own that
 * looks at the hole only for 32-bit mappings; it neither uses nor keeps it
 * here.  Top-down, arch_get_unmapped_area_topdown(): one look just below the
 * cache, else a walk down from mmap_base, which records as a hole only what is
 * free of the tried area below the VMA in the way.
 *
 * Unmapping moves the cache once per call, to the edge of the whole hole that
 * came about.  Bottom-up that edge is the end of the VMA below; if that VMA
 * lies below TASK_UNMAPPED_BASE (the heap), the cache stays where it is, and
 * the hole is found only after a wrap.
 *
 * Not modelled: MAP_32BIT and its window.
 */
#include "mm/aspace.h"
#include "mm/gap_private.h"
#include "mm/machine.h"
#include "mm/vma_walk.h"

#define HOLE_UNKNOWN UINT64_MAX  // larger than any request

static uint64_t
search_up(struct mm *mm, uint64_t length)
{
    const struct arch *arch = mm->pagetable.arch;
    uint64_t *hole = arch->is_64bit ? NULL : &mm->gap.hole;
    uint64_t from = MAX(mm->gap.cache, arch->unmapped_base);
    uint64_t addr;

    if (hole && length <= *hole) {
        from = arch->unmapped_base;
        *hole = 0;
    }
    addr = gap_walk_up(mm, from, length, hole);
    if (addr == GAP_NONE && from != arch->unmapped_base) {
        if (hole)
            *hole = 0;
        addr = gap_walk_up(mm, arch->unmapped_base, length, hole);
    }
    if (addr != GAP_NONE)
        mm->gap.cache = addr + length;
    return addr;
}

/* Is the area just below `end` free? Counts and returns the VMA in the way. */
static bool
is_free_below(struct mm *mm, uint64_t end, uint64_t length,
              const struct vma **in_the_way)
{
    const struct vma *vma = vma_find_quiet(mm, end - length);

    if (!vma || end <= vma_start_gap(vma))
        return true;
    gap_probed(mm, 1);
    *in_the_way = vma;
    return false;
}

static uint64_t
walk_down(struct mm *mm, uint64_t length)
{
    struct vma_walk walk = {.length = length, .end = mm->mmap_base};

    if (walk.end < PAGE_BYTES + length)
        return GAP_NONE;
    if (!vma_find_quiet(mm, walk.end - length))
        return walk.end - length;

    bool is_free = vma_walk_down(vma_tree_btree(mm), &walk);

    gap_probed(mm, walk.step_count);
    mm->gap.hole = MAX(mm->gap.hole, walk.hole);
    return is_free ? walk.end - length : GAP_NONE;
}

static uint64_t
search_down(struct mm *mm, uint64_t length)
{
    const struct vma *vma;
    uint64_t addr = GAP_NONE;

    if (length <= mm->gap.hole)
        mm->gap = (struct gap_state){.cache = mm->mmap_base, .hole = 0};
    if (mm->gap.cache > length &&
        is_free_below(mm, mm->gap.cache, length, &vma))
        addr = mm->gap.cache - length;
    else
        addr = walk_down(mm, length);
    if (addr != GAP_NONE) {
        mm->gap.cache = addr;
        return addr;
    }
    mm->gap.hole = HOLE_UNKNOWN;
    mm->gap.cache = mm->pagetable.arch->unmapped_base;
    addr = search_up(mm, length);
    mm->gap.cache = mm->mmap_base;
    mm->gap.hole = HOLE_UNKNOWN;
    return addr;
}

static uint64_t
hole_search(struct mm *mm, const struct gap_request *request)
{
    return request->top_down ? search_down(mm, request->length)
                             : search_up(mm, request->length);
}

static void
hole_unmapped(struct mm *mm, const struct vma *prev, const struct vma *next)
{
    uint64_t base = gap_layout_base(mm);

    if (mm->top_down) {
        uint64_t edge = next ? vma_start_gap(next) : base;

        mm->gap.cache = MIN(MAX(mm->gap.cache, edge), base);
    } else {
        uint64_t edge = prev ? prev->end : base;

        if (edge >= base && edge < mm->gap.cache)
            mm->gap = (struct gap_state){.cache = edge, .hole = HOLE_UNKNOWN};
    }
}

static void
hole_exec(struct mm *mm)
{
    mm->gap = (struct gap_state){.cache = gap_layout_base(mm), .hole = 0};
}

static void
hole_forked(struct mm *child, const struct mm *parent)
{
    child->gap = (struct gap_state){.cache = gap_layout_base(parent),
                                    .hole = HOLE_UNKNOWN};
}

const struct gap_ops gap_hole_size = {
    .name = "hole-size",
    .search = hole_search,
    .unmapped = hole_unmapped,
    .exec = hole_exec,
    .forked = hole_forked,
};
