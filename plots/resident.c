/*
 * Resident memory over time, one line per run, one panel per trace: programs
 * differ too much in length and size to share axes.
 *
 * A long timeline is reduced to as many buckets as there are pixels; of each
 * the mean is drawn as a line and the range from min to max as a band.
 */
#include "plots/finding.h"
#include "plots/picture.h"
#include "plots/script.h"
#include "plots/tsv.h"

#include <math.h>
#include <string.h>

#define WIDTH           960
#define PANEL_HEIGHT    270
#define LINE_HEIGHT     18
#define CHARACTER_PX    7
#define PANEL_COUNT_MAX 12  // drawn; the .tsv holds all
#define BUCKET_COUNT    600

/* Which column of a timeline is what. */
struct columns {
    int x;
    int resident;
};

/* What is drawn of a run, or without rows nothing. */
struct series {
    const struct plot_run *run;
    const json_t *rows;
    struct columns columns;
    unsigned panel;      // from 1
    unsigned style;      // from 1; equal setups look alike in all panels
    unsigned row_count;  // in the .tsv
};

struct sheet {
    const struct plot_runs *runs;
    GArray *series;
    GPtrArray *panels;  // traces
    GPtrArray *styles;  // setups
    bool is_by_time;
};

/* How far the lines of a panel reach. */
struct reach {
    double x;
    double y;
};

static struct series *
series_at(const struct sheet *sheet, unsigned index)
{
    return &g_array_index(sheet->series, struct series, index);
}

static int
find_column(const json_t *timeline, const char *name)
{
    const json_t *columns = json_object_get(timeline, "columns");

    for (size_t i = 0; i < json_array_size(columns); i++)
        if (strcmp(json_string_value(json_array_get(columns, i)), name) == 0)
            return (int)i;
    return -1;
}

static double
cell(const json_t *rows, size_t row, int column)
{
    return json_number_value(
        json_array_get(json_array_get(rows, row), (size_t)column));
}

static const json_t *
rows_of(const struct plot_run *run)
{
    return json_object_get(plot_run_section(run, "timeline"), "rows");
}

/* Time is an axis if it passes in every timeline; else events are. */
static bool
has_time(const struct plot_runs *runs)
{
    for (unsigned i = 0; i < runs->runs->len; i++) {
        const struct plot_run *run = plot_run_at(runs, i);
        const json_t *rows = rows_of(run);
        int column = find_column(plot_run_section(run, "timeline"), "ns");
        size_t count = json_array_size(rows);
        if (count > 0 && (column < 0 || cell(rows, count - 1, column) <=
                                            cell(rows, 0, column)))
            return false;
    }
    return true;
}

/* Index from 1 of the text, which is added if need be. */
static unsigned
index_of(GPtrArray *texts, const char *text)
{
    guint index;

    if (!g_ptr_array_find_with_equal_func(texts, text, g_str_equal, &index)) {
        index = texts->len;
        g_ptr_array_add(texts, (char *)text);
    }
    return index + 1;
}

static void
add_series(struct sheet *sheet, const struct plot_run *run)
{
    const json_t *timeline = plot_run_section(run, "timeline");
    struct series series = {
        .run = run,
        .rows = rows_of(run),
        .columns = {find_column(timeline, sheet->is_by_time ? "ns" : "event"),
                    find_column(timeline, "resident_bytes")}};

    if (json_array_size(series.rows) == 0 || series.columns.x < 0 ||
        series.columns.resident < 0)
        return;
    series.panel = index_of(sheet->panels, run->trace);
    series.style =
        index_of(sheet->styles, *run->setup ? run->setup : run->label);
    g_array_append_val(sheet->series, series);
}

/* Rows that fall into one pixel. */
struct bucket {
    unsigned count;
    double x_sum, sum, min, max;
};

