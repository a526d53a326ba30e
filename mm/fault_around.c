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

static void
note_mapped(struct around *around, uint64_t from, uint32_t count)
{
    struct machine *machine = around->vma->mm->machine;
    bool has_own = around->addr - from < pages_to_bytes(count);

    machine->counters.fault_around_pages += count - has_own;
    around->is_mapped |= has_own;
}

/* Map pages from `from` on where there is nothing yet: those of `pfns`, or of a
 * folio from the first of them on.  On x86 all count as accessed.  false: no
 * memory. */
static bool
map_found(struct around *around, uint64_t from, uint32_t pages,
          const pfn_t *pfns, bool is_folio)
{
    struct vma *vma = around->vma;
    struct leaf *leaf = around->leaf;
    uint32_t index = leaf_index(vma->mm->machine->arch, from), count, mapped;
    uint64_t bits = PTE_ACCESSED | fault_read_bits(vma);

    around->found_pages += pages;
    for (uint32_t i = 0; i < pages; i += MAX(count, 1)) {
        count = none_run(leaf, index + i, pages - i);
        if (count == 0)
            continue;
        mapped = is_folio ? fault_map_folio(vma, leaf, index + i,
                                            (pfn_t){pfns->v + i}, count, bits)
                          : fault_map_pages(vma, leaf, index + i, &pfns[i],
                                            count, bits);
        note_mapped(around, from + pages_to_bytes(i), mapped);
        if (mapped < count)
            return false;
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

/* Map what is at `at` and lies ready, with what follows; *at moves on. */
static bool
map_ready(struct around *around, uint64_t *at, uint64_t end)
{
    pfn_t pfns[FAULT_RUN_MAX];
    uint32_t max = (uint32_t)MIN(bytes_to_pages(end - *at), FAULT_RUN_MAX);
    uint32_t pages =
        around->leaf ? fault_find_run(around->vma, *at, max, pfns) : 0;

    if (pages == 0)
        return false;
    map_found(around, *at, pages, pfns, false);
    *at += pages_to_bytes(pages);
    return true;
}

/* Map the page at `at` with its folio, if it is in memory; *at moves on.
 * false: there is no table to map it in, or no memory. */
static bool
map_next(struct around *around, uint64_t *at, uint64_t end)
{
    struct vma *vma = around->vma;
    struct machine *machine = vma->mm->machine;
    uint64_t from = *at, to = end;
    pfn_t pfn = file_get_around(vma->file, machine->cpu, vma_index(vma, from));

    *at += PAGE_BYTES;
    if (pfn_is_none(pfn))
        return true;
    struct page *page = page_of(machine, pfn);

    if (!around->leaf) {
        *at = from;  // memory for the table may have cost the page
        return !begins_no_table(vma, page) && begin_table(around);
    }
    widen(vma, page, *at - PAGE_BYTES, &from, &to);
    pfn.v -= (uint32_t)bytes_to_pages(*at - PAGE_BYTES - from);
    *at = MAX(*at, to);
    return map_found(around, from, (uint32_t)bytes_to_pages(to - from), &pfn,
                     true);
}

uint32_t
fault_around_left(const struct vma *vma, uint64_t addr)
{
    uint32_t pages = vma->mm->machine->kernel.fault_around_pages;

    return pages - ((uint32_t)bytes_to_pages(addr) & (pages - 1));
}

bool
fault_around(struct vma *vma, uint64_t addr)
{
    struct machine *machine = vma->mm->machine;
    uint64_t window = pages_to_bytes(machine->kernel.fault_around_pages);
    uint64_t span = leaf_span_bytes(machine->arch), base = addr & ~(span - 1);
    uint64_t at = MAX(addr & ~(window - 1), MAX(vma->start, base));
    uint64_t end = MIN(at + window, MIN(vma->end, base + span));
    struct around around = {vma, addr, pagetable_leaf(vma->mm, addr), 0, false};

    while (at < end)
        if (!map_ready(&around, &at, end) && !map_next(&around, &at, end))
            break;
    readahead_found_around(vma->file, around.found_pages);
    return around.is_mapped;
}
