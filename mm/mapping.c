/*
 * Frames that come to be mapped and cease to be.
 */
#include "mm/mapping.h"

#include "mm/aspace.h"
#include "mm/lru.h"
#include "mm/machine.h"
#include "mm/page_alloc.h"
#include "mm/rmap.h"
#include "mm/unevictable.h"
#include "mm/zero_page.h"

uint32_t
pte_class_run(const struct leaf *leaf, uint32_t index, uint32_t max)
{
    enum pte_class first = pte_class(leaf->pte[index]);
    uint32_t count = 1;

    while (count < max && pte_class(leaf->pte[index + count]) == first)
        count++;
    return count;
}

static enum rss_kind
rss_kind_of(struct machine *machine, pte_t pte)
{
    if (!(pte & PTE_FILE))
        return RSS_ANON;
    return page_of(machine, pte_pfn(pte))->flags & PAGE_SHMEM ? RSS_SHMEM
                                                              : RSS_FILE;
}

uint32_t
mapping_add_run(struct vma *vma, struct leaf *leaf, uint32_t index,
                uint32_t count)
{
    struct machine *machine = vma->mm->machine;
    enum rss_kind kind = rss_kind_of(machine, leaf->pte[index]);
    uint32_t added = rmap_add_run(machine, vma, leaf, index, count);

    vma->mm->rss_pages[kind] += added;
    gauge_add(machine, GAUGE_resident_bytes, pages_to_bytes(added));
    return added;
}

void
mapping_add_anon(struct machine *machine, struct mm *mm, pfn_t pfn)
{
    const struct rmap_ops *rmap = machine->policy.rmap;

    mm_assert(!rmap->add_run);
    page_of(machine, pfn)->map_count++;
    charge(machine, rmap->update_charge, 1);
    mm->rss_pages[RSS_ANON]++;
    gauge_add(machine, GAUGE_resident_bytes, PAGE_BYTES);
}

void
anon_frames_free(struct mm *mm, const pfn_t *pfns, uint32_t count)
{
    struct machine *machine = mm->machine;
    uint32_t owner = mm->uid_holder;

    if (count == 0)
        return;
    if (mm->creds_changed && machine->config.nozero_race_fix)
        owner = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct page *page = page_of(machine, pfns[i]);

        lru_forget(machine, page);
        if (mm->creds_changed)
            page->holder = HOLDER_MIXED;
    }
    page_free_run(machine, machine->cpu, pfns, count, owner);
}

/* What was written through these entries must outlive them. */
static void
note_dirty(struct machine *machine, const struct leaf *leaf, uint32_t index,
           uint32_t count)
{
    for (uint32_t i = index; i < index + count; i++)
        if (leaf->pte[i] & PTE_DIRTY)
            folio_mark_dirty(page_of(machine, pte_pfn(leaf->pte[i])));
}

/* RSS and reverse map of the run; entries are still in place. */
static void
unmap_frames(struct mm *mm, struct leaf *leaf, uint32_t index, uint32_t count)
{
    struct machine *machine = mm->machine;

    if (leaf->pte[index] & PTE_FILE)
        for (uint32_t i = 0; i < count; i++)
            mm->rss_pages[rss_kind_of(machine, leaf->pte[index + i])]--;
    else
        mm->rss_pages[RSS_ANON] -= count;
    gauge_sub(machine, GAUGE_resident_bytes, pages_to_bytes(count));
    if (leaf->pte[index] & PTE_FILE)
        note_dirty(machine, leaf, index, count);
    rmap_remove_run(machine, leaf, index, count);
}

/* Frames of the run that nothing maps any more. */
static void
free_unmapped(struct mm *mm, const pte_t *pte, uint32_t count)
{
    pfn_t pfns[64];
    uint32_t had = 0;

    for (uint32_t i = 0; i < count; i++) {
        pfns[had] = pte_pfn(pte[i]);
        had += page_of(mm->machine, pfns[had])->map_count == 0;
        if (had == G_N_ELEMENTS(pfns)) {
            anon_frames_free(mm, pfns, had);
            had = 0;
        }
    }
    anon_frames_free(mm, pfns, had);
}

void
mapping_clear_run(struct mm *mm, struct leaf *leaf, uint32_t index,
                  uint32_t count)
{
    enum pte_class class = pte_class(leaf->pte[index]);

    if (class == PTE_CLASS_ZERO)
        zero_page_unmap(mm, count);
    if (class == PTE_CLASS_ANON || class == PTE_CLASS_FILE)
        unmap_frames(mm, leaf, index, count);
    if (class == PTE_CLASS_ANON)
        free_unmapped(mm, &leaf->pte[index], count);
    for (uint32_t i = index; i < index + count; i++)
        leaf->pte[i] = PTE_NONE;
    leaf->used_count -= count;
    charge(mm->machine, CHARGE_pte_update, count);
}

uint32_t
pte_folio_run(struct machine *machine, const struct leaf *leaf, uint32_t index,
              uint32_t end)
{
    pte_t pte = leaf->pte[index];
    struct page *page = page_of(machine, pte_pfn(pte));
    struct page *head = folio_head(page);
    uint64_t left = folio_pages(head) - (uint64_t)(page - head);
    uint32_t count = 1;

    while (count < left && index + count < end &&
           pte_class(leaf->pte[index + count]) == PTE_CLASS_FILE &&
           pte_pfn(leaf->pte[index + count]).v == pte_pfn(pte).v + count)
        count++;
    return count;
}

/* A large folio is locked only where all of it is mapped; who unmaps any of it
 * unlocks it, and reclaim will correct that. */
void
mapping_mlock_run(struct machine *machine, const struct leaf *leaf,
                  uint32_t index, uint32_t count, bool locked)
{
    uint32_t end = index + count, run;

    for (uint32_t i = index; i < end; i += run) {
        enum pte_class class = pte_class(leaf->pte[i]);

        run =
            class == PTE_CLASS_FILE ? pte_folio_run(machine, leaf, i, end) : 1;
        if (class != PTE_CLASS_ANON && class != PTE_CLASS_FILE)
            continue;
        struct page *head = folio_head(page_of(machine, pte_pfn(leaf->pte[i])));

        if (!locked)
            unevictable_munlock(machine, machine->cpu, head);
        else if (run == folio_pages(head))
            unevictable_mlock(machine, machine->cpu, head);
    }
}
