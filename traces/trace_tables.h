/*
 * Making the tables of a trace; only readers and writers of traces include it.
 */
#pragma once

#include "traces/trace.h"

#define TRACE_NO_DETAIL                                                        \
    {                                                                          \
        .binds = TRACE_NONE, .rebinds = TRACE_NONE, .comm = TRACE_NONE         \
    }

/* Without events; bindings 0..2 are there. */
struct trace *trace_new(const char *path);

/* The tables of events alone. */
void trace_init_window(struct trace *trace);
void trace_empty_window(struct trace *trace);
void trace_finish_window(struct trace *trace);
