/*
 * The page allocator: from a request to frames of the right zone.
 *
 *     zonelist, highest zone first      mark     when it fails
 *     1. every zone                     low      wake kswapd
 *     2. every zone                     min      reclaim
 *     3. every zone, after each reclaim min      kill a process, or give up
 *
 * A zone that passes its mark serves the request from the CPU's list, where the
 * preset has one for the order, else from the buddy allocator.  Where a walk
 * ends well is the only place where frames get their state; where they come
 * back the only one where they lose it.
 *
 * How the preset changes it: the marks (mm/watermark.c), the lists (mm/pcp.c);
 * from 2.6.32 on (PCP_SINGLE) per-CPU lists are drained before anybody is
 * killed.
 *
 * 2.4.21, 2.6.2 __alloc_pages(); 4.10 __alloc_pages_slowpath().
 *
 * Not modelled: requests that may not sleep, memory for the dying, compaction,
 * zone reclaim, fairness between zones.
 */
#include "mm/page_alloc.h"

#include "mm/machine.h"
#include "mm/page_alloc_private.h"
#include "mm/reclaim.h"

/* Larger orders are not worth a kill (PAGE_ALLOC_COSTLY_ORDER). */
#define ORDER_WORTH_A_KILL 3
/* Reclaims in a row that free something and still do not help. */
#define RECLAIM_RETRY_MAX 16

struct request {
    struct machine *machine;
    unsigned cpu;
    enum page_state state;
    unsigned order;
    unsigned preferred;  // highest zone that may serve it
};

static bool
may_use_highmem(const struct machine *machine, enum page_state state)
{
    return state == PAGE_ANON || state == PAGE_FILE || state == PAGE_HOG ||
           (state == PAGE_PAGETABLE && machine->config.highpte);
}

static struct request
request_make(struct machine *machine, unsigned cpu, enum page_state state,
             unsigned order)
{
    unsigned preferred = machine->zone_count - 1;

    mm_assert(cpu < machine->config.cpu_count);
    if (!may_use_highmem(machine, state))
        while (machine->zones[preferred].is_highmem)
            preferred--;
    return (struct request){machine, cpu, state, order, preferred};
}

/* At least one block if the zone has any; see pcp_alloc(). */
static uint32_t
take_from_zone(const struct request *request, struct zone *zone, uint32_t count,
               pfn_t *pfns)
{
    struct machine *machine = request->machine;

    if (request->order < pcp_order_count(&machine->kernel))
        return pcp_alloc(machine, zone, request->cpu, request->order, count,
                         pfns);
    charge(machine, CHARGE_zone_lock_pair, 1);
    *pfns = buddy_alloc(machine, zone, request->order);
    return pfn_is_none(*pfns) ? 0 : 1;
}

static struct watermark_pass
pass_make(const struct request *request, enum watermark mark)
{
    return (struct watermark_pass){
        .form = request->machine->kernel.alloc,
        .mark = mark,
        .order = request->order,
        .preferred = request->preferred,
    };
}

/* The next zone of a walk that passes its mark; *left: zones not yet seen. */
static struct zone *
next_zone(const struct request *request, struct watermark_pass *pass,
          unsigned *left)
{
    while (*left > 0) {
        struct zone *zone = &request->machine->zones[--*left];
        if (zone->managed_pages && watermark_pass_allows(pass, zone))
            return zone;
    }
    return NULL;
}

/*
 * Up to `count` blocks from the first zone that passes the mark and has any.
 * No more than until the zone's free pages change, so that the marks need not
 * be looked at for each block.
 */
static uint32_t
walk_zonelist(const struct request *request, enum watermark mark,
              uint32_t count, pfn_t *pfns)
{
    struct watermark_pass pass = pass_make(request, mark);
    unsigned left = request->preferred + 1;
    struct zone *zone;

    while ((zone = next_zone(request, &pass, &left))) {
        uint32_t had = take_from_zone(request, zone, count, pfns);
        if (had)
            return had;
    }
    return 0;
}

