/*
 * LRU lists of frames in use, and the per-CPU batches on the way there.
 *
 * A page goes through its CPU's batch (PAGEVEC) first; until the batch drains
 * it has one more reference, which the page-count rule of copy-on-write sees.
 *
 * Invariants (lru_validate):
 *   L1  A frame with PAGE_LRU is on the list that its flags name, once.
 *   L2  A frame with PAGE_IN_BATCH is in exactly one batch and on no list.
 *   L3  lru.count is the length of the list.
 */
#pragma once

#include "mm/page.h"

#include <stdbool.h>

struct machine;

void lru_init(struct machine *machine);
void lru_finish(struct machine *machine);

/* New pages of a list; from the batch they go to the list's head. */
void lru_add_run(struct machine *machine, unsigned cpu, const pfn_t *pfns,
                 uint32_t count, unsigned list);
/* The same of one page. */
void lru_add_one(struct machine *machine, unsigned cpu, pfn_t pfn,
                 unsigned list);
/* Empty the CPU's batches, that of locked pages too. */
void lru_drain(struct machine *machine, unsigned cpu);
/* Take a page off its list, or out of its batch. */
void lru_remove(struct machine *machine, struct page *page);
/* Put a page that is on no list at the head of one. */
void lru_link_head(struct machine *machine, struct page *page, unsigned list);
/* A page that reclaim has looked at stays: to the head of a list, or with the
 * locked ones. */
void lru_put_back(struct machine *machine, struct page *page, unsigned list);
/* Which list of machine.lru the page is on, or is to come to. */
unsigned lru_list_of(const struct page *page);
/* Of a page that is on none: where it is to come to. */
void lru_choose_list(struct page *page, unsigned list);
/* The frame is about to be given back: it is nowhere. */
void lru_forget(struct machine *machine, struct page *page);
void lru_validate(struct machine *machine);
