/*
 * Gap probes against number of threads: how a search for an unmapped area
 * scales.  A line joins the runs that differ only in the size of the trace:
 * same setup, and names of traces that are equal but for their digits
 * (nptl-stacks-100, nptl-stacks-1000).
 */
#include "plots/labels.h"
#include "plots/numbers.h"
#include "plots/picture.h"
#include "plots/script.h"
#include "plots/tsv.h"

#include <math.h>
#include <string.h>

#define WIDTH       960
#define LINE_HEIGHT 18

struct point {
    const struct plot_run *run;
    double tasks;
    double searches;
    double probes;
    double per_search;
};

/* Runs that a line joins. */
struct line {
    char *name;
    GArray *points;  // struct point, by tasks
    bool is_lower_bound;
};

static void
line_free(void *data)
{
    struct line *line = data;

    g_free(line->name);
    g_array_unref(line->points);
    g_free(line);
}

/* "nptl-stacks-1000" is "nptl-stacks-N". */
static char *
family_of(const char *trace)
{
    GString *family = g_string_new(NULL);

    for (; *trace; trace++) {
        if (!g_ascii_isdigit(*trace))
            g_string_append_c(family, *trace);
        else if (!g_str_has_suffix(family->str, "N"))
            g_string_append_c(family, 'N');
    }
    return g_string_free(family, FALSE);
}

static bool
measure(const struct plot_run *run, struct point *point)
{
    *point = (struct point){
        .run = run,
        .tasks = plot_run_double(run, "peak", "task_count"),
        .searches = plot_run_double(run, "counters", "gap_search_count"),
        .probes = plot_run_double(run, "counters", "gap_probe_count"),
    };
    point->per_search = point->probes / point->searches;
    return isfinite(point->per_search) && point->tasks > 0;
}

static struct line *
find_line(GPtrArray *lines, char *name)
{
    for (unsigned i = 0; i < lines->len; i++) {
        struct line *line = lines->pdata[i];
        if (strcmp(line->name, name) == 0) {
            g_free(name);
            return line;
        }
    }
    struct line *line = g_new0(struct line, 1);
    line->name = name;
    line->points = g_array_new(FALSE, FALSE, sizeof(struct point));
    g_ptr_array_add(lines, line);
    return line;
}

static gint
compare_points(gconstpointer a, gconstpointer b)
{
    const struct point *left = a;
    const struct point *right = b;

    return left->tasks < right->tasks ? -1 : left->tasks > right->tasks;
}

static const struct point *
point_at(const struct line *line, unsigned index)
{
    return &g_array_index(line->points, struct point, index);
}

static const struct point *
last_point(const struct line *line)
{
    return point_at(line, line->points->len - 1);
}

static bool
spans_sizes(const struct line *line)
{
    return last_point(line)->tasks > point_at(line, 0)->tasks;
}

static bool
has_several_families(const struct plot_runs *runs)
{
    g_autofree char *first = family_of(runs->traces->pdata[0]);

    for (unsigned i = 1; i < runs->traces->len; i++) {
        g_autofree char *family = family_of(runs->traces->pdata[i]);
        if (strcmp(family, first) != 0)
            return true;
    }
    return false;
}

static char *
line_name(const struct plot_run *run, bool has_families)
{
    g_autofree char *family = family_of(run->trace);

    if (!*run->setup)
        return g_steal_pointer(&family);
    return has_families ? g_strconcat(family, ", ", run->setup, NULL)
                        : g_strdup(run->setup);
}

/* Lines through at least two numbers of threads. */
static GPtrArray *
collect_lines(const struct plot_runs *runs)
{
    GPtrArray *lines = g_ptr_array_new_with_free_func(line_free);
    bool has_families = runs->traces->len > 0 && has_several_families(runs);

    for (unsigned i = 0; i < runs->runs->len; i++) {
        const struct plot_run *run = plot_run_at(runs, i);
        struct point point;
        if (!measure(run, &point))
            continue;
        struct line *line = find_line(lines, line_name(run, has_families));
        g_array_append_val(line->points, point);
        line->is_lower_bound |= run->is_lower_bound;
    }
    for (unsigned i = lines->len; i-- > 0;) {
        struct line *line = lines->pdata[i];
        g_array_sort(line->points, compare_points);
        if (!spans_sizes(line))
            g_ptr_array_remove_index(lines, i);
    }
    return lines;
}

static void
write_tsv(struct picture *picture, const struct plot_runs *runs,
          const GPtrArray *lines)
{
    GString *tsv = picture->tsv =
        g_string_new("line\ttask_count\tprobes_per_search\tgap_probe_count\t"
                     "gap_search_count\t");

    tsv_run_header(tsv, runs);
    for (unsigned i = 0; i < lines->len; i++) {
        const struct line *line = lines->pdata[i];
        for (unsigned j = 0; j < line->points->len; j++) {
            const struct point *point = point_at(line, j);
            tsv_integer(tsv, i + 1);
            tsv_double(tsv, point->tasks);
            tsv_double(tsv, point->per_search);
            tsv_double(tsv, point->probes);
            tsv_double(tsv, point->searches);
            tsv_run(tsv, runs, point->run);
        }
    }
}

