/*
 * Host memory for what a simulated machine has most of: frame records and
 * page-table leaves.
 *
 * To get a page from the host's kernel costs as much as simulating a hundred
 * faults.  So memory is backed in stretches ahead of its use, and a driver
 * that runs one machine after the other may give the same struct host_memory
 * to all of them (machine_config.host_memory): what one gives back the next
 * one uses.  One machine at a time; what is in it never shows in a result.
 */
#pragma once

#include <stddef.h>

#define HOST_CHUNK_BYTES ((size_t)256 << 10)

struct host_memory;

struct host_memory *host_memory_create(void);
void host_memory_destroy(struct host_memory *memory);

/* Zeroed address space that costs memory only where it is used. */
void *host_memory_get_records(struct host_memory *memory, size_t bytes);
/* Give it back, all zeroes again. */
void host_memory_put_records(struct host_memory *memory, void *records,
                             size_t bytes);
/* This part of it will be used now. */
void host_memory_back(void *start, size_t bytes);

/* HOST_CHUNK_BYTES, zeroed, cache-line aligned. */
void *host_memory_get_chunk(struct host_memory *memory);
void host_memory_put_chunk(struct host_memory *memory, void *chunk);
