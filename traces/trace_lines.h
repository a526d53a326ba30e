/*
 * The lines of a trace that is text, one after the other, whatever is in them.
 *
 * Memory is bounded by one buffer: a line that is too long is refused when the
 * buffer is full, however long it would have been.
 */
#pragma once

#include "traces/trace_source.h"
#include "traces/trace_text.h"

struct trace_lines;

enum { TRACE_LINE_BYTES_MAX = 64 * 1024 };  // without the newline

/* Take the source over and see that its first line is that of a trace; errors
 * go to text->error. */
struct trace_lines *trace_lines_open(struct trace_source *source,
                                     struct trace_text *text);
void trace_lines_close(struct trace_lines *lines);

/* Set text->start to the next line, which ends in a newline; *length is without
 * it.  At the end of the trace text->start is NULL. */
bool trace_lines_next(struct trace_lines *lines, struct trace_text *text,
                      size_t *length);

/* The bytes behind that line that are in memory, up to *end; and that those
 * before `next` were whole lines that need not be handed out any more. */
const char *trace_lines_ahead(const struct trace_lines *lines,
                              const char **end);
void trace_lines_skip(struct trace_lines *lines, const char *next);

/* After the end: the digests of the file and of the text, its last newline
 * present. */
void trace_lines_digests(const struct trace_lines *lines, char file[65],
                         char text[65]);
