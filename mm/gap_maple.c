/*
 * The lowest or highest gap, found in the maple tree: Linux 6.1 on,
 * unmapped_area() and unmapped_area_topdown() over mas_empty_area() and
 * mas_empty_area_rev().
 *
 * The tree knows free ranges, not the room below a stack: a range is looked for
 * first, and then the VMA above it is asked.  If it grows down and keeps a part
 * of the range free, the search begins again beyond it: above its end
 * (bottom-up), below its room (top-down).  So several VMAs in the room below a
 * stack leave gaps that are used here and not by rb-gap, and the other way
 * round.  A VMA that does not grow down has the one below it looked up in vain
 * (stacks that grow upwards have room above them, on other architectures).
 *
 * Steps are arrivals at nodes: down, and up again out of a subtree whose gap
 * lies outside of the limits.
 *
 * No state but a trail (mm/maple.h), which saves the host the steps that it
 * counts.  Top-down falls back to bottom-up from TASK_UNMAPPED_BASE.
 */
#include "mm/aspace.h"
#include "mm/gap_private.h"
#include "mm/machine.h"

/* `length` bytes in [first, last] are looked for. */
struct walk {
    uint64_t length, first, last;
    const struct maple_node *node;
    unsigned slot;
    uint64_t arrival_count;
};

static void
descend(struct walk *walk)
{
    walk->node = walk->node->child[walk->slot];
    walk->arrival_count++;
}

/* Up to the parent; false: there is none. */
static bool
ascend(struct walk *walk)
{
    if (!walk->node->parent)
        return false;
    walk->slot = walk->node->slot;
    walk->node = walk->node->parent;
    walk->arrival_count++;
    return true;
}

/* ---- upwards ---- */

/* The first entry from `slot` on that has room, or the node's count. */
static unsigned
roomy_slot_above(const struct maple_node *node, unsigned slot, uint64_t length)
{
    if (node->is_leaf) {
        for (uint64_t free = (uint64_t)node->free_slots >> slot << slot; free;
             free &= free - 1) {
            slot = (unsigned)__builtin_ctzll(free);
            if (maple_entry_bytes(node, slot) >= length)
                return slot;
        }
        return node->count;
    }
    while (slot < node->count && node->gap[slot] < length)
        slot++;
    return slot;
}

/* Is there as much room between the limits as well?  Of an inner node's entry
 * it is only asked whether it reaches up to the lower one. */
static bool
is_within_limits(const struct walk *walk, unsigned slot)
{
    uint64_t first = maple_entry_first(walk->node, slot);
    uint64_t last = walk->node->last[slot];

    if (last < walk->first)
        return false;
    if (!walk->node->is_leaf)
        return true;
    first = MAX(first, walk->first);
    last = MIN(last, walk->last);
    return last - first + 1 >= walk->length;
}

/* Go to the next entry of the node, from walk.slot on, that may have room;
 * false: it has none.  *is_over: neither have the nodes beyond. */
static bool
next_in_node(struct walk *walk, bool *is_over)
{
    const struct maple_node *node = walk->node;

    for (unsigned slot = walk->slot;; slot++) {
        slot = roomy_slot_above(node, slot, walk->length);
        *is_over = slot > walk->slot && node->last[slot - 1] >= walk->last;
        if (*is_over || slot == node->count)
            return false;
        if (is_within_limits(walk, slot)) {
            walk->slot = slot;
            return true;
        }
    }
}

/* Stop at the leaf's entry that has the lowest gap; false: no room. */
static bool
find_lowest(struct walk *walk)
{
    bool is_over = false;

    for (;;) {
        if (next_in_node(walk, &is_over)) {
            if (walk->node->is_leaf)
                return true;
            descend(walk);
            walk->slot = 0;
            continue;
        }
        do {
            if (is_over || !ascend(walk))
                return false;
        } while (walk->slot + 1 == walk->node->count);
        walk->slot++;
    }
}

/* ---- downwards ---- */

/* The last entry from `slot` down that has room, or -1. */
static int
roomy_slot_below(const struct maple_node *node, int slot, uint64_t length)
{
    if (slot < 0)
        return slot;
    if (node->is_leaf) {
        for (uint32_t free = node->free_slots << (31 - slot) >> (31 - slot);
             free; free &= ~(1u << slot)) {
            slot = 31 - __builtin_clz(free);
            if (maple_entry_bytes(node, (unsigned)slot) >= length)
                return slot;
        }
        return -1;
    }
    while (slot >= 0 && node->gap[slot] < length)
        slot--;
    return slot;
}

/* The mirror image of next_in_node(). */
static bool
prev_in_node(struct walk *walk, bool *is_over)
{
    const struct maple_node *node = walk->node;

    while (walk->last < maple_entry_first(node, walk->slot))
        walk->slot--;
    for (int slot = (int)walk->slot;; slot--) {
        slot = roomy_slot_below(node, slot, walk->length);

        uint64_t last = node->last[MAX(slot, 0)];

        *is_over = last < walk->first;
        if (*is_over || slot < 0)
            return false;
        walk->slot = (unsigned)slot;
        if (walk->last - maple_entry_first(node, walk->slot) + 1 >=
            walk->length) {
            *is_over = last - walk->first + 1 < walk->length;
            return !*is_over;
        }
    }
}

