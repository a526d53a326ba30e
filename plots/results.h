/*
 * The runs of a results file, checked, and what tells them apart.
 *
 * The settings of a run are its configuration, flattened: `kernel`,
 * `policy.clear`, `sysctl.vm.max_map_count`...  labels.c makes short names out
 * of those that differ.
 */
#pragma once

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

struct plot_run {
    json_t *root;          // the line
    unsigned line;         // its number in the file
    bool is_lower_bound;   // the trace cannot say how much more it would be
    GPtrArray *values;     // strings by setting; NULL: the run has it not
    const char *trace;     // short name, out of plot_runs.traces
    unsigned trace_index;  // its place there
    char *setup;  // what differs besides the trace; empty: nothing does
    char *label;  // trace and setup, as far as they differ; never empty
};

struct plot_runs {
    char *name;           // of the file, without its directory
    GPtrArray *runs;      // struct plot_run, those of one trace together
    GPtrArray *refused;   // struct plot_run of refused combinations
    GPtrArray *settings;  // names, in order of appearance
    GPtrArray *traces;    // short names, in order of appearance
    char *common;         // what all runs share, in a few words
};

bool plot_runs_load(struct plot_runs *runs, const char *path, GError **error);
void plot_runs_clear(struct plot_runs *runs);

struct plot_run *plot_run_at(const struct plot_runs *runs, unsigned index);

/* The value of a setting, or NULL. */
const char *plot_run_setting(const struct plot_runs *runs,
                             const struct plot_run *run, const char *name);

/* A number of a section such as "counters" or "peak.total", or NULL. */
const json_t *plot_run_number(const struct plot_run *run, const char *section,
                              const char *key);
/* The same as a double; NaN if there is none. */
double plot_run_double(const struct plot_run *run, const char *section,
                       const char *key);

/* A section, or NULL. */
json_t *plot_run_section(const struct plot_run *run, const char *section);
