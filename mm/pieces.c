/*
 * See pieces.h.  The pieces to be had again are remembered beside the memory,
 * not in it: a linked list through them would have to be wiped, piece by piece
 * and cold, before the next machine gets the chunks.
 */
#include "mm/pieces.h"

#include "mm/check.h"
#include "mm/host_memory.h"

#include <glib.h>

#define AHEAD_BYTES (10 * PIECE_LINE_BYTES)
#define LINES_MAX   (PIECE_BYTES_MAX / PIECE_LINE_BYTES)

struct pieces {
    struct host_memory *host;
    bool are_zeroed;
    bool is_last_use;  // nothing is got any more
    GPtrArray *chunks;
    char *next;                      // where the latest chunk is uncut
    size_t left_bytes;               // of it
    char *expected;                  // of it, where no prefetch has reached
    GPtrArray *free[LINES_MAX + 1];  // by lines, latest last; NULL: none yet
};

struct pieces *
pieces_create(struct host_memory *host, bool are_zeroed)
{
    struct pieces *pieces = g_new0(struct pieces, 1);

    pieces->host = host;
    pieces->are_zeroed = are_zeroed;
    pieces->chunks = g_ptr_array_new();
    return pieces;
}

void
pieces_destroy(struct pieces *pieces)
{
    for (guint i = pieces->chunks->len; i-- > 0;)
        host_memory_put_chunk(pieces->host, pieces->chunks->pdata[i],
                              pieces->are_zeroed);
    for (size_t lines = 0; lines <= LINES_MAX; lines++)
        if (pieces->free[lines])
            g_ptr_array_free(pieces->free[lines], TRUE);
    g_ptr_array_free(pieces->chunks, TRUE);
    g_free(pieces);
}

void
pieces_end(struct pieces *pieces)
{
    pieces->is_last_use = true;
}

static size_t
lines_of(size_t bytes)
{
    mm_assert(bytes <= PIECE_BYTES_MAX);
    return (bytes + PIECE_LINE_BYTES - 1) / PIECE_LINE_BYTES;
}

/* What follows in the chunk is likely to be got soon, and to be written at
 * once: after a large piece the beginning of the next one. */
static void
expect_next(struct pieces *pieces, size_t bytes)
{
    size_t ahead = bytes <= AHEAD_BYTES ? AHEAD_BYTES : PIECE_LINE_BYTES;
    char *end = pieces->next + MIN(ahead, pieces->left_bytes);

    pieces->expected = MAX(pieces->expected, pieces->next);
    if (pieces->expected < end) {
        pieces_expect(pieces->expected, (size_t)(end - pieces->expected));
        pieces->expected = end;
    }
}

void *
pieces_get(struct pieces *pieces, size_t bytes)
{
    size_t lines = lines_of(bytes);
    GPtrArray *free = pieces->free[lines];

    if (free && free->len)
        return g_ptr_array_steal_index_fast(free, free->len - 1);
    bytes = lines * PIECE_LINE_BYTES;
    if (pieces->left_bytes < bytes) {
        pieces->next = host_memory_get_chunk(pieces->host, pieces->are_zeroed);
        pieces->left_bytes = HOST_CHUNK_BYTES;
        pieces->expected = pieces->next;
        g_ptr_array_add(pieces->chunks, pieces->next);
    }
    void *piece = pieces->next;

    pieces->next += bytes;
    pieces->left_bytes -= bytes;
    expect_next(pieces, bytes);
    return piece;
}

void
pieces_put(struct pieces *pieces, void *piece, size_t bytes)
{
    GPtrArray **free = &pieces->free[lines_of(bytes)];

    if (pieces->is_last_use)
        return;
    if (!*free)
        *free = g_ptr_array_new();
    g_ptr_array_add(*free, piece);
}
