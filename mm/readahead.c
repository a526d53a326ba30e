/*
 * Read-ahead of files on disk, as 6.18 has it for mappings.
 *
 * A fault that does not find its page reads a window, and marks one page in it
 * as the sign to read on: a fault on that page reads the next window before
 * anybody waits for it.
 *
 *   VMA         window                               sign
 *   normal      half before the page, half after     last quarter
 *   executable  from the page on, not beyond VMA     none
 *   sequential  from the page on                     half, at the file's start
 *   hugepage    two blocks of 2 MiB, random: one     at the second
 *   random      the page alone                       none
 *
 *       start                                    start + size
 *         |-----------------------|================|
 *                                 ^ sign   async_size
 *
 * The window behind a sign is twice as large, up to all of it.  When many more
 * faults had to read than pages were found, windows are given up.  From the
 * first sign on, four pages are read as one large folio, then sixteen, and so
 * on, where the file system can (knob large_folios).
 *
 * Read from do_sync_mmap_readahead(), do_async_mmap_readahead(),
 * page_cache_ra_order(), page_cache_sync_ra(), page_cache_async_ra() and
 * force_page_cache_ra() of 6.18, and measured on 6.18.44.
 *
 * Of older kernels less is known, and none was measured:
 *
 *   3.0 to 6.4   the same, without executable and hugepage mappings, large
 *                folios, and window ends at multiples of four (source of 4.19)
 *   2.6          the same window around the page, without a sign (source of
 *                2.6.22); patterns that 2.6.32 saw are not modelled
 *   2.4          an aligned window of 32 pages stands for whatever it did
 *
 * Nor is it modelled that pages which come back soon do not count as found.
 */
#include "mm/readahead.h"

#include "mm/aspace.h"
#include "mm/file.h"
#include "mm/machine.h"
#include "mm/page_alloc.h"

#define FOLIO_VERSION  6018000
#define RETRY_VERSION  5001000  // recalled
#define SIGN_VERSION   3000000  // recalled
#define AROUND_VERSION 2006000
/* How much WILLNEED reads at once; recalled. */
#define REQUEST_LIMIT_VERSION 4010000
#define DEVICE_LIMIT_VERSION  4004000
#define OLD_WINDOW_PAGES      32
#define MISSES_MAX            1000
#define MISSES_TOLERATED      100
#define FOLIO_ORDER_MAX       9
#define ORDER_STEP            2

static uint64_t
max_pages(const struct file *file)
{
    return file->machine->config.read_ahead_kb * UINT64_C(1024) / PAGE_BYTES;
}

static bool
is_since(const struct file *file, uint32_t version)
{
    return file->machine->kernel.version >= version;
}

static bool
has_large_folios(const struct file *file)
{
    return file->machine->config.large_folios && is_since(file, FOLIO_VERSION);
}

/* One movement of the disk, if anything was read since. */
static void
charge_seek(struct machine *machine, uint64_t read_before)
{
    charge(machine, CHARGE_disk_seek,
           machine->charges[CHARGE_disk_read_page] > read_before);
}

/* Read one folio; with the page `sign` in it, it is the sign to go on. */
static bool
read_folio(struct file *file, unsigned cpu, uint64_t index, unsigned order,
           uint64_t sign)
{
    pfn_t pfn = file_read(file, cpu, index, order);

    if (pfn_is_none(pfn))
        return false;
    if (sign >> order == index >> order)
        page_of(file->machine, pfn)->flags |= PAGE_READAHEAD;
    return true;
}

/* What is not in memory yet, each page a folio; the last async_pages are those
 * behind the sign. */
