/*
 * --timeline: gauges and a few counters, sampled every N events or
 * milliseconds of the functional clock.
 */
#pragma once

#include "sim/replay.h"

#include <glib.h>
#include <jansson.h>

struct timeline_spec {
    uint64_t every;  // 0: no timeline
    bool is_ms;      // of milliseconds, else of events
};

/* "N" or "Nms". */
bool timeline_parse(const char *text, struct timeline_spec *spec,
                    GError **error);

/* An empty `timeline` object. */
json_t *timeline_new(const struct timeline_spec *spec);
/* Add a row: the state before the next event. */
void timeline_sample(json_t *timeline, const struct replay *replay);
