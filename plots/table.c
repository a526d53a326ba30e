/*
 * The comparison table: a few figures per run, clear_page first.
 *
 * Exact counts, grouped by thousands; memory in KiB, time in microseconds.
 * Above it stands what all runs share.
 * Runs that a recording cannot answer exactly are marked with ">=".
 */
#include "plots/table.h"

#include "plots/labels.h"
#include "plots/numbers.h"
#include "plots/results.h"

#include <inttypes.h>
#include <string.h>

#define LABEL_WIDTH 46
#define FIGURE_MAX  1e18  // of what is no integer

struct column {
    const char *title;
    const char *section, *key;
    uint64_t divisor;
};

static const struct column columns[] = {
    {"clear_page", "counters", "clear_page_count", 1},
    {"faults", "counters", "fault_count", 1},
    {"copies", "counters", "copy_page_count", 1},
    {"leaks", "counters", "leak_page_count", 1},
    {"gap probes", "counters", "gap_probe_count", 1},
    {"calls", "counters", "syscall_count", 1},
    {"OOM kills", "counters", "oom_kill_count", 1},
    {"rmap KiB", "peak", "rmap_bytes", 1024},
    {"tables KiB", "peak", "pagetable_bytes", 1024},
    {"anon KiB", "peak", "anon_bytes", 1024},
    {"system us", "time_ns", "system", 1000},
};
#define COLUMN_COUNT G_N_ELEMENTS(columns)

static uint64_t
figure(const struct plot_run *run, const struct column *column)
{
    const json_t *number = plot_run_number(run, column->section, column->key);

    if (json_is_integer(number))
        return (uint64_t)MAX(json_integer_value(number), 0) / column->divisor;
    return (uint64_t)CLAMP(json_number_value(number), 0, FIGURE_MAX) /
           column->divisor;
}

static char *
figure_text(const struct plot_run *run, const struct column *column)
{
    g_autofree char *digits = g_strdup_printf("%" PRIu64, figure(run, column));

    return plot_group_digits(digits, ' ');
}

/* Width of a column; 0: it is zero everywhere. */
static int
width_of(const struct plot_runs *runs, const struct column *column)
{
    size_t width = strlen(column->title);
    bool is_used = false;

    for (unsigned i = 0; i < runs->runs->len; i++) {
        const struct plot_run *run = plot_run_at(runs, i);
        g_autofree char *text = figure_text(run, column);

        is_used = is_used || figure(run, column) > 0;
        width = MAX(width, strlen(text));
    }
    return is_used ? (int)width : 0;
}

static int
label_width_of(const struct plot_runs *runs)
{
    g_autoptr(GPtrArray) labels = g_ptr_array_new();
    size_t width = strlen("run");

    for (unsigned i = 0; i < runs->runs->len; i++) {
        char *label = plot_run_at(runs, i)->label;
        g_ptr_array_add(labels, label);
        width = MAX(width, (size_t)g_utf8_strlen(label, -1));
    }
    return (int)MIN(width, plot_shorten_limit(labels, LABEL_WIDTH));
}

static void
append_run(GString *out, const struct plot_run *run, int label_width,
           const int *widths)
{
    g_autofree char *label = plot_shorten(run->label, (size_t)label_width);
    int padding = label_width - (int)g_utf8_strlen(label, -1);

    g_string_append_printf(out, "%s%*s %2s", label, padding, "",
                           run->is_lower_bound ? ">=" : "");
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        g_autofree char *text = figure_text(run, &columns[i]);

        if (widths[i])
            g_string_append_printf(out, "  %*s", widths[i], text);
    }
    g_string_append_c(out, '\n');
}

static void
append_runs(GString *out, const struct plot_runs *runs)
{
    int widths[COLUMN_COUNT], label_width = label_width_of(runs);

    if (runs->runs->len == 0)
        return;
    g_string_append_printf(out, "%s\n\n", runs->common);
    g_string_append_printf(out, "%-*s   ", label_width, "run");
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        widths[i] = width_of(runs, &columns[i]);
        if (widths[i])
            g_string_append_printf(out, "  %*s", widths[i], columns[i].title);
    }
    g_string_append_c(out, '\n');
    for (unsigned i = 0; i < runs->runs->len; i++)
        append_run(out, plot_run_at(runs, i), label_width, widths);
}

static void
append_refused(GString *out, const struct plot_runs *runs)
{
    for (unsigned i = 0; i < runs->refused->len; i++) {
        const struct plot_run *run = runs->refused->pdata[i];
        g_autofree char *why = plot_plain(
            json_string_value(json_object_get(run->root, "refused")));

        g_string_append_printf(out, "%s: refused: %s\n", run->label, why);
    }
}

bool
plot_results_table(const char *results_path, GString *out, GError **error)
{
    struct plot_runs runs;

    if (!plot_runs_load(&runs, results_path, error))
        return false;
    append_runs(out, &runs);
    append_refused(out, &runs);
    plot_runs_clear(&runs);
    return true;
}
