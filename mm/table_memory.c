/*
 * See table_memory.h.  The pieces to be had again are remembered beside the
 * memory, not in it: a linked list through them would have to be wiped, piece
 * by piece and cold, before the next machine gets the chunks.
 */
#include "mm/table_memory.h"

#include "mm/check.h"
#include "mm/host_memory.h"

#include <glib.h>

#define LINES_MAX 130  // a leaf of 1024 entries, and some room

struct table_memory {
    struct host_memory *host;
    GPtrArray *chunks;
    char *next;                      // where the latest chunk is uncut
    size_t left_bytes;               // of it
    GPtrArray *free[LINES_MAX + 1];  // by lines, latest last; NULL: none yet
};

struct table_memory *
table_memory_create(struct host_memory *host)
{
    struct table_memory *memory = g_new0(struct table_memory, 1);

    memory->host = host;
    memory->chunks = g_ptr_array_new();
    return memory;
}

void
table_memory_destroy(struct table_memory *memory)
{
    for (guint i = memory->chunks->len; i-- > 0;)
        host_memory_put_chunk(memory->host, memory->chunks->pdata[i]);
    for (size_t lines = 0; lines <= LINES_MAX; lines++)
        if (memory->free[lines])
            g_ptr_array_free(memory->free[lines], TRUE);
    g_ptr_array_free(memory->chunks, TRUE);
    g_free(memory);
}

static size_t
lines_of(size_t bytes)
{
    size_t lines = (bytes + TABLE_LINE_BYTES - 1) / TABLE_LINE_BYTES;

    mm_assert(lines <= LINES_MAX);
    return lines;
}

void *
table_memory_get(struct table_memory *memory, size_t bytes)
{
    size_t lines = lines_of(bytes);
    GPtrArray *free = memory->free[lines];

    if (free && free->len)
        return g_ptr_array_steal_index_fast(free, free->len - 1);
    bytes = lines * TABLE_LINE_BYTES;
    if (memory->left_bytes < bytes) {
        memory->next = host_memory_get_chunk(memory->host);
        memory->left_bytes = HOST_CHUNK_BYTES;
        g_ptr_array_add(memory->chunks, memory->next);
    }
    void *piece = memory->next;

    memory->next += bytes;
    memory->left_bytes -= bytes;
    return piece;
}

void
table_memory_put(struct table_memory *memory, void *piece, size_t bytes)
{
    GPtrArray **free = &memory->free[lines_of(bytes)];

    if (!*free)
        *free = g_ptr_array_new();
    g_ptr_array_add(*free, piece);
}
