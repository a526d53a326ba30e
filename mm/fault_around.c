/*
 * Pages around a fault that are in the page cache already are mapped, the one
 * of the fault with the others (3.15 on, do_fault_around()).
 */
#include "mm/fault_private.h"
#include "mm/file.h"

#define KEEPS_FILE_END_VERSION 6018000

/* From 6.18 on a table is not begun with the last page of a file, so that a
 * huge page never reaches beyond it: filemap_map_pages(), measured on 6.18.44.
 * shmem is not asked. */
static bool
begins_no_table(const struct vma *vma, struct page *page)
{
    const struct page *head = folio_head(page);

    return vma->mm->machine->kernel.version >= KEEPS_FILE_END_VERSION &&
           !vma->file->is_shmem &&
           head->index + folio_pages(head) >= file_size_pages(vma->file);
}

/* What a fault on `addr` maps around it. */
struct around {
    struct vma *vma;
    uint64_t addr;      // which is not counted
    struct leaf *leaf;  // NULL: no table yet
    uint64_t found_pages;
    bool is_mapped;  // addr is
};

static bool
begin_table(struct around *around)
{
    around->leaf = pagetable_leaf_alloc(around->vma->mm, around->addr);
    return around->leaf;
}

/* Map [from, to), pages of the cache from `pfn` on; false: no memory. */
static bool
map_found(struct around *around, uint64_t from, uint64_t to, pfn_t pfn)
{
    struct vma *vma = around->vma;
    struct machine *machine = vma->mm->machine;

    for (uint64_t at = from; at < to; at += PAGE_BYTES, pfn.v++) {
        bool is_own = at == around->addr;

        around->found_pages++;
        if (around->leaf->pte[leaf_index(machine->arch, at)] != PTE_NONE)
            continue;
        if (!fault_map_page(vma, around->leaf, at, pfn,
                            fault_read_bits(vma) | (is_own ? PTE_ACCESSED : 0)))
            return false;
        machine->counters.fault_around_pages += !is_own;
        around->is_mapped |= is_own;
    }
    return true;
}

/* A large folio is mapped whole, also beyond the window, unless it crosses the
 * end of its VMA, of the page table, or has the last page of the file. */
static void
widen(const struct vma *vma, struct page *page, uint64_t addr, uint64_t *from,
      uint64_t *to)
{
    const struct page *head = folio_head(page);
    uint64_t bytes = pages_to_bytes(folio_pages(head));
    uint64_t start = addr - pages_to_bytes((uint64_t)(page - head));

    *from = addr;
    *to = MIN(*to, start + bytes);
    if (bytes > PAGE_BYTES && fault_folio_fits(vma, addr, start, bytes) &&
        head->index + folio_pages(head) < file_size_pages(vma->file)) {
        *from = start;
        *to = start + bytes;
    }
}

/* Pages of vdso and vvar are in no cache: each comes with a fault of its own.
 */
bool
fault_maps_around(const struct vma *vma)
{
    return vma->mm->machine->kernel.fault_around_pages > 1 &&
           !(vma->flags & VM_SPECIAL);
}

bool
fault_around(struct vma *vma, uint64_t addr)
{
    struct machine *machine = vma->mm->machine;
    const struct arch *arch = machine->arch;
    uint64_t window = pages_to_bytes(machine->kernel.fault_around_pages);
    uint64_t span = leaf_span_bytes(arch), base = addr & ~(span - 1);
    uint64_t at = MAX(addr & ~(window - 1), MAX(vma->start, base));
    uint64_t end = MIN(at + window, MIN(vma->end, base + span));
    struct around around = {vma, addr, pagetable_leaf(vma->mm, addr), 0, false};

    while (at < end) {
        uint64_t from = at, to = end;
        pfn_t pfn =
            file_get_around(vma->file, machine->cpu, vma_index(vma, at));

        at += PAGE_BYTES;
        if (pfn_is_none(pfn))
            continue;
        struct page *page = page_of(machine, pfn);

        if (!around.leaf) {
            if (begins_no_table(vma, page) || !begin_table(&around))
                break;
            at = from;  // memory for the table may have cost the page
            continue;
        }
        widen(vma, page, from, &from, &to);
        pfn.v -= (uint32_t)bytes_to_pages(at - PAGE_BYTES - from);
        at = MAX(at, to);
        if (!map_found(&around, from, to, pfn))
            break;
    }
    readahead_found_around(vma->file, around.found_pages);
    return around.is_mapped;
}
