/*
 * Clearing policies.
 *
 *   on-alloc  every frame is cleared when it is handed out
 *   nozero    MAP_NOZERO v2 (2007): in a VM_NOZERO VMA a frame whose last
 *             owner was the same uid is handed over as it is
 *   never     nothing is cleared; unsafe on purpose: the leak counter counts
 *
 * The patches of MAP_NOZERO are lost; the rules are ours.  The owner of a free
 * frame lies in its map_count (their words: "reuse _mapcount"): set when a
 * process frees an anonymous frame, gone when the kernel or the page cache
 * used it, or when the process had changed its credentials.
 */
#include "mm/clear.h"

#include "mm/aspace.h"
#include "mm/machine.h"

bool
clear_honours_nozero(const struct machine *machine)
{
    return machine->policy.clear == CLEAR_NOZERO;
}

/* The page is cleared for `holder`; true if it was still warm. */
static inline bool
clear_page(struct page *page, uint16_t holder)
{
    page->tag = 0;
    page->holder = holder;
    page->map_count = 0;
    return page->flags & PAGE_HOT;
}

static void
note_cleared(struct machine *machine, uint32_t count, uint32_t warm_count)
{
    machine->counters.clear_page_count += count;
    charge(machine, CHARGE_clear_page_warm, warm_count);
    charge(machine, CHARGE_clear_page_cold, count - warm_count);
}

static void
clear_run(struct machine *machine, const pfn_t *pfns, uint32_t count,
          uint16_t holder)
{
    struct page *pages = machine->pages;
    uint32_t warm_count = 0;

    for (uint32_t i = 0; i < count; i++)
        warm_count += clear_page(&pages[pfns[i].v], holder);
    note_cleared(machine, count, warm_count);
}

/* A frame that goes to `holder` with what its last user left in it. */
static void
hand_over_uncleared(struct machine *machine, struct page *page, uint16_t holder)
{
    bool leaks = page->holder != HOLDER_CLEAN && page->holder != holder;

    machine->counters.clear_page_skipped_count++;
    machine->counters.leak_page_count += leaks;
    page->holder = leaks ? HOLDER_MIXED : holder;
    page->map_count = 0;
}

/* All but what the same uid owned last. */
static void
clear_others_run(struct machine *machine, const pfn_t *pfns, uint32_t count,
                 uint16_t holder)
{
    for (uint32_t i = 0; i < count; i++) {
        struct page *page = page_of(machine, pfns[i]);

        if (page->map_count == holder)
            hand_over_uncleared(machine, page, holder);
        else
            note_cleared(machine, 1, clear_page(page, holder));
    }
}

void
clear_user_run(struct vma *vma, const pfn_t *pfns, uint32_t count)
{
    struct machine *machine = vma->mm->machine;
    uint16_t holder = vma->mm->uid_holder;

    switch (machine->policy.clear) {
    case CLEAR_ON_ALLOC:
        break;
    case CLEAR_NOZERO:
        if (vma->flags & VM_NOZERO) {
            clear_others_run(machine, pfns, count, holder);
            return;
        }
        break;
    case CLEAR_NEVER:
        for (uint32_t i = 0; i < count; i++)
            hand_over_uncleared(machine, page_of(machine, pfns[i]), holder);
        return;
    }
    clear_run(machine, pfns, count, holder);
}

void
clear_shmem_page(struct machine *machine, pfn_t pfn)
{
    clear_run(machine, &pfn, 1, HOLDER_KERNEL);
    machine->counters.clear_page_shmem_count++;
}
