/*
 * System calls by number and by the place of their arguments, for recorders
 * that know calls no closer than that.
 */
#pragma once

#include "traces/import_perf_line.h"

enum { IMPORT_CALL_ARGS = 6 };

/* The call with this number on x86-64; false: not one of PERF_CALLS. */
bool import_call_by_number(uint64_t number, uint8_t *call);
bool import_call_by_name(const char *name, size_t length, uint8_t *call);

/* Such a call does nothing but wait. */
bool import_call_waits(uint8_t call);

/* The arguments that a record keeps, out of all of the call's. */
void import_call_set_arguments(struct perf_record *record,
                               const uint64_t arguments[IMPORT_CALL_ARGS]);
