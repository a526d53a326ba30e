/*
 * The arithmetic of glibc's allocator, as far as it decides about pages.
 *
 * It knows sizes, not memory: what a request costs as an own mapping, and how
 * the heap of the main arena grows and is trimmed when blocks are allocated
 * and freed like a stack.  Constants are those of 64-bit glibc.
 *
 * Not modelled: bins and the thread cache (blocks that are freed go back to
 * the top), and the heaps of other arenas.
 */
#pragma once

#include <stdint.h>

#define PTMALLOC_MMAP_THRESHOLD     UINT64_C(131072)
#define PTMALLOC_MMAP_THRESHOLD_MAX UINT64_C(33554432)  // of the dynamic rule

/* A request with its header, as the arena counts it. */
uint64_t ptmalloc_chunk_bytes(uint64_t request);

/* Length of the mapping of a request that gets one of its own, and where in it
 * the caller's block begins. */
uint64_t ptmalloc_mapped_bytes(uint64_t request);
enum { PTMALLOC_MAPPED_OFFSET = 16 };

/* The main arena.  used_bytes + top = length_bytes. */
struct ptmalloc_heap {
    uint64_t length_bytes;  // what brk last asked for
    uint64_t used_bytes;    // blocks in use, from the start of the heap
};

/* The heap after a process's first small request: 132 KiB long. */
void ptmalloc_heap_init(struct ptmalloc_heap *heap);

/* Offset in the heap of the caller's block. */
uint64_t ptmalloc_heap_allocate(struct ptmalloc_heap *heap, uint64_t request);

/* Free the block that was allocated last and still lives. */
void ptmalloc_heap_release_last(struct ptmalloc_heap *heap, uint64_t request);
