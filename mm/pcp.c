/*
 * Per-CPU page lists: a stock of free blocks that needs no zone lock.
 *
 *      cold end                                    hot end
 *      bottom  [ . . . . . . . . . . . . . . . . . . ]  top
 *      refills push here, drains                frees push here,
 *      take from here                           allocations pop here
 *
 * How the preset changes it (b is the zone's batch):
 *
 *   low-mark    2.6.2: refill of b when the list is down to 2b, drain of b
 *               before the free that finds 6b on it
 *   hot-cold    2.6.20: refill when empty, drain after the free that makes 6b
 *   single      2.6.32: the same, one list for what is hot and cold
 *   high-order  5.14: orders 0 to 3; room for the low watermark over the CPUs,
 *               drains double while frees go on
 *   auto        6.7: room grows and shrinks with the load, refills double while
 *               allocations go on
 *
 * A frame that comes off a list into the hands of its CPU's next user is likely
 * to be in its cache: PAGE_HOT remembers it.
 *
 * 2.6.2 buffered_rmqueue(), free_hot_cold_page(); 2.6.20 zone_batchsize(),
 * rmqueue_bulk(); 6.1 nr_pcp_free(), nr_pcp_high(); 6.13 nr_pcp_alloc().
 *
 * Not modelled: cold frees (the cold list of the hot-cold eras stays empty),
 * lists per migrate type, the THP list, shrinking by the clock, the cap while
 * kswapd runs.
 */
#include "mm/machine.h"
#include "mm/page_alloc_private.h"

/* Refills and drains double at most so often (CONFIG_PCP_BATCH_SCALE_MAX). */
#define SCALE_MAX 5

unsigned
pcp_order_count(const struct kernel *kernel)
{
    switch (kernel->pcp) {
    case PCP_NONE:
        return 0;
    case PCP_LOW_MARK:
    case PCP_HOT_COLD:
    case PCP_SINGLE:
        return 1;
    case PCP_HIGH_ORDER:
    case PCP_AUTO:
        return PCP_ORDER_COUNT;
    }
    return 0;
}

/* 2^k - 1: powers of two clash in the cache's sets. */
static uint32_t
batch_below_power_of_two(uint64_t zone_pages, uint64_t limit)
{
    uint64_t quarter = MAX(MIN(zone_pages / 1024, limit) / 4, 1);

    return (1u << (g_bit_storage(quarter + quarter / 2) - 1)) - 1;
}

static uint32_t
high_over_cpus(const struct machine *machine, uint64_t pages, uint32_t batch)
{
    return (uint32_t)MAX(pages / machine->config.cpu_count, 4 * batch);
}

static void
set_sizes(const struct machine *machine, struct zone *zone)
{
    uint64_t pages = zone_rule_pages(machine, zone);
    uint32_t batch;

    switch (machine->kernel.pcp) {
    case PCP_NONE:
        return;
    case PCP_LOW_MARK:
        zone->pcp_batch = (uint32_t)MAX(MIN(pages / 1024, 64) / 4, 1);
        zone->pcp_low = 2 * zone->pcp_batch;
        zone->pcp_high = 6 * zone->pcp_batch;
        return;
    case PCP_HOT_COLD:
    case PCP_SINGLE:
        batch = batch_below_power_of_two(pages, 128);
        zone->pcp_batch = MAX(batch, 1);
        zone->pcp_high = 6 * batch;  // 0 in a tiny zone: every free drains
        return;
    case PCP_HIGH_ORDER:
    case PCP_AUTO:
        batch = MAX(batch_below_power_of_two(pages, 256), 1);
        zone->pcp_batch = batch;
        zone->pcp_high = high_over_cpus(machine, zone->watermark_low, batch);
        zone->pcp_high_max =
            MAX(high_over_cpus(machine, zone->managed_pages / 8, batch),
                zone->pcp_high);
        return;
    }
}

