/*
 * Pricing a run.
 *
 * Picoseconds are summed and rounded once: a cost is the difference of two
 * rounded running sums, so that no nanosecond is lost between the costs and
 * their total.
 */
#include "sim/prices.h"

#define PS_PER_NS 1000

__extension__ typedef unsigned __int128 picoseconds;

/* clang-format off */
#define COST_NAME(name) #name,
const char *const cost_names[] = {"work", MM_COSTS(COST_NAME)};

#define CHARGE_COST(name, cost, meaning) COST_##cost,
static const enum cost cost_of[] = {MM_CHARGES(CHARGE_COST)};
/* clang-format on */

static uint64_t
round_to_ns(picoseconds ps)
{
    return (uint64_t)((ps + PS_PER_NS / 2) / PS_PER_NS);
}

struct simulated_time
price_run(const uint64_t charges[CHARGE_COUNT],
          const uint64_t price_ps[CHARGE_COUNT], uint64_t user_ns,
          uint64_t kwork_ns)
{
    picoseconds cost_ps[COST_COUNT] = {0};
    picoseconds sum = 0;
    struct simulated_time time = {.user = user_ns};

    for (int i = 0; i < CHARGE_COUNT; i++)
        cost_ps[cost_of[i]] += (picoseconds)charges[i] * price_ps[i];
    cost_ps[COST_kwork] = (picoseconds)kwork_ns * PS_PER_NS;
    for (int i = COST_work + 1; i < COST_COUNT; i++) {
        uint64_t before = round_to_ns(sum);
        sum += cost_ps[i];
        time.cost[i] = round_to_ns(sum) - before;
    }
    time.cost[COST_work] = user_ns;
    time.system = round_to_ns(sum);
    time.elapsed = time.user + time.system;
    return time;
}
