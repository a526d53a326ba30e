/*
 * System calls of a recording as lines of a trace.
 */
#pragma once

#include "traces/import_perf_state.h"

/* `enter` has a partner; `at` is the record of its effect's instant. */
void import_perf_call(struct import *import, struct import_task *task,
                      const struct perf_record *enter,
                      const struct perf_record *at);
