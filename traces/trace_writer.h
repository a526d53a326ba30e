/*
 * Write a trace as text, compressed when the path ends in ".zst".
 *
 * The file appears under its name only when trace_writer_close() succeeds
 * (written beside it, then renamed); until then an old file stays as it was.
 * Callers write lines; the writer adds nothing but the first line.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

struct trace_writer;

/* path NULL or "-": standard output, uncompressed. */
struct trace_writer *trace_writer_open(const char *path, GError **error);

/* One line, without its newline.  Errors are kept until close. */
void trace_writer_line(struct trace_writer *writer, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

/* Write a name with the bytes that FORMAT.md forbids spelled %XX. */
char *trace_escape(const char *name);

/* Finish and rename.  Frees the writer either way. */
bool trace_writer_close(struct trace_writer *writer, GError **error);

/* Drop what was written; the old file stays.  Accepts NULL. */
void trace_writer_abandon(struct trace_writer *writer);
