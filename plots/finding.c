/*
 * The largest difference between two runs of one trace, in a sentence.
 *
 * Runs that are a lower bound are not compared: the sentence might be false.
 */
#include "plots/finding.h"

#include <math.h>
#include <string.h>

#define FINDING_BYTES_MAX 110

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
    if (!ends->least || ends->most_value <= 0)
        return 1;
    return ends->least_value / ends->most_value;
}

static struct extremes
extremes_of(const struct plot_runs *runs, const double *values, unsigned trace)
{
    struct extremes ends = {0};

    for (unsigned i = 0; i < runs->runs->len; i++) {
        const struct plot_run *run = plot_run_at(runs, i);
        if (run->trace_index != trace || !isfinite(values[i]))
            continue;
        if (run->is_lower_bound)
            return (struct extremes){0};
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

static char *
difference_text(const struct plot_runs *runs, const struct extremes *ends,
                const struct finding_words *words)
{
    g_autofree char *where =
        runs->traces->len > 1 ? g_strdup_printf("on %s, ", ends->least->trace)
                              : g_strdup("");
    g_autofree char *most = plot_number_text(words->unit, ends->most_value);

    if (ends->least_value <= 0)
        return g_strdup_printf("%s: %s%s %s none, %s %s", words->subject, where,
                               ends->least->setup, words->verb,
                               ends->most->setup, most);
    g_autofree char *percent =
        plot_percent_text(ends->least_value, ends->most_value);
    return g_strdup_printf("%s: %s%s %s %s of what %s %s", words->subject,
                           where, ends->least->setup, words->verb, percent,
                           ends->most->setup, words->verb);
}

char *
finding_text(const struct plot_runs *runs, const double *values,
             const struct finding_words *words)
{
    struct extremes best = {0};
    bool is_known = true;

    for (unsigned trace = 0; trace < runs->traces->len; trace++) {
        struct extremes ends = extremes_of(runs, values, trace);
        is_known &= ends.least != NULL;
        if (ratio_of(&ends) < ratio_of(&best))
            best = ends;
    }
    if (best.least) {
        g_autofree char *text = difference_text(runs, &best, words);
        if (strlen(text) <= FINDING_BYTES_MAX)
            return g_steal_pointer(&text);
    } else if (is_known && runs->runs->len > runs->traces->len) {
        return g_strdup_printf("%s: no setting makes a difference",
                               words->subject);
    }
    return g_strdup(words->question);
}
