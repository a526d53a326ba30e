/*
 * The cells of a sweep: which run each number stands for.
 *
 * A cell is made when it is wanted and forgotten after it, so that a sweep of a
 * million of them takes the memory of those that run.
 */
#pragma once

#include "sim/journal.h"
#include "sim/sweep.h"

struct cells {
    const struct sweep *sweep;
    size_t per_trace, count;
    char *program;  // which one: version and build
};

struct cell {
    const struct trace *trace;
    struct setup setup;
    bool has_recorded_rules;
    char key[JOURNAL_KEY_LENGTH + 1];  // of all that the result depends on
};

/* false: too many. */
bool cells_init(struct cells *cells, const struct sweep *sweep, GError **error);
void cells_finish(struct cells *cells);

/* Cell `index` in product order.  May be called by several threads when every
 * cell has been made once: then the catalog has all files. */
bool cell_make(struct cell *cell, const struct cells *cells, size_t index,
               GError **error);

/* The words that choose it. */
void cell_append_choices(GString *out, const struct cells *cells, size_t index);
