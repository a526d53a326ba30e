/*
 * The journal of a sweep: results of finished runs, until all are there.
 *
 * One line per run, "KEY RESULT\n", written at once.  The key is a digest of
 * everything that the result depends on, so that the same command can go on
 * where an interrupted one stopped.  A line without its newline is what a kill
 * left behind; it is cut off.  Results stay in the file: memory holds no more
 * than where they are.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define JOURNAL_KEY_LENGTH 64  // hexadecimal digits

struct journal;

/* Where a result is; length 0: nowhere. */
struct journal_place {
    uint64_t offset;
    uint32_t length;  // bytes
};

/*
 * Open the journal of `output`, creating it, and see what it holds; NULL: a
 * file without a name, which ends with the journal.  Two sweeps do not write
 * one journal: the second is refused.
 */
struct journal *journal_open(const char *output, GError **error);

/* Where the result with that key is, if it was there at the beginning. */
struct journal_place journal_find(const struct journal *journal,
                                  const char *key);

/* Append a finished run; may be called by several threads.  Length 0 and *error
 * when it cannot be written. */
struct journal_place journal_append(struct journal *journal, const char *key,
                                    const char *result, GError **error);

/* A result, for g_free(); NULL and *error when it cannot be read. */
char *journal_read(const struct journal *journal, struct journal_place place,
                   GError **error);

/* The results are safe elsewhere. */
void journal_remove(const struct journal *journal);
void journal_close(struct journal *journal);  // NULL: nothing
