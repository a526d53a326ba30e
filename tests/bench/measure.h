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

/* The table's head; is_json from the command line's --json. */
bool measure_begin(int argc, char **argv);
void measure_print(bool is_json, const struct measure_result *result);
