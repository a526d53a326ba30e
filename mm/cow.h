/*
 * The `cow` axis: copy a write-protected anonymous page, or keep it?
 */
#pragma once

#include "mm/types.h"

struct machine;
struct page;

/* May the writer keep the page?  Some kernels drain their LRU batch to find
 * out. */
bool cow_may_reuse(struct machine *machine, struct page *page);

/* The page is copied, without a batch being drained, whatever is done to other
 * pages first. */
bool cow_must_copy(const struct machine *machine, const struct page *page);
