/*
 * The walk down of the caching gap policies.
 *
 * The way through a node, from the area tried first that has its lowest VMA in
 * the node to the first one that has not, depends on the node's VMAs, on the
 * end of the VMA before them, on the length and on where that first area
 * begins; not on how the walk came there.  That is so unless it ends within the
 * node, which it does only at a gap that is large enough: through nodes with
 * such a gap the walk goes child by child.
 */
#include "mm/vma_walk.h"

#include "mm/check.h"

#include <glib.h>
#include <string.h>

#define HOP_SETS 8
#define HOP_WAYS 8

/* From the first area tried in a node to the first one beyond. */
struct hop {
    uint64_t length;  // 0: none
    uint64_t start;   // of the first area
    uint64_t end;     // of the last one
    uint64_t hole;
    uint64_t step_count;
};

struct vma_hops {
    bool is_stale;
    uint8_t victim[HOP_SETS];  // way to be given up next
    struct hop hop[HOP_SETS][HOP_WAYS];
};

/* ---- memory of a node ---- */

void
vma_hops_forget(struct vma_node *node)
{
    if (node->hops)
        node->hops->is_stale = true;
}

void
vma_hops_destroy(struct vma_node *node)
{
    g_free(node->hops);
    node->hops = NULL;
}

static unsigned
set_of(uint64_t length, uint64_t start)
{
    uint64_t mixed = (bytes_to_pages(start) + bytes_to_pages(length) * 5) *
                     UINT64_C(0x9e3779b97f4a7c15);

    return (unsigned)(mixed >> 32) % HOP_SETS;
}

static const struct hop *
recall(const struct vma_node *node, uint64_t length, uint64_t start)
{
    const struct hop *set;

    if (!node->hops || node->hops->is_stale)
        return NULL;
    set = node->hops->hop[set_of(length, start)];
    for (unsigned i = 0; i < HOP_WAYS; i++)
        if (set[i].length == length && set[i].start == start)
            return &set[i];
    return NULL;
}

static void
remember(struct vma_node *node, const struct hop *hop)
{
    unsigned set = set_of(hop->length, hop->start);
    uint8_t *victim;

    if (!node->hops)
        node->hops = g_new0(struct vma_hops, 1);
    if (node->hops->is_stale)
        memset(node->hops, 0, sizeof(*node->hops));
    victim = &node->hops->victim[set];
    node->hops->hop[set][*victim] = *hop;
    *victim = (uint8_t)((*victim + 1) % HOP_WAYS);
}

/* ---- the walk ---- */

/* Lowest end of an area whose lowest VMA is in a node. */
static uint64_t
lowest_end(const struct vma_walk *walk, uint64_t low)
{
    return MAX(low, PAGE_BYTES) + walk->length;
}

static void
take_hop(struct vma_walk *walk, const struct hop *hop)
{
    walk->step_count += hop->step_count;
    walk->hole = MAX(walk->hole, hop->hole);
    walk->end = hop->end;
}

/* Each of these begins with an area whose lowest VMA is in the node, and comes
 * back with the first one of which that is not true, or with a free one and
 * true. */
static bool
walk_leaf(const struct vma_node *leaf, uint64_t low, struct vma_walk *walk)
{
    uint64_t stop = lowest_end(walk, low);
    unsigned slot = vma_node_slot(leaf, walk->end - walk->length);

    while (walk->end > leaf->floor[slot]) {
        uint64_t start = walk->end - walk->length;

        if (leaf->floor[slot] > start)
            walk->hole = MAX(walk->hole, leaf->floor[slot] - start);
        walk->end = leaf->floor[slot];
        walk->step_count++;
        if (walk->end < stop)
            return false;
        while (slot > 0 && leaf->end[slot - 1] > walk->end - walk->length)
            slot--;
    }
    return true;
}

static bool walk_node(struct vma_node *node, unsigned level, uint64_t low,
                      bool has_room, struct vma_walk *walk);

static bool
walk_children(const struct vma_node *node, unsigned level, uint64_t low,
              struct vma_walk *walk)
{
    uint64_t stop = lowest_end(walk, low);

    do {
        unsigned slot = vma_node_slot(node, walk->end - walk->length);

        if (walk_node(node->child[slot], level - 1,
                      vma_node_end_before(node, slot, low),
                      node->gap[slot] >= walk->length, walk))
            return true;
    } while (walk->end >= stop);
    return false;
}

static bool
walk_node(struct vma_node *node, unsigned level, uint64_t low, bool has_room,
          struct vma_walk *walk)
{
    if (level == 0)
        return walk_leaf(node, low, walk);
    if (has_room)
        return walk_children(node, level, low, walk);

    uint64_t start = walk->end - walk->length;
    const struct hop *known = recall(node, walk->length, start);

    if (!known) {
        struct vma_walk inside = {.length = walk->length, .end = walk->end};
        bool is_free = walk_children(node, level, low, &inside);

        mm_assert(!is_free);
        struct hop hop = {inside.length, start, inside.end, inside.hole,
                          inside.step_count};
        remember(node, &hop);
        take_hop(walk, &hop);
        return false;
    }
    take_hop(walk, known);
    return false;
}

bool
vma_walk_down(const struct vma_btree *btree, struct vma_walk *walk)
{
    if (walk->end < lowest_end(walk, 0))
        return false;
    return walk_node(btree->root, btree->height - 1, 0, true, walk);
}

void
vma_hops_validate(const struct vma_node *node, unsigned level, uint64_t low)
{
    if (level == 0 || !node->hops || node->hops->is_stale)
        return;
    for (unsigned i = 0; i < HOP_SETS * HOP_WAYS; i++) {
        const struct hop *hop = &node->hops->hop[i / HOP_WAYS][i % HOP_WAYS];
        struct vma_walk walk = {.length = hop->length,
                                .end = hop->start + hop->length};

        if (!hop->length)
            continue;
        mm_invariant(V6, !walk_children(node, level, low, &walk));
        mm_invariant(V6, walk.end == hop->end && walk.hole == hop->hole &&
                             walk.step_count == hop->step_count);
    }
}
