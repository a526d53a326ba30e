/*
 * The bytes of a trace: from a file or standard input, decompressed if need be.
 * Nothing here knows lines.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "traces/sha256.h"

struct trace_source;

/* "-" is standard input. */
struct trace_source *trace_source_open(const char *path, GError **error);
void trace_source_free(struct trace_source *source);

/* Whether the trace, decompressed, is a binary one by its first bytes. */
bool trace_source_is_binary(const struct trace_source *source);
bool trace_source_is_packed(const struct trace_source *source);

/* Fill `buffer` with up to `size` > 0 bytes; 0 bytes: the trace ends.  -1 and a
 * plain sentence without a place when it cannot be read. */
gssize trace_source_read(struct trace_source *source, char *buffer, size_t size,
                         GError **error);

/* After the end: the digest of the file, packed as it may be. */
const struct sha256 *trace_source_digest(const struct trace_source *source);

/* A descriptor of the file if it can be read anywhere and holds the trace as
 * it is; else -1.  It stays with the source. */
int trace_source_seekable(const struct trace_source *source);
