/*
 * trace_load(): the lines of a trace, one after the other.
 *
 * Memory is bounded by one buffer beside the trace itself: a line that is too
 * long is refused when the buffer is full, however long it would have been.
 * Bytes are judged (NUL, UTF-8) before words are.
 */
#include "traces/trace_reader.h"

#include <string.h>

#include "traces/trace_source.h"
#include "traces/trace_syntax.h"

enum {
    BUFFER_BYTES = 512 * 1024,
    COMMENT_BYTES_MAX = 64 * 1024,  // of those kept with the trace
};

/* The window of the text that is in memory: bytes [next, end) are unread. */
struct window {
    struct trace_source *source;
    char *bytes;  // one more than BUFFER_BYTES, for a missing last newline
    size_t next, end;
    bool is_ascii;  // all of [next, end) is, without a NUL
    bool is_ended;  // nothing follows
};

/* True if no byte is NUL or above 0x7f. */
static bool
is_plain_ascii(const char *bytes, size_t length)
{
    uint64_t high = 0;
    size_t i = 0;
    for (; i + 8 <= length; i += 8) {
        uint64_t chunk;
        memcpy(&chunk, bytes + i, 8);
        high |= chunk;
    }
    for (; i < length; i++)
        high |= (unsigned char)bytes[i];
    return (high & UINT64_C(0x8080808080808080)) == 0 &&
           !memchr(bytes, 0, length);
}

/* Move the unread bytes to the front and read on behind them. */
static bool
window_fill(struct window *window, GError **error)
{
    size_t kept = window->end - window->next;
    memmove(window->bytes, window->bytes + window->next, kept);
    gssize got = trace_source_read(window->source, window->bytes + kept,
                                   BUFFER_BYTES - kept, error);
    if (got < 0)
        return false;
    window->next = 0;
    window->end = kept + (size_t)got;
    window->is_ended = got == 0;
    window->is_ascii = is_plain_ascii(window->bytes, window->end);
    return true;
}

/* Put "path:line:1: " before a sentence of the source. */
static bool
place_error(struct trace_reader *reader)
{
    g_prefix_error(reader->text.error,
                   "%s:%" G_GUINT64_FORMAT ":1: ", reader->text.path,
                   reader->text.line);
    return false;
}

/* Set text to the next line, which ends in a newline; *length is without it.
 * At the end of the trace text.start is NULL. */
