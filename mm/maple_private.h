/*
 * What the files of the maple tree share.  Not for use outside mm/maple*.c.
 */
#pragma once

#include "mm/maple.h"

/* Entries on their way from nodes to nodes. */
struct maple_pile {
    unsigned count;
    uint64_t last[2 * MAPLE_LEAF_SLOT_MAX + 4];
    void *what[2 * MAPLE_LEAF_SLOT_MAX + 4];  // VMA or child
};

static inline unsigned
maple_slot_count(const struct maple *maple, bool is_leaf)
{
    return is_leaf ? maple->leaf_slots : maple->inner_slots;
}

/* With as many entries a node is too small already. */
static inline unsigned
maple_small_count(const struct maple *maple, bool is_leaf)
{
    return is_leaf ? maple->leaf_slots / 2 - 2 : maple->inner_slots / 2 - 1;
}

static inline uint64_t
maple_last(const struct maple_node *node)
{
    return node->last[node->count - 1];
}

/* ---- mm/maple_node.c ---- */

/* Have that many spare nodes; false: no memory. */
bool maple_reserve_nodes(struct machine *machine, uint32_t count);
/* A spare node for the tree, without entries; and back. */
struct maple_node *maple_take(struct mm *mm, bool is_leaf);
void maple_release(struct mm *mm, struct maple_node *node);
void maple_release_subtree(struct mm *mm, struct maple_node *node);
/* The largest free range of a node, and below it. */
uint64_t maple_largest_gap(const struct maple_node *node);
/* Tell the ancestors that the node's gaps have changed. */
void maple_update_gaps(struct maple_node *node);
/* NULL: the tree is empty. */
void maple_set_root(struct mm *mm, struct maple_node *root, unsigned height);

void pile_add(struct maple_pile *pile, uint64_t last, void *what);
/* Entries [from, to) of a node. */
void pile_add_entries(struct maple_pile *pile, const struct maple_node *node,
                      unsigned from, unsigned to);
void pile_add_node(struct maple_pile *pile, struct maple_node *node);
/* Put a node's entries before those of the pile. */
void pile_put_before(struct maple_pile *pile, const struct maple_node *node);
/* Make entries [from, to) of the pile those of the node. */
void maple_fill(struct maple_node *node, uint64_t first,
                const struct maple_pile *pile, unsigned from, unsigned to);

/* ---- mm/maple_balance.c ---- */

/* The pile is to be the leaf's content, and too large for it. */
void maple_split(struct mm *mm, struct maple_node *node,
                 struct maple_pile *pile);
/* The pile is to be the content of the leaves from left to right. */
void maple_join(struct mm *mm, struct maple_pile *pile, struct maple_node *left,
                struct maple_node *right);
