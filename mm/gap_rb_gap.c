/*
 * The lowest or highest gap, found in the VMA tree: Linux 3.8 to 6.0,
 * unmapped_area() and unmapped_area_topdown().
 *
 * Every node knows the largest gap of its subtree, so subtrees without a gap
 * of the wanted length are left out:
 *
 *   bottom-up  first the left subtree, then the node, then the right one;
 *   top-down   the other way round; the gap above the last VMA is tried last
 *              or first.
 *
 * The walk is the kernel's, node by node, because its steps are what
 * gap_probe_count counts: each arrival at a node, from above or from below.
 *
 * No state.  Top-down falls back to bottom-up from TASK_UNMAPPED_BASE.
 */
#include "mm/aspace.h"
#include "mm/gap_private.h"
#include "mm/machine.h"

/* A wanted gap holds `length` bytes inside [low, high). */
struct window {
    uint64_t length;
    uint64_t low, high;
};

static uint64_t
gap_start(const struct vma *vma)
{
    return vma->prev ? vma->prev->end : 0;
}

static bool
is_promising(const struct vma *subtree, uint64_t length)
{
    return subtree && subtree->subtree_gap >= length;
}

/* Does the gap below the VMA end high enough, or begin low enough, for the
 * window?  Gaps on the far side of one that does not are of no use either.
 * The room that a stack keeps is left out of this question: it may cover
 * several VMAs below, whose gaps are of use. */
static bool
ends_high(const struct vma *vma, const struct window *window)
{
    return vma->start >= window->low + window->length;
}

static bool
begins_low(const struct vma *vma, const struct window *window)
{
    return gap_start(vma) <= window->high - window->length;
}

static bool
fits(const struct vma *vma, const struct window *window)
{
    uint64_t start = MAX(gap_start(vma), window->low);
    uint64_t end = MIN(vma_start_gap(vma), window->high);

    return end >= start + window->length;
}

/* From a node whose subtree is done, up to the first node that was left
 * towards its left (or right) child; NULL past the root. */
static const struct vma *
climb(const struct vma *vma, bool from_left, uint64_t *probe_count)
{
    const struct vma *child;

    do {
        child = vma;
        vma = vma->parent;
        if (!vma)
            return NULL;
        ++*probe_count;
    } while (child != (from_left ? vma->left : vma->right));
    return vma;
}

/* The VMA above the lowest gap, or NULL. */
static const struct vma *
lowest_gap(const struct mm *mm, const struct window *window,
           uint64_t *probe_count)
{
    const struct vma *vma = mm->rb_root;
    bool is_new = true;

    ++*probe_count;
    if (!is_promising(vma, window->length))
        return NULL;
    while (vma) {
        while (is_new && ends_high(vma, window) &&
               is_promising(vma->left, window->length)) {
            vma = vma->left;
            ++*probe_count;
        }
        if (!begins_low(vma, window))
            return NULL;
        if (fits(vma, window))
            return vma;
        is_new = is_promising(vma->right, window->length);
        if (is_new) {
            vma = vma->right;
            ++*probe_count;
        } else {
            vma = climb(vma, /* from_left = */ true, probe_count);
        }
    }
    return NULL;
}

/* The mirror image. */
static const struct vma *
highest_gap(const struct mm *mm, const struct window *window,
            uint64_t *probe_count)
{
    const struct vma *vma = mm->rb_root;
    bool is_new = true;

    ++*probe_count;
    if (!is_promising(vma, window->length))
        return NULL;
    while (vma) {
        while (is_new && begins_low(vma, window) &&
               is_promising(vma->right, window->length)) {
            vma = vma->right;
            ++*probe_count;
        }
        if (!ends_high(vma, window))
            return NULL;
        if (fits(vma, window))
            return vma;
        is_new = is_promising(vma->left, window->length);
        if (is_new) {
            vma = vma->left;
            ++*probe_count;
        } else {
            vma = climb(vma, /* from_left = */ false, probe_count);
        }
    }
    return NULL;
}

static uint64_t
end_of_all(const struct mm *mm)
{
    return mm->last ? mm->last->end : 0;
}

static uint64_t
search_up(struct mm *mm, uint64_t length)
{
    const struct arch *arch = mm->pagetable.arch;
    struct window window = {length, arch->unmapped_base, arch->task_size};
    const struct vma *above = NULL;
    uint64_t probe_count = 0;

    if (window.high - length < window.low)
        return GAP_NONE;
    if (mm->rb_root)
        above = lowest_gap(mm, &window, &probe_count);
    gap_probed(mm, probe_count);
    if (above)
        return MAX(gap_start(above), window.low);
    if (end_of_all(mm) > window.high - length)
        return GAP_NONE;
    return MAX(end_of_all(mm), window.low);
}

static uint64_t
search_down(struct mm *mm, uint64_t length)
{
    struct window window = {length, PAGE_BYTES, mm->mmap_base};
    const struct vma *above = NULL;
    uint64_t probe_count = 0;

    if (window.high < window.low + length)
        return GAP_NONE;
    if (end_of_all(mm) <= window.high - length)
        return window.high - length;
    if (mm->rb_root)
        above = highest_gap(mm, &window, &probe_count);
    gap_probed(mm, probe_count);
    return above ? MIN(vma_start_gap(above), window.high) - length : GAP_NONE;
}

static uint64_t
rb_search(struct mm *mm, const struct gap_request *request)
{
    uint64_t addr = GAP_NONE;

    if (request->top_down)
        addr = search_down(mm, request->length);
    if (addr == GAP_NONE)
        addr = search_up(mm, request->length);
    return addr;
}

const struct gap_ops gap_rb_gap = {
    .name = "rb-gap",
    .needs_rbtree = true,
    .search = rb_search,
};
