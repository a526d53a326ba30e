/*
 * Axes that cannot act on a trace: sweeping `guard` over a trace that makes no
 * guards gives equal runs, and the user should hear why.
 */
#pragma once

#include "traces/trace.h"

#include <glib.h>

/* A sentence on stderr for every swept axis on which nothing in the trace
 * depends. */
void idle_axes_warn(const struct trace *trace, const GArray *axes);
