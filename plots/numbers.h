/*
 * Numbers as a reader wants them: three digits that count, and a unit.  All
 * strings are for g_free.
 */
#pragma once

enum plot_unit { PLOT_COUNT, PLOT_BYTES, PLOT_NS };

/* The unit of an axis that reaches up to `most`. */
struct plot_scale {
    const char *name;  // "MiB", "k"
    const char *tics;  // format of gnuplot; counts have the "k" at each tic
    double divisor;
};

struct plot_scale plot_scale_for(enum plot_unit unit, double most);

/* What was measured: "129,000", "12.3 MiB", "4.50 ms". */
char *plot_number_text(enum plot_unit unit, double value);
/* Digits in groups of three, "1 234 567". */
char *plot_group_digits(const char *digits, char separator);
/* What was chosen: "16 GiB". */
char *plot_bytes_text(double bytes);

/* "1 %", "0.34 %", "99.9 %". */
char *plot_percent_text(double part, double whole);
