/*
 * A picture before it is drawn: its data, its script, and what to say of it.
 *
 * To add a picture, write a function that fills a struct picture and list it
 * in plot.c.
 */
#pragma once

#include "plots/plot.h"
#include "plots/results.h"

struct picture {
    const char *name;  // of the files, without ending
    char *title;       // the finding, or the question
    char *sentence;    // for the index
    GString *tsv;
    GString *script;
    char *left_out;  // why there is nothing to show; then no tsv, no script
};

void picture_clear(struct picture *picture);

void picture_of_clears(struct picture *picture, const struct plot_runs *runs,
                       enum plot_term term);
void picture_of_faults(struct picture *picture, const struct plot_runs *runs,
                       enum plot_term term);
void picture_of_time(struct picture *picture, const struct plot_runs *runs,
                     enum plot_term term);
void picture_of_memory(struct picture *picture, const struct plot_runs *runs,
                       enum plot_term term);
void picture_of_gap_probes(struct picture *picture,
                           const struct plot_runs *runs, enum plot_term term);
void picture_of_resident(struct picture *picture, const struct plot_runs *runs,
                         enum plot_term term);
