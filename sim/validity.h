/*
 * What a recording can answer.
 *
 * A recording by faults holds only the touches that faulted on the recorded
 * kernel.  A run of it counts exactly as long as every page that the recorded
 * run had mapped is mapped here, too: touches of others would fault, and are
 * not in the trace.  The first event that breaks this makes the run a lower
 * bound.
 */
#pragma once

#include "mm/counters.h"
#include "traces/trace.h"

struct machine;

struct validity {
    bool is_watched;     // something may still break it
    bool is_selection;   // the trace says that it lacks touches
    bool keeps_freed;    // the recorded run gave pages up and kept them
    bool has_around;     // the recorded kernel mapped pages around a fault
    const char *reason;  // NULL: exact so far
    uint64_t event;      // that broke it, counted from 1; 0: the trace
    char *text;          // that event
    struct mm_counters before;  // the event that comes next
};

void validity_init(struct validity *validity, const struct trace *trace);
void validity_finish(struct validity *validity);

/* Judge the event that was carried out; `window` holds it. */
void validity_watch(struct validity *validity, const struct machine *machine,
                    const struct trace *window, const struct trace_event *event,
                    uint64_t number);

/* One sentence, or NULL of an exact run; the caller frees it. */
char *validity_reason(const struct validity *validity);
