/*
 * A whole recording in memory: its records in order of time, linked so that one
 * walk over them meets every effect at its instant.
 */
#pragma once

#include "traces/import_perf_line.h"

struct perf_recording {
    GArray *records;   // struct perf_record
    GPtrArray *names;  // char *: comms and files
    char *kernel;      // "6.18.44", from a header of perf script; or NULL
    GHashTable *name_indices;  // char * -> index + 1
    uint64_t last_ns;          // of the record that was added last
    bool is_sorted;            // by time, so far
    uint64_t named_calls;      // bit of each call with a tracepoint of its own
    bool has_named_calls;      // there are such
    bool has_switches;         // context switches, if there were any
    bool is_calls_only;        // no faults, no images
};

/* NULL with an error. */
struct perf_recording *perf_recording_load(GPtrArray *paths, GError **error);
void perf_recording_free(struct perf_recording *recording);

/* The same step by step: add records in the order of their lines, then finish.
 * False with an error that names the line of `text`: there are too many. */
struct perf_recording *perf_recording_new(void);
bool perf_recording_add(struct perf_recording *recording,
                        const struct perf_record *record,
                        struct trace_text *text);
uint32_t perf_recording_name(struct perf_recording *recording,
                             const char *name);
void perf_recording_finish(struct perf_recording *recording);

static inline struct perf_record *
perf_record_at(const struct perf_recording *recording, uint32_t index)
{
    return &g_array_index(recording->records, struct perf_record, index);
}
