/*
 * vmsim convert: check a trace, then copy its lines to another form.
 */
#include "sim/command.h"
#include "sim/error.h"
#include "traces/trace.h"
#include "traces/trace_source.h"
#include "traces/trace_writer.h"

#include <string.h>

#define BLOCK_BYTES 65536

/* Write the complete lines of `text` but the first of the file, which the
 * writer has written itself; what is left over stays. */
static void
write_lines(struct trace_writer *writer, GString *text, bool *is_first)
{
    char *line = text->str;
    char *end;

    while ((end = strchr(line, '\n'))) {
        *end = '\0';
        if (!*is_first)
            trace_writer_line(writer, "%s", line);
        *is_first = false;
        line = end + 1;
    }
    g_string_erase(text, 0, line - text->str);
}

static bool
copy_lines(struct trace_source *source, struct trace_writer *writer,
           GError **error)
{
    g_autofree char *block = g_malloc(BLOCK_BYTES);
    g_autoptr(GString) text = g_string_new(NULL);
    bool is_first = true;
    gssize got;

    while ((got = trace_source_read(source, block, BLOCK_BYTES, error)) > 0) {
        g_string_append_len(text, block, got);
        write_lines(writer, text, &is_first);
    }
    if (got == 0 && text->len > 0) {  // the last line has no newline
        g_string_append_c(text, '\n');
        write_lines(writer, text, &is_first);
    }
    return got == 0;
}

static bool
convert(const char *from, const char *to, GError **error)
{
    struct trace *trace = trace_load(from, error);

    if (!trace)
        return false;
    trace_free(trace);
    struct trace_source *source = trace_source_open(from, error);
    if (!source)
        return false;
    struct trace_writer *writer = trace_writer_open(to, error);
    bool ok = writer && copy_lines(source, writer, error);
    if (ok)
        ok = trace_writer_close(writer, error);
    else if (writer)
        trace_writer_abandon(writer);
    trace_source_free(source);
    return ok;
}

bool
command_convert(const struct command *command, char **argv, GError **error)
{
    struct arguments arguments;
    bool helped;
    bool ok = command_arguments(command, argv, &arguments, &helped, error);
    const char *to = ok ? arguments_value(&arguments, "output") : NULL;

    if (!ok || helped) {
        arguments_clear(&arguments);
        return ok;
    }
    if (arguments_has(&arguments, "rewrite"))
        ok = sim_fail(error, SIM_ERROR_USAGE,
                      "--rewrite is not built yet: the name is reserved");
    else if (arguments.positional->len != 1)
        ok = sim_fail(error, SIM_ERROR_USAGE, "convert takes one trace");
    else if (to &&
             (g_str_has_suffix(to, ".vmt") || g_str_has_suffix(to, ".vmt.zst")))
        ok = sim_fail(error, SIM_ERROR_USAGE,
                      "binary traces are not built yet; name a text file, or "
                      "one that ends in .zst");
    else if (strcmp(arguments.positional->pdata[0], "-") == 0)
        ok = sim_fail(error, SIM_ERROR_USAGE,
                      "convert reads its trace twice and needs a file, not "
                      "standard input");
    else
        ok = convert(arguments.positional->pdata[0], to, error);
    arguments_clear(&arguments);
    return ok;
}
