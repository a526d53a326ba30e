/*
 * vmsim sweep: the product of comma lists.
 */
#include "plots/path_tail.h"
#include "plots/table.h"
#include "sim/axes.h"
#include "sim/command.h"
#include "sim/error.h"
#include "sim/numbers.h"
#include "sim/output.h"
#include "sim/sweep.h"

#define JOBS_MAX 1024

static bool
read_numbers(const struct arguments *arguments, struct sweep *sweep,
             GError **error)
{
    const char *seed = arguments_value(arguments, "seed");
    const char *jobs_text = arguments_value(arguments, "jobs");
    const char *timeline = arguments_value(arguments, "timeline");
    uint64_t jobs = g_get_num_processors();

    sweep->seed = 1;
    if (seed && !parse_number(seed, &sweep->seed))
        return sim_fail(error, SIM_ERROR_USAGE,
                        "expected a number for --seed, found \"%s\"", seed);
    if (jobs_text &&
        (!parse_number(jobs_text, &jobs) || jobs < 1 || jobs > JOBS_MAX))
        return sim_fail(error, SIM_ERROR_USAGE,
                        "expected a number from 1 to %d for -j, found \"%s\"",
                        JOBS_MAX, jobs_text);
    sweep->jobs = (unsigned)jobs;
    sweep->wishes.check = arguments_has(arguments, "check");
    return !timeline ||
           timeline_parse(timeline, &sweep->wishes.timeline, error);
}

static void
free_trace(gpointer trace)
{
    trace_free(trace);
}

/* Results say no more of an absolute path than tells its file from others. */
static void
tell_apart(const GPtrArray *traces, const GPtrArray *paths)
{
    for (size_t i = 0; i < traces->len; i++) {
        struct trace *trace = traces->pdata[i];
        if (!g_path_is_absolute(trace->path))
            continue;
        g_free(trace->shown_path);
        trace->shown_path = path_tail(trace->path, paths);
    }
}

static GPtrArray *
load_traces(const GPtrArray *paths, GError **error)
{
    GPtrArray *traces = g_ptr_array_new_with_free_func(free_trace);

    for (size_t i = 0; i < paths->len; i++) {
        struct trace *trace = trace_open(paths->pdata[i], error);
        if (!trace) {
            g_ptr_array_unref(traces);
            return NULL;
        }
        g_ptr_array_add(traces, trace);
    }
    tell_apart(traces, paths);
    return traces;
}

/* The words of --format; the table is made from the results file. */
static bool
read_format(const struct arguments *arguments, bool *wants_table,
            GError **error)
{
    static const char *const formats[] = {"json", "table", NULL};
    const char *format = arguments_value(arguments, "format");

    *wants_table = g_strcmp0(format, "table") == 0;
    if (format && !g_strv_contains(formats, format))
        return sim_fail_unknown(error, "format", format, formats);
    if (*wants_table && output_is_stream(arguments_value(arguments, "output")))
        return sim_fail(error, SIM_ERROR_USAGE,
                        "--format table needs a file for the results, -o");
    return true;
}

static bool
run_sweep(struct sweep *sweep, bool is_dry, bool wants_table, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (is_dry)
        return sweep_dry_run(sweep, text, error) &&
               output_write(NULL, text, error);
    if (!sweep_run(sweep, error))
        return false;
    return !wants_table || (plot_results_table(sweep->output, text, error) &&
                            output_write(NULL, text, error));
}

static bool
sweep(const struct arguments *arguments, GError **error)
{
    struct catalog catalog;
    struct sweep sweep = {
        .catalog = &catalog,
        .output = arguments_value(arguments, "output"),
    };

    if (arguments->positional->len == 0)
        return sim_fail(error, SIM_ERROR_USAGE, "sweep needs a trace");
    bool wants_table;
    if (!read_format(arguments, &wants_table, error))
        return false;
    g_autoptr(GArray) axes = axes_of(arguments, error);
    if (!axes || !read_numbers(arguments, &sweep, error))
        return false;
    sweep.axes = axes;
    g_autoptr(GPtrArray) traces = load_traces(arguments->positional, error);
    if (!traces || !catalog_open(&catalog, NULL, error))
        return false;
    sweep.traces = traces;
    bool ok = run_sweep(&sweep, arguments_has(arguments, "dry-run"),
                        wants_table, error);
    catalog_close(&catalog);
    return ok;
}

bool
command_sweep(const struct command *command, char **argv, GError **error)
{
    struct arguments arguments;
    bool helped;
    bool ok = command_arguments(command, argv, &arguments, &helped, error);

    if (ok && !helped)
        ok = sweep(&arguments, error);
    arguments_clear(&arguments);
    return ok;
}
