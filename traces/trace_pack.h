/*
 * A window of a trace in a sixth of its memory, quickly unpacked again.
 *
 * An event is eight words, and most events differ in one of them from the last
 * event of their kind and task.  So a pack holds, of each event, which words
 * are new and those words.  What the words mean does not matter here.
 */
#pragma once

#include "traces/trace.h"

struct trace_pack;

struct trace_pack *trace_pack_new(const struct trace *window);
void trace_pack_free(struct trace_pack *pack);

/* Bytes that it takes. */
size_t trace_pack_size(const struct trace_pack *pack);

/* Fill window->events, which is the caller's.  The other tables of events are
 * the pack's own from here on. */
void trace_pack_open(const struct trace_pack *pack, struct trace *window);