static bool
find_highest(struct walk *walk)
{
    bool is_over = false;

    for (;;) {
        if (prev_in_node(walk, &is_over)) {
            if (walk->node->is_leaf)
                return true;
            descend(walk);
            walk->slot = walk->node->count - 1u;
            continue;
        }
        do {
            if (is_over || !ascend(walk))
                return false;
        } while (walk->slot == 0);
        walk->slot--;
    }
}

/* ---- what lies beside the gap ---- */

/* The VMA above the gap found, or NULL. */
static const struct vma *
above(const struct walk *walk)
{
    return walk->slot + 1 < walk->node->count ? walk->node->vma[walk->slot + 1]
                                              : NULL;
}

/* Look up the VMA below the gap, which is the leaf's last or in the leaf
 * before. */
static void
look_below(struct walk *walk)
{
    unsigned depth = 0;

    if (walk->slot > 0 || walk->node->first == 0)
        return;
    while (walk->slot == 0) {
        ascend(walk);
        depth++;
    }
    walk->arrival_count += depth;
}

/* Go at once to the leaf where the last search ended, if it was the same one:
 * nothing has changed above that place, and there is still room in the leaf. */
static bool
follow_trail(const struct mm *mm, struct walk *walk)
{
    const struct maple_trail *trail = &mm->machine->maple_trail;

    if (trail->mm != mm || trail->length != walk->length ||
        trail->high != walk->last + 1 ||
        roomy_slot_below(trail->leaf, trail->leaf->count - 1, walk->length) < 0)
        return false;
    walk->node = trail->leaf;
    walk->arrival_count = trail->arrival_count;
    return true;
}

static void
leave_trail(const struct mm *mm, const struct walk *walk, uint64_t high)
{
    mm->machine->maple_trail = (struct maple_trail){
        .mm = mm,
        .leaf = walk->node,
        .length = walk->length,
        .high = high,
        .arrival_count = walk->arrival_count,
    };
}

/* Look for a range in [low, high); false: there is none. */
static bool
find(const struct mm *mm, uint64_t low, uint64_t high, struct walk *walk,
     bool (*find_in_tree)(struct walk *walk), bool from_top)
{
    if (high < low || high - low < walk->length)
        return false;
    walk->first = low;
    walk->last = high - 1;
    walk->node = mm->maple.root;
    if (!walk->node)
        return true;
    bool is_first = walk->arrival_count == 0;

    if (!(from_top && is_first && follow_trail(mm, walk)))
        walk->arrival_count++;
    walk->slot = from_top ? walk->node->count - 1u : 0;
    if (!find_in_tree(walk))
        return false;
    if (from_top && is_first)
        leave_trail(mm, walk, high);
    walk->first = MAX(walk->first, maple_entry_first(walk->node, walk->slot));
    walk->last = MIN(walk->last, walk->node->last[walk->slot]);
    return true;
}

static bool
keeps_room(const struct vma *vma)
{
    return vma && vma_start_gap(vma) < vma->start;
}

static uint64_t
search_up(struct mm *mm, uint64_t length)
{
    const struct arch *arch = mm->pagetable.arch;
    struct walk walk = {.length = length};
    uint64_t low = arch->unmapped_base, addr = GAP_NONE;

    while (addr == GAP_NONE &&
           find(mm, low, arch->task_size, &walk, find_lowest, false)) {
        const struct vma *vma = walk.node ? above(&walk) : NULL;

        if (keeps_room(vma) && vma_start_gap(vma) < walk.first + length) {
            low = vma->end;
            continue;
        }
        if (walk.node && !keeps_room(vma))
            look_below(&walk);
        addr = walk.first;
    }
    gap_probed(mm, walk.arrival_count);
    return addr;
}

static uint64_t
search_down(struct mm *mm, uint64_t length)
{
    struct walk walk = {.length = length};
    uint64_t high = mm->mmap_base, addr = GAP_NONE;

    while (addr == GAP_NONE &&
           find(mm, PAGE_BYTES, high, &walk, find_highest, true)) {
        const struct vma *vma = walk.node ? above(&walk) : NULL;

        if (keeps_room(vma) && vma_start_gap(vma) < walk.last + 1) {
            high = vma_start_gap(vma);
            continue;
        }
        if (walk.node && !keeps_room(vma))
            look_below(&walk);
        addr = walk.last + 1 - length;
    }
    gap_probed(mm, walk.arrival_count);
    return addr;
}

static uint64_t
maple_search(struct mm *mm, const struct gap_request *request)
{
    uint64_t addr = GAP_NONE;

    mm_assert(maple_is_kept(&mm->maple));
    if (request->top_down)
        addr = search_down(mm, request->length);
    if (addr == GAP_NONE)
        addr = search_up(mm, request->length);
    return addr;
}

const struct gap_ops gap_maple = {
    .name = "maple",
    .needs_maple = true,
    .search = maple_search,
};
