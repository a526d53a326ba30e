/*
 * Locked pages and the batches that they wait in: mlock_folio(),
 * munlock_folio() and mlock_folio_batch() of 6.18.  Before 5.18 there was no
 * batch: every page was seen to at once.
 */
#include "mm/unevictable.h"

#include "mm/lru.h"
#include "mm/machine.h"

#define UNEVICTABLE_VERSION 2006028
#define BATCH_VERSION       5018000

enum { WAITS_MAX = (1 << 8) - 1 };

enum mlock_deed { MLOCK_OLD, MLOCK_NEW, MUNLOCK };

struct mlock_batch {
    uint32_t count;
    struct {
        pfn_t pfn;
        enum mlock_deed deed;
    } entries[32];
};

void
unevictable_init(struct machine *machine)
{
    machine->mlock_batches =
        g_new0(struct mlock_batch, machine->config.cpu_count);
}

void
unevictable_finish(struct machine *machine)
{
    g_free(machine->mlock_batches);
}

bool
unevictable_is_known(const struct machine *machine)
{
    return machine->kernel.version >= UNEVICTABLE_VERSION;
}

/* ---- one page ---- */

static bool
is_within_reach(const struct page *page)
{
    return page->flags & (PAGE_LRU | PAGE_UNEVICTABLE);
}

static void
take_off_list(struct machine *machine, struct page *page)
{
    lru_remove(machine, page);
    page->flags = (page->flags & ~(uint32_t)PAGE_ACTIVE) | PAGE_UNEVICTABLE;
    page->next = 1;
}

static void
bring_back(struct machine *machine, struct page *page)
{
    page->flags &= ~(uint32_t)PAGE_UNEVICTABLE;
    lru_link_head(machine, page, lru_list_of(page));
}

/* What is on its way to a list is seen to when it arrives there; what was
 * unlocked since stays. */
static void
lock_old(struct machine *machine, struct page *page)
{
    if (!is_within_reach(page) || !(page->flags & PAGE_MLOCKED))
        return;
    if (page->flags & PAGE_UNEVICTABLE)
        page->next++;
    else
        take_off_list(machine, page);
}

static void
lock_new(struct machine *machine, struct page *page)
{
    if (page->flags & PAGE_MLOCKED)
        take_off_list(machine, page);
    else
        lru_link_head(machine, page, lru_list_of(page));
}

static void
unlock(struct machine *machine, struct page *page)
{
    bool is_unevictable = page->flags & PAGE_UNEVICTABLE;

    if (is_unevictable && page->next > 1) {
        page->next--;
        return;
    }
    machine->mlocked_count -= (page->flags & PAGE_MLOCKED) != 0;
    page->flags &= ~(uint32_t)PAGE_MLOCKED;
    if (is_unevictable)
        bring_back(machine, page);
}

/* ---- batches ---- */

static void
carry_out(struct machine *machine, struct page *page, enum mlock_deed deed)
{
    switch (deed) {
    case MLOCK_OLD:
        lock_old(machine, page);
        return;
    case MLOCK_NEW:
        lock_new(machine, page);
        return;
    case MUNLOCK:
        unlock(machine, page);
        return;
    }
}

void
unevictable_drain(struct machine *machine, unsigned cpu)
{
    struct mlock_batch *batch = &machine->mlock_batches[cpu];
    uint32_t count = batch->count;

    batch->count = 0;
    charge(machine, CHARGE_lru_lock_pair, count > 0);
    for (uint32_t i = 0; i < count; i++) {
        struct page *page = page_of(machine, batch->entries[i].pfn);

        page->mlock_waits--;
        carry_out(machine, page, batch->entries[i].deed);
    }
}

static void
drain_all(struct machine *machine)
{
    for (unsigned cpu = 0; cpu < machine->config.cpu_count; cpu++)
        unevictable_drain(machine, cpu);
}

