/*
 * A B+tree over the VMAs of an address space: what look-ups, ranks and gap
 * queries go by on the host, whichever index and search the simulated kernel
 * has.
 *
 * A node holds up to 16 entries, column by column, so that one is found and a
 * sum is taken within a few cache lines and without a look at a VMA.  A leaf's
 * entries are VMAs, an inner node's are its children and what is to be known
 * of them.  VMAs do not know their leaf: it is found from the root by address.
 *
 * Nodes are the host's alone: they cost the simulated kernel nothing.
 */
#pragma once

#include "mm/types.h"

struct pieces;
struct vma;
struct vma_hops;

#define VMA_NODE_SLOTS 16
#define VMA_LEVEL_MAX  16  // of ever so badly filled nodes

struct vma_node {
    uint32_t count;         // slots in use
    uint32_t level;         // 0: a leaf
    struct vma_hops *hops;  // what walks through the node came to, or NULL
    uint64_t end[VMA_NODE_SLOTS];  // of the VMA, or of the child's last one;
                                   // of slots not in use: UINT64_MAX
    union {
        struct vma *vma[VMA_NODE_SLOTS];
        struct vma_node *child[VMA_NODE_SLOTS];
    };
    union {
        uint64_t floor[VMA_NODE_SLOTS];  // of a leaf: vma_start_gap()
        uint64_t gap[VMA_NODE_SLOTS];    // largest below a VMA of the child
    };
    uint32_t vma_count[VMA_NODE_SLOTS];  // of an inner node; a leaf's are not
                                         // touched
};

struct vma_btree {
    struct vma_node *root;  // NULL: no VMAs, or not asked yet
    unsigned height;        // levels; the leaves' is 0
    struct pieces *pieces;  // plain ones, that nodes are made of
};

/* First slot whose end lies above addr; VMA_NODE_SLOTS may be the answer, and
 * with it a slot that is not in use.  No branches: which way they go cannot be
 * foretold. */
static inline unsigned
vma_node_slot(const struct vma_node *node, uint64_t addr)
{
    const uint64_t *end = node->end;
    int slot = 4 * ((end[3] <= addr) + (end[7] <= addr) + (end[11] <= addr));

    end += slot;
    return (unsigned)(slot + (end[0] <= addr) + (end[1] <= addr) +
                      (end[2] <= addr) + (end[3] <= addr));
}

/* End of the VMA before that of a slot; low: of the one before the node. */
static inline uint64_t
vma_node_end_before(const struct vma_node *node, unsigned slot, uint64_t low)
{
    return slot > 0 ? node->end[slot - 1] : low;
}

/* Largest gap below the VMAs of a leaf's slot. */
static inline uint64_t
vma_leaf_gap(const struct vma_node *leaf, unsigned slot, uint64_t low)
{
    uint64_t gap_start = vma_node_end_before(leaf, slot, low);

    return leaf->floor[slot] > gap_start ? leaf->floor[slot] - gap_start : 0;
}

/* Lowest VMA with end > addr, or NULL. */
struct vma *vma_btree_find(const struct vma_btree *btree, uint64_t addr);

/* A VMA whose range is free. */
void vma_btree_insert(struct vma_btree *btree, struct vma *vma);
void vma_btree_remove(struct vma_btree *btree, const struct vma *vma);
/* The VMA that holds addr in the tree has other ends, or other room below it,
 * by now; its place in the order is the same. */
void vma_btree_update(struct vma_btree *btree, uint64_t addr);
/* Forget all VMAs. */
void vma_btree_clear(struct vma_btree *btree);

/* Number of VMAs that end at or below addr. */
uint32_t vma_btree_rank(const struct vma_btree *btree, uint64_t addr);
/* Largest gap below the VMAs from the one that holds `from` to the one that
 * holds `to`. */
uint64_t vma_btree_max_gap(const struct vma_btree *btree, uint64_t from,
                           uint64_t to);
/* First VMA from the one that holds addr on, upwards or downwards, whose gap
 * below is at least length bytes, or NULL. */
struct vma *vma_btree_next_gap(const struct vma_btree *btree, uint64_t addr,
                               uint64_t length);
struct vma *vma_btree_prev_gap(const struct vma_btree *btree, uint64_t addr,
                               uint64_t length);

/* Its sums, and that its VMAs are those from `first` on. */
void vma_btree_validate(const struct vma_btree *btree, const struct vma *first);
