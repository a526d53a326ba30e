/*
 * Workloads: generators of synthetic traces.
 *
 * A workload turns a few numbers into the text of a trace.  It looks at
 * nothing but its options: the same command line makes the same bytes on every
 * host.  It never calls the simulated kernel and never names a policy; where
 * the choice of call is a policy it writes `purge`, `reuse` or `guard`.
 *
 * Each workload describes its options in a table, from which the parser, the
 * help text and the canonical command line on line 2 of every trace are made.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "traces/trace_writer.h"

enum workload_option_kind {
    WORKLOAD_COUNT,     // a decimal number
    WORKLOAD_SIZE,      // bytes, with K, M, G or T
    WORKLOAD_FRACTION,  // 0 to 1; its value is in units of 1e-9
    WORKLOAD_CHOICE,    // a word of `choices`; its value is the index
    WORKLOAD_FLAG,      // present or not; its value is 1 or 0
    WORKLOAD_MS,        // milliseconds; its value is in ns
};

#define WORKLOAD_FRACTION_ONE UINT64_C(1000000000)

struct workload_option {
    const char *name;  // without the dashes; NULL ends a table
    enum workload_option_kind kind;
    const char *fallback;  // as written on a command line; NULL: not given
    const char *help;
    uint64_t min, max;           // legal values, both included
    const char *const *choices;  // WORKLOAD_CHOICE: NULL-terminated
};

struct workload_values;

/* The option must be in the workload's table; 0 when it was not given. */
uint64_t workload_value(const struct workload_values *values,
                        const char *option);
bool workload_is_given(const struct workload_values *values,
                       const char *option);

struct workload {
    const char *name;
    const char *summary;
    const struct workload_option *options;
    /* Whether values that are legal one by one also fit together; NULL when
     * they always do. */
    bool (*check)(const struct workload_values *values, GError **error);
    void (*generate)(const struct workload_values *values,
                     struct trace_writer *out);
};

#define WORKLOAD_ERROR (workload_error_quark())
GQuark workload_error_quark(void);
enum workload_error {
    WORKLOAD_ERROR_UNKNOWN,  // no such workload or option
    WORKLOAD_ERROR_VALUE,    // a value is missing, malformed or out of range
};

/* All workloads in the order of their help; NULL-terminated. */
extern const struct workload *const workloads[];

/* NULL when there is none of that name. */
const struct workload *workload_find(const char *name);

/*
 * Generate the workload `name` from NULL-terminated arguments of the forms
 * `--option VALUE`, `--option=VALUE` and `--flag`.  On a wrong argument false,
 * one sentence in *error, and nothing was written.
 */
bool workload_run(const char *name, char **args, struct trace_writer *out,
                  GError **error);

/* Append what `vmsim gen WORKLOAD --help` prints. */
void workload_help(const struct workload *workload, GString *text);
