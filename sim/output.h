/*
 * Where text goes: standard output, a file that appears by rename, or a device
 * or pipe that is written to as it is.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* path NULL or "-" is standard output. */
bool output_write(const char *path, const GString *text, GError **error);

/* Standard output, a device or a pipe: nothing can be put in its place. */
bool output_is_stream(const char *path);
