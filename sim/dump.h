/*
 * --dump: the state of the simulated machine in the kernel's own layouts.
 */
#pragma once

#include "sim/replay.h"

#include <glib.h>

struct dump_request {
    size_t kind;  // index into dump_kinds
    bool has_task;
    uint64_t task;     // id in the trace
    uint64_t event;    // state after so many events; 0: after the last
    const char *file;  // NULL: standard output
};

struct dump_kind {
    const char *name;
    const char *meaning;
    bool is_per_process;
};

/* Ends with a NULL name. */
extern const struct dump_kind dump_kinds[];

/* KIND[:TASK][@EVENT][=FILE]; the text outlives the request. */
bool dump_parse(const char *text, struct dump_request *request, GError **error);

/* False: the task that is asked for does not live. */
bool dump_append(GString *out, const struct replay *replay,
                 const struct dump_request *request, GError **error);