static void
queue(struct machine *machine, unsigned cpu, struct page *page,
      enum mlock_deed deed)
{
    const struct kernel *kernel = &machine->kernel;
    struct mlock_batch *batch = &machine->mlock_batches[cpu];
    uint32_t capacity =
        kernel->version >= BATCH_VERSION ? kernel->lru_batch_pages : 1;

    charge(machine, CHARGE_lru_add, 1);
    if (page->mlock_waits == WAITS_MAX)
        drain_all(machine);
    page->mlock_waits++;
    batch->entries[batch->count].pfn = pfn_of(machine, page);
    batch->entries[batch->count++].deed = deed;
    if (batch->count >= capacity)
        unevictable_drain(machine, cpu);
}

static void
mark(struct machine *machine, struct page *page)
{
    machine->mlocked_count += !(page->flags & PAGE_MLOCKED);
    page->flags |= PAGE_MLOCKED;
}

void
unevictable_mlock(struct machine *machine, unsigned cpu, struct page *page)
{
    if (!unevictable_is_known(machine))
        return;
    mark(machine, page);
    queue(machine, cpu, page, MLOCK_OLD);
}

void
unevictable_munlock(struct machine *machine, unsigned cpu, struct page *page)
{
    if (unevictable_is_known(machine))
        queue(machine, cpu, page, MUNLOCK);
}

void
unevictable_add_run(struct machine *machine, unsigned cpu, const pfn_t *pfns,
                    uint32_t count, unsigned list)
{
    if (!unevictable_is_known(machine)) {
        lru_add_run(machine, cpu, pfns, count, list);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct page *page = page_of(machine, pfns[i]);

        lru_choose_list(page, list);
        mark(machine, page);
        queue(machine, cpu, page, MLOCK_NEW);
    }
}

/* ---- other ways ---- */

void
unevictable_arrive(struct page *page)
{
    page->flags = (page->flags & ~(uint32_t)PAGE_ACTIVE) | PAGE_UNEVICTABLE;
    page->next = 0;
}

void
unevictable_put_back(struct page *page)
{
    page->next = 0;
}

/* A page in a batch is freed rarely enough that looking for it is cheap. */
static void
forget_entries(struct machine *machine, pfn_t pfn)
{
    for (unsigned cpu = 0; cpu < machine->config.cpu_count; cpu++) {
        struct mlock_batch *batch = &machine->mlock_batches[cpu];
        uint32_t kept = 0;

        for (uint32_t i = 0; i < batch->count; i++)
            if (batch->entries[i].pfn.v != pfn.v)
                batch->entries[kept++] = batch->entries[i];
        batch->count = kept;
    }
}

void
unevictable_forget(struct machine *machine, struct page *page)
{
    const uint32_t states = PAGE_MLOCKED | PAGE_UNEVICTABLE;

    if (page->mlock_waits > 0)
        forget_entries(machine, pfn_of(machine, page));
    page->mlock_waits = 0;
    machine->mlocked_count -= (page->flags & PAGE_MLOCKED) != 0;
    page->flags &= ~states;
}

static uint32_t
count_entries(const struct machine *machine, pfn_t pfn)
{
    uint32_t count = 0;

    for (unsigned cpu = 0; cpu < machine->config.cpu_count; cpu++)
        for (uint32_t i = 0; i < machine->mlock_batches[cpu].count; i++)
            count += machine->mlock_batches[cpu].entries[i].pfn.v == pfn.v;
    return count;
}

void
unevictable_validate(struct machine *machine)
{
    for (unsigned cpu = 0; cpu < machine->config.cpu_count; cpu++) {
        const struct mlock_batch *batch = &machine->mlock_batches[cpu];

        for (uint32_t i = 0; i < batch->count; i++) {
            pfn_t pfn = batch->entries[i].pfn;

            mm_invariant(U2, page_of(machine, pfn)->mlock_waits ==
                                 count_entries(machine, pfn));
        }
    }
}
