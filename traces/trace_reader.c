/*
 * Lines become a trace: header lines and comments here, events in
 * trace_events.c.  Bytes are judged (NUL, UTF-8) before words are.
 */
#include "traces/trace_reader.h"

#include <string.h>

#include "traces/trace_tables.h"

enum { COMMENT_BYTES_MAX = 64 * 1024 };  // of those kept with the trace

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

static bool
check_bytes(struct trace_text *text, size_t length)
{
    const char *bad;
    if (is_plain_ascii(text->start, length) ||
        g_utf8_validate_len(text->start, length, &bad))
        return true;
    if (*bad == '\0')
        return trace_text_fail_found(text, bad, TRACE_ERROR_SYNTAX, "text",
                                     "a NUL byte");
    g_autofree char *found =
        g_strdup_printf("the byte 0x%02x", (unsigned char)*bad);
    return trace_text_fail_found(text, bad, TRACE_ERROR_SYNTAX, "UTF-8", found);
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
    if (reader->trace->event_count > 0 || (reader->headers_seen >> bit & 1))
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
    if (reader->trace->event_count == 0)
        keep_comment(reader, length);
    return true;
}

bool
trace_reader_line(struct trace_reader *reader, size_t length)
{
    struct trace_text *text = &reader->text;
    if (trace_read_touch(reader, length))
        return true;
    if (!check_bytes(text, length))
        return false;
    text->at = text->start;
    text->in_list = false;
    if (trace_text_next(text))
        return trace_read_event(reader);
    return *text->start != '#' || read_comment(reader, length);
}

void
trace_reader_begin(struct trace_reader *reader, const char *path,
                   GError **error)
{
    *reader = (struct trace_reader){
        .trace = trace_new(path),
        .text = {.path = trace_shown_path(path), .error = error},
        .file_of_name = g_hash_table_new(NULL, NULL),
        .mark_names = g_hash_table_new(NULL, NULL),
        .expected_names = g_hash_table_new(NULL, NULL),
        .scratch = g_string_new(NULL),
        .line_minus_event = UINT64_MAX,
        .names_age = 1,
    };
    for (unsigned i = 0; i < TRACE_OUTCOME_COUNT; i++) {
        const char *word = trace_outcome_word((enum trace_outcome)i);
        memcpy(&reader->outcome_words[i], word, strlen(word));
        reader->outcome_words[i] = GUINT64_FROM_LE(reader->outcome_words[i]);
    }
    trace_strings_init(&reader->strings, reader->trace->strings);
    trace_strings_add(&reader->strings, "heap", 4);
    trace_strings_add(&reader->strings, "stack", 5);
    trace_tasks_init(&reader->tasks);
}

struct trace *
trace_reader_end(struct trace_reader *reader)
{
    struct trace *trace = reader->trace;
    trace_tasks_finish(&reader->tasks);
    trace_strings_finish(&reader->strings);
    g_string_free(reader->scratch, TRUE);
    g_hash_table_destroy(reader->file_of_name);
    g_hash_table_destroy(reader->mark_names);
    g_hash_table_destroy(reader->expected_names);
    /* A replay can use the trace's times only if no event lacks one. */
    trace->has_times = reader->is_any_timed && !reader->is_any_untimed;
    return trace;
}
