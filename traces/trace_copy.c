/*
 * See trace_copy.h.  A binary trace has the lines that are not canonical in its
 * notes; the others are made again.
 */
#include "traces/trace_copy.h"

#include "traces/trace_format.h"
#include "traces/trace_lines.h"
#include "traces/vmt_bytes.h"
#include "traces/vmt_file.h"

static bool
copy_text(struct trace_source *source, const char *path,
          struct trace_writer *writer, GError **error)
{
    struct trace_text text = {.path = path, .error = error};
    struct trace_lines *lines = trace_lines_open(source, &text);
    bool is_read = lines != NULL;
    while (is_read && !trace_writer_has_failed(writer)) {
        size_t length;
        is_read = trace_lines_next(lines, &text, &length);
        if (is_read && !text.start)
            break;
        if (is_read)
            trace_writer_raw_line(writer, text.start, length);
    }
    trace_lines_close(lines);
    return is_read;
}

struct note {
    uint64_t event;  // of the block
    enum vmt_note kind;
    const char *bytes;
    uint64_t length;
};

/* False at the end; the notes were judged when the block was read. */
static bool
next_note(struct vmt_bytes *notes, struct note *note)
{
    if (notes->at == notes->end)
        return false;
    note->event += vmt_take_number(notes);
    uint64_t number = vmt_take_number(notes);
    note->kind = (enum vmt_note)(number % VMT_NOTE_COUNT);
    note->length = number / VMT_NOTE_COUNT;
    if (note->kind != VMT_NOTE_GAP)
        note->bytes = (const char *)vmt_take_bytes(notes, note->length);
    return true;
}

static void
write_note(struct trace_writer *writer, const struct note *note, GString *line)
{
    g_string_truncate(line, 0);
    g_string_append_len(line, note->bytes, (gssize)note->length);
    g_string_append_c(line, '\n');
    trace_writer_raw_line(writer, line->str, line->len - 1);
}

static void
copy_block(const struct vmt_block *block, struct trace_writer *writer,
           GString *line)
{
    const struct trace *window = &block->window;
    struct vmt_bytes notes =
        vmt_bytes(block->notes, (size_t)(block->notes_end - block->notes));
    struct note note = {.event = 0};
    bool has_note = next_note(&notes, &note);
    for (guint i = 0; i <= window->events->len; i++) {
        bool is_spelled = false;
        while (has_note && note.event == i) {
            if (note.kind != VMT_NOTE_GAP)
                write_note(writer, &note, line);
            is_spelled |= note.kind == VMT_NOTE_SPELLING;
            has_note = next_note(&notes, &note);
        }
        if (is_spelled || i == window->events->len)
            continue;
        g_string_truncate(line, 0);
        trace_format_spelled(
            window, &g_array_index(window->events, struct trace_event, i),
            (enum trace_spelling)block->spellings->data[i], line);
        g_string_append_c(line, '\n');
        trace_writer_raw_line(writer, line->str, line->len - 1);
    }
}

static bool
copy_binary(struct trace_source *source, const char *path,
            struct trace_writer *writer, GError **error)
{
    struct trace *trace = vmt_open(source, path, error);
    if (!trace)
        return false;
    g_autoptr(GString) line = g_string_new(NULL);
    struct vmt_block *block = vmt_block_new(trace);
    bool is_read = true;
    for (guint i = 0; is_read && i < vmt_block_count(trace); i++) {
        is_read = vmt_block_read(block, i, error);
        if (is_read)
            copy_block(block, writer, line);
    }
    vmt_block_free(block);
    trace_free(trace);
    return is_read;
}

bool
trace_copy(const char *path, struct trace_writer *writer, GError **error)
{
    const char *shown = trace_shown_path(path);
    struct trace_source *source = trace_source_open(path, error);
    if (!source)
        return false;
    trace_writer_check(writer, shown);
    if (trace_source_is_binary(source))
        return copy_binary(source, path, writer, error);
    return copy_text(source, shown, writer, error);
}
