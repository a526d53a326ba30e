/*
 * A binary trace from its first byte to its last.  Where the bytes go is the
 * caller's matter: they gather in `out`, which may be emptied between calls.
 */
#pragma once

#include "traces/vmt_encode.h"

struct vmt_writer;

struct vmt_writer *vmt_writer_new(GByteArray *out);
void vmt_writer_free(struct vmt_writer *writer);

/* A line of the text that holds no event; the first line of all is known. */
void vmt_writer_line(struct vmt_writer *writer, const char *line,
                     size_t length);
/* An event of the trace, and the line that says it. */
void vmt_writer_event(struct vmt_writer *writer, const struct trace *trace,
                      const struct trace_event *event, const char *line,
                      size_t length);
/* All events of a window, of which the text is not kept, nor what stood between
 * them but for the numbers of their lines. */
void vmt_writer_window(struct vmt_writer *writer, const struct trace *window);

/* Put the last block; without vmt_writer_end() the file has no tables.  The
 * caller gets struct vmt_extent of all blocks, and where they end. */
GArray *vmt_writer_end_blocks(struct vmt_writer *writer, uint64_t *end);
/* Put the last block and the tables, which are complete now. */
void vmt_writer_end(struct vmt_writer *writer, const struct trace *trace);
