/*
 * vmsim verify: the host's kernel as the judge of the simulated one.
 */
#include "sim/axes.h"
#include "sim/command.h"
#include "sim/error.h"
#include "sim/numbers.h"
#include "sim/output.h"
#include "sim/verify.h"
#include "sim/verify_coverage.h"
#include "sim/verify_random.h"
#include "sim/verify_shrink.h"

#include <inttypes.h>
#include <unistd.h>

#define PROGRAM_EVENTS 500  // of one random program
#define REPEATS        2    // after which a difference is believed
#define RUN_COUNT_MAX  20   // of lines whose differences do not come back
#define RARE_COUNT     50   // what happened less often is told

struct seeds {
    uint64_t first, last;
};

struct plan {
    struct catalog catalog;
    struct setup setup;
    bool is_exact;
    char *label;  // the preset, and the policies that were given
    const char *output;
};

/* Which preset stands for this host, and what that means. */
static void
say_setup(const struct plan *plan)
{
    g_autofree char *said = setup_substitutions(&plan->setup);

    g_printerr("vmsim: this host is compared with the preset %s%s\n",
               plan->label,
               plan->is_exact ? ""
                              : "; exactness is required of 6.18 on 6.18 "
                                "only: differences are to be expected");
    if (said)
        g_printerr("vmsim: %s\n", said);
}

static void
say_checks(const struct verify_result *result)
{
    if (!result->sees_frames)
        g_printerr("vmsim: without root the states of present pages are not "
                   "compared, only where pages are and how many\n");
}

/* The minimal trace, with what differs as comments that a reader skips. */
static GString *
trace_text(const GPtrArray *lines, const struct plan *plan,
           const struct verify_result *result)
{
    GString *text = g_string_new(NULL);
    g_auto(GStrv) words = g_strsplit(g_strchomp(result->difference), "\n", -1);

    g_string_append_printf(text, "%s\n# The last event differs from %s.\n",
                           (const char *)lines->pdata[0], plan->label);
    for (char **word = words; *word; word++)
        g_string_append_printf(text, "#   %s\n", *word);
    for (guint i = 1; i < lines->len; i++)
        g_string_append_printf(text, "%s\n", (const char *)lines->pdata[i]);
    return text;
}

/* Shrink, show, and fail. */
static bool
report_difference(const struct plan *plan, GPtrArray *lines,
                  struct verify_result *result, GError **error)
{
    g_printerr("vmsim: event %zu differs: %s\n%svmsim: shrinking\n",
               result->event + 1,
               result->line > 0 && result->line <= lines->len
                   ? (const char *)lines->pdata[result->line - 1]
                   : "",
               result->difference);
    shrink_lines(lines, &plan->setup, result);
    g_autoptr(GString) text = trace_text(lines, plan, result);
    return output_write(plan->output, text, error) &&
           sim_fail(error, SIM_ERROR_MISMATCH,
                    "this host differs from the simulation: %u lines show it",
                    lines->len - 1);
}

static bool
run_lines(const struct plan *plan, const GPtrArray *lines,
          struct verify_coverage *coverage, struct verify_result *result,
          GError **error)
{
    const struct verify_wishes wishes = {.coverage = coverage};
    struct trace *trace = lines_load(lines, error);

    if (!trace)
        return false;
    bool ok = verify_trace(trace, &plan->setup, &wishes, result, error);
    trace_free(trace);
    return ok;
}

/* Writeback and other work of the host can disturb a run: only a difference
 * that comes back at its event, every time, is believed. */
static bool
comes_back(const struct plan *plan, const GPtrArray *lines,
           struct verify_coverage *coverage, struct verify_result *result,
           GError **error)
{
    int repeats = 0;

    for (int run = 1; run < RUN_COUNT_MAX; run++) {
        size_t event = result->event;
        g_autofree char *difference = g_steal_pointer(&result->difference);
        if (!run_lines(plan, lines, coverage, result, error))
            return false;
        if (result->differs && result->event == event) {
            if (++repeats == REPEATS)
                return true;
            continue;
        }
        repeats = 0;
        g_printerr("vmsim: a difference at event %zu did not come back: the "
                   "host was disturbed: %s",
                   event + 1, difference);
        if (!result->differs)
            return true;
    }
    verify_result_clear(result);
    return sim_fail(error, SIM_ERROR_FAILED,
                    "%d runs differ at different events: this host is "
                    "disturbed too much to compare with",
                    RUN_COUNT_MAX);
}

/* Run the lines; true: no difference. */
static bool
verify_lines(const struct plan *plan, GPtrArray *lines,
             struct verify_coverage *coverage, GError **error)
{
    struct verify_result result;
    bool ok = run_lines(plan, lines, coverage, &result, error);

    if (!ok)
        return false;
    if (coverage->event_count <= result.event_count)
        say_checks(&result);
    if (result.differs)
        ok = comes_back(plan, lines, coverage, &result, error);
    if (ok && result.differs)
        ok = report_difference(plan, lines, &result, error);
    verify_result_clear(&result);
    return ok;
}