static void
read_pages(struct file *file, unsigned cpu, uint64_t index, uint64_t count,
           uint64_t async_pages)
{
    uint64_t file_pages = file_size_pages(file);

    if (index >= file_pages)
        return;
    count = MIN(count, file_pages - index);
    uint64_t end = index + count;
    uint64_t sign = async_pages <= count ? end - async_pages : UINT64_MAX;

    while (index < end) {
        pfn_t pfns[64];
        uint32_t max = (uint32_t)MIN(end - index, G_N_ELEMENTS(pfns));
        uint32_t run = file_add_run(file, cpu, index, max, pfns);

        if (sign - index < run)
            page_of(file->machine, pfns[sign - index])->flags |= PAGE_READAHEAD;
        if (run == 0 && !file_page_is_cached(file, index) &&
            !read_folio(file, cpu, index, 0, sign))
            return;
        index += MAX(run, 1);
    }
}

/* As large as wanted, aligned, and not beyond the end. */
static unsigned
folio_order_at(uint64_t index, uint64_t end, unsigned order)
{
    if (index & ((UINT64_C(1) << order) - 1))
        order = (unsigned)__builtin_ctzll(index);
    while (order > 0 && index + (UINT64_C(1) << order) > end)
        order--;
    return order;
}

/* The window of readahead.size pages from index on, in folios of the order that
 * it says; what is in the way, or memory that is not to be had, ends that. */
static void
read_window(struct file *file, unsigned cpu, uint64_t index)
{
    struct readahead *ra = &file->readahead;
    uint64_t at = index;

    if (!has_large_folios(file)) {
        ra->order = 0;
    } else {
        uint64_t end = MIN(file_size_pages(file), index + ra->size);
        uint64_t sign = index + ra->size - ra->async_size;
        unsigned size_order = 63 - (unsigned)__builtin_clzll(ra->size);

        ra->order = MIN(MIN(ra->order, FOLIO_ORDER_MAX), size_order);
        while (at < end) {
            unsigned order = folio_order_at(at, end, ra->order);

            if (!read_folio(file, cpu, at, order, sign))
                break;
            at += UINT64_C(1) << order;
        }
        if (at >= end)
            return;
    }
    read_pages(file, cpu, at, ra->size - (at - index), ra->async_size);
}

/* ---- a fault did not find its page ---- */

/* What 2.4 is given. */
static void
read_aligned_window(struct file *file, unsigned cpu, uint64_t index)
{
    read_pages(file, cpu, index & ~(uint64_t)(OLD_WINDOW_PAGES - 1),
               OLD_WINDOW_PAGES, 0);
}

static void
read_huge(struct vma *vma, unsigned cpu, uint64_t index)
{
    struct readahead *ra = &vma->file->readahead;
    uint64_t huge_pages = leaf_entries(vma->mm->machine->arch);

    ra->size = vma->flags & VM_RAND_READ ? huge_pages : 2 * huge_pages;
    ra->async_size = huge_pages;
    ra->order = FOLIO_ORDER_MAX;
    read_window(vma->file, cpu, index & ~(huge_pages - 1));
}

static void
read_sequential(struct file *file, unsigned cpu, uint64_t index)
{
    struct readahead *ra = &file->readahead;

    if (index > 0) {
        read_pages(file, cpu, index, max_pages(file), 0);
        return;
    }
    ra->start = 0;
    ra->size = max_pages(file);
    ra->async_size = ra->size / 2;
    ra->order = 0;
    read_window(file, cpu, 0);
}

static void
read_around(struct vma *vma, unsigned cpu, uint64_t index)
{
    struct readahead *ra = &vma->file->readahead;
    uint64_t size = max_pages(vma->file);

    ra->order = 0;
    if ((vma->flags & VM_EXEC) && is_since(vma->file, FOLIO_VERSION)) {
        uint64_t vma_end = vma->pgoff + bytes_to_pages(vma->end - vma->start);

        ra->start = index;
        ra->size = MIN(size, vma_end - index);
        ra->async_size = 0;
    } else {
        ra->start = index > size / 2 ? index - size / 2 : 0;
        ra->size = size;
        ra->async_size = is_since(vma->file, SIGN_VERSION) ? size / 4 : 0;
    }
    read_window(vma->file, cpu, ra->start);
}

