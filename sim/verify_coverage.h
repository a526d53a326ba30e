/*
 * What a verification has exercised: pairs of call and errno, what touches
 * found, how ranges joined their neighbours and why not, and where.
 *
 * Everything that can happen is a cell of a table, whether it happened or not:
 * what was never reached shows as 0.  Which errors a call can return is from
 * its manual page and 6.18's source, without what no process can bring about
 * by its own calls (no memory for the kernel's objects, signals, hardware), and
 * without what vmsim does not model (sealed mappings, files opened for reading
 * only, RLIMIT_DATA and RLIMIT_NPROC).
 */
#pragma once

#include "mm/fault.h"
#include "mm/merge.h"
#include "mm/operation.h"

#include <glib.h>

#define COVERAGE_CALLS       38
#define COVERAGE_ERRORS      8
#define COVERAGE_ACCESSES    5
#define COVERAGE_GENERATIONS 4

struct verify_coverage {
    uint64_t event_count;
    uint64_t touch_count, present_count;  // pages
    uint64_t pairs[COVERAGE_CALLS][COVERAGE_ERRORS];
    uint64_t other_count;  // pairs that no cell is for
    char *other;           // one of them, or NULL
    uint64_t touches[COVERAGE_ACCESSES][OUTCOME_COUNT];  // pages
    struct merge_tally merges;
    /* Calls and touches whose range has a 2 MiB or 1 GiB border inside. */
    uint64_t border_2m_count, border_1g_count;
    uint64_t births[COVERAGE_GENERATIONS];  // forks by the child's generation
    GArray *generations;                    // uint8_t by task serial
};

struct verify_coverage *coverage_new(void);
void coverage_free(struct verify_coverage *coverage);

/* A call was carried out; zero_breaks: pages where the zero page was
 * replaced. */
void coverage_call(struct verify_coverage *coverage, const struct operation *op,
                   uint64_t zero_breaks);
/* A run ends: what its machine tallied is added. */
void coverage_end_run(struct verify_coverage *coverage,
                      const struct merge_tally *merges);

/* Tables of about a screen. */
void coverage_append(GString *out, const struct verify_coverage *coverage);
/* Which cells are below `least`, or that none is. */
void coverage_append_rare(GString *out, const struct verify_coverage *coverage,
                          uint64_t least);
