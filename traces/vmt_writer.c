/*
 * See vmt_writer.h.
 */
#include "traces/vmt_writer.h"

#include <string.h>

#include "traces/trace_format.h"
#include "traces/vmt_layout.h"
#include "traces/vmt_tables.h"

struct vmt_writer {
    struct vmt_encoder *encoder;
    GByteArray *out;
    GByteArray *block;
    GArray *extents;               // struct vmt_extent
    uint64_t length;               // bytes that went to `out`
    uint64_t line;                 // number of the next line
    GString *text;                 // of an event, spelled in one way or another
    enum trace_spelling spelling;  // of the latest event
};

static void
put(struct vmt_writer *writer, const void *bytes, size_t length)
{
    g_byte_array_append(writer->out, bytes, (guint)length);
    writer->length += length;
}

struct vmt_writer *
vmt_writer_new(GByteArray *out)
{
    struct vmt_header header = {.version = GUINT32_TO_LE(VMT_VERSION)};
    struct vmt_writer *writer = g_new0(struct vmt_writer, 1);
    writer->encoder = vmt_encoder_new();
    writer->out = out;
    writer->block = g_byte_array_new();
    writer->extents = g_array_new(FALSE, FALSE, sizeof(struct vmt_extent));
    writer->text = g_string_new(NULL);
    writer->line = 2;
    memcpy(header.magic, vmt_magic, sizeof(header.magic));
    put(writer, &header, sizeof(header));
    return writer;
}

void
vmt_writer_free(struct vmt_writer *writer)
{
    if (!writer)
        return;
    vmt_encoder_free(writer->encoder);
    g_byte_array_unref(writer->block);
    g_array_unref(writer->extents);
    g_string_free(writer->text, TRUE);
    g_free(writer);
}

void
vmt_put_block(GByteArray *out, const struct vmt_block_header *header,
              const void *payload, gsize payload_bytes)
{
    struct vmt_block_header coded = {
        .first_event = GUINT64_TO_LE(header->first_event),
        .first_line = GUINT64_TO_LE(header->first_line),
        .payload_bytes = GUINT32_TO_LE((uint32_t)payload_bytes),
        .event_count = GUINT32_TO_LE(header->event_count),
        .shape_bytes = GUINT32_TO_LE(header->shape_bytes),
        .note_bytes = GUINT32_TO_LE(header->note_bytes),
    };
    guint start = out->len;
    g_byte_array_append(out, (const guint8 *)&coded, sizeof(coded));
    g_byte_array_append(out, payload, (guint)payload_bytes);
    coded.checksum =
        GUINT64_TO_LE(vmt_checksum(out->data + start + sizeof(coded.checksum),
                                   out->len - start - sizeof(coded.checksum)));
    memcpy(out->data + start, &coded.checksum, sizeof(coded.checksum));
}

static void
put_block(struct vmt_writer *writer)
{
    struct vmt_extent extent;
    g_byte_array_set_size(writer->block, 0);
    if (!vmt_encoder_take(writer->encoder, writer->block, &extent))
        return;
    extent.at = writer->length;
    g_array_append_val(writer->extents, extent);
    put(writer, writer->block->data, writer->block->len);
}

static void
put_block_if_full(struct vmt_writer *writer)
{
    if (vmt_encoder_is_full(writer->encoder))
        put_block(writer);
}

void
vmt_writer_line(struct vmt_writer *writer, const char *line, size_t length)
{
    vmt_encoder_note(writer->encoder, VMT_NOTE_LINE, line, length);
    writer->line++;
    put_block_if_full(writer);
}

/* One spelling after the other, the latest first.  TRACE_SPELLING_COUNT: the
 * line is none of them. */
static enum trace_spelling
find_spelling(struct vmt_writer *writer, const struct trace *trace,
              const struct trace_event *event, const char *line, size_t length)
{
    for (unsigned i = 0; i < TRACE_SPELLING_COUNT; i++) {
        unsigned tried = (writer->spelling + i) % TRACE_SPELLING_COUNT;
        g_string_truncate(writer->text, 0);
        trace_format_spelled(trace, event, (enum trace_spelling)tried,
                             writer->text);
        if (writer->text->len == length &&
            memcmp(writer->text->str, line, length) == 0)
            return (enum trace_spelling)tried;
    }
    return TRACE_SPELLING_COUNT;
}

void
vmt_writer_event(struct vmt_writer *writer, const struct trace *trace,
                 const struct trace_event *event, const char *line,
                 size_t length)
{
    enum trace_spelling spelling =
        find_spelling(writer, trace, event, line, length);
    if (spelling == TRACE_SPELLING_COUNT) {
        vmt_encoder_note(writer->encoder, VMT_NOTE_SPELLING, line, length);
        spelling = TRACE_SPELLING_CANONICAL;
    }
    writer->spelling = spelling;
    vmt_encoder_event(writer->encoder, trace, event, spelling);
    writer->line++;
    put_block_if_full(writer);
}

void
vmt_writer_window(struct vmt_writer *writer, const struct trace *window)
{
    const struct trace_anchor *anchor = (const void *)window->anchors->data;
    const struct trace_anchor *end = anchor + window->anchors->len;
    for (guint i = 0; i < window->events->len; i++) {
        uint64_t line = writer->line;
        if (anchor < end && anchor->event == window->first_event + i)
            line = anchor++->line;
        if (line > writer->line)
            vmt_encoder_note(writer->encoder, VMT_NOTE_GAP, NULL,
                             line - writer->line);
        writer->line = line + 1;
        vmt_encoder_event(writer->encoder, window,
                          &g_array_index(window->events, struct trace_event, i),
                          TRACE_SPELLING_CANONICAL);
        put_block_if_full(writer);
    }
}

GArray *
vmt_writer_end_blocks(struct vmt_writer *writer, uint64_t *end)
{
    put_block(writer);
    *end = writer->length;
    return g_array_ref(writer->extents);
}

void
vmt_writer_end(struct vmt_writer *writer, const struct trace *trace)
{
    struct vmt_block_header none = {.event_count = 0};
    struct vmt_footer footer;
    uint64_t end;
    g_autoptr(GByteArray) tables = g_byte_array_new();
    g_autoptr(GArray) extents = vmt_writer_end_blocks(writer, &end);
    footer.tables_at = GUINT64_TO_LE(end);
    footer.checksum = GUINT64_TO_LE(
        vmt_checksum(&footer.tables_at, sizeof(footer.tables_at)));
    memcpy(footer.magic, vmt_end_magic, sizeof(footer.magic));
    vmt_put_tables(tables, trace, extents);
    g_byte_array_set_size(writer->block, 0);
    vmt_put_block(writer->block, &none, tables->data, tables->len);
    put(writer, writer->block->data, writer->block->len);
    put(writer, &footer, sizeof(footer));
}
