/*
 * Traces from files: which form it is, and whether its events are to be in
 * memory.
 *
 *     text ---> lines --> reader --> events in memory
 *                                `-> blocks in a temporary file, when many
 *     binary --> tables, its blocks where they are
 */
#include "traces/trace_lines.h"
#include "traces/trace_reader.h"
#include "traces/trace_tables.h"
#include "traces/vmt_file.h"
#include "traces/vmt_writer.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
    EVENTS_IN_MEMORY = 1 << 18,
    SPILLED_EVENTS = 1 << 12,  // that wait to be spilled, then
    SPILL_BYTES = 1 << 20,     // are written at once
};

/* Where the events of a long text go. */
struct spill {
    int fd;
    GByteArray *pending;
    struct vmt_writer *writer;  // NULL: they are in memory so far
};

static bool
spill_flush(struct spill *spill, GError **error)
{
    const guint8 *next = spill->pending->data;
    guint left = spill->pending->len;
    while (left > 0) {
        ssize_t written = write(spill->fd, next, left);
        if (written < 0 && errno != EINTR) {
            g_set_error(error, TRACE_ERROR, TRACE_ERROR_IO, "%s: %s",
                        g_get_tmp_dir(), g_strerror(errno));
            return false;
        }
        if (written > 0) {
            next += written;
            left -= (guint)written;
        }
    }
    g_byte_array_set_size(spill->pending, 0);
    return true;
}

/* Move the events that were read to the file. */
static bool
spill_events(struct spill *spill, struct trace_reader *reader, GError **error)
{
    struct trace *trace = reader->trace;
    vmt_writer_window(spill->writer, trace);
    trace_empty_window(trace);
    trace->first_event = trace->event_count;
    reader->line_minus_event = UINT64_MAX;  // the next one has an anchor
    return spill->pending->len < SPILL_BYTES || spill_flush(spill, error);
}

static bool
spill_begin(struct spill *spill, GError **error)
{
    spill->fd = vmt_temporary_file(error);
    if (spill->fd < 0)
        return false;
    spill->pending = g_byte_array_new();
    spill->writer = vmt_writer_new(spill->pending);
    return true;
}

static bool
spill_end(struct spill *spill, struct trace_reader *reader, GError **error)
{
    uint64_t end;
    if (!spill->writer)
        return true;
    if (!spill_events(spill, reader, error))
        return false;
    GArray *extents = vmt_writer_end_blocks(spill->writer, &end);
    bool is_written = spill_flush(spill, error);
    vmt_attach(reader->trace, spill->fd, extents, end);
    spill->fd = -1;
    return is_written;
}

static void
spill_clear(struct spill *spill)
{
    if (!spill->pending)
        return;
    if (spill->fd >= 0)
        close(spill->fd);
    g_byte_array_unref(spill->pending);
    vmt_writer_free(spill->writer);
}

/* Take the touches that follow, until there are `limit` events. */
static void
read_touches(struct trace_reader *reader, struct trace_lines *lines,
             guint limit)
{
    guint count = reader->trace->events->len;
    const char *end, *next = trace_lines_ahead(lines, &end);
    if (count < limit)
        trace_lines_skip(lines,
                         trace_read_touches(reader, next, end, limit - count));
}

/* `spill` is NULL when all events are wanted in memory. */
static bool
read_lines(struct trace_reader *reader, struct trace_lines *lines,
           struct spill *spill)
{
    struct trace_text *text = &reader->text;
    guint limit = EVENTS_IN_MEMORY;
    for (;;) {
        size_t length;
        if (!trace_lines_next(lines, text, &length))
            return false;
        if (!text->start)
            return !spill || spill_end(spill, reader, text->error);
        if (!trace_reader_line(reader, length))
            return false;
        read_touches(reader, lines, spill ? limit : G_MAXUINT);
        if (!spill || reader->trace->events->len < limit)
            continue;
        if (!spill->writer && !spill_begin(spill, text->error))
            return false;
        if (!spill_events(spill, reader, text->error))
            return false;
        limit = SPILLED_EVENTS;
    }
}

static struct trace *
read_text(struct trace_source *source, const char *path, bool may_spill,
          GError **error)
{
    struct trace_reader reader;
    struct spill spill = {.fd = -1};
    trace_reader_begin(&reader, path, error);
    struct trace_lines *lines = trace_lines_open(source, &reader.text);
    bool is_read =
        lines && read_lines(&reader, lines, may_spill ? &spill : NULL);
    struct trace *trace = trace_reader_end(&reader);
    if (is_read)
        trace_lines_digests(lines, trace->sha256, trace->content_sha256);
    trace_lines_close(lines);
    spill_clear(&spill);
    if (is_read)
        return trace;
    trace_free(trace);
    return NULL;
}

struct trace *
trace_open(const char *path, GError **error)
{
    struct trace_source *source = trace_source_open(path, error);
    if (!source)
        return NULL;
    if (trace_source_is_binary(source))
        return vmt_open(source, path, error);
    return read_text(source, path, /* may_spill = */ true, error);
}

/* Rows of a window are numbered from 0; here they follow others. */
static void
append_event(struct trace *trace, const struct trace *window,
             const struct trace_event *event)
{
    struct trace_event copy = *event;
    if (event->detail != TRACE_NONE) {
        copy.detail = trace->details->len;
        g_array_append_val(
            trace->details,
            g_array_index(window->details, struct trace_detail, event->detail));
    }
    if (event->result != TRACE_NONE) {
        struct trace_result result =
            g_array_index(window->results, struct trace_result, event->result);
        uint32_t first = trace->runs->len;
        for (uint32_t i = 0; i < result.run_count; i++)
            g_array_append_val(trace->runs,
                               g_array_index(window->runs, struct trace_run,
                                             result.run_first + i));
        result.run_first = first;
        copy.result = trace->results->len;
        g_array_append_val(trace->results, result);
    }
    g_array_append_val(trace->events, copy);
}

bool
trace_fetch(struct trace *trace, GError **error)
{
    GError *failure = NULL;
    const struct trace *window;
    if (!trace->file)
        return true;
    if (trace->event_count > TRACE_EVENT_COUNT_MAX) {
        g_set_error(error, TRACE_ERROR, TRACE_ERROR_RANGE,
                    "%s: expected no more events than fit in memory, found "
                    "%" G_GUINT64_FORMAT,
                    trace->path, trace->event_count);
        return false;
    }
    struct trace_cursor *cursor = trace_cursor_open(trace);
    while ((window = trace_cursor_next(cursor, &failure))) {
        for (guint i = 0; i < window->events->len; i++)
            append_event(trace, window,
                         &g_array_index(window->events, struct trace_event, i));
        g_array_append_vals(trace->anchors, window->anchors->data,
                            window->anchors->len);
    }
    trace_cursor_close(cursor);
    vmt_file_free(g_steal_pointer(&trace->file));
    if (!failure)
        return true;
    g_propagate_error(error, failure);
    return false;
}

struct trace *
trace_load(const char *path, GError **error)
{
    struct trace_source *source = trace_source_open(path, error);
    if (!source)
        return NULL;
    if (!trace_source_is_binary(source))
        return read_text(source, path, /* may_spill = */ false, error);
    struct trace *trace = vmt_open(source, path, error);
    if (!trace || trace_fetch(trace, error))
        return trace;
    trace_free(trace);
    return NULL;
}
