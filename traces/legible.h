/*
 * Text from files and command lines, as it can be shown to somebody: a file
 * may be called by any bytes, and a terminal obeys some of them.
 */
#pragma once

#include <glib.h>

/* Which control bytes stay; bytes that are no UTF-8 never do. */
enum legible_controls {
    LEGIBLE_NONE,   // a name within a line
    LEGIBLE_LINES,  // whole lines: \n, \r and \t
    LEGIBLE_ALL,    // what a JSON string can hold
};

/* A copy with \xNN for each byte that does not stay. */
char *legible(const char *text, size_t length, enum legible_controls controls);
/* Of a whole string. */
char *legible_text(const char *text, enum legible_controls controls);
