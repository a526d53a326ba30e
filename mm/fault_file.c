/*
 * Faults on files, shmem and shared anonymous memory: pages of the page cache
 * are mapped, made writable, or copied into a private mapping.
 */
#include "mm/anon.h"
#include "mm/fault_private.h"
#include "mm/file.h"
#include "mm/mapping.h"
#include "mm/rmap.h"

#define LATE_LEAF_VERSION 4008000  // recalled; 6.18 measured

uint32_t
fault_map_pages(struct vma *vma, struct leaf *leaf, uint32_t index,
                const pfn_t *pfns, uint32_t count, uint64_t bits)
{
    struct machine *machine = vma->mm->machine;
    pte_t *pte = &leaf->pte[index];

    for (uint32_t i = 0; i < count; i++)
        pte[i] = pte_make(pfns[i], PTE_PRESENT | PTE_FILE | bits);
    leaf->used_count += count;
    charge(machine, CHARGE_pte_update, count);
    uint32_t added = mapping_add_run(vma, leaf, index, count);

    if (vma_is_locked(vma) && folio_pages(page_of(machine, pfns[0])) == 1)
        mapping_mlock_run(machine, leaf, index, added, true);
    for (uint32_t i = added; i < count; i++)
        pte[i] = PTE_NONE;
    leaf->used_count -= count - added;
    return added;
}

uint32_t
fault_map_folio(struct vma *vma, struct leaf *leaf, uint32_t index, pfn_t pfn,
                uint32_t count, uint64_t bits)
{
    uint32_t max = vma->mm->machine->policy.rmap->add_run ? 1 : FAULT_RUN_MAX;
    pfn_t pfns[FAULT_RUN_MAX];
    uint32_t done = 0, part, added;

    do {
        part = MIN(count - done, max);
        for (uint32_t i = 0; i < part; i++)
            pfns[i].v = pfn.v + done + i;
        added = fault_map_pages(vma, leaf, index + done, pfns, part, bits);
        done += added;
    } while (added == part && done < count);
    return done;
}

uint32_t
fault_find_run(const struct vma *vma, uint64_t addr, uint32_t max, pfn_t *pfns)
{
    uint32_t count = file_find_run(vma->file, vma_index(vma, addr),
                                   MIN(max, FAULT_RUN_MAX), pfns);

    return rmap_run_at_hand(vma->mm->machine, pfns, count);
}

uint64_t
fault_read_bits(const struct vma *vma)
{
    bool is_writable = (vma->flags & VM_SHARED) && (vma->flags & VM_WRITE) &&
                       vma->file->is_shmem;

    return is_writable ? PTE_WRITE : 0;
}

static uint64_t
file_pte_bits(const struct touch *touch, const struct vma *vma)
{
    bool is_shared_write =
        touch->access == TOUCH_WRITE && (vma->flags & VM_SHARED);

    return PTE_ACCESSED |
           (is_shared_write ? PTE_WRITE | PTE_DIRTY : fault_read_bits(vma));
}

bool
fault_folio_fits(const struct vma *vma, uint64_t addr, uint64_t start,
                 uint64_t bytes)
{
    return start <= addr && start >= vma->start && bytes <= vma->end - start &&
           ((start ^ addr) | (start ^ (start + bytes - 1))) <
               leaf_span_bytes(vma->mm->machine->arch);
}

/* No such page: SIGBUS.  The fault has descended the page tables by then; only
 * the last one waits, from 4.8 on, until there is a page to map. */
static void
beyond_file(struct touch *touch, uint64_t addr)
{
    if (touch->machine->kernel.version >= LATE_LEAF_VERSION
            ? !pagetable_directory_alloc(touch->mm, addr)
            : !pagetable_leaf_alloc(touch->mm, addr)) {
        end_for_want_of_memory(touch);
        return;
    }
    fault_refused(touch, OUTCOME_BUS, 1);
}

enum step { STEP_FOUND, STEP_OVER, STEP_END };

/* What a fault has so far. */
struct attempt {
    pfn_t pfn;
    bool is_major;
    bool is_tried;  // it started over, and knows
};

/* One try of a fault to have its page: it is there, the fault starts over, or
 * the touch is at its end, in SIGBUS or for want of memory. */
