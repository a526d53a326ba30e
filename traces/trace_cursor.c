/*
 * Windows of a trace: the trace itself if its events are in memory, else one
 * block of its file after the other, decoded here or for all.
 */
#include "traces/trace_kept.h"
#include "traces/vmt_file.h"

struct trace_cursor {
    const struct trace *trace;
    struct vmt_block *block;  // NULL: the events are in memory
    struct trace window;      // of a block that is kept for all
    guint next;
};

struct trace_cursor *
trace_cursor_open(const struct trace *trace)
{
    struct trace_cursor *cursor = g_new0(struct trace_cursor, 1);
    cursor->trace = trace;
    cursor->window = *trace;
    cursor->window.events =
        g_array_new(FALSE, FALSE, sizeof(struct trace_event));
    if (trace->file)
        cursor->block = vmt_block_new(trace);
    return cursor;
}

void
trace_cursor_close(struct trace_cursor *cursor)
{
    if (!cursor)
        return;
    g_array_unref(cursor->window.events);
    vmt_block_free(cursor->block);
    g_free(cursor);
}

static const struct trace *
read_block(struct trace_cursor *cursor, guint index, GError **error)
{
    struct trace_kept *kept = cursor->trace->kept;
    const struct trace_pack *pack =
        kept ? trace_kept_get(kept, index, cursor->block) : NULL;
    if (pack) {
        trace_pack_open(pack, &cursor->window);
        return &cursor->window;
    }
    return vmt_block_read(cursor->block, index, error) ? &cursor->block->window
                                                       : NULL;
}

const struct trace *
trace_cursor_next(struct trace_cursor *cursor, GError **error)
{
    guint index = cursor->next++;
    if (!cursor->block)
        return index == 0 ? cursor->trace : NULL;
    if (index >= vmt_block_count(cursor->trace))
        return NULL;
    return read_block(cursor, index, error);
}

void
trace_cursor_seek(struct trace_cursor *cursor, uint64_t number)
{
    cursor->next = cursor->block ? vmt_find_block(cursor->trace, number) : 0;
}
