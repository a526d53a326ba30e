/*
 * Running gnuplot.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Its path, for g_free, or NULL if it is not installed. */
char *gnuplot_find(void);

/*
 * Let gnuplot carry out DIR/NAME.gp and put the picture at DIR/PICTURE.  The
 * picture appears whole or not at all.
 */
bool gnuplot_draw(const char *gnuplot, const char *dir, const char *name,
                  const char *picture, GError **error);
