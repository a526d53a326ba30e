/*
 * Carrying a trace out on the simulated machine and on this host's kernel at
 * once, comparing after every event.
 *
 * The simulation leads: what an event means is resolved by it, and the host
 * does the same call with the same addresses, so the first difference is found
 * where it arises.
 *
 * Compared: result and errno, which pages a touch was refused, the number of
 * faults as getrusage() shows them, and everything that sim/verify_state.h
 * lists, of all processes.
 *
 * Not carried out: waiting, time, memory pressure (`hog`), ptrace.  exec
 * begins a fresh worker, in which the special mappings of a recording (vdso,
 * vvar) are the host's own, moved to where the recording has them.
 */
#pragma once

#include "sim/setup.h"
#include "traces/trace.h"

#include <glib.h>

struct verify_coverage;
struct worker;

struct verify_wishes {
    /* State is compared from the event with this index on; results and faults
     * always are. */
    size_t state_from;
    struct verify_coverage *coverage;  // NULL: nobody counts
    /* Called before states are compared; NULL: nobody.  Whoever has the worker
     * do more than the trace says makes a difference, on purpose. */
    void (*meddle)(void *data, size_t event, struct worker *worker);
    void *meddler;
};

struct verify_result {
    size_t event_count;  // carried out
    bool differs;
    size_t event;      // 0-based: where the difference was found
    uint64_t line;     // of the trace
    char *difference;  // in words, some lines; NULL when none
    bool sees_frames;  // classes of present pages were compared
};

/* false and *error when the host cannot carry the trace out. */
bool verify_trace(const struct trace *trace, const struct setup *setup,
                  const struct verify_wishes *wishes,
                  struct verify_result *result, GError **error);
/* Afterwards it is that of nothing carried out. */
void verify_result_clear(struct verify_result *result);

/* NULL, or why exactness cannot be asked of this host. */
const char *verify_obstacle(void);

/* What a trace may use of this host's memory: a quarter of what is free. */
uint64_t verify_memory_limit_bytes(void);

/* The setup that imitates this host: the newest preset that is not newer, no
 * THP, one CPU; then `choices` (struct setup_choice), which may say otherwise.
 * *is_exact: nothing but the host's own version was chosen. */
bool verify_setup(struct setup *setup, struct catalog *catalog,
                  const GArray *choices, bool *is_exact, GError **error);
