/*
 * What the files that read a trace share; nobody outside includes it.
 */
#pragma once

#include "traces/trace.h"
#include "traces/trace_strings.h"
#include "traces/trace_tasks.h"
#include "traces/trace_text.h"

enum { TRACE_MEANINGS = 64, TRACE_MEANING_WORDS = 3 };

/* What a name meant to a task when it was last looked up. */
struct trace_meaning {
    uint64_t name[TRACE_MEANING_WORDS];  // its bytes, NUL behind
    uint64_t names_age;                  // it still does if the reader's is it
    uint32_t task, binding;
};

struct trace_reader {
    struct trace *trace;
    struct trace_text text;  // the current line
    struct trace_strings strings;
    struct trace_tasks tasks;
    GHashTable *file_of_name;           // string index -> file index
    GHashTable *mark_names;             // string indices
    GHashTable *expected_names;         // string indices
    GString *scratch;                   // a name being decoded
    size_t comment_bytes;               // kept or not
    uint32_t headers_seen;              // bit per header line
    uint64_t line_minus_event;          // of the latest anchor
    bool is_any_timed, is_any_untimed;  // of the events that take time
    uint64_t names_age;  // changes when a name means something else
    struct trace_meaning meanings[TRACE_MEANINGS];
    uint64_t outcome_words[TRACE_OUTCOME_COUNT];  // as bytes, NUL behind
};

/* The two names that nothing binds are the first two strings. */
enum { TRACE_STRING_HEAP, TRACE_STRING_STACK, TRACE_STRING_FIRST };

/* `path` is what errors begin with.  The trace stays with the reader until
 * trace_reader_end(), which gives it to the caller, as far as it was read. */
void trace_reader_begin(struct trace_reader *reader, const char *path,
                        GError **error);
struct trace *trace_reader_end(struct trace_reader *reader);

/* Read the line at reader->text.start, which ends in a newline behind `length`
 * bytes.  Its event, if it is one, is appended to the trace; whoever takes
 * events away may empty the trace's window (trace_tables.h). */
bool trace_reader_line(struct trace_reader *reader, size_t length);

#define TRACE_EVENT_COUNT_MAX (1u << 27)
#define TRACE_RUN_COUNT_MAX   (1u << 28)

/* Read the event of the current line into the trace; the cursor stands at the
 * first word.  On failure the error of reader.text is set. */
bool trace_read_event(struct trace_reader *reader);

/* The same of the plainest touch; false, and nothing done, if it is none. */
bool trace_read_touch(struct trace_reader *reader, size_t length);

/* Read up to `limit` such lines, of which the first is at `at`.  Returns the
 * first byte not taken: what follows has to be read otherwise, or is too near
 * `end` to be judged. */
const char *trace_read_touches(struct trace_reader *reader, const char *at,
                               const char *end, guint limit);

/* Append an event of the current line, and what it says of the whole trace. */
void trace_append_event(struct trace_reader *reader,
                        const struct trace_event *event);
/* The next event is that of the current line. */
void trace_note_line(struct trace_reader *reader);

/* What a name means to a task, or TRACE_NONE. */
uint32_t trace_find_binding(struct trace_reader *reader,
                            struct trace_live *task, const char *name,
                            size_t length);

/* Read `= RESULT` of `event`; the cursor stands at the `=`. */
bool trace_read_result(struct trace_reader *reader, struct trace_event *event);
