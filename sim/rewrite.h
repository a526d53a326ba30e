/*
 * The option --rewrite of import and convert.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* The rules of the option as bits of enum trace_rule; 0 with a usage error. */
unsigned rewrite_rules(const char *words, GError **error);

/* Read the trace `from`, rewrite it and write it to `to` (NULL: standard
 * output). */
bool rewrite_trace(const char *from, unsigned rules, const char *to,
                   GError **error);
