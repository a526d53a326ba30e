/*
 * The `purge` axis: how an allocator's `purge` and `reuse` are carried out.
 */
#pragma once

#include "mm/types.h"

struct mm;

/* What a policy event became. */
struct purge_outcome {
    int64_t result;  // of the call, or 0
    bool is_call;    // a system call was made
};

struct purge_ops {
    const char *name;
    struct purge_outcome (*purge)(struct mm *mm, uint64_t start,
                                  uint64_t length);
    struct purge_outcome (*reuse)(struct mm *mm, uint64_t start,
                                  uint64_t length);
    bool uses_madv_free;  // brings MADV_FREE to kernels without it
    bool uses_vrange;  // needs a reverse map to find all mappers
};

/* The event becomes no call. */
struct purge_outcome purge_no_call(struct mm *mm, uint64_t start,
                                   uint64_t length);

/* In the order of reports; NULL-terminated. */
extern const struct purge_ops *const purge_policies[];

extern const struct purge_ops purge_ignore;
extern const struct purge_ops purge_dontneed;
extern const struct purge_ops purge_free;
extern const struct purge_ops purge_vrange_full;