static bool
next_line(struct trace_reader *reader, struct window *window, size_t *length)
{
    struct trace_text *text = &reader->text;
    char *start = window->bytes + window->next;
    size_t unread = window->end - window->next;
    char *newline = memchr(start, '\n', unread);
    text->line++;
    while (!newline && unread <= TRACE_LINE_BYTES_MAX && !window->is_ended) {
        size_t judged = unread;
        if (!window_fill(window, text->error))
            return place_error(reader);
        start = window->bytes;
        unread = window->end;
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
    start[*length] = '\n';
    window->next += *length + (newline ? 1 : 0);
    return true;
}

static bool
check_bytes(struct trace_text *text, size_t length)
{
    const char *bad;
    if (g_utf8_validate_len(text->start, length, &bad))
        return true;
    if (*bad == '\0')
        return trace_text_fail_found(text, bad, TRACE_ERROR_SYNTAX, "text",
                                     "a NUL byte");
    g_autofree char *found =
        g_strdup_printf("the byte 0x%02x", (unsigned char)*bad);
    return trace_text_fail_found(text, bad, TRACE_ERROR_SYNTAX, "UTF-8", found);
}

/* A binary file need not have lines, so its first bytes are judged as they
 * are, before any line is. */
static bool
read_first_line(struct trace_reader *reader, struct window *window)
{
    static const char version[] = "#vmtrace 1";
    static const char expected[] = "\"#vmtrace 1\" as the first line";
    struct trace_text *text = &reader->text;
    text->line = 1;
    do {
        if (!window_fill(window, text->error))
            return place_error(reader);
    } while (window->end < sizeof(version) && !window->is_ended);
    window->bytes[window->end] = '\n';
    text->start = text->at = window->bytes;
    if (window->end == 0)
        return trace_text_fail_found(text, text->at, TRACE_ERROR_SYNTAX,
                                     expected, "an empty file");
    size_t shown =
        (size_t)((char *)memchr(text->at, '\n', window->end + 1) - text->at);
    if (!trace_text_take_word(text, version) || trace_text_next(text)) {
        g_autofree char *found = trace_text_quote(text->start, shown);
        return trace_text_fail_found(text, text->start, TRACE_ERROR_SYNTAX,
                                     expected, found);
    }
    text->line = 0;
    size_t length;
    return next_line(reader, window, &length);
}

static bool
take_header_word(struct trace_text *text, const char *what, char **word)
{
    if (!trace_text_next(text))
        return trace_text_fail(text, text->at, TRACE_ERROR_SYNTAX, what);
    size_t length = trace_text_word_length(text, text->at);
    *word = g_strndup(text->at, length);
    text->at += length;
    return true;
}

static bool
read_touches(struct trace_reader *reader)
{
    struct trace_text *text = &reader->text;
    struct trace *trace = reader->trace;
    trace_text_next(text);
    if (trace_text_take_word(text, "accesses")) {
        trace->touches = TRACE_TOUCHES_ACCESSES;
        return true;
    }
    if (trace_text_take_word(text, "filtered")) {
        trace->touches = TRACE_TOUCHES_FILTERED;
        return true;
    }
    if (!trace_text_take_word(text, "faults"))
        return trace_text_fail(text, text->at, TRACE_ERROR_SYNTAX,
                               "accesses, faults KERNEL or filtered");
    trace->touches = TRACE_TOUCHES_FAULTS;
    return take_header_word(text, "the kernel it was recorded on",
                            &trace->touches_kernel);
}

static bool
read_rewrite(struct trace_reader *reader)
{
    return take_header_word(&reader->text, "the rules of the rewriting",
                            &reader->trace->rewrite);
}

static void
keep_comment(struct trace_reader *reader, size_t length)
{
    reader->comment_bytes += length + sizeof(char *);
    if (reader->comment_bytes <= COMMENT_BYTES_MAX)
        g_ptr_array_add(reader->trace->comments,
                        g_strndup(reader->text.start, length));
}

static bool
take_header(struct trace_reader *reader, unsigned bit, const char *word,
            bool (*read)(struct trace_reader *reader))
{
    struct trace_text *text = &reader->text;
    if (reader->trace->events->len > 0 || (reader->headers_seen >> bit & 1))
        return trace_text_fail_found(text, text->start, TRACE_ERROR_ORDER,
                                     "a header once and above the events",
                                     word);
    reader->headers_seen |= 1u << bit;
    if (!read(reader))
        return false;
    return !trace_text_next(text) ||
           trace_text_fail(text, text->at, TRACE_ERROR_SYNTAX,
                           "the end of the line");
}

/* A line that begins with `#`: a header line or a comment. */
static bool
read_comment(struct trace_reader *reader, size_t length)
{
    static const struct {
        const char *word;
        bool (*read)(struct trace_reader *reader);
    } headers[] = {{"#touches", read_touches}, {"#rewrite", read_rewrite}};
    for (unsigned i = 0; i < G_N_ELEMENTS(headers); i++) {
        if (trace_text_take_word(&reader->text, headers[i].word))
            return take_header(reader, i, headers[i].word, headers[i].read);
    }
    if (reader->trace->events->len == 0)
        keep_comment(reader, length);
    return true;
}

static bool
read_lines(struct trace_reader *reader, struct window *window)
{
    struct trace_text *text = &reader->text;
    for (;;) {
        size_t length;
        if (!next_line(reader, window, &length))
            return false;
        if (!text->start)
            return true;
        if (!window->is_ascii && !check_bytes(text, length))
            return false;
        text->at = text->start;
        text->in_list = false;
        bool is_read = true;
        if (trace_text_next(text))
            is_read = trace_read_event(reader);
        else if (*text->start == '#')
            is_read = read_comment(reader, length);
        if (!is_read)
            return false;
    }
}

static GArray *
new_table(size_t element_bytes)
{
    return g_array_new(FALSE, FALSE, (guint)element_bytes);
}

static struct trace *
trace_new(const char *path)
{
    static const struct trace_binding unnamed = {.name = TRACE_NONE};
    struct trace *trace = g_new0(struct trace, 1);
    trace->path = g_strdup(path);
    trace->events = new_table(sizeof(struct trace_event));
    trace->details = new_table(sizeof(struct trace_detail));
    trace->results = new_table(sizeof(struct trace_result));
    trace->runs = new_table(sizeof(struct trace_run));
    trace->tasks = new_table(sizeof(struct trace_task));
    trace->bindings = new_table(sizeof(struct trace_binding));
    trace->files = new_table(sizeof(struct trace_file));
    trace->strings = g_ptr_array_new_with_free_func(g_free);
    trace->comments = g_ptr_array_new_with_free_func(g_free);
    for (unsigned i = 0; i < TRACE_BINDING_FIRST; i++)
        g_array_append_val(trace->bindings, unnamed);
    return trace;
}

void
trace_free(struct trace *trace)
{
    if (!trace)
        return;
    g_free(trace->path);
    g_free(trace->touches_kernel);
    g_free(trace->rewrite);
    g_array_unref(trace->events);
    g_array_unref(trace->details);
    g_array_unref(trace->results);
    g_array_unref(trace->runs);
    g_array_unref(trace->tasks);
    g_array_unref(trace->bindings);
    g_array_unref(trace->files);
    g_ptr_array_unref(trace->strings);
    g_ptr_array_unref(trace->comments);
    g_free(trace);
}

/* A replay can use the trace's times only if no event lacks one. */
static bool
find_has_times(const struct trace *trace)
{
    bool has_any = false;
    for (unsigned i = 0; i < trace->events->len; i++) {
        const struct trace_event *event =
            &g_array_index(trace->events, struct trace_event, i);
        if (!trace_syntax[event->op].has_time)
            continue;
        if (!(event->flags & TRACE_HAS_TIME))
            return false;
        has_any = true;
    }
    return has_any;
}

static void
reader_init(struct trace_reader *reader, const char *path, GError **error)
{
    *reader = (struct trace_reader){
        .trace = trace_new(path),
        .text = {.path = strcmp(path, "-") == 0 ? "stdin" : path,
                 .error = error},
        .file_of_name = g_hash_table_new(NULL, NULL),
        .scratch = g_string_new(NULL),
    };
    trace_strings_init(&reader->strings, reader->trace->strings);
    trace_strings_add(&reader->strings, "heap", 4);
    trace_strings_add(&reader->strings, "stack", 5);
    trace_tasks_init(&reader->tasks);
}

/* The trace stays with the caller. */
static struct trace *
reader_finish(struct trace_reader *reader)
{
    trace_tasks_finish(&reader->tasks);
    trace_strings_finish(&reader->strings);
    g_string_free(reader->scratch, TRUE);
    g_hash_table_destroy(reader->file_of_name);
    return reader->trace;
}

struct trace *
trace_load(const char *path, GError **error)
{
    struct window window = {.source = trace_source_open(path, error)};
    if (!window.source)
        return NULL;
    struct trace_reader reader;
    window.bytes = g_malloc(BUFFER_BYTES + 1);
    reader_init(&reader, path, error);
    bool is_read =
        read_first_line(&reader, &window) && read_lines(&reader, &window);
    struct trace *trace = reader_finish(&reader);
    if (is_read) {
        trace->has_times = find_has_times(trace);
        trace_source_digests(window.source, trace->sha256,
                             trace->content_sha256);
    }
    g_free(window.bytes);
    trace_source_free(window.source);
    if (is_read)
        return trace;
    trace_free(trace);
    return NULL;
}

const char *
trace_string(const struct trace *trace, uint32_t index)
{
    return g_ptr_array_index(trace->strings, index);
}
