/*
 * madvise, and the guard axis.
 */
#pragma once

#include "mm/types.h"

struct mm;

/* enum advice of operation.h; 0 or -errno.  Populating is the caller's: it is
 * touches. */
enum advice {
    ADVICE_DONTNEED,
    ADVICE_FREE,
    ADVICE_WILLNEED,
    ADVICE_COLD,
    ADVICE_PAGEOUT,
    ADVICE_HUGEPAGE,
    ADVICE_NOHUGEPAGE,
    ADVICE_DONTFORK,
    ADVICE_DOFORK,
    ADVICE_WIPEONFORK,
    ADVICE_KEEPONFORK,
    ADVICE_POPULATE_READ,
    ADVICE_POPULATE_WRITE,
    ADVICE_GUARD_INSTALL,
    ADVICE_GUARD_REMOVE,
    ADVICE_DONTNEED_LOCKED,
    ADVICE_NORMAL,
    ADVICE_RANDOM,
    ADVICE_SEQUENTIAL,
    ADVICE_MERGEABLE,
    ADVICE_UNMERGEABLE,
    ADVICE_COLLAPSE,
};  // same order as enum trace_advice

/* Refuses what the preset's kernel does not know (-EINVAL). */
int64_t mm_madvise(struct mm *mm, uint64_t start, uint64_t length,
                   enum advice advice);

/* The calls a policy axis may ask for under any preset. */
int64_t mm_madvise_dontneed(struct mm *mm, uint64_t start, uint64_t length);
int64_t mm_madvise_free(struct mm *mm, uint64_t start, uint64_t length);
int64_t mm_guard_install(struct mm *mm, uint64_t start, uint64_t length);

/* Does the guard axis bring MADV_GUARD_INSTALL with it? */
struct machine;
bool guard_uses_markers(const struct machine *machine);
/* Carry out a `guard` event as the axis says.  *is_call: a call was made. */
int64_t mm_guard(struct mm *mm, uint64_t start, uint64_t length,
                 bool *is_call);
