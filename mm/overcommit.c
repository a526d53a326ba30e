/*
 * vm.overcommit_memory: may an address space promise `pages` more?
 *
 *   mode  2.6.2               2.6.22                       5.2
 *   0     file + free + swap  file + swap, else with free  this request alone
 *                             above the reserves           against RAM + swap
 *   1     yes
 *   2     all promises, this one included, below a limit made from RAM x ratio
 *         + swap, less what is kept for root and for the caller's recovery
 *
 * Root may use the 1/32 (later 8 MiB) that others may not.
 *
 * Not modelled: reclaimable slab and huge pages in these sums.
 */
#include "mm/aspace_private.h"
#include "mm/file.h"
#include "mm/machine.h"
#include "mm/page_alloc.h"

#define ADMIN_RESERVE_PAGES (UINT64_C(8) << (20 - PAGE_SHIFT))
#define USER_RESERVE_PAGES  (UINT64_C(128) << (20 - PAGE_SHIFT))

enum { OVERCOMMIT_GUESS, OVERCOMMIT_ALWAYS, OVERCOMMIT_NEVER };

static uint64_t
ram_usable_pages(const struct machine *machine)
{
    return machine->ram_pages - machine->reserved_pages;
}

static uint64_t
swap_pages(const struct machine *machine)
{
    return bytes_to_pages(machine->config.swap_bytes);
}

static uint64_t
less_than_root(const struct mm *mm, uint64_t pages)
{
    return mm_is_root(mm) ? pages : pages - pages / 32;
}

/* What __alloc_pages() keeps back for the kernel (totalreserve_pages). */
static uint64_t
kernel_reserve_pages(const struct machine *machine)
{
    uint64_t pages = 0;

    for (unsigned i = 0; i < machine->zone_count; i++) {
        const struct zone *zone = &machine->zones[i];
        uint64_t most = 0;

        for (unsigned j = i; j < machine->zone_count; j++)
            most = MAX(most, zone->lowmem_reserve[j]);
        pages += MIN(most + zone->watermark_high, zone->managed_pages);
    }
    return pages;
}

/* File pages that could be dropped, and swap. */
static uint64_t
reclaimable_pages(const struct machine *machine)
{
    uint64_t swap_used_pages = bytes_to_pages(machine->gauge[GAUGE_swap_bytes]);

    return bytes_to_pages(machine->gauge[GAUGE_file_bytes]) +
           swap_pages(machine) - swap_used_pages;
}

static bool
guess_allows(const struct mm *mm, uint64_t pages)
{
    const struct machine *machine = mm->machine;
    uint64_t found_pages = reclaimable_pages(machine), free_pages;

    switch (machine->kernel.overcommit) {
    case OVERCOMMIT_2_6_2:
        found_pages += page_alloc_free_pages(machine);
        return less_than_root(mm, found_pages) > pages;
    case OVERCOMMIT_2_6_22:
        found_pages = less_than_root(mm, found_pages);
        if (found_pages > pages)
            return true;
        free_pages = page_alloc_free_pages(machine);
        if (free_pages <= kernel_reserve_pages(machine))
            return false;
        free_pages -= kernel_reserve_pages(machine);
        return found_pages + less_than_root(mm, free_pages) > pages;
    case OVERCOMMIT_5_2:
        return pages <= ram_usable_pages(machine) + swap_pages(machine);
    }
    return true;
}

static uint64_t
subtract(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static uint64_t
commit_limit_pages(const struct mm *mm)
{
    const struct machine *machine = mm->machine;
    uint64_t limit =
        ram_usable_pages(machine) * machine->config.overcommit_ratio / 100;

    switch (machine->kernel.overcommit) {
    case OVERCOMMIT_2_6_2:
        return limit + swap_pages(machine);
    case OVERCOMMIT_2_6_22:
        limit = less_than_root(mm, limit) + swap_pages(machine);
        return subtract(limit, mm->total_pages / 32);
    case OVERCOMMIT_5_2:
        limit += swap_pages(machine);
        if (!mm_is_root(mm))
            limit = subtract(limit, ADMIN_RESERVE_PAGES);
        return subtract(limit, MIN(mm->total_pages / 32, USER_RESERVE_PAGES));
    }
    return limit;
}

static bool
has_room(const struct mm *mm, uint64_t pages)
{
    const struct machine *machine = mm->machine;

    switch (machine->config.overcommit_memory) {
    case OVERCOMMIT_GUESS:
        return guess_allows(mm, pages);
    case OVERCOMMIT_NEVER:
        return machine->committed_pages + pages < commit_limit_pages(mm);
    case OVERCOMMIT_ALWAYS:
    default:
        return true;
    }
}

bool
mm_account(struct mm *mm, uint64_t pages)
{
    if (pages && !has_room(mm, pages))
        return false;
    mm_account_again(mm, pages);
    return true;
}

void
mm_account_again(struct mm *mm, uint64_t pages)
{
    mm->machine->committed_pages += pages;
    mm->accounted_pages += pages;
}

void
mm_unaccount(struct mm *mm, uint64_t pages)
{
    mm_assert(mm->accounted_pages >= pages);
    mm_assert(mm->machine->committed_pages >= pages);
    mm->machine->committed_pages -= pages;
    mm->accounted_pages -= pages;
}

bool
mm_account_file(const struct mm *mm, struct file *file)
{
    uint64_t pages = bytes_to_pages(file->size_bytes);

    if (!has_room(mm, pages))
        return false;
    mm->machine->committed_pages += pages;
    file->accounted_pages = pages;
    return true;
}
