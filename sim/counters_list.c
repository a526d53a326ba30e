/*
 * The list of counters and gauges, made from the tables of mm/.
 */
#include "sim/counters_list.h"

#include <string.h>

/* clang-format off */
#define COUNTER_NAME(name, class, meaning) #name,
#define GAUGE_NAME(name, meaning) #name,
const char *const counter_names[] = {
    MM_COUNTERS(COUNTER_NAME) MM_GAUGES(GAUGE_NAME) NULL};

#define COUNTER_OFFSET(name, class, meaning)                                   \
    offsetof(struct machine, counters.name),
#define GAUGE_OFFSET(name, meaning)                                            \
    offsetof(struct machine, gauge) + GAUGE_##name * sizeof(uint64_t),
static const size_t offsets[] = {
    MM_COUNTERS(COUNTER_OFFSET) MM_GAUGES(GAUGE_OFFSET)};
/* clang-format on */

const uint64_t *
counter_find(const struct machine *machine, const char *name)
{
    for (size_t i = 0; counter_names[i]; i++)
        if (strcmp(counter_names[i], name) == 0)
            return (const uint64_t *)((const void *)((const char *)machine +
                                                     offsets[i]));
    return NULL;
}
