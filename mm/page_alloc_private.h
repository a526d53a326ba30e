/*
 * What the files of the page allocator tell each other; nobody else includes
 * it.  zone.c sets zones up with watermark.c and pcp.c; page_alloc.c asks
 * watermark.c whether a zone may be used and pcp.c for its frames.
 */
#pragma once

#include "mm/kernel.h"
#include "mm/page_alloc.h"
#include "mm/zone.h"

struct machine;

enum watermark { WATERMARK_MIN, WATERMARK_LOW };

/* One walk over a zonelist against one mark. */
struct watermark_pass {
    enum alloc_form form;
    enum watermark mark;
    unsigned order;
    unsigned preferred;  // index of the zone that the walk begins with
    uint64_t sum_pages;  // running sum of the forms that have one
};

/* mm/watermark.c: marks and lowmem reserves of all zones. */
void watermarks_init(struct machine *machine);
/* May this zone, the next of the walk, serve the request? */
bool watermark_pass_allows(struct watermark_pass *pass,
                           const struct zone *zone);

/* Pages that a zone's rules are computed from: present, later managed. */
uint64_t zone_rule_pages(const struct machine *machine,
                         const struct zone *zone);

/* mm/pcp.c: sizes and lists of a zone; after watermarks_init(). */
void pcp_init(struct machine *machine, struct zone *zone);
void pcp_finish(struct machine *machine, struct zone *zone);
/* Orders below this one go through per-CPU lists. */
unsigned pcp_order_count(const struct kernel *kernel);
/* At least one and at most `count` blocks; 0: the zone has none.  The zone's
 * free pages change before the first of them only. */
uint32_t pcp_alloc(struct machine *machine, struct zone *zone, unsigned cpu,
                   unsigned order, uint32_t count, pfn_t *pfns);
/* One frame, if the list has any and needs no refill; else false. */
bool pcp_take_one(struct zone *zone, unsigned cpu, pfn_t *pfn);
void pcp_free(struct machine *machine, struct zone *zone, unsigned cpu,
              unsigned order, pfn_t pfn);
