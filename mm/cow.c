/*
 * Copy-on-write: when is the writer the last one?
 *
 *   page-count  2.4 to 2.6.12: page_count is 1.  A page that still waits in a
 *               per-CPU LRU batch has one reference more and is copied.
 *   mapcount    2.6.13 to 5.18: one mapping
 *   exclusive   5.19 on: PG_anon_exclusive says so at once; else no other
 *               mapping and no other reference, after draining this CPU's
 *               batch if the page waits in one.  With up to three references
 *               the batch is drained first and the mappings counted then, so
 *               the writer that copies helps the one that comes after it.
 *
 * Source: do_wp_page() of 2.6.2, 2.6.22 and 6.1.  Swap cache, KSM and pinned
 * pages are not modelled.
 */
#include "mm/cow.h"

#include "mm/lru.h"
#include "mm/machine.h"

enum { REFERENCES_TRIED = 3 };  // exclusive: beyond, nothing is drained

/* Batches that it waits in each hold one. */
static uint32_t
batch_references(const struct page *page)
{
    return ((page->flags & PAGE_IN_BATCH) != 0) + (uint32_t)page->mlock_waits;
}

static bool
reuse_exclusive(struct machine *machine, struct page *page)
{
    if (page->flags & PAGE_EXCLUSIVE)
        return true;
    if (page->map_count + batch_references(page) > REFERENCES_TRIED)
        return false;
    if (!(page->flags & (PAGE_LRU | PAGE_UNEVICTABLE)))
        lru_drain(machine, machine->cpu);
    if (page->map_count > 1 || batch_references(page))  // another CPU's
        return false;
    page->flags |= PAGE_EXCLUSIVE;
    return true;
}

bool
cow_may_reuse(struct machine *machine, struct page *page)
{
    switch (machine->policy.cow) {
    case COW_PAGE_COUNT:
        return page->map_count == 1 && !batch_references(page);
    case COW_MAPCOUNT:
        return page->map_count == 1;
    case COW_EXCLUSIVE:
        return reuse_exclusive(machine, page);
    }
    return false;
}

bool
cow_must_copy(const struct machine *machine, const struct page *page)
{
    if (page->map_count < 2)
        return false;
    return machine->policy.cow != COW_EXCLUSIVE ||
           (!(page->flags & PAGE_EXCLUSIVE) && batch_references(page) == 0);
}
