/*
 * Host memory, kept between machines.
 *
 * Backing fails on kernels before 5.14; then pages come one by one as they
 * are touched.
 */
#include "mm/host_memory.h"

#include <glib.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define HOST_PAGE_BYTES ((size_t)4096)

struct host_memory {
    void *records;  // not in use; NULL: none
    size_t record_bytes;
    GPtrArray *chunks;  // not in use
};

static void *
map(size_t bytes)
{
    void *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (start == MAP_FAILED)
        g_error("no address space for %zu bytes", bytes);
    return start;
}

struct host_memory *
host_memory_create(void)
{
    struct host_memory *memory = g_new0(struct host_memory, 1);

    memory->chunks = g_ptr_array_new();
    return memory;
}

void
host_memory_destroy(struct host_memory *memory)
{
    if (!memory)
        return;
    if (memory->records)
        munmap(memory->records, memory->record_bytes);
    for (guint i = 0; i < memory->chunks->len; i++)
        munmap(memory->chunks->pdata[i], HOST_CHUNK_BYTES);
    g_ptr_array_free(memory->chunks, TRUE);
    g_free(memory);
}

void *
host_memory_get_records(struct host_memory *memory, size_t bytes)
{
    void *records = memory->records;

    if (!records || memory->record_bytes != bytes)
        return map(bytes);
    memory->records = NULL;
    return records;
}

void
host_memory_put_records(struct host_memory *memory, void *records, size_t bytes)
{
    if (memory->records)
        munmap(memory->records, memory->record_bytes);
    memory->records = records;
    memory->record_bytes = bytes;
}

void
host_memory_back(void *start, size_t bytes)
{
#ifdef MADV_POPULATE_WRITE
    size_t before = (uintptr_t)start % HOST_PAGE_BYTES;

    (void)madvise((char *)start - before, before + bytes, MADV_POPULATE_WRITE);
#else
    (void)start;
    (void)bytes;
#endif
}

void *
host_memory_get_chunk(struct host_memory *memory)
{
    guint count = memory->chunks->len;

    if (count)
        return memset(g_ptr_array_steal_index_fast(memory->chunks, count - 1),
                      0, HOST_CHUNK_BYTES);
    void *chunk = map(HOST_CHUNK_BYTES);

    host_memory_back(chunk, HOST_CHUNK_BYTES);
    return chunk;
}

void
host_memory_put_chunk(struct host_memory *memory, void *chunk)
{
    g_ptr_array_add(memory->chunks, chunk);
}
