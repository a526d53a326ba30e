/*
 * Chance that is the same on every host: splitmix64.
 */
#pragma once

#include <stdint.h>

static inline uint64_t
next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Below `limit`. */
static inline uint32_t
random_below(uint64_t *state, uint32_t limit)
{
    return (uint32_t)(next_random(state) % limit);
}
