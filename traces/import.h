/*
 * Importers: recordings of other tools become traces.
 *
 * An importer reads text that somebody else wrote, so it believes nothing: what
 * it cannot read is an error with its place, and what a trace has no word for
 * stays in the trace as a comment.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "traces/trace_writer.h"

struct import_options {
    uint64_t default_uid;  // of the first process
    const char *kernel;    // that was recorded; NULL: as the recording says
    const char *note;      // lines for the trace's head, or NULL
};

/*
 * The text of `perf script` (`vmsim record` runs it; sim/record.c) as a trace.
 * `paths` are read one after another as one recording; "-" is standard
 * input, and .zst is unpacked.  On failure *out holds an unfinished trace,
 * which the caller abandons.
 */
bool import_perf(GPtrArray *paths, const struct import_options *options,
                 struct trace_writer *out, GError **error);

/* The same of `strace -f -ttt -T`, with or without -y: calls without touches.
 */
bool import_strace(GPtrArray *paths, const struct import_options *options,
                   struct trace_writer *out, GError **error);

/* What valgrind's lackey wrote with --trace-mem=yes --trace-syscalls=yes, one
 * file per process in any order: every page that was touched between calls.
 * The files are read twice at their heads, so "-" cannot be one. */
bool import_lackey(GPtrArray *paths, const struct import_options *options,
                   struct trace_writer *out, GError **error);
