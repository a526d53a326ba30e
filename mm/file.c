/*
 * Files: which pages are in memory, and how they get there.
 *
 *   disk, cached   in memory before the run; a frame appears when its page is
 *                  first mapped (or used, if memory was short), and its
 *                  allocation is neither counted nor charged
 *   disk, cold     read when wanted, with what read-ahead says
 *                  (mm/readahead.c); the faulting page makes the fault major
 *   shmem          zeroed at first use
 *
 * A page is found through chunks of 512 page numbers, so a sparse terabyte
 * file costs a directory and what is used.  Far behind, where a directory would
 * be larger than what is found through it, chunks are in a tree.
 *
 * Not modelled: write-back (a dirty page stays), holes, truncation, what lies
 * behind 4 PiB.
 */
#include "mm/file.h"

#include "mm/aspace.h"
#include "mm/clear.h"
#include "mm/lru.h"
#include "mm/machine.h"
#include "mm/page_alloc.h"
#include "mm/readahead.h"

#define CHUNK_PAGES     512
#define NEAR_CHUNKS_MAX (UINT64_C(1) << 20)
/* Pages have numbers of 40 bits. */
#define FILE_BYTES_MAX (UINT64_C(1) << 52)

/* What a slot holds besides frame number + 1. */
#define SLOT_UNUSED 0  // no frame yet: as the file was at the start
/* Taken out of memory, with 2^order - 1 others: the kernel leaves one entry for
 * all of a folio. */
#define SLOT_GONE(order) (UINT32_MAX - (order))
#define GONE_ORDER_MAX   15

