/*
 * nptl-stacks: a thousand thread stacks at once.
 *
 * Each thread creates the next one, so that all are alive when the last has
 * started; then each ends after the one that it created, and frees that one's
 * stack.  A stack is a mapping with its guard carved out of its lowest end;
 * how the guard is made is a policy.  What is measured: VMAs per stack, and
 * what it costs to find room for the next stack among the ones before.
 *
 * Stack k is region Sk, of thread k + 1; thread 1 is the process's first.
 *
 * Not modelled: the library's cache of freed stacks; each is unmapped at once.
 */
#include "workloads/workload_private.h"

/* What a thread touches when it has just started: its own descriptor at the
 * top of the stack, and the page below, where its first frames lie. */
enum { TOUCHED_BYTES = 2 * WORKLOAD_PAGE_BYTES };

static const struct workload_option nptl_stacks_options[] = {
    {.name = "threads",
     .kind = WORKLOAD_COUNT,
     .fallback = "1000",
     .help = "stacks that are alive at once",
     .max = 10000000},
    {.name = "stack-size",
     .kind = WORKLOAD_SIZE,
     .fallback = "1M",
     .help = "length of a stack, its guard included",
     .min = 4 * WORKLOAD_PAGE_BYTES,
     .max = UINT64_C(1) << 40},
    {.name = "guard-size",
     .kind = WORKLOAD_SIZE,
     .fallback = "4K",
     .help = "length of the guard; 0 for none",
     .max = UINT64_C(1) << 40},
    {0},
};

static bool
nptl_stacks_check(const struct workload_values *values, GError **error)
{
    uint64_t stack = workload_value(values, "stack-size");
    uint64_t guard = workload_value(values, "guard-size");

    if (guard + TOUCHED_BYTES <= stack)
        return true;
    g_set_error(error, WORKLOAD_ERROR, WORKLOAD_ERROR_VALUE,
                "--guard-size of nptl-stacks must leave 8K of --stack-size");
    return false;
}

static void
nptl_stacks_generate(const struct workload_values *values,
                     struct trace_writer *out)
{
    uint64_t threads = workload_value(values, "threads");
    uint64_t guard_bytes = workload_value(values, "guard-size");
    g_autofree char *size =
        workload_size_text(workload_value(values, "stack-size"));
    g_autofree char *guard = workload_size_text(guard_bytes);

    workload_line(out, 1, "start comm=nptl-stacks");
    for (uint64_t k = 1; k <= threads; k++) {
        workload_line(out, k, "mmap S%" PRIu64 " %s rw- anon,private,stack", k,
                      size);
        if (guard_bytes > 0)
            workload_line(out, k, "guard S%" PRIu64 " %s", k, guard);
        workload_line(out, k, "thread %" PRIu64, k + 1);
        workload_line(out, k + 1, "w S%" PRIu64 "-8K 8K", k);
    }
    workload_line(out, threads + 1, "mark all-alive");
    for (uint64_t k = threads; k >= 1; k--) {
        workload_line(out, k + 1, "exit");
        workload_line(out, k, "munmap S%" PRIu64 " %s", k, size);
    }
}

const struct workload workload_nptl_stacks = {
    .name = "nptl-stacks",
    .summary = "A thousand thread stacks alive at once, freed in reverse",
    .options = nptl_stacks_options,
    .check = nptl_stacks_check,
    .generate = nptl_stacks_generate,
};
