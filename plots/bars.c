/*
 * Bars, one per run, stacked by kind: clears, faults, time, memory.
 *
 * Bars lie on their side: names of runs are long, and a reader of forty must
 * not tilt the head.  With several traces each has a heading and its runs
 * below it.  Kinds that no run has are left out, and when there are more than
 * colours the smallest become "other".
 */
#include "plots/finding.h"
#include "plots/picture.h"
#include "plots/script.h"
#include "plots/tsv.h"

#include <math.h>
#include <string.h>

#define KIND_COUNT_MAX 8    // colours
#define BAR_COUNT_MAX  200  // drawn; the .tsv holds all
#define WIDTH          960
#define ROW_HEIGHT     22
#define ROOM_FOR_TOTAL "1.15"  // right of the longest bar

struct bars {
    const char *section;
    const char *prefix;  // of a kind's key, not shown
    const char *suffix;
    const char *axis;  // counts: with its unit
    const char *sentence;
    const char *nothing;  // why the picture is left out
    struct finding_words words;
};

/* What is drawn: kinds that some run has, and where each run's bar lies. */
struct stack {
    const struct bars *bars;
    const struct plot_runs *runs;
    GPtrArray *keys;  // kinds, as in the results
    unsigned shown;   // of them, with a colour of their own
    double *totals;   // by run
    double most;      // the longest bar
    bool has_headings;
    bool has_key;
    unsigned row_count;
};

static double
value_of(const struct stack *stack, unsigned run, unsigned kind)
{
    double value =
        plot_run_double(plot_run_at(stack->runs, run), stack->bars->section,
                        stack->keys->pdata[kind]);

    return isfinite(value) ? value : 0;
}

static double
sum_of_kind(const struct plot_runs *runs, const char *section, const char *key)
{
    double sum = 0;

    for (unsigned i = 0; i < runs->runs->len; i++) {
        double value = plot_run_double(plot_run_at(runs, i), section, key);
        if (isfinite(value))
            sum += value;
    }
    return sum;
}

struct kind_sum {
    const char *key;
    double sum;
};

static gint
compare_kinds(gconstpointer a, gconstpointer b)
{
    const struct kind_sum *left = a;
    const struct kind_sum *right = b;

    return left->sum > right->sum ? -1 : left->sum < right->sum;
}

/* The kinds that some run has; the largest first if they are too many. */
static GPtrArray *
choose_kinds(const struct plot_runs *runs, const char *section,
             const GPtrArray *keys)
{
    g_autoptr(GArray) sums = g_array_new(FALSE, FALSE, sizeof(struct kind_sum));
    GPtrArray *chosen = g_ptr_array_new();

    for (unsigned i = 0; i < keys->len; i++) {
        struct kind_sum kind = {keys->pdata[i],
                                sum_of_kind(runs, section, keys->pdata[i])};
        if (kind.sum > 0)
            g_array_append_val(sums, kind);
    }
    if (sums->len > KIND_COUNT_MAX)
        g_array_sort(sums, compare_kinds);
    for (unsigned i = 0; i < sums->len; i++)
        g_ptr_array_add(chosen,
                        (char *)g_array_index(sums, struct kind_sum, i).key);
    return chosen;
}

static void
stack_begin(struct stack *stack, const struct bars *bars,
            const struct plot_runs *runs, const GPtrArray *keys)
{
    *stack =
        (struct stack){.bars = bars, .runs = runs, .has_key = keys->len > 1};
    stack->keys = choose_kinds(runs, bars->section, keys);
    stack->shown = stack->keys->len <= KIND_COUNT_MAX ? stack->keys->len
                                                      : KIND_COUNT_MAX - 1;
    stack->totals = g_new0(double, runs->runs->len + 1);
    for (unsigned i = 0; i < runs->runs->len; i++) {
        for (unsigned kind = 0; kind < stack->keys->len; kind++)
            stack->totals[i] += value_of(stack, i, kind);
        stack->most = MAX(stack->most, stack->totals[i]);
        if (runs->traces->len > 1 && *plot_run_at(runs, i)->setup)
            stack->has_headings = true;
    }
}

static void
stack_end(struct stack *stack)
{
    g_ptr_array_unref(stack->keys);
    g_free(stack->totals);
}

static unsigned
drawn_rows(const struct stack *stack)
{
    return MIN(stack->row_count, BAR_COUNT_MAX);
}

static bool
begins_trace(const struct plot_runs *runs, unsigned run)
{
    return run == 0 || plot_run_at(runs, run)->trace_index !=
                           plot_run_at(runs, run - 1)->trace_index;
}

