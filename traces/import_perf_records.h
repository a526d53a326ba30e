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
};

/* NULL with an error. */
struct perf_recording *perf_recording_load(GPtrArray *paths, GError **error);
void perf_recording_free(struct perf_recording *recording);

static inline struct perf_record *
perf_record_at(const struct perf_recording *recording, uint32_t index)
{
    return &g_array_index(recording->records, struct perf_record, index);
}
