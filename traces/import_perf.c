/*
 * Recordings of perf become traces: the walk over the records.
 *
 *   IMAGE    exec, with the new image's mappings
 *   FAULT    a touch, with what the kernel did about it
 *   NEWTASK  fork, vfork or thread
 *   ENTER    a call, at the instant of its effect (import_perf_records.c)
 *   DEATH    exit
 *
 * What a fault did is told by the allocation that followed it on the same task,
 * and by what is mapped there:
 *
 *                      private anonymous       private file     shared
 *   read, execute      zero                    file             file
 *   write, cleared     fresh                   fresh            file
 *   write, filled      copy                    copy             file
 *   write, neither     present: reuse          reuse            file
 *                      absent:  hit (another task was faster)
 *
 * and `segv` where nothing is mapped or the access is not allowed; a fetch that
 * is not allowed may have brought its page in before, with a fault of its own.
 *
 * The walk is done twice: first to count, then to write, so that the totals
 * stand in the header.  Not known from the recording: signals, limits (the
 * stack's is taken to be 8 MiB), what lies in files, sizes of files (as far as
 * they are mapped), processes that ran before the recording began.
 */
#include "traces/import.h"

#include <inttypes.h>
#include <string.h>

#include "traces/import_perf_calls.h"
#include "traces/import_perf_image.h"
#include "traces/import_perf_time.h"

#define STACK_LIMIT_BYTES  (UINT64_C(8) << 20)
#define KERNEL_ADDRESS_MIN (UINT64_C(1) << 63)

enum { STACK_TABLES = 3 };  // above the first page of a stack, 4 levels

/* ---- tasks ---- */

static void
task_free(gpointer data)
{
    struct import_task *task = data;
    import_space_unref(task->space);
    g_free(task);
}

static struct import_task *
add_task(struct import *import, uint32_t tid, struct import_space *space)
{
    struct import_task *task = g_new(struct import_task, 1);
    *task = (struct import_task){.id = ++import->last_id, .space = space};
    g_hash_table_replace(import->tasks, GUINT_TO_POINTER(tid), task);
    g_hash_table_insert(import->ids, GUINT_TO_POINTER(tid),
                        GUINT_TO_POINTER(task->id));
    return task;
}

/* The task of a record; one that nobody made is the recording's first. */
static struct import_task *
task_of(struct import *import, const struct perf_record *record)
{
    struct import_task *task =
        g_hash_table_lookup(import->tasks, GUINT_TO_POINTER(record->tid));
    if (task)
        return task;
    task = add_task(import, record->tid, import_space_new(0, 0, 0));
    import_flush(import);
    import_line(import, "%u start uid=%" PRIu64, task->id,
                import->options->default_uid);
    return task;
}

static void
birth(struct import *import, const struct perf_record *record)
{
    struct import_task *parent = task_of(import, record);
    uint64_t flags = record->arg[1];
    const char *word = flags & PERF_CLONE_THREAD ? "thread"
                       : flags & PERF_CLONE_VM   ? "vfork"
                                                 : "fork";
    struct import_space *space = flags & PERF_CLONE_VM
                                     ? import_space_ref(parent->space)
                                     : import_space_copy(parent->space);
    if (!(flags & PERF_CLONE_VM))
        import->totals.spaces++;
    struct import_task *child =
        add_task(import, (uint32_t)record->arg[0], space);
    import_event(import, parent, record, "%s %u = 0", word, child->id);
}

static void
death(struct import *import, const struct perf_record *record)
{
    struct import_task *task = task_of(import, record);
    import_event(import, task, record, "exit");
    g_hash_table_remove(import->tasks, GUINT_TO_POINTER(record->tid));
}

/* ---- images ---- */

static void
map_stack(struct import *import, struct import_task *task,
          const struct perf_image_map *map)
{
    struct import_space *space = task->space;
    struct import_piece like = {.prot = map->prot};
    g_autofree char *name = import_space_new_name(space, "stack_vma");
    g_autofree char *size = import_size(map->end - map->start);
    g_autofree char *prot = import_prot(map->prot);
    import_line(import,
                "%u map %s %s %s anon,private,stack,growsdown "
                "at=stack-%s",
                task->id, name, size, prot, size);
    import_space_put(space, space->stack, map->start, map->end, &like);
}

