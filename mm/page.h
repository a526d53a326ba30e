/*
 * The record of one simulated frame, and what it can be.
 *
 * 32 bytes, so that 16 GiB of simulated memory cost at most 128 MiB of host
 * memory -- and only where frames were touched: machine.pages is reserved
 * address space, and a record of zeroes is a frame that nobody used yet.
 *
 * There is no reference count.  What the kernel reads from page_count is
 * map_count plus the flags (in a per-CPU LRU batch, in the page cache).
 */
#pragma once

#include "mm/types.h"

/* Where a frame is.  Also what page_alloc() is asked for. */
enum page_state {
    PAGE_FREE = 0,   // in the buddy allocator; a block's head has PAGE_HEAD
    PAGE_PCP,        // on a per-CPU list
    PAGE_ANON,       // anonymous user memory
    PAGE_FILE,       // page cache or shmem
    PAGE_PAGETABLE,  // PTE, PMD or PUD page
    PAGE_SLAB,
    PAGE_TASK,       // kernel stack or PGD
    PAGE_HOG,        // held by the background task of `hog`
    PAGE_RESERVED,   // kernel image and frame records
    PAGE_STATE_COUNT
};

enum page_flag {
    PAGE_STATE_MASK = 0xf,
    PAGE_ORDER_SHIFT = 4,  // log2 of its pages: of a free block's head, and
                           // of every page of a large folio
    PAGE_ORDER_MASK = 0xf << PAGE_ORDER_SHIFT,
    PAGE_HEAD = 1 << 8,        // first frame of a free block
    PAGE_HOT = 1 << 9,         // freed by this CPU, not refilled from buddy
    PAGE_IN_BATCH = 1 << 10,   // in a per-CPU LRU batch: one more reference
    PAGE_LRU = 1 << 11,        // linked on a list of machine.lru
    PAGE_ACTIVE = 1 << 12,
    PAGE_REFERENCED = 1 << 13,
    PAGE_EXCLUSIVE = 1 << 14,  // PageAnonExclusive
    PAGE_LAZY = 1 << 15,       // lazily freed: reclaim may drop it if clean
    PAGE_DIRTY = 1 << 16,
    PAGE_SHMEM = 1 << 17,      // PAGE_FILE that has no disk behind it
    PAGE_LRU_LIST_SHIFT = 18,  // which list of machine.lru (3 bits)
    PAGE_LRU_LIST_MASK = 7 << PAGE_LRU_LIST_SHIFT,
    PAGE_READAHEAD = 1 << 21,  // a fault on it starts more read-ahead
    PAGE_MLOCKED = 1 << 22,      // a locked VMA maps it (mm/unevictable.h)
    PAGE_UNEVICTABLE = 1 << 23,  // therefore on no list
};

/* Whose bytes a frame holds.  Uids are interned by the machine. */
enum {
    HOLDER_CLEAN = 0,   // zeroes
    HOLDER_KERNEL = 1,  // page tables, slab, page cache, or unknown
    HOLDER_MIXED = 2,   // several users', or a process that changed uid
    HOLDER_FIRST_UID = 3,
};

struct page {
    uint32_t flags;      // enum page_state, enum page_flag
    uint32_t map_count;  // present PTEs; of a free frame: the nozero owner, a
                         // holder code >= HOLDER_FIRST_UID, or 0 for nobody
    uint32_t next, prev; // pfn links of the list that the frame is on; next of
                         // an unevictable one: how often it is locked
    uint32_t tag;        // content: serial of the last write (if tracked)
    uint32_t home;       // anon: family id; file: file id; slab, page table:
                         // owner's id
    uint64_t index : 40; // anon: linear pgoff; file: page of the file
    uint64_t mlock_waits : 8;  // entries of it in batches of mm/unevictable.h
    uint64_t holder : 16;  // in bytes of its own
};

_Static_assert(sizeof(struct page) <= 32, "16 GiB simulated must cost 128 MiB");

static inline enum page_state
page_state(const struct page *page)
{
    return (enum page_state)(page->flags & PAGE_STATE_MASK);
}

static inline unsigned
page_order(const struct page *page)
{
    return (page->flags & PAGE_ORDER_MASK) >> PAGE_ORDER_SHIFT;
}

/*
 * A page in use is part of a folio: itself alone, or pages of a file side by
 * side that were read as one.  List, dirtiness and the mark of read-ahead are
 * the folio's, kept in its first page.
 */
static inline uint32_t
folio_pages(const struct page *page)
{
    return UINT32_C(1) << page_order(page);
}

static inline struct page *
folio_head(struct page *page)
{
    return page - (page->index & (folio_pages(page) - 1));
}

/* Dirtied: what else the mark of read-ahead meant is void. */
static inline void
folio_mark_dirty(struct page *page)
{
    struct page *head = folio_head(page);

    head->flags = (head->flags & ~(uint32_t)PAGE_READAHEAD) | PAGE_DIRTY;
}
