/*
 * Cuts blocks of a source into lines.
 */
#include "traces/import_lines.h"

#include <string.h>

#include "traces/trace_source.h"

enum { LINE_BYTES_MAX = 64 * 1024, BLOCK_BYTES = 256 * 1024 };

struct lines {
    struct trace_text text;
    GString *line;
    import_line_reader read;
    void *data;
};

/* lines->line holds a line with its newline. */
static bool
read_line(struct lines *lines)
{
    struct trace_text *text = &lines->text;
    text->start = text->at = lines->line->str;
    text->line++;
    const char *nul = memchr(text->start, '\0', lines->line->len);
    if (nul)
        return trace_text_fail_found(text, nul, TRACE_ERROR_SYNTAX, "text",
                                     "a NUL byte");
    return lines->read(text, lines->data);
}

/* What is left of the last line stays. */
static bool
read_block(struct lines *lines, const char *block, size_t length)
{
    while (length > 0) {
        const char *newline = memchr(block, '\n', length);
        size_t part = newline ? (size_t)(newline - block) + 1 : length;
        if (lines->line->len + part > LINE_BYTES_MAX) {
            lines->text.line++;
            lines->text.start = block;
            return trace_text_fail_found(&lines->text, block, TRACE_ERROR_RANGE,
                                         "a line of at most 64 KiB",
                                         "a longer one");
        }
        g_string_append_len(lines->line, block, (gssize)part);
        block += part;
        length -= part;
        if (newline && !read_line(lines))
            return false;
        if (newline)
            g_string_truncate(lines->line, 0);
    }
    return true;
}

static bool
read_source(struct lines *lines, struct trace_source *source)
{
    g_autofree char *block = g_malloc(BLOCK_BYTES);
    struct trace_text *text = &lines->text;
    GError *failure = NULL;
    gssize got;
    while ((got = trace_source_read(source, block, BLOCK_BYTES, &failure)) >
           0) {
        if (!read_block(lines, block, (size_t)got))
            return false;
    }
    if (got < 0) {
        g_propagate_prefixed_error(text->error, failure, "%s: ", text->path);
        return false;
    }
    if (lines->line->len == 0)
        return true;
    text->line++;
    text->start = lines->line->str;
    return trace_text_fail_found(text, text->start + lines->line->len,
                                 TRACE_ERROR_SYNTAX, "the end of the line",
                                 "the end of the file");
}

bool
import_read_lines(const char *path, import_line_reader read, void *data,
                  GError **error)
{
    struct trace_source *source = trace_source_open(path, error);
    if (!source)
        return false;
    struct lines lines = {
        .text = {.path = trace_shown_path(path), .error = error},
        .line = g_string_new(NULL),
        .read = read,
        .data = data,
    };
    bool ok = read_source(&lines, source);
    g_string_free(lines.line, TRUE);
    trace_source_free(source);
    return ok;
}

bool
import_fail_cut_off(const char *path, uint64_t line, enum trace_error code,
                    const char *expected, GError **error)
{
    g_set_error(error, TRACE_ERROR, (gint)code,
                "%s:%" G_GUINT64_FORMAT
                ":1: expected %s, found the end of the file (is the recording "
                "cut off?)",
                trace_shown_path(path), MAX(line, 1), expected);
    return false;
}
