/*
 * Host memory, kept between machines.
 *
 * Stretches are short until as much is in use as a huge page holds, so that a
 * small run stays small and a large one wastes at most half.
 *
 * Backing fails on kernels before 5.14; then pages come one by one as they
 * are touched.  So they do where the host has no huge pages to give.
 */
#include "mm/host_memory.h"

#include <glib.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_BYTES ((size_t)2 << 20)

struct region {
    void *mapping;
    size_t bytes;
    char *start;  // in it, where a huge page may begin
};

struct host_memory {
    struct region records;
    size_t record_bytes;    // 0: none yet
    uint8_t *is_backed;     // per HOST_CHUNK_BYTES of records, for any machine
    size_t asked_bytes;     // of records, by this machine
    GArray *chunk_regions;  // struct region: what chunks are cut from
    size_t chunk_bytes;     // of all of them
    GPtrArray *zeroed_chunks;  // not in use, never written or wiped
    GPtrArray *used_chunks;    // not in use, as they were left
};

static struct region
map(size_t bytes)
{
    size_t mapped_bytes = bytes + HUGE_BYTES;
    void *mapping = mmap(NULL, mapped_bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (mapping == MAP_FAILED)
        g_error("no address space for %zu bytes", bytes);
    return (struct region){
        .mapping = mapping,
        .bytes = mapped_bytes,
        .start = (char *)mapping + -(uintptr_t)mapping % HUGE_BYTES,
    };
}

static void
back(void *start, size_t bytes)
{
    if (bytes == HUGE_BYTES)
        (void)madvise(start, bytes, MADV_HUGEPAGE);
#ifdef MADV_POPULATE_WRITE
    (void)madvise(start, bytes, MADV_POPULATE_WRITE);
#endif
}

struct host_memory *
host_memory_create(void)
{
    struct host_memory *memory = g_new0(struct host_memory, 1);

    memory->chunk_regions = g_array_new(FALSE, FALSE, sizeof(struct region));
    memory->zeroed_chunks = g_ptr_array_new();
    memory->used_chunks = g_ptr_array_new();
    return memory;
}

static void
drop_records(struct host_memory *memory)
{
    if (memory->record_bytes)
        munmap(memory->records.mapping, memory->records.bytes);
    g_free(memory->is_backed);
}

void
host_memory_destroy(struct host_memory *memory)
{
    if (!memory)
        return;
    drop_records(memory);
    for (guint i = 0; i < memory->chunk_regions->len; i++) {
        const struct region *region =
            &g_array_index(memory->chunk_regions, struct region, i);
        munmap(region->mapping, region->bytes);
    }
    g_array_free(memory->chunk_regions, TRUE);
    g_ptr_array_free(memory->zeroed_chunks, TRUE);
    g_ptr_array_free(memory->used_chunks, TRUE);
    g_free(memory);
}

void *
host_memory_get_records(struct host_memory *memory, size_t bytes)
{
    memory->asked_bytes = 0;
    if (memory->record_bytes != bytes) {
        drop_records(memory);
        memory->records = map(bytes);
        memory->record_bytes = bytes;
        memory->is_backed = g_new0(uint8_t, bytes / HOST_CHUNK_BYTES + 1);
    }
    return memory->records.start;
}

size_t
host_memory_back_records(struct host_memory *memory, size_t from, size_t limit)
{
    bool is_huge = memory->asked_bytes >= HUGE_BYTES &&
                   from % HUGE_BYTES == 0 && limit - from >= HUGE_BYTES;
    size_t stretch = is_huge ? HUGE_BYTES : HOST_CHUNK_BYTES;
    size_t end = MIN((from / stretch + 1) * stretch, limit);
    size_t first = from / HOST_CHUNK_BYTES;
    size_t last = (end - 1) / HOST_CHUNK_BYTES;

    if (!memory->is_backed[last])
        back(memory->records.start + from, end - from);
    memset(&memory->is_backed[first], true, last - first + 1);
    memory->asked_bytes += end - from;
    return end;
}

static void
add_chunks(struct host_memory *memory)
{
    size_t bytes =
        memory->chunk_bytes < HUGE_BYTES ? HOST_CHUNK_BYTES : HUGE_BYTES;
    struct region region = map(bytes);

    back(region.start, bytes);
    g_array_append_val(memory->chunk_regions, region);
    memory->chunk_bytes += bytes;
    for (size_t at = bytes; at > 0; at -= HOST_CHUNK_BYTES)
        g_ptr_array_add(memory->zeroed_chunks,
                        region.start + at - HOST_CHUNK_BYTES);
}

void *
host_memory_get_chunk(struct host_memory *memory, bool is_zeroed)
{
    GPtrArray *chunks = memory->zeroed_chunks;

    if (!is_zeroed && memory->used_chunks->len)
        chunks = memory->used_chunks;
    if (chunks->len == 0)
        add_chunks(memory);
    return g_ptr_array_steal_index_fast(chunks, chunks->len - 1);
}

void
host_memory_put_chunk(struct host_memory *memory, void *chunk, bool is_zeroed)
{
    g_ptr_array_add(is_zeroed ? memory->zeroed_chunks : memory->used_chunks,
                    chunk);
}
