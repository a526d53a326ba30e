/*
 * Memory pressure: kswapd, direct reclaim and the OOM killer.
 */
#pragma once

#include "mm/page.h"

struct machine;

/* Set by the allocator when every zone failed its low mark; the driver runs
 * kswapd before the next event. */
void reclaim_wake_kswapd(struct machine *machine);

/* One direct reclaim for a request; frames freed. */
uint64_t reclaim_direct(struct machine *machine, unsigned cpu,
                        enum page_state state, unsigned order);

/* Reclaim until every zone is at its high mark, or nothing more helps. */
void reclaim_kswapd(struct machine *machine, unsigned cpu);

/* MADV_PAGEOUT of [start, end): what can go goes now. */
struct vma;
void reclaim_pageout(struct vma *vma, uint64_t start, uint64_t end);

/* Kill the process that the preset's rule names; false: nobody to kill. */
bool oom_kill(struct machine *machine);
