/*
 * Cells, the thread pool that runs them, and the file they end in.
 */
#include "sim/sweep.h"

#include "mm/host_memory.h"
#include "sim/axes.h"
#include "sim/error.h"
#include "sim/idle_axes.h"
#include "sim/journal.h"
#include "sim/output.h"
#include "sim/result.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CELL_COUNT_MAX 10000000

struct cell {
    const struct trace *trace;
    struct setup setup;
    bool has_recorded_rules;
    char *key;
    char *line;  // the result
    GError *error;
};

/* What the workers share; only `done` and the journal change. */
struct pool {
    const struct sweep *sweep;
    struct journal *journal;  // NULL: standard output
    size_t count;
    bool shows_progress;
    int done;
    GAsyncQueue *host_memories;  // of finished runs, for the next ones
};

static void
free_cells(GArray *cells)
{
    for (size_t i = 0; i < cells->len; i++) {
        struct cell *cell = &g_array_index(cells, struct cell, i);
        g_free(cell->key);
        g_free(cell->line);
        g_clear_error(&cell->error);
    }
    g_array_unref(cells);
}

/* Everything that the result depends on. */
static char *
cell_key(const struct sweep *sweep, const struct cell *cell)
{
    json_t *config = setup_json(&cell->setup, NULL);
    g_autofree char *text = result_line(config);
    g_autofree char *all =
        g_strdup_printf("%s %s %s %s %s %s %d %" PRIu64 " %d", VMSIM_VERSION,
                        cell->trace->content_sha256, cell->trace->path, text,
                        cell->setup.kernel_digest, cell->setup.machine_digest,
                        sweep->wishes.check, sweep->wishes.timeline.every,
                        sweep->wishes.timeline.is_ms);

    json_decref(config);
    return g_compute_checksum_for_string(G_CHECKSUM_SHA256, all, -1);
}

static GArray *
make_cells(const struct sweep *sweep, GError **error)
{
    size_t runs = axes_count(sweep->axes);

    if (runs > CELL_COUNT_MAX / MAX(sweep->traces->len, 1)) {
        sim_fail(error, SIM_ERROR_USAGE, "the sweep has more than %d cells",
                 CELL_COUNT_MAX);
        return NULL;
    }
    GArray *cells = g_array_new(FALSE, TRUE, sizeof(struct cell));
    for (size_t i = 0; i < runs * sweep->traces->len; i++) {
        struct cell cell = {.trace = sweep->traces->pdata[i / runs]};
        g_autoptr(GArray) choices = axes_choices(sweep->axes, i % runs);
        if (!setup_create(&cell.setup, sweep->catalog,
                          (const struct setup_choice *)(void *)choices->data,
                          choices->len, sweep->seed, error)) {
            free_cells(cells);
            return NULL;
        }
        cell.has_recorded_rules =
            run_has_recorded_rules(cell.trace, &cell.setup, sweep->catalog);
        cell.key = cell_key(sweep, &cell);
        g_array_append_val(cells, cell);
    }
    return cells;
}

static void
append_choices(GString *out, const GArray *choices)
{
    static const char *const names[] = {"kernel", "machine", "ram",
                                        "cpus",   "swap",    "schedule"};

    for (size_t i = 0; i < choices->len; i++) {
        const struct setup_choice *choice =
            &g_array_index(choices, struct setup_choice, i);
        g_string_append_printf(
            out, " %s=%s", choice->name ? choice->name : names[choice->kind],
            choice->value);
    }
}

bool
sweep_dry_run(const struct sweep *sweep, GString *out, GError **error)
{
    size_t runs = axes_count(sweep->axes);
    GArray *cells = make_cells(sweep, error);

    if (!cells)
        return false;
    for (size_t i = 0; i < cells->len; i++) {
        const struct cell *cell = &g_array_index(cells, struct cell, i);
        g_autoptr(GArray) choices = axes_choices(sweep->axes, i % runs);
        g_string_append(out, cell->trace->path);
        append_choices(out, choices);
        if (cell->setup.refusal)
            g_string_append_printf(out, " refused: %s", cell->setup.refusal);
        g_string_append_c(out, '\n');
    }
    free_cells(cells);
    return true;
}

