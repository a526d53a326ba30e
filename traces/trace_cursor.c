/*
 * Windows of a trace: the trace itself if its events are in memory, else one
 * block of its file after the other.
 */
#include "traces/trace.h"

#include "traces/vmt_file.h"

struct trace_cursor {
    const struct trace *trace;
    struct vmt_block *block;  // NULL: the events are in memory
    guint next;
};

struct trace_cursor *
trace_cursor_open(const struct trace *trace)
{
    struct trace_cursor *cursor = g_new0(struct trace_cursor, 1);
    cursor->trace = trace;
    if (trace->file)
        cursor->block = vmt_block_new(trace);
    return cursor;
}

void
trace_cursor_close(struct trace_cursor *cursor)
{
    if (!cursor)
        return;
    vmt_block_free(cursor->block);
    g_free(cursor);
}

const struct trace *
trace_cursor_next(struct trace_cursor *cursor, GError **error)
{
    guint index = cursor->next++;
    if (!cursor->block)
        return index == 0 ? cursor->trace : NULL;
    if (index >= vmt_block_count(cursor->trace) ||
        !vmt_block_read(cursor->block, index, error))
        return NULL;
    return &cursor->block->window;
}

void
trace_cursor_seek(struct trace_cursor *cursor, uint64_t number)
{
    cursor->next = cursor->block ? vmt_find_block(cursor->trace, number) : 0;
}
