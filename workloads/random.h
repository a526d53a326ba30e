/*
 * Chance for generators: splitmix64, a seeded sequence that is the same on
 * every host.  Good enough to shuffle; not for secrets.
 */
#pragma once

#include <stdint.h>

struct random {
    uint64_t state;
};

static inline uint64_t
random_next(struct random *random)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* A number below `bound` (at most 2^32): the high half of a product, whose
 * bias is below one in 2^32. */
static inline uint64_t
random_below(struct random *random, uint64_t bound)
{
    return ((random_next(random) >> 32) * bound) >> 32;
}
