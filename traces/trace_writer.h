/*
 * Write a trace, line by line: as text, or as a binary trace when the path ends
 * in ".vmt", and compressed when ".zst" follows.
 *
 * The file appears under its name only when trace_writer_close() succeeds
 * (written beside it, then renamed); until then an old file stays as it was.
 * Callers write lines; the writer adds nothing but the first line.  A binary
 * trace needs lines that can be read: others are an error of
 * trace_writer_close().
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

struct trace_writer;

/* path NULL or "-": standard output, uncompressed. */
struct trace_writer *trace_writer_open(const char *path, GError **error);

/* Read every line before it is written, and let errors say that it stands in
 * `origin`.  To be called before the first line. */
void trace_writer_check(struct trace_writer *writer, const char *origin);
/* True when an error is kept; what is written now is dropped. */
bool trace_writer_has_failed(const struct trace_writer *writer);

/* One line, without its newline.  Errors are kept until close. */
void trace_writer_line(struct trace_writer *writer, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

/* The same of a line that is at hand, `length` bytes and a newline. */
void trace_writer_raw_line(struct trace_writer *writer, const char *line,
                           size_t length);

/* Write a name with the bytes that FORMAT.md forbids spelled %XX. */
char *trace_escape(const char *name);

/* Finish and rename.  Frees the writer either way. */
bool trace_writer_close(struct trace_writer *writer, GError **error);

/* Drop what was written; the old file stays.  Accepts NULL. */
void trace_writer_abandon(struct trace_writer *writer);
