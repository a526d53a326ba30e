/*
 * The largest difference between two runs of one trace, in a sentence.
 *
 * Runs that are a lower bound are not compared: the sentence might be false.
 * Nor are runs with none of it: that a policy does not do a thing at all is no
 * finding.
 */
#include "plots/finding.h"

#include "plots/labels.h"

#include <string.h>

#define FINDING_BYTES_MAX 100
#define NEARLY_EQUAL      0.97  // too near for a percentage to be read

/* The two ends of one trace's runs. */
struct extremes {
    const struct plot_run *least;
    const struct plot_run *most;
    double least_value;
    double most_value;
};

static double
ratio_of(const struct extremes *ends)
{
    return ends->least ? ends->least_value / ends->most_value : 1;
}

static bool
says_more(const struct extremes *ends, const struct extremes *than)
{
    double ratio = ratio_of(ends);
    double other = ratio_of(than);

    return ratio < other ||
           (ratio == other && ends->most_value > than->most_value);
}

static struct extremes
extremes_of(const struct plot_runs *runs, const double *values, unsigned trace)
{
    struct extremes ends = {0};

    for (unsigned i = 0; i < runs->runs->len; i++) {
        const struct plot_run *run = plot_run_at(runs, i);
        if (run->trace_index != trace || run->is_lower_bound ||
            !(values[i] > 0))
            continue;
        if (!ends.least || values[i] < ends.least_value) {
            ends.least = run;
            ends.least_value = values[i];
        }
        if (!ends.most || values[i] > ends.most_value) {
            ends.most = run;
            ends.most_value = values[i];
        }
    }
    return ends;
}

/* "on ebizzy with 2.6.22, ": what the two have in common and others have not.
 */
static char *
place_text(const struct plot_runs *runs, const struct extremes *ends)
{
    g_autofree char *shared =
        plot_setup_shared(ends->least->setup, ends->most->setup);
    const char *trace = runs->traces->len > 1 ? ends->least->trace : "";

    if (!*trace && !*shared)
        return g_strdup("");
    return g_strconcat(*trace ? "on " : "", trace, *trace && *shared ? " " : "",
                       *shared ? "with " : "", shared, ", ", NULL);
}

static char *
difference_text(const struct plot_runs *runs, const struct extremes *ends,
                const struct finding_words *words)
{
    g_autofree char *place = place_text(runs, ends);
    g_autofree char *least =
        plot_setup_without(ends->least->setup, ends->most->setup);
    g_autofree char *most =
        plot_setup_without(ends->most->setup, ends->least->setup);
    g_autofree char *percent =
        plot_percent_text(ends->least_value, ends->most_value);
    return g_strdup_printf("%s: %s%s %s %s of what %s %s", words->subject,
                           place, least, words->verb, percent, most,
                           words->verb);
}

static bool
is_comparable(const struct plot_runs *runs, const double *values)
{
    for (unsigned i = 0; i < runs->runs->len; i++)
        if (plot_run_at(runs, i)->is_lower_bound || !(values[i] > 0))
            return false;
    return runs->runs->len > runs->traces->len;
}

static char *
sameness_text(const struct extremes *best, const struct finding_words *words)
{
    double change = best->most_value - best->least_value;

    if (change == 0)
        return g_strdup_printf("%s: no setting makes a difference",
                               words->subject);
    g_autofree char *percent = plot_percent_text(change, best->most_value);
    return g_strdup_printf("%s: no setting changes it by more than %s",
                           words->subject, percent);
}

char *
finding_text(const struct plot_runs *runs, const double *values,
             const struct finding_words *words)
{
    struct extremes best = {0};

    for (unsigned trace = 0; trace < runs->traces->len; trace++) {
        struct extremes ends = extremes_of(runs, values, trace);
        if (says_more(&ends, &best))
            best = ends;
    }
    if (ratio_of(&best) > NEARLY_EQUAL)
        return is_comparable(runs, values) ? sameness_text(&best, words)
                                           : g_strdup(words->question);
    g_autofree char *text = difference_text(runs, &best, words);
    return g_strdup(strlen(text) <= FINDING_BYTES_MAX ? text : words->question);
}
