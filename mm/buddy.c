/*
 * The buddy allocator: power-of-two blocks of contiguous frames.
 *
 *     block of order k at pfn p (p a multiple of 2^k)
 *     |<----------- 2^k frames ----------->|
 *     | half: order k-1 | half: order k-1  |    split: one half is listed,
 *       p                 p ^ 2^(k-1)           the other is split further
 *
 * Only the head of a free block carries links, PAGE_HEAD and its order.  What
 * else a frame record says -- nozero owner, holder, tag -- belongs to the frame
 * and is never touched here, so that it outlives splits and joins.
 *
 * How the preset changes it: to 2.6.7 the upper half of a split is handed out
 * (kernel.split_returns_high), later the lower one.  Blocks are listed at the
 * head (last in, first out); from 2.6.35 on (kernel.buddy_tail_rule) a block
 * that is likely to be joined soon goes to the tail: one whose parent's buddy
 * is free already.
 *
 * 2.6.2 __rmqueue(), expand(), __free_pages_bulk() and their later forms.
 *
 * Not modelled: migrate types, high-atomic reserves, compaction.
 */
#include "mm/host_memory.h"
#include "mm/machine.h"

#define NO_PFN UINT32_MAX

static bool
is_free_block(const struct machine *machine, const struct zone *zone,
              uint32_t pfn, unsigned order)
{
    const uint32_t mask = PAGE_STATE_MASK | PAGE_HEAD | PAGE_ORDER_MASK;

    return pfn < zone->end &&
           (machine->pages[pfn].flags & mask) ==
               (PAGE_FREE | PAGE_HEAD | order << PAGE_ORDER_SHIFT);
}

static void
list_block(struct machine *machine, struct zone *zone, uint32_t pfn,
           unsigned order, bool at_tail)
{
    struct free_area *area = &zone->free_area[order];
    struct page *page = &machine->pages[pfn];
    uint32_t prev = at_tail ? area->tail : NO_PFN;
    uint32_t next = at_tail ? NO_PFN : area->head;

    page->flags = PAGE_FREE | PAGE_HEAD | order << PAGE_ORDER_SHIFT;
    page->prev = prev;
    page->next = next;
    *(prev == NO_PFN ? &area->head : &machine->pages[prev].next) = pfn;
    *(next == NO_PFN ? &area->tail : &machine->pages[next].prev) = pfn;
    area->count++;
}

static void
unlist_block(struct machine *machine, struct zone *zone, uint32_t pfn,
             unsigned order)
{
    struct free_area *area = &zone->free_area[order];
    struct page *page = &machine->pages[pfn];
    uint32_t prev = page->prev;
    uint32_t next = page->next;

    *(prev == NO_PFN ? &area->head : &machine->pages[prev].next) = next;
    *(next == NO_PFN ? &area->tail : &machine->pages[next].prev) = prev;
    page->flags = PAGE_FREE;
    area->count--;
}

/* Host memory for the records of virgin frames, some ahead of their use. */
static void
back_records(struct machine *machine, struct zone *zone)
{
    while (zone->backed < zone->virgin) {
        size_t end = host_memory_back_records(
            machine->host_memory, zone->backed * sizeof(struct page),
            zone->virgin_end * sizeof(struct page));
        zone->backed = (uint32_t)(end / sizeof(struct page));
    }
}

/* The smallest free block of at least `order`, off its list. */
static uint32_t
take_block(struct machine *machine, struct zone *zone, unsigned order,
           unsigned *block_order)
{
    unsigned order_count = machine->kernel.order_count;

    for (unsigned k = order; k < order_count; k++) {
        uint32_t pfn = zone->free_area[k].head;
        if (pfn != NO_PFN) {
            unlist_block(machine, zone, pfn, k);
            *block_order = k;
            return pfn;
        }
    }
    if (zone->virgin == zone->virgin_end)
        return NO_PFN;
    uint32_t pfn = zone->virgin;
    zone->virgin += 1u << (order_count - 1);
    back_records(machine, zone);
    *block_order = order_count - 1;
    return pfn;
}