void
pcp_init(struct machine *machine, struct zone *zone)
{
    set_sizes(machine, zone);
    if (pcp_order_count(&machine->kernel) == 0)
        return;
    zone->pcp = g_new0(struct pcp, machine->config.cpu_count);
    for (unsigned cpu = 0; cpu < machine->config.cpu_count; cpu++)
        zone->pcp[cpu].high = zone->pcp_high;
}

void
pcp_finish(struct machine *machine, struct zone *zone)
{
    for (unsigned cpu = 0; zone->pcp && cpu < machine->config.cpu_count; cpu++)
        for (unsigned order = 0; order < PCP_ORDER_COUNT; order++)
            g_free(zone->pcp[cpu].lists[order].slots);
    g_free(zone->pcp);
    zone->pcp = NULL;
}

/* Room for `count` more, in a ring that starts at slot 0 after growing. */
static void
list_reserve(struct pcp_list *list, uint32_t count)
{
    uint32_t needed = list->count + count;

    if (needed <= list->capacity)
        return;
    uint32_t capacity = MAX(list->capacity, 64);
    while (capacity < needed)
        capacity *= 2;
    uint32_t *slots = g_new(uint32_t, capacity);
    for (uint32_t i = 0; i < list->count; i++)
        slots[i] = list->slots[(list->bottom + i) & (list->capacity - 1)];
    g_free(list->slots);
    list->slots = slots;
    list->capacity = capacity;
    list->bottom = 0;
}

static void
push_top(struct pcp_list *list, uint32_t pfn)
{
    list_reserve(list, 1);
    list->slots[(list->bottom + list->count++) & (list->capacity - 1)] = pfn;
}

/* In the order in which they would be popped; list_reserve() was called. */
static void
push_bottom_run(struct pcp_list *list, const pfn_t *pfns, uint32_t count)
{
    uint32_t *slots = list->slots;
    uint32_t mask = list->capacity - 1;
    uint32_t bottom = list->bottom;

    for (uint32_t i = 0; i < count; i++)
        slots[--bottom & mask] = pfns[i].v;
    list->bottom = bottom & mask;
    list->count += count;
}

static uint32_t
pop_bottom(struct pcp_list *list)
{
    uint32_t pfn = list->slots[list->bottom];

    list->bottom = (list->bottom + 1) & (list->capacity - 1);
    list->count--;
    return pfn;
}

static void
pop_top_run(struct pcp_list *list, uint32_t count, pfn_t *pfns)
{
    const uint32_t *slots = list->slots;
    uint32_t mask = list->capacity - 1;
    uint32_t top = list->bottom + list->count;

    for (uint32_t i = 0; i < count; i++)
        pfns[i].v = slots[--top & mask];
    list->count -= count;
}

static void
set_block_flags(struct machine *machine, uint32_t pfn, unsigned order,
                uint32_t flags)
{
    struct page *page = &machine->pages[pfn];

    for (uint32_t i = 0; i < 1u << order; i++)
        page[i].flags = flags;
}

/* Frames of a refill under PCP_AUTO, where room for them grows as well. */
static uint32_t
auto_refill_pages(const struct zone *zone, struct pcp *pcp, unsigned order)
{
    uint32_t batch = zone->pcp_batch;
    uint32_t wanted = order ? batch : batch << pcp->alloc_factor;

    if (zone->free_pages > zone->watermark_high)
        pcp->high = MIN(pcp->high + wanted, zone->pcp_high_max);
    if (order)
        return wanted;

    uint32_t used = pcp->page_count + batch;
    uint32_t room = MAX(pcp->high > used ? pcp->high - used : 0, batch);
    if (wanted <= room && pcp->alloc_factor < SCALE_MAX)
        pcp->alloc_factor++;
    return MIN(wanted, room);
}

