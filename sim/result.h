/*
 * The result of a run: one JSON object, whose keys and their order are the
 * same for every run (only the names of marks are the trace's own).
 */
#pragma once

#include "sim/replay.h"
#include "sim/setup.h"

#include <jansson.h>

#define RESULT_SCHEMA 1

/* The timeline is taken over; NULL: there is none. */
json_t *result_json(const struct replay *replay, const struct setup *setup,
                    json_t *timeline);

/* The line of a combination that makes no sense. */
json_t *result_refused_json(const struct trace *trace,
                            const struct setup *setup);

/* One line, without the newline; for g_free. */
char *result_line(const json_t *result);
