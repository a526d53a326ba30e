/*
 * Time between two records of a task goes to what the task was doing:
 *
 *   in the program             work
 *   in a call that a trace
 *   has an event for           nothing: the simulation prices it
 *   in another call            kwork
 *   off the CPU, waiting
 *     for a task's end         nothing: wait and vfork say so
 *     for anything else        sleep
 *   off the CPU, preempted     nothing: others had the CPU
 *
 * A fault has no event for its end.  The quickest times from one fault to the
 * next in the program tell what a fault takes while it is watched, with and
 * without a page; so much is taken off the time after a fault, on the CPU, and
 * gives the fault its end.
 */
#include "traces/import_perf_time.h"

#include "traces/import_calls.h"

/* Of the times between faults, the one that 5 % are below. */
enum { QUICKEST_PART = 20 };

enum mode {
    MODE_MODELLED,  // also of a new task, which is still inside its clone
    MODE_PROGRAM,
    MODE_OTHER_CALL,
};

/* x86-64's numbers of calls that show in other records: clone, fork, vfork,
 * clone3, exit, exit_group. */
static bool
is_modelled(uint64_t number)
{
    static const uint16_t numbers[] = {56, 57, 58, 435, 60, 231};
    for (unsigned i = 0; i < G_N_ELEMENTS(numbers); i++) {
        if (numbers[i] == number)
            return true;
    }
    return false;
}

static void
spend(struct import_task *task, enum import_spending kind, uint64_t ns)
{
    struct import_time *time = &task->time;
    if (ns == 0)
        return;
    if (time->spent[IMPORT_WORK] + time->spent[IMPORT_KWORK] +
            time->spent[IMPORT_SLEEP] ==
        0)
        time->first_ns = time->since_ns;
    time->spent[kind] += ns;
}

/* The part of the time up to this record that its last fault took. */
static uint64_t
finish_fault(struct import_time *time, const struct perf_record *record,
             uint64_t ns)
{
    bool is_inside =
        time->fault != IMPORT_FAULT_NONE && record->kind == PERF_ALLOC;
    uint64_t part = is_inside ? ns : MIN(ns, time->fault_left_ns);
    time->fault_left_ns -= MIN(part, time->fault_left_ns);
    if (time->last_fault && part > 0)
        time->last_fault->arg[2] = time->since_ns + part;
    return part;
}

/* The time since the task's last record. */
static void
spend_since(struct import_task *task, const struct perf_record *record)
{
    struct import_time *time = &task->time;
    uint64_t ns = record->time_ns - time->since_ns;
    if (time->is_off) {
        spend(task, IMPORT_SLEEP,
              time->is_waiting && !time->has_waker ? ns : 0);
        return;
    }
    ns -= finish_fault(time, record, ns);
    if (time->mode == MODE_PROGRAM)
        spend(task, IMPORT_WORK, ns);
    else if (time->mode == MODE_OTHER_CALL)
        spend(task, IMPORT_KWORK, ns);
}

/* Of a task that was switched off in a fault, or whose stack grew in it, the
 * rest comes later. */
static void
change_fault(const struct import *import, struct import_time *time,
             struct perf_record *record)
{
    if (record->kind == PERF_SWITCH ||
        (record->kind == PERF_MAPPED && time->fault != IMPORT_FAULT_NONE))
        return;
    if (record->kind == PERF_FAULT) {
        time->fault = IMPORT_FAULT_BARE;
        time->last_fault = record;
    } else if (record->kind == PERF_ALLOC && time->fault != IMPORT_FAULT_NONE) {
        time->fault = IMPORT_FAULT_PAGE;
    } else {
        time->fault = IMPORT_FAULT_NONE;
        time->last_fault = NULL;
    }
    time->fault_left_ns = import->fault_ns[time->fault];
}

static void
change_mode(struct import_time *time, const struct perf_record *record)
{
    switch ((enum perf_kind)record->kind) {
    case PERF_ENTER:
        time->mode =
            import_call_waits(record->call) ? MODE_OTHER_CALL : MODE_MODELLED;
        time->has_waker = import_call_waits(record->call) &&
                          record->arg[PERF_ARG_WAITED] != 0;
        break;
    case PERF_SYSTEM:
        time->mode =
            is_modelled(record->arg[0]) ? MODE_MODELLED : MODE_OTHER_CALL;
        break;
    case PERF_EXIT:
    case PERF_USER:
        time->mode = MODE_PROGRAM;
        time->has_waker = false;
        break;
    case PERF_NEWTASK:  // a vfork goes on when the child is done
        time->has_waker = record->arg[1] & PERF_CLONE_VFORK;
        break;
    case PERF_SWITCH:
        time->is_off = record->arg[0] != PERF_SWITCH_IN;
        time->is_waiting = record->arg[0] == PERF_SWITCH_OUT;
        break;
    case PERF_SKIPPED:
    case PERF_FAULT:
    case PERF_ALLOC:
    case PERF_EXEC:
    case PERF_DEATH:
    case PERF_IMAGE:
    case PERF_MAPPED:
        break;
    }
}

void
import_time_pass(const struct import *import, struct import_task *task,
                 struct perf_record *record)
{
    struct import_time *time = &task->time;
    if (time->since_ns > 0)
        spend_since(task, record);
    change_mode(time, record);
    change_fault(import, time, record);
    time->since_ns = record->time_ns;
}

/* ---- what a fault takes ---- */

struct last_record {
    uint64_t time_ns;
    enum import_fault fault;
};

static gint
compare_ns(gconstpointer a, gconstpointer b)
{
    const uint64_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

static uint64_t
quickest(GArray *samples)
{
    if (samples->len == 0)
        return 0;
    g_array_sort(samples, compare_ns);
    return g_array_index(samples, uint64_t, samples->len / QUICKEST_PART);
}

static void
sample(GHashTable *last, const struct perf_record *record, GArray **samples)
{
    gpointer key = GUINT_TO_POINTER(record->tid);
    struct last_record *before = g_hash_table_lookup(last, key);
    if (!before) {
        before = g_new0(struct last_record, 1);
        g_hash_table_insert(last, key, before);
    }
    uint64_t ns = record->time_ns - before->time_ns;
    bool is_fault = record->kind == PERF_FAULT && !record->is_kernel;
    if (is_fault && before->fault != IMPORT_FAULT_NONE)
        g_array_append_val(samples[before->fault], ns);
    if (is_fault)
        before->fault = IMPORT_FAULT_BARE;
    else if (record->kind == PERF_ALLOC && before->fault != IMPORT_FAULT_NONE)
        before->fault = IMPORT_FAULT_PAGE;
    else
        before->fault = IMPORT_FAULT_NONE;
    before->time_ns = record->time_ns;
}

void
import_time_prepare(struct import *import)
{
    g_autoptr(GHashTable) last =
        g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, g_free);
    GArray *samples[IMPORT_FAULT_COUNT];
    bool has_calls = false;
    for (unsigned i = 0; i < IMPORT_FAULT_COUNT; i++)
        samples[i] = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    for (uint32_t i = 0; i < import->recording->records->len; i++) {
        const struct perf_record *record = perf_record_at(import->recording, i);
        has_calls |= record->kind == PERF_SYSTEM || record->is_raw;
        sample(last, record, samples);
    }
    import->has_spending = import->recording->has_switches && has_calls;
    for (unsigned i = 0; i < IMPORT_FAULT_COUNT; i++) {
        import->fault_ns[i] = quickest(samples[i]);
        g_array_unref(samples[i]);
    }
}
