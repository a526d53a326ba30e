/*
 * Zones: their layout at boot, and the check of everything in them.
 *
 *     start        first            virgin       virgin_end    end
 *     | reserved   | odd frames,    | never      | odd frames, |
 *     | kernel     | then used      | used       | listed      |
 *
 * The frames of the kernel image and of the frame records themselves are taken
 * from the start of the highest lowmem zone that can hold them; if none can,
 * from several, highest first.  They have no records of their own: writing
 * them would make start-up cost grow with RAM.
 *
 * Not modelled: holes, the BIOS area below 1 MiB, NUMA nodes, ZONE_MOVABLE.
 */
#include "mm/machine.h"
#include "mm/page_alloc_private.h"

/* Frames that zone_validate() looks at one by one, at most, per zone. */
#define SCAN_PAGES_MAX (UINT64_C(1) << (30 - PAGE_SHIFT))

static void
lay_out_zones(struct machine *machine)
{
    const struct arch *arch = machine->arch;
    uint64_t start = 0;

    for (unsigned i = 0; i < arch->zone_count; i++) {
        uint64_t end =
            MIN(bytes_to_pages(arch->zones[i].end_bytes), machine->ram_pages);
        if (arch->zones[i].since > machine->kernel.version || end <= start)
            continue;
        struct zone *zone = &machine->zones[machine->zone_count++];
        zone->name = arch->zones[i].name;
        zone->is_highmem = arch->zones[i].is_highmem;
        zone->start = (uint32_t)start;
        zone->end = (uint32_t)end;
        zone->present_pages = zone->managed_pages = end - start;
        start = end;
    }
    mm_assert(start == machine->ram_pages);
}

static uint64_t
reserve_in(struct machine *machine, struct zone *zone, uint64_t pages)
{
    uint64_t taken = MIN(pages, zone->present_pages);

    if (taken) {
        zone->managed_pages -= taken;
        machine->reserved_start = zone->start;
    }
    return taken;
}

static void
place_reserved_frames(struct machine *machine)
{
    uint64_t left = machine->reserved_pages;

    for (unsigned i = machine->zone_count; i-- > 0;) {
        struct zone *zone = &machine->zones[i];
        if (!zone->is_highmem && zone->present_pages > left) {
            reserve_in(machine, zone, left);
            return;
        }
    }
    for (unsigned i = machine->zone_count; i-- > 0;)
        if (!machine->zones[i].is_highmem)
            left -= reserve_in(machine, &machine->zones[i], left);
    for (unsigned i = machine->zone_count; i-- > 0;)
        if (machine->zones[i].is_highmem)
            left -= reserve_in(machine, &machine->zones[i], left);
    mm_assert(left == 0);
}

static uint32_t
first_usable(const struct zone *zone)
{
    return zone->end - (uint32_t)zone->managed_pages;
}

static void
free_all_frames(struct machine *machine, struct zone *zone)
{
    uint32_t block_pages = 1u << (machine->kernel.order_count - 1);
    uint32_t first = first_usable(zone);
    uint32_t virgin = (first + block_pages - 1) & ~(block_pages - 1);
    uint32_t virgin_end = zone->end & ~(block_pages - 1);

    mm_assert(zone->start % block_pages == 0);
    for (unsigned order = 0; order < ORDER_COUNT_MAX; order++)
        zone->free_area[order] =
            (struct free_area){.head = UINT32_MAX, .tail = UINT32_MAX};
    if (virgin >= virgin_end)
        virgin = virgin_end = zone->end;
    zone->virgin = virgin;
    zone->virgin_end = virgin_end;
    zone->backed = virgin;
    zone->free_pages = virgin_end - virgin;
    buddy_list_range(machine, zone, first, virgin);
    buddy_list_range(machine, zone, virgin_end, zone->end);
}

void
zones_init(struct machine *machine)
{
    mm_assert(machine->kernel.order_count <= ORDER_COUNT_MAX);
    lay_out_zones(machine);
    place_reserved_frames(machine);
    watermarks_init(machine);
    for (unsigned i = 0; i < machine->zone_count; i++) {
        free_all_frames(machine, &machine->zones[i]);
        pcp_init(machine, &machine->zones[i]);
    }
}

void
zones_finish(struct machine *machine)
{
    for (unsigned i = 0; i < machine->zone_count; i++)
        pcp_finish(machine, &machine->zones[i]);
}

struct zone *
zone_of(struct machine *machine, pfn_t pfn)
{
    unsigned i = machine->zone_count - 1;

    while (pfn.v < machine->zones[i].start)
        i--;
    return &machine->zones[i];
}

static bool
is_head_of_order(const struct page *page, unsigned order)
{
    return page_state(page) == PAGE_FREE && (page->flags & PAGE_HEAD) &&
           page_order(page) == order;
}

