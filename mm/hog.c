/*
 * hog: a background task that holds frames, to make memory scarce.
 *
 * Its frames are counted as anonymous memory and never reclaimed.  They are
 * taken one by one, as its page faults would; it gets what the allocator gives
 * it, and the allocator may kill for it.
 */
#include "mm/machine.h"
#include "mm/page_alloc.h"

/* Held blocks are listed through the links of their first frames. */
static void
hold(struct machine *machine, pfn_t pfn)
{
    struct page *page = page_of(machine, pfn);

    page->holder = HOLDER_KERNEL;
    page->map_count = 0;
    page->next = machine->hog_head;
    machine->hog_head = pfn.v;
    machine->hog_pages++;
}

static void
release_one(struct machine *machine)
{
    pfn_t pfn = {machine->hog_head};

    machine->hog_head = page_of(machine, pfn)->next;
    machine->hog_pages--;
    page_free(machine, machine->cpu, pfn, 0, 0);
}

void
machine_hog(struct machine *machine, uint64_t bytes)
{
    uint64_t pages = bytes / PAGE_BYTES + (bytes % PAGE_BYTES > 0);

    machine->current = NULL;
    while (machine->hog_pages > pages)
        release_one(machine);
    while (machine->hog_pages < pages) {
        pfn_t pfn = page_alloc(machine, machine->cpu, PAGE_HOG, 0);

        if (pfn_is_none(pfn))
            return;
        hold(machine, pfn);
    }
}
