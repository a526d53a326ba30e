/*
 * Short names for runs: what differs between them, and nothing else.
 */
#pragma once

#include "plots/results.h"

/* Flatten the settings and fill trace, setup, label, traces and common; puts
 * the runs of one trace together. */
void plot_runs_label(struct plot_runs *runs);

/* At most `limit` characters, the middle left out; for g_free. */
char *plot_shorten(const char *text, size_t limit);