static uint32_t
refill_blocks(const struct machine *machine, const struct zone *zone,
              struct pcp *pcp, unsigned order)
{
    uint32_t pages = machine->kernel.pcp == PCP_AUTO
                         ? auto_refill_pages(zone, pcp, order)
                         : zone->pcp_batch;

    return pages > 1 && order ? MAX(pages >> order, 2) : pages;
}

/* Single frames: most of all refills.  Returns how many there were. */
static uint32_t
refill_frames(struct machine *machine, struct zone *zone, struct pcp_list *list,
              uint32_t wanted)
{
    struct page *pages = machine->pages;
    pfn_t pfns[64];
    uint32_t had =
        buddy_alloc_run(machine, zone, MIN(wanted, G_N_ELEMENTS(pfns)), pfns);

    for (uint32_t i = 0; i < had; i++)
        pages[pfns[i].v].flags = PAGE_PCP;
    push_bottom_run(list, pfns, had);
    return had;
}

static uint32_t
refill_block(struct machine *machine, struct zone *zone, struct pcp_list *list,
             unsigned order)
{
    pfn_t pfn = buddy_alloc(machine, zone, order);

    if (pfn_is_none(pfn))
        return 0;
    set_block_flags(machine, pfn.v, order, PAGE_PCP);
    push_bottom_run(list, &pfn, 1);
    return 1;
}

static void
refill(struct machine *machine, struct zone *zone, struct pcp *pcp,
       unsigned order)
{
    struct pcp_list *list = &pcp->lists[order];
    uint32_t wanted = refill_blocks(machine, zone, pcp, order);

    charge(machine, CHARGE_zone_lock_pair, 1);
    list_reserve(list, wanted);
    while (wanted) {
        uint32_t had = order == 0 ? refill_frames(machine, zone, list, wanted)
                                  : refill_block(machine, zone, list, order);

        if (had == 0)
            return;
        pcp->page_count += had << order;
        charge(machine, CHARGE_buddy_page, (uint64_t)had << order);
        wanted -= had;
    }
}

/* `count` blocks that the list has. */
static void
take(struct pcp *pcp, unsigned order, uint32_t count, pfn_t *pfns)
{
    pop_top_run(&pcp->lists[order], count, pfns);
    pcp->page_count -= count << order;
    pcp->free_factor >>= MIN(count, 31);
    pcp->free_count >>= MIN(count, 31);
}

bool
pcp_take_one(struct zone *zone, unsigned cpu, pfn_t *pfn)
{
    struct pcp *pcp = zone->pcp ? &zone->pcp[cpu] : NULL;

    if (!pcp || pcp->lists[0].count <= zone->pcp_low)
        return false;
    take(pcp, 0, 1, pfn);
    return true;
}

uint32_t
pcp_alloc(struct machine *machine, struct zone *zone, unsigned cpu,
          unsigned order, uint32_t count, pfn_t *pfns)
{
    struct pcp *pcp = &zone->pcp[cpu];
    struct pcp_list *list = &pcp->lists[order];
    uint32_t low = zone->pcp_low;  // 0 but for PCP_LOW_MARK
    uint32_t had;

    /* A refill lowers the zone's free pages: one block, then the caller looks
     * at the marks again, as single allocations do. */
    if (list->count <= low) {
        refill(machine, zone, pcp, order);
        had = MIN(1, list->count);
    } else {
        had = MIN(count, list->count - low);
    }
    take(pcp, order, had, pfns);
    return had;
}

/*
 * Give about `pages` frames back to the buddy allocator, from the cold end of
 * the list of `order` first, then of the lists after it, round and round.
 */
static void
drain(struct machine *machine, struct zone *zone, struct pcp *pcp,
      unsigned order, uint32_t pages)
{
    uint32_t left = MIN(pages, pcp->page_count);

    charge(machine, CHARGE_zone_lock_pair, left > 0);
    while (left) {
        struct pcp_list *list = &pcp->lists[order];
        while (left && list->count) {
            uint32_t block_pages = 1u << order;
            buddy_free(machine, zone, (pfn_t){pop_bottom(list)}, order);
            pcp->page_count -= block_pages;
            charge(machine, CHARGE_buddy_page, block_pages);
            left -= MIN(left, block_pages);
        }
        order = (order + 1) % PCP_ORDER_COUNT;
    }
}

