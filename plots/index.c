/*
 * The index.  User text is escaped for either language.
 */
#include "plots/index.h"

#include <string.h>

/* Markdown gives meaning to these; a backslash takes it away. */
static char *
markdown_escape(const char *text)
{
    GString *escaped = g_string_new(NULL);

    for (; *text; text++) {
        if (strchr("\\`*_{}[]()#+!|<>&~$", *text))
            g_string_append_c(escaped, '\\');
        g_string_append_c(escaped, g_ascii_iscntrl(*text) ? ' ' : *text);
    }
    return g_string_free(escaped, FALSE);
}

static char *
html_escape(const char *text)
{
    return g_markup_escape_text(text, -1);
}

/* What the two indexes have in common is said once, in these words. */
struct words {
    char *(*escape)(const char *text);
    const char *paragraph;  // two %s: lead and text
    const char *list_begin;
    const char *item;  // two %s: name and text
    const char *list_end;
};

static const struct words markdown = {markdown_escape, "%s%s\n\n", "",
                                      "- %s: %s\n", "\n"};
static const struct words html = {html_escape, "<p>%s%s</p>\n", "<ul>\n",
                                  "<li>%s: %s</li>\n", "</ul>\n"};

static void
append(GString *index, const struct words *words, const char *format,
       const char *first, const char *second)
{
    g_autofree char *left = words->escape(first);
    g_autofree char *right = words->escape(second);
    const char *at = format;
    const char *mark;

    for (unsigned i = 0; (mark = strstr(at, "%s")); i++) {
        g_string_append_len(index, at, mark - at);
        g_string_append(index, i == 0 ? left : right);
        at = mark + strlen("%s");
    }
    g_string_append(index, at);
}

static void
append_source(GString *index, const struct words *words,
              const struct plot_runs *runs)
{
    g_autofree char *counts =
        g_strdup_printf("%u run%s of %u trace%s, ", runs->runs->len,
                        runs->runs->len == 1 ? "" : "s", runs->traces->len,
                        runs->traces->len == 1 ? "" : "s");

    append(index, words, words->paragraph, counts, runs->name);
    if (*runs->common)
        append(index, words, words->paragraph, "All runs: ", runs->common);
}

/* A list under a heading, if it has items. */
static void
append_list(GString *index, const struct words *words, const char *heading,
            const GString *items)
{
    if (items->len == 0)
        return;
    append(index, words, words->paragraph, heading, ":");
    g_string_append(index, words->list_begin);
    g_string_append_len(index, items->str, (gssize)items->len);
    g_string_append(index, words->list_end);
}

static void
append_left_out(GString *index, const struct words *words,
                const struct picture *pictures, unsigned count)
{
    g_autoptr(GString) items = g_string_new(NULL);

    for (unsigned i = 0; i < count; i++)
        if (pictures[i].left_out)
            append(items, words, words->item, pictures[i].name,
                   pictures[i].left_out);
    append_list(index, words, "Left out", items);
}

static void
append_lower_bounds(GString *index, const struct words *words,
                    const struct plot_runs *runs)
{
    g_autoptr(GString) items = g_string_new(NULL);

    for (unsigned i = 0; i < runs->runs->len; i++) {
        const struct plot_run *run = plot_run_at(runs, i);
        const char *reason =
            json_string_value(json_object_get(run->root, "validity_reason"));
        if (run->is_lower_bound)
            append(items, words, words->item, run->label,
                   reason ? reason : "no reason was given");
    }
    append_list(index, words, "Lower bounds, marked >=", items);
}

static void
append_refused(GString *index, const struct words *words,
               const struct plot_runs *runs)
{
    g_autoptr(GString) items = g_string_new(NULL);

    for (unsigned i = 0; i < runs->refused->len; i++) {
        const struct plot_run *run = runs->refused->pdata[i];
        append(items, words, words->item, run->label,
               json_string_value(json_object_get(run->root, "refused")));
    }
    append_list(index, words, "Refused combinations", items);
}

