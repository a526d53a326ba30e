/*
 * Searching an unmapped area: the `gap` axis.
 *
 * get_unmapped_area() (mm/mmap.c) deals with hints, MAP_FIXED and alignment
 * rules of the preset and asks the policy only for a search.  A policy file
 * contains one const struct gap_ops; private state sits in mm.gap.
 *
 * Every search counts gap_search_count once and gap_probe_count per VMA
 * (linear, area-cache, hole-size, first-hole) or tree node (others; each
 * arrival at a node, also on the way up) that the kernel would have examined,
 * even where the result was found in fewer host steps.
 */
#pragma once

#include "mm/types.h"

struct mm;
struct vma;

#define GAP_NONE UINT64_MAX

struct gap_request {
    uint64_t length;      // bytes, page multiple, > 0
    uint64_t align_bytes; // PAGE_BYTES, or 2 MiB for huge-aligned requests
    uint64_t align_phase; // bytes: the address is this much past a multiple
    bool top_down;        // the mm's layout
};

/* State of the caching policies; addresses in bytes. */
struct gap_state {
    uint64_t cache;  // free_area_cache
    uint64_t hole;   // cached_hole_size
};

struct gap_ops {
    const char *name;
    bool needs_rbtree;  // searches the red-black tree (mm/vma_rbtree.h)
    bool needs_maple;   // searches the maple tree (mm/maple.h)

    /* An address where request.length bytes are free, or GAP_NONE.  Bottom-up
     * searches [unmapped_base, task_size); top-down [PAGE_BYTES, mmap_base)
     * and falls back to bottom-up.  Length <= task_size, no alignment: the
     * forwarding layer sees to that. */
    uint64_t (*search)(struct mm *mm, const struct gap_request *request);

    /* Notices; NULL where the policy does not listen. */

    /* A VMA piece [start, end) was unmapped (once per piece). */
    void (*unmapped_piece)(struct mm *mm, uint64_t start, uint64_t end);
    /* A munmap ended; prev and next are the remaining neighbours or NULL. */
    void (*unmapped)(struct mm *mm, const struct vma *prev,
                     const struct vma *next);
    /* A new address space after exec, and a child's after fork. */
    void (*exec)(struct mm *mm);
    void (*forked)(struct mm *child, const struct mm *parent);
};

/* All that are built, NULL-terminated; order of reports. */
extern const struct gap_ops *const gap_policies[];

extern const struct gap_ops gap_linear;
extern const struct gap_ops gap_area_cache;
extern const struct gap_ops gap_hole_size;
extern const struct gap_ops gap_rb_gap;
extern const struct gap_ops gap_maple;

/* The forwarding layer: asserts what every policy promises, and sees to
 * alignment; a request that finds no room when aligned is served unaligned
 * (a second search). */
uint64_t gap_search(struct mm *mm, const struct gap_request *request);
void gap_unmapped_piece(struct mm *mm, uint64_t start, uint64_t end);
void gap_unmapped(struct mm *mm, const struct vma *prev,
                  const struct vma *next);
void gap_exec(struct mm *mm);
void gap_forked(struct mm *child, const struct mm *parent);
