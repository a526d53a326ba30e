/*
 * vmsim plot: pictures of results.
 */
#include "plots/plot.h"
#include "sim/command.h"
#include "sim/error.h"
#include "sim/json_file.h"
#include "sim/output.h"

static const char *const terms[] = {"svg", "png", "pdf", NULL};
_Static_assert(PLOT_SVG == 0 && PLOT_PNG == 1 && PLOT_PDF == 2,
               "terms are in the order of enum plot_term");

static bool
plot(const char *results, const char *dir, enum plot_term term, GError **error)
{
    struct plot_report report = {0};
    g_autoptr(GString) out = g_string_new(NULL);
    bool ok = plot_results(results, dir, term, output_write, &report, error);

    if (!ok)
        return false;
    for (size_t i = 0; i < report.sentences->len; i++)
        g_printerr("vmsim: %s\n", (const char *)report.sentences->pdata[i]);
    for (size_t i = 0; i < report.pictures->len; i++)
        g_string_append_printf(out, "%s\n",
                               (const char *)report.pictures->pdata[i]);
    g_string_append_printf(out, "%s\n", report.index_path);
    plot_report_clear(&report);
    return output_write(NULL, out, error);
}

bool
command_plot(const struct command *command, char **argv, GError **error)
{
    struct arguments arguments;
    bool helped;
    bool ok = command_arguments(command, argv, &arguments, &helped, error);
    const char *dir = ok ? arguments_value(&arguments, "output") : NULL;
    const char *word = ok ? arguments_value(&arguments, "term") : NULL;
    int term = word_index(terms, word ? word : "svg");

    if (!ok || helped) {
        arguments_clear(&arguments);
        return ok;
    }
    if (term < 0)
        ok = sim_fail_unknown(error, "terminal", word, terms);
    else if (arguments.positional->len != 1 || !dir)
        ok = sim_fail(error, SIM_ERROR_USAGE,
                      "plot takes one file of results and -o DIR");
    else
        ok = plot(arguments.positional->pdata[0], dir, (enum plot_term)term,
                  error);
    arguments_clear(&arguments);
    return ok;
}
