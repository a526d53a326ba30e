/*
 * LRU lists: doubly linked by frame number through page.next and page.prev.
 *
 * Not modelled yet: active and inactive halves, ageing, the anon scan.  The
 * lists are kept so that lazily freed pages and page cache leave in order, and
 * because a page on them costs what it costs.
 */
#include "mm/lru.h"

#include "mm/machine.h"
#include "mm/unevictable.h"

#define NIL UINT32_MAX

void
lru_init(struct machine *machine)
{
    for (unsigned i = 0; i < LRU_LIST_COUNT; i++)
        machine->lru[i] = (struct lru){.head = NIL, .tail = NIL};
    machine->lru_batches = g_new0(struct lru_batch, machine->config.cpu_count);
    mm_assert(machine->kernel.lru_batch_pages <=
              G_N_ELEMENTS(machine->lru_batches[0].pfns));
}

void
lru_finish(struct machine *machine)
{
    g_free(machine->lru_batches);
}

unsigned
lru_list_of(const struct page *page)
{
    return (page->flags & PAGE_LRU_LIST_MASK) >> PAGE_LRU_LIST_SHIFT;
}

/* On which list, and `where`: PAGE_LRU or PAGE_IN_BATCH. */
static inline void
set_place(struct page *page, unsigned list, uint32_t where)
{
    const uint32_t place = PAGE_LRU_LIST_MASK | PAGE_LRU | PAGE_IN_BATCH;

    page->flags = (page->flags & ~place) | list << PAGE_LRU_LIST_SHIFT | where;
}

void
lru_link_head(struct machine *machine, struct page *page, unsigned list)
{
    struct lru *lru = &machine->lru[list];
    uint32_t pfn = pfn_of(machine, page).v;

    mm_assert(!(page->flags & (PAGE_LRU | PAGE_IN_BATCH)));
    set_place(page, list, PAGE_LRU);
    page->prev = NIL;
    page->next = lru->head;
    if (lru->head != NIL)
        machine->pages[lru->head].prev = pfn;
    else
        lru->tail = pfn;
    lru->head = pfn;
    lru->count++;
}

/* As lru_link_head() of one page after the other. */
static void
link_run(struct machine *machine, const pfn_t *pfns, uint32_t count,
         unsigned list)
{
    struct lru *lru = &machine->lru[list];
    struct page *pages = machine->pages;
    uint32_t head = lru->head;

    if (count == 0)
        return;
    *(head == NIL ? &lru->tail : &pages[head].prev) = pfns[0].v;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t pfn = pfns[i].v;
        struct page *page = &pages[pfn];

        set_place(page, list, PAGE_LRU);
        page->next = head;
        page->prev = pfns[MIN(i + 1, count - 1)].v;
        head = pfn;
    }
    pages[head].prev = NIL;
    lru->head = head;
    lru->count += count;
}

/* It was locked while it was in the batch. */
static void
arrive_locked(struct page *page)
{
    page->flags &= ~(uint32_t)PAGE_IN_BATCH;
    unevictable_arrive(page);
}

/* Pages of one list lie in a row. */
static void
drain_batch(struct machine *machine, unsigned cpu)
{
    const uint32_t alike = PAGE_LRU_LIST_MASK | PAGE_MLOCKED;
    struct lru_batch *batch = &machine->lru_batches[cpu];
    struct page *pages = machine->pages;
    uint32_t first = 0;

    while (first < batch->count) {
        struct page *page = &pages[batch->pfns[first].v];
        unsigned list = lru_list_of(page);
        uint32_t end = first + 1;

        if (page->flags & PAGE_MLOCKED) {
            arrive_locked(page);
            first++;
            continue;
        }
        while (end < batch->count &&
               ((pages[batch->pfns[end].v].flags ^ page->flags) & alike) == 0)
            end++;
        link_run(machine, &batch->pfns[first], end - first, list);
        first = end;
    }
    batch->count = 0;
}

void
lru_drain(struct machine *machine, unsigned cpu)
{
    charge(machine, CHARGE_lru_lock_pair, machine->lru_batches[cpu].count > 0);
    drain_batch(machine, cpu);
    unevictable_drain(machine, cpu);
}

static void
batch_run(struct machine *machine, struct lru_batch *batch, const pfn_t *pfns,
          uint32_t count, unsigned list)
{
    for (uint32_t i = 0; i < count; i++) {
        struct page *page = page_of(machine, pfns[i]);

        set_place(page, list, PAGE_IN_BATCH);
        batch->pfns[batch->count++] = pfns[i];
    }
}

/* Every full batch drains: only what comes after the last drain is seen in
 * the batch, all before it goes straight to the list. */