static void
map_segment(struct import *import, struct import_task *task,
            const struct perf_image_map *map)
{
    struct import_piece like = {.prot = map->prot, .is_file = !map->is_anon};
    g_autofree char *stem = import_stem(map->is_anon ? "anon" : map->name);
    g_autofree char *name = import_space_new_name(task->space, stem);
    g_autofree char *size = import_size(map->end - map->start);
    g_autofree char *prot = import_prot(map->prot);
    if (map->is_anon) {
        import_line(import, "%u map %s %s %s anon,private at=0x%" PRIx64,
                    task->id, name, size, prot, map->start);
    } else {
        g_autofree char *file = trace_escape(map->name);
        g_autofree char *offset = import_size(map->offset);
        import_line(import,
                    "%u map %s %s %s private,file=%s off=%s at=0x%" PRIx64,
                    task->id, name, size, prot, file, offset, map->start);
    }
    import_space_map(task->space, name, map->start, map->end - map->start,
                     &like);
}

/*
 * Pages that the kernel filled with arguments before the image was made.  What
 * the first image got was over before the recording began, but is certain: one
 * page at least, and the tables that lead to it.
 */
static void
touch_arguments(struct import *import, struct import_task *task,
                const struct perf_record *record)
{
    bool is_recorded = record->partner != PERF_NONE;
    uint64_t pages = is_recorded ? record->cleared : 1;
    if (!is_recorded) {
        import->totals.clears += pages;
        import->totals.tables += STACK_TABLES;
    }
    if (pages == 0)
        return;
    g_autofree char *size = import_size(pages * IMPORT_PAGE_BYTES);
    import_event(import, task, record, "w stack-%s %s gup%s", size, size,
                 is_recorded ? " = fresh" : "");
}

/* Another thread than the leader may exec; it takes over the leader's tid. */
static struct import_task *
image_task(struct import *import, const struct perf_record *record,
           const struct perf_image *image)
{
    gpointer old = GUINT_TO_POINTER(image->old_tid);
    if (image->old_tid != record->tid &&
        g_hash_table_contains(import->tasks, old)) {
        gpointer task;
        g_hash_table_steal_extended(import->tasks, old, NULL, &task);
        g_hash_table_replace(import->tasks, GUINT_TO_POINTER(record->tid),
                             task);
    }
    return task_of(import, record);
}

static void
exec(struct import *import, uint32_t index)
{
    const struct perf_record *record = perf_record_at(import->recording, index);
    struct perf_image *image = perf_image_new(import->recording, index);
    struct import_task *task = image_task(import, record, image);
    import_space_unref(task->space);
    task->space =
        import_space_new(image->brk, image->stack_top, STACK_LIMIT_BYTES);
    if (record->partner != PERF_NONE)
        import->totals.spaces++;

    g_autoptr(GString) keys = g_string_new(NULL);
    if (image->mmap_base)
        g_string_append_printf(keys, " mmap-base=0x%" PRIx64, image->mmap_base);
    if (image->brk && image->maps->len > 0)
        g_string_append_printf(keys, " brk=0x%" PRIx64, image->brk);
    if (image->stack_top)
        g_string_append_printf(keys, " stack=0x%" PRIx64, image->stack_top);
    g_autofree char *comm = trace_escape(import_name(import, record));
    import_event(import, task, record, "exec %s%s = 0", comm, keys->str);
    for (guint i = 0; i < image->maps->len; i++) {
        const struct perf_image_map *map =
            &g_array_index(image->maps, struct perf_image_map, i);
        if (map->is_stack)
            map_stack(import, task, map);
        else
            map_segment(import, task, map);
    }
    touch_arguments(import, task, record);
    perf_image_free(image);
}

/* ---- touches ---- */

static bool
is_permitted(const struct import_piece *piece, const struct perf_record *fault)
{
    if (fault->arg[1] & PERF_FAULT_WRITE)
        return piece->prot & TRACE_PROT_WRITE;
    if (fault->arg[1] & PERF_FAULT_EXECUTE)
        return piece->prot & TRACE_PROT_EXEC;
    return piece->prot != 0;
}

