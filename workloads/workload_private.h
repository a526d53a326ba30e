/*
 * What the files of workloads/ share; nobody outside includes it.
 */
#pragma once

#include <inttypes.h>

#include "workloads/workload.h"

extern const struct workload workload_ebizzy;
extern const struct workload workload_nptl_stacks;
extern const struct workload workload_fork_tree;
extern const struct workload workload_sparse;
extern const struct workload workload_users;
extern const struct workload workload_brk_pingpong;
extern const struct workload workload_kernel_build;
extern const struct workload workload_snapshot;

enum { WORKLOAD_PAGE_BYTES = 4096 };

#define WORKLOAD_UID_MAX UINT64_C(4294967294)  // (uid_t)-1 means "no change"

static inline uint64_t
round_up(uint64_t value, uint64_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

/* Write one event of a task. */
void workload_line(struct trace_writer *out, uint64_t task, const char *format,
                   ...) G_GNUC_PRINTF(3, 4);

/* The shortest exact spelling of a number of bytes: 528384 is "516K". */
char *workload_size_text(uint64_t bytes);

/* NULL and an error when an argument is unknown or its value is illegal. */
struct workload_values *workload_values_parse(const struct workload *workload,
                                              char **args, GError **error);
void workload_values_free(struct workload_values *values);

/* The command line that makes the same trace again. */
char *workload_command_line(const struct workload_values *values);
