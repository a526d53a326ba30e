/*
 * Zones: ranges of frames with free lists, watermarks and per-CPU lists.
 *
 * Memory that nobody used yet is one extent per zone, [virgin, end), carved
 * into maximal aligned blocks on demand: a terabyte costs nothing until it is
 * touched.  The extent stands for the tail of the highest-order free list.
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
    uint32_t free_factor; // consecutive frees (PCP_HIGH_ORDER)
    uint32_t alloc_factor;
};

struct zone {
    const char *name;
    bool is_highmem;
    uint32_t start, end;      // pfns
    uint32_t virgin;          // first frame never used; end: none left
    uint64_t present_pages;   // of the zone
    uint64_t managed_pages;   // without reserved frames
    uint64_t free_pages;      // in buddy lists and virgin
    uint64_t watermark_min, watermark_low, watermark_high;
    uint64_t lowmem_reserve[ZONE_COUNT_MAX];  // by preferred zone
    uint32_t pcp_batch, pcp_low, pcp_high;    // pages
    struct free_area free_area[ORDER_COUNT_MAX];
    struct pcp *pcp;          // one per CPU
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
void buddy_free(struct machine *machine, struct zone *zone, pfn_t pfn,
                unsigned order);
