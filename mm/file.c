/*
 * Files: which pages are in memory, and how they get there.
 *
 *   disk, cached   in memory before the run; a frame appears when its page is
 *                  first mapped (or used, if memory was short), and its
 *                  allocation is neither counted nor charged
 *   disk, cold     read in windows of 32 pages around the fault (read-around
 *                  of mmap reads, 128 KiB); the faulting page makes the fault
 *                  major
 *   shmem          zeroed at first use
 *
 * A page is found through chunks of 512 page numbers, so a sparse terabyte
 * file costs a directory and what is used.
 *
 * Not modelled: sequential read-ahead, write-back (a dirty page stays), holes,
 * truncation.
 */
#include "mm/file.h"

#include "mm/aspace.h"
#include "mm/clear.h"
#include "mm/lru.h"
#include "mm/machine.h"
#include "mm/page_alloc.h"

#define CHUNK_PAGES       512
#define READ_AROUND_PAGES 32

/* What a slot holds besides frame number + 1. */
#define SLOT_UNUSED 0           // no frame yet: as the file was at the start
#define SLOT_GONE   UINT32_MAX  // taken out of memory

struct file *
file_create(struct machine *machine, uint64_t size_bytes, bool is_shmem,
            bool is_cold)
{
    struct file *file = g_new0(struct file, 1);

    file->machine = machine;
    file->id = machine->files->len;
    file->size_bytes = MIN(size_bytes, INT64_MAX);  // an offset is an loff_t
    file->is_shmem = is_shmem;
    file->is_cold = is_cold;
    g_ptr_array_add(machine->files, file);
    return file;
}

struct file *
file_create_anon_shared(struct machine *machine, uint64_t size_bytes)
{
    struct file *file = file_create(machine, size_bytes, true, false);

    file->is_anon_shared = true;
    return file;
}

void
file_put(struct file *file)
{
    if (file->is_anon_shared && file->vma_count == 0 && !file->is_pinned)
        file_destroy(file);
}

static uint32_t *
slot_of(const struct file *file, uint64_t index)
{
    uint64_t chunk = index / CHUNK_PAGES;

    if (chunk >= file->chunk_count || !file->chunks[chunk])
        return NULL;
    return &file->chunks[chunk][index % CHUNK_PAGES];
}

static bool
slot_has_frame(uint32_t slot)
{
    return slot != SLOT_UNUSED && slot != SLOT_GONE;
}

static uint32_t *
slot_alloc(struct file *file, uint64_t index)
{
    uint64_t chunk = index / CHUNK_PAGES;

    if (chunk >= file->chunk_count) {
        uint64_t count = MAX(chunk + 1, 2 * file->chunk_count);

        file->chunks = g_renew(uint32_t *, file->chunks, count);
        for (uint64_t i = file->chunk_count; i < count; i++)
            file->chunks[i] = NULL;
        file->chunk_count = count;
    }
    if (!file->chunks[chunk])
        file->chunks[chunk] = g_new0(uint32_t, CHUNK_PAGES);
    return &file->chunks[chunk][index % CHUNK_PAGES];
}

pfn_t
file_lookup(const struct file *file, uint64_t index)
{
    const uint32_t *slot = slot_of(file, index);

    return slot && slot_has_frame(*slot) ? (pfn_t){*slot - 1} : PFN_NONE;
}

static bool
is_beyond_end(const struct file *file, uint64_t index)
{
    return index >= bytes_to_pages(page_ceil(file->size_bytes));
}

bool
file_page_is_cached(const struct file *file, uint64_t index)
{
    const uint32_t *slot = slot_of(file, index);

    if (is_beyond_end(file, index))
        return false;
    if (slot && *slot != SLOT_UNUSED)
        return *slot != SLOT_GONE;
    return !file->is_shmem && !file->is_cold;
}

/* A frame for the page, in the cache and on its LRU list. */
static pfn_t
add_page(struct file *file, unsigned cpu, uint64_t index)
{
    struct machine *machine = file->machine;
    pfn_t pfn = page_alloc(machine, cpu, PAGE_FILE, 0);

    if (pfn_is_none(pfn))
        return pfn;
    struct page *page = page_of(machine, pfn);

    if (file->is_shmem) {
        clear_shmem_page(machine, pfn);
        page->flags |= PAGE_SHMEM;
    } else {
        page->holder = HOLDER_KERNEL;
        page->tag = 0;
        page->map_count = 0;
    }
    page->home = file->id;
    page->index = index & ((UINT64_C(1) << 40) - 1);
    *slot_alloc(file, index) = pfn.v + 1;
    file->cached_pages++;
    lru_add_run(machine, cpu, &pfn, 1, file->is_shmem ? LRU_SHMEM : LRU_FILE);
    return pfn;
}

/*
 * A page that was in memory before the run: its frame appears now, but what
 * that took was not part of what is simulated.
 */
static pfn_t
add_old_page(struct file *file, unsigned cpu, uint64_t index)
{
    struct machine *machine = file->machine;
    struct mm_counters *counters = &machine->counters;
    uint64_t alloc_count = counters->page_alloc_count;
    uint64_t split_count = counters->buddy_split_count;
    uint64_t charged[] = {
        machine->charges[CHARGE_page_alloc],
        machine->charges[CHARGE_buddy_page],
        machine->charges[CHARGE_lru_add],
    };
    pfn_t pfn = add_page(file, cpu, index);

    counters->page_alloc_count = alloc_count;
    counters->buddy_split_count = split_count;
    machine->charges[CHARGE_page_alloc] = charged[0];
    machine->charges[CHARGE_buddy_page] = charged[1];
    machine->charges[CHARGE_lru_add] = charged[2];
    return pfn;
}

