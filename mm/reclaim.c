/*
 * Reclaim: what can be taken back without swap.
 *
 * In this order, as kswapd of 3.9-vrange and MADV_FREE kernels do:
 *
 *   1. volatile ranges, coldest first (vrange-full: all pages of a victim)
 *   2. lazily freed pages that were not written since, oldest first
 *   3. clean page cache of files on disk, oldest first; a page whose PTE was
 *      accessed goes round once more
 *
 * Anonymous pages stay: swap and the active/inactive lists are not modelled
 * yet; when nothing can be had the allocator turns to the OOM killer.
 *
 * MADV_PAGEOUT takes what its caller alone maps: reclaim_pages() of 6.18 by way
 * of madvise_cold_or_pageout_pte_range().  Everybody may write to every file
 * here, so nobody is refused.
 */
#include "mm/reclaim.h"

#include "mm/aspace.h"
#include "mm/file.h"
#include "mm/lru.h"
#include "mm/machine.h"
#include "mm/mapping.h"
#include "mm/page_alloc.h"
#include "mm/rmap.h"
#include "mm/tlb.h"
#include "mm/unevictable.h"
#include "mm/vrange.h"

#define DIRECT_TARGET_PAGES 32  // SWAP_CLUSTER_MAX

void
reclaim_wake_kswapd(struct machine *machine)
{
    machine->kswapd_wanted = true;
}

/* ---- lazily freed pages ---- */

/* A locked VMA maps a page that reclaim looks at: somebody forgot it. */
static void
restore_mlock(const struct vma *vma, pte_t pte)
{
    struct machine *machine = vma->mm->machine;
    struct page *page = page_of(machine, pte_pfn(pte));

    if (vma_is_locked(vma) && folio_pages(page) == 1)
        unevictable_mlock(machine, machine->cpu, page);
}

static bool
see_if_written(struct leaf *leaf, uint32_t index, void *data)
{
    bool *is_written = data;
    uint64_t addr = leaf->base + pages_to_bytes(index);
    const struct vma *vma = vma_find_quiet(leaf->mm, addr);
    pte_t pte = leaf->pte[index];

    if (vma && (vma->flags & VM_LOCKED)) {
        restore_mlock(vma, pte);
        *is_written = true;
    } else if (pte & PTE_DIRTY) {
        page_of(leaf->mm->machine, pte_pfn(pte))->flags |= PAGE_DIRTY;
        *is_written = true;
    }
    return !*is_written;
}

static bool
unmap_entry(struct leaf *leaf, uint32_t index, void *data)
{
    uint64_t *unmapped = data;

    mapping_clear_run(leaf->mm, leaf, index, 1);
    tlb_flush(leaf->mm, 1);
    (*unmapped)++;
    return true;
}

/* An ordinary page again. */
static uint64_t
keep_lazy(struct machine *machine, struct page *page)
{
    page->flags &= ~(uint32_t)PAGE_LAZY;
    lru_put_back(machine, page, LRU_ANON);
    return 0;
}

/* Drop the page if nobody wrote to it; frames freed (0 or 1). */
static uint64_t
discard_lazy(struct machine *machine, struct page *page)
{
    bool is_written = false;
    uint64_t unmapped = 0;

    machine->counters.reclaim_scanned_pages++;
    rmap_walk(machine, page, see_if_written, &is_written);
    if (is_written)
        return keep_lazy(machine, page);
    rmap_walk(machine, page, unmap_entry, &unmapped);
    machine->counters.purge_discarded_pages += unmapped;
    machine->counters.purge_lazy_pages += unmapped;
    /* A mapping that is only now being added is not in the chain yet.  (The
     * map count of a free frame means something else.) */
    if (page_state(page) == PAGE_ANON)
        return keep_lazy(machine, page);
    machine->counters.reclaim_freed_pages++;
    return 1;
}

static uint64_t
reclaim_lazy(struct machine *machine, uint64_t target)
{
    const struct lru *lru = &machine->lru[LRU_LAZY];
    uint64_t freed = 0;

    while (freed < target && lru->count)
        freed += discard_lazy(machine, &machine->pages[lru->tail]);
    return freed;
}