/* A fetch where other accesses are permitted: it may bring the page in. */
static bool
is_bad_fetch(const struct import_piece *piece, const struct perf_record *fault)
{
    return piece && !piece->is_guard && piece->prot != 0 &&
           (fault->arg[1] & PERF_FAULT_EXECUTE) && !is_permitted(piece, fault);
}

/* How the kernel brought the page. */
static enum trace_outcome
answer_of(const struct import_piece *piece, const struct perf_record *fault)
{
    bool is_write = fault->arg[1] & PERF_FAULT_WRITE;
    bool is_present = fault->arg[1] & PERF_FAULT_PRESENT;
    if (piece->is_shared)
        return TRACE_OUTCOME_FILE;
    if (fault->cleared)
        return TRACE_OUTCOME_FRESH;
    if (!is_write)
        return is_present       ? TRACE_OUTCOME_HIT
               : piece->is_file ? TRACE_OUTCOME_FILE
                                : TRACE_OUTCOME_ZERO;
    if (fault->filled && (is_present || piece->is_file))
        return TRACE_OUTCOME_COPY;
    return is_present ? TRACE_OUTCOME_REUSE : TRACE_OUTCOME_HIT;
}

static enum trace_outcome
outcome_of(const struct import_piece *piece, const struct perf_record *fault)
{
    if (!piece)
        return fault->cleared ? TRACE_OUTCOME_FRESH : TRACE_OUTCOME_SEGV;
    if (!is_permitted(piece, fault) || piece->is_guard)
        return TRACE_OUTCOME_SEGV;
    return answer_of(piece, fault);
}

static void
count_fault(struct import *import, const struct import_piece *piece,
            const struct perf_record *fault, enum trace_outcome outcome)
{
    import->totals.faults[outcome]++;
    if (outcome == TRACE_OUTCOME_FILE && piece->is_shmem)
        import->totals.shmem_clears += fault->filled;
}

/*
 * A fetch that is not permitted faults twice where the page was absent: it is
 * brought in, then refused.  That is one touch.  Whether the fault was such a
 * touch's second.
 */
static bool
ends_bad_fetch(struct import *import, struct import_task *task,
               const struct import_piece *piece,
               const struct perf_record *fault, uint64_t address)
{
    bool is_bad = is_bad_fetch(piece, fault);
    bool is_present = fault->arg[1] & PERF_FAULT_PRESENT;
    bool is_second = is_bad && is_present && task->bad_fetch == address;

    task->bad_fetch = is_bad && !is_present ? address : 0;
    if (task->bad_fetch)
        count_fault(import, piece, fault, answer_of(piece, fault));
    else
        count_fault(import, piece, fault, outcome_of(piece, fault));
    return is_second;
}

static void
touch(struct import *import, const struct perf_record *record)
{
    uint64_t address = record->arg[0] & ~(IMPORT_PAGE_BYTES - 1);
    if (address >= KERNEL_ADDRESS_MIN)
        return;
    struct import_task *task = task_of(import, record);
    const struct import_piece *piece = import_space_find(task->space, address);
    struct import_touch next = {
        .task = task->id,
        .op = record->arg[1] & PERF_FAULT_WRITE     ? 'w'
              : record->arg[1] & PERF_FAULT_EXECUTE ? 'x'
                                                    : 'r',
        .is_kernel = record->is_kernel,
        .cpu = record->cpu,
        .region = piece ? piece->region : NULL,
        .start = address,
        .pages = 1,
        .first_ns = record->time_ns,
        .last_ns = MAX(record->time_ns, record->arg[2]),
        .outcome = outcome_of(piece, record),
    };
    if (!ends_bad_fetch(import, task, piece, record, address))
        import_touch(import, task, &next);
}

/* ---- the walk ---- */

static void
effect(struct import *import, const struct perf_record *at)
{
    const struct perf_record *cause =
        perf_record_at(import->recording, at->effect_of);
    if (cause->kind == PERF_DEATH)
        death(import, cause);
    else
        import_perf_call(import, task_of(import, cause), cause, at);
}

static void
pass_time(const struct import *import, struct perf_record *record)
{
    struct import_task *task =
        g_hash_table_lookup(import->tasks, GUINT_TO_POINTER(record->tid));
    if (import->has_spending && task)
        import_time_pass(import, task, record);
}