static enum step
try_file_page(struct touch *touch, struct vma *vma, uint64_t addr,
              struct attempt *attempt)
{
    switch (file_get_page(vma, touch->cpu, vma_index(vma, addr),
                          attempt->is_tried, &attempt->pfn)) {
    case FILE_GET_MINOR:
        return STEP_FOUND;
    case FILE_GET_MAJOR:
        attempt->is_tried = touch->memory != REMEMBERS_NOTHING;
        attempt->is_major = true;
        return STEP_OVER;
    case FILE_GET_AGAIN:
        attempt->is_tried = touch->memory == REMEMBERS_ALL;
        attempt->is_major |= attempt->is_tried;
        return STEP_OVER;
    case FILE_GET_BEYOND:
        beyond_file(touch, addr);
        return STEP_END;
    case FILE_GET_NOMEM:
        end_for_want_of_memory(touch);
        return STEP_END;
    }
    return STEP_END;
}

/* The page at *addr becomes the first of its large folio, if that can be mapped
 * as a whole, no entry being in use; how many pages that are. */
static uint32_t
take_whole_folio(const struct vma *vma, const struct leaf *leaf, uint64_t *addr,
                 pfn_t *pfn)
{
    struct machine *machine = vma->mm->machine;
    struct page *page = page_of(machine, *pfn), *head = folio_head(page);
    uint64_t start = *addr - pages_to_bytes((uint64_t)(page - head));
    uint32_t count = folio_pages(head);

    if (!fault_folio_fits(vma, *addr, start, pages_to_bytes(count)) ||
        none_run(leaf, leaf_index(machine->arch, start), count) < count)
        return 1;
    *addr = start;
    *pfn = pfn_of(machine, head);
    return count;
}

/* The entry for the page at addr, or those of its folio: finish_fault().
 * Memory for a table may have cost the page: then the fault starts over. */
static enum step
map_own(struct touch *touch, struct vma *vma, uint64_t addr, pfn_t pfn)
{
    struct leaf *leaf = pagetable_leaf_alloc(touch->mm, addr);
    uint64_t bits = file_pte_bits(touch, vma);

    if (!leaf) {
        end_for_want_of_memory(touch);
        return STEP_END;
    }
    if (file_lookup(vma->file, vma_index(vma, addr)).v != pfn.v)
        return STEP_OVER;
    uint32_t count = take_whole_folio(vma, leaf, &addr, &pfn);
    uint32_t index = leaf_index(touch->machine->arch, addr);

    if (fault_map_folio(vma, leaf, index, pfn, count, bits) < count) {
        end_for_want_of_memory(touch);
        return STEP_END;
    }
    touch->machine->counters.fault_around_pages += count - 1;
    return STEP_FOUND;
}

/* `count` faults got their pages. */
static void
note_mapped(struct touch *touch, struct leaf *leaf, uint64_t addr,
            uint32_t count)
{
    struct machine *machine = touch->machine;
    const pte_t *pte = &leaf->pte[leaf_index(machine->arch, addr)];

    if (touch->access == TOUCH_WRITE)
        for (uint32_t i = 0; i < count; i++)
            folio_mark_dirty(page_of(machine, pte_pfn(pte[i])));
    note_faults(touch, &machine->counters.fault_file_count, count);
    touch_content(touch, leaf, addr, count);
    note_outcome(touch, OUTCOME_FILE, count);
    advance(touch, count);
}

/* Pages that lie ready from addr on, or new ones of shmem, a fault each; false:
 * the first has to come another way.  A new page that is locked goes through
 * two batches in turns with others, hence alone. */
static bool
map_run(struct touch *touch, struct vma *vma, struct leaf *leaf, uint64_t addr,
        uint32_t max_pages)
{
    uint32_t index = leaf_index(touch->machine->arch, addr);
    uint32_t max = none_run(leaf, index, MIN(max_pages, FAULT_RUN_MAX));
    pfn_t pfns[FAULT_RUN_MAX];
    uint32_t count = fault_find_run(vma, addr, max, pfns);

    if (count == 0 && vma->file->is_shmem && !vma_is_locked(vma))
        count = file_add_run(vma->file, touch->cpu, vma_index(vma, addr), max,
                             pfns);
    if (count == 0)
        return false;
    count = fault_map_pages(vma, leaf, index, pfns, count,
                            file_pte_bits(touch, vma));
    readahead_found_run(vma, count);
    note_mapped(touch, leaf, addr, count);
    return true;
}

