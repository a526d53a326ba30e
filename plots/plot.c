/*
 * Load, compose, write, draw, list.  Data and scripts are written before
 * gnuplot is looked for, so that they are there whatever it says.
 */
#include "plots/plot.h"

#include "plots/gnuplot.h"
#include "plots/index.h"
#include "plots/picture.h"
#include "plots/script.h"

#include <errno.h>
#include <string.h>

/* clang-format off */
G_DEFINE_QUARK(plot_error, plot_error)
/* clang-format on */

typedef void (*compose_fn)(struct picture *picture,
                           const struct plot_runs *runs, enum plot_term term);

/* In the order of the index. */
static const compose_fn composers[] = {
    picture_of_clears, picture_of_faults,     picture_of_time,
    picture_of_memory, picture_of_gap_probes, picture_of_resident,
};

#define PICTURE_COUNT G_N_ELEMENTS(composers)

void
picture_clear(struct picture *picture)
{
    g_free(picture->title);
    g_free(picture->sentence);
    g_free(picture->left_out);
    if (picture->tsv)
        g_string_free(picture->tsv, TRUE);
    if (picture->script)
        g_string_free(picture->script, TRUE);
    *picture = (struct picture){0};
}

void
plot_report_clear(struct plot_report *report)
{
    g_clear_pointer(&report->pictures, g_ptr_array_unref);
    g_clear_pointer(&report->sentences, g_ptr_array_unref);
    g_clear_pointer(&report->index_path, g_free);
}

/* Where files go, and how. */
struct folder {
    const char *path;
    plot_writer write;
};

static bool
write_file(const struct folder *folder, const char *name, const char *ending,
           const GString *text, GError **error)
{
    g_autofree char *file = g_strconcat(name, ".", ending, NULL);
    g_autofree char *path = g_build_filename(folder->path, file, NULL);

    return folder->write(path, text, error);
}

static bool
write_pictures(const struct picture *pictures, const struct folder *folder,
               GError **error)
{
    for (size_t i = 0; i < PICTURE_COUNT; i++) {
        const struct picture *picture = &pictures[i];
        if (picture->left_out)
            continue;
        if (!write_file(folder, picture->name, "tsv", picture->tsv, error) ||
            !write_file(folder, picture->name, "gp", picture->script, error))
            return false;
    }
    return true;
}

static bool
draw_pictures(const struct picture *pictures, const char *gnuplot,
              const struct folder *folder, const char *ending,
              struct plot_report *report, GError **error)
{
    for (size_t i = 0; i < PICTURE_COUNT; i++) {
        const char *name = pictures[i].name;
        g_autoptr(GString) bytes = g_string_new(NULL);
        if (pictures[i].left_out)
            continue;
        if (!gnuplot_draw(gnuplot, folder->path, name, bytes, error) ||
            !write_file(folder, name, ending, bytes, error))
            return false;
        g_ptr_array_add(
            report->pictures,
            g_strdup_printf("%s/%s.%s", folder->path, name, ending));
    }
    return true;
}

static bool
write_index(const struct picture *pictures, const struct plot_runs *runs,
            const struct folder *folder, const char *ending, GError **error)
{
    GString *markdown = index_markdown(runs, pictures, PICTURE_COUNT, ending);
    GString *html = index_html(runs, pictures, PICTURE_COUNT, ending);
    bool is_written = write_file(folder, "index", "md", markdown, error) &&
                      write_file(folder, "index", "html", html, error);

    g_string_free(markdown, TRUE);
    g_string_free(html, TRUE);
    return is_written;
}

static bool
publish(const struct picture *pictures, const struct plot_runs *runs,
        const struct folder *folder, enum plot_term term,
        struct plot_report *report, GError **error)
{
    const char *dir = folder->path;
    g_autofree char *gnuplot = gnuplot_find();
    const char *ending = script_term_name(term);

    if (g_mkdir_with_parents(dir, 0777) != 0) {
        g_set_error(error, PLOT_ERROR, PLOT_ERROR_OUTPUT, "%s: %s", dir,
                    g_strerror(errno));
        return false;
    }
    if (!write_pictures(pictures, folder, error))
        return false;
    if (gnuplot &&
        !draw_pictures(pictures, gnuplot, folder, ending, report, error))
        return false;
    if (!gnuplot)
        g_ptr_array_add(
            report->sentences,
            g_strdup_printf("gnuplot is not installed: the data (.tsv) and "
                            "scripts (.gp) are in %s; install gnuplot and "
                            "run the command again for pictures",
                            dir));
    report->index_path = g_build_filename(dir, "index.md", NULL);
    return write_index(pictures, runs, folder, gnuplot ? ending : NULL, error);
}

static void
report_left_out(const struct picture *pictures, struct plot_report *report)
{
    for (size_t i = 0; i < PICTURE_COUNT; i++)
        if (pictures[i].left_out)
            g_ptr_array_add(report->sentences,
                            g_strdup_printf("no picture %s: %s",
                                            pictures[i].name,
                                            pictures[i].left_out));
}

bool
plot_results(const char *results_path, const char *out_dir, enum plot_term term,
             plot_writer write, struct plot_report *report, GError **error)
{
    const struct folder folder = {out_dir, write};
    struct plot_runs runs;
    struct picture pictures[PICTURE_COUNT] = {0};

    *report = (struct plot_report){
        .pictures = g_ptr_array_new_with_free_func(g_free),
        .sentences = g_ptr_array_new_with_free_func(g_free),
    };
    if (!plot_runs_load(&runs, results_path, error)) {
        plot_report_clear(report);
        return false;
    }
    for (size_t i = 0; i < PICTURE_COUNT; i++)
        composers[i](&pictures[i], &runs, term);
    report_left_out(pictures, report);
    bool is_done = publish(pictures, &runs, &folder, term, report, error);
    for (size_t i = 0; i < PICTURE_COUNT; i++)
        picture_clear(&pictures[i]);
    plot_runs_clear(&runs);
    if (!is_done)
        plot_report_clear(report);
    return is_done;
}
