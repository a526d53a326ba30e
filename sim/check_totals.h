/*
 * Totals that the head of a recording names, and those of the run.
 */
#pragma once

#include "traces/trace.h"

#include <jansson.h>

struct machine;

/* { NAME: { "recorded": NUMBER or null, "found": NUMBER } ... } */
json_t *check_totals(const struct trace *trace, const struct machine *machine);
