/*
 * vmsim import: recordings of other tools become traces.
 */
#include "sim/command.h"
#include "sim/error.h"
#include "sim/numbers.h"
#include "sim/rewrite.h"
#include "traces/import.h"

#include <glib/gstdio.h>
#include <string.h>

typedef bool (*importer)(GPtrArray *paths, const struct import_options *options,
                         struct trace_writer *out, GError **error);

static importer
find_importer(const char *from)
{
    static const struct {
        const char *name;
        importer import;
    } importers[] = {
        {"perf", import_perf},
        {"strace", import_strace},
        {"lackey", import_lackey},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(importers); i++)
        if (strcmp(importers[i].name, from) == 0)
            return importers[i].import;
    return NULL;
}

static bool
import(importer import_files, GPtrArray *paths,
       const struct import_options *options, const char *output, GError **error)
{
    struct trace_writer *writer = trace_writer_open(output, error);

    if (!writer)
        return false;
    if (import_files(paths, options, writer, error))
        return trace_writer_close(writer, error);
    trace_writer_abandon(writer);
    return false;
}

/* The trace is made whole before it is rewritten. */
static bool
import_and_rewrite(importer import_files, GPtrArray *paths,
                   const struct import_options *options, const char *rules,
                   const char *output, GError **error)
{
    g_autoptr(GError) failure = NULL;
    unsigned bits = rewrite_rules(rules, error);

    if (!bits)
        return false;
    g_autofree char *folder = g_dir_make_tmp("vmsim-import-XXXXXX", &failure);
    if (!folder)
        return sim_fail(error, SIM_ERROR_FAILED, "%s", failure->message);
    g_autofree char *plain = g_build_filename(folder, "trace.vmt", NULL);
    bool ok = import(import_files, paths, options, plain, error) &&
              rewrite_trace(plain, bits, output, error);
    g_unlink(plain);
    g_rmdir(folder);
    return ok;
}

static bool
check_options(const struct arguments *arguments, struct import_options *options,
              GError **error)
{
    const char *from = arguments_value(arguments, "from");
    const char *uid = arguments_value(arguments, "uid");

    options->kernel = arguments_value(arguments, "kernel");
    if (!from)
        return sim_fail(error, SIM_ERROR_USAGE,
                        "import needs --from perf, strace or lackey");
    if (!find_importer(from))
        return sim_fail_unknown(
            error, "recording", from,
            (const char *const[]){"perf", "strace", "lackey", NULL});
    if (uid && (!parse_number(uid, &options->default_uid) ||
                options->default_uid >= UINT32_MAX))
        return sim_fail(error, SIM_ERROR_USAGE,
                        "expected a uid for --uid, found \"%s\"", uid);
    if (arguments->positional->len == 0)
        return sim_fail(error, SIM_ERROR_USAGE,
                        "import needs the files of a recording");
    return true;
}

bool
command_import(const struct command *command, char **argv, GError **error)
{
    struct arguments arguments;
    struct import_options options = {0};
    bool helped;
    bool ok = command_arguments(command, argv, &arguments, &helped, error);

    if (ok && !helped)
        ok = check_options(&arguments, &options, error);
    if (ok && !helped) {
        importer files = find_importer(arguments_value(&arguments, "from"));
        const char *rules = arguments_value(&arguments, "rewrite");
        const char *output = arguments_value(&arguments, "output");
        ok = rules
                 ? import_and_rewrite(files, arguments.positional, &options,
                                      rules, output, error)
                 : import(files, arguments.positional, &options, output, error);
    }
    arguments_clear(&arguments);
    return ok;
}