/* Compare the lines at the largest number of threads that all reach. */
static char *
title_text(const GPtrArray *lines)
{
    const struct line *least = lines->pdata[0];
    const struct line *most = lines->pdata[0];
    double tasks = last_point(least)->tasks;

    for (unsigned i = 0; i < lines->len; i++) {
        const struct line *line = lines->pdata[i];
        double probes = last_point(line)->per_search;
        if (line->is_lower_bound || last_point(line)->tasks != tasks)
            return g_strdup("Gap search: how does it scale with threads?");
        if (probes < last_point(least)->per_search)
            least = line;
        if (probes > last_point(most)->per_search)
            most = line;
    }
    g_autofree char *count = plot_number_text(PLOT_COUNT, tasks);
    g_autofree char *high =
        plot_number_text(PLOT_COUNT, last_point(most)->per_search);
    g_autofree char *low =
        plot_number_text(PLOT_COUNT, last_point(least)->per_search);
    g_autofree char *most_name = plot_setup_without(most->name, least->name);
    g_autofree char *least_name = plot_setup_without(least->name, most->name);
    if (least == most)
        return g_strdup_printf("Gap search: %s probes with %s tasks", high,
                               count);
    return g_strdup_printf("Gap search with %s tasks: %s probes under %s, %s "
                           "under %s",
                           count, high, most_name, low, least_name);
}

static double
most_probes(const struct line *line)
{
    double most = 0;

    for (unsigned i = 0; i < line->points->len; i++)
        most = MAX(most, point_at(line, i)->per_search);
    return most;
}

/* Of powers of ten: 1000 is as short as 1k, and 0.1 shorter than 100m. */
static const char *
tic_format(double most)
{
    return most < 1e6 ? "%g" : "%.0s%c";
}

/* Both axes are logarithmic, so that a slope is an exponent; searches that
 * examine nothing have no place there and stand in the key alone. */
static void
write_axes(GString *script, const GPtrArray *lines)
{
    double most = 0, tasks = 0;

    for (unsigned i = 0; i < lines->len; i++) {
        most = MAX(most, most_probes(lines->pdata[i]));
        tasks = MAX(tasks, last_point(lines->pdata[i])->tasks);
    }
    g_string_append(script,
                    "set autoscale xfix\n"
                    "set xlabel 'tasks alive at the peak (count)'\n"
                    "set ylabel 'VMAs or nodes examined per search (count)'\n");
    g_string_append_printf(script,
                           "set format x '%s'\n"
                           "set format y '%s'\n",
                           tic_format(tasks), tic_format(most));
    g_string_append(
        script, most > 0 ? "set logscale xy\n"
                           "set autoscale yfix\n"
                           "set offsets graph 0.02, graph 0.02, graph 0.04, "
                           "graph 0.04\n"
                         : "set logscale x\n"
                           "set yrange [0:1]\n");
}

static const char drawing[] =
    "plot for [i=1:|name|] in using \\\n"
    "    (column('line') == i ? column('task_count') : NaN): \\\n"
    "    (column('probes_per_search') > 0 || zeros \\\n"
    "        ? column('probes_per_search') : NaN) \\\n"
    "    with linespoints lt i ps 1 notitle, \\\n"
    "    for [i=1:|name|] keyentry with linespoints lt i ps 1 title name[i]\n"
    "set output\n";

static void
write_script(struct picture *picture, const struct plot_runs *runs,
             const GPtrArray *lines, enum plot_term term)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    bool any = false;

    for (unsigned i = 0; i < lines->len; i++) {
        const struct line *line = lines->pdata[i];
        g_ptr_array_add(
            names, g_strconcat(line->is_lower_bound ? ">= " : "", line->name,
                               most_probes(line) > 0 ? "" : " (0)", NULL));
        any |= most_probes(line) > 0;
    }
    script_begin(picture, term, WIDTH,
                 MAX(480, 130 + lines->len * LINE_HEIGHT));
    script_title(picture, runs);
    script_array(picture->script, "name", names);
    write_axes(picture->script, lines);
    g_string_append_printf(picture->script, "zeros = %d\n", !any);
    g_string_append(picture->script,
                    "set key outside right top Left reverse samplen 3\n");
    g_string_append(picture->script, drawing);
}

void
picture_of_gap_probes(struct picture *picture, const struct plot_runs *runs,
                      enum plot_term term)
{
    g_autoptr(GPtrArray) lines = collect_lines(runs);

    picture->name = "gap_probes";
    if (lines->len == 0) {
        picture->left_out =
            g_strdup("no two runs with gap searches differ only in the number "
                     "of threads of their trace");
        return;
    }
    picture->title = title_text(lines);
    picture->sentence = g_strdup(
        "What a search for an unmapped area examined, against the number of "
        "tasks, for traces of one kind in several sizes.");
    write_tsv(picture, runs, lines);
    write_script(picture, runs, lines, term);
}
