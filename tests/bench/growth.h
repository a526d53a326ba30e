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

#define GROWTH_DOUBLINGS     3  // that the slope is taken over: the last ones
#define GROWTH_DOUBLINGS_MAX 7

/* CPU time of all of `count`, from the making of the machine to its end, for
 * `doublings` + 1 sizes up to `largest`: each the median of some rounds.  A
 * round takes every size once, so that what slows the host down for a while
 * slows them all.  Returns the median of the rounds' slopes. */
double growth_measure(const struct growth *growth, uint32_t largest,
                      unsigned doublings, struct host_memory *memory,
                      double *median_ns);

/* Of a line by least squares through the times of GROWTH_DOUBLINGS + 1 sizes on
 * log-log paper, each twice the one before.  1.00: twice as many take twice as
 * long. */
double growth_slope(const double *ns);
