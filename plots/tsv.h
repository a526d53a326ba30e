/*
 * Rows of the data files.
 *
 * Numbers stand first and text last.  Text that holds a quote is quoted as in
 * CSV, so that whatever it holds it stays one field of one line.
 */
#pragma once

#include "plots/results.h"

void tsv_text(GString *tsv, const char *text);
void tsv_end_line(GString *tsv);

/* A field and its tab.  A missing number is NaN; an integer stays exact. */
void tsv_number(GString *tsv, const json_t *number);
void tsv_double(GString *tsv, double number);
void tsv_integer(GString *tsv, gint64 number);

/* The columns that say which run a row is of, and the end of the line. */
void tsv_run_header(GString *tsv, const struct plot_runs *runs);
void tsv_run(GString *tsv, const struct plot_runs *runs,
             const struct plot_run *run);
