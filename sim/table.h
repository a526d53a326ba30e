/*
 * A result as a page for people.
 */
#pragma once

#include <glib.h>
#include <jansson.h>

void table_append(GString *out, const json_t *result);
