/*
 * From results to pictures: the outside face of this folder.
 *
 * Each picture is three files that stand beside each other: X.tsv (the data),
 * X.gp (the gnuplot script) and X.svg, X.png or X.pdf.  index.md and
 * index.html list them.  Nothing here knows how a result came about.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#define PLOT_ERROR (plot_error_quark())
GQuark plot_error_quark(void);

enum plot_error {
    PLOT_ERROR_INPUT,    // the results are wrong: path:line:column in front
    PLOT_ERROR_OUTPUT,   // a file cannot be written
    PLOT_ERROR_GNUPLOT,  // gnuplot failed: what it said stands in the message
};

enum plot_term { PLOT_SVG, PLOT_PNG, PLOT_PDF };

/* What was done, for the caller to print. */
struct plot_report {
    GPtrArray *pictures;   // paths of the pictures that were drawn
    GPtrArray *sentences;  // what the user should know besides
    char *index_path;
};

/* Writes a file whole or not at all. */
typedef bool (*plot_writer)(const char *path, const GString *text,
                            GError **error);

/*
 * Draw what there is to see in the results ("-" is standard input) into the
 * directory, which is made if need be.  Without gnuplot on PATH the data and
 * the scripts are written and a sentence says so.  After a failure the report
 * is empty.
 */
bool plot_results(const char *results_path, const char *out_dir,
                  enum plot_term term, plot_writer write,
                  struct plot_report *report, GError **error);

void plot_report_clear(struct plot_report *report);
