/*
 * Where a recorded task's time went, between the events of a trace.
 *
 * Known only of recordings with context switches and the begin and end of every
 * system call; of others nothing is written.
 */
#pragma once

#include "traces/import_perf_state.h"

/* Whether the recording can tell, and what its faults cost. */
void import_time_prepare(struct import *import);

/* Account for the time up to this record of a task, and note in its last fault
 * when that was done. */
void import_time_pass(const struct import *import, struct import_task *task,
                      struct perf_record *record);