static void
walk(struct import *import)
{
    import->tasks =
        g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, task_free);
    import->ids = g_hash_table_new(g_direct_hash, g_direct_equal);
    import->last_id = 0;
    for (uint32_t i = 0; i < import->recording->records->len; i++) {
        struct perf_record *record = perf_record_at(import->recording, i);
        pass_time(import, record);
        if (record->kind == PERF_FAULT)
            touch(import, record);
        else if (record->kind == PERF_NEWTASK)
            birth(import, record);
        else if (record->kind == PERF_IMAGE)
            exec(import, i);
        if (record->effect_of != PERF_NONE)
            effect(import, record);
    }
    import_flush(import);
    g_hash_table_unref(import->tasks);
    g_hash_table_unref(import->ids);
}

/* Allocations are counted as they were recorded, whatever they served. */
static void
count_allocations(struct import *import)
{
    for (uint32_t i = 0; i < import->recording->records->len; i++) {
        const struct perf_record *record = perf_record_at(import->recording, i);
        if (record->kind == PERF_ALLOC && record->arg[0] == PERF_ALLOC_CLEARED)
            import->totals.clears += record->arg[1];
        if (record->kind == PERF_ALLOC && record->arg[0] == PERF_ALLOC_TABLE)
            import->totals.tables += record->arg[1];
    }
}

static void
write_totals(struct import *import)
{
    const struct import_totals *totals = &import->totals;
    uint64_t faults = 0;
    for (unsigned i = 0; i < TRACE_OUTCOME_COUNT; i++)
        faults += i == TRACE_OUTCOME_HIT ? 0 : totals->faults[i];
    g_autoptr(GString) words = g_string_new(NULL);
    for (unsigned i = 0; i < TRACE_OUTCOME_COUNT; i++) {
        if (totals->faults[i] > 0)
            g_string_append_printf(words, " %s=%" PRIu64,
                                   trace_outcome_word((enum trace_outcome)i),
                                   totals->faults[i]);
    }
    import_line(import, "# faults by outcome:%s", words->str);
    /* One page of those is the page directory of each new address space. */
    import_line(import,
                "# recorded: faults=%" PRIu64 " clears=%" PRIu64
                " shmem_clears=%" PRIu64 " copies=%" PRIu64
                " file_faults=%" PRIu64 " pagetable_pages=%" PRIu64,
                faults, totals->clears, totals->shmem_clears,
                totals->faults[TRACE_OUTCOME_COPY],
                totals->faults[TRACE_OUTCOME_FILE],
                totals->tables - MIN(totals->tables, totals->spaces));
}

static void
write_note(struct import *import)
{
    if (!import->options->note)
        return;
    g_auto(GStrv) lines = g_strsplit(import->options->note, "\n", -1);
    for (char **line = lines; *line; line++)
        import_line(import, "# %s", *line);
}

static void
write_header(struct import *import)
{
    const char *kernel = import->options->kernel;
    if (!kernel)
        kernel = import->recording->kernel;
    if (import->recording->is_calls_only)
        import_line(import, "#touches filtered");
    else
        import_line(import, "#touches faults %s", kernel ? kernel : "unknown");
    write_note(import);
    if (import->recording->is_calls_only)
        import_line(import, "# calls%s%s, no touches", kernel ? " of " : "",
                    kernel ? kernel : "");
    else
        write_totals(import);
    perf_image_write_files(import);
}

void
import_recording(const struct perf_recording *recording,
                 const struct import_options *options, struct trace_writer *out)
{
    struct import import = {.recording = recording, .options = options};
    for (uint32_t i = 0; i < recording->records->len && !import.start_ns; i++)
        import.start_ns = perf_record_at(recording, i)->time_ns;
    import_time_prepare(&import);
    walk(&import);
    count_allocations(&import);

    import.out = out;
    write_header(&import);
    walk(&import);
}

bool
import_perf(GPtrArray *paths, const struct import_options *options,
            struct trace_writer *out, GError **error)
{
    struct perf_recording *recording = perf_recording_load(paths, error);
    if (!recording)
        return false;
    import_recording(recording, options, out);
    perf_recording_free(recording);
    return true;
}
