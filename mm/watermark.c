/*
 * Watermarks: how much of a zone is kept back, and from whom.
 *
 *     pages_high  -- kswapd sleeps when free pages are above
 *     pages_low   -- an allocation that would go below wakes kswapd
 *     pages_min   -- below, an allocation has to reclaim for itself
 *
 * kernel.watermark says how the marks follow from the sizes of the zones,
 * kernel.alloc how a zonelist walk compares them:
 *
 *   2.4     each zone adds its mark to what the walk demands; strictly more
 *   2.6.2   the same ("incremental min"), at least as much
 *   2.6.11  each zone keeps lowmem_reserve[] from requests that could have been
 *           served higher up; for order k, enough must lie in large blocks
 *   4.4     for order k one block of it is enough
 *
 * 2.6.2 init_per_zone_pages_min(), __alloc_pages(); 2.6.11 zone_watermark_ok();
 * 4.10 __setup_per_zone_wmarks().
 *
 * Not modelled: requests that may dig below min (atomic, realtime, dying
 * tasks), lower_zone_protection other than 0, boosted marks.
 */
#include "mm/machine.h"
#include "mm/page_alloc_private.h"

static uint64_t
integer_sqrt(uint64_t value)
{
    uint64_t root = 0;

    for (uint64_t bit = UINT64_C(1) << 31; bit; bit >>= 1)
        if ((root + bit) * (root + bit) <= value)
            root += bit;
    return root;
}

uint64_t
zone_rule_pages(const struct machine *machine, const struct zone *zone)
{
    return machine->kernel.watermark == WATERMARK_4_6 ? zone->managed_pages
                                                      : zone->present_pages;
}

static uint64_t
lowmem_pages(const struct machine *machine)
{
    uint64_t pages = 0;

    for (unsigned i = 0; i < machine->zone_count; i++)
        if (!machine->zones[i].is_highmem)
            pages += zone_rule_pages(machine, &machine->zones[i]);
    return pages;
}

/* vm.min_free_kbytes in pages, as the kernel computes it at boot. */
static uint64_t
min_free_pages(const struct machine *machine, uint64_t lowmem)
{
    uint64_t lowmem_kib = lowmem * (PAGE_BYTES / 1024);
    uint64_t factor = machine->kernel.watermark == WATERMARK_2_6_2 ? 1 : 16;
    uint64_t kib = integer_sqrt(lowmem_kib * factor);

    kib = MIN(MAX(kib, 128), machine->kernel.min_free_max_kib);
    return kib / (PAGE_BYTES / 1024);
}

static void
set_marks_2_4(struct zone *zone)
{
    uint64_t min = CLAMP(zone->present_pages / 128, 20, 255);

    zone->watermark_min = min;
    zone->watermark_low = 2 * min;
    zone->watermark_high = 3 * min;
}

/* `share` is the zone's part of min_free_kbytes. */
static void
set_marks_2_6(const struct machine *machine, struct zone *zone, uint64_t share)
{
    uint64_t pages = zone_rule_pages(machine, zone);
    uint64_t min = zone->is_highmem ? CLAMP(pages / 1024, 32, 128) : share;
    uint64_t step = 0;

    zone->watermark_min = min;
    switch (machine->kernel.watermark) {
    case WATERMARK_2_4:
    case WATERMARK_2_6_2:
        step = min;
        break;
    case WATERMARK_2_6_11:
        zone->watermark_low = min * 5 / 4;
        zone->watermark_high = min * 6 / 4;
        return;
    case WATERMARK_2_6_20:
        zone->watermark_low = min + share / 4;
        zone->watermark_high = min + share / 2;
        return;
    case WATERMARK_4_6:
        step = MAX(share / 4, pages / 1000);
        break;
    }
    zone->watermark_low = min + step;
    zone->watermark_high = min + 2 * step;
}

/* What zone i keeps from requests that prefer zone j: a part of all that lies
 * between them.  Memory below HighMem is kept back more (ratio 32). */
static void
set_lowmem_reserve(struct machine *machine, unsigned i)
{
    struct zone *zone = &machine->zones[i];
    uint64_t pages_above = 0;

    for (unsigned j = i + 1; j < machine->zone_count; j++) {
        uint64_t ratio = machine->zones[i + 1].is_highmem ? 32 : 256;
        pages_above += zone_rule_pages(machine, &machine->zones[j]);
        zone->lowmem_reserve[j] = pages_above / ratio;
    }
}

/* The least free pages with which watermark_pass_allows() one page. */
static uint64_t
enough_for_one(const struct machine *machine, unsigned i)
{
    struct zone zone = machine->zones[i];
    uint64_t low = 0, high = zone.present_pages + 1;

    while (low < high) {
        struct watermark_pass pass = {.form = machine->kernel.alloc,
                                      .mark = WATERMARK_LOW,
                                      .preferred = i};

        zone.free_pages = low + (high - low) / 2;
        if (watermark_pass_allows(&pass, &zone))
            high = zone.free_pages;
        else
            low = zone.free_pages + 1;
    }
    return low;
}

void
watermarks_init(struct machine *machine)
{
    uint64_t lowmem = lowmem_pages(machine);
    uint64_t min_free = min_free_pages(machine, lowmem);

    for (unsigned i = 0; i < machine->zone_count; i++) {
        struct zone *zone = &machine->zones[i];
        uint64_t pages = zone_rule_pages(machine, zone);

        if (machine->kernel.watermark == WATERMARK_2_4)
            set_marks_2_4(zone);
        else
            set_marks_2_6(machine, zone,
                          lowmem ? min_free * pages / lowmem : 0);
        if (machine->kernel.alloc == ALLOC_2_6_11 ||
            machine->kernel.alloc == ALLOC_4_4)
            set_lowmem_reserve(machine, i);
        zone->enough_for_one = enough_for_one(machine, i);
    }
}

/* Free pages left in blocks of at least `order`, against half the mark for
 * every order below. */
static bool
large_blocks_suffice(const struct zone *zone, unsigned order, int64_t free,
                     int64_t mark)
{
    mm_assert(order < ORDER_COUNT_MAX);
    for (unsigned k = 0; k < order; k++) {
        free -= (int64_t)(zone->free_area[k].count << k);
        mark >>= 1;
        if (free <= mark)
            return false;
    }
    return true;
}

static bool
has_block(const struct zone *zone, unsigned order)
{
    for (unsigned k = order; k < ORDER_COUNT_MAX; k++)
        if (zone->free_area[k].count)
            return true;
    return zone->virgin < zone->virgin_end;
}

bool
watermark_pass_allows(struct watermark_pass *pass, const struct zone *zone)
{
    uint64_t mark =
        pass->mark == WATERMARK_LOW ? zone->watermark_low : zone->watermark_min;
    int64_t block_pages = INT64_C(1) << pass->order;
    int64_t left = (int64_t)zone->free_pages - block_pages + 1;
    int64_t reserve = (int64_t)zone->lowmem_reserve[pass->preferred];

    pass->sum_pages += mark;
    uint64_t demanded = pass->sum_pages + (uint64_t)block_pages;
    switch (pass->form) {
    case ALLOC_2_4:
        return zone->free_pages > demanded;
    case ALLOC_2_6_2:
        return zone->free_pages >= demanded;
    case ALLOC_2_6_11:
        return left > (int64_t)mark + reserve &&
               large_blocks_suffice(zone, pass->order, left, (int64_t)mark);
    case ALLOC_4_4:
        return left > (int64_t)mark + reserve &&
               (pass->order == 0 || has_block(zone, pass->order));
    }
    return false;
}
