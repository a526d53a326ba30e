/*
 * vmsim replay: one run, shown as a table, JSON or CSV.
 */
#include "sim/axes.h"
#include "sim/command.h"
#include "sim/csv.h"
#include "sim/dump.h"
#include "sim/error.h"
#include "sim/numbers.h"
#include "sim/output.h"
#include "sim/result.h"
#include "sim/run.h"
#include "sim/table.h"

#include <inttypes.h>
#include <string.h>

/* What the run is to be; everything is read before anything is run. */
struct plan {
    struct catalog catalog;
    struct setup setup;
    struct run_wishes wishes;
    GArray *dumps;
    const char *format;
};

static bool
refuse_unbuilt(const struct arguments *arguments, GError **error)
{
    static const char *const unbuilt[] = {"sensitivity", "trace-out", "by",
                                          "top"};

    for (size_t i = 0; i < G_N_ELEMENTS(unbuilt); i++)
        if (arguments_has(arguments, unbuilt[i]))
            return sim_fail(error, SIM_ERROR_USAGE,
                            "--%s is not built yet: the name is reserved",
                            unbuilt[i]);
    return true;
}

static bool
read_wishes(const struct arguments *arguments, struct plan *plan,
            GError **error)
{
    static const char *const formats[] = {"table", "json", "csv", NULL};
    const char *timeline = arguments_value(arguments, "timeline");
    const char *format = arguments_value(arguments, "format");

    plan->format = format ? format : "table";
    if (!g_strv_contains(formats, plan->format))
        return sim_fail_unknown(error, "format", plan->format, formats);
    plan->wishes.check = arguments_has(arguments, "check");
    if (timeline && !timeline_parse(timeline, &plan->wishes.timeline, error))
        return false;
    for (size_t i = 0; i < arguments->given->len; i++) {
        const struct given_option *given =
            &g_array_index(arguments->given, struct given_option, i);
        struct dump_request dump;
        if (strcmp(given->spec->name, "dump") != 0)
            continue;
        if (!dump_parse(given->value, &dump, error))
            return false;
        g_array_append_val(plan->dumps, dump);
    }
    plan->wishes.dumps = plan->dumps;
    return true;
}

static bool
read_setup(const struct arguments *arguments, struct plan *plan, GError **error)
{
    const char *seed_text = arguments_value(arguments, "seed");
    uint64_t seed = 1;
    g_autoptr(GArray) axes = axes_of(arguments, error);

    if (!axes)
        return false;
    if (axes_count(axes) != 1)
        return sim_fail(error, SIM_ERROR_USAGE,
                        "replay makes one run and takes no comma lists; "
                        "sweep does");
    if (seed_text && !parse_number(seed_text, &seed))
        return sim_fail(error, SIM_ERROR_USAGE,
                        "expected a number for --seed, found \"%s\"",
                        seed_text);
    g_autoptr(GArray) choices = axes_choices(axes, 0);
    return setup_create(&plan->setup, &plan->catalog,
                        (const struct setup_choice *)(void *)choices->data,
                        choices->len, seed, error) &&
           (!plan->setup.refusal ||
            sim_fail(error, SIM_ERROR_USAGE, "this combination is refused: %s",
                     plan->setup.refusal));
}

static bool
check_passed(const json_t *result, GError **error)
{
    const json_t *check = json_object_get(result, "check");
    json_int_t mismatches =
        json_integer_value(json_object_get(check, "mismatch_count"));
    json_int_t compared =
        json_integer_value(json_object_get(check, "compared_count"));

    if (mismatches == 0)
        return true;
    return sim_fail(error, SIM_ERROR_MISMATCH,
                    "%" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT
                    " results differ from the recorded ones",
                    mismatches, compared);
}

static void
append_result(GString *out, const json_t *result, const char *format)
{
    if (strcmp(format, "csv") == 0) {
        csv_append(out, result);
    } else if (strcmp(format, "table") == 0) {
        table_append(out, result);
    } else {
        g_autofree char *line = result_line(result);
        g_string_append_printf(out, "%s\n", line);
    }
}

static bool
run_plan(struct plan *plan, const char *path, const char *output,
         GError **error)
{
    g_autoptr(GString) dump_text = g_string_new(NULL);
    g_autoptr(GString) out = g_string_new(NULL);
    g_autofree char *said = setup_substitutions(&plan->setup);
    struct trace *trace = trace_open(path, error);

    if (!trace)
        return false;
    if (said)
        g_printerr("vmsim: %s\n", said);
    json_t *result =
        run_trace(trace, &plan->setup, &plan->wishes,
                  run_has_recorded_rules(trace, &plan->setup, &plan->catalog),
                  dump_text, error);
    trace_free(trace);
    if (!result)
        return false;
    append_result(out, result, plan->format);
    bool ok = (dump_text->len == 0 || output_write(NULL, dump_text, error)) &&
              output_write(output, out, error) && check_passed(result, error);
    json_decref(result);
    return ok;
}

static bool
replay(const struct arguments *arguments, GError **error)
{
    struct plan plan = {0};

    if (!refuse_unbuilt(arguments, error))
        return false;
    if (arguments->positional->len != 1)
        return sim_fail(error, SIM_ERROR_USAGE, "replay takes one trace");
    if (!catalog_open(&plan.catalog, NULL, error))
        return false;
    plan.dumps = g_array_new(FALSE, FALSE, sizeof(struct dump_request));
    bool ok = read_wishes(arguments, &plan, error) &&
              read_setup(arguments, &plan, error) &&
              run_plan(&plan, arguments->positional->pdata[0],
                       arguments_value(arguments, "output"), error);
    g_array_unref(plan.dumps);
    catalog_close(&plan.catalog);
    return ok;
}

bool
command_replay(const struct command *command, char **argv, GError **error)
{
    struct arguments arguments;
    bool helped;
    bool ok = command_arguments(command, argv, &arguments, &helped, error);

    if (ok && !helped)
        ok = replay(&arguments, error);
    arguments_clear(&arguments);
    return ok;
}
