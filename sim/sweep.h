/*
 * A sweep: every trace under every combination of the axes' values.
 *
 * Runs share nothing mutable -- each builds and destroys its own machine -- so
 * results do not depend on the number of threads or on which run ends first.
 */
#pragma once

#include "sim/catalog.h"
#include "sim/run.h"

#include <glib.h>

struct sweep {
    struct catalog *catalog;
    const GPtrArray *traces;  // struct trace
    const GArray *axes;       // struct axis
    struct run_wishes wishes;
    uint64_t seed;
    unsigned jobs;
    const char *output;  // NULL: standard output
};

/* Print the cells, one a line. */
bool sweep_dry_run(const struct sweep *sweep, GString *out, GError **error);

/* Run all cells and write the results in product order. */
bool sweep_run(const struct sweep *sweep, GError **error);
