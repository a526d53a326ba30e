/*
 * --check: comparing what the simulated kernel answers with what the trace
 * says a real one did.
 *
 * Success and errno are always compared, touches outcome by outcome, and
 * addresses where they can be the same: of a fixed or absolute place, or in a
 * process whose layout was recorded, while the run searches, lays out and
 * merges as the recorded kernel did.
 *
 * Not modelled: which task's fault won a race; raced_count stays 0 under the
 * recorded schedule.
 */
#pragma once

#include "mm/operation.h"
#include "traces/trace.h"

#include <glib.h>
#include <jansson.h>

struct check_first {
    size_t event;  // 1-based
    uint64_t line, task;
    char *what, *expected, *found;
};

struct check {
    const struct trace *trace;
    const struct trace *window;  // of the trace, holds the current event
    bool has_recorded_rules;     // gap, layout and merge are the recorded ones
    bool *has_layout;            // by trace task
    GArray *runs;                // struct touch_run, of the current touch
    uint64_t compared_count, mismatch_count, raced_count;
    struct check_first first;  // if mismatch_count > 0
};

/* NULL and *error when an `expect` names no counter. */
struct check *check_open(const struct trace *trace, bool has_recorded_rules,
                         GError **error);
void check_close(struct check *check);

/* An event was carried out.  `mm` is the task's, NULL if it is gone. */
void check_result(struct check *check, size_t event, const struct mm *mm,
                  const struct operation *op);
/* An `expect` event. */
void check_expect(struct check *check, size_t event,
                  const struct machine *machine);

/* The object `check` of a result. */
json_t *check_json(const struct check *check);
