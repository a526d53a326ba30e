/*
 * Loads a recording.  Three passes over the records:
 *
 *   load   lines become records, sorted by time (stable: perf script prints
 *          simultaneous events in their order)
 *   pair   per task: a call's ENTER with its EXIT, a page allocation with the
 *          fault or call that it serves, an image with its brk area
 *   place  the instant of each call's effect, as a link from a record
 *
 * Where in its window a call takes effect:
 *
 *   mmap mprotect brk   the kernel reports the new mapping while it holds the
 *                       lock: right there, else at the exit
 *   munmap              at the exit, but at the entry when another task was
 *                       given a part of the range meanwhile
 *   madvise             at the entry: another task's fault in between found
 *                       nothing any more; at the exit if it populates
 *   the others          at the exit
 *
 * A death takes effect after the dying task's last fault: clear_child_tid is
 * written after the death was announced.  The memory goes some 100 us later
 * still, which no event tells.
 */
#include "traces/import_perf_records.h"

#include <errno.h>
#include <string.h>

#include "traces/import_calls.h"
#include "traces/import_lines.h"

enum { RECORDS_MAX = 1 << 27 };

_Static_assert(PERF_CALL_COUNT <= 64, "named_calls has a bit for each");

#define KERNEL_HEADER "# os release : "
#define HEADER_BORDER "# ========"

/* ---- load ---- */

struct loader {
    struct perf_recording *recording;
    GString *name;
    bool is_in_header;  // between its two borders
    uint64_t last_line;
};

struct perf_recording *
perf_recording_new(void)
{
    struct perf_recording *recording = g_new0(struct perf_recording, 1);
    recording->records = g_array_new(FALSE, FALSE, sizeof(struct perf_record));
    recording->names = g_ptr_array_new_with_free_func(g_free);
    recording->name_indices = g_hash_table_new(g_str_hash, g_str_equal);
    recording->is_sorted = true;
    return recording;
}

void
perf_recording_free(struct perf_recording *recording)
{
    if (!recording)
        return;
    g_array_unref(recording->records);
    g_hash_table_unref(recording->name_indices);
    g_ptr_array_unref(recording->names);
    g_free(recording->kernel);
    g_free(recording);
}

uint32_t
perf_recording_name(struct perf_recording *recording, const char *name)
{
    gpointer found = g_hash_table_lookup(recording->name_indices, name);
    if (found)
        return GPOINTER_TO_UINT(found) - 1;
    char *copy = g_strdup(name);
    g_ptr_array_add(recording->names, copy);
    g_hash_table_insert(recording->name_indices, copy,
                        GUINT_TO_POINTER(recording->names->len));
    return recording->names->len - 1;
}

bool
perf_recording_add(struct perf_recording *recording,
                   const struct perf_record *record, struct trace_text *text)
{
    if (recording->records->len >= RECORDS_MAX)
        return trace_text_fail_found(text, text->start, TRACE_ERROR_RANGE,
                                     "at most 2^27 events", "more");
    recording->is_sorted &= record->time_ns >= recording->last_ns;
    recording->last_ns = record->time_ns;
    g_array_append_vals(recording->records, record, 1);
    return true;
}

/* "# os release : 6.18.44-fc": the digits and dots at the front.  Headers of
 * events say whether context switches were recorded. */
static void
note_header(struct loader *loader, const char *line)
{
    struct perf_recording *recording = loader->recording;
    if (g_str_has_prefix(line, HEADER_BORDER))
        loader->is_in_header = !loader->is_in_header;
    recording->has_switches |= strstr(line, "context_switch = 1") != NULL;
    if (recording->kernel || !g_str_has_prefix(line, KERNEL_HEADER))
        return;
    const char *release = line + strlen(KERNEL_HEADER);
    size_t length = strspn(release, "0123456789.");
    recording->kernel = g_strndup(release, MIN(length, 32));
}

/* Where calls have tracepoints of their own, those of all calls only say when
 * the task was in one that has not. */