static void
write_tsv(struct picture *picture, struct stack *stack)
{
    const struct plot_runs *runs = stack->runs;
    GString *tsv = picture->tsv = g_string_new(NULL);

    tsv_text(tsv, "row");
    for (unsigned kind = 0; kind < stack->keys->len; kind++)
        tsv_text(tsv, stack->keys->pdata[kind]);
    tsv_text(tsv, "other");
    tsv_text(tsv, "total");
    tsv_text(tsv, "shown");
    tsv_run_header(tsv, runs);
    for (unsigned i = 0; i < runs->runs->len; i++) {
        const struct plot_run *run = plot_run_at(runs, i);
        double other = 0;
        if (stack->has_headings && begins_trace(runs, i))
            stack->row_count++;
        tsv_integer(tsv, ++stack->row_count);
        for (unsigned kind = 0; kind < stack->keys->len; kind++) {
            tsv_number(tsv, plot_run_number(run, stack->bars->section,
                                            stack->keys->pdata[kind]));
            if (kind >= stack->shown)
                other += value_of(stack, i, kind);
        }
        tsv_double(tsv, other);
        tsv_double(tsv, stack->totals[i]);
        g_autofree char *total =
            plot_number_text(stack->bars->words.unit, stack->totals[i]);
        g_autofree char *shown =
            g_strconcat(run->is_lower_bound ? ">= " : "", total, NULL);
        tsv_text(tsv, shown);
        tsv_run(tsv, runs, run);
    }
}

/* Names of runs at the bars, names of traces above them. */
static void
write_names(GString *script, const struct stack *stack)
{
    const struct plot_runs *runs = stack->runs;
    unsigned row = 0;

    g_string_append(script, "set ytics scale 0 ( \\\n    ");
    for (unsigned i = 0; i < runs->runs->len; i++) {
        const struct plot_run *run = plot_run_at(runs, i);
        if (stack->has_headings && begins_trace(runs, i))
            row++;
        g_string_append(script, i > 0 ? ", \\\n    " : "");
        script_quote_tic(script, stack->has_headings && *run->setup
                                     ? run->setup
                                     : run->label);
        g_string_append_printf(script, " %u", ++row);
    }
    g_string_append(script, ")\n");
    row = 0;
    for (unsigned i = 0; stack->has_headings && i < runs->runs->len; i++) {
        if (begins_trace(runs, i)) {
            row++;
            g_string_append(script, "set label ");
            script_quote(script, plot_run_at(runs, i)->trace);
            g_string_append_printf(
                script,
                " at graph 0, first %u left offset 1,-0.2 \\\n"
                "    font ',12' textcolor rgb '#555555'\n",
                row);
        }
        row++;
    }
}

static void
write_kinds(GString *script, const struct stack *stack)
{
    g_autoptr(GPtrArray) keys = g_ptr_array_new();
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const struct bars *bars = stack->bars;

    for (unsigned i = 0; i < stack->shown; i++) {
        char *key = stack->keys->pdata[i];
        size_t cut = strlen(bars->prefix) + strlen(bars->suffix);
        g_ptr_array_add(keys, key);
        g_ptr_array_add(
            names, g_strndup(key + strlen(bars->prefix), strlen(key) - cut));
        g_strdelimit(names->pdata[i], "_", *bars->suffix ? ' ' : '_');
    }
    if (stack->shown < stack->keys->len) {
        g_ptr_array_add(keys, (char *)"other");
        g_ptr_array_add(names, g_strdup("other"));
    }
    script_array(script, "kind", keys);
    script_array(script, "name", names);
}

static const char bars_drawing[] =
    "\n"
    "# Where the i-th kind of a bar ends; bars are zero-based.\n"
    "end(i) = i == 0 ? 0 : sum [j=1:i] column(kind[j]) / scale\n"
    "has(i) = column(kind[i]) > 0\n"
    "plot for [i=1:|kind|] in using \\\n"
    "        (has(i) ? end(i) : NaN):'row':(end(i - 1)):(end(i)): \\\n"
    "        (column('row') - 0.38):(column('row') + 0.38) \\\n"
    "        with boxxyerror lc rgb word(color, i) title name[i], \\\n"
    "    in using (column('total') / scale):'row':(strcol('shown')) \\\n"
    "        with labels left offset 1,0 notitle\n"
    "set output\n";

static void
write_axes(GString *script, const struct stack *stack)
{
    const struct bars *bars = stack->bars;
    struct plot_scale scale = plot_scale_for(bars->words.unit, stack->most);
    g_autofree char *axis =
        bars->words.unit == PLOT_COUNT
            ? g_strdup(bars->axis)
            : g_strdup_printf("%s (%s)", bars->axis, scale.name);

    g_string_append_printf(script, "scale = %.0f.0\nset xlabel ",
                           scale.divisor);
    script_quote(script, axis);
    g_string_append_printf(script,
                           "\nset xrange [0:%.0f * %s / scale]\n"
                           "set yrange [%u.5:0.5]\n"
                           "set format x '%s'\n"
                           "set xtics add ('0' 0)\n"
                           "unset grid\n"
                           "set grid xtics lc rgb '#dddddd' lw 1 dt 1\n",
                           stack->most, ROOM_FOR_TOTAL, drawn_rows(stack),
                           scale.tics);
}

static void
write_key(GString *script, const struct stack *stack)
{
    if (!stack->has_key)
        g_string_append(script, "set key off\n");
    else
        g_string_append(script,
                        "set tmargin 6\n"
                        "set key at screen 0.02, screen (height - 58.0) / "
                        "height left top \\\n"
                        "    horizontal Left reverse samplen 1 maxrows 2\n");
}