struct file *
file_create(struct machine *machine, uint64_t size_bytes, bool is_shmem,
            bool is_cold)
{
    struct file *file = g_new0(struct file, 1);

    file->machine = machine;
    file->id = machine->files->len;
    file->size_bytes = MIN(size_bytes, FILE_BYTES_MAX);
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
far_chunk(const struct file *file, uint64_t chunk)
{
    return file->far_chunks
               ? g_tree_lookup(file->far_chunks, GSIZE_TO_POINTER(chunk))
               : NULL;
}

static uint32_t *
slot_of(const struct file *file, uint64_t index)
{
    uint64_t chunk = index / CHUNK_PAGES;
    uint32_t *slots = chunk < file->chunk_count ? file->chunks[chunk]
                                                : far_chunk(file, chunk);

    return slots ? &slots[index % CHUNK_PAGES] : NULL;
}

static bool
slot_is_gone(uint32_t slot)
{
    return slot >= SLOT_GONE(GONE_ORDER_MAX);
}

static bool
slot_has_frame(uint32_t slot)
{
    return slot != SLOT_UNUSED && !slot_is_gone(slot);
}

static gint
compare_chunks(gconstpointer a, gconstpointer b)
{
    size_t left = GPOINTER_TO_SIZE(a), right = GPOINTER_TO_SIZE(b);

    return left < right ? -1 : left > right;
}

static uint32_t *
far_chunk_alloc(struct file *file, uint64_t chunk)
{
    uint32_t *slots = far_chunk(file, chunk);

    if (slots)
        return slots;
    if (!file->far_chunks)
        file->far_chunks = g_tree_new(compare_chunks);
    slots = g_new0(uint32_t, CHUNK_PAGES);
    g_tree_insert(file->far_chunks, GSIZE_TO_POINTER(chunk), slots);
    return slots;
}

static uint32_t *
slot_alloc(struct file *file, uint64_t index)
{
    uint64_t chunk = index / CHUNK_PAGES;

    if (chunk >= NEAR_CHUNKS_MAX)
        return &far_chunk_alloc(file, chunk)[index % CHUNK_PAGES];
    if (chunk >= file->chunk_count) {
        uint64_t count =
            MIN(MAX(chunk + 1, 2 * file->chunk_count), NEAR_CHUNKS_MAX);

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

uint32_t
file_find_run(const struct file *file, uint64_t index, uint32_t max,
              pfn_t *pfns)
{
    const struct page *pages = file->machine->pages;
    const uint32_t *slots = slot_of(file, index);
    uint32_t count = 0;

    if (!slots)
        return 0;
    max = (uint32_t)MIN(max, CHUNK_PAGES - index % CHUNK_PAGES);
    for (; count < max && slot_has_frame(slots[count]); count++) {
        pfns[count].v = slots[count] - 1;
        if (pages[pfns[count].v].flags & (PAGE_ORDER_MASK | PAGE_READAHEAD))
            break;
    }
    return count;
}

uint64_t
file_size_pages(const struct file *file)
{
    return bytes_to_pages(page_ceil(file->size_bytes));
}

bool
file_page_is_cached(const struct file *file, uint64_t index)
{
    const uint32_t *slot = slot_of(file, index);

    if (index >= file_size_pages(file))
        return false;
    if (slot && *slot != SLOT_UNUSED)
        return !slot_is_gone(*slot);
    return !file->is_shmem && !file->is_cold;
}

/* Can the pages of a folio be added, none being in the way? */
static bool
has_room(const struct file *file, uint64_t index, uint64_t count)
{
    for (uint64_t i = index; i < index + count; i++)
        if (file_page_is_cached(file, i))
            return false;
    return true;
}

static void
fill_frame(struct file *file, pfn_t pfn)
{
    struct machine *machine = file->machine;
    struct page *page = page_of(machine, pfn);

    if (file->is_shmem) {
        clear_shmem_page(machine, pfn);
        page->flags |= PAGE_SHMEM;
    } else {
        page->holder = HOLDER_KERNEL;
        page->tag = 0;
        page->map_count = 0;
    }
}

int
file_gone_order(const struct file *file, uint64_t index)
{
    const uint32_t *slot = slot_of(file, index);

    return slot && slot_is_gone(*slot) ? (int)(SLOT_GONE(0) - *slot) : -1;
}

/* What is left of a larger folio makes room for one of `order`: halved where
 * it fills a node of the kernel's tree, else down to its nodes or to `order`.
 */
static void
split_gone(struct file *file, uint64_t index, unsigned order)
{
    int gone = file_gone_order(file, index);

    while (gone > (int)order) {
        unsigned old = (unsigned)gone, part = old % PAGE_TREE_SHIFT;
        unsigned new = MAX(part ? old - part : old - 1, order);
        uint64_t from = index >> old << old;

        for (uint64_t i = 0; i < UINT64_C(1) << old; i++)
            *slot_alloc(file, from + i) = SLOT_GONE(new);
        gone = (int)new;
    }
}

/* Of a folio of 2^order pages. */
static void
enter_page(struct file *file, uint64_t index, pfn_t pfn, unsigned order)
{
    struct page *page = page_of(file->machine, pfn);

    fill_frame(file, pfn);
    page->flags |= order << PAGE_ORDER_SHIFT;
    page->home = file->id;
    page->index = index & ((UINT64_C(1) << 40) - 1);
    *slot_alloc(file, index) = pfn.v + 1;
}

/* Folios in the cache come to their LRU list. */
static void
list_folios(struct file *file, unsigned cpu, const pfn_t *pfns, uint32_t count,
            unsigned order)
{
    file->cached_pages += (uint64_t)count << order;
    lru_add_run(file->machine, cpu, pfns, count,
                file->is_shmem ? LRU_SHMEM : LRU_FILE);
}

/* Frames for the pages of a folio, in the cache and on its LRU list.  For a
 * large one nobody goes to any trouble. */
static pfn_t
add_folio(struct file *file, unsigned cpu, uint64_t index, unsigned order)
{
    struct machine *machine = file->machine;
    pfn_t pfn = order ? page_alloc_at_hand(machine, cpu, PAGE_FILE, order)
                      : page_alloc(machine, cpu, PAGE_FILE, 0);

    if (pfn_is_none(pfn))
        return pfn;
    split_gone(file, index, order);
    for (uint32_t i = 0; i < 1u << order; i++)
        enter_page(file, index + i, (pfn_t){pfn.v + i}, order);
    list_folios(file, cpu, &pfn, 1, order);
    return pfn;
}

/* Pages from index on that never had a frame; at most max. */
static uint32_t
unused_run(const struct file *file, uint64_t index, uint64_t max)
{
    const uint32_t *slots = slot_of(file, index);
    uint64_t size_pages = file_size_pages(file);
    uint32_t count = 0;

    if (index >= size_pages)
        return 0;
    max = MIN(max, MIN(size_pages - index, CHUNK_PAGES - index % CHUNK_PAGES));
    if (!slots)
        return (uint32_t)max;
    while (count < max && slots[count] == SLOT_UNUSED)
        count++;
    return count;
}

/* Frames for those pages, each a folio. */
static void
add_run(struct file *file, unsigned cpu, uint64_t index, const pfn_t *pfns,
        uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        enter_page(file, index + i, pfns[i], 0);
    list_folios(file, cpu, pfns, count, 0);
}

uint32_t
file_add_run(struct file *file, unsigned cpu, uint64_t index, uint32_t max,
             pfn_t *pfns)
{
    bool is_in_memory = !file->is_shmem && !file->is_cold;
    uint32_t count = is_in_memory ? 0 : unused_run(file, index, max);

    count = page_alloc_run_at_hand(file->machine, cpu, PAGE_FILE, count, pfns);
    add_run(file, cpu, index, pfns, count);
    if (!file->is_shmem)
        charge(file->machine, CHARGE_disk_read_page, count);
    return count;
}

pfn_t
file_read(struct file *file, unsigned cpu, uint64_t index, unsigned order)
{
    uint64_t pages = UINT64_C(1) << order;

    if (!has_room(file, index, pages))
        return PFN_NONE;
    pfn_t pfn = add_folio(file, cpu, index, order);

    if (!pfn_is_none(pfn))
        charge(file->machine, CHARGE_disk_read_page, pages);
    return pfn;
}

/* What frames of pages take that were in memory before the run: no part of what
 * is simulated. */
struct untold {
    uint64_t alloc_count, split_count;
    uint64_t page_alloc, buddy_page, lru_add;
};

static struct untold
untold_begin(const struct machine *machine)
{
    return (struct untold){
        .alloc_count = machine->counters.page_alloc_count,
        .split_count = machine->counters.buddy_split_count,
        .page_alloc = machine->charges[CHARGE_page_alloc],
        .buddy_page = machine->charges[CHARGE_buddy_page],
        .lru_add = machine->charges[CHARGE_lru_add],
    };
}

static void
untold_end(struct machine *machine, const struct untold *before)
{
    machine->counters.page_alloc_count = before->alloc_count;
    machine->counters.buddy_split_count = before->split_count;
    machine->charges[CHARGE_page_alloc] = before->page_alloc;
    machine->charges[CHARGE_buddy_page] = before->buddy_page;
    machine->charges[CHARGE_lru_add] = before->lru_add;
}

static pfn_t
add_old_page(struct file *file, unsigned cpu, uint64_t index)
{
    struct untold before = untold_begin(file->machine);
    pfn_t pfn = add_folio(file, cpu, index, 0);

    untold_end(file->machine, &before);
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
    uint64_t size_pages = file_size_pages(file);

    if (file->is_shmem || file->is_cold || index >= size_pages ||
        file->cached_pages == size_pages)
        return;
    struct untold before = untold_begin(machine);
    uint64_t end = index + MIN(count, size_pages - index);

    while (index < end) {
        pfn_t pfns[64];
        uint32_t run =
            unused_run(file, index, MIN(end - index, G_N_ELEMENTS(pfns)));

        if (run == 0) {
            index++;
            continue;
        }
        run = has_plenty(machine)
                  ? page_alloc_part_at_hand(machine, machine->cpu, PAGE_FILE,
                                            run, pfns)
                  : 0;
        if (run == 0)
            break;
        add_run(file, machine->cpu, index, pfns, run);
        index += run;
    }
    untold_end(machine, &before);
}

pfn_t
file_get_around(struct file *file, unsigned cpu, uint64_t index)
{
    pfn_t pfn = file_lookup(file, index);

    if (pfn_is_none(pfn))
        return file_page_is_cached(file, index) ? add_old_page(file, cpu, index)
                                                : PFN_NONE;
    const struct page *head = folio_head(page_of(file->machine, pfn));

    return head->flags & PAGE_READAHEAD ? PFN_NONE : pfn;
}

/* The page is on disk alone: read it and what goes with it. */
static enum file_get
read_page(struct vma *vma, unsigned cpu, uint64_t index, pfn_t *pfn)
{
    readahead_missed(vma, cpu, index);
    *pfn = file_lookup(vma->file, index);
    if (pfn_is_none(*pfn))
        *pfn = file_read(vma->file, cpu, index, 0);
    return pfn_is_none(*pfn) ? FILE_GET_NOMEM : FILE_GET_MAJOR;
}

enum file_get
file_get_page(struct vma *vma, unsigned cpu, uint64_t index, bool is_tried,
              pfn_t *pfn)
{
    struct file *file = vma->file;

    if (index >= file_size_pages(file))
        return FILE_GET_BEYOND;
    *pfn = file_lookup(file, index);
    if (!pfn_is_none(*pfn)) {
        struct page *page = page_of(file->machine, *pfn);

        return !is_tried && !file->is_shmem &&
                       readahead_found(vma, cpu, index, page)
                   ? FILE_GET_AGAIN
                   : FILE_GET_MINOR;
    }
    if (!file->is_shmem && !file_page_is_cached(file, index))
        return read_page(vma, cpu, index, pfn);
    *pfn = file->is_shmem ? add_folio(file, cpu, index, 0)
                          : add_old_page(file, cpu, index);
    return pfn_is_none(*pfn) ? FILE_GET_NOMEM : FILE_GET_MINOR;
}

void
file_forget_unused(struct file *file)
{
    file->is_cold = !file->is_shmem;
}

void
file_drop_folio(struct machine *machine, unsigned cpu, struct page *head)
{
    struct file *file = machine->files->pdata[head->home];
    unsigned order = page_order(head);

    mm_assert(folio_head(head) == head);
    for (uint32_t i = 0; i < 1u << order; i++) {
        mm_assert(head[i].map_count == 0);
        *slot_of(file, head[i].index) =
            file->is_shmem ? SLOT_UNUSED : SLOT_GONE(order);
    }
    file->cached_pages -= UINT64_C(1) << order;
    lru_forget(machine, head);
    page_free(machine, cpu, pfn_of(machine, head), order, 0);
}

void
file_split_folio(struct machine *machine, struct page *head)
{
    uint32_t count = folio_pages(head);

    for (uint32_t i = 0; i < count; i++)
        head[i].flags &= ~(uint32_t)PAGE_ORDER_MASK;
    for (uint32_t i = 1; i < count; i++) {
        head[i].flags |= head->flags & PAGE_DIRTY;
        lru_link_head(machine, &head[i], LRU_FILE);
    }
}

typedef void (*chunk_visit)(struct file *file, uint64_t chunk, uint32_t *slots,
                            void *data);

/* All chunks, upwards. */
static void
visit_chunks(struct file *file, chunk_visit visit, void *data)
{
    for (uint64_t chunk = 0; chunk < file->chunk_count; chunk++)
        if (file->chunks[chunk])
            visit(file, chunk, file->chunks[chunk], data);
    for (GTreeNode *node =
             file->far_chunks ? g_tree_node_first(file->far_chunks) : NULL;
         node; node = g_tree_node_next(node))
        visit(file, GPOINTER_TO_SIZE(g_tree_node_key(node)),
              g_tree_node_value(node), data);
}

static void
empty_chunk(struct file *file, uint64_t chunk, uint32_t *slots, void *data)
{
    struct machine *machine = file->machine;

    (void)chunk;
    (void)data;
    for (unsigned i = 0; i < CHUNK_PAGES; i++)
        if (slot_has_frame(slots[i]))
            file_drop_folio(machine, machine->cpu,
                            &machine->pages[slots[i] - 1]);
}

static void
free_chunk(struct file *file, uint64_t chunk, uint32_t *slots, void *data)
{
    (void)file;
    (void)chunk;
    (void)data;
    g_free(slots);
}

void
file_destroy(struct file *file)
{
    struct machine *machine = file->machine;

    mm_assert(file->vma_count == 0);
    visit_chunks(file, empty_chunk, NULL);
    visit_chunks(file, free_chunk, NULL);
    if (file->far_chunks)
        g_tree_destroy(file->far_chunks);
    mm_assert(machine->committed_pages >= file->accounted_pages);
    machine->committed_pages -= file->accounted_pages;
    machine->files->pdata[file->id] = NULL;
    g_free(file->chunks);
    g_free(file);
}

/* Of a large folio this must be a part. */
static void
validate_folio(const struct page *page)
{
    const uint32_t of_folio =
        PAGE_LRU | PAGE_IN_BATCH | PAGE_READAHEAD | PAGE_DIRTY;
    const struct page *head = page - (page->index & (folio_pages(page) - 1));

    mm_invariant(F4, page_order(head) == page_order(page));
    mm_invariant(F4, head->home == page->home);
    mm_invariant(F4, head->index + (uint64_t)(page - head) == page->index);
    mm_invariant(F4, head == page || !(page->flags & of_folio));
}

static void
validate_chunk(struct file *file, uint64_t chunk, uint32_t *slots, void *data)
{
    uint64_t *cached_pages = data;

    for (unsigned i = 0; i < CHUNK_PAGES; i++) {
        if (!slot_has_frame(slots[i]))
            continue;
        const struct page *page = &file->machine->pages[slots[i] - 1];

        mm_invariant(F1, page_state(page) == PAGE_FILE);
        mm_invariant(F1, page->home == file->id);
        mm_invariant(F1, page->index == chunk * CHUNK_PAGES + i);
        validate_folio(page);
        ++*cached_pages;
    }
}

static void
validate_pages(struct file *file)
{
    uint64_t cached_pages = 0;

    visit_chunks(file, validate_chunk, &cached_pages);
    mm_invariant(F2, cached_pages == file->cached_pages);
}

void
file_validate(struct machine *machine)
{
    for (uint32_t id = 0; id < machine->files->len; id++) {
        struct file *file = machine->files->pdata[id];
        uint32_t vma_count = 0;

        if (!file)
            continue;
        validate_pages(file);
        for (const struct vma *vma = file->i_mmap; vma; vma = vma->file_next) {
            mm_invariant(F3, vma->file == file);
            mm_invariant(F3, ++vma_count <= file->vma_count);
        }
        mm_invariant(F3, vma_count == file->vma_count);
    }
}
