/*
 * vmsim plot: pictures of results.
 */
#include "plots/plot.h"
#include "sim/command.h"
#include "sim/error.h"

bool
command_plot(const struct command *command, char **argv, GError **error)
{
    struct arguments arguments;
    bool helped;
    bool ok = command_arguments(command, argv, &arguments, &helped, error);
    const char *dir = ok ? arguments_value(&arguments, "output") : NULL;
    const char *word = ok ? arguments_value(&arguments, "term") : NULL;
    enum plot_term term = PLOT_SVG;

    if (!ok || helped) {
        arguments_clear(&arguments);
        return ok;
    }
    if (word && !plot_term_find(word, &term))
        ok = sim_fail_unknown(
            error, "terminal", word,
            (const char *const[]){"svg", "png", "pdf", NULL});
    else if (arguments.positional->len != 1 || !dir)
        ok = sim_fail(error, SIM_ERROR_USAGE,
                      "plot takes one file of results and -o DIR");
    else
        ok = plot_results(arguments.positional->pdata[0], dir, term, error);
    arguments_clear(&arguments);
    return ok;
}
