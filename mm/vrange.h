/*
 * Volatile ranges: vrange v7 (March 2013, on 3.9-rc2).
 *
 * Per address space an ordered set of disjoint ranges; a global LRU of all of
 * them, most recently marked first.  The calls never look at pages, VMAs or
 * mmap_sem: their cost is the nodes visited, whatever the length.  Reclaim
 * empties whole ranges from the tail of the LRU (`vrange-full`).
 *
 * The rule of the posted patch that a trimmed range keeps one byte too many on
 * each side is not imitated; ranges end where the caller said.
 *
 * Invariants (vrange_validate):
 *   R1  The ranges of an address space are sorted, disjoint, not empty.
 *   R2  Every range is on the global LRU once.
 */
#pragma once

#include "mm/types.h"

struct machine;
struct mm;

struct vrange {
    uint64_t start, end;  // bytes
    bool purged;          // reclaim took a page of it
    struct mm *mm;
    struct vrange *lru_prev, *lru_next;
};

/* sys_vrange: 0 or 1 (novolatile of a purged range), or -errno. */
int64_t vrange_call(struct mm *mm, uint64_t start, uint64_t length,
                    bool is_volatile);

/* First range of the mm that meets [start, end), or NULL. */
struct vrange *vrange_find(const struct mm *mm, uint64_t start, uint64_t end);
/* Every range that meets the page lost something. */
void vrange_mark_purged(struct mm *mm, uint64_t addr);

/* Empty ranges from the cold end until `pages` frames came free, or none is
 * left to try; frames freed. */
uint64_t vrange_reclaim(struct machine *machine, uint64_t pages);

/* exec and exit forget all ranges. */
void vrange_forget(struct mm *mm);
void vrange_validate(const struct machine *machine);