static void
read_on_demand(struct vma *vma, unsigned cpu, uint64_t index)
{
    struct file *file = vma->file;
    struct readahead *ra = &file->readahead;
    bool is_exec = vma->flags & VM_EXEC && is_since(file, FOLIO_VERSION);

    if ((vma->flags & VM_HUGEPAGE) && is_since(file, FOLIO_VERSION)) {
        read_huge(vma, cpu, index);
        return;
    }
    if (((vma->flags & VM_RAND_READ) && !is_exec) || max_pages(file) == 0)
        return;
    if (vma->flags & VM_SEQ_READ) {
        read_sequential(file, cpu, index);
        return;
    }
    ra->miss_count = MIN(ra->miss_count + 1, MISSES_MAX);
    if (ra->miss_count <= MISSES_TOLERATED)
        read_around(vma, cpu, index);
}

void
readahead_missed(struct vma *vma, unsigned cpu, uint64_t index)
{
    charge(vma->mm->machine, CHARGE_disk_seek, 1);
    if (is_since(vma->file, AROUND_VERSION))
        read_on_demand(vma, cpu, index);
    else
        read_aligned_window(vma->file, cpu, index);
}

/* ---- a fault found its page ---- */

static uint64_t
next_size(uint64_t size, uint64_t max)
{
    if (size < max / 16)
        return 4 * size;
    return size <= max / 2 ? 2 * size : max;
}

/*
 * Where the kernel's walk over its tree of pages is: slots of 2^shift pages, in
 * nodes of 64.  Begun inside a large folio it stands on the folio's first slot,
 * and stays behind the index that it counts until it comes to another node.
 */
struct walk {
    const struct file *file;
    uint64_t index;
    uint64_t slot;
    unsigned shift;
};

/* log2 of the pages of the folio that the page is in; -1: not in memory. */
static int
folio_order_of(const struct file *file, uint64_t index)
{
    pfn_t pfn = file_lookup(file, index);

    if (!pfn_is_none(pfn))
        return (int)page_order(page_of(file->machine, pfn));
    return file_page_is_cached(file, index) ? 0 : -1;
}

static bool
walk_begin(struct walk *walk, const struct file *file, uint64_t index)
{
    int order = folio_order_of(file, index);

    walk->file = file;
    walk->index = index;
    if (order < 0)
        return false;
    walk->shift = order < PAGE_TREE_SHIFT ? 0 : PAGE_TREE_SHIFT;
    walk->slot = index >> order << order >> walk->shift;
    return true;
}

/* Is the slot at the page one of many that share an entry, and not the first?
 * Then something seems to be there, also where a folio left memory. */
static bool
is_sibling(const struct file *file, uint64_t page, unsigned shift)
{
    int order = MAX(folio_order_of(file, page), file_gone_order(file, page));

    return order > (int)shift && page & ((UINT64_C(1) << order) - 1);
}

static bool
is_there(const struct walk *walk)
{
    return file_page_is_cached(walk->file, walk->slot << walk->shift) ||
           is_sibling(walk->file, walk->slot << walk->shift, walk->shift);
}

/* From a slot of 64 pages down to one page, unless one entry fills it. */
static bool
walk_down(struct walk *walk)
{
    uint64_t page = walk->slot << PAGE_TREE_SHIFT;

    if (MAX(folio_order_of(walk->file, page),
            file_gone_order(walk->file, page)) < PAGE_TREE_SHIFT) {
        walk->shift = 0;
        walk->slot = page | (walk->index & (PAGE_TREE_SLOTS - 1));
    }
    return is_there(walk);
}

/* One on; false: nothing is there. */
static bool
walk_next(struct walk *walk)
{
    walk->index++;
    if (walk->shift == 0) {
        if (++walk->slot % PAGE_TREE_SLOTS != 0)
            return is_there(walk);
        walk->shift = PAGE_TREE_SHIFT;
        walk->slot >>= PAGE_TREE_SHIFT;
    } else if (walk->slot != walk->index >> PAGE_TREE_SHIFT) {
        walk->slot++;
    }
    return walk_down(walk);
}

