/*
 * Interned strings: equal bytes have one index, indices count from 0 in the
 * order of first use.  The strings themselves belong to the trace.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

struct trace_strings {
    GPtrArray *strings;  // char *; not owned
    struct trace_string_slot *slots;
    uint32_t slot_count;  // a power of two
    uint64_t total_bytes;
};

void trace_strings_init(struct trace_strings *strings, GPtrArray *storage);
void trace_strings_finish(struct trace_strings *strings);

/* UINT32_MAX when these bytes were never added. */
uint32_t trace_strings_find(const struct trace_strings *strings,
                            const char *bytes, size_t length);
/* The bytes hold no NUL.  UINT32_MAX when the limits of a trace are reached. */
uint32_t trace_strings_add(struct trace_strings *strings, const char *bytes,
                           size_t length);
