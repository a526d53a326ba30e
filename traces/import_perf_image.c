/*
 * Reassembles images, and the files that a recording maps.
 *
 * exec maps an ELF file by reserving the whole of it with the first segment and
 * laying the others over that; what the reserve has too much, it unmaps without
 * a word.  So a segment ends where the next one of its file begins.
 *
 * The mmap area grows down from mmap_base.  The interpreter is the first thing
 * in it (or the vdso, without one), so the highest end below the stack is
 * mmap_base: it was page aligned when the kernel chose it.
 */
#include "traces/import_perf_image.h"

#include <string.h>

/* mmap_base lies at most this far below the stack, however random. */
#define MMAP_GAP_MAX_BYTES (UINT64_C(1) << 42)

static bool
is_anon_name(const char *name)
{
    return g_str_has_prefix(name, "//anon") ||
           g_str_has_prefix(name, "[anon") || strcmp(name, "[heap]") == 0;
}

static struct perf_image_map
map_of(const struct perf_recording *recording, const struct perf_record *record)
{
    const char *name = record->name == PERF_NONE
                           ? "//anon"
                           : recording->names->pdata[record->name];
    return (struct perf_image_map){
        .start = record->arg[0],
        .end = record->arg[0] + record->arg[1],
        .offset = record->arg[2],
        .name_index = record->name,
        .name = name,
        .prot = (uint8_t)record->arg[3],
        .is_anon = is_anon_name(name),
        .is_stack = strcmp(name, "[stack]") == 0,
    };
}

/* Cut the segment at the next one of its file that lies inside it. */
static void
trim(GArray *maps, guint index)
{
    struct perf_image_map *map =
        &g_array_index(maps, struct perf_image_map, index);
    for (guint i = index + 1; i < maps->len && !map->is_anon; i++) {
        const struct perf_image_map *next =
            &g_array_index(maps, struct perf_image_map, i);
        if (next->name_index != map->name_index || next->start <= map->start ||
            next->start >= map->end)
            continue;
        map->end = next->start;
        /* A hole follows if the file has fewer pages than the addresses; the
         * page where the next segment begins may belong to both. */
        uint64_t last =
            map->start + IMPORT_PAGE_BYTES + (next->offset - map->offset);
        if (next->offset > map->offset)
            map->end = MIN(map->end, last);
        return;
    }
}

static void
collect(struct perf_image *image, const struct perf_recording *recording,
        uint32_t index)
{
    const struct perf_record *head = perf_record_at(recording, index);
    for (uint32_t i = index + 1; i < recording->records->len; i++) {
        const struct perf_record *record = perf_record_at(recording, i);
        if (record->tid != head->tid)
            continue;
        if (record->kind == PERF_MAPPED && record->arg[1] > 0 &&
            record->arg[0] + record->arg[1] > record->arg[0]) {
            struct perf_image_map map = map_of(recording, record);
            g_array_append_val(image->maps, map);
        }
        if (record->kind == PERF_EXEC)
            image->old_tid = (uint32_t)record->arg[1];
        if (record->kind == PERF_EXEC || record->kind == PERF_EXIT ||
            record->kind == PERF_ENTER || record->kind == PERF_IMAGE ||
            record->kind == PERF_DEATH)
            return;
    }
}

struct perf_image *
perf_image_new(const struct perf_recording *recording, uint32_t index)
{
    const struct perf_record *head = perf_record_at(recording, index);
    struct perf_image *image = g_new0(struct perf_image, 1);
    image->maps = g_array_new(FALSE, FALSE, sizeof(struct perf_image_map));
    image->brk = head->arg[0];
    image->old_tid = head->tid;
    collect(image, recording, index);

    uint64_t stack_start = 0;
    for (guint i = 0; i < image->maps->len; i++) {
        const struct perf_image_map *map =
            &g_array_index(image->maps, struct perf_image_map, i);
        trim(image->maps, i);
        if (map->is_stack) {
            stack_start = map->start;
            image->stack_top = map->end;
        }
    }
    for (guint i = 0; i < image->maps->len; i++) {
        uint64_t end = g_array_index(image->maps, struct perf_image_map, i).end;
        if (end <= stack_start && stack_start - end < MMAP_GAP_MAX_BYTES)
            image->mmap_base = MAX(image->mmap_base, end);
    }
    return image;
}

void
perf_image_free(struct perf_image *image)
{
    g_array_unref(image->maps);
    g_free(image);
}

/* ---- files ---- */

struct file_extent {
    uint64_t mapped;    // bytes, as segments and mappings say
    uint64_t reserved;  // bytes, as ld.so reserved for all segments
    bool is_file;
};

static void
extend(struct file_extent *files, uint32_t name, uint64_t end, bool is_reserve)
{
    if (name == PERF_NONE)
        return;
    files[name].is_file = true;
    if (is_reserve)
        files[name].reserved = MAX(files[name].reserved, end);
    else
        files[name].mapped = MAX(files[name].mapped, end);
}

static void
extend_by_image(const struct perf_recording *recording, uint32_t index,
                struct file_extent *files)
{
    struct perf_image *image = perf_image_new(recording, index);
    for (guint i = 0; i < image->maps->len; i++) {
        const struct perf_image_map *map =
            &g_array_index(image->maps, struct perf_image_map, i);
        if (!map->is_anon && !map->is_stack)
            extend(files, map->name_index,
                   map->offset + (map->end - map->start), false);
    }
    perf_image_free(image);
}

/* The size in the call, not the mapping's: that may have merged. */
static void
extend_by_call(const struct perf_recording *recording,
               const struct perf_record *mapped, struct file_extent *files)
{
    if (mapped->partner == PERF_NONE)
        return;
    const struct perf_record *call = perf_record_at(recording, mapped->partner);
    if (call->call == PERF_CALL_SHMAT)
        extend(files, mapped->name, mapped->arg[1], false);
    if (call->call != PERF_CALL_MMAP || call->arg[3] & PERF_MAP_ANON)
        return;
    bool is_reserve =
        call->arg[3] & PERF_MAP_DENYWRITE && !(call->arg[3] & PERF_MAP_FIXED);
    extend(files, mapped->name, call->arg[4] + call->arg[1], is_reserve);
}

void
perf_image_write_files(struct import *import)
{
    const struct perf_recording *recording = import->recording;
    g_autofree struct file_extent *files =
        g_new0(struct file_extent, recording->names->len + 1);
    for (uint32_t i = 0; i < recording->records->len; i++) {
        const struct perf_record *record = perf_record_at(recording, i);
        if (record->kind == PERF_IMAGE)
            extend_by_image(recording, i, files);
        else if (record->kind == PERF_MAPPED)
            extend_by_call(recording, record, files);
    }
    for (uint32_t i = 0; i < recording->names->len; i++) {
        if (!files[i].is_file)
            continue;
        const char *name = recording->names->pdata[i];
        g_autofree char *escaped = trace_escape(name);
        g_autofree char *size =
            import_size(files[i].mapped ? files[i].mapped : files[i].reserved);
        import_line(import, "0 file %s %s %s cached", escaped, size,
                    import_is_shmem(name) ? "shmem" : "disk");
    }
}
