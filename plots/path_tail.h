/*
 * Telling files apart that are called the same.
 */
#pragma once

#include <glib.h>

/* The shortest end of a path, in whole names, that none of the paths (char *)
 * which differ from it has; all of it, without the root, if there is none.  For
 * g_free. */
char *path_tail(const char *path, const GPtrArray *paths);
