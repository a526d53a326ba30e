/*
 * Texts of traces as lists of lines, and making them as short as a difference
 * allows.
 */
#pragma once

#include "sim/verify.h"

#include <glib.h>

/* A trace of these lines (char *); NULL and *error when it is none. */
struct trace *lines_load(const GPtrArray *lines, GError **error);
/* The lines of a trace, in canonical text, one an event, without what a
 * verification has no use for: times and recorded results. */
GPtrArray *lines_of_trace(const struct trace *trace);

/*
 * Drop what a difference does not need, from `lines` that differ as `result`
 * says; afterwards `lines` is such that leaving any line out makes the
 * difference go away, and `result` is that of the rest.
 */
void shrink_lines(GPtrArray *lines, const struct setup *setup,
                  struct verify_result *result);
