/*
 * machine_validate(): every numbered invariant of the simulated kernel.
 *
 * Each module checks its own structure; this file checks what lies between
 * them, by brute force over all page tables and all frames ever used:
 *
 *   M1  Each frame below a zone's virgin extent is in exactly one place: the
 *       number of frames of each kind is what the gauges say.
 *   M2  page.map_count is the number of PTEs that name the frame.
 *   M3  The reverse map finds every one of them.
 *   M4  RSS of an address space is what its PTEs say.
 *   M5  RAM - reserved = anon + file + page table + slab + task + free
 *       (identity 4).
 *   M6  Without tasks there is no address space, no VMA, no page table, no
 *       anonymous frame but the hog's, no rmap object.
 *
 * The walks count nothing: counters and charges are put back.
 */
#include "mm/anon.h"
#include "mm/aspace.h"
#include "mm/file.h"
#include "mm/lru.h"
#include "mm/machine.h"
#include "mm/maple.h"
#include "mm/mapping.h"
#include "mm/rmap.h"
#include "mm/unevictable.h"
#include "mm/vrange.h"
#include "mm/zero_page.h"

#include <string.h>

/* PTEs that name each frame, by pfn. */
struct census {
    uint32_t *map_counts;
    uint64_t rss_pages[RSS_KIND_COUNT];  // of one mm
    uint64_t mlocked_count;
};

static void
count_entry(struct machine *machine, pte_t pte, struct census *census)
{
    enum pte_class class = pte_class(pte);

    if (class == PTE_CLASS_ZERO && zero_page_counts_rss(machine))
        census->rss_pages[RSS_FILE]++;
    if (class != PTE_CLASS_ANON && class != PTE_CLASS_FILE)
        return;

    const struct page *page = page_of(machine, pte_pfn(pte));
    mm_invariant(M1, page_state(page) ==
                         (class == PTE_CLASS_ANON ? PAGE_ANON : PAGE_FILE));
    census->map_counts[pte_pfn(pte).v]++;
    if (class == PTE_CLASS_ANON)
        census->rss_pages[RSS_ANON]++;
    else
        census->rss_pages[page->flags & PAGE_SHMEM ? RSS_SHMEM : RSS_FILE]++;
}

static void
count_mm(struct mm *mm, struct census *census)
{
    const struct arch *arch = mm->pagetable.arch;
    struct leaf *leaf;

    memset(census->rss_pages, 0, sizeof(census->rss_pages));
    for (uint64_t at = 0; (leaf = pagetable_next_leaf(mm, at, arch->task_size));
         at = leaf->base + leaf_span_bytes(arch))
        for (uint32_t i = 0; i < leaf_entries(arch); i++)
            count_entry(mm->machine, leaf->pte[i], census);
    for (unsigned kind = 0; kind < RSS_KIND_COUNT; kind++)
        mm_invariant(M4, mm->rss_pages[kind] == census->rss_pages[kind]);
}

static bool
count_visit(struct leaf *leaf, uint32_t index, void *data)
{
    uint32_t *found = data;

    (void)leaf;
    (void)index;
    (*found)++;
    return true;
}

static void
check_frame(struct machine *machine, uint32_t pfn, const struct census *census)
{
    struct page *page = &machine->pages[pfn];
    uint32_t found = 0;

    if (page_state(page) != PAGE_ANON && page_state(page) != PAGE_FILE) {
        mm_invariant(M2, census->map_counts[pfn] == 0);
        return;
    }
    mm_invariant(M2, page->map_count == census->map_counts[pfn]);
    if (page->flags & PAGE_UNEVICTABLE)
        mm_invariant(U1, (page->flags & (PAGE_MLOCKED | PAGE_LRU |
                                         PAGE_IN_BATCH)) == PAGE_MLOCKED);
    if (page->map_count == 0)
        return;
    rmap_walk(machine, page, count_visit, &found);
    mm_invariant(M3, found == page->map_count);
}

/* Frames [start, end), by the gauge that they count in. */
static void
check_frame_range(struct machine *machine, uint32_t start, uint32_t end,
                  struct census *census, uint64_t *bytes)
{
    for (uint32_t pfn = start; pfn < end; pfn++) {
        const struct page *page = &machine->pages[pfn];

        bytes[page_state_gauge(page_state(page))] += PAGE_BYTES;
        census->mlocked_count += (page->flags & PAGE_MLOCKED) != 0;
        check_frame(machine, pfn, census);
    }
}

/* Frames that were never used have no records to look at. */
static void
check_frames(struct machine *machine, struct census *census)
{
    uint64_t bytes[GAUGE_COUNT + 1] = {0};

    for (unsigned i = 0; i < machine->zone_count; i++) {
        const struct zone *zone = &machine->zones[i];

        check_frame_range(machine, zone->start, zone->virgin, census, bytes);
        check_frame_range(machine, zone->virgin_end, zone->end, census, bytes);
    }
    mm_invariant(U3, census->mlocked_count == machine->mlocked_count);
    for (unsigned state = PAGE_ANON; state < PAGE_RESERVED; state++) {
        enum mm_gauge gauge = page_state_gauge((enum page_state)state);

        mm_invariant(M1, bytes[gauge] == machine->gauge[gauge]);
    }
}

static void
check_sums(const struct machine *machine)
{
    const uint64_t *gauge = machine->gauge;

    mm_invariant(
        M5, pages_to_bytes(machine->ram_pages - machine->reserved_pages) ==
                gauge[GAUGE_anon_bytes] + gauge[GAUGE_file_bytes] +
                    gauge[GAUGE_pagetable_bytes] + gauge[GAUGE_slab_bytes] +
                    gauge[GAUGE_task_bytes] + gauge[GAUGE_free_bytes]);
    if (machine->tasks)
        return;
    mm_invariant(M6, !machine->mms);
    mm_invariant(M6, gauge[GAUGE_task_count] == 0);
    mm_invariant(M6, gauge[GAUGE_task_bytes] == 0);
    mm_invariant(M6, gauge[GAUGE_vma_count] == 0);
    mm_invariant(M6, gauge[GAUGE_pagetable_bytes] == 0);
    mm_invariant(M6, gauge[GAUGE_resident_bytes] == 0);
    mm_invariant(M6, gauge[GAUGE_rmap_bytes] == 0);
    mm_invariant(M6, gauge[GAUGE_slab_bytes] == 0);
    mm_invariant(M6,
                 gauge[GAUGE_anon_bytes] == pages_to_bytes(machine->hog_pages));
    mm_invariant(M6, machine->committed_pages == 0);
}

void
machine_validate(struct machine *machine)
{
    struct mm_counters counters = machine->counters;
    uint64_t charges[CHARGE_COUNT];
    struct census census = {.map_counts = g_new0(uint32_t, machine->ram_pages)};

    memcpy(charges, machine->charges, sizeof(charges));
    zone_validate(machine);
    slab_validate(machine);
    lru_validate(machine);
    unevictable_validate(machine);
    file_validate(machine);
    vrange_validate(machine);
    anon_validate(machine);
    maple_validate_nodes(machine);
    rmap_validate(machine);
    for (struct mm *mm = machine->mms; mm; mm = mm->next) {
        mm_validate(mm);
        count_mm(mm, &census);
    }
    check_frames(machine, &census);
    check_sums(machine);
    g_free(census.map_counts);
    memcpy(machine->charges, charges, sizeof(charges));
    machine->counters = counters;
}