/* How many pages from addr on can be worked on as those of map_run(): where
 * pages around are mapped, only new ones of shmem, of which nothing was around
 * the others. */
static uint32_t
run_limit(const struct vma *vma, uint64_t addr, bool maps_around, uint32_t max)
{
    if (!maps_around)
        return max;
    return vma->file->is_shmem ? MIN(max, fault_around_left(vma, addr)) : 0;
}

void
fault_map_file(struct touch *touch, struct vma *vma, struct leaf *leaf,
               uint64_t addr, uint32_t max_pages)
{
    bool maps_around = touch->access != TOUCH_WRITE && fault_maps_around(vma);
    struct attempt attempt = {.pfn = PFN_NONE};
    enum step step = STEP_OVER;

    max_pages = run_limit(vma, addr, maps_around, leaf ? max_pages : 0);
    while (step == STEP_OVER) {
        if (maps_around && fault_around(vma, addr))
            break;
        if (max_pages && map_run(touch, vma, leaf, addr, max_pages))
            return;
        max_pages = 0;  // it has begun
        step = try_file_page(touch, vma, addr, &attempt);
        if (step == STEP_FOUND)
            step = map_own(touch, vma, addr, attempt.pfn);
    }
    if (step == STEP_END)
        return;
    touch->machine->counters.fault_major_count +=
        attempt.is_major && !touch->gup;
    note_mapped(touch, pagetable_leaf(touch->mm, addr), addr, 1);
}

/* The first page of a run is to be copied; so are those behind it that lie
 * ready, as far as frames are at hand. */
static void
extend_copies(struct touch *touch, struct vma *vma, const struct leaf *leaf,
              uint64_t addr, uint32_t max)
{
    struct fault_work *work = &touch->work;
    uint32_t index = leaf_index(touch->machine->arch, addr);
    pfn_t sources[FAULT_RUN_MAX];

    if (max == 1)
        return;
    uint32_t count = file_find_run(vma->file, vma_index(vma, addr) + 1,
                                   none_run(leaf, index + 1, max - 1), sources);

    for (uint32_t i = 1; i <= count; i++)
        work->expected[i] = PTE_NONE;
    fault_prepare_more_copies(touch, sources, count);
    readahead_found_run(vma, work->count - 1);
}

void
fault_prepare_file_copy(struct touch *touch, struct vma *vma, uint64_t addr,
                        uint32_t max_pages)
{
    struct attempt attempt = {.pfn = PFN_NONE};
    enum step step;

    /* The identity comes first, even where there turns out to be no page. */
    if (!anon_prepare(vma)) {
        end_for_want_of_memory(touch);
        return;
    }
    do
        step = try_file_page(touch, vma, addr, &attempt);
    while (step == STEP_OVER);
    if (step == STEP_END)
        return;
    struct leaf *leaf = pagetable_leaf_alloc(touch->mm, addr);

    if (!leaf) {
        end_for_want_of_memory(touch);
        return;
    }
    touch->work.expected[0] = PTE_NONE;
    fault_prepare_copy(touch, vma, addr, attempt.pfn, FAULT_FILE_COPY,
                       attempt.is_major);
    if (touch_is_pending(touch) && !attempt.is_major)
        extend_copies(touch, vma, leaf, addr, max_pages);
}

void
fault_make_writable(struct touch *touch, struct leaf *leaf, uint64_t addr,
                    uint32_t max_pages)
{
    struct machine *machine = touch->machine;
    pte_t *pte = &leaf->pte[leaf_index(machine->arch, addr)];
    uint32_t count = 0;

    do
        pte[count++] |= PTE_WRITE | PTE_DIRTY | PTE_ACCESSED;
    while (count < max_pages &&
           (pte[count] & (PTE_PRESENT | PTE_WRITE)) == PTE_PRESENT);
    charge(machine, CHARGE_pte_update, count);
    note_mapped(touch, leaf, addr, count);
}