static bool
drain_all_cpus(struct machine *machine)
{
    if (machine->kernel.pcp < PCP_SINGLE)
        return false;
    for (unsigned cpu = 0; cpu < machine->config.cpu_count; cpu++)
        pcp_drain(machine, cpu);
    return true;
}

/* One block, whatever it takes; 0: nothing helped. */
static uint32_t
alloc_slowly(const struct request *request, pfn_t *pfn)
{
    struct machine *machine = request->machine;
    unsigned retries = 0;
    bool drained = false;

    reclaim_wake_kswapd(machine);
    while (!walk_zonelist(request, WATERMARK_MIN, 1, pfn)) {
        if (retries < RECLAIM_RETRY_MAX &&
            reclaim_direct(machine, request->cpu, request->state,
                           request->order)) {
            retries++;
            continue;
        }
        if (!drained && drain_all_cpus(machine)) {
            drained = true;
            continue;
        }
        if (request->order > ORDER_WORTH_A_KILL || !oom_kill(machine))
            return 0;
        retries = 0;
        drained = false;
    }
    return 1;
}

/* map_count, holder and tag stay as the frame was freed; the rest is for its
 * user to write. */
static void
dress_frame(struct page *page, uint32_t state)
{
    page->flags = state | (page->flags & PAGE_HOT);
}

/* Frames in the hands of the user, not accounted yet. */
static void
dress_blocks(const struct request *request, const pfn_t *pfns, uint32_t count)
{
    struct page *pages = request->machine->pages;
    uint32_t block_pages = 1u << request->order;
    uint32_t state = request->state;

    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < block_pages; k++)
            dress_frame(&pages[pfns[i].v + k], state);
}

static void
account_blocks(const struct request *request, uint32_t count)
{
    struct machine *machine = request->machine;

    machine->counters.page_alloc_count += count;
    charge(machine, CHARGE_page_alloc, count);
    gauge_frames_taken(machine, request->state,
                       (uint64_t)count << request->order);
}

pfn_t
page_alloc(struct machine *machine, unsigned cpu, enum page_state state,
           unsigned order)
{
    struct request request = request_make(machine, cpu, state, order);
    pfn_t pfn;

    if (order >= machine->kernel.order_count)
        return PFN_NONE;
    if (!walk_zonelist(&request, WATERMARK_LOW, 1, &pfn) &&
        !alloc_slowly(&request, &pfn))
        return PFN_NONE;
    dress_blocks(&request, &pfn, 1);
    account_blocks(&request, 1);
    return pfn;
}

pfn_t
page_alloc_at_hand(struct machine *machine, unsigned cpu, enum page_state state,
                   unsigned order)
{
    struct request request = request_make(machine, cpu, state, order);
    pfn_t pfn;

    if (order >= machine->kernel.order_count ||
        !walk_zonelist(&request, WATERMARK_LOW, 1, &pfn))
        return PFN_NONE;
    dress_blocks(&request, &pfn, 1);
    account_blocks(&request, 1);
    return pfn;
}

bool
page_alloc_anon_at_hand(struct machine *machine, unsigned cpu, pfn_t *pfn)
{
    struct zone *zone = &machine->zones[machine->zone_count - 1];

    if (zone->free_pages < zone->enough_for_one ||
        !pcp_take_one(zone, cpu, pfn))
        return false;
    dress_frame(page_of(machine, *pfn), PAGE_ANON);
    machine->counters.page_alloc_count++;
    charge(machine, CHARGE_page_alloc, 1);
    gauge_frames_taken(machine, PAGE_ANON, 1);
    return true;
}