static void
bucket_add(struct bucket *bucket, double x, double y)
{
    bucket->min = bucket->count ? MIN(bucket->min, y) : y;
    bucket->max = bucket->count ? MAX(bucket->max, y) : y;
    bucket->count++;
    bucket->x_sum += x;
    bucket->sum += y;
}

static void
write_bucket(GString *tsv, const struct sheet *sheet, struct series *series,
             struct bucket *bucket)
{
    if (bucket->count == 0)
        return;
    tsv_double(tsv, bucket->x_sum / bucket->count);
    tsv_double(tsv, bucket->min);
    tsv_double(tsv, bucket->sum / bucket->count);
    tsv_double(tsv, bucket->max);
    tsv_run(tsv, sheet->runs, series->run);
    series->row_count++;
    *bucket = (struct bucket){0};
}

static void
write_series(GString *tsv, const struct sheet *sheet, struct series *series)
{
    size_t count = json_array_size(series->rows);
    double first = cell(series->rows, 0, series->columns.x);
    double span = cell(series->rows, count - 1, series->columns.x) - first;
    struct bucket bucket = {0};
    double place = 0;

    for (size_t i = 0; i < count; i++) {
        double x = cell(series->rows, i, series->columns.x);
        double here = count <= BUCKET_COUNT || span <= 0
                          ? (double)i
                          : floor((x - first) / span * BUCKET_COUNT);
        if (here != place)
            write_bucket(tsv, sheet, series, &bucket);
        place = here;
        bucket_add(&bucket, x, cell(series->rows, i, series->columns.resident));
    }
    write_bucket(tsv, sheet, series, &bucket);
}

static void
write_tsv(struct picture *picture, const struct sheet *sheet)
{
    picture->tsv = g_string_new(NULL);
    tsv_text(picture->tsv, sheet->is_by_time ? "ns" : "event");
    g_string_append(picture->tsv, "resident_bytes_min\tresident_bytes_mean\t"
                                  "resident_bytes_max\t");
    tsv_run_header(picture->tsv, sheet->runs);
    for (unsigned i = 0; i < sheet->series->len; i++)
        write_series(picture->tsv, sheet, series_at(sheet, i));
}

/* The rows, the look and the panel of each line.  (A script that filtered the
 * rows instead would read all of them again for every line.) */
static void
write_lines(GString *script, const struct sheet *sheet)
{
    g_autoptr(GString) rows = g_string_new(NULL);
    g_autoptr(GString) styles = g_string_new(NULL);
    g_autoptr(GString) panels = g_string_new(NULL);
    unsigned count = sheet->series->len;
    unsigned row = 0;

    for (unsigned i = 0; i < count; i++) {
        const struct series *series = series_at(sheet, i);
        const char *comma = i > 0 ? ", " : "";
        g_string_append_printf(rows, ", %u", row += series->row_count);
        g_string_append_printf(styles, "%s%u", comma, series->style);
        g_string_append_printf(panels, "%s%u", comma, series->panel);
    }
    g_string_append_printf(script,
                           "# Line i is rows row[i] to row[i + 1] - 1.\n"
                           "array row[%u] = [0%s]\n"
                           "array style[%u] = [%s]\n"
                           "array panel_of[%u] = [%s]\n",
                           count + 1, rows->str, count, styles->str, count,
                           panels->str);
}

static struct reach
reach_of(const struct sheet *sheet, unsigned panel)
{
    struct reach most = {0};

    for (unsigned i = 0; i < sheet->series->len; i++) {
        const struct series *series = series_at(sheet, i);
        if (series->panel != panel)
            continue;
        for (size_t row = 0; row < json_array_size(series->rows); row++) {
            double x = cell(series->rows, row, series->columns.x);
            double y = cell(series->rows, row, series->columns.resident);
            most.x = MAX(most.x, x);
            most.y = MAX(most.y, y);
        }
    }
    return most;
}

