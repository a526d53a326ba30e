/*
 * vmsim gen: everything but -o and --help belongs to the workload.
 */
#include "sim/command.h"
#include "sim/error.h"
#include "sim/output.h"
#include "workloads/workload.h"

#include <string.h>

static void
print_workloads(void)
{
    g_print("Usage: vmsim gen WORKLOAD [OPTION]... [-o TRACE]\n"
            "Write a synthetic trace.  The same command line writes the same "
            "bytes everywhere.\n\n");
    for (const struct workload *const *workload = workloads; *workload;
         workload++)
        g_print("  %-14s %s\n", (*workload)->name, (*workload)->summary);
    g_print("\n'vmsim gen WORKLOAD --help' has the options of each.\n");
}

static bool
is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* Take -o out of the words; the rest is left in *rest. */
static bool
take_output(char **argv, GPtrArray *rest, const char **output, GError **error)
{
    for (; *argv; argv++) {
        const char *word = *argv;
        if (strcmp(word, "-o") == 0 || strcmp(word, "--output") == 0) {
            *output = *++argv;
            if (!*output)
                return sim_fail(error, SIM_ERROR_USAGE,
                                "expected TRACE after -o, found nothing");
        } else if (g_str_has_prefix(word, "--output=")) {
            *output = word + strlen("--output=");
        } else if (g_str_has_prefix(word, "-o")) {
            *output = word + strlen("-o");
        } else {
            g_ptr_array_add(rest, *argv);
        }
    }
    g_ptr_array_add(rest, NULL);
    return true;
}

static bool
generate(const char *name, char **options, const char *output, GError **error)
{
    g_autoptr(GError) failure = NULL;
    struct trace_writer *writer = trace_writer_open(output, error);

    if (!writer)
        return false;
    if (workload_run(name, options, writer, &failure))
        return trace_writer_close(writer, error);
    trace_writer_abandon(writer);
    return sim_fail(error, SIM_ERROR_USAGE, "%s", failure->message);
}

bool
command_gen(const struct command *command, char **argv, GError **error)
{
    g_autoptr(GPtrArray) rest = g_ptr_array_new();
    const char *output = NULL;

    (void)command;
    if (!take_output(argv, rest, &output, error))
        return false;
    char **words = (char **)rest->pdata;
    if (!words[0])
        return sim_fail(error, SIM_ERROR_USAGE,
                        "expected the name of a workload");
    if (is_help(words[0])) {
        print_workloads();
        return true;
    }
    const struct workload *workload = workload_find(words[0]);
    for (char **word = words + 1; workload && *word; word++) {
        if (!is_help(*word))
            continue;
        g_autoptr(GString) text = g_string_new(NULL);
        workload_help(workload, text);
        return output_write(NULL, text, error);
    }
    return generate(words[0], words + 1, output, error);
}
