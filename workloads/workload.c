/*
 * The table of workloads, and how one is run by name.
 *
 * To add a workload, write one file with one const struct workload, declare it
 * in workload_private.h and list it here; parsing, help, the command line in
 * the trace and the tests over all workloads follow from its option table.
 */
#include "workloads/workload.h"

#include <string.h>

#include "workloads/nearest.h"
#include "workloads/workload_private.h"

const struct workload *const workloads[] = {
    &workload_ebizzy,       &workload_nptl_stacks, &workload_fork_tree,
    &workload_sparse,       &workload_users,       &workload_brk_pingpong,
    &workload_kernel_build, &workload_snapshot,    NULL,
};

const struct workload *
workload_find(const char *name)
{
    for (size_t i = 0; workloads[i]; i++) {
        if (strcmp(workloads[i]->name, name) == 0)
            return workloads[i];
    }
    return NULL;
}

static bool
fail_unknown_workload(const char *name, GError **error)
{
    const char *names[G_N_ELEMENTS(workloads)];

    for (size_t i = 0; i < G_N_ELEMENTS(workloads); i++)
        names[i] = workloads[i] ? workloads[i]->name : NULL;
    g_set_error(error, WORKLOAD_ERROR, WORKLOAD_ERROR_UNKNOWN,
                "there is no workload \"%s\"; the nearest is %s", name,
                nearest_name(name, names));
    return false;
}

bool
workload_run(const char *name, char **args, struct trace_writer *out,
             GError **error)
{
    const struct workload *workload = workload_find(name);
    if (!workload)
        return fail_unknown_workload(name, error);

    struct workload_values *values =
        workload_values_parse(workload, args, error);
    if (!values)
        return false;
    bool is_legal = !workload->check || workload->check(values, error);
    if (is_legal) {
        g_autofree char *command_line = workload_command_line(values);
        trace_writer_line(out, "# %s", command_line);
        workload->generate(values, out);
    }
    workload_values_free(values);
    return is_legal;
}

void
workload_line(struct trace_writer *out, uint64_t task, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *event = g_strdup_vprintf(format, args);
    va_end(args);
    trace_writer_line(out, "%" PRIu64 " %s", task, event);
}
