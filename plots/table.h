/*
 * Several results side by side, as text for people.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* One line per run of the results file, one column per figure that is not
 * zero everywhere; then the refused combinations with their reasons. */
bool plot_results_table(const char *results_path, GString *out, GError **error);
