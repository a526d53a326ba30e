/*
 * Importing recordings that a test holds as text.
 */
#pragma once

#include "traces/import.h"

typedef bool (*importer)(GPtrArray *paths, const struct import_options *options,
                         struct trace_writer *out, GError **error);

/* Import texts[0], texts[1] ... until NULL as files 0.txt, 1.txt ... of the
 * folder.  The trace, which can be read; or NULL and the error without the
 * folder.  The caller frees both. */
char *import_texts(const char *folder, importer import,
                   const char *const *texts, char **message);

/* The recording is refused with a message that begins like this. */
void assert_refused(const char *folder, importer import, const char *recording,
                    const char *message);
