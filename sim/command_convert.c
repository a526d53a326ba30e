/*
 * vmsim convert: copy the lines of a trace to another form, checking them, or
 * rewrite them.
 */
#include "sim/command.h"
#include "sim/error.h"
#include "sim/rewrite.h"
#include "traces/trace_copy.h"

static bool
convert(const char *from, const char *rules, const char *to, GError **error)
{
    if (rules) {
        unsigned bits = rewrite_rules(rules, error);
        return bits && rewrite_trace(from, bits, to, error);
    }
    struct trace_writer *writer = trace_writer_open(to, error);

    if (!writer)
        return false;
    if (trace_copy(from, writer, error))
        return trace_writer_close(writer, error);
    trace_writer_abandon(writer);
    return false;
}

bool
command_convert(const struct command *command, char **argv, GError **error)
{
    struct arguments arguments;
    bool helped;
    bool ok = command_arguments(command, argv, &arguments, &helped, error);

    if (!ok || helped) {
        arguments_clear(&arguments);
        return ok;
    }
    if (arguments.positional->len != 1)
        ok = sim_fail(error, SIM_ERROR_USAGE, "convert takes one trace");
    else
        ok = convert(arguments.positional->pdata[0],
                     arguments_value(&arguments, "rewrite"),
                     arguments_value(&arguments, "output"), error);
    arguments_clear(&arguments);
    return ok;
}