/* What the operations have exercised; of several seeds, also what is rare. */
static bool
finish(const struct verify_coverage *coverage, bool has_seeds, GError **error)
{
    g_autoptr(GString) out = g_string_new(NULL);

    coverage_append(out, coverage);
    if (has_seeds)
        coverage_append_rare(out, coverage, RARE_COUNT);
    g_string_append_printf(out, "%" PRIu64 " events, no difference\n",
                           coverage->event_count);
    return output_write(NULL, out, error);
}

/* Programs until `count` operations were carried out: some of their lines are
 * skipped. */
static bool
verify_random(const struct plan *plan, uint64_t count, uint64_t seed,
              struct verify_coverage *coverage, GError **error)
{
    uint64_t end = coverage->event_count + count;
    struct random_request request = {
        .seed = seed,
        .uid = geteuid(),
        .can_change_uid = geteuid() == 0,
        .ram_bytes = plan->setup.config.ram_bytes,
    };

    for (; coverage->event_count < end; request.index++) {
        request.event_count = MIN(end - coverage->event_count, PROGRAM_EVENTS);
        g_autoptr(GPtrArray) lines = random_program(&request);
        if (!verify_lines(plan, lines, coverage, error)) {
            g_prefix_error(error, "seed %" PRIu64 ": ", seed);
            return false;
        }
    }
    return true;
}

static bool
verify_seeds(const struct plan *plan, const struct seeds *seeds, uint64_t count,
             struct verify_coverage *coverage, GError **error)
{
    for (uint64_t seed = seeds->first; seed <= seeds->last; seed++)
        if (!verify_random(plan, count, seed, coverage, error))
            return false;
    return true;
}

static bool
verify_file(const struct plan *plan, const char *path,
            struct verify_coverage *coverage, GError **error)
{
    struct trace *trace = trace_load(path, error);

    if (!trace)
        return false;
    g_autoptr(GPtrArray) lines = lines_of_trace(trace);
    trace_free(trace);
    return verify_lines(plan, lines, coverage, error);
}

/* "S" or "FIRST-LAST". */
static bool
parse_seeds(const char *text, struct seeds *seeds, GError **error)
{
    g_auto(GStrv) ends = g_strsplit(text ? text : "1", "-", 2);

    if (parse_number(ends[0], &seeds->first) &&
        parse_number(ends[1] ? ends[1] : ends[0], &seeds->last) &&
        seeds->first <= seeds->last && seeds->last <= UINT32_MAX)
        return true;
    return sim_fail(error, SIM_ERROR_USAGE,
                    "expected a number or FIRST-LAST below 4294967296 for "
                    "--seed, found \"%s\"",
                    text);
}

static bool
run(struct plan *plan, const struct arguments *arguments, GError **error)
{
    const char *count_text = arguments_value(arguments, "random");
    struct seeds seeds;
    uint64_t count = 0;

    if (count_text && !parse_number(count_text, &count))
        return sim_fail(error, SIM_ERROR_USAGE,
                        "expected a number for --random, found \"%s\"",
                        count_text);
    if (!parse_seeds(arguments_value(arguments, "seed"), &seeds, error))
        return false;
    if (arguments->positional->len != (count_text ? 0 : 1))
        return sim_fail(error, SIM_ERROR_USAGE,
                        "verify takes one trace, or --random COUNT");
    say_setup(plan);
    struct verify_coverage *coverage = coverage_new();
    bool ok = count_text ? verify_seeds(plan, &seeds, count, coverage, error)
                         : verify_file(plan, arguments->positional->pdata[0],
                                       coverage, error);
    ok = ok && finish(coverage, seeds.first != seeds.last, error);
    coverage_free(coverage);
    return ok;
}

/* "6.18 with cow=mapcount" */
static char *
label_of(const struct setup *setup, const GArray *choices)
{
    GString *label = g_string_new(setup->kernel_name);
    const char *joint = " with ";

    for (guint i = 0; i < choices->len; i++) {
        const struct setup_choice *choice =
            &g_array_index(choices, struct setup_choice, i);
        if (choice->kind != SETUP_POLICY)
            continue;
        g_string_append_printf(label, "%s%s=%s", joint, choice->name,
                               choice->value);
        joint = ", ";
    }
    return g_string_free(label, FALSE);
}

static bool
read_setup(struct plan *plan, const struct arguments *arguments, GError **error)
{
    g_autoptr(GArray) axes = axes_of(arguments, error);

    if (!axes)
        return false;
    if (axes_count(axes) != 1)
        return sim_fail(error, SIM_ERROR_USAGE, "verify takes no comma lists");
    g_autoptr(GArray) choices = axes_choices(axes, 0);
    if (!verify_setup(&plan->setup, &plan->catalog, choices, &plan->is_exact,
                      error))
        return false;
    plan->label = label_of(&plan->setup, choices);
    return true;
}

bool
command_verify(const struct command *command, char **argv, GError **error)
{
    struct plan plan = {0};
    struct arguments arguments;
    bool helped;
    bool ok = command_arguments(command, argv, &arguments, &helped, error);

    if (ok && !helped) {
        plan.output = arguments_value(&arguments, "output");
        ok = catalog_open(&plan.catalog, NULL, error);
        if (ok) {
            ok = read_setup(&plan, &arguments, error) &&
                 run(&plan, &arguments, error);
            g_free(plan.label);
            catalog_close(&plan.catalog);
        }
    }
    arguments_clear(&arguments);
    return ok;
}
