/*
 * Zones: ranges of frames with free lists, watermarks and per-CPU lists.
 *
 * Memory that nobody used yet is one extent per zone, [virgin, virgin_end),
 * whole blocks of the highest order, taken on demand: a terabyte costs nothing
 * until it is touched.  The extent stands for the tail of the highest-order
 * free list; the odd frames before and after it are listed from the start.
 * A zone's reserved frames are its first present_pages - managed_pages.
 *
 * Invariants (zone_validate):
 *   Z1  A free block of order k starts at a multiple of 2^k and lies in its
 *       zone; its head has PAGE_HEAD and its order.
 *   Z2  A block and its buddy are never both free at the same order below the
 *       highest.
 *   Z3  free_area[k].count is the number of blocks listed there.
 *   Z4  free_pages is the sum of the listed blocks and the virgin extent.
 *   Z5  Every frame on a per-CPU list is PAGE_PCP and on that list alone.
 */
#pragma once

#include "mm/arch.h"
#include "mm/page.h"

#define ORDER_COUNT_MAX  11
#define PCP_ORDER_COUNT  4

struct machine;

struct free_area {
    uint32_t head, tail;  // pfn, UINT32_MAX: empty
    uint64_t count;       // blocks
};

/* A double-ended queue of pfns: hot end is the top. */
struct pcp_list {
    uint32_t *slots;      // ring; allocated at first use
    uint32_t capacity;    // power of two, or 0
    uint32_t bottom;      // index of the coldest
    uint32_t count;       // blocks of this list's order
};

struct pcp {
    struct pcp_list lists[PCP_ORDER_COUNT];
    uint32_t page_count;  // frames on all lists
    uint32_t free_factor;  // log2 of how a drain grows (PCP_HIGH_ORDER)
    uint32_t alloc_factor; // log2 of how a refill grows (PCP_AUTO)
    uint32_t free_count;   // frames freed in a row (PCP_AUTO)
    uint32_t high;         // between pcp_high and pcp_high_max (PCP_AUTO)
    bool freed_high_order; // so was the latest free (PCP_AUTO)
};

struct zone {
    const char *name;
    bool is_highmem;
    uint32_t start, end;      // pfns
    uint32_t virgin;          // first frame of the extent never used
    uint32_t virgin_end;      // virgin: none left
    uint32_t backed;          // records up to here have host memory
    uint64_t present_pages;   // of the zone
    uint64_t managed_pages;   // without reserved frames
    uint64_t free_pages;      // in buddy lists and virgin
    uint64_t watermark_min, watermark_low, watermark_high;
    uint64_t enough_for_one;  // free pages from which on a request for one
                              // page that prefers this zone passes the low mark
    uint64_t lowmem_reserve[ZONE_COUNT_MAX];  // by preferred zone
    uint32_t pcp_batch, pcp_low, pcp_high, pcp_high_max;  // pages
    struct free_area free_area[ORDER_COUNT_MAX];
    struct pcp *pcp;          // one per CPU; NULL under PCP_NONE
};

/* Lay out the machine's zones and compute their marks.  machine.kernel, arch,
 * ram_pages and reserved_pages are set. */
void zones_init(struct machine *machine);
void zones_finish(struct machine *machine);
void zone_validate(const struct machine *machine);

/* Zone of a frame. */
struct zone *zone_of(struct machine *machine, pfn_t pfn);

/* The buddy allocator proper; no watermarks, no per-CPU lists.  Counts splits
 * and merges.  order < kernel.order_count. */
pfn_t buddy_alloc(struct machine *machine, struct zone *zone, unsigned order);
/* As buddy_alloc() of order 0, `count` times; returns how many were had. */
uint32_t buddy_alloc_run(struct machine *machine, struct zone *zone,
                         uint32_t count, pfn_t *pfns);
void buddy_free(struct machine *machine, struct zone *zone, pfn_t pfn,
                unsigned order);
/* Zone set-up: list frames that nobody used yet as free blocks. */
void buddy_list_range(struct machine *machine, struct zone *zone,
                      uint32_t start, uint32_t end);
