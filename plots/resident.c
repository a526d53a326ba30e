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
#define PANEL_HEIGHT    260
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
    unsigned panel;  // from 1
    unsigned style;  // from 1; equal setups look alike in all panels
};

struct sheet {
    const struct plot_runs *runs;
    GArray *series;
    GPtrArray *panels;  // traces
    GPtrArray *styles;  // setups
    bool is_by_time;
    double x_most;
    double y_most;
};

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
    for (size_t i = 0; i < json_array_size(series.rows); i++) {
        sheet->x_most =
            MAX(sheet->x_most, cell(series.rows, i, series.columns.x));
        sheet->y_most =
            MAX(sheet->y_most, cell(series.rows, i, series.columns.resident));
    }
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
write_bucket(GString *tsv, const struct sheet *sheet,
             const struct series *series, struct bucket *bucket)
{
    if (bucket->count == 0)
        return;
    tsv_integer(tsv, series->panel);
    tsv_integer(tsv, series->style);
    tsv_double(tsv, bucket->x_sum / bucket->count);
    tsv_double(tsv, bucket->min);
    tsv_double(tsv, bucket->sum / bucket->count);
    tsv_double(tsv, bucket->max);
    tsv_run(tsv, sheet->runs, series->run);
    *bucket = (struct bucket){0};
}

static void
write_series(GString *tsv, const struct sheet *sheet,
             const struct series *series)
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
    picture->tsv = g_string_new("panel\tstyle\t");
    tsv_text(picture->tsv, sheet->is_by_time ? "ns" : "event");
    g_string_append(picture->tsv, "resident_bytes_min\tresident_bytes_mean\t"
                                  "resident_bytes_max\t");
    tsv_run_header(picture->tsv, sheet->runs);
    for (unsigned i = 0; i < sheet->series->len; i++)
        write_series(picture->tsv, sheet,
                     &g_array_index(sheet->series, struct series, i));
}

/* Names of lines; a setup that is a lower bound anywhere is marked. */
static GPtrArray *
style_names(const struct sheet *sheet)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);

    for (unsigned style = 1; style <= sheet->styles->len; style++) {
        bool is_lower_bound = false;
        for (unsigned i = 0; i < sheet->series->len; i++) {
            const struct series *series =
                &g_array_index(sheet->series, struct series, i);
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
    "of(p, i) = column('panel') == p && column('style') == i ? \\\n"
    "    column(x) / x_scale : NaN\n"
    "low(p) = bottom + (top - bottom) * (|panel| - p) / |panel|\n"
    "high(p) = low(p) + (top - bottom) / |panel| - gap\n"
    "set multiplot\n"
    "do for [p=1:|panel|] {\n"
    "    set bmargin at screen low(p)\n"
    "    set tmargin at screen high(p)\n"
    "    if (|panel| > 1) { set title panel[p] offset 0,-0.6 "
    "textcolor rgb '#555555' }\n"
    "    if (p == |panel|) { set xlabel x_label }\n"
    "    plot for [i=1:|name|] in using \\\n"
    "            (of(p, i)):(column('resident_bytes_min') / y_scale): \\\n"
    "            (column('resident_bytes_max') / y_scale) \\\n"
    "            with filledcurves lt i fs transparent solid 0.25 notitle, \\\n"
    "        for [i=1:|name|] in using \\\n"
    "            (of(p, i)):(column('resident_bytes_mean') / y_scale) \\\n"
    "            with lines lt i notitle, \\\n"
    "        for [i=1:p == 1 ? |name| : 0] keyentry with lines lt i "
    "title name[i]\n"
    "    unset label\n"
    "}\n"
    "unset multiplot\n"
    "set output\n";

static void
write_script(struct picture *picture, const struct sheet *sheet,
             enum plot_term term)
{
    g_autoptr(GPtrArray) names = style_names(sheet);
    unsigned panels = sheet->panels->len;
    unsigned height = 110 + panels * PANEL_HEIGHT;
    struct plot_scale x_scale =
        plot_scale_for(sheet->is_by_time ? PLOT_NS : PLOT_COUNT, sheet->x_most);
    struct plot_scale y_scale = plot_scale_for(PLOT_BYTES, sheet->y_most);
    double key_width = (double)(longest(names) * CHARACTER_PX + 60) / WIDTH;

    height = MAX(height, 130 + names->len * LINE_HEIGHT);
    script_begin(picture, term, WIDTH, height);
    script_title(picture, sheet->runs);
    GString *script = picture->script;
    script_array(script, "panel", sheet->panels);
    script_array(script, "name", names);
    g_string_append_printf(
        script,
        "x = '%s'\n"
        "x_label = '%s%s%s'\n"
        "x_scale = %.1f\n"
        "y_scale = %.1f\n"
        "set ylabel 'resident memory (%s)'\n"
        "set yrange [0:*]\n"
        "set lmargin at screen 90.0 / width\n"
        "set rmargin at screen %.3f\n"
        "set key at screen 0.99, screen (height - 70.0) / height right top "
        "Left reverse samplen 3\n"
        "bottom = 60.0 / height\n"
        "top = (height - 70.0) / height + 0.0\n"
        "gap = |panel| > 1 ? 50.0 / height : 0\n",
        sheet->is_by_time ? "ns" : "event",
        sheet->is_by_time ? "time in the trace (" : "event of the trace (count",
        x_scale.name, ")", x_scale.divisor, y_scale.divisor, y_scale.name,
        1 - MIN(key_width, 0.5));
    g_string_append(script, drawing);
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
