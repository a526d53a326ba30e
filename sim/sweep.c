/*
 * The plan of a sweep, the threads that carry it out, and the file it ends in.
 *
 * Of a run that is not under way no more stays in memory than where its result
 * is in the journal.
 */
#include "sim/sweep.h"

#include "mm/host_memory.h"
#include "sim/cells.h"
#include "sim/error.h"
#include "sim/idle_axes.h"
#include "sim/journal.h"
#include "sim/output.h"
#include "sim/result.h"
#include "sim/room.h"
#include "traces/legible.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A sweep under way. */
struct plan {
    const struct sweep *sweep;
    struct cells cells;
    struct journal *journal;
    struct journal_place *places;  // of results, by cell
    struct trace_room room;        // for events of the traces that run
    bool shows_progress;
    GMutex mutex;  // of what follows
    size_t next;   // cell to be run, or found in the journal
    size_t done;
    size_t *left;   // by trace: cells without a result
    size_t failed;  // lowest cell that failed; SIZE_MAX: none
    GError *error;  // why
};

bool
sweep_dry_run(const struct sweep *sweep, GString *out, GError **error)
{
    struct cells cells;
    struct cell cell;
    size_t made = 0;

    if (!cells_init(&cells, sweep, error))
        return false;
    for (; made < cells.count && cell_make(&cell, &cells, made, error);
         made++) {
        g_autofree char *path = legible_text(cell.trace->path, LEGIBLE_NONE);
        g_string_append(out, path);
        cell_append_choices(out, &cells, made);
        if (cell.setup.refusal)
            g_string_append_printf(out, " refused: %s", cell.setup.refusal);
        g_string_append_c(out, '\n');
    }
    cells_finish(&cells);
    return made == cells.count;
}

/* ---- before the runs ---- */

/* Make every cell once: nothing runs before all are known to be right. */
static bool
look_at_cells(struct plan *plan, GError **error)
{
    g_autoptr(GHashTable) said =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    struct cell cell;

    for (size_t i = 0; i < plan->cells.count; i++) {
        if (!cell_make(&cell, &plan->cells, i, error))
            return false;
        char *text = setup_substitutions(&cell.setup);
        if (text && g_hash_table_add(said, text))
            g_printerr("vmsim: %s\n", text);
    }
    for (size_t i = 0; i < plan->sweep->traces->len; i++)
        idle_axes_warn(plan->sweep->traces->pdata[i], plan->sweep->axes);
    return true;
}

/* Results that the journal has are taken from it. */
static bool
look_into_journal(struct plan *plan, GError **error)
{
    struct cell cell;

    for (size_t i = 0; i < plan->cells.count; i++) {
        if (!cell_make(&cell, &plan->cells, i, error))
            return false;
        plan->places[i] = journal_find(plan->journal, cell.key);
        bool is_found = plan->places[i].length > 0;
        plan->done += is_found;
        plan->left[i / plan->cells.per_trace] += !is_found;
    }
    if (plan->done > 0)
        g_printerr("vmsim: %zu of %zu runs are in %s.journal\n", plan->done,
                   plan->cells.count, plan->sweep->output);
    return true;
}

/* ---- the runs ---- */

static struct trace *
trace_of(const struct plan *plan, size_t index)
{
    return plan->sweep->traces->pdata[index / plan->cells.per_trace];
}

/* What is decoded is kept for other runs. */
static void
make_room(struct plan *plan)
{
    atomic_init(&plan->room.bytes, room_bytes());
    for (size_t i = 0; i < plan->sweep->traces->len; i++)
        if (plan->left[i] > 1)
            trace_keep(plan->sweep->traces->pdata[i], &plan->room);
}

/* The next cell without a result; SIZE_MAX: none is left, or one failed. */
static size_t
take_cell(struct plan *plan)
{
    size_t index = SIZE_MAX;

    g_mutex_lock(&plan->mutex);
    while (plan->next < plan->cells.count &&
           plan->places[plan->next].length > 0)
        plan->next++;
    if (plan->next < plan->cells.count && !plan->error)
        index = plan->next++;
    g_mutex_unlock(&plan->mutex);
    return index;
}

static struct journal_place
run_cell(const struct plan *plan, size_t index, struct host_memory *memory,
         GError **error)
{
    struct journal_place place = {0};
    struct cell cell;

    if (!cell_make(&cell, &plan->cells, index, error))
        return place;
    cell.setup.config.host_memory = memory;
    json_t *result = run_trace(cell.trace, &cell.setup, &plan->sweep->wishes,
                               cell.has_recorded_rules, NULL, error);
    if (!result)
        return place;
    g_autofree char *line = result_line(result);
    json_decref(result);
    return journal_append(plan->journal, cell.key, line, error);
}

