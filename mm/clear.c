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

static bool
may_skip(const struct vma *vma, const struct page *page)
{
    const struct machine *machine = vma->mm->machine;

    switch (machine->policy.clear) {
    case CLEAR_ON_ALLOC:
        return false;
    case CLEAR_NOZERO:
        return (vma->flags & VM_NOZERO) &&
               page->map_count == vma->mm->uid_holder;
    case CLEAR_NEVER:
        return true;
    }
    return false;
}

static void
clear_page(struct machine *machine, struct page *page)
{
    machine->counters.clear_page_count++;
    charge(machine,
           page->flags & PAGE_HOT ? CHARGE_clear_page_warm
                                  : CHARGE_clear_page_cold,
           1);
    page->tag = 0;
}

/* A frame that goes to `holder` with what its last user left in it. */
static void
hand_over_uncleared(struct machine *machine, struct page *page, uint16_t holder)
{
    machine->counters.clear_page_skipped_count++;
    if (page->holder != HOLDER_CLEAN && page->holder != holder) {
        machine->counters.leak_page_count++;
        page->holder = HOLDER_MIXED;
        return;
    }
    page->holder = holder;
}

void
clear_user_run(struct vma *vma, const pfn_t *pfns, uint32_t count)
{
    struct machine *machine = vma->mm->machine;
    uint16_t holder = vma->mm->uid_holder;

    for (uint32_t i = 0; i < count; i++) {
        struct page *page = page_of(machine, pfns[i]);

        if (may_skip(vma, page)) {
            hand_over_uncleared(machine, page, holder);
        } else {
            clear_page(machine, page);
            page->holder = holder;
        }
        page->map_count = 0;
    }
}

void
clear_shmem_page(struct machine *machine, pfn_t pfn)
{
    struct page *page = page_of(machine, pfn);

    clear_page(machine, page);
    machine->counters.clear_page_shmem_count++;
    page->holder = HOLDER_KERNEL;
    page->map_count = 0;
}
