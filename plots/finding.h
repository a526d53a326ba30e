/*
 * Titles that say what the data show.
 */
#pragma once

#include "plots/numbers.h"
#include "plots/results.h"

struct finding_words {
    const char *subject;   // "clear_page"
    const char *verb;      // "clears": A clears 1 % of what B clears
    const char *question;  // if nothing can be said in a sentence
    enum plot_unit unit;
};

/*
 * Compare the runs of each trace by their values (one per run, NaN: none) and
 * name the largest ratio; for g_free.
 */
char *finding_text(const struct plot_runs *runs, const double *values,
                   const struct finding_words *words);
