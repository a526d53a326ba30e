/*
 * What the cost of is measured over its number: touched pages, VMAs, processes,
 * events.
 */
#pragma once

#include <stdint.h>

struct host_memory;
struct machine;

enum { GROWTH_ERA_2_6_32 = 3, GROWTH_ERA_6_18 = 4 };  // of era_config()

struct growth {
    const char *name, *unit;
    void (*use)(struct machine *machine, uint32_t count);
    uint32_t largest;  // of the benchmark
    uint32_t tested;   // of the test: enough to be measured in a moment
    int era;
};

#define GROWTH_COUNT 5
extern const struct growth growths[GROWTH_COUNT];

/* CPU time of all of `count`, from the making of the machine to its end: the
 * median of some rounds. */
double growth_median_ns(const struct growth *growth, uint32_t count,
                        struct host_memory *memory);

#define GROWTH_DOUBLINGS 3

/* Of a line by least squares through the times of GROWTH_DOUBLINGS + 1 sizes on
 * log-log paper, each twice the one before.  1.00: twice as many take twice as
 * long. */
double growth_slope(const double *ns);
