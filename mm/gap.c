/*
 * Searching an unmapped area: what is the same under every policy.
 *
 *   gap_search()   counts; widens a huge-aligned request, and narrows its
 *                  answer; asserts that the answer is free and in bounds
 *   notices        passed on to the policies that keep state
 *   gap_walk_up()  the walk upwards that three policies share
 *
 * Huge alignment is dealt with here, as in Linux 6.7's
 * __thp_get_unmapped_area(): the policy searches for the length and one
 * alignment more, and the address is moved up inside that area -- to its first
 * aligned address in a bottom-up layout, to its last possible one in a
 * top-down layout.  If the wider area does not exist the request is served
 * unaligned.
 */
#include "mm/gap.h"

#include "mm/aspace.h"
#include "mm/gap_private.h"
#include "mm/machine.h"

const struct gap_ops *const gap_policies[] = {
    &gap_linear, &gap_area_cache, &gap_hole_size, &gap_rb_gap, &gap_maple, NULL,
};

/* Every policy promises: a page address, in bounds, [addr, addr + length)
 * free, and not in the room that the VMA above keeps free. */
static void
assert_free(const struct mm *mm, uint64_t addr, uint64_t length)
{
    const struct vma *above = vma_find_quiet(mm, addr);

    mm_assert(addr % PAGE_BYTES == 0);
    mm_assert(addr >= PAGE_BYTES);
    mm_assert(addr <= mm->pagetable.arch->task_size - length);
    mm_assert(!above || addr + length <= vma_start_gap(above));
}

static uint64_t
search(struct mm *mm, uint64_t length, bool top_down)
{
    struct gap_request request = {
        .length = length, .align_bytes = PAGE_BYTES, .top_down = top_down};
    uint64_t addr = GAP_NONE;

    mm->machine->counters.gap_search_count++;
    if (length <= mm->pagetable.arch->task_size)
        addr = mm->machine->policy.gap->search(mm, &request);
    if (addr != GAP_NONE)
        assert_free(mm, addr, length);
    return addr;
}

static uint64_t
search_aligned(struct mm *mm, const struct gap_request *request)
{
    uint64_t align = request->align_bytes;
    uint64_t addr = search(mm, request->length + align, request->top_down);

    if (addr == GAP_NONE)
        return GAP_NONE;
    /* The last aligned address whose area still ends in the wider one, or the
     * first one that begins in it. */
    uint64_t moved =
        addr - request->align_phase + (request->top_down ? align : align - 1);

    return (moved & ~(align - 1)) + request->align_phase;
}

uint64_t
gap_search(struct mm *mm, const struct gap_request *request)
{
    uint64_t addr = GAP_NONE;

    mm_assert(request->length > 0);
    mm_assert(request->length % PAGE_BYTES == 0);
    if (request->align_bytes > PAGE_BYTES &&
        request->length <= mm->pagetable.arch->task_size)
        addr = search_aligned(mm, request);
    if (addr == GAP_NONE)
        addr = search(mm, request->length, request->top_down);
    return addr;
}

void
gap_unmapped_piece(struct mm *mm, uint64_t start, uint64_t end)
{
    const struct gap_ops *ops = mm->machine->policy.gap;

    mm_assert(start < end);
    if (ops->unmapped_piece)
        ops->unmapped_piece(mm, start, end);
}

void
gap_unmapped(struct mm *mm, const struct vma *prev, const struct vma *next)
{
    const struct gap_ops *ops = mm->machine->policy.gap;

    mm_assert(!prev || prev->next == next);
    mm_assert(!next || next->prev == prev);
    if (ops->unmapped)
        ops->unmapped(mm, prev, next);
}

void
gap_exec(struct mm *mm)
{
    const struct gap_ops *ops = mm->machine->policy.gap;

    if (ops->exec)
        ops->exec(mm);
}

void
gap_forked(struct mm *child, const struct mm *parent)
{
    const struct gap_ops *ops = child->machine->policy.gap;

    if (ops->forked)
        ops->forked(child, parent);
}

void
gap_probed(struct mm *mm, uint64_t count)
{
    mm->machine->counters.gap_probe_count += count;
    charge(mm->machine, CHARGE_gap_step, count);
}

uint64_t
gap_layout_base(const struct mm *mm)
{
    return mm->top_down ? mm->mmap_base : mm->pagetable.arch->unmapped_base;
}

/* Largest gap below the VMAs first..last for a walk that began at `from`. */
static uint64_t
largest_gap(uint64_t from, const struct vma *first, const struct vma *last)
{
    uint64_t gap_end = vma_start_gap(first);
    uint64_t gap = gap_end > from ? gap_end - from : 0;

    return first == last ? gap : MAX(gap, vma_tree_max_gap(first->next, last));
}

uint64_t
gap_walk_up(struct mm *mm, uint64_t from, uint64_t length, uint64_t *hole)
{
    uint64_t highest = mm->pagetable.arch->task_size - length;
    struct vma *first, *last, *above = NULL;
    bool found;

    if (from > highest)
        return GAP_NONE;
    first = vma_find_quiet(mm, from);
    if (!first || from + length <= vma_start_gap(first))
        return from;

    /* first..last are in the way; nobody but the counter walks over them. */
    if (first->next)
        above = vma_tree_next_gap(first->next, length);
    last = above ? above->prev : mm->last;
    found = last->end <= highest;
    if (!found)
        last = vma_find_quiet(mm, highest);
    gap_probed(mm, vma_tree_rank(last) - vma_tree_rank(first) + 1);
    if (hole)
        *hole = MAX(*hole, largest_gap(from, first, last));
    return found ? last->end : GAP_NONE;
}
