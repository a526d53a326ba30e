/*
 * A trace from one form to another.
 */
#pragma once

#include "traces/trace_writer.h"

/* Write the lines of the trace at `path`, whatever its form, as they are in its
 * text, all but the first; "-" is standard input.  They are checked on the way
 * (errors name `path`), some of them perhaps when the writer is closed. */
bool trace_copy(const char *path, struct trace_writer *writer, GError **error);
