/*
 * The zero page under four regimes.
 *
 *   reserved    to 2.6.14: a Reserved page; no count, no RSS, no rmap
 *   refcounted  2.6.15 to 2.6.23: reference and file map count go up with
 *               every PTE, and so does file RSS
 *   none        2.6.24 to 2.6.31: a read fault allocates a frame
 *   special     2.6.32 on: a special PTE; no count, no RSS
 *
 * Sources: do_anonymous_page() and zap_pte_range() of those kernels; "ZERO_PAGE
 * or not ZERO_PAGE" (2007).  The huge zero page is not modelled.
 */
#include "mm/zero_page.h"

#include "mm/aspace.h"
#include "mm/machine.h"

bool
zero_page_may_use(const struct machine *machine)
{
    return machine->policy.zero_page != ZERO_PAGE_NONE;
}

bool
zero_page_counts_rss(const struct machine *machine)
{
    return machine->policy.zero_page == ZERO_PAGE_REFCOUNTED;
}

void
zero_page_map(struct mm *mm, uint64_t pages)
{
    struct machine *machine = mm->machine;

    if (!zero_page_counts_rss(machine))
        return;
    machine->zero_page_map_count += pages;
    mm->rss_pages[RSS_FILE] += pages;
    gauge_add(machine, GAUGE_resident_bytes, pages_to_bytes(pages));
    charge(machine, CHARGE_rmap_update, pages);
}

void
zero_page_unmap(struct mm *mm, uint64_t pages)
{
    struct machine *machine = mm->machine;

    if (!zero_page_counts_rss(machine))
        return;
    mm_assert(machine->zero_page_map_count >= pages);
    machine->zero_page_map_count -= pages;
    mm->rss_pages[RSS_FILE] -= pages;
    gauge_sub(machine, GAUGE_resident_bytes, pages_to_bytes(pages));
    charge(machine, CHARGE_rmap_update, pages);
}
