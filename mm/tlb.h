/*
 * TLB flushes: what they count and cost.
 */
#pragma once

#include "mm/types.h"

struct mm;

/* The mm's translations of `pages` pages are stale: flush here and interrupt
 * the other CPUs that ran it.  Few pages go one by one, many all at once. */
void tlb_flush(struct mm *mm, uint64_t pages);