/* Arrays of what differs between panels: units and names of axes. */
static void
write_panels(GString *script, const struct sheet *sheet)
{
    g_autoptr(GString) x_scales = g_string_new(NULL);
    g_autoptr(GString) y_scales = g_string_new(NULL);
    g_autoptr(GPtrArray) x_tics = g_ptr_array_new();
    g_autoptr(GPtrArray) x_labels = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) y_labels = g_ptr_array_new_with_free_func(g_free);

    for (unsigned panel = 1; panel <= sheet->panels->len; panel++) {
        struct reach most = reach_of(sheet, panel);
        struct plot_scale x =
            plot_scale_for(sheet->is_by_time ? PLOT_NS : PLOT_COUNT, most.x);
        struct plot_scale y = plot_scale_for(PLOT_BYTES, most.y);
        const char *comma = panel > 1 ? ", " : "";
        g_ptr_array_add(x_tics, (char *)x.tics);
        g_string_append_printf(x_scales, "%s%.0f.0", comma, x.divisor);
        g_string_append_printf(y_scales, "%s%.0f.0", comma, y.divisor);
        g_ptr_array_add(x_labels,
                        sheet->is_by_time
                            ? g_strdup_printf("time in the trace (%s)", x.name)
                            : g_strdup("event of the trace (count)"));
        g_ptr_array_add(y_labels,
                        g_strdup_printf("resident memory (%s)", y.name));
    }
    script_array(script, "panel", sheet->panels);
    script_array(script, "x_label", x_labels);
    script_array(script, "y_label", y_labels);
    script_array(script, "x_tics", x_tics);
    g_string_append_printf(script, "array x_scale[%u] = [%s]\n",
                           sheet->panels->len, x_scales->str);
    g_string_append_printf(script, "array y_scale[%u] = [%s]\n",
                           sheet->panels->len, y_scales->str);
}

/* Names of lines; a setup that is a lower bound anywhere is marked. */
static GPtrArray *
style_names(const struct sheet *sheet)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);

    for (unsigned style = 1; style <= sheet->styles->len; style++) {
        bool is_lower_bound = false;
        for (unsigned i = 0; i < sheet->series->len; i++) {
            const struct series *series = series_at(sheet, i);
            is_lower_bound |=
                series->style == style && series->run->is_lower_bound;
        }
        g_ptr_array_add(names,
                        g_strconcat(is_lower_bound ? ">= " : "",
                                    sheet->styles->pdata[style - 1], NULL));
    }
    return names;
}

static size_t
longest(const GPtrArray *texts)
{
    size_t most = 0;

    for (unsigned i = 0; i < texts->len; i++)
        most = MAX(most, (size_t)g_utf8_strlen(texts->pdata[i], -1));
    return most;
}

static const char drawing[] =
    "set yrange [0:*]\n"
    "set lmargin at screen 90.0 / width\n"
    "set key at screen 0.99, screen 1 - 70.0 / height right top Left \\\n"
    "    reverse samplen 3\n"
    "bottom = 10.0 / height\n"
    "each = (1 - 70.0 / height - bottom) / |panel|\n"
    "from = 1\n"
    "set multiplot\n"
    "do for [p=1:|panel|] {\n"
    "    set bmargin at screen bottom + each * (|panel| - p) + 56.0 / height\n"
    "    set tmargin at screen bottom + each * (|panel| - p + 1) \\\n"
    "        - (|panel| > 1 ? 24.0 / height : 0)\n"
    "    if (|panel| > 1) { set title panel[p] offset 0,-0.6 \\\n"
    "        textcolor rgb '#555555' }\n"
    "    set xlabel x_label[p]\n"
    "    set format x x_tics[p]\n"
    "    set xtics add ('0' 0)\n"
    "    set ylabel y_label[p]\n"
    "    to = from\n"
    "    while (to < |style| && panel_of[to + 1] == p) { to = to + 1 }\n"
    "    plot for [i=from:to] in every ::row[i]::row[i + 1] - 1 \\\n"
    "            using (column(time) / x_scale[p]): \\\n"
    "            (column('resident_bytes_min') / y_scale[p]): \\\n"
    "            (column('resident_bytes_max') / y_scale[p]) \\\n"
    "            with filledcurves lt style[i] fs transparent solid 0.25 \\\n"
    "            notitle, \\\n"
    "        for [i=from:to] in every ::row[i]::row[i + 1] - 1 \\\n"
    "            using (column(time) / x_scale[p]): \\\n"
    "            (column('resident_bytes_mean') / y_scale[p]) \\\n"
    "            with lines lt style[i] notitle, \\\n"
    "        for [i=1:p == 1 ? |name| : 0] keyentry with lines lt i "
    "title name[i]\n"
    "    unset label\n"
    "    from = to + 1\n"
    "}\n"
    "unset multiplot\n"
    "set output\n";

