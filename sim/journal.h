/*
 * The journal of a sweep: finished runs, so that the same command can go on
 * where an interrupted one stopped.
 *
 * One line per run, "KEY RESULT\n", written at once.  The key is a digest of
 * everything that the result depends on.  A line without its newline is what a
 * kill left behind; it is cut off.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

struct journal;

/* Open the journal of `output`, creating it, and read what it holds. */
struct journal *journal_open(const char *output, GError **error);

/* The result with that key, or NULL. */
const char *journal_find(const struct journal *journal, const char *key);

/* Append a finished run; may be called by several threads. */
bool journal_append(struct journal *journal, const char *key,
                    const char *result, GError **error);

/* `remove`: the results are safe elsewhere. */
void journal_close(struct journal *journal, bool remove);