static void
count_raw(struct perf_record *record, uint64_t named_calls)
{
    bool is_named = named_calls >> record->call & 1;

    if (record->kind == PERF_EXIT) {
        record->kind = PERF_USER;
    } else if (is_named) {
        record->kind = PERF_SKIPPED;
    } else {
        record->kind = PERF_SYSTEM;
        record->arg[0] = PERF_SYSTEM_OTHER;
    }
}

static bool
load_line(struct trace_text *text, void *data)
{
    struct loader *loader = data;
    loader->last_line = text->line;
    if (*text->at == '#')
        note_header(loader, text->at);
    else if (loader->is_in_header)
        return true;  // a command of several lines
    if (!trace_text_next(text))
        return true;

    struct perf_record record;
    g_string_truncate(loader->name, 0);
    if (!perf_line_parse(text, &record, loader->name))
        return false;
    if (record.is_raw && loader->recording->has_named_calls)
        count_raw(&record, loader->recording->named_calls);
    if (record.kind == PERF_SKIPPED || record.tid == 0)
        return true;
    loader->recording->has_switches |= record.kind == PERF_SWITCH;
    if (record.kind == PERF_ENTER && !record.is_raw) {
        loader->recording->has_named_calls = true;
        loader->recording->named_calls |= UINT64_C(1) << record.call;
    }
    if (loader->name->len > 0)
        record.name = perf_recording_name(loader->recording, loader->name->str);
    return perf_recording_add(loader->recording, &record, text);
}

static gint
compare_times(gconstpointer a, gconstpointer b)
{
    uint64_t left = ((const struct perf_record *)a)->time_ns;
    uint64_t right = ((const struct perf_record *)b)->time_ns;
    return (left > right) - (left < right);
}

/* ---- pair ---- */

struct open_task {
    uint32_t call;   // ENTER without its EXIT yet
    uint32_t fault;  // FAULT whose allocations may follow
    uint32_t image;  // IMAGE whose brk area is not known yet
    uint32_t death;  // DEATH, waiting for the task's last fault
};

static struct open_task *
open_task_of(GHashTable *tasks, uint32_t tid)
{
    struct open_task *open = g_hash_table_lookup(tasks, GUINT_TO_POINTER(tid));
    if (!open) {
        open = g_new(struct open_task, 1);
        *open = (struct open_task){PERF_NONE, PERF_NONE, PERF_NONE, PERF_NONE};
        g_hash_table_insert(tasks, GUINT_TO_POINTER(tid), open);
    }
    return open;
}

/*
 * The page belongs to the fault before it, if that fault can have asked for
 * it; what a call asks for beyond (populate, exec's arguments) to the call.
 */
static void
pair_alloc(const struct perf_recording *recording, const struct open_task *open,
           const struct perf_record *alloc)
{
    struct perf_record *fault = NULL, *call = NULL;
    if (open->fault != PERF_NONE)
        fault = perf_record_at(recording, open->fault);
    if (open->call != PERF_NONE)
        call = perf_record_at(recording, open->call);

    uint32_t pages = (uint32_t)alloc->arg[1];
    switch ((enum perf_alloc)alloc->arg[0]) {
    case PERF_ALLOC_TABLE:
        if (fault || call)
            (fault ? fault : call)->tables += pages;
        break;
    case PERF_ALLOC_CLEARED:
        if (fault && fault->arg[1] & PERF_FAULT_WRITE && !fault->cleared)
            fault->cleared = pages;
        else if (call)
            call->cleared += pages;
        else if (fault)
            fault->cleared = MAX(fault->cleared, pages);
        break;
    case PERF_ALLOC_FILLED:
        if (fault)
            fault->filled += pages;
        else if (call)
            call->filled += pages;
        break;
    }
}

