/*
 * Host memory of page tables: pieces of a few sizes, cut one behind the other
 * from chunks of host memory, so that the tables of a process lie together.
 *
 * Nothing is written into a piece that is not in use: it is all zeroes when it
 * is got, and when it is put back.  What was put back last is the first to be
 * got again.
 */
#pragma once

#include <stddef.h>

#define TABLE_LINE_BYTES ((size_t)64)

struct host_memory;
struct table_memory;

struct table_memory *table_memory_create(struct host_memory *host);
/* Every piece is back. */
void table_memory_destroy(struct table_memory *memory);

/* Zeroed, aligned to a cache line; the same size puts it back. */
void *table_memory_get(struct table_memory *memory, size_t bytes);
void table_memory_put(struct table_memory *memory, void *piece, size_t bytes);