static void
run_cell(gpointer data, gpointer user_data)
{
    struct cell *cell = data;
    struct pool *pool = user_data;
    struct host_memory *memory = g_async_queue_try_pop(pool->host_memories);

    if (!memory)
        memory = host_memory_create();
    cell->setup.config.host_memory = memory;
    json_t *result = run_trace(cell->trace, &cell->setup, &pool->sweep->wishes,
                               cell->has_recorded_rules, NULL, &cell->error);

    g_async_queue_push(pool->host_memories, memory);
    if (result) {
        cell->line = result_line(result);
        if (pool->journal)
            journal_append(pool->journal, cell->key, cell->line, &cell->error);
        json_decref(result);
    }
    int done = g_atomic_int_add(&pool->done, 1) + 1;
    if (pool->shows_progress)
        g_printerr("\r%d of %zu runs", done, pool->count);
}

/* Runs that the journal has are taken from it. */
static void
run_cells(const struct sweep *sweep, GArray *cells, struct journal *journal)
{
    struct pool pool = {.sweep = sweep,
                        .journal = journal,
                        .count = cells->len,
                        .host_memories = g_async_queue_new_full(
                            (GDestroyNotify)host_memory_destroy),
                        .shows_progress = isatty(STDERR_FILENO)};
    GThreadPool *threads =
        g_thread_pool_new(run_cell, &pool, (int)sweep->jobs, TRUE, NULL);

    for (size_t i = 0; i < cells->len; i++) {
        struct cell *cell = &g_array_index(cells, struct cell, i);
        const char *known = journal ? journal_find(journal, cell->key) : NULL;
        if (known) {
            cell->line = g_strdup(known);
            g_atomic_int_inc(&pool.done);
        } else {
            g_thread_pool_push(threads, cell, NULL);
        }
    }
    g_thread_pool_free(threads, FALSE, TRUE);  // waits for every run
    g_async_queue_unref(pool.host_memories);
    if (pool.shows_progress)
        g_printerr("\n");
}

/* All lines in product order, or the first error. */
static bool
collect(const GArray *cells, GString *out, size_t *mismatched, GError **error)
{
    for (size_t i = 0; i < cells->len; i++) {
        struct cell *cell = &g_array_index(cells, struct cell, i);
        if (cell->error) {
            g_propagate_error(error, g_steal_pointer(&cell->error));
            return false;
        }
        json_t *result = json_loads(cell->line, 0, NULL);
        const json_t *check = json_object_get(result, "check");
        if (json_integer_value(json_object_get(check, "mismatch_count")) > 0)
            (*mismatched)++;
        json_decref(result);
        g_string_append_printf(out, "%s\n", cell->line);
    }
    return true;
}

/* Each sentence once. */
static void
warn(const struct sweep *sweep, const GArray *cells)
{
    g_autoptr(GHashTable) said =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (size_t i = 0; i < cells->len; i++) {
        char *text =
            setup_substitutions(&g_array_index(cells, struct cell, i).setup);
        if (text && g_hash_table_add(said, text))
            g_printerr("vmsim: %s\n", text);
    }
    for (size_t i = 0; i < sweep->traces->len; i++)
        idle_axes_warn(sweep->traces->pdata[i], sweep->axes);
}

static bool
finish(const struct sweep *sweep, const GArray *cells, GError **error)
{
    g_autoptr(GString) out = g_string_new(NULL);
    size_t mismatched = 0;

    if (!collect(cells, out, &mismatched, error))
        return false;
    if (!output_write(sweep->output, out, error))
        return false;
    if (mismatched > 0)
        return sim_fail(error, SIM_ERROR_MISMATCH,
                        "in %zu of %u runs results differ from the recorded "
                        "ones",
                        mismatched, cells->len);
    return true;
}

bool
sweep_run(const struct sweep *sweep, GError **error)
{
    struct journal *journal = NULL;
    GArray *cells = make_cells(sweep, error);

    if (!cells)
        return false;
    warn(sweep, cells);
    if (!output_is_stream(sweep->output)) {
        journal = journal_open(sweep->output, error);
        if (!journal) {
            free_cells(cells);
            return false;
        }
    }
    run_cells(sweep, cells, journal);
    g_autoptr(GError) failure = NULL;
    bool ok = finish(sweep, cells, &failure);
    if (journal)
        journal_close(journal, ok || g_error_matches(failure, SIM_ERROR,
                                                     SIM_ERROR_MISMATCH));
    if (!ok)
        g_propagate_error(error, g_steal_pointer(&failure));
    free_cells(cells);
    return ok;
}
