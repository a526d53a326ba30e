/*
 * Recording a program on this host: perf or strace watches it, the importers
 * make a trace of what they saw.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct record_wishes {
    char **command;      // ends with NULL
    const char *output;  // the trace; NULL or "-": standard output
    const char *tool;    // "perf", "strace"; NULL: the best that may be used
    const char *buffer;  // of every CPU, as perf reads sizes
};

/* The trace goes there, so the command's own output does not. */
bool record_uses_standard_output(const struct record_wishes *wishes);

/* Run the command to its end, or to Ctrl-C, and write its trace.  What is told
 * to the user on the way goes to standard error. */
bool record_run(const struct record_wishes *wishes, GError **error);
