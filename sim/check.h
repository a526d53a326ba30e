/*
 * --check: comparing what the simulated kernel answers with what the trace
 * says a real one did.
 *
 * Success and errno are always compared, touches outcome by outcome, and
 * addresses where they can be the same: of a fixed or absolute place, or in a
 * process whose layout was recorded, while the run searches, lays out and
 * merges as the recorded kernel did.
 *
 * Not modelled: which task's fault won a race.  A result that differs where
 * another task's fault or call met it in a page is counted as raced
 * (check_races.h).
 */
#pragma once

#include "mm/operation.h"
#include "sim/check_explain.h"

struct replay;

struct check {
    const struct trace *trace;
    const struct trace *window;  // of the trace, holds the current event
    bool has_recorded_rules;     // gap, layout and merge are the recorded ones
    bool *has_layout;            // by trace task
    GArray *runs;                // struct touch_run, of the current touch
    uint64_t access;             // of the current event; 0: none
    struct check_page before;    // the page that a touch came to first
    struct races *races;
    struct check_report report;
};

/* NULL and *error when an `expect` names no counter. */
struct check *check_open(const struct trace *trace, bool has_recorded_rules,
                         GError **error);
void check_close(struct check *check);

/* A call is about to be carried out. */
void check_begin(struct check *check, struct mm *mm, const struct call *call);
/* The replay's next event was carried out.  `mm` is the task's, NULL if it is
 * gone. */
void check_result(struct check *check, const struct replay *replay,
                  struct mm *mm, const struct operation *op);
/* The same of an event that makes no call. */
void check_passage(struct check *check, const struct trace_event *event);
/* An `expect` event. */
void check_expect(struct check *check, const struct replay *replay);

/* The object `check` of a result; nothing is compared after it. */
json_t *check_json(struct check *check, const struct machine *machine);
