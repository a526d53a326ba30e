/*
 * Counters and gauges by name: what `expect` may name.
 */
#pragma once

#include "mm/machine.h"

/* Value of a counter or gauge, or NULL when there is none of that name. */
const uint64_t *counter_find(const struct machine *machine, const char *name);

/* All names, counters first; NULL-terminated. */
extern const char *const counter_names[];
