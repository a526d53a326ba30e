/*
 * Page tables with the geometry of the architecture.
 *
 * Upper levels are host directories, one simulated frame each, of which the
 * host keeps only the part in use (directory.h); the lowest level is a leaf: an
 * array of host PTEs (8 bytes whatever the simulated size) and a side record.
 * All work on ranges goes leaf by leaf, so that a run of pages costs one
 * lookup.
 *
 * Host PTE:  bits 0-31 pfn (or payload)   bits 32.. enum pte_bit
 *
 * Invariants (pagetable_validate):
 *   T1  leaf.used_count is the number of entries that are not none.
 *   T2  Every present entry lies in a VMA.
 *   T3  What lookups remember of a directory of leaves is its window, or the
 *       part of it that there was when they went through.
 *   T4  pagetable.page_count is the number of leaves and directories below
 *       the root that are frames (VmPTE).
 *   T5  Every frame of a table is PAGE_PAGETABLE.
 */
#pragma once

#include "mm/arch.h"
#include "mm/directory.h"

#include <stddef.h>

struct machine;
struct mm;
struct vma;

typedef uint64_t pte_t;

#define PTE_NONE      UINT64_C(0)
#define PTE_PRESENT   (UINT64_C(1) << 32)
#define PTE_WRITE     (UINT64_C(1) << 33)
#define PTE_ACCESSED  (UINT64_C(1) << 34)
#define PTE_DIRTY     (UINT64_C(1) << 35)
#define PTE_ZERO      (UINT64_C(1) << 36)  // present: maps the zero page
#define PTE_FILE      (UINT64_C(1) << 37)  // present: maps a PAGE_FILE frame
#define PTE_GUARD     (UINT64_C(1) << 38)  // not present: guard marker
#define PTE_PURGED    (UINT64_C(1) << 39)  // not present: vrange marker
#define PTE_SWAP      (UINT64_C(1) << 40)  // not present: payload is a slot
#define PTE_NONLINEAR (UINT64_C(1) << 41)  // not at its linear place

static inline pfn_t
pte_pfn(pte_t pte)
{
    return (pfn_t){(uint32_t)pte};
}

static inline pte_t
pte_make(pfn_t pfn, uint64_t bits)
{
    return (pte_t)pfn.v | bits;
}

struct leaf {
    struct mm *mm;
    uint64_t base;        // address of entry 0
    uint32_t id;          // index into machine.leaves
    pfn_t pfn;            // the simulated page-table page
    uint32_t used_count;  // entries that are not none
    pte_t pte[];
};

/* Where the slots of a directory of leaves are. */
struct leaf_window {
    void **slots;
    uint64_t first : 48;  // address >> leaf_shift of the first slot
    uint64_t count : 16;  // slots; 0: nothing remembered
};

struct pagetable {
    struct directory *root;
    void *pgd_object;  // slab object where the root is not a frame
    const struct arch *arch;
    uint64_t page_count;  // frames below the root
    /* Windows of directories of leaves that lookups went through, by the place
     * of the directory: nearly always the next lookup finds its own here.  Most
     * processes look into one directory: there is room for more from the second
     * on. */
    struct leaf_window *recent;  // [recent_mask + 1]
    size_t recent_mask;
    struct leaf_window only_recent;
    unsigned leaf_shift;       // bits that a leaf spans
    unsigned directory_shift;  // bits that a directory of leaves spans
    uint32_t leaf_mask;        // entries of a leaf - 1
};

/* Entries of a leaf and bytes that it spans. */
static inline uint32_t
leaf_entries(const struct arch *arch)
{
    return 1u << arch->level_bits[arch->level_count - 1];
}

static inline uint64_t
leaf_span_bytes(const struct arch *arch)
{
    return (uint64_t)leaf_entries(arch) << PAGE_SHIFT;
}

static inline uint32_t
leaf_index(const struct arch *arch, uint64_t addr)
{
    return (uint32_t)(addr >> PAGE_SHIFT) & (leaf_entries(arch) - 1);
}

/* mm/leaf.c: the host object, all entries none; its frame is the caller's. */
struct leaf *leaf_create(struct mm *mm, uint64_t base, pfn_t pfn);
void leaf_destroy(struct leaf *leaf);

/* The root and what comes with it; false: no memory. */
bool pagetable_init(struct mm *mm);
void pagetable_finish(struct mm *mm);

/* The one that a directory's window is remembered in. */
static inline struct leaf_window *
pagetable_recent(const struct pagetable *pagetable, uint64_t addr)
{
    return &pagetable->recent[(addr >> pagetable->directory_shift) &
                              pagetable->recent_mask];
}

/* The leaf that covers addr if a recent lookup went the same way, else NULL. */
static inline struct leaf *
pagetable_recent_leaf(const struct pagetable *pagetable, uint64_t addr)
{
    const struct leaf_window *window = pagetable_recent(pagetable, addr);
    uint64_t slot = (addr >> pagetable->leaf_shift) - window->first;

    return slot < window->count ? window->slots[slot] : NULL;
}

/* Its entry for addr. */
static inline pte_t *
leaf_pte(const struct pagetable *pagetable, struct leaf *leaf, uint64_t addr)
{
    return &leaf->pte[(addr >> PAGE_SHIFT) & pagetable->leaf_mask];
}

/* The leaf that covers addr, or NULL. */
struct leaf *pagetable_leaf(struct mm *mm, uint64_t addr);
/* The same, allocated with its directories; NULL: no memory. */
struct leaf *pagetable_leaf_alloc(struct mm *mm, uint64_t addr);
/* All but the leaf; false: no memory. */
bool pagetable_directory_alloc(struct mm *mm, uint64_t addr);
/* Allocate every table, empty, that `from` has for a part of [start, end):
 * fork descends wherever the parent has a directory.  false: no memory. */
bool pagetable_copy_shape(struct mm *to, const struct mm *from, uint64_t start,
                          uint64_t end);
/* First leaf at or above addr and below end, or NULL. */
struct leaf *pagetable_next_leaf(struct mm *mm, uint64_t addr, uint64_t end);

/* Free the tables of [start, end) that the preset frees when nothing mapped
 * is left between floor (end of the previous VMA, or 0) and ceiling (start of
 * the next VMA, or the end of user space). */
void pagetable_free_range(struct mm *mm, uint64_t start, uint64_t end,
                          uint64_t floor, uint64_t ceiling);
/* DONTNEED of newer kernels: free the leaf if it is empty (PT_RECLAIM). */
void pagetable_free_leaf_if_empty(struct mm *mm, struct leaf *leaf);

/* Move entries of [old, old+length) of `from` to `to`'s VMA at new_addr.
 * Allocates tables as the kernel does; false: no memory, what was moved has
 * been moved back. */
bool pagetable_move(struct vma *from, uint64_t old_addr, struct vma *to,
                    uint64_t new_addr, uint64_t length);

void pagetable_validate(struct mm *mm);

/* mm/zap.c: drop what [start, end) of the VMA maps. */
enum zap_mode {
    ZAP_UNMAP,     // munmap, exit: markers go too
    ZAP_DONTNEED,  // guard markers stay
    ZAP_GUARD,     // make room for guard markers: pages go, markers stay
};
/* Returns how many pages with contents of their own (anonymous) went. */
uint64_t zap_vma_range(struct vma *vma, uint64_t start, uint64_t end,
                       enum zap_mode mode);

/* mm/protect.c: the VMA's access bits changed from old_flags; adapt PTEs. */
void protect_vma_range(struct vma *vma, uint64_t start, uint64_t end,
                       uint32_t old_flags);
