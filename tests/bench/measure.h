/*
 * What the benchmarks share: a clock, a generator, medians, and one line of a
 * table or of JSON per result.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEASURE_ROUNDS 5

/* CPU time of the process. */
double measure_now_ns(void);
/* Host memory of the process. */
uint64_t measure_resident_bytes(void);
uint64_t measure_random(uint64_t *state);
/* Of MEASURE_ROUNDS values, which are sorted. */
double measure_median(double *values);

struct measure_result {
    const char *name;
    const char *unit;  // what one of is timed: page, call
    uint64_t size;     // that the cost may depend on; 0: none
    double ns;
    double limit_ns;  // of the limit loop; 0: it has no such thing
};

/* What the command line says: --json, and part of the names of what is to be
 * measured (otherwise everything). */
struct measure {
    bool is_json;
    const char *part;
};

/* Prints the table's head. */
struct measure measure_begin(int argc, char **argv);
bool measure_wants(const struct measure *measure, const char *name);
void measure_print(const struct measure *measure,
                   const struct measure_result *result);
