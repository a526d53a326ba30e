/*
 * Read-ahead: which pages of a file on disk are read when one of them is
 * wanted.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct file;
struct page;
struct vma;

/* What the kernel keeps per open file (struct file_ra_state); here per file of
 * the trace, which says nothing of descriptors. */
struct readahead {
    uint64_t start;       // the latest window, in pages
    uint64_t size;
    uint64_t async_size;  // its end, to be wanted some time later
    uint32_t order;       // log2 of the pages that are read as one folio
    uint32_t miss_count;  // faults that read, less pages that were found
};

/* A fault through the VMA did not find the page: read, mostly also that page,
 * as far as memory is to be had. */
void readahead_missed(struct vma *vma, unsigned cpu, uint64_t index);
/* A fault found the page.  true: that was the sign to read more, and the fault
 * starts over. */
bool readahead_found(struct vma *vma, unsigned cpu, uint64_t index,
                     struct page *page);
/* Faults through the VMA, one after the other, found pages without the sign. */
void readahead_found_run(const struct vma *vma, uint64_t pages);
/* So many pages were found around a fault. */
void readahead_found_around(struct file *file, uint64_t pages);
/* MADV_WILLNEED: pages [index, index + count). */
void readahead_force(struct file *file, unsigned cpu, uint64_t index,
                     uint64_t count);
