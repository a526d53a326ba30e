/*
 * vmsim info: read a trace and say what is in it.
 */
#include "sim/command.h"
#include "sim/error.h"
#include "sim/output.h"
#include "traces/trace_info.h"

bool
command_info(const struct command *command, char **argv, GError **error)
{
    struct arguments arguments;
    g_autoptr(GString) text = g_string_new(NULL);
    bool helped;
    bool ok = command_arguments(command, argv, &arguments, &helped, error);

    if (ok && !helped && arguments.positional->len != 1)
        ok = sim_fail(error, SIM_ERROR_USAGE, "info takes one trace");
    if (ok && !helped) {
        struct trace *trace = trace_open(arguments.positional->pdata[0], error);
        ok = trace != NULL;
        if (trace) {
            ok = trace_info_print(trace, text, error) &&
                 output_write(NULL, text, error);
            trace_free(trace);
        }
    }
    arguments_clear(&arguments);
    return ok;
}
