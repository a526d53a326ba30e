/*
 * A generated trace as lines, for tests of the generators.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "workloads/workload.h"

struct generated {
    char *path;    // the trace on disk
    char **lines;  // NULL-terminated, without newlines
};

/* Generate `command`, words separated by single blanks: the name of a workload
 * and its options.  False, an error and nothing to free when it is refused. */
bool generated_try(struct generated *generated, const char *command,
                   GError **error);

/* The same for a command that must be legal. */
void generated_make(struct generated *generated, const char *command);
void generated_free(struct generated *generated);

/* Lines whose event begins with `event`: its word, or more of it. */
uint64_t generated_count(const struct generated *generated, const char *event);

/* The most processes that are alive after any line. */
uint64_t generated_peak(const struct generated *generated);
