/*
 * Reading binary traces: the tables at once, the events block by block.
 *
 * The file need not fit in memory; one that cannot be read anywhere (a pipe,
 * or packed with zstd) goes to a temporary file first.
 */
#pragma once

#include "traces/trace_source.h"
#include "traces/vmt_encode.h"

struct vmt_file;

/* Read the tables; the trace keeps its events in the file.  Takes the source
 * over.  NULL and "path: byte OFFSET: expected X, found Y" on failure. */
struct trace *vmt_open(struct trace_source *source, const char *path,
                       GError **error);

/* Let the trace, whose tables are complete, read its events from a file of
 * which the blocks alone were written.  Takes the descriptor and the extents
 * over. */
void vmt_attach(struct trace *trace, int fd, GArray *extents,
                uint64_t blocks_end);

/* A file that has no name and ends with its descriptor; -1 on failure. */
int vmt_temporary_file(GError **error);

void vmt_file_free(struct vmt_file *file);

/* How many blocks a trace has, and which holds event `number`. */
guint vmt_block_count(const struct trace *trace);
guint vmt_find_block(const struct trace *trace, uint64_t number);

/* A block in memory, to be read again and again. */
struct vmt_block {
    struct trace window;    // of the trace: the tables of events are its own
    GByteArray *bytes;      // header and payload
    GByteArray *spellings;  // enum trace_spelling of each event
    const uint8_t *notes, *notes_end;  // in `bytes`
    struct vmt_decoder *decoder;
};

struct vmt_block *vmt_block_new(const struct trace *trace);
void vmt_block_free(struct vmt_block *block);
bool vmt_block_read(struct vmt_block *block, guint index, GError **error);
