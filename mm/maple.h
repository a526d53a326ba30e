/*
 * The maple tree: address ranges, taken and free, in a B-tree of 256-byte
 * nodes (Linux 6.1 on).
 *
 * An entry of a leaf is a range of addresses and its VMA, or NULL where nothing
 * is mapped; together the entries of a level cover the whole address space.  An
 * inner node knows the largest free range below each child, which is what a gap
 * search goes by.
 *
 * An address space keeps one where the `gap` or the `vma-index` axis wants its
 * shape, hence the nodes that a lookup or a search visits and the memory they
 * take: beside the tree that serves everybody else (mm/vma_btree.h), or instead
 * of it where both axes want nothing but this one.
 *
 * Invariants (maple_validate):
 *   B1  The nodes of a level cover the address space; entries are in order, an
 *       inner node's are the ranges of its children.
 *   B2  The entries of the leaves are the VMAs and the free ranges between
 *       them, no two free ranges in a row; no leaf but the last ends with one;
 *       free_slots says which are free.
 *   B3  Leaves lie at the same depth, the height; no node has more entries than
 *       it has slots; children know their parent and place.
 *   B4  An inner node's gaps are the largest free ranges of its children.
 *   B5  node_count is the number of nodes; with the machine's spare ones they
 *       are the objects in use of the slab cache.
 */
#pragma once

#include "mm/types.h"

struct machine;
struct mm;
struct vma;

#define MAPLE_NODE_BYTES     256
#define MAPLE_LEAF_SLOT_MAX  32  // of a kernel with 32-bit words, else 16
#define MAPLE_INNER_SLOT_MAX 21  // likewise, else 10

struct maple_node {
    struct maple_node *parent;  // NULL: the root; of a spare one: the next
    uint64_t first;             // of its range, inclusive
    uint8_t slot;               // its place in the parent
    uint8_t count;              // entries
    bool is_leaf;
    uint32_t free_slots;                 // of a leaf: bit i: entry i is free
    uint64_t last[MAPLE_LEAF_SLOT_MAX];  // of each entry's range, inclusive
    union {
        struct vma *vma[MAPLE_LEAF_SLOT_MAX];  // NULL: free
        struct {
            struct maple_node *child[MAPLE_INNER_SLOT_MAX];
            uint64_t gap[MAPLE_INNER_SLOT_MAX];  // bytes, below each child
        };
    };
};

struct maple {
    struct maple_node *root;  // NULL: nothing is mapped
    uint64_t max;             // last address
    uint32_t node_count;
    uint16_t height;        // levels
    uint16_t lookup_steps;  // the same under vma-index=maple, else 0
    uint8_t leaf_slots;     // 0: no tree is kept
    uint8_t inner_slots;
};

/* Where the last search from the top ended, and how it got there.  The way is
 * the same for the next one of the same length until another leaf changes. */
struct maple_trail {
    const struct mm *mm;  // NULL: none, or lost
    const struct maple_node *leaf;
    uint64_t length, high;   // what was looked for: bytes, below which address
    uint64_t arrival_count;  // at nodes, up to the leaf
};

static inline bool
maple_is_kept(const struct maple *maple)
{
    return maple->leaf_slots > 0;
}

/* First address of an entry. */
static inline uint64_t
maple_entry_first(const struct maple_node *node, unsigned slot)
{
    return slot > 0 ? node->last[slot - 1] + 1 : node->first;
}

/* How much of the address space it covers. */
static inline uint64_t
maple_entry_bytes(const struct maple_node *node, unsigned slot)
{
    return node->last[slot] - maple_entry_first(node, slot) + 1;
}

/* Does no axis of the machine want to know anything that it cannot tell? */
bool maple_is_enough(const struct machine *machine);
/* Keep a tree, empty as yet, where the machine's policy wants one. */
void maple_init(struct mm *mm);
/* Give all nodes back and keep no tree any longer. */
void maple_finish(struct mm *mm);
/* A child's tree at fork, node by node like the parent's (Linux 6.8,
 * dup_mmap()): it holds the parent's VMAs, in whose places the child's are
 * stored next.  false: no memory. */
bool maple_fork(struct mm *child, const struct mm *parent);

/* Have nodes ready for whatever the next VMA does to a tree, if the policy
 * wants one; false: no memory. */
bool maple_reserve(struct machine *machine);
/* Keep no more spare nodes than that; none where no address space is left. */
void maple_trim(struct machine *machine);

/* Lowest VMA that ends above addr, or NULL. */
struct vma *maple_find(const struct maple *maple, uint64_t addr);
/* [first, last] belongs to the VMA now, or to nobody (NULL). */
void maple_store(struct mm *mm, uint64_t first, uint64_t last, struct vma *vma);

void maple_validate(const struct mm *mm);
/* B5 for all address spaces together. */
void maple_validate_nodes(const struct machine *machine);
