/*
 * The searches of the gap axis as the kernels wrote them: plain walks over a
 * sorted array of VMAs, one at a time.  What mm/gap*.c finds with queries must
 * come out the same here, addresses, probes and caches.
 */
#pragma once

#include "mm/aspace.h"

#include <glib.h>

struct model_vma {
    uint64_t start, end;
    uint64_t start_gap;  // start, less the room kept free below
};

struct gap_model {
    const struct model_vma *vmas;
    size_t count;
    const struct vma *root;  // only for the walk of rb-gap
    const struct arch *arch;
    uint64_t mmap_base;
    struct gap_state state;
    uint64_t probe_count;  // of all searches so far
};

typedef uint64_t (*gap_model_search)(struct gap_model *model, uint64_t length,
                                     bool top_down);

uint64_t gap_model_linear(struct gap_model *model, uint64_t length,
                          bool top_down);
uint64_t gap_model_area_cache(struct gap_model *model, uint64_t length,
                              bool top_down);
uint64_t gap_model_hole_size(struct gap_model *model, uint64_t length,
                             bool top_down);
/* Addresses by the linear walk, probes by a recursion over the tree. */
uint64_t gap_model_rb_gap(struct gap_model *model, uint64_t length,
                          bool top_down);
