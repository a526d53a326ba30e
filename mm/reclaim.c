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
#include "mm/vrange.h"

#define DIRECT_TARGET_PAGES 32  // SWAP_CLUSTER_MAX

void
reclaim_wake_kswapd(struct machine *machine)
{
    machine->kswapd_wanted = true;
}

/* ---- lazily freed pages ---- */

static bool
see_if_written(struct leaf *leaf, uint32_t index, void *data)
{
    bool *is_written = data;
    uint64_t addr = leaf->base + pages_to_bytes(index);
    const struct vma *vma = vma_find_quiet(leaf->mm, addr);
    pte_t pte = leaf->pte[index];

    if (vma && (vma->flags & VM_LOCKED)) {
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
    lru_remove(machine, page);
    page->flags &= ~(uint32_t)PAGE_LAZY;
    lru_link_head(machine, page, LRU_ANON);
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

    if (vma && (vma->flags & VM_LOCKED))
        *is_accessed = true;
    if (leaf->pte[index] & PTE_ACCESSED) {
        leaf->pte[index] &= ~PTE_ACCESSED;
        *is_accessed = true;
    }
    return true;
}

/* Judge the oldest page of the cache; frames freed (0 or 1). */
static uint64_t
judge_file_page(struct machine *machine, struct page *page)
{
    bool is_accessed = false;
    uint64_t unmapped = 0;

    machine->counters.reclaim_scanned_pages++;
    if (page->map_count)
        rmap_walk_referenced(machine, page, see_if_accessed, &is_accessed);
    if (page->map_count && !is_accessed)
        rmap_walk(machine, page, unmap_entry, &unmapped);
    machine->reclaimed_mapped_count += unmapped > 0;
    if (is_accessed || page->map_count || (page->flags & PAGE_DIRTY)) {
        lru_remove(machine, page);
        lru_link_head(machine, page, LRU_FILE);
        return 0;
    }
    file_forget_unused(g_ptr_array_index(machine->files, page->home));
    file_drop_page(machine, machine->cpu, pfn_of(machine, page));
    machine->counters.reclaim_freed_pages++;
    return 1;
}

static uint64_t
reclaim_file(struct machine *machine, uint64_t target)
{
    const struct lru *lru = &machine->lru[LRU_FILE];
    uint64_t freed = 0;

    /* Twice round: the first may only clear accessed bits. */
    for (uint64_t left = 2 * lru->count; left && freed < target && lru->count;
         left--)
        freed += judge_file_page(machine, &machine->pages[lru->tail]);
    return freed;
}

static uint64_t
reclaim_pages(struct machine *machine, uint64_t target)
{
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
 * A page of a file that a process pages out, used lately or not.  Its entry
 * goes in any case; a dirty page stays in memory, marked as one that is to go
 * as soon as it was written back -- the mark that also starts read-ahead.  A
 * dirty page of shmem would have to go to swap.
 */
static void
page_out_file_page(struct machine *machine, struct page *page)
{
    uint64_t unmapped = 0;

    machine->counters.reclaim_scanned_pages++;
    rmap_walk(machine, page, unmap_entry, &unmapped);
    if (page->map_count == 0 && !(page->flags & PAGE_DIRTY)) {
        file_drop_page(machine, machine->cpu, pfn_of(machine, page));
        machine->counters.reclaim_freed_pages++;
        return;
    }
    if (!(page->flags & PAGE_SHMEM))
        page->flags |= PAGE_READAHEAD;
    lru_remove(machine, page);
    lru_link_head(machine, page,
                  page->flags & PAGE_SHMEM ? LRU_SHMEM : LRU_FILE);
}

/* One present entry; what others map, too, or what is on no list yet stays. */
static void
page_out_entry(struct machine *machine, pte_t pte)
{
    enum pte_class class = pte_class(pte);

    if (class != PTE_CLASS_ANON && class != PTE_CLASS_FILE)
        return;
    struct page *page = page_of(machine, pte_pfn(pte));

    if (page->map_count != 1 || !(page->flags & PAGE_LRU))
        return;
    if (class == PTE_CLASS_FILE)
        page_out_file_page(machine, page);
    else if (page->flags & PAGE_LAZY)
        discard_lazy(machine, page);
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
        uint64_t last = MIN(end, leaf->base + leaf_span_bytes(arch));

        for (uint64_t addr = MAX(at, leaf->base); addr < last;
             addr += PAGE_BYTES)
            page_out_entry(machine, leaf->pte[leaf_index(arch, addr)]);
        at = leaf->base + leaf_span_bytes(arch);
    }
}
