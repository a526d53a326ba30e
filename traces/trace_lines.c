/*
 * See trace_lines.h.
 */
#include "traces/trace_lines.h"

#include <string.h>

enum { BUFFER_BYTES = 256 * 1024 };

/* The text that is in memory: bytes [next, end) are unread. */
struct trace_lines {
    struct trace_source *source;
    char *bytes;  // one more than BUFFER_BYTES, for a missing last newline
    size_t next, end;
    bool is_ended;  // nothing follows
    bool lacks_newline;
    struct sha256 digest;  // of the text, if the file is packed
};

/* Move the unread bytes to the front and read on behind them. */
static bool
fill(struct trace_lines *lines, GError **error)
{
    size_t kept = lines->end - lines->next;
    memmove(lines->bytes, lines->bytes + lines->next, kept);
    gssize got = trace_source_read(lines->source, lines->bytes + kept,
                                   BUFFER_BYTES - kept, error);
    if (got < 0)
        return false;
    lines->next = 0;
    lines->end = kept + (size_t)got;
    lines->is_ended = got == 0;
    if (trace_source_is_packed(lines->source))
        sha256_update(&lines->digest, lines->bytes + kept, (size_t)got);
    return true;
}

/* Put "path:line:1: " before a sentence of the source. */
static bool
place_error(const struct trace_text *text)
{
    g_prefix_error(text->error, "%s:%" G_GUINT64_FORMAT ":1: ", text->path,
                   text->line);
    return false;
}

bool
trace_lines_next(struct trace_lines *lines, struct trace_text *text,
                 size_t *length)
{
    char *start = lines->bytes + lines->next;
    size_t unread = lines->end - lines->next;
    char *newline = memchr(start, '\n', unread);
    text->line++;
    while (!newline && unread <= TRACE_LINE_BYTES_MAX && !lines->is_ended) {
        size_t judged = unread;
        if (!fill(lines, text->error))
            return place_error(text);
        start = lines->bytes;
        unread = lines->end;
        newline = memchr(start + judged, '\n', unread - judged);
    }
    text->start = start;
    *length = newline ? (size_t)(newline - start) : unread;
    if (*length > TRACE_LINE_BYTES_MAX)
        return trace_text_fail_found(
            text, start + TRACE_LINE_BYTES_MAX, TRACE_ERROR_RANGE,
            "a line of at most 65536 bytes", "a longer one");
    if (!newline && unread == 0)
        text->start = NULL;
    else if (!newline)
        lines->lacks_newline = true;
    start[*length] = '\n';
    lines->next += *length + (newline ? 1 : 0);
    return true;
}

const char *
trace_lines_ahead(const struct trace_lines *lines, const char **end)
{
    *end = lines->bytes + lines->end;
    return lines->bytes + lines->next;
}

void
trace_lines_skip(struct trace_lines *lines, const char *next)
{
    lines->next = (size_t)(next - lines->bytes);
}

/* A binary file need not have lines, so its first bytes are judged as they
 * are, before any line is. */
static bool
read_first_line(struct trace_lines *lines, struct trace_text *text)
{
    static const char version[] = "#vmtrace 1";
    static const char expected[] = "\"#vmtrace 1\" as the first line";
    text->line = 1;
    do {
        if (!fill(lines, text->error))
            return place_error(text);
    } while (lines->end < sizeof(version) && !lines->is_ended);
    lines->bytes[lines->end] = '\n';
    text->start = text->at = lines->bytes;
    if (lines->end == 0)
        return trace_text_fail_found(text, text->at, TRACE_ERROR_SYNTAX,
                                     expected, "an empty file");
    size_t shown =
        (size_t)((char *)memchr(text->at, '\n', lines->end + 1) - text->at);
    if (!trace_text_take_word(text, version) || trace_text_next(text)) {
        g_autofree char *found = trace_text_quote(text->start, shown);
        return trace_text_fail_found(text, text->start, TRACE_ERROR_SYNTAX,
                                     expected, found);
    }
    text->line = 0;
    size_t length;
    return trace_lines_next(lines, text, &length);
}

struct trace_lines *
trace_lines_open(struct trace_source *source, struct trace_text *text)
{
    struct trace_lines *lines = g_new0(struct trace_lines, 1);
    lines->source = source;
    lines->bytes = g_malloc(BUFFER_BYTES + 1);
    sha256_init(&lines->digest);
    if (read_first_line(lines, text))
        return lines;
    trace_lines_close(lines);
    return NULL;
}

void
trace_lines_close(struct trace_lines *lines)
{
    if (!lines)
        return;
    trace_source_free(lines->source);
    g_free(lines->bytes);
    g_free(lines);
}

void
trace_lines_digests(const struct trace_lines *lines, char file[65],
                    char text[65])
{
    const struct sha256 *digest = trace_source_digest(lines->source);
    sha256_hex(digest, file);
    struct sha256 of_text =
        trace_source_is_packed(lines->source) ? lines->digest : *digest;
    if (lines->lacks_newline)
        sha256_update(&of_text, "\n", 1);
    sha256_hex(&of_text, text);
}
