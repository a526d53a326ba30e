/*
 * What a verification has exercised: pairs of call and errno, what calls did
 * to the ends of their ranges, and how touches found their pages.
 */
#pragma once

#include "mm/operation.h"

#include <glib.h>

struct verify_coverage {
    GHashTable *counts;  // char * -> uint64_t *
    uint64_t event_count;
    uint64_t touch_count, present_count;  // pages
};

struct verify_coverage *coverage_new(void);
void coverage_free(struct verify_coverage *coverage);

/* VMA ranges of an address space, for comparison after a call. */
GArray *coverage_ranges(const struct mm *mm);

/* A call was carried out; `before` holds the ranges of its address space
 * before it, or is NULL; zero_breaks: pages where the zero page was
 * replaced. */
void coverage_call(struct verify_coverage *coverage, const struct operation *op,
                   const GArray *before, uint64_t zero_breaks);

/* A table, sorted by name. */
void coverage_append(GString *out, const struct verify_coverage *coverage);
