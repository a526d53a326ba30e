/*
 * The lines of a recording, one after another, in bounded memory.
 */
#pragma once

#include "traces/trace_text.h"

/* `text` stands at the first byte of a line that ends in a newline.  False with
 * text->error set ends the reading. */
typedef bool (*import_line_reader)(struct trace_text *text, void *data);

/* "-" is standard input; .zst is unpacked.  A line longer than 64 KiB, a NUL
 * byte or a last line without its newline is an error. */
bool import_read_lines(const char *path, import_line_reader read, void *data,
                       GError **error);

/* The recording ends at this line of the file, and something is missing: false
 * and *error.  TRACE_ERROR_EMPTY: everything is. */
bool import_fail_cut_off(const char *path, uint64_t line, enum trace_error code,
                         const char *expected, GError **error);