/* ---- page cache ---- */

static bool
see_if_accessed(struct leaf *leaf, uint32_t index, void *data)
{
    bool *is_accessed = data;
    uint64_t addr = leaf->base + pages_to_bytes(index);
    const struct vma *vma = vma_find_quiet(leaf->mm, addr);

    if (vma && (vma->flags & VM_LOCKED)) {
        restore_mlock(vma, leaf->pte[index]);
        *is_accessed = true;
    }
    if (leaf->pte[index] & PTE_ACCESSED) {
        leaf->pte[index] &= ~PTE_ACCESSED;
        *is_accessed = true;
    }
    return true;
}

static uint32_t
folio_map_count(const struct page *head)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < folio_pages(head); i++)
        count += head[i].map_count;
    return count;
}

/* Back on its list, as the most recent. */
static void
keep_folio(struct machine *machine, struct page *head)
{
    lru_put_back(machine, head,
                 head->flags & PAGE_SHMEM ? LRU_SHMEM : LRU_FILE);
}

/* Take a folio's entries away; how many there were. */
static uint64_t
unmap_folio(struct machine *machine, struct page *head)
{
    uint64_t unmapped = 0;

    for (uint32_t i = 0; i < folio_pages(head); i++)
        if (head[i].map_count)
            rmap_walk(machine, &head[i], unmap_entry, &unmapped);
    return unmapped;
}

/* Judge the oldest folio of the cache; frames freed. */
static uint64_t
judge_file_folio(struct machine *machine, struct page *head)
{
    uint64_t pages = folio_pages(head), unmapped = 0;
    bool is_accessed = false;

    machine->counters.reclaim_scanned_pages += pages;
    for (uint32_t i = 0; i < pages; i++)
        if (head[i].map_count)
            rmap_walk_referenced(machine, &head[i], see_if_accessed,
                                 &is_accessed);
    if (!is_accessed)
        unmapped = unmap_folio(machine, head);
    machine->reclaimed_mapped_count += unmapped > 0;
    if (is_accessed || folio_map_count(head) || (head->flags & PAGE_DIRTY)) {
        keep_folio(machine, head);
        return 0;
    }
    file_forget_unused(g_ptr_array_index(machine->files, head->home));
    file_drop_folio(machine, machine->cpu, head);
    machine->counters.reclaim_freed_pages += pages;
    return pages;
}

static uint64_t
reclaim_file(struct machine *machine, uint64_t target)
{
    const struct lru *lru = &machine->lru[LRU_FILE];
    uint64_t freed = 0;

    /* Twice round: the first may only clear accessed bits. */
    for (uint64_t left = 2 * lru->count; left && freed < target && lru->count;
         left--)
        freed += judge_file_folio(machine, &machine->pages[lru->tail]);
    return freed;
}

static uint64_t
reclaim_pages(struct machine *machine, uint64_t target)
{
    lru_drain(machine, machine->cpu);

    uint64_t freed = vrange_reclaim(machine, target);

    if (freed < target)
        freed += reclaim_lazy(machine, target - freed);
    if (freed < target)
        freed += reclaim_file(machine, target - freed);
    return freed;
}

uint64_t
reclaim_direct(struct machine *machine, unsigned cpu, enum page_state state,
               unsigned order)
{
    (void)cpu;
    (void)state;
    (void)order;
    return reclaim_pages(machine, DIRECT_TARGET_PAGES);
}

static bool
is_balanced(const struct machine *machine)
{
    for (unsigned i = 0; i < machine->zone_count; i++)
        if (machine->zones[i].managed_pages &&
            machine->zones[i].free_pages < machine->zones[i].watermark_high)
            return false;
    return true;
}

void
reclaim_kswapd(struct machine *machine, unsigned cpu)
{
    unsigned previous_cpu = machine->cpu;

    machine->cpu = cpu;
    while (!is_balanced(machine) &&
           reclaim_pages(machine, DIRECT_TARGET_PAGES) > 0)
        ;
    machine->cpu = previous_cpu;
}

/* ---- what a process gives up ---- */

