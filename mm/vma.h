/*
 * VMAs and the trees that hold them.
 *
 * An address space has a B+tree that knows how many VMAs lie before one and
 * which gap is large enough; it answers "how many VMAs would a linear walk have
 * visited" in O(log n), so a slow policy costs simulated work, not host time.
 * VMAs are also linked in address order.  Beside it are kept the trees of the
 * simulated kernel whose shapes are asked for, red-black and maple; where one
 * of them answers everything, instead of it.
 *
 * Invariants (vma_tree_validate):
 *   V1  VMAs are sorted, disjoint, non-empty and page aligned.
 *   V2  The list and the in-order walks of the trees agree.
 *   V3  Red-black: root black, no red child of red, equal black heights.
 *   V4  What a node of the B+tree knows of its VMAs, and subtree_gap of the
 *       red-black tree where gap=rb-gap searches, is true.
 *   V5  mm.map_count is the number of VMAs.
 *   V6  What a node remembers of walks through it (mm/vma_walk.h) is what a
 *       walk would come to now.
 */
#pragma once

#include "mm/types.h"

#include <stddef.h>

struct mm;
struct file;
struct anon_family;
struct anon_chain;
struct vma_btree;

enum vma_flag {
    VM_READ = 1 << 0,
    VM_WRITE = 1 << 1,
    VM_EXEC = 1 << 2,
    VM_SHARED = 1 << 3,
    VM_MAYREAD = 1 << 4,
    VM_MAYWRITE = 1 << 5,
    VM_MAYEXEC = 1 << 6,
    VM_GROWSDOWN = 1 << 7,
    VM_LOCKED = 1 << 8,
    VM_DONTCOPY = 1 << 9,
    VM_WIPEONFORK = 1 << 10,
    VM_NORESERVE = 1 << 11,
    VM_ACCOUNT = 1 << 12,
    VM_HUGEPAGE = 1 << 13,
    VM_NOHUGEPAGE = 1 << 14,
    VM_RAND_READ = 1 << 15,
    VM_SEQ_READ = 1 << 16,
    VM_MERGEABLE = 1 << 17,
    VM_NOZERO = 1 << 18,
    VM_MAYBE_GUARD = 1 << 19,  // "gu": sticky, ignored in merging
    VM_SPECIAL = 1 << 20,      // vdso, vvar: never merges, no fault-around
    VM_NONLINEAR = 1 << 21,
    /* vvar ("pf"): page-table entries are bare frame numbers, which no later
     * fault could find again. */
    VM_RAW = 1 << 22,
};
#define VM_ACCESS (VM_READ | VM_WRITE | VM_EXEC)

struct vma {
    uint64_t start, end;  // bytes

    struct vma *left, *right, *parent;  // mm/vma_rbtree.h; beside the ends,
                                        // which a walk down compares
    uint64_t subtree_gap;      // bytes: largest gap below a VMA of the subtree
    struct vma *prev, *next;   // address order
    uint32_t flags;            // enum vma_flag
    uint32_t gap_below_bytes;  // guard=gap: kept free below start
    uint64_t pgoff;            // pages: of the file; anonymous: linear index
    struct mm *mm;
    struct file *file;  // NULL: private anonymous (shared anonymous memory
                        // has a shmem file of its own)

    /* Anon identity (mm/anon.c): facts of the core, whatever rmap makes of
     * them.  family NULL: no write fault, guard or COW here yet. */
    struct anon_family *family;
    struct anon_chain *chain;  // families that may own pages here; NULL under
                               // ANON_FORK_INHERIT
    uint32_t anon_depth;       // 1: own; one more per fork inherited through
    bool is_red;               // in the red-black tree

    struct vma *file_prev, *file_next;  // i_mmap of file
    struct vma *rmap_prev, *rmap_next;  // private to the rmap scheme
    void *rmap;                         // private to the rmap scheme
};

static inline uint64_t
vma_pages(const struct vma *vma)
{
    return bytes_to_pages(vma->end - vma->start);
}

/* Linear page index of an address in the VMA. */
static inline uint64_t
vma_index(const struct vma *vma, uint64_t addr)
{
    return vma->pgoff + bytes_to_pages(addr - vma->start);
}

static inline bool
vma_is_anon(const struct vma *vma)
{
    return !vma->file;
}

/* Does it keep its pages from reclaim? */
static inline bool
vma_is_locked(const struct vma *vma)
{
    return (vma->flags & (VM_LOCKED | VM_SPECIAL)) == VM_LOCKED;
}

/* Start of the VMA with the room that must stay free below it: the stack
 * guard gap of a VM_GROWSDOWN VMA, or a guard made by guard=gap. */
uint64_t vma_start_gap(const struct vma *vma);
/* Free bytes below that, down to the VMA before. */
uint64_t vma_gap_below(const struct vma *vma);

/* Lowest VMA with end > addr, or NULL.  Charges the lookup as the `vma-index`
 * axis says, through mm.vma_cache where that has a cache. */
struct vma *vma_find(struct mm *mm, uint64_t addr);
/* For runs of faults: the same, but the steps of an index without a cache,
 * maple.lookup_steps, are charged by the caller, for every fault. */
struct vma *vma_find_cached(struct mm *mm, uint64_t addr);
/* The same without cache and charges (searches, checks). */
struct vma *vma_find_quiet(const struct mm *mm, uint64_t addr);
/* First VMA that meets [start, end), or NULL. */
struct vma *vma_intersect(const struct mm *mm, uint64_t start, uint64_t end);

/* Link a VMA whose start, end and mm are set; its range is free. */
void vma_tree_insert(struct mm *mm, struct vma *vma);
/* The same for one that lies above all others. */
void vma_tree_append(struct mm *mm, struct vma *vma);
void vma_tree_remove(struct mm *mm, struct vma *vma);
/* Remove a VMA whose range a neighbour is resized over next. */
void vma_tree_remove_merged(struct mm *mm, struct vma *vma);
/* Unlink all VMAs at once; the first one, of the list that they still are. */
struct vma *vma_tree_dissolve(struct mm *mm);
/* Cut a linked VMA: `part`, not linked yet, gets its own range, one end of the
 * VMA's, which keeps the rest. */
void vma_tree_cut(struct mm *mm, struct vma *vma, struct vma *part);
/* The border between a VMA and the next one, which touch, is at addr now. */
void vma_tree_move_border(struct mm *mm, struct vma *below, uint64_t addr);
/* Move a linked VMA's ends without changing its place in the order. */
void vma_tree_resize(struct mm *mm, struct vma *vma, uint64_t start,
                     uint64_t end);
/* gap_below_bytes or flags that vma_start_gap() reads have changed. */
void vma_tree_gap_changed(struct vma *vma);
void vma_tree_validate(const struct mm *mm);

/* Does the address space keep the B+tree that answers what follows? */
bool vma_btree_is_kept(const struct mm *mm);
/* The tree itself, made if need be; there are VMAs. */
const struct vma_btree *vma_tree_btree(const struct mm *mm);
/* Number of VMAs that lie before this one. */
uint32_t vma_tree_rank(const struct vma *vma);
/* Largest gap below any VMA from first to last inclusive (address order). */
uint64_t vma_tree_max_gap(const struct vma *first, const struct vma *last);
/* First VMA at or after `vma` (address order) whose gap below is at least
 * length bytes, or NULL; and the mirror image. */
struct vma *vma_tree_next_gap(const struct vma *vma, uint64_t length);
struct vma *vma_tree_prev_gap(const struct vma *vma, uint64_t length);
