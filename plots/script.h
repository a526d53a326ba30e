/*
 * Pieces of gnuplot scripts that all pictures share.
 *
 * Text of users (names of traces, kernels, policies) enters a script only
 * through script_quote(), which leaves gnuplot nothing to interpret, and every
 * terminal is opened with `noenhanced`.
 */
#pragma once

#include "plots/picture.h"

/* Append the text as a gnuplot string; control characters become blanks. */
void script_quote(GString *script, const char *text);
/* The same for `set xtics (...)`, where gnuplot expands % in labels. */
void script_quote_tic(GString *script, const char *text);
/* Append `array NAME[N] = [...]` of the strings. */
void script_array(GString *script, const char *name, const GPtrArray *texts);

/*
 * Begin picture->script: the comment, the terminal and the output, which
 * `gnuplot -e "term='png'; out='file.png'"` overrides, the data file as `in`,
 * and the look.  `width` and `height` are pixels.
 */
void script_begin(struct picture *picture, enum plot_term term, unsigned width,
                  unsigned height);

/* Set title and, below it in small print, what all runs share. */
void script_title(struct picture *picture, const struct plot_runs *runs);

/* "svg", "png" or "pdf". */
const char *script_term_name(enum plot_term term);
