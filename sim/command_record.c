/*
 * vmsim record: a program of this host becomes a trace.
 */
#include "sim/command.h"
#include "sim/error.h"
#include "sim/record.h"

#include <string.h>
#include <unistd.h>

#define DEFAULT_BUFFER "16M"

static bool
check_wishes(const struct arguments *arguments,
             const struct record_wishes *wishes, GError **error)
{
    if (arguments->positional->len == 0)
        return sim_fail(error, SIM_ERROR_USAGE,
                        "record needs a command: vmsim record -- COMMAND...");
    if (!wishes->output && isatty(STDOUT_FILENO))
        return sim_fail(error, SIM_ERROR_USAGE,
                        "the trace would go to the terminal: name a file with "
                        "-o");
    if (wishes->tool && strcmp(wishes->tool, "perf") != 0 &&
        strcmp(wishes->tool, "strace") != 0)
        return sim_fail_unknown(error, "recorder", wishes->tool,
                                (const char *const[]){"perf", "strace", NULL});
    return true;
}

bool
command_record(const struct command *command, char **argv, GError **error)
{
    struct arguments arguments;
    bool helped;
    bool ok = command_arguments(command, argv, &arguments, &helped, error);

    if (ok && !helped) {
        struct record_wishes wishes = {
            .output = arguments_value(&arguments, "output"),
            .tool = arguments_value(&arguments, "with"),
            .buffer = arguments_value(&arguments, "buffer"),
        };
        ok = check_wishes(&arguments, &wishes, error);
        if (!wishes.buffer)
            wishes.buffer = DEFAULT_BUFFER;
        g_ptr_array_add(arguments.positional, NULL);
        wishes.command = (char **)arguments.positional->pdata;
        ok = ok && record_run(&wishes, error);
    }
    arguments_clear(&arguments);
    return ok;
}
