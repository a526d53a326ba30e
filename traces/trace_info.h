/*
 * What a trace holds, in numbers and as the page that `vmsim info` prints.
 */
#pragma once

#include "traces/trace.h"

struct trace_info {
    uint64_t op_count[TRACE_OP_COUNT];  // events of each kind
    uint64_t process_count;             // tasks that are no threads
    uint64_t thread_count;              // made by `thread`
    uint64_t mapped_bytes;              // asked for by mmap and map, in all
    uint64_t touched_pages;             // by r, w and x, repeats included
    uint64_t result_count;              // events that say what a kernel did
    bool has_span;                      // any event has a time
    uint64_t first_ns, last_ns;         // earliest start, latest end
};

/* Sums that no real trace reaches stay at UINT64_MAX. */
bool trace_info_compute(const struct trace *trace, struct trace_info *info,
                        GError **error);

/* Append a page for people. */
bool trace_info_print(const struct trace *trace, GString *out, GError **error);
