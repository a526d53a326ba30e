/*
 * The bytes of a trace: from a file or standard input, decompressed if need be,
 * and digested on the way.  Nothing here knows lines.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

struct trace_source;

/* "-" is standard input. */
struct trace_source *trace_source_open(const char *path, GError **error);
void trace_source_free(struct trace_source *source);

/* Fill `buffer` with up to `size` > 0 bytes; 0 bytes: the trace ends.  -1 and a
 * plain sentence without a place when it cannot be read. */
gssize trace_source_read(struct trace_source *source, char *buffer, size_t size,
                         GError **error);

/* After the end: hexadecimal digests of the file and of the text. */
void trace_source_digests(const struct trace_source *source, char file[65],
                          char text[65]);
