/*
 * What the calls on an address space share (vma_ops, merge, mmap, mprotect,
 * mremap, mlock, aspace); nobody else includes it.
 */
#pragma once

#include "mm/aspace.h"

#define INITIAL_STACK_BYTES (UINT64_C(132) << 10)

/* vm.max_map_count. */
uint32_t mm_map_count_max(const struct mm *mm);
/* Runs as root: capabilities are not modelled beyond that. */
bool mm_is_root(const struct mm *mm);
/* Room under RLIMIT_AS for `pages` more? */
bool mm_may_expand(const struct mm *mm, uint64_t pages);
/* May it lock memory at all, and `bytes` more if flags has VM_LOCKED? */
bool mm_may_lock(const struct mm *mm);
bool mm_lock_fits(const struct mm *mm, uint32_t flags, uint64_t bytes);
/* Put pages on the account without asking (they were there before). */
void mm_account_again(struct mm *mm, uint64_t pages);

/* What an area will hold: large ones are aligned for huge pages. */
struct area_content {
    const struct file *file;  // NULL: anonymous
    uint64_t pgoff;           // pages, of a file
    bool is_shared;
};

/* get_unmapped_area(): where `length` bytes go; `flags` of enum mmap_flag say
 * whether addr is the place or a hint.  An address or -errno. */
int64_t mm_find_area(struct mm *mm, uint64_t addr, uint64_t length,
                     uint32_t flags, const struct area_content *content);
/* Unmap the page-aligned [start, end).  0 or -ENOMEM: a limit or memory for a
 * split; nothing is unmapped then. */
int mm_unmap(struct mm *mm, uint64_t start, uint64_t end);
/* Last VMA that ends at or before addr, or NULL. */
struct vma *mm_vma_before(const struct mm *mm, uint64_t addr);

/* vma_split() without the limit on the number of VMAs. */
int vma_cut(struct vma *vma, uint64_t addr, bool new_above);
/* A linked VMA with the facts of the request, a copy of `source`'s identity
 * (NULL: none).  NULL: no memory. */
struct vma *vma_insert_new(const struct merge_request *request,
                           const struct vma *source);
/* Move the end up to new_end over free space; joins the next VMA where the
 * preset merges after mremap. */
void vma_extend(struct vma *vma, uint64_t new_end);

/* mm/merge.c: the range joins both neighbours; may they join each other? */
bool merge_bridge_allowed(const struct merge_request *request,
                          const struct vma *below, const struct vma *above);
