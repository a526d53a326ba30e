/*
 * The arithmetic of glibc's allocator, as far as it decides about pages; the
 * rules are those that glibc has had since 2.3, apart from the thread cache's
 * own block, which is there since 2.26.
 */
#include "workloads/ptmalloc.h"

#include "workloads/workload_private.h"

enum {
    HEADER_BYTES = 8,
    ALIGNMENT_BYTES = 16,
    TOP_BYTES_MIN = 32,        // the top block never gets smaller
    CACHE_CHUNK_BYTES = 0x290  // the thread cache lies first in the heap
};

#define TOP_PAD_BYTES        UINT64_C(131072)
#define TRIM_THRESHOLD_BYTES UINT64_C(131072)

uint64_t
ptmalloc_chunk_bytes(uint64_t request)
{
    return MAX(round_up(request + HEADER_BYTES, ALIGNMENT_BYTES),
               TOP_BYTES_MIN);
}

uint64_t
ptmalloc_mapped_bytes(uint64_t request)
{
    return round_up(ptmalloc_chunk_bytes(request) + HEADER_BYTES,
                    WORKLOAD_PAGE_BYTES);
}

void
ptmalloc_heap_init(struct ptmalloc_heap *heap)
{
    heap->length_bytes = round_up(
        CACHE_CHUNK_BYTES + TOP_PAD_BYTES + TOP_BYTES_MIN, WORKLOAD_PAGE_BYTES);
    heap->used_bytes = CACHE_CHUNK_BYTES;
}

uint64_t
ptmalloc_heap_allocate(struct ptmalloc_heap *heap, uint64_t request)
{
    uint64_t chunk = ptmalloc_chunk_bytes(request);
    uint64_t top = heap->length_bytes - heap->used_bytes;

    if (top < chunk + TOP_BYTES_MIN) {
        heap->length_bytes += round_up(
            chunk + TOP_PAD_BYTES + TOP_BYTES_MIN - top, WORKLOAD_PAGE_BYTES);
    }
    uint64_t offset = heap->used_bytes + ALIGNMENT_BYTES;
    heap->used_bytes += chunk;
    return offset;
}

void
ptmalloc_heap_release_last(struct ptmalloc_heap *heap, uint64_t request)
{
    heap->used_bytes -= ptmalloc_chunk_bytes(request);

    uint64_t top = heap->length_bytes - heap->used_bytes;
    if (top < TRIM_THRESHOLD_BYTES)
        return;
    uint64_t spare = top - TOP_BYTES_MIN - 1;
    if (spare > TOP_PAD_BYTES) {
        heap->length_bytes -=
            (spare - TOP_PAD_BYTES) / WORKLOAD_PAGE_BYTES * WORKLOAD_PAGE_BYTES;
    }
}