static void
write_script(struct picture *picture, const struct sheet *sheet,
             enum plot_term term)
{
    g_autoptr(GPtrArray) names = style_names(sheet);
    size_t key_width = longest(names) * CHARACTER_PX + 60;
    unsigned panels_height = 80 + sheet->panels->len * PANEL_HEIGHT;
    unsigned key_height = 130 + names->len * LINE_HEIGHT;

    script_begin(picture, term, WIDTH, MAX(panels_height, key_height));
    script_title(picture, sheet->runs);
    write_panels(picture->script, sheet);
    script_array(picture->script, "name", names);
    write_lines(picture->script, sheet);
    g_string_append_printf(picture->script,
                           "time = '%s'\n"
                           "set rmargin at screen 1 - %zu.0 / width\n",
                           sheet->is_by_time ? "ns" : "event",
                           MIN(key_width, WIDTH / 2));
    g_string_append(picture->script, drawing);
}

/* The runs are compared by the most that their timelines reach. */
static char *
title_text(const struct sheet *sheet)
{
    static const struct finding_words words = {
        "Resident memory", "peaks at", "Resident memory: how does it grow?",
        PLOT_BYTES};
    g_autofree double *peaks = g_new(double, sheet->runs->runs->len);

    for (unsigned i = 0; i < sheet->runs->runs->len; i++)
        peaks[i] = plot_run_double(plot_run_at(sheet->runs, i), "peak",
                                   "resident_bytes");
    return finding_text(sheet->runs, peaks, &words);
}

static void
draw(struct picture *picture, struct sheet *sheet, enum plot_term term)
{
    unsigned panels = sheet->panels->len;

    picture->title = title_text(sheet);
    picture->sentence = g_strdup_printf(
        "Sum of resident set sizes over %s, one line per run%s%s.",
        sheet->is_by_time ? "the time of the trace" : "the trace's events",
        panels > 1 ? ", one panel per trace" : "",
        panels > PANEL_COUNT_MAX ? "; the first traces are drawn, the .tsv "
                                   "has all"
                                 : "");
    write_tsv(picture, sheet);
    if (panels > PANEL_COUNT_MAX)
        g_ptr_array_set_size(sheet->panels, PANEL_COUNT_MAX);
    write_script(picture, sheet, term);
}

void
picture_of_resident(struct picture *picture, const struct plot_runs *runs,
                    enum plot_term term)
{
    struct sheet sheet = {
        .runs = runs,
        .series = g_array_new(FALSE, FALSE, sizeof(struct series)),
        .panels = g_ptr_array_new(),
        .styles = g_ptr_array_new(),
        .is_by_time = has_time(runs),
    };

    picture->name = "resident";
    for (unsigned i = 0; i < runs->runs->len; i++)
        add_series(&sheet, plot_run_at(runs, i));
    if (sheet.series->len == 0)
        picture->left_out =
            g_strdup("no run has a timeline; replay and sweep record one with "
                     "--timeline");
    else
        draw(picture, &sheet, term);
    g_array_unref(sheet.series);
    g_ptr_array_unref(sheet.panels);
    g_ptr_array_unref(sheet.styles);
}
