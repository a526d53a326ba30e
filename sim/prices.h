/*
 * Simulated time of a run: what was counted, times the machine's price list.
 */
#pragma once

#include "mm/counters.h"

enum cost {
    COST_work,  // the program's own, user CPU time
#define COST_ENUM(name) COST_##name,
    MM_COSTS(COST_ENUM)
#undef COST_ENUM
        COST_COUNT
};

extern const char *const cost_names[];  // by enum cost

/* Nanoseconds.  The costs add up to user + system exactly. */
struct simulated_time {
    uint64_t elapsed, user, system;
    uint64_t cost[COST_COUNT];
};

struct simulated_time price_run(const uint64_t charges[CHARGE_COUNT],
                                const uint64_t price_ps[CHARGE_COUNT],
                                uint64_t user_ns, uint64_t kwork_ns);