/* A batch that doubles with every drain in a row; everything when blocks of
 * high order come back in a row. */
static void
drain_high_order(struct machine *machine, struct zone *zone, struct pcp *pcp,
                 unsigned order)
{
    uint32_t batch = zone->pcp_batch;
    uint32_t most = zone->pcp_high - batch;

    if (pcp->free_factor && order) {
        drain(machine, zone, pcp, order, pcp->page_count);
        return;
    }
    if (pcp->page_count < zone->pcp_high)
        return;
    uint32_t pages = MIN(batch << pcp->free_factor, most);
    if (batch << pcp->free_factor < most)
        pcp->free_factor++;
    drain(machine, zone, pcp, order, pages);
}

/* What the lists may hold now, under PCP_AUTO. */
static uint32_t
auto_high(const struct zone *zone, struct pcp *pcp)
{
    uint32_t high = pcp->high;
    uint32_t needed = pcp->free_count + zone->pcp_batch;

    if (zone->free_pages <= zone->watermark_high) {
        uint32_t less = MAX(pcp->free_count, zone->pcp_batch);
        pcp->high = high > zone->pcp_high + less ? high - less : zone->pcp_high;
        return MAX(pcp->page_count, zone->pcp_high);
    }
    if (pcp->page_count >= high && high < needed)
        pcp->high = CLAMP(needed, zone->pcp_high, zone->pcp_high_max);
    return high;
}

static void
drain_auto(struct machine *machine, struct zone *zone, struct pcp *pcp,
           unsigned order)
{
    uint32_t batch = zone->pcp_batch;
    uint32_t most = batch << SCALE_MAX;
    bool in_a_row = order && pcp->freed_high_order && pcp->free_count >= batch;

    pcp->alloc_factor >>= 1;
    pcp->freed_high_order = order > 0;
    if (pcp->free_count < most)
        pcp->free_count += 1u << order;
    if (in_a_row) {
        pcp->high = pcp->high > zone->pcp_high + most ? pcp->high - most
                                                      : zone->pcp_high;
        drain(machine, zone, pcp, order, most);
        return;
    }
    uint32_t high = auto_high(zone, pcp);
    if (pcp->page_count >= high)
        drain(machine, zone, pcp, order,
              CLAMP(pcp->free_count, batch, high - batch));
}

void
pcp_free(struct machine *machine, struct zone *zone, unsigned cpu,
         unsigned order, pfn_t pfn)
{
    enum pcp_form form = machine->kernel.pcp;
    struct pcp *pcp = &zone->pcp[cpu];

    if (form == PCP_LOW_MARK && pcp->page_count >= zone->pcp_high)
        drain(machine, zone, pcp, order, zone->pcp_batch);

    set_block_flags(machine, pfn.v, order, PAGE_PCP | PAGE_HOT);
    push_top(&pcp->lists[order], pfn.v);
    pcp->page_count += 1u << order;

    if (form == PCP_AUTO)
        drain_auto(machine, zone, pcp, order);
    else if (form == PCP_HIGH_ORDER)
        drain_high_order(machine, zone, pcp, order);
    else if (form != PCP_LOW_MARK && pcp->page_count >= zone->pcp_high)
        drain(machine, zone, pcp, order, zone->pcp_batch);
}

void
pcp_drain(struct machine *machine, unsigned cpu)
{
    for (unsigned i = 0; i < machine->zone_count; i++) {
        struct zone *zone = &machine->zones[i];
        if (zone->pcp)
            drain(machine, zone, &zone->pcp[cpu], 0, zone->pcp[cpu].page_count);
    }
}