static uint64_t
validate_free_area(const struct machine *machine, const struct zone *zone,
                   unsigned order)
{
    const struct free_area *area = &zone->free_area[order];
    bool can_merge = order + 1 < machine->kernel.order_count;
    uint32_t block_pages = 1u << order;
    uint32_t prev = UINT32_MAX;
    uint64_t count = 0;

    for (uint32_t pfn = area->head; pfn != UINT32_MAX;) {
        mm_invariant(Z3, ++count <= area->count);  // bounds the loop
        mm_invariant(Z1, pfn % block_pages == 0);
        mm_invariant(Z1, pfn >= first_usable(zone));
        mm_invariant(Z1, pfn + block_pages <= zone->end);
        const struct page *page = &machine->pages[pfn];
        mm_invariant(Z1, is_head_of_order(page, order));
        mm_invariant(Z1, page->prev == prev);
        uint32_t buddy = pfn ^ block_pages;
        if (can_merge && buddy < zone->end)
            mm_invariant(Z2, !is_head_of_order(&machine->pages[buddy], order));
        prev = pfn;
        pfn = page->next;
    }
    mm_invariant(Z1, area->tail == prev);
    mm_invariant(Z3, count == area->count);
    return count << order;
}

static uint64_t
validate_pcp_list(const struct machine *machine, const struct zone *zone,
                  const struct pcp_list *list, unsigned order)
{
    for (uint32_t i = 0; i < list->count; i++) {
        uint32_t pfn = list->slots[(list->bottom + i) & (list->capacity - 1)];
        for (uint32_t k = 0; k < 1u << order; k++) {
            mm_invariant(Z5, pfn + k >= zone->start && pfn + k < zone->end);
            mm_invariant(Z5, page_state(&machine->pages[pfn + k]) == PAGE_PCP);
        }
    }
    return (uint64_t)list->count << order;
}

static uint64_t
validate_pcp(const struct machine *machine, const struct zone *zone)
{
    uint64_t zone_pages = 0;

    for (unsigned cpu = 0; zone->pcp && cpu < machine->config.cpu_count;
         cpu++) {
        const struct pcp *pcp = &zone->pcp[cpu];
        uint64_t cpu_pages = 0;
        for (unsigned order = 0; order < PCP_ORDER_COUNT; order++)
            cpu_pages +=
                validate_pcp_list(machine, zone, &pcp->lists[order], order);
        mm_invariant(Z5, cpu_pages == pcp->page_count);
        zone_pages += cpu_pages;
    }
    return zone_pages;
}

/* Frames in [start, end) by where their records say they are.  A free frame
 * that no listed block covers is in no place at all. */
static void
scan_frames(const struct machine *machine, uint32_t start, uint32_t end,
            uint64_t *free_pages, uint64_t *pcp_pages)
{
    uint32_t block_end = start;

    for (uint32_t pfn = start; pfn < end; pfn++) {
        const struct page *page = &machine->pages[pfn];
        if (page_state(page) == PAGE_PCP)
            ++*pcp_pages;
        if (page_state(page) != PAGE_FREE) {
            mm_invariant(Z1, pfn >= block_end);
            continue;
        }
        ++*free_pages;
        mm_invariant(Z1, !(page->flags & PAGE_HEAD) == (pfn < block_end));
        if (page->flags & PAGE_HEAD)
            block_end = pfn + (1u << page_order(page));
    }
    mm_invariant(Z1, block_end <= end);
}

static void
validate_zone(const struct machine *machine, const struct zone *zone)
{
    uint64_t virgin_pages = zone->virgin_end - zone->virgin;
    uint64_t listed_pages = 0;
    uint64_t pcp_pages = validate_pcp(machine, zone);

    for (unsigned order = 0; order < ORDER_COUNT_MAX; order++)
        listed_pages += validate_free_area(machine, zone, order);
    mm_invariant(Z4, zone->free_pages == listed_pages + virgin_pages);

    /* With every listed block seen and every frame of a block counted, equal
     * sums mean that no frame is listed twice or not at all. */
    if (zone->managed_pages - virgin_pages > SCAN_PAGES_MAX)
        return;
    uint64_t scanned_free = 0, scanned_pcp = 0;
    scan_frames(machine, first_usable(zone), zone->virgin, &scanned_free,
                &scanned_pcp);
    scan_frames(machine, zone->virgin_end, zone->end, &scanned_free,
                &scanned_pcp);
    mm_invariant(Z4, scanned_free == listed_pages);
    mm_invariant(Z5, scanned_pcp == pcp_pages);
}

void
zone_validate(const struct machine *machine)
{
    for (unsigned i = 0; i < machine->zone_count; i++)
        validate_zone(machine, &machine->zones[i]);
}
