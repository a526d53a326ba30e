/*
 * A result as comma-separated values: one header row, one row of values.
 */
#pragma once

#include <glib.h>
#include <jansson.h>

/* Keys of nested objects are joined by dots; lists stay JSON, in quotes. */
void csv_append(GString *out, const json_t *result);
