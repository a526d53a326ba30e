/*
 * Host memory for what a simulated machine has most of: frame records, page
 * tables and the objects of slabs.
 *
 * To get a page from the host's kernel costs as much as simulating a hundred
 * faults.  So memory is backed in stretches ahead of its use, in huge pages
 * where the machine has shown that it needs much, and a driver that runs one
 * machine after the other may give the same struct host_memory to all of them
 * (machine_config.host_memory): what one gives back the next one uses.  One
 * machine at a time; what is in it never shows in a result.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define HOST_CHUNK_BYTES ((size_t)256 << 10)

struct host_memory;

struct host_memory *host_memory_create(void);
void host_memory_destroy(struct host_memory *memory);

/* Zeroed address space that costs memory only where it is used.  Whoever asks
 * next may get the same: leave it all zeroes. */
void *host_memory_get_records(struct host_memory *memory, size_t bytes);
/* The records from byte `from` on will be used now, and those before `limit`
 * after them: back a stretch of them.  Returns where it ends. */
size_t host_memory_back_records(struct host_memory *memory, size_t from,
                                size_t limit);

/* HOST_CHUNK_BYTES, cache-line aligned: all zeroes, or whatever was there. */
void *host_memory_get_chunk(struct host_memory *memory, bool is_zeroed);
/* Give it back; is_zeroed: it is all zeroes again. */
void host_memory_put_chunk(struct host_memory *memory, void *chunk,
                           bool is_zeroed);
