/*
 * Canonical text: what trace_format_event() of trace.h is made of, and whole
 * traces.
 */
#pragma once

#include "traces/trace.h"
#include "traces/trace_writer.h"

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
