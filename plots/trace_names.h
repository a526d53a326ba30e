/*
 * Short names for the traces of runs.
 */
#pragma once

#include "plots/results.h"

/* Fill the trace names of all runs (struct plot_run) and runs->traces.  Traces
 * differ in their path or in their contents, and then in their names, too. */
void plot_name_traces(struct plot_runs *runs, const GPtrArray *all);