/* Whose end a call that has returned waited for. */
static uint64_t
find_waited(GHashTable *tasks, const struct perf_record *enter, uint64_t result)
{
    bool has_failed = perf_is_failure(result);
    uint64_t command = enter->arg[1] & PERF_FUTEX_COMMAND;
    const struct open_task *other;

    switch (enter->call) {
    case PERF_CALL_WAIT4:
        return has_failed ? 0 : result;
    case PERF_CALL_WAITID:
        if (has_failed || !(enter->arg[2] & PERF_WAIT_EXITED) ||
            enter->arg[2] & PERF_WAIT_NOHANG)
            return 0;
        return enter->arg[0] == PERF_WAIT_PID ? enter->arg[1] : PERF_WAITED_ANY;
    case PERF_CALL_FUTEX:
        /* pthread_join waits until the thread's id is no longer in the word
         * that the kernel clears when the thread ends. */
        if ((command != PERF_FUTEX_WAIT && command != PERF_FUTEX_WAIT_BITSET) ||
            (has_failed && result != (uint64_t)-EAGAIN))
            return 0;
        other = g_hash_table_lookup(tasks, GUINT_TO_POINTER(enter->arg[2]));
        return other && other->death != PERF_NONE ? enter->arg[2] : 0;
    default:
        return 0;
    }
}

static void
pair_exit(const struct perf_recording *recording, GHashTable *tasks,
          struct open_task *open, uint32_t index)
{
    struct perf_record *exit = perf_record_at(recording, index);
    if (open->call == PERF_NONE)
        return;
    struct perf_record *enter = perf_record_at(recording, open->call);
    if (enter->call == exit->call) {
        enter->partner = index;
        exit->partner = open->call;
        if (import_call_waits(enter->call))
            enter->arg[PERF_ARG_WAITED] =
                find_waited(tasks, enter, exit->arg[0]);
    }
    open->call = PERF_NONE;
    if (exit->call == PERF_CALL_BRK && open->image != PERF_NONE) {
        perf_record_at(recording, open->image)->arg[0] = exit->arg[0];
        open->image = PERF_NONE;
    }
}

/* The stack grew for the fault that the task is in. */
static bool
is_growth(const struct perf_recording *recording, const struct open_task *open,
          const struct perf_record *record)
{
    if (record->kind != PERF_MAPPED || open->fault == PERF_NONE)
        return false;
    uint64_t address = perf_record_at(recording, open->fault)->arg[0];
    return address - record->arg[0] < record->arg[1];
}

/*
 * The kernel may try to write where it must not wait for a page (the registers
 * for a signal handler): the exception is refused, nothing happens, and the
 * same comes again where waiting is allowed.
 */
static bool
is_refused(const struct perf_record *fault, const struct perf_record *next)
{
    return fault->is_kernel && next->is_kernel && next->kind == PERF_FAULT &&
           fault->arg[0] >> 12 == next->arg[0] >> 12 &&
           fault->arg[1] == next->arg[1] && !fault->cleared && !fault->filled;
}

static void
pair_record(const struct perf_recording *recording, GHashTable *tasks,
            uint32_t index)
{
    struct perf_record *record = perf_record_at(recording, index);
    struct open_task *open = open_task_of(tasks, record->tid);
    if (record->kind == PERF_ALLOC) {
        pair_alloc(recording, open, record);
        return;
    }
    if (record->kind == PERF_SWITCH || record->kind == PERF_SYSTEM ||
        record->kind == PERF_USER || is_growth(recording, open, record))
        return;
    if (open->fault != PERF_NONE &&
        is_refused(perf_record_at(recording, open->fault), record))
        perf_record_at(recording, open->fault)->kind = PERF_SKIPPED;
    open->fault = PERF_NONE;
    switch ((enum perf_kind)record->kind) {
    case PERF_ENTER:
        open->call = index;
        break;
    case PERF_EXIT:
        pair_exit(recording, tasks, open, index);
        break;
    case PERF_FAULT:
        open->fault = index;
        if (open->death != PERF_NONE)
            perf_record_at(recording, open->death)->partner = index;
        break;
    case PERF_IMAGE:
        open->image = index;
        record->partner = open->call;
        if (open->call != PERF_NONE)
            record->cleared = perf_record_at(recording, open->call)->cleared;
        break;
    case PERF_MAPPED:
        record->partner = open->call;
        break;
    case PERF_DEATH:
        open->death = index;
        open->call = open->image = PERF_NONE;
        break;
    case PERF_NEWTASK:
        g_hash_table_remove(tasks, GUINT_TO_POINTER(record->arg[0]));
        break;
    case PERF_EXEC:
    case PERF_ALLOC:
    case PERF_SYSTEM:
    case PERF_USER:
    case PERF_SWITCH:
    case PERF_SKIPPED:
        break;
    }
}

