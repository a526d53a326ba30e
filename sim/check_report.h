/*
 * What --check found: results compared, different and raced, by kind; the first
 * differences in words; totals.
 *
 * A difference of an access that can race waits until its neighbours are known,
 * and is then counted as raced or as a difference.
 */
#pragma once

#include "sim/check_races.h"

#include <glib.h>
#include <jansson.h>

/* Kinds of recorded results; a touch counts by page and outcome, all others by
 * event. */
enum check_kind {
    CHECK_SUCCESS,
    CHECK_ERRNO,
    CHECK_ADDRESS,
    CHECK_VMA,  // of a result with an address
    CHECK_EXPECT,
    CHECK_TOUCH,  // + enum trace_outcome
    CHECK_KIND_COUNT = CHECK_TOUCH + TRACE_OUTCOME_COUNT
};

struct check_tally {
    uint64_t compared_count, mismatch_count, raced_count;
};

/* A part of a result that differs. */
struct check_part {
    enum check_kind kind;
    uint64_t count;       // pages, or 1
    uint64_t start, end;  // where; empty: no memory
};

struct check_difference {
    uint64_t event;   // 1-based
    uint64_t access;  // of check_races.h; 0: cannot race
    GArray *parts;    // struct check_part
    /* In words; NULL of those that are not among the first. */
    uint64_t line, task;
    char *what, *expected, *found;
    GPtrArray *vmas;  // lines as in /proc/PID/maps, around it
    uint64_t vma_count;
    char *pte;
};

struct check_report {
    uint64_t compared_count, mismatch_count, raced_count;  // results
    struct check_tally tally[CHECK_KIND_COUNT];
    GPtrArray *first;    // struct check_difference, in order of events
    GPtrArray *waiting;  // the same
};

void check_report_init(struct check_report *report);
void check_report_finish(struct check_report *report);

/* Whether the next difference needs its words. */
bool check_report_wants_words(const struct check_report *report);

struct check_difference *check_difference_new(uint64_t event, uint64_t access);
void check_difference_add(struct check_difference *difference,
                          const struct check_part *part);

/* Takes over the difference. */
void check_report_add(struct check_report *report, const struct races *races,
                      struct check_difference *difference);
/* Judge those that wait; to be called now and then, and at last with is_end. */
void check_report_settle(struct check_report *report, const struct races *races,
                         bool is_end);

/* compared_count, mismatch_count, raced_count, kinds, first, differences. */
json_t *check_report_json(const struct check_report *report);