/* "6.18: gap=rb-gap (wants maple)" */
static void
append_substitutes(GString *items, const struct words *words,
                   const struct plot_run *run, const char *kernel)
{
    g_autoptr(GString) text = g_string_new(NULL);
    const char *axis;
    json_t *pair;

    json_object_foreach (plot_run_section(run, "config.substituted"), axis,
                         pair) {
        const char *used = json_string_value(json_object_get(pair, "used"));
        const char *wanted = json_string_value(json_object_get(pair, "wanted"));
        if (used && wanted)
            g_string_append_printf(text, "%s%s=%s (wants %s)",
                                   text->len > 0 ? ", " : "", axis, used,
                                   wanted);
    }
    if (text->len > 0)
        append(items, words, words->item, kernel, text->str);
}

static void
append_substituted(GString *index, const struct words *words,
                   const struct plot_runs *runs)
{
    g_autoptr(GString) items = g_string_new(NULL);
    g_autoptr(GPtrArray) seen = g_ptr_array_new();

    for (unsigned i = 0; i < runs->runs->len; i++) {
        const struct plot_run *run = plot_run_at(runs, i);
        const char *kernel = plot_run_setting(runs, run, "kernel");
        if (!kernel ||
            g_ptr_array_find_with_equal_func(seen, kernel, g_str_equal, NULL))
            continue;
        g_ptr_array_add(seen, (char *)kernel);
        append_substitutes(items, words, run, kernel);
    }
    append_list(index, words, "Kernels with the nearest policy that is built",
                items);
}

static void
append_rest(GString *index, const struct words *words,
            const struct plot_runs *runs, const struct picture *pictures,
            unsigned count, const char *ending)
{
    append_left_out(index, words, pictures, count);
    append_lower_bounds(index, words, runs);
    append_refused(index, words, runs);
    append_substituted(index, words, runs);
    append(index, words, words->paragraph,
           ending ? "Draw one again with gnuplot X.gp, or restyle it."
                  : "gnuplot was not installed: draw with gnuplot X.gp.",
           "");
}

static void
append_section(GString *index, const struct picture *picture,
               const char *ending)
{
    const char *name = picture->name;
    g_autofree char *title = markdown_escape(picture->title);

    g_string_append_printf(index, "## %s\n\n%s\n\n", title, picture->sentence);
    if (ending && strcmp(ending, "pdf") != 0)
        g_string_append_printf(index, "![%s](%s.%s)\n\n", name, name, ending);
    if (ending)
        g_string_append_printf(index, "[%s.%s](%s.%s), ", name, ending, name,
                               ending);
    g_string_append_printf(index, "[%s.tsv](%s.tsv), [%s.gp](%s.gp)\n\n", name,
                           name, name, name);
}

GString *
index_markdown(const struct plot_runs *runs, const struct picture *pictures,
               unsigned count, const char *ending)
{
    GString *index = g_string_new("# Pictures\n\n");

    append_source(index, &markdown, runs);
    for (unsigned i = 0; i < count; i++)
        if (!pictures[i].left_out)
            append_section(index, &pictures[i], ending);
    append_rest(index, &markdown, runs, pictures, count, ending);
    return index;
}

static void
append_figure(GString *index, const struct picture *picture, const char *ending)
{
    const char *name = picture->name;
    g_autofree char *title = html_escape(picture->title);

    g_string_append_printf(index, "<h2>%s</h2>\n<p>%s</p>\n", title,
                           picture->sentence);
    if (ending && strcmp(ending, "pdf") != 0)
        g_string_append_printf(index, "<img src=\"%s.%s\" alt=\"%s\">\n", name,
                               ending, name);
    g_string_append(index, "<p>");
    if (ending)
        g_string_append_printf(index, "<a href=\"%s.%s\">%s.%s</a>, ", name,
                               ending, name, ending);
    g_string_append_printf(
        index,
        "<a href=\"%s.tsv\">%s.tsv</a>, <a href=\"%s.gp\">%s.gp</a></p>\n",
        name, name, name, name);
}

GString *
index_html(const struct plot_runs *runs, const struct picture *pictures,
           unsigned count, const char *ending)
{
    GString *index = g_string_new(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
        "<title>vmsim pictures</title>\n"
        "<style>body { font-family: sans-serif; max-width: 62em; margin: 2em "
        "auto; } img { max-width: 100%; }</style>\n"
        "<h1>Pictures</h1>\n");

    append_source(index, &html, runs);
    for (unsigned i = 0; i < count; i++)
        if (!pictures[i].left_out)
            append_figure(index, &pictures[i], ending);
    append_rest(index, &html, runs, pictures, count, ending);
    g_string_append(index, "</html>\n");
    return index;
}
