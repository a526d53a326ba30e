/*
 * vmsim record: a program of this host becomes a trace.
 */
#include "sim/command.h"
#include "sim/error.h"
#include "sim/numbers.h"
#include "sim/record.h"

#include <string.h>
#include <unistd.h>

#define DEFAULT_BUFFER   "16M"
#define BUFFER_BYTES_MIN (UINT64_C(4) << 10)
#define BUFFER_BYTES_MAX (UINT64_C(4) << 30)

/* What perf takes without a word: it rounds other sizes, and knows no hex. */
static bool
check_buffer(const char *text, GError **error)
{
    uint64_t bytes;

    if (!strchr(text, 'x') && parse_size(text, &bytes) &&
        bytes >= BUFFER_BYTES_MIN && bytes <= BUFFER_BYTES_MAX &&
        (bytes & (bytes - 1)) == 0)
        return true;
    return sim_fail(error, SIM_ERROR_USAGE,
                    "expected a power of two from 4K to 4G for --buffer, found "
                    "\"%s\"",
                    text);
}

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
    return check_buffer(wishes->buffer, error);
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
        if (!wishes.buffer)
            wishes.buffer = DEFAULT_BUFFER;
        ok = check_wishes(&arguments, &wishes, error);
        g_ptr_array_add(arguments.positional, NULL);
        wishes.command = (char **)arguments.positional->pdata;
        ok = ok && record_run(&wishes, error);
    }
    arguments_clear(&arguments);
    return ok;
}
