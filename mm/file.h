/*
 * Files and their page cache.
 *
 * A file on disk that is `cached` has every page in memory before it is first
 * used; its frames come into being when they are first mapped, without a read
 * and uncounted.  A `cold` one is read in windows around the fault.  A shmem
 * file has no disk: its pages are zeroed when first used.
 *
 * Invariants (file_validate):
 *   F1  Every frame in a page cache is PAGE_FILE with that file and index.
 *   F2  file.cached_pages is their number.
 *   F3  The i_mmap list holds exactly the VMAs that map the file.
 *   F4  Frames of a large folio lie side by side as its pages do; what is the
 *       folio's is kept in the first.
 */
#pragma once

#include "mm/page.h"
#include "mm/readahead.h"

#include <glib.h>

struct machine;
struct mm;
struct vma;

/* The kernel keeps the pages of a file in a tree with nodes of 64 slots. */
#define PAGE_TREE_SHIFT 6
#define PAGE_TREE_SLOTS (UINT64_C(1) << PAGE_TREE_SHIFT)

struct file {
    struct machine *machine;
    uint32_t id;  // index into machine.files, page.home
    uint64_t size_bytes;
    bool is_shmem;
    bool is_cold;         // not in the page cache at the start
    bool is_anon_shared;  // behind MAP_SHARED|MAP_ANONYMOUS
    bool is_pinned;       // a call uses it: it stays without VMAs
    uint32_t **chunks;    // page index -> pfn + 1, in chunks of 512; sparse
    uint64_t chunk_count;
    GTree *far_chunks;  // those behind 2 TiB, by number; NULL: none
    uint64_t cached_pages;
    uint64_t accounted_pages;  // in machine.committed_pages while it lives
    uint32_t vma_count;        // VMAs that map it
    struct vma *i_mmap;
    struct readahead readahead;
};

/* A file of the trace; lives as long as the machine. */
struct file *file_create(struct machine *machine, uint64_t size_bytes,
                         bool is_shmem, bool is_cold);
/* Behind shared anonymous memory; goes with its last VMA. */
struct file *file_create_anon_shared(struct machine *machine,
                                     uint64_t size_bytes);
/* A VMA that mapped the file is gone. */
void file_put(struct file *file);
void file_destroy(struct file *file);

/* Frame of a page if it is in memory now, else PFN_NONE. */
pfn_t file_lookup(const struct file *file, uint64_t index);

enum file_get {
    FILE_GET_MINOR,
    FILE_GET_MAJOR,  // it was read: the fault starts over
    FILE_GET_AGAIN,  // it was there, but others were read: the same
    FILE_GET_BEYOND,
    FILE_GET_NOMEM
};
/* The frame of a page that a fault wants, brought in as the file's kind says.
 * is_tried: this fault had to read already, and reads no more. */
enum file_get file_get_page(struct vma *vma, unsigned cpu, uint64_t index,
                            bool is_tried, pfn_t *pfn);
/* The frames of pages from index on that are in memory as a folio each and not
 * marked to start read-ahead: how many, at most max. */
uint32_t file_find_run(const struct file *file, uint64_t index, uint32_t max,
                       pfn_t *pfns);
/* Frames for pages from index on that never had one and are not in memory, as
 * far as they are at hand: how many, at most max.  Those of shmem are zeroed,
 * others read. */
uint32_t file_add_run(struct file *file, unsigned cpu, uint64_t index,
                      uint32_t max, pfn_t *pfns);
/* The frame of a page that a fault nearby may map along: it is in memory
 * already, and not marked to start read-ahead.  Else PFN_NONE. */
pfn_t file_get_around(struct file *file, unsigned cpu, uint64_t index);
/* Pages [index, index + count) of a file that was cached before the run get
 * their frames, as far as memory is to spare; other files: nothing. */
void file_bring_in(struct file *file, uint64_t index, uint64_t count);
/* Is the page in memory, with a frame or as it was before the run? */
bool file_page_is_cached(const struct file *file, uint64_t index);
/* Memory is short, and pages that nobody used went first: those that have no
 * frame yet are not in memory any more. */
void file_forget_unused(struct file *file);
/* log2 of the pages of the folio with which the page left memory; -1: it did
 * not. */
int file_gone_order(const struct file *file, uint64_t index);
/* Read 2^order pages into one folio; PFN_NONE: something is in the way, or no
 * memory. */
pfn_t file_read(struct file *file, unsigned cpu, uint64_t index,
                unsigned order);
/* Take a clean folio that nothing maps out of the cache, and free it. */
void file_drop_folio(struct machine *machine, unsigned cpu, struct page *head);
/* Pages of a large folio on its list are on their own from here on. */
void file_split_folio(struct machine *machine, struct page *head);
uint64_t file_size_pages(const struct file *file);
void file_validate(struct machine *machine);