/* Room to spare: what was in memory before never made anybody reclaim. */
static bool
has_plenty(const struct machine *machine)
{
    for (unsigned i = 0; i < machine->zone_count; i++) {
        const struct zone *zone = &machine->zones[i];

        if (zone->managed_pages && zone->free_pages < 2 * zone->watermark_high)
            return false;
    }
    return true;
}

void
file_bring_in(struct file *file, uint64_t index, uint64_t count)
{
    struct machine *machine = file->machine;
    uint64_t size_pages = bytes_to_pages(page_ceil(file->size_bytes));

    if (file->is_shmem || file->is_cold || index >= size_pages ||
        file->cached_pages == size_pages)
        return;
    for (uint64_t end = index + MIN(count, size_pages - index); index < end;
         index++) {
        if (!pfn_is_none(file_lookup(file, index)) ||
            !file_page_is_cached(file, index))
            continue;
        if (!has_plenty(machine) ||
            pfn_is_none(add_old_page(file, machine->cpu, index)))
            return;
    }
}

/* Read the window around the page from disk. */
static void
read_around(struct file *file, unsigned cpu, uint64_t index)
{
    struct machine *machine = file->machine;
    uint64_t from = index & ~(uint64_t)(READ_AROUND_PAGES - 1);

    charge(machine, CHARGE_disk_seek, 1);
    for (uint64_t i = from; i < from + READ_AROUND_PAGES; i++) {
        if (is_beyond_end(file, i) || file_page_is_cached(file, i))
            continue;
        charge(machine, CHARGE_disk_read_page, 1);
        if (pfn_is_none(add_page(file, cpu, i)))
            return;
    }
}

pfn_t
file_get_around(struct file *file, unsigned cpu, uint64_t index)
{
    if (!file_page_is_cached(file, index))
        return PFN_NONE;
    pfn_t pfn = file_lookup(file, index);

    if (pfn_is_none(pfn))
        return add_old_page(file, cpu, index);
    return page_of(file->machine, pfn)->flags & PAGE_READAHEAD ? PFN_NONE : pfn;
}

enum file_get
file_get_page(struct file *file, unsigned cpu, uint64_t index, pfn_t *pfn)
{
    if (is_beyond_end(file, index))
        return FILE_GET_BEYOND;
    *pfn = file_lookup(file, index);
    if (!pfn_is_none(*pfn)) {
        page_of(file->machine, *pfn)->flags &= ~(uint32_t)PAGE_READAHEAD;
        return FILE_GET_MINOR;
    }
    if (!file->is_shmem && !file_page_is_cached(file, index)) {
        read_around(file, cpu, index);
        *pfn = file_lookup(file, index);
        return pfn_is_none(*pfn) ? FILE_GET_NOMEM : FILE_GET_MAJOR;
    }
    *pfn = file->is_shmem ? add_page(file, cpu, index)
                          : add_old_page(file, cpu, index);
    return pfn_is_none(*pfn) ? FILE_GET_NOMEM : FILE_GET_MINOR;
}

void
file_forget_unused(struct file *file)
{
    file->is_cold = !file->is_shmem;
}

void
file_drop_page(struct machine *machine, unsigned cpu, pfn_t pfn)
{
    struct page *page = page_of(machine, pfn);
    struct file *file = machine->files->pdata[page->home];

    mm_assert(page->map_count == 0);
    *slot_of(file, page->index) = file->is_shmem ? SLOT_UNUSED : SLOT_GONE;
    file->cached_pages--;
    lru_remove(machine, page);
    page_free(machine, cpu, pfn, 0, 0);
}

void
file_destroy(struct file *file)
{
    struct machine *machine = file->machine;

    mm_assert(file->vma_count == 0);
    for (uint64_t chunk = 0; chunk < file->chunk_count; chunk++) {
        for (unsigned i = 0; file->chunks[chunk] && i < CHUNK_PAGES; i++)
            if (slot_has_frame(file->chunks[chunk][i]))
                file_drop_page(machine, machine->cpu,
                               (pfn_t){file->chunks[chunk][i] - 1});
        g_free(file->chunks[chunk]);
    }
    mm_assert(machine->committed_pages >= file->accounted_pages);
    machine->committed_pages -= file->accounted_pages;
    machine->files->pdata[file->id] = NULL;
    g_free(file->chunks);
    g_free(file);
}

static void
validate_pages(struct machine *machine, const struct file *file)
{
    uint64_t cached_pages = 0;

    for (uint64_t chunk = 0; chunk < file->chunk_count; chunk++)
        for (unsigned i = 0; file->chunks[chunk] && i < CHUNK_PAGES; i++) {
            uint32_t value = file->chunks[chunk][i];

            if (!slot_has_frame(value))
                continue;
            const struct page *page = &machine->pages[value - 1];

            mm_invariant(F1, page_state(page) == PAGE_FILE);
            mm_invariant(F1, page->home == file->id);
            mm_invariant(F1, page->index == chunk * CHUNK_PAGES + i);
            cached_pages++;
        }
    mm_invariant(F2, cached_pages == file->cached_pages);
}

void
file_validate(struct machine *machine)
{
    for (uint32_t id = 0; id < machine->files->len; id++) {
        const struct file *file = machine->files->pdata[id];
        uint32_t vma_count = 0;

        if (!file)
            continue;
        validate_pages(machine, file);
        for (const struct vma *vma = file->i_mmap; vma; vma = vma->file_next) {
            mm_invariant(F3, vma->file == file);
            mm_invariant(F3, ++vma_count <= file->vma_count);
        }
        mm_invariant(F3, vma_count == file->vma_count);
    }
}