void
lru_add_run(struct machine *machine, unsigned cpu, const pfn_t *pfns,
            uint32_t count, unsigned list)
{
    uint32_t capacity = machine->kernel.lru_batch_pages;
    struct lru_batch *batch = &machine->lru_batches[cpu];

    charge(machine, CHARGE_lru_add, count);
    if (batch->count + count < capacity) {
        batch_run(machine, batch, pfns, count, list);
        return;
    }
    uint32_t left = capacity ? (batch->count + count) % capacity : 0;

    /* Once per drained batch; without batches once per page. */
    charge(machine, CHARGE_lru_lock_pair,
           (batch->count + count) / MAX(capacity, 1));
    drain_batch(machine, cpu);
    link_run(machine, pfns, count - left, list);
    batch_run(machine, batch, &pfns[count - left], left, list);
}

void
lru_add_one(struct machine *machine, unsigned cpu, pfn_t pfn, unsigned list)
{
    struct lru_batch *batch = &machine->lru_batches[cpu];

    if (batch->count + 1 >= machine->kernel.lru_batch_pages) {
        lru_add_run(machine, cpu, &pfn, 1, list);
        return;
    }
    charge(machine, CHARGE_lru_add, 1);
    set_place(page_of(machine, pfn), list, PAGE_IN_BATCH);
    batch->pfns[batch->count++] = pfn;
}

/* A batched page is freed rarely enough that looking for it is cheap. */
static void
batch_remove(struct machine *machine, struct page *page)
{
    uint32_t pfn = pfn_of(machine, page).v;

    page->flags &= ~(uint32_t)PAGE_IN_BATCH;
    for (unsigned cpu = 0; cpu < machine->config.cpu_count; cpu++) {
        struct lru_batch *batch = &machine->lru_batches[cpu];

        for (uint32_t i = 0; i < batch->count; i++) {
            if (batch->pfns[i].v != pfn)
                continue;
            batch->count--;
            for (; i < batch->count; i++)
                batch->pfns[i] = batch->pfns[i + 1];
            return;
        }
    }
    mm_assert(!"a page marked as batched is in a batch");
}

void
lru_remove(struct machine *machine, struct page *page)
{
    if (page->flags & PAGE_IN_BATCH) {
        batch_remove(machine, page);
        return;
    }
    if (!(page->flags & PAGE_LRU))
        return;

    struct lru *lru = &machine->lru[lru_list_of(page)];
    if (page->prev != NIL)
        machine->pages[page->prev].next = page->next;
    else
        lru->head = page->next;
    if (page->next != NIL)
        machine->pages[page->next].prev = page->prev;
    else
        lru->tail = page->prev;
    page->flags &= ~(uint32_t)PAGE_LRU;
    lru->count--;
}

void
lru_choose_list(struct page *page, unsigned list)
{
    page->flags = (page->flags & ~(uint32_t)PAGE_LRU_LIST_MASK) |
                  list << PAGE_LRU_LIST_SHIFT;
}

void
lru_put_back(struct machine *machine, struct page *page, unsigned list)
{
    lru_remove(machine, page);
    lru_choose_list(page, list);
    if (page->flags & PAGE_UNEVICTABLE)
        return;
    if (page->flags & PAGE_MLOCKED)
        unevictable_arrive(page);
    else
        lru_link_head(machine, page, list);
}

void
lru_forget(struct machine *machine, struct page *page)
{
    if ((page->flags & PAGE_MLOCKED) || page->mlock_waits)
        unevictable_forget(machine, page);
    lru_remove(machine, page);
}

static void
validate_list(const struct machine *machine, unsigned list)
{
    const struct lru *lru = &machine->lru[list];
    uint64_t count = 0;
    uint32_t prev = NIL;

    for (uint32_t pfn = lru->head; pfn != NIL;
         prev = pfn, pfn = machine->pages[pfn].next) {
        const struct page *page = &machine->pages[pfn];

        mm_invariant(L1, page->flags & PAGE_LRU);
        mm_invariant(L1, lru_list_of(page) == list);
        mm_invariant(L1, page->prev == prev);
        mm_invariant(L2, !(page->flags & PAGE_IN_BATCH));
        mm_invariant(L3, ++count <= lru->count);
    }
    mm_invariant(L1, lru->tail == prev);
    mm_invariant(L3, count == lru->count);
}

void
lru_validate(struct machine *machine)
{
    for (unsigned list = 0; list < LRU_LIST_COUNT; list++)
        validate_list(machine, list);

    for (unsigned cpu = 0; cpu < machine->config.cpu_count; cpu++) {
        const struct lru_batch *batch = &machine->lru_batches[cpu];

        for (uint32_t i = 0; i < batch->count; i++) {
            const struct page *page = page_of(machine, batch->pfns[i]);

            mm_invariant(L2, page->flags & PAGE_IN_BATCH);
            mm_invariant(L2, !(page->flags & PAGE_LRU));
        }
    }
}