/* Cut a block in two; the half that is not handed out is at *other. */
static uint32_t
split_block(struct machine *machine, uint32_t pfn, unsigned half_order,
            uint32_t *other)
{
    uint32_t upper = pfn + (1u << half_order);

    machine->counters.buddy_split_count++;
    *other = machine->kernel.split_returns_high ? pfn : upper;
    return machine->kernel.split_returns_high ? upper : pfn;
}

pfn_t
buddy_alloc(struct machine *machine, struct zone *zone, unsigned order)
{
    unsigned block_order;
    uint32_t pfn = take_block(machine, zone, order, &block_order);

    if (pfn == NO_PFN)
        return PFN_NONE;
    while (block_order > order) {
        uint32_t other;
        pfn = split_block(machine, pfn, --block_order, &other);
        list_block(machine, zone, other, block_order, /* at_tail */ false);
    }
    zone->free_pages -= UINT64_C(1) << order;
    return (pfn_t){pfn};
}

/* All frames of a block one by one, as repeated halving would yield them. */
static void
hand_out_block(struct machine *machine, uint32_t pfn, uint32_t page_count,
               pfn_t *pfns)
{
    bool descending = machine->kernel.split_returns_high;
    uint32_t step = descending ? UINT32_MAX : 1;  // modulo 2^32

    pfn += descending ? page_count - 1 : 0;
    for (uint32_t i = 0; i < page_count; i++, pfn += step)
        pfns[i].v = pfn;
    machine->counters.buddy_split_count += page_count - 1;
}

/*
 * Up to `count` single frames of one block, which is off its list.  A part of
 * the block that would be used up whole needs no splitting frame by frame:
 * only what stays free is listed.
 */
static uint32_t
use_up_block(struct machine *machine, struct zone *zone, uint32_t pfn,
             unsigned order, uint32_t count, pfn_t *pfns)
{
    uint32_t had = 0;

    while (1u << order > count - had) {
        uint32_t other;
        uint32_t half = 1u << --order;

        pfn = split_block(machine, pfn, order, &other);
        if (half >= count - had) {
            list_block(machine, zone, other, order, /* at_tail */ false);
        } else {
            hand_out_block(machine, pfn, half, pfns + had);
            had += half;
            pfn = other;
        }
    }
    hand_out_block(machine, pfn, 1u << order, pfns + had);
    return had + (1u << order);
}

uint32_t
buddy_alloc_run(struct machine *machine, struct zone *zone, uint32_t count,
                pfn_t *pfns)
{
    uint32_t had = 0;

    while (had < count) {
        unsigned order;
        uint32_t pfn = take_block(machine, zone, 0, &order);
        if (pfn == NO_PFN)
            break;
        had += use_up_block(machine, zone, pfn, order, count - had, pfns + had);
    }
    zone->free_pages -= had;
    return had;
}

/* Will the block's buddy, once free, join with it to something larger still? */
static bool
merge_is_likely(const struct machine *machine, const struct zone *zone,
                uint32_t pfn, unsigned order)
{
    if (!machine->kernel.buddy_tail_rule ||
        order + 2 >= machine->kernel.order_count)
        return false;

    uint32_t parent = pfn & ~(1u << order);
    return is_free_block(machine, zone, parent ^ (2u << order), order + 1);
}

void
buddy_free(struct machine *machine, struct zone *zone, pfn_t pfn,
           unsigned order)
{
    uint32_t block = pfn.v;

    for (uint32_t i = 0; i < 1u << order; i++)
        machine->pages[block + i].flags = PAGE_FREE;
    zone->free_pages += UINT64_C(1) << order;

    while (order + 1 < machine->kernel.order_count) {
        uint32_t buddy = block ^ (1u << order);
        if (!is_free_block(machine, zone, buddy, order))
            break;
        unlist_block(machine, zone, buddy, order);
        block &= ~(1u << order);
        order++;
        machine->counters.buddy_merge_count++;
    }
    list_block(machine, zone, block, order,
               merge_is_likely(machine, zone, block, order));
}

void
buddy_list_range(struct machine *machine, struct zone *zone, uint32_t start,
                 uint32_t end)
{
    zone->free_pages += end - start;
    while (start < end) {
        unsigned order = machine->kernel.order_count - 1;
        while (start % (1u << order) || 1u << order > end - start)
            order--;
        list_block(machine, zone, start, order, /* at_tail */ true);
        start += 1u << order;
    }
}
