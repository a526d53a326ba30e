/*
 * vmsim list: everything that can be named, from the tables that the code
 * itself uses.
 */
#include "mm/counters.h"
#include "mm/policy.h"
#include "sim/catalog.h"
#include "sim/command.h"
#include "sim/error.h"
#include "sim/kernel_file.h"
#include "sim/machine_file.h"
#include "sim/not_modelled.h"
#include "sim/output.h"
#include "sim/settings.h"
#include "workloads/workload.h"

#include <inttypes.h>
#include <string.h>

static bool
list_kernels(GString *out, struct catalog *catalog, GError **error)
{
    g_auto(GStrv) names = catalog_kernel_names(catalog);

    for (char **name = names; *name; name++) {
        const struct kernel_file *file = catalog_kernel(catalog, *name, error);
        if (!file)
            return false;
        g_string_append_printf(out, "%-14s %s\n", *name, file->labels.summary);
    }
    return true;
}

static bool
list_machines(GString *out, struct catalog *catalog, GError **error)
{
    g_auto(GStrv) names = catalog_machine_names(catalog);

    for (char **name = names; *name; name++) {
        const struct machine_file *file =
            catalog_machine(catalog, *name, error);
        if (!file)
            return false;
        g_string_append_printf(
            out, "%-15s %-8s %6" PRIu64 " MiB %3" PRIu32 " CPU  %s\n", *name,
            file->arch->name, file->ram_bytes >> 20, file->cpu_count,
            file->labels.summary);
    }
    return true;
}

static bool
list_policies(GString *out, struct catalog *catalog, GError **error)
{
    (void)catalog;
    (void)error;
    for (const struct policy_axis *axis = policy_axes; axis->name; axis++) {
        g_string_append_printf(out, "%s: %s\n", axis->name, axis->meaning);
        for (const struct policy_value *value = axis->values; value->name;
             value++) {
            g_string_append_printf(out, "  %-16s %s", value->name,
                                   value->meaning);
            if (value->nearest)
                g_string_append_printf(out, " [not built; nearest: %s]",
                                       value->nearest);
            g_string_append_c(out, '\n');
        }
    }
    g_string_append(out, "\nrefused pairs:\n");
    for (const struct policy_refused_pair *pair = policy_refused_pairs;
         pair->reason; pair++)
        g_string_append_printf(out, "  %s=%s with %s=%s: %s\n", pair->axis,
                               pair->value, pair->other_axis, pair->other_value,
                               pair->reason);
    return true;
}

static bool
list_workloads(GString *out, struct catalog *catalog, GError **error)
{
    (void)catalog;
    (void)error;
    for (const struct workload *const *workload = workloads; *workload;
         workload++)
        g_string_append_printf(out, "%-14s %s\n", (*workload)->name,
                               (*workload)->summary);
    return true;
}

static bool
list_counters(GString *out, struct catalog *catalog, GError **error)
{
    (void)catalog;
    (void)error;
    g_string_append(out, "counters:\n");
#define LIST_COUNTER(name, class, meaning)                                     \
    g_string_append_printf(out, "  %-28s %s\n", #name, meaning);
    MM_COUNTERS(LIST_COUNTER)
#undef LIST_COUNTER
    g_string_append(out, "\ngauges of peak and end:\n");
#define LIST_GAUGE(name, meaning)                                              \
    g_string_append_printf(out, "  %-28s %s\n", #name, meaning);
    MM_GAUGES(LIST_GAUGE)
#undef LIST_GAUGE
    g_string_append(out, "\nprices, and the cost of time_ns that each is "
                         "reported under:\n");
#define LIST_CHARGE(name, cost, meaning)                                       \
    g_string_append_printf(out, "  %-18s %-12s %s\n", #name, #cost, meaning);
    MM_CHARGES(LIST_CHARGE)
#undef LIST_CHARGE
    return true;
}

static void
append_settings(GString *out, const struct setting *settings)
{
    for (; settings->name; settings++)
        g_string_append_printf(out, "  %-22s %" PRIu64 "..%-11" PRIu64 " %s\n",
                               settings->name, settings->min, settings->max,
                               settings->meaning);
}

static bool
list_knobs(GString *out, struct catalog *catalog, GError **error)
{
    (void)catalog;
    (void)error;
    g_string_append(out, "--sysctl:\n");
    append_settings(out, sysctls);
    g_string_append(out, "--knob:\n");
    append_settings(out, knobs);
    return true;
}

static bool
list_not_modelled(GString *out, struct catalog *catalog, GError **error)
{
    (void)catalog;
    (void)error;
    for (const struct not_modelled *row = not_modelled; row->what; row++)
        g_string_append_printf(out, "%s: %s\n", row->what, row->effect);
    return true;
}

static const struct {
    const char *name;
    bool (*list)(GString *out, struct catalog *catalog, GError **error);
} lists[] = {
    {"kernels", list_kernels},           {"machines", list_machines},
    {"policies", list_policies},         {"workloads", list_workloads},
    {"counters", list_counters},         {"knobs", list_knobs},
    {"not-modelled", list_not_modelled},
};

static bool
list(const char *name, GError **error)
{
    const char *names[G_N_ELEMENTS(lists) + 1] = {NULL};
    g_autoptr(GString) out = g_string_new(NULL);
    struct catalog catalog;

    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
        names[i] = lists[i].name;
        if (strcmp(lists[i].name, name) != 0)
            continue;
        if (!catalog_open(&catalog, NULL, error))
            return false;
        bool ok = lists[i].list(out, &catalog, error);
        catalog_close(&catalog);
        return ok && output_write(NULL, out, error);
    }
    return sim_fail_unknown(error, "list", name, names);
}

bool
command_list(const struct command *command, char **argv, GError **error)
{
    struct arguments arguments;
    bool helped;
    bool ok = command_arguments(command, argv, &arguments, &helped, error);

    if (ok && !helped && arguments.positional->len != 1)
        ok = sim_fail(error, SIM_ERROR_USAGE,
                      "list takes one of kernels, machines, policies, "
                      "workloads, counters, knobs, not-modelled");
    else if (ok && !helped)
        ok = list(arguments.positional->pdata[0], error);
    arguments_clear(&arguments);
    return ok;
}
