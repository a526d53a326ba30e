/*
 * What the files that read a trace share; nobody outside includes it.
 */
#pragma once

#include "traces/trace.h"
#include "traces/trace_strings.h"
#include "traces/trace_tasks.h"
#include "traces/trace_text.h"

struct trace_reader {
    struct trace *trace;
    struct trace_text text;  // the current line
    struct trace_strings strings;
    struct trace_tasks tasks;
    GHashTable *file_of_name;  // string index -> file index
    GString *scratch;          // a name being decoded
    size_t comment_bytes;      // kept or not
    uint32_t headers_seen;     // bit per header line
};

/* The two names that nothing binds are the first two strings. */
enum { TRACE_STRING_HEAP, TRACE_STRING_STACK, TRACE_STRING_FIRST };

enum { TRACE_LINE_BYTES_MAX = 64 * 1024 };  // without the newline
#define TRACE_EVENT_COUNT_MAX (1u << 27)
#define TRACE_RUN_COUNT_MAX   (1u << 28)

/* Read the event of the current line into the trace; the cursor stands at the
 * first word.  On failure the error of reader.text is set. */
bool trace_read_event(struct trace_reader *reader);

/* Read `= RESULT` of `event`; the cursor stands at the `=`. */
bool trace_read_result(struct trace_reader *reader, struct trace_event *event);
