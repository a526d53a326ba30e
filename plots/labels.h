/*
 * Short names for runs: what differs between them, and nothing else.
 */
#pragma once

#include "plots/results.h"

/* Flatten the settings and fill trace, setup, label, traces and common; puts
 * the runs of one trace together.  What was refused differs from what ran in
 * more than that does from each other. */
void plot_runs_label(struct plot_runs *runs);

/* The parts of a setup that the other has not; for g_free. */
char *plot_setup_without(const char *setup, const char *other);
/* The parts that both have, for g_free. */
char *plot_setup_shared(const char *setup, const char *other);

/* A copy on one line, with \xNN for each control character, which a terminal
 * might obey; for g_free. */
char *plot_plain(const char *text);
/* At most `limit` characters, the middle left out; for g_free. */
char *plot_shorten(const char *text, size_t limit);
/* The smallest limit, from this one on, at which all texts (char *) that differ
 * still do when they are shortened. */
size_t plot_shorten_limit(const GPtrArray *texts, size_t limit);
