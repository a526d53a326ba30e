/*
 * Numbers to cells, and cells to keys.
 */
#include "sim/cells.h"

#include "sim/axes.h"
#include "sim/build_id.h"
#include "sim/error.h"
#include "sim/result.h"

#include <inttypes.h>
#include <string.h>

#define CELL_COUNT_MAX 10000000

bool
cells_init(struct cells *cells, const struct sweep *sweep, GError **error)
{
    size_t per_trace = axes_count(sweep->axes);
    g_autofree char *build = build_id();

    if (per_trace > CELL_COUNT_MAX / MAX(sweep->traces->len, 1))
        return sim_fail(error, SIM_ERROR_USAGE,
                        "the sweep has more than %d cells", CELL_COUNT_MAX);
    *cells = (struct cells){
        .sweep = sweep,
        .per_trace = per_trace,
        .count = per_trace * sweep->traces->len,
        .program = g_strdup_printf("%s %s", VMSIM_VERSION, build),
    };
    return true;
}

void
cells_finish(struct cells *cells)
{
    g_free(cells->program);
}

static void
set_key(struct cell *cell, const struct cells *cells)
{
    const struct run_wishes *wishes = &cells->sweep->wishes;
    json_t *config = setup_json(&cell->setup, NULL);
    g_autofree char *text = result_line(config);
    g_autofree char *all = g_strdup_printf(
        "%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%d %" PRIu64 " %d", cells->program,
        cell->trace->content_sha256, cell->trace->sha256, cell->trace->path,
        cell->trace->shown_path, text, cell->setup.kernel_digest,
        cell->setup.machine_digest, wishes->check, wishes->timeline.every,
        wishes->timeline.is_ms);
    g_autofree char *key =
        g_compute_checksum_for_string(G_CHECKSUM_SHA256, all, -1);

    json_decref(config);
    g_strlcpy(cell->key, key, sizeof(cell->key));
}

bool
cell_make(struct cell *cell, const struct cells *cells, size_t index,
          GError **error)
{
    const struct sweep *sweep = cells->sweep;
    g_autoptr(GArray) choices =
        axes_choices(sweep->axes, index % cells->per_trace);

    cell->trace = sweep->traces->pdata[index / cells->per_trace];
    if (!setup_create(&cell->setup, sweep->catalog,
                      (const struct setup_choice *)(void *)choices->data,
                      choices->len, sweep->seed, error))
        return false;
    cell->has_recorded_rules =
        run_has_recorded_rules(cell->trace, &cell->setup, sweep->catalog);
    set_key(cell, cells);
    return true;
}

void
cell_append_choices(GString *out, const struct cells *cells, size_t index)
{
    static const char *const names[] = {"kernel", "machine", "ram",
                                        "cpus",   "swap",    "schedule"};
    g_autoptr(GArray) choices =
        axes_choices(cells->sweep->axes, index % cells->per_trace);

    for (size_t i = 0; i < choices->len; i++) {
        const struct setup_choice *choice =
            &g_array_index(choices, struct setup_choice, i);
        g_string_append_printf(
            out, " %s=%s", choice->name ? choice->name : names[choice->kind],
            choice->value);
    }
}
