/*
 * Locked pages, which reclaim does not look at: since 2.6.28 they are on no
 * list.
 *
 * Whoever maps a page into a locked VMA marks it (PAGE_MLOCKED) and queues it
 * in its CPU's batch; whoever unmaps it queues it, too.  Only when the batch
 * drains does the page leave its list (PAGE_UNEVICTABLE), or come back to it,
 * and only then is counted how often it is locked, in page.next.  That can go
 * wrong, as in the kernel, which says so: a page that is unlocked and locked in
 * one batch ends up as not locked, one whose VMA merely lost its flag as
 * locked.  Reclaim puts the first right when it meets the page.
 *
 * Invariants (unevictable_validate):
 *   U1  A frame with PAGE_UNEVICTABLE is PAGE_MLOCKED, on no LRU list and in no
 *       LRU batch.
 *   U2  page.mlock_waits is how often a frame is in batches of these.
 *   U3  machine.mlocked_count is the number of frames with PAGE_MLOCKED
 *       (mm/validate.c).
 */
#pragma once

#include "mm/page.h"

#include <stdbool.h>

struct machine;

void unevictable_init(struct machine *machine);
void unevictable_finish(struct machine *machine);
/* Does this kernel keep locked pages apart?  If not the calls do nothing, and
 * new pages go where all do. */
bool unevictable_is_known(const struct machine *machine);

/* A locked VMA maps the page now, or does not any more. */
void unevictable_mlock(struct machine *machine, unsigned cpu,
                       struct page *page);
void unevictable_munlock(struct machine *machine, unsigned cpu,
                         struct page *page);
/* New pages of an LRU list that a locked VMA maps. */
void unevictable_add_run(struct machine *machine, unsigned cpu,
                         const pfn_t *pfns, uint32_t count, unsigned list);
void unevictable_drain(struct machine *machine, unsigned cpu);

/* For mm/lru.c: the page, on its way to a list, was locked meanwhile. */
void unevictable_arrive(struct page *page);
/* Somebody took it and has put it back: nobody knows how often it is locked. */
void unevictable_put_back(struct page *page);
/* The frame is given back. */
void unevictable_forget(struct machine *machine, struct page *page);

void unevictable_validate(struct machine *machine);
