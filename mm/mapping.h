/*
 * Runs of PTEs that map frames: what happens to a frame when an entry comes
 * or goes, whatever kind it is.
 */
#pragma once

#include "mm/pagetable.h"

struct machine;
struct vma;

/* What a PTE is, as far as runs are concerned. */
enum pte_class {
    PTE_CLASS_NONE,
    PTE_CLASS_ANON,
    PTE_CLASS_FILE,
    PTE_CLASS_ZERO,
    PTE_CLASS_GUARD,
    PTE_CLASS_PURGED,
};

static inline enum pte_class
pte_class(pte_t pte)
{
    if (pte == PTE_NONE)
        return PTE_CLASS_NONE;
    if (pte & PTE_GUARD)
        return PTE_CLASS_GUARD;
    if (pte & PTE_PURGED)
        return PTE_CLASS_PURGED;
    if (pte & PTE_ZERO)
        return PTE_CLASS_ZERO;
    return pte & PTE_FILE ? PTE_CLASS_FILE : PTE_CLASS_ANON;
}

/* Entries from index on that have the class of the first; at most max. */
uint32_t pte_class_run(const struct leaf *leaf, uint32_t index, uint32_t max);

/* Entries from index on, below `end`, that map consecutive pages of one folio;
 * the first maps a file. */
uint32_t pte_folio_run(struct machine *machine, const struct leaf *leaf,
                       uint32_t index, uint32_t end);

/*
 * `count` entries of one class that map frames have just been written: count
 * maps, reverse map and RSS.  Fewer than count: no memory for the next.
 */
uint32_t mapping_add_run(struct vma *vma, struct leaf *leaf, uint32_t index,
                         uint32_t count);

/* The same of one entry that maps an anonymous frame, under a scheme that has
 * nothing to do per page. */
void mapping_add_anon(struct machine *machine, struct mm *mm, pfn_t pfn);

/*
 * Clear `count` entries of one class; they may map frames, which are freed
 * when this was the last mapping of an anonymous one.
 */
void mapping_clear_run(struct mm *mm, struct leaf *leaf, uint32_t index,
                       uint32_t count);

/* A locked VMA has begun to map the frames among these entries, or ends it. */
void mapping_mlock_run(struct machine *machine, const struct leaf *leaf,
                       uint32_t index, uint32_t count, bool locked);

/* Free anonymous frames that nothing maps, on behalf of `mm` (ownership under
 * clear=nozero follows from it). */
void anon_frames_free(struct mm *mm, const pfn_t *pfns, uint32_t count);