/*
 * A folio of a file that a process pages out, used lately or not.  Its entries
 * go in any case; a dirty one stays in memory, marked as one that is to go as
 * soon as it was written back -- the mark that also starts read-ahead.  A dirty
 * page of shmem would have to go to swap.
 */
static void
page_out_folio(struct machine *machine, struct page *head)
{
    uint64_t pages = folio_pages(head);

    machine->counters.reclaim_scanned_pages += pages;
    unmap_folio(machine, head);
    if (folio_map_count(head) == 0 && !(head->flags & PAGE_DIRTY)) {
        file_drop_folio(machine, machine->cpu, head);
        machine->counters.reclaim_freed_pages += pages;
        return;
    }
    if (!(head->flags & PAGE_SHMEM))
        head->flags |= PAGE_READAHEAD;
    keep_folio(machine, head);
}

struct folio_mappers {
    const struct mm *mm;
    bool has_others;
};

static bool
see_mapper(struct leaf *leaf, uint32_t index, void *data)
{
    struct folio_mappers *mappers = data;

    (void)index;
    mappers->has_others |= leaf->mm != mappers->mm;
    return !mappers->has_others;
}

/* Only a part of a large folio is mapped in the range: it falls apart, and
 * loses all its entries.  Pages that nobody maps are not paged out. */
static void
break_up(struct machine *machine, struct mm *mm, struct page *head)
{
    struct folio_mappers mappers = {.mm = mm};

    if ((head->flags & PAGE_DIRTY) || !(head->flags & PAGE_LRU))
        return;  // its blocks are not on disk yet, or a batch holds it
    for (uint32_t i = 0; i < folio_pages(head); i++)
        if (head[i].map_count)
            rmap_walk(machine, &head[i], see_mapper, &mappers);
    if (mappers.has_others)
        return;
    unmap_folio(machine, head);
    file_split_folio(machine, head);
}

/* The entries from index on that map one folio; how many.  What others map,
 * too, or what is on no list yet stays. */
static uint32_t
page_out_file(struct leaf *leaf, uint32_t index, uint32_t end)
{
    struct machine *machine = leaf->mm->machine;
    struct page *page = page_of(machine, pte_pfn(leaf->pte[index]));
    struct page *head = folio_head(page);
    uint32_t count = pte_folio_run(machine, leaf, index, end);

    if (count < folio_pages(head))
        break_up(machine, leaf->mm, head);
    else if ((head->flags & PAGE_UNEVICTABLE) && folio_map_count(head) == count)
        unevictable_put_back(head);
    else if ((head->flags & PAGE_LRU) && folio_map_count(head) == count)
        page_out_folio(machine, head);
    return count;
}

static uint32_t
page_out_entry(struct leaf *leaf, uint32_t index, uint32_t end)
{
    struct machine *machine = leaf->mm->machine;
    enum pte_class class = pte_class(leaf->pte[index]);

    if (class == PTE_CLASS_FILE)
        return page_out_file(leaf, index, end);
    if (class == PTE_CLASS_ANON) {
        struct page *page = page_of(machine, pte_pfn(leaf->pte[index]));

        if ((page->flags & PAGE_UNEVICTABLE) && page->map_count == 1)
            unevictable_put_back(page);
        else if ((page->flags & PAGE_LAZY) && page->map_count == 1)
            discard_lazy(machine, page);
    }
    return 1;
}

void
reclaim_pageout(struct vma *vma, uint64_t start, uint64_t end)
{
    struct mm *mm = vma->mm;
    struct machine *machine = mm->machine;
    const struct arch *arch = mm->pagetable.arch;
    struct leaf *leaf;

    lru_drain(machine, machine->cpu);
    for (uint64_t at = start; (leaf = pagetable_next_leaf(mm, at, end));) {
        uint64_t first = MAX(at, leaf->base);
        uint64_t last = MIN(end, leaf->base + leaf_span_bytes(arch));
        uint32_t index = leaf_index(arch, first);
        uint32_t limit = index + (uint32_t)bytes_to_pages(last - first);

        while (index < limit)
            index += page_out_entry(leaf, index, limit);
        at = leaf->base + leaf_span_bytes(arch);
    }
}
