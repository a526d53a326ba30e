/*
 * Which differences of --check may be due to a race.
 *
 * A recording says when a fault began, and the importer puts it there; what it
 * found was decided a little later.  If another task was at the same page
 * meanwhile, nobody can tell from the recording who was first.
 *
 * The time that an access may have taken -- its window -- is START+DURATION.
 * The memory of a process goes between its exit and the end of its parent's
 * wait; if nobody waits, nobody knows.
 *
 * Two accesses raced if different tasks made them, their windows overlap and
 * they meet in a page: of one address space, or of two between which only forks
 * lie.
 */
#pragma once

#include "traces/trace.h"

struct races;

/* Neighbours that are judged together: an access is compared with at least so
 * many before and behind it. */
#define RACES_HORIZON 512

enum race_verdict {
    RACE_NONE,
    RACE_OPEN,  // another one's window has not ended yet: ask again
    RACE_FOUND,
};

struct races *races_new(const struct trace *trace);
void races_free(struct races *races);

/*
 * Every event of a task that is carried out, in order.  [start, end) is what a
 * touch or a call works on, empty if it is no memory.  Its number if it is an
 * access that can race, else 0.
 */
uint64_t races_note(struct races *races, const struct trace_event *event,
                    uint64_t start, uint64_t end);

/* How many accesses there have been. */
uint64_t races_count(const struct races *races);

/* Did somebody else race with access `number` for a page of [start, end)?
 * Best asked when RACES_HORIZON accesses have followed. */
enum race_verdict races_judge(const struct races *races, uint64_t number,
                              uint64_t start, uint64_t end);
