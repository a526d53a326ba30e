/*
 * Running gnuplot.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Its path, for g_free, or NULL if it is not installed. */
char *gnuplot_find(void);

/* Let gnuplot carry out DIR/NAME.gp; the bytes of the picture are appended to
 * `picture`. */
bool gnuplot_draw(const char *gnuplot, const char *dir, const char *name,
                  GString *picture, GError **error);
