/*
 * Canonical text: what trace_format_event() of trace.h is made of, and whole
 * traces.
 */
#pragma once

#include "traces/trace.h"
#include "traces/trace_writer.h"

/* How texts differ that mean the same: canonical text has the shortest sizes,
 * and no +0. */
enum trace_spelling {
    TRACE_SPELLING_CANONICAL,
    TRACE_SPELLING_ZERO,   // A+0 for A
    TRACE_SPELLING_BYTES,  // 4096 for 4K
    TRACE_SPELLING_BYTES_ZERO,
    TRACE_SPELLING_KIB,  // 1024K for 1M
    TRACE_SPELLING_KIB_ZERO,
    TRACE_SPELLING_COUNT,
};

/* trace_format_event() of trace.h, spelled so. */
void trace_format_spelled(const struct trace *trace,
                          const struct trace_event *event,
                          enum trace_spelling spelling, GString *line);

/* Append the shortest exact spelling: 528384 is "516K". */
void trace_format_size(GString *line, uint64_t bytes);
/* Append a name of a file, comm, mark or barrier, %XX where needed. */
void trace_format_name(GString *line, const char *name);

/*
 * Write the whole trace: the comments that stood above its first event, its
 * header lines, its events.  Reading it back gives an equal trace; comments
 * further down are not kept.  Errors show when the writer is closed.
 */
void trace_write_text(const struct trace *trace, struct trace_writer *writer);