uint32_t
page_alloc_run(struct machine *machine, unsigned cpu, enum page_state state,
               uint32_t count, pfn_t *pfns)
{
    struct request request = request_make(machine, cpu, state, 0);
    uint32_t had = 0, unaccounted = 0;

    while (had < count) {
        uint32_t part =
            walk_zonelist(&request, WATERMARK_LOW, count - had, pfns + had);
        if (!part) {
            /* Reclaim wants to see what is in use. */
            account_blocks(&request, unaccounted);
            unaccounted = 0;
            part = alloc_slowly(&request, pfns + had);
        }
        if (!part)
            break;
        dress_blocks(&request, pfns + had, part);
        had += part;
        unaccounted += part;
    }
    account_blocks(&request, unaccounted);
    return had;
}

uint32_t
page_alloc_part_at_hand(struct machine *machine, unsigned cpu,
                        enum page_state state, uint32_t count, pfn_t *pfns)
{
    struct request request = request_make(machine, cpu, state, 0);
    uint32_t had = walk_zonelist(&request, WATERMARK_LOW, count, pfns);

    dress_blocks(&request, pfns, had);
    account_blocks(&request, had);
    return had;
}

uint32_t
page_alloc_run_at_hand(struct machine *machine, unsigned cpu,
                       enum page_state state, uint32_t count, pfn_t *pfns)
{
    uint32_t had = 0, part = 1;

    while (had < count && part) {
        part = page_alloc_part_at_hand(machine, cpu, state, count - had,
                                       pfns + had);
        had += part;
    }
    return had;
}

/* A frame that is given back must be none of these. */
static const uint32_t in_use =
    PAGE_LRU | PAGE_IN_BATCH | PAGE_MLOCKED | PAGE_UNEVICTABLE;

/* Past the per-CPU lists: the zone lock is taken for one block. */
static void
free_to_buddy(struct machine *machine, struct zone *zone, pfn_t pfn,
              unsigned order)
{
    charge(machine, CHARGE_zone_lock_pair, 1);
    buddy_free(machine, zone, pfn, order);
}

void
page_free(struct machine *machine, unsigned cpu, pfn_t pfn, unsigned order,
          uint32_t owner)
{
    struct page *page = page_of(machine, pfn);
    enum page_state state = page_state(page);
    struct zone *zone = zone_of(machine, pfn);

    mm_assert(cpu < machine->config.cpu_count);
    mm_assert(state != PAGE_FREE && state != PAGE_PCP);
    mm_assert(!(page->flags & in_use));
    for (uint32_t i = 0; i < 1u << order; i++)
        page[i].map_count = owner;

    machine->counters.page_free_count++;
    charge(machine, CHARGE_page_free, 1);
    gauge_frames_given(machine, state, UINT64_C(1) << order);
    if (order < pcp_order_count(&machine->kernel))
        pcp_free(machine, zone, cpu, order, pfn);
    else
        free_to_buddy(machine, zone, pfn, order);
}

void
page_free_run(struct machine *machine, unsigned cpu, const pfn_t *pfns,
              uint32_t count, uint32_t owner)
{
    bool has_list = pcp_order_count(&machine->kernel) > 0;
    enum page_state state = page_state(page_of(machine, pfns[0]));

    mm_assert(cpu < machine->config.cpu_count);
    mm_assert(state != PAGE_FREE && state != PAGE_PCP);
    machine->counters.page_free_count += count;
    charge(machine, CHARGE_page_free, count);
    gauge_frames_given(machine, state, count);
    for (uint32_t i = 0; i < count; i++) {
        struct page *page = page_of(machine, pfns[i]);
        struct zone *zone = zone_of(machine, pfns[i]);

        mm_assert_deep(page_state(page) == state && !(page->flags & in_use));
        page->map_count = owner;
        if (has_list)
            pcp_free(machine, zone, cpu, 0, pfns[i]);
        else
            free_to_buddy(machine, zone, pfns[i], 0);
    }
}

uint64_t
page_alloc_free_pages(const struct machine *machine)
{
    uint64_t pages = 0;

    for (unsigned i = 0; i < machine->zone_count; i++)
        pages += machine->zones[i].free_pages;
    return pages;
}
