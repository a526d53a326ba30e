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
    const struct maple_node *maple_root;  // only for that of maple
    const struct arch *arch;
    uint64_t mmap_base;
    struct gap_state state;
    uint64_t probe_count;  // of all searches so far
};

struct gap_model_ops {
    const struct gap_ops *policy;
    uint64_t (*search)(struct gap_model *model, uint64_t length, bool top_down);
    /* [start, end) of one VMA goes; NULL: no matter. */
    void (*unmap_piece)(struct gap_model *model, uint64_t start, uint64_t end,
                        bool top_down);
    /* All of [start, end) has gone from `vmas`; NULL: no matter. */
    void (*unmapped)(struct gap_model *model, uint64_t start, uint64_t end,
                     bool top_down);
};

enum { GAP_MODEL_COUNT = 5 };
extern const struct gap_model_ops gap_models[GAP_MODEL_COUNT];
