/*
 * Where text goes: standard output, a file that appears by rename, or a device
 * or pipe that is written to as it is.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

struct output;

/* path NULL or "-" is standard output. */
struct output *output_open(const char *path, GError **error);
bool output_append(struct output *output, const char *text, size_t length,
                   GError **error);
/* Let the file appear; until then there is none. */
bool output_close(struct output *output, GError **error);
/* Let it not appear; what a stream was given stays there. */
void output_abandon(struct output *output);

/* All of that for one text. */
bool output_write(const char *path, const GString *text, GError **error);

/* Standard output, a device or a pipe: nothing can be put in its place. */
bool output_is_stream(const char *path);
