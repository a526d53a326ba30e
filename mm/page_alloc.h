/*
 * The page allocator: zonelists, watermarks, per-CPU lists, and the slow path
 * that wakes kswapd, reclaims and kills.
 *
 * Every frame leaves here with its state set and its gauge counted, and comes
 * back the same way; nobody else changes page.flags' state.
 */
#pragma once

#include "mm/page.h"

struct machine;

/*
 * A block of 2^order frames for `state`, from the CPU's list where the preset
 * has one for that order.  Zones follow from state: user memory may use
 * HighMem, page tables too if the machine has HIGHPTE, the rest lowmem only.
 * The slow path may reclaim and may kill; PFN_NONE when nothing helped.
 *
 * The frame keeps what it was freed with -- map_count (nozero owner), holder,
 * tag -- so that the clear policy can judge it; PAGE_HOT tells whether it came
 * from the hot end of a per-CPU list.  The other fields are the caller's to
 * write.
 */
pfn_t page_alloc(struct machine *machine, unsigned cpu, enum page_state state,
                 unsigned order);

/* The same, without reclaim and without drawing on reserves. */
pfn_t page_alloc_at_hand(struct machine *machine, unsigned cpu,
                         enum page_state state, unsigned order);

/* As page_alloc() of one frame for user memory where that is least work: the
 * first zone may give it and the CPU's list has it.  Otherwise nothing was done
 * and page_alloc() will look further. */
bool page_alloc_anon_at_hand(struct machine *machine, unsigned cpu, pfn_t *pfn);

/* As page_alloc() of order 0, `count` times; returns how many were had. */
uint32_t page_alloc_run(struct machine *machine, unsigned cpu,
                        enum page_state state, uint32_t count, pfn_t *pfns);

/* The same, without reclaim, until free pages of a zone change: at least one, if
 * the marks allow it. */
uint32_t page_alloc_part_at_hand(struct machine *machine, unsigned cpu,
                                 enum page_state state, uint32_t count,
                                 pfn_t *pfns);

/* The same: as many as the marks allow. */
uint32_t page_alloc_run_at_hand(struct machine *machine, unsigned cpu,
                                enum page_state state, uint32_t count,
                                pfn_t *pfns);

/*
 * Give a block back.  `owner` is the nozero owner code to remember in
 * map_count (0: nobody).  page.holder is left as the caller set it.
 */
void page_free(struct machine *machine, unsigned cpu, pfn_t pfn,
               unsigned order, uint32_t owner);

/* As page_free() of order 0 of frames in the same state, one by one. */
void page_free_run(struct machine *machine, unsigned cpu, const pfn_t *pfns,
                   uint32_t count, uint32_t owner);

/* Frames in the buddy allocators of all zones (nr_free_pages). */
uint64_t page_alloc_free_pages(const struct machine *machine);

/* All per-CPU lists of a CPU go back to buddy. */
void pcp_drain(struct machine *machine, unsigned cpu);
