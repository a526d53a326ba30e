/*
 * Literal walks for the gap axis; see gap_model.h.  Rules: 2.4.21, 2.6.2,
 * 2.6.11 and 2.6.22 get_unmapped_area, 3.8 and 6.18 unmapped_area.
 */
#include "tests/mm/gap_model.h"

/* find_vma(): index of the lowest VMA with end > addr, or count. */
static size_t
find(const struct gap_model *model, uint64_t addr)
{
    size_t low = 0, high = model->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (model->vmas[middle].end > addr)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static uint64_t
walk_up(struct gap_model *model, uint64_t addr, uint64_t length, uint64_t *hole)
{
    for (size_t i = find(model, addr);; i++) {
        const struct model_vma *vma = &model->vmas[i];

        if (addr > model->arch->task_size - length)
            return GAP_NONE;
        if (i == model->count || addr + length <= vma->start_gap)
            return addr;
        if (addr + *hole < vma->start_gap)
            *hole = vma->start_gap - addr;
        addr = vma->end;
        model->probe_count++;
    }
}

static uint64_t
linear_down(struct gap_model *model, uint64_t length)
{
    uint64_t end = model->mmap_base;
    size_t i = 0;

    if (end < PAGE_BYTES + length)
        return GAP_NONE;
    while (i < model->count && model->vmas[i].start < end)
        i++;
    if (i < model->count)
        end = MIN(end, model->vmas[i].start_gap);
    while (i > 0 && model->vmas[i - 1].end + length > end) {
        i--;
        model->probe_count++;
        end = model->vmas[i].start_gap;
        if (model->vmas[i].start < PAGE_BYTES + length)
            return GAP_NONE;
    }
    return end >= PAGE_BYTES + length ? end - length : GAP_NONE;
}

static uint64_t
model_linear(struct gap_model *model, uint64_t length, bool top_down)
{
    uint64_t addr = GAP_NONE, unused = 0;

    if (top_down)
        addr = linear_down(model, length);
    if (addr == GAP_NONE)
        addr = walk_up(model, model->arch->unmapped_base, length, &unused);
    return addr;
}

static uint64_t
area_cache_up(struct gap_model *model, uint64_t length)
{
    uint64_t base = model->arch->unmapped_base, unused = 0;
    uint64_t addr = walk_up(model, model->state.cache, length, &unused);

    if (addr == GAP_NONE && model->state.cache != base)
        addr = walk_up(model, base, length, &unused);
    if (addr != GAP_NONE)
        model->state.cache = addr + length;
    return addr;
}

static uint64_t
area_cache_down(struct gap_model *model, uint64_t length)
{
    uint64_t addr;
    size_t i;

    if (model->state.cache < PAGE_BYTES + length)
        return GAP_NONE;
    addr = model->state.cache - length;
    for (;;) {
        const struct model_vma *vma;

        i = find(model, addr);
        if (i == model->count)
            return addr;
        vma = &model->vmas[i];
        if (addr + length <= vma->start_gap)
            return model->state.cache = addr;
        model->probe_count++;
        if (model->state.cache == vma->end)
            model->state.cache = vma->start_gap;
        if (vma->start_gap < PAGE_BYTES + length)
            return GAP_NONE;
        addr = vma->start_gap - length;
    }
}

static uint64_t
model_area_cache(struct gap_model *model, uint64_t length, bool top_down)
{
    uint64_t addr;

    if (!top_down)
        return area_cache_up(model, length);
    if (model->state.cache > model->mmap_base)
        model->state.cache = model->mmap_base;
    addr = area_cache_down(model, length);
    if (addr != GAP_NONE)
        return addr;
    model->state.cache = model->mmap_base;
    addr = area_cache_down(model, length);
    if (addr != GAP_NONE)
        return addr;
    model->state.cache = model->arch->unmapped_base;
    addr = area_cache_up(model, length);
    model->state.cache = model->mmap_base;
    return addr;
}

static uint64_t
hole_size_up(struct gap_model *model, uint64_t length)
{
    uint64_t base = model->arch->unmapped_base, unused = 0;
    uint64_t *hole = model->arch->is_64bit ? &unused : &model->state.hole;
    uint64_t start = model->state.cache, addr;

    if (!model->arch->is_64bit && length <= *hole) {
        start = base;
        *hole = 0;
    }
    addr = walk_up(model, start, length, hole);
    if (addr == GAP_NONE && start != base) {
        *hole = 0;
        addr = walk_up(model, base, length, hole);
    }
    if (addr != GAP_NONE)
        model->state.cache = addr + length;
    return addr;
}

static uint64_t
hole_size_down(struct gap_model *model, uint64_t length)
{
    uint64_t addr;
    size_t i;

    if (length <= model->state.hole) {
        model->state.hole = 0;
        model->state.cache = model->mmap_base;
    }
    addr = model->state.cache;
    if (addr > length) {
        i = find(model, addr - length);
        if (i == model->count || addr <= model->vmas[i].start_gap)
            return model->state.cache = addr - length;
        model->probe_count++;
    }
    if (model->mmap_base <= length)
        return GAP_NONE;
    addr = model->mmap_base - length;
    for (;;) {
        uint64_t start_gap;

        i = find(model, addr);
        if (i == model->count || addr + length <= model->vmas[i].start_gap)
            return model->state.cache = addr;
        model->probe_count++;
        start_gap = model->vmas[i].start_gap;
        if (addr + model->state.hole < start_gap)
            model->state.hole = start_gap - addr;
        if (length >= start_gap)
            return GAP_NONE;
        addr = start_gap - length;
    }
}

static uint64_t
model_hole_size(struct gap_model *model, uint64_t length, bool top_down)
{
    uint64_t addr;

    if (!top_down)
        return hole_size_up(model, length);
    addr = hole_size_down(model, length);
    if (addr != GAP_NONE)
        return addr;
    model->state.hole = UINT64_MAX;
    model->state.cache = model->arch->unmapped_base;
    addr = hole_size_up(model, length);
    model->state.cache = model->mmap_base;
    model->state.hole = UINT64_MAX;
    return addr;
}

/* Addresses are those of the linear walk.
 *
 * Probes come from the walk through the tree, written as a recursion: a return
 * to a node is an arrival from below. */
struct tree_walk {
    uint64_t length, low, high;
    bool top_down;
    uint64_t arrival_count;
    bool is_over;
};

static bool
is_promising(const struct vma *vma, const struct tree_walk *walk)
{
    return vma && vma->subtree_gap >= walk->length;
}

static void
visit(struct tree_walk *walk, const struct vma *vma)
{
    uint64_t gap_start = vma->prev ? vma->prev->end : 0;
    uint64_t gap_end = vma_start_gap(vma);
    bool ends_high = vma->start >= walk->low + walk->length;
    bool begins_low = gap_start + walk->length <= walk->high;
    const struct vma *near = walk->top_down ? vma->right : vma->left;
    const struct vma *far = walk->top_down ? vma->left : vma->right;

    walk->arrival_count++;
    if ((walk->top_down ? begins_low : ends_high) && is_promising(near, walk)) {
        visit(walk, near);
        if (walk->is_over)
            return;
        walk->arrival_count++;
    }
    if (!(walk->top_down ? ends_high : begins_low) ||
        MIN(gap_end, walk->high) >= MAX(gap_start, walk->low) + walk->length) {
        walk->is_over = true;
        return;
    }
    if (is_promising(far, walk)) {
        visit(walk, far);
        if (walk->is_over)
            return;
        walk->arrival_count++;
    }
}

static uint64_t
count_arrivals(const struct gap_model *model, uint64_t length, bool top_down)
{
    struct tree_walk walk = {.length = length, .top_down = top_down};

    walk.low = top_down ? PAGE_BYTES : model->arch->unmapped_base;
    walk.high = top_down ? model->mmap_base : model->arch->task_size;
    if (walk.low + length > walk.high || !model->root)
        return 0;
    if (top_down &&
        model->vmas[model->count - 1].end + length <= model->mmap_base)
        return 0;
    if (!is_promising(model->root, &walk))
        return 1;
    visit(&walk, model->root);
    return walk.arrival_count;
}

static uint64_t
model_rb_gap(struct gap_model *model, uint64_t length, bool top_down)
{
    uint64_t probe_count = model->probe_count, unused = 0;
    uint64_t addr = GAP_NONE;

    if (top_down) {
        addr = linear_down(model, length);
        probe_count += count_arrivals(model, length, true);
    }
    if (addr == GAP_NONE) {
        addr = walk_up(model, model->arch->unmapped_base, length, &unused);
        probe_count += count_arrivals(model, length, false);
    }
    model->probe_count = probe_count;
    return addr;
}

/* What is free between [low, high) and below VMA i, or above the last one. */
static uint64_t
free_below(const struct gap_model *model, size_t i, uint64_t low, uint64_t high,
           uint64_t *start)
{
    uint64_t end = i < model->count ? model->vmas[i].start : UINT64_MAX;

    *start = MAX(i > 0 ? model->vmas[i - 1].end : 0, low);
    end = MIN(end, high);
    return end > *start ? end - *start : 0;
}

/* The walk through the maple tree, as a recursion again; what is free of an
 * entry, or below it, inside the limits. */
static uint64_t
maple_room(const struct tree_walk *walk, const struct maple_node *node,
           unsigned i)
{
    uint64_t first = maple_entry_first(node, i);
    uint64_t end = MIN(node->last[i], walk->high - 1) + 1;

    if (!node->is_leaf)
        return walk->top_down ? MIN(node->gap[i], end - first) : node->gap[i];
    if (!walk->top_down)
        first = MAX(first, walk->low);
    return node->vma[i] ? 0 : end - first;
}

static void
visit_maple(struct tree_walk *walk, const struct maple_node *node,
            const struct maple_node **leaf, unsigned *slot)
{
    walk->arrival_count++;
    for (unsigned k = 0; k < node->count; k++) {
        unsigned i = walk->top_down ? node->count - 1u - k : k;
        bool is_below = node->last[i] < walk->low;
        bool fits;

        if (walk->top_down ? maple_entry_first(node, i) >= walk->high
                           : is_below)
            continue;
        fits = !is_below && maple_room(walk, node, i) >= walk->length;
        /* Downwards, too little is left above the lower limit. */
        walk->is_over =
            is_below || (walk->top_down && fits &&
                         node->last[i] - walk->low + 1 < walk->length);
        if (walk->is_over)
            return;
        if (fits && node->is_leaf) {
            *leaf = node;
            *slot = i;
            walk->is_over = true;
        } else if (fits) {
            visit_maple(walk, node->child[i], leaf, slot);
            walk->arrival_count += !walk->is_over;
        }
        walk->is_over |= !walk->top_down && node->last[i] >= walk->high - 1;
        if (walk->is_over)
            return;
    }
}

/* Arrivals of one search; and of a look at the VMA below what it found. */
static uint64_t
maple_arrivals(const struct gap_model *model, uint64_t length, uint64_t low,
               uint64_t high, bool top_down, bool looks_below)
{
    struct tree_walk walk = {
        .length = length, .low = low, .high = high, .top_down = top_down};
    const struct maple_node *leaf = NULL;
    unsigned slot = 0;

    if (!model->maple_root || high < low || high - low < length)
        return 0;
    visit_maple(&walk, model->maple_root, &leaf, &slot);
    for (; looks_below && leaf && slot == 0 && leaf->parent;
         leaf = leaf->parent) {
        if (leaf->first == 0)
            break;
        walk.arrival_count += 2;
        slot = leaf->slot;
    }
    return walk.arrival_count;
}

static uint64_t
maple_search(struct gap_model *model, uint64_t length, bool top_down)
{
    uint64_t low = top_down ? PAGE_BYTES : model->arch->unmapped_base;
    uint64_t high = top_down ? model->mmap_base : model->arch->task_size;

    for (;;) {
        uint64_t start = 0, room = 0;
        size_t i = 0;

        for (size_t k = 0; k <= model->count && room < length; k++) {
            i = top_down ? model->count - k : k;
            room = free_below(model, i, low, high, &start);
        }
        const struct model_vma *above =
            i < model->count ? &model->vmas[i] : NULL;
        bool keeps_room = above && above->start_gap < above->start;

        model->probe_count += maple_arrivals(model, length, low, high, top_down,
                                             room >= length && !keeps_room);
        if (room < length)
            return GAP_NONE;
        if (!keeps_room ||
            above->start_gap >= (top_down ? start + room : start + length))
            return top_down ? start + room - length : start;
        if (top_down)
            high = above->start_gap;
        else
            low = above->end;
    }
}

static uint64_t
model_maple(struct gap_model *model, uint64_t length, bool top_down)
{
    uint64_t addr = GAP_NONE;

    if (top_down)
        addr = maple_search(model, length, true);
    if (addr == GAP_NONE)
        addr = maple_search(model, length, false);
    return addr;
}

static void
model_area_cache_unmap(struct gap_model *model, uint64_t start, uint64_t end,
                       bool top_down)
{
    if (top_down && end > model->state.cache)
        model->state.cache = end;
    if (!top_down && start >= model->arch->unmapped_base &&
        start < model->state.cache)
        model->state.cache = start;
}

static void
model_hole_size_unmapped(struct gap_model *model, uint64_t start, uint64_t end,
                         bool top_down)
{
    uint64_t base = model->arch->unmapped_base;
    uint64_t prev_end = base, next_start = model->mmap_base;

    for (size_t i = 0; i < model->count; i++)
        if (model->vmas[i].end <= start)
            prev_end = model->vmas[i].end;
    for (size_t i = model->count; i-- > 0;)
        if (model->vmas[i].start >= end)
            next_start = model->vmas[i].start_gap;

    if (!top_down && prev_end >= base && prev_end < model->state.cache) {
        model->state.cache = prev_end;
        model->state.hole = UINT64_MAX;
    }
    if (top_down && next_start > model->state.cache)
        model->state.cache = next_start;
    if (top_down && model->state.cache > model->mmap_base)
        model->state.cache = model->mmap_base;
}

const struct gap_model_ops gap_models[GAP_MODEL_COUNT] = {
    {&gap_linear, model_linear, NULL, NULL},
    {&gap_area_cache, model_area_cache, model_area_cache_unmap, NULL},
    {&gap_hole_size, model_hole_size, NULL, model_hole_size_unmapped},
    {&gap_rb_gap, model_rb_gap, NULL, NULL},
    {&gap_maple, model_maple, NULL, NULL},
};
