/*
 * The `zero-page` axis: three functions in one file.
 */
#pragma once

#include "mm/types.h"

struct machine;
struct mm;

/* May a read fault of untouched private anonymous memory map it? */
bool zero_page_may_use(const struct machine *machine);
/* Does a mapping of it count as file RSS? */
bool zero_page_counts_rss(const struct machine *machine);
/* `pages` PTEs of the mm have begun, or ceased, to map it. */
void zero_page_map(struct mm *mm, uint64_t pages);
void zero_page_unmap(struct mm *mm, uint64_t pages);
