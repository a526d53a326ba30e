/*
 * Loading a trace that stands in a test as text.
 */
#pragma once

#include "traces/trace.h"

/* Load these bytes.  On failure NULL and, unless `message` is NULL, the error
 * as if the file were called t.trace. */
struct trace *load_bytes(const char *bytes, size_t length, char **message);

/* The text must load; "#vmtrace 1" is put before it. */
struct trace *load_lines(const char *lines);

/* The text must not load; the error. */
char *refuse_lines(const char *lines);

const struct trace_event *event_at(const struct trace *trace, unsigned index);
const struct trace_event *last_event(const struct trace *trace);

/* The canonical text of an event; the caller frees it. */
char *event_text(const struct trace *trace, const struct trace_event *event);

/* Two traces say the same: all tables equal, up to paths and line numbers. */
void assert_equal_traces(const struct trace *left, const struct trace *right);

/* A folder that is empty and the test's own; remove_folder() removes it. */
char *make_folder(void);
void remove_folder(char *folder);
