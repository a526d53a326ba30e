/*
 * Host memory in pieces of a few sizes, cut one behind the other from chunks:
 * what comes together lies together, and large runs have it in huge pages of
 * the host.
 *
 * Pieces are zeroed or plain.  A zeroed one is all zeroes when it is got and
 * when it is put back, and nothing is written into it between; a plain one has
 * whatever was there.  What was put back last is the first to be got again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define PIECE_LINE_BYTES ((size_t)64)
#define PIECE_BYTES_MAX  (256 * PIECE_LINE_BYTES)

struct host_memory;
struct pieces;

struct pieces *pieces_create(struct host_memory *host, bool are_zeroed);
/* Zeroed pieces are all back; plain ones need not be. */
void pieces_destroy(struct pieces *pieces);

/* At most PIECE_BYTES_MAX, aligned to a cache line; the same size puts it
 * back. */
void *pieces_get(struct pieces *pieces, size_t bytes);
void pieces_put(struct pieces *pieces, void *piece, size_t bytes);
/* From now on pieces only come back, and need not be remembered. */
void pieces_end(struct pieces *pieces);

/* What will be written soon comes into the host's caches.  Inlined wherever it
 * is used: the compiler takes a function that only prefetches for one that does
 * nothing, and leaves calls out. */
static inline __attribute__((always_inline)) void
pieces_expect(const void *start, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += PIECE_LINE_BYTES)
        __builtin_prefetch((const char *)start + at, /* for writing */ 1);
}