/* Cells are taken in order, so all below one that failed are or will be done:
 * the lowest one does not depend on the number of workers. */
static void
note_done(struct plan *plan, size_t index, struct journal_place place,
          GError *error)
{
    g_mutex_lock(&plan->mutex);
    plan->places[index] = place;
    plan->done++;
    if (--plan->left[index / plan->cells.per_trace] == 0)
        trace_forget(trace_of(plan, index));
    if (error && index < plan->failed) {
        plan->failed = index;
        g_clear_error(&plan->error);
        plan->error = g_steal_pointer(&error);
    }
    if (plan->shows_progress)
        g_printerr("\r%zu of %zu runs", plan->done, plan->cells.count);
    g_mutex_unlock(&plan->mutex);
    g_clear_error(&error);
}

static gpointer
work(gpointer data)
{
    struct plan *plan = data;
    struct host_memory *memory = host_memory_create();
    size_t index;

    while ((index = take_cell(plan)) != SIZE_MAX) {
        GError *error = NULL;
        struct journal_place place = run_cell(plan, index, memory, &error);
        note_done(plan, index, place, error);
    }
    host_memory_destroy(memory);
    return NULL;
}

static bool
run_cells(struct plan *plan, GError **error)
{
    size_t left = plan->cells.count - plan->done;
    size_t count = MIN(plan->sweep->jobs, left);
    g_autofree GThread **threads = g_new(GThread *, count);
    size_t begun = 0;

    while (begun < count &&
           (threads[begun] = g_thread_try_new("worker", work, plan, NULL)))
        begun++;
    if (begun == 0)
        work(plan);  // the host grants no thread: do without
    for (size_t i = 0; i < begun; i++)
        g_thread_join(threads[i]);
    if (plan->shows_progress)
        g_printerr("\n");
    if (!plan->error)
        return true;
    g_propagate_error(error, g_steal_pointer(&plan->error));
    return false;
}

/* ---- after the runs ---- */

static bool
has_mismatch(const char *line)
{
    json_t *result = json_loads(line, 0, NULL);
    const json_t *check = json_object_get(result, "check");
    json_int_t count =
        json_integer_value(json_object_get(check, "mismatch_count"));

    json_decref(result);
    return count > 0;
}

/* All results in product order. */
static bool
copy_results(const struct plan *plan, struct output *output, size_t *mismatched,
             GError **error)
{
    for (size_t i = 0; i < plan->cells.count; i++) {
        g_autofree char *line =
            journal_read(plan->journal, plan->places[i], error);
        if (!line || !output_append(output, line, strlen(line), error) ||
            !output_append(output, "\n", 1, error))
            return false;
        *mismatched += plan->sweep->wishes.check && has_mismatch(line);
    }
    return true;
}

static bool
write_results(const struct plan *plan, size_t *mismatched, GError **error)
{
    struct output *output = output_open(plan->sweep->output, error);

    if (!output)
        return false;
    if (copy_results(plan, output, mismatched, error))
        return output_close(output, error);
    output_abandon(output);
    return false;
}

static bool
carry_out(struct plan *plan, GError **error)
{
    size_t mismatched = 0;

    if (!look_into_journal(plan, error))
        return false;
    make_room(plan);
    if (!run_cells(plan, error) || !write_results(plan, &mismatched, error))
        return false;
    journal_remove(plan->journal);
    if (mismatched > 0)
        return sim_fail(error, SIM_ERROR_MISMATCH,
                        "in %zu of %zu runs results differ from the recorded "
                        "ones",
                        mismatched, plan->cells.count);
    return true;
}

bool
sweep_run(const struct sweep *sweep, GError **error)
{
    struct plan plan = {.sweep = sweep,
                        .failed = SIZE_MAX,
                        .shows_progress = isatty(STDERR_FILENO)};

    if (!cells_init(&plan.cells, sweep, error))
        return false;
    g_mutex_init(&plan.mutex);
    plan.places = g_new0(struct journal_place, plan.cells.count);
    plan.left = g_new0(size_t, sweep->traces->len);
    bool is_right = look_at_cells(&plan, error);
    if (is_right)
        plan.journal = journal_open(
            output_is_stream(sweep->output) ? NULL : sweep->output, error);
    bool ok = plan.journal && carry_out(&plan, error);
    journal_close(plan.journal);
    g_free(plan.places);
    g_free(plan.left);
    g_mutex_clear(&plan.mutex);
    cells_finish(&plan.cells);
    return ok;
}
