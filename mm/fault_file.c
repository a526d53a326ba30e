/*
 * Faults on files, shmem and shared anonymous memory: pages of the page cache
 * are mapped, made writable, or copied into a private mapping.
 */
#include "mm/anon.h"
#include "mm/fault_private.h"
#include "mm/file.h"
#include "mm/mapping.h"

#define KEEPS_FILE_END_VERSION 6018000
#define LATE_LEAF_VERSION      4008000  // recalled; 6.18 measured

/* Map one page-cache page; false: no memory for its reverse mapping. */
static bool
map_file_page(struct vma *vma, struct leaf *leaf, uint64_t addr, pfn_t pfn,
              uint64_t bits)
{
    struct machine *machine = vma->mm->machine;
    uint32_t index = leaf_index(machine->arch, addr);

    leaf->pte[index] = pte_make(pfn, PTE_PRESENT | PTE_FILE | bits);
    leaf->used_count++;
    charge(machine, CHARGE_pte_update, 1);
    if (mapping_add_run(vma, leaf, index, 1) == 1)
        return true;
    leaf->pte[index] = PTE_NONE;
    leaf->used_count--;
    return false;
}

/* Shared shmem pages are writable at once: nobody waits for their dirtying. */
static uint64_t
read_bits(const struct vma *vma)
{
    bool is_writable = (vma->flags & VM_SHARED) && (vma->flags & VM_WRITE) &&
                       vma->file->is_shmem;

    return is_writable ? PTE_WRITE : 0;
}

/* From 6.18 on a table is not begun with the last page of a file, so that a
 * huge page never reaches beyond it: filemap_map_pages(), measured on 6.18.44.
 * shmem is not asked. */
static bool
begins_no_table(const struct vma *vma, uint64_t index)
{
    return vma->mm->machine->kernel.version >= KEEPS_FILE_END_VERSION &&
           !vma->file->is_shmem &&
           index + 1 == bytes_to_pages(page_ceil(vma->file->size_bytes));
}

/* Neighbours that are in the page cache already are mapped with the page (3.15
 * on, do_fault_around()); there may be no table yet.  Pages of vdso and vvar
 * are in no cache: each comes with a fault of its own. */
static void
fault_around(struct vma *vma, uint64_t addr)
{
    struct machine *machine = vma->mm->machine;
    const struct arch *arch = machine->arch;
    uint64_t window = pages_to_bytes(machine->kernel.fault_around_pages);
    uint64_t span = leaf_span_bytes(arch), base = addr & ~(span - 1);
    uint64_t from = MAX(addr & ~(window - 1), MAX(vma->start, base));
    uint64_t to = MIN(from + window, MIN(vma->end, base + span));
    struct leaf *leaf = pagetable_leaf(vma->mm, addr);

    if (window <= PAGE_BYTES || (vma->flags & VM_SPECIAL))
        return;
    for (uint64_t at = from; at < to; at += PAGE_BYTES) {
        uint64_t index = vma_index(vma, at);

        if (at == addr ||
            (leaf && leaf->pte[leaf_index(arch, at)] != PTE_NONE))
            continue;
        pfn_t pfn = file_get_around(vma->file, machine->cpu, index);

        if (pfn_is_none(pfn))
            continue;
        if (!leaf && begins_no_table(vma, index))
            return;
        if (!leaf)
            leaf = pagetable_leaf_alloc(vma->mm, addr);
        if (!leaf || !map_file_page(vma, leaf, at, pfn, read_bits(vma)))
            return;
        machine->counters.fault_around_pages++;
    }
}

static uint64_t
file_pte_bits(const struct touch *touch, const struct vma *vma)
{
    bool is_shared_write =
        touch->access == TOUCH_WRITE && (vma->flags & VM_SHARED);

    return PTE_ACCESSED |
           (is_shared_write ? PTE_WRITE | PTE_DIRTY : read_bits(vma));
}

/* No such page: SIGBUS.  The fault has descended the page tables by then (only
 * the last one waits, from 4.8 on, until there is a page to map), and a read
 * has mapped what is cached around. */
static void
beyond_file(struct touch *touch, struct vma *vma, uint64_t addr)
{
    if (touch->access != TOUCH_WRITE)
        fault_around(vma, addr);
    if (touch->machine->kernel.version >= LATE_LEAF_VERSION
            ? !pagetable_directory_alloc(touch->mm, addr)
            : !pagetable_leaf_alloc(touch->mm, addr)) {
        end_for_want_of_memory(touch);
        return;
    }
    fault_refused(touch, OUTCOME_BUS, 1);
}

/* The page of a file, or the touch's end in SIGBUS or for want of memory. */
static bool
get_file_page(struct touch *touch, struct vma *vma, uint64_t addr, pfn_t *pfn,
              bool *is_major)
{
    switch (file_get_page(vma->file, touch->cpu, vma_index(vma, addr), pfn)) {
    case FILE_GET_MINOR:
        *is_major = false;
        return true;
    case FILE_GET_MAJOR:
        *is_major = true;
        return true;
    case FILE_GET_BEYOND:
        beyond_file(touch, vma, addr);
        return false;
    case FILE_GET_NOMEM:
        end_for_want_of_memory(touch);
        return false;
    }
    return false;
}

void
fault_map_file(struct touch *touch, struct vma *vma, uint64_t addr)
{
    struct machine *machine = touch->machine;
    bool is_major;
    pfn_t pfn;

    if (!get_file_page(touch, vma, addr, &pfn, &is_major))
        return;
    struct leaf *leaf = pagetable_leaf_alloc(touch->mm, addr);
    if (!leaf ||
        !map_file_page(vma, leaf, addr, pfn, file_pte_bits(touch, vma))) {
        end_for_want_of_memory(touch);
        return;
    }
    if (touch->access == TOUCH_WRITE)
        page_of(machine, pfn)->flags |= PAGE_DIRTY;
    else
        fault_around(vma, addr);
    machine->counters.fault_major_count += is_major && !touch->gup;
    note_faults(touch, &machine->counters.fault_file_count, 1);
    touch_content(touch, leaf, addr, 1);
    note_outcome(touch, OUTCOME_FILE, 1);
    advance(touch, 1);
}

void
fault_prepare_file_copy(struct touch *touch, struct vma *vma, uint64_t addr)
{
    bool is_major;
    pfn_t pfn;

    /* The identity comes first, even where there turns out to be no page. */
    if (!anon_prepare(vma)) {
        end_for_want_of_memory(touch);
        return;
    }
    if (!get_file_page(touch, vma, addr, &pfn, &is_major))
        return;
    if (!pagetable_leaf_alloc(touch->mm, addr)) {
        end_for_want_of_memory(touch);
        return;
    }
    touch->work.expected[0] = PTE_NONE;
    fault_prepare_copy(touch, vma, addr, pfn, FAULT_FILE_COPY, is_major);
}

void
fault_make_writable(struct touch *touch, struct leaf *leaf, uint64_t addr)
{
    struct machine *machine = touch->machine;
    pte_t *pte = &leaf->pte[leaf_index(machine->arch, addr)];

    *pte |= PTE_WRITE | PTE_DIRTY | PTE_ACCESSED;
    page_of(machine, pte_pfn(*pte))->flags |= PAGE_DIRTY;
    charge(machine, CHARGE_pte_update, 1);
    note_faults(touch, &machine->counters.fault_file_count, 1);
    touch_content(touch, leaf, addr, 1);
    note_outcome(touch, OUTCOME_FILE, 1);
    advance(touch, 1);
}