/* The first page from index on that is not in memory; none of `max`: the one
 * behind them.  Inside of a large folio the kernel counts wrong: a few more. */
static uint64_t
next_missing(const struct file *file, uint64_t index, uint64_t max)
{
    struct walk walk;

    if (max == 0 || !walk_begin(&walk, file, index))
        return index;
    for (uint64_t i = 1; i < max; i++)
        if (!walk_next(&walk))
            return walk.index;
    return index + max;
}

/* Where and how long the window behind the sign is; false: there is none. */
static bool
move_on(struct file *file, uint64_t index, uint64_t folio_pages)
{
    struct readahead *ra = &file->readahead;
    uint64_t max = max_pages(file);
    uint64_t sign = ra->start + ra->size - ra->async_size;

    if (index == (sign & ~(folio_pages - 1))) {
        ra->start += ra->size;
        ra->size = MAX(ra->size, next_size(ra->size, max));
        return true;
    }
    /* Somebody else's sign: go on where what is in memory ends. */
    uint64_t start = next_missing(file, index + 1, max);

    if (start - index > max)
        return false;
    ra->start = start;
    ra->size = next_size(start - index + max, max);
    return true;
}

static void
read_on(struct file *file, unsigned cpu, uint64_t index, uint64_t folio_pages)
{
    struct readahead *ra = &file->readahead;
    unsigned size_order = (unsigned)__builtin_ctzll(max_pages(file));

    if (!move_on(file, index, folio_pages))
        return;
    ra->order += ORDER_STEP;
    uint64_t align = UINT64_C(1) << MIN(ra->order, size_order);
    uint64_t end = (ra->start + ra->size) & ~(align - 1);

    if (end > ra->start && is_since(file, FOLIO_VERSION))
        ra->size = end - ra->start;
    ra->async_size = ra->size;
    read_window(file, cpu, ra->start);
}

static bool
reads_ahead(const struct vma *vma)
{
    return !(vma->flags & VM_RAND_READ) && max_pages(vma->file) > 0;
}

bool
readahead_found(struct vma *vma, unsigned cpu, uint64_t index,
                struct page *page)
{
    struct file *file = vma->file;
    struct page *head = folio_head(page);

    readahead_found_run(vma, 1);
    if (!reads_ahead(vma) || !(head->flags & PAGE_READAHEAD))
        return false;
    head->flags &= ~(uint32_t)PAGE_READAHEAD;
    uint64_t read_before = file->machine->charges[CHARGE_disk_read_page];

    read_on(file, cpu, index, folio_pages(head));
    charge_seek(file->machine, read_before);
    return is_since(file, RETRY_VERSION);
}

void
readahead_found_run(const struct vma *vma, uint64_t pages)
{
    if (reads_ahead(vma))
        readahead_found_around(vma->file, pages);
}

void
readahead_found_around(struct file *file, uint64_t pages)
{
    uint32_t *misses = &file->readahead.miss_count;

    *misses -= (uint32_t)MIN(*misses, pages);
}

/* ---- somebody asked ---- */

/* The most that is read at once, in pages. */
static uint64_t
force_limit(const struct file *file)
{
    const struct machine *machine = file->machine;
    uint64_t request = machine->config.max_sectors_kb * UINT64_C(1024);

    if (is_since(file, REQUEST_LIMIT_VERSION))
        return MAX(request / PAGE_BYTES, max_pages(file));
    return is_since(file, DEVICE_LIMIT_VERSION)
               ? max_pages(file)
               : page_alloc_free_pages(machine) / 2;
}

void
readahead_force(struct file *file, unsigned cpu, uint64_t index, uint64_t count)
{
    struct machine *machine = file->machine;
    uint64_t read_before = machine->charges[CHARGE_disk_read_page];

    read_pages(file, cpu, index, MIN(count, force_limit(file)), 0);
    charge_seek(machine, read_before);
}
