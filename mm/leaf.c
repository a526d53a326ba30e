/*
 * The host objects of leaves and directories.
 *
 * They are cut from chunks and keep their id for life, so a leaf that was
 * given back is the next one's memory: its entries are all none already.
 */
#include "mm/aspace.h"
#include "mm/host_memory.h"
#include "mm/machine.h"

#include <string.h>

#define CACHE_LINE_BYTES 64

static size_t
whole_lines(size_t bytes)
{
    return (bytes + CACHE_LINE_BYTES - 1) & ~(size_t)(CACHE_LINE_BYTES - 1);
}

static size_t
leaf_bytes(const struct arch *arch)
{
    return whole_lines(sizeof(struct leaf) +
                       leaf_entries(arch) * sizeof(pte_t));
}

/* Of the largest directory. */
static size_t
directory_bytes(const struct arch *arch)
{
    unsigned bits = 0;

    for (unsigned level = 0; level + 1 < arch->level_count; level++)
        bits = MAX(bits, arch->level_bits[level]);
    return whole_lines(sizeof(struct directory) + (sizeof(void *) << bits));
}

/* Cut a chunk into free leaves, the first one on top. */
static void
add_chunk(struct machine *machine)
{
    size_t bytes = leaf_bytes(machine->arch);
    uint32_t count = (uint32_t)(HOST_CHUNK_BYTES / bytes);
    char *chunk = host_memory_get_chunk(machine->host_memory);

    g_ptr_array_add(machine->leaf_chunks, chunk);
    for (uint32_t i = count; i-- > 0;) {
        struct leaf *leaf = (struct leaf *)(void *)(chunk + i * bytes);

        leaf->id = machine->leaves->len + i;
        leaf->next_free = machine->free_leaf;
        machine->free_leaf = leaf;
    }
    g_ptr_array_set_size(machine->leaves, (gint)(machine->leaves->len + count));
}

void
table_put_chunks(struct machine *machine)
{
    size_t bytes = leaf_bytes(machine->arch);

    for (guint i = 0; i < machine->leaf_chunks->len; i++) {
        char *chunk = machine->leaf_chunks->pdata[i];

        for (size_t at = 0; at + bytes <= HOST_CHUNK_BYTES; at += bytes)
            *(struct leaf *)(void *)(chunk + at) = (struct leaf){0};
        host_memory_put_chunk(machine->host_memory, chunk);
    }
    bytes = directory_bytes(machine->arch);
    for (guint i = 0; i < machine->directory_chunks->len; i++) {
        char *chunk = machine->directory_chunks->pdata[i];

        for (size_t at = 0; at + bytes <= HOST_CHUNK_BYTES; at += bytes)
            memset(chunk + at, 0, sizeof(struct directory) + sizeof(void *));
        host_memory_put_chunk(machine->host_memory, chunk);
    }
}

static void
add_directory_chunk(struct machine *machine)
{
    size_t bytes = directory_bytes(machine->arch);
    char *chunk = host_memory_get_chunk(machine->host_memory);

    g_ptr_array_add(machine->directory_chunks, chunk);
    for (size_t i = HOST_CHUNK_BYTES / bytes; i-- > 0;) {
        struct directory *directory =
            (struct directory *)(void *)(chunk + i * bytes);

        directory->slot[0] = machine->free_directory;
        machine->free_directory = directory;
    }
}

struct directory *
directory_create(struct machine *machine, pfn_t pfn)
{
    if (!machine->free_directory)
        add_directory_chunk(machine);
    struct directory *directory = machine->free_directory;

    machine->free_directory = directory->slot[0];
    directory->slot[0] = NULL;
    directory->pfn = pfn;
    return directory;
}

void
directory_destroy(struct machine *machine, struct directory *directory)
{
    mm_assert(directory->used_count == 0);
    directory->slot[0] = machine->free_directory;
    machine->free_directory = directory;
}

struct leaf *
leaf_create(struct mm *mm, uint64_t base, pfn_t pfn)
{
    struct machine *machine = mm->machine;

    if (!machine->free_leaf)
        add_chunk(machine);
    struct leaf *leaf = machine->free_leaf;

    machine->free_leaf = leaf->next_free;
    machine->leaves->pdata[leaf->id] = leaf;
    leaf->mm = mm;
    leaf->base = base;
    leaf->pfn = pfn;
    return leaf;
}

void
leaf_destroy(struct leaf *leaf)
{
    struct machine *machine = leaf->mm->machine;

    mm_assert(leaf->used_count == 0);
    machine->leaves->pdata[leaf->id] = NULL;
    leaf->next_free = machine->free_leaf;
    machine->free_leaf = leaf;
}
