/*
 * One run: a trace, a setup, and what is wanted of it.
 */
#pragma once

#include "sim/catalog.h"
#include "sim/setup.h"
#include "sim/timeline.h"
#include "traces/trace.h"

#include <glib.h>
#include <jansson.h>

struct run_wishes {
    bool check;
    struct timeline_spec timeline;
    const GArray *dumps;  // struct dump_request, or NULL
};

/*
 * Replay and return the result; dumps without a file are appended to
 * dump_text (which may be NULL if there are none).  A refused setup gives its
 * refusal.  NULL and *error when a file cannot be written or the trace is
 * wrong.
 */
json_t *run_trace(const struct trace *trace, const struct setup *setup,
                  const struct run_wishes *wishes, bool has_recorded_rules,
                  GString *dump_text, GError **error);

/* Whether the setup searches, lays out and merges as the kernel on which the
 * trace was recorded. */
bool run_has_recorded_rules(const struct trace *trace,
                            const struct setup *setup, struct catalog *catalog);
