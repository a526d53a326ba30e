/*
 * Fields and run columns of the data files.
 */
#include "plots/tsv.h"

#include <math.h>
#include <string.h>

void
tsv_text(GString *tsv, const char *text)
{
    bool is_quoted = strchr(text, '"') != NULL;

    if (is_quoted)
        g_string_append_c(tsv, '"');
    for (; *text; text++) {
        if (*text == '"')
            g_string_append_c(tsv, '"');
        g_string_append_c(tsv, g_ascii_iscntrl(*text) ? ' ' : *text);
    }
    g_string_append(tsv, is_quoted ? "\"\t" : "\t");
}

void
tsv_end_line(GString *tsv)
{
    g_string_truncate(tsv, tsv->len - 1);  // the tab of the last field
    g_string_append_c(tsv, '\n');
}

void
tsv_integer(GString *tsv, gint64 number)
{
    g_string_append_printf(tsv, "%" G_GINT64_FORMAT "\t", number);
}

void
tsv_double(GString *tsv, double number)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    if (!isfinite(number)) {
        g_string_append(tsv, "NaN\t");
        return;
    }
    g_ascii_formatd(text, sizeof(text), "%.10g", number);
    g_string_append(tsv, text);
    g_string_append_c(tsv, '\t');
}

void
tsv_number(GString *tsv, const json_t *number)
{
    if (json_is_integer(number))
        tsv_integer(tsv, json_integer_value(number));
    else
        tsv_double(tsv, number ? json_number_value(number) : (double)NAN);
}

void
tsv_run_header(GString *tsv, const struct plot_runs *runs)
{
    tsv_text(tsv, "validity");
    tsv_text(tsv, "label");
    tsv_text(tsv, "trace");
    for (unsigned i = 0; i < runs->settings->len; i++)
        tsv_text(tsv, runs->settings->pdata[i]);
    tsv_end_line(tsv);
}

void
tsv_run(GString *tsv, const struct plot_runs *runs, const struct plot_run *run)
{
    const json_t *trace = json_object_get(run->root, "trace");

    tsv_text(tsv, run->is_lower_bound ? "lower-bound" : "exact");
    tsv_text(tsv, run->label);
    tsv_text(tsv, json_string_value(json_object_get(trace, "path")));
    for (unsigned i = 0; i < runs->settings->len; i++) {
        const char *value = i < run->values->len ? run->values->pdata[i] : NULL;
        tsv_text(tsv, value ? value : "NaN");
    }
    tsv_end_line(tsv);
}