static void
write_script(struct picture *picture, const struct stack *stack,
             enum plot_term term)
{
    script_begin(picture, term, WIDTH,
                 150 + MAX(drawn_rows(stack), 2) * ROW_HEIGHT);
    script_title(picture, stack->runs);
    write_axes(picture->script, stack);
    write_kinds(picture->script, stack);
    write_names(picture->script, stack);
    write_key(picture->script, stack);
    g_string_append(picture->script, bars_drawing);
}

static void
draw(struct picture *picture, const struct bars *bars,
     const struct plot_runs *runs, enum plot_term term, const GPtrArray *keys)
{
    struct stack stack;

    stack_begin(&stack, bars, runs, keys);
    if (stack.keys->len == 0) {
        picture->left_out = g_strdup(bars->nothing);
    } else {
        picture->title = finding_text(runs, stack.totals, &bars->words);
        write_tsv(picture, &stack);
        write_script(picture, &stack, term);
        picture->sentence =
            stack.row_count <= BAR_COUNT_MAX
                ? g_strdup(bars->sentence)
                : g_strdup_printf("%s  The first %u bars are drawn; the .tsv "
                                  "has all.",
                                  bars->sentence, BAR_COUNT_MAX);
    }
    stack_end(&stack);
}

static void
draw_listed(struct picture *picture, const struct bars *bars,
            const struct plot_runs *runs, enum plot_term term,
            const char *const *kinds)
{
    g_autoptr(GPtrArray) keys = g_ptr_array_new();

    for (; *kinds; kinds++)
        g_ptr_array_add(keys, (char *)*kinds);
    draw(picture, bars, runs, term, keys);
}

void
picture_of_clears(struct picture *picture, const struct plot_runs *runs,
                  enum plot_term term)
{
    static const char *const kinds[] = {"clear_page_count", NULL};
    static const struct bars bars = {
        "counters",
        "",
        "",
        "user memory cleared (pages of 4 KiB)",
        "Pages of user memory that each run cleared, in units of 4 KiB.",
        "no run cleared a page",
        {"clear_page", "clears", "clear_page: how many pages are cleared?",
         PLOT_COUNT}};

    picture->name = "clear_page";
    draw_listed(picture, &bars, runs, term, kinds);
}

void
picture_of_faults(struct picture *picture, const struct plot_runs *runs,
                  enum plot_term term)
{
    static const char *const kinds[] = {
        "fault_fresh_count",      "fault_zero_map_count",
        "fault_zero_break_count", "fault_cow_copy_count",
        "fault_cow_reuse_count",  "fault_file_count",
        "fault_swap_in_count",    "fault_segv_count",
        "fault_bus_count",        NULL};
    static const struct bars bars = {
        "counters",
        "fault_",
        "_count",
        "page faults (count)",
        "Page faults of each run by what the kernel did.",
        "no run took a page fault",
        {"Faults", "takes", "Faults: which kinds does each run take?",
         PLOT_COUNT}};

    picture->name = "faults";
    draw_listed(picture, &bars, runs, term, kinds);
}

void
picture_of_memory(struct picture *picture, const struct plot_runs *runs,
                  enum plot_term term)
{
    static const char *const kinds[] = {"anon_bytes",      "file_bytes",
                                        "pagetable_bytes", "slab_bytes",
                                        "task_bytes",      NULL};
    static const struct bars bars = {
        "peak.total",
        "",
        "_bytes",
        "memory in use",
        "Frames in use by kind at the instant when each run used most; rmap "
        "and VMA objects lie in slab.",
        "no run used memory",
        {"Memory at the peak", "uses",
         "Memory at the peak: what is it used for?", PLOT_BYTES}};

    picture->name = "memory";
    draw_listed(picture, &bars, runs, term, kinds);
}

/* Costs are whatever keys the results have, in order of appearance. */
void
picture_of_time(struct picture *picture, const struct plot_runs *runs,
                enum plot_term term)
{
    static const struct bars bars = {
        "time_ns",
        "",
        "",
        "simulated time",
        "Simulated time of each run by cost, counted work times the machine's "
        "prices; `work` is the program's own.",
        "no run has simulated time",
        {"Simulated time", "needs", "Simulated time: what is it spent on?",
         PLOT_NS}};
    g_autoptr(GPtrArray) keys = g_ptr_array_new();
    static const char *const sums[] = {"elapsed", "user", "system", NULL};

    for (unsigned i = 0; i < runs->runs->len; i++) {
        const char *key;
        json_t *value;
        json_object_foreach (plot_run_section(plot_run_at(runs, i), "time_ns"),
                             key, value) {
            if (!g_strv_contains(sums, key) &&
                !g_ptr_array_find_with_equal_func(keys, key, g_str_equal, NULL))
                g_ptr_array_add(keys, (char *)key);
        }
    }
    picture->name = "time";
    draw(picture, &bars, runs, term, keys);
}