/* ---- place ---- */

/* Was a part of [start, end) given to another task of the process while this
 * munmap ran? */
static bool
is_reused(const struct perf_recording *recording, uint32_t enter)
{
    const struct perf_record *call = perf_record_at(recording, enter);
    uint64_t start = call->arg[0], end = start + call->arg[1];
    for (uint32_t i = enter + 1; i < call->partner; i++) {
        const struct perf_record *other = perf_record_at(recording, i);
        if (other->kind == PERF_MAPPED && other->pid == call->pid &&
            other->tid != call->tid && other->arg[0] < end &&
            start < other->arg[0] + other->arg[1])
            return true;
    }
    return false;
}

enum effect { AT_ENTER, AT_MAPPED, AT_EXIT };

static enum effect
call_effect(const struct perf_recording *recording, uint32_t enter)
{
    const struct perf_record *call = perf_record_at(recording, enter);
    uint64_t result = perf_record_at(recording, call->partner)->arg[0];
    bool is_mapping =
        call->call == PERF_CALL_MMAP || call->call == PERF_CALL_MPROTECT ||
        call->call == PERF_CALL_SHMAT || call->call == PERF_CALL_BRK;
    if (is_mapping && !perf_is_failure(result))
        return AT_MAPPED;
    if (call->call == PERF_CALL_MUNMAP && is_reused(recording, enter))
        return AT_ENTER;
    bool populates = call->cleared > 0 || call->filled > 0;
    if (call->call == PERF_CALL_MADVISE && !populates)
        return AT_ENTER;
    return AT_EXIT;
}

/* Links the effects of the records' calls; `mapped[i]` is the last MAPPED of
 * the call that begins at record i. */
static void
place_effects(const struct perf_recording *recording, const uint32_t *mapped)
{
    for (uint32_t i = 0; i < recording->records->len; i++) {
        struct perf_record *record = perf_record_at(recording, i);
        uint32_t at = PERF_NONE;
        if (record->kind == PERF_DEATH)
            at = record->partner == PERF_NONE ? i : record->partner;
        if (record->kind == PERF_ENTER && record->partner != PERF_NONE) {
            enum effect effect = call_effect(recording, i);
            at = effect == AT_ENTER ? i : record->partner;
            if (effect == AT_MAPPED && mapped[i] != PERF_NONE)
                at = mapped[i];
        }
        if (at != PERF_NONE)
            perf_record_at(recording, at)->effect_of = i;
    }
}

static void
link_records(const struct perf_recording *recording)
{
    uint32_t count = recording->records->len;
    g_autoptr(GHashTable) tasks =
        g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, g_free);
    g_autofree uint32_t *mapped = g_new(uint32_t, count);
    for (uint32_t i = 0; i < count; i++) {
        mapped[i] = PERF_NONE;
        pair_record(recording, tasks, i);
        const struct perf_record *record = perf_record_at(recording, i);
        if (record->kind == PERF_MAPPED && record->partner != PERF_NONE)
            mapped[record->partner] = i;
    }
    place_effects(recording, mapped);
}

void
perf_recording_finish(struct perf_recording *recording)
{
    if (!recording->is_sorted)
        g_array_sort(recording->records, compare_times);
    link_records(recording);
}

struct perf_recording *
perf_recording_load(GPtrArray *paths, GError **error)
{
    struct loader loader = {perf_recording_new(), g_string_new(NULL), false, 0};
    bool ok = true;
    for (guint i = 0; ok && i < paths->len; i++)
        ok = import_read_lines(paths->pdata[i], load_line, &loader, error);
    if (ok && loader.recording->records->len == 0)
        ok = import_fail_cut_off(paths->pdata[paths->len - 1], loader.last_line,
                                 TRACE_ERROR_EMPTY, PERF_LINE, error);
    g_string_free(loader.name, TRUE);
    if (!ok) {
        perf_recording_free(loader.recording);
        return NULL;
    }
    perf_recording_finish(loader.recording);
    return loader.recording;
}
