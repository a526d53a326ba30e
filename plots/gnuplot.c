/*
 * Running gnuplot, by argv and in the directory of the script, so that no
 * text of a user meets a shell or a command line.
 */
#include "plots/gnuplot.h"

#include "plots/plot.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <sys/stat.h>

char *
gnuplot_find(void)
{
    return g_find_program_in_path("gnuplot");
}

/* gnuplot ends with 0 after some failures, so the picture is looked at too. */
static bool
check_output(const char *path, int status, const char *script,
             const char *messages, GError **error)
{
    g_autoptr(GError) failure = NULL;
    GStatBuf about;

    if (!g_spawn_check_wait_status(status, &failure)) {
        g_set_error(error, PLOT_ERROR, PLOT_ERROR_GNUPLOT,
                    "%s: gnuplot failed (%s): %s", script, failure->message,
                    messages);
        return false;
    }
    if (g_stat(path, &about) != 0 || about.st_size == 0) {
        g_set_error(error, PLOT_ERROR, PLOT_ERROR_GNUPLOT,
                    "%s: gnuplot drew nothing: %s", script,
                    *messages ? messages : "it gave no reason");
        return false;
    }
    return true;
}

bool
gnuplot_draw(const char *gnuplot, const char *dir, const char *name,
             const char *picture, GError **error)
{
    g_autofree char *script = g_strconcat(name, ".gp", NULL);
    g_autofree char *script_path = g_build_filename(dir, script, NULL);
    g_autofree char *part = g_strconcat(picture, ".part", NULL);
    g_autofree char *part_path = g_build_filename(dir, part, NULL);
    g_autofree char *path = g_build_filename(dir, picture, NULL);
    g_autofree char *set_out = g_strdup_printf("out='%s'", part);
    g_auto(GStrv) environment =
        g_environ_setenv(g_get_environ(), "LC_ALL", "C", TRUE);
    char *argv[] = {(char *)gnuplot, (char *)"-e", set_out, script, NULL};
    g_autofree char *messages = NULL;
    g_autoptr(GError) failure = NULL;
    int status = 0;

    if (!g_spawn_sync(dir, argv, environment, G_SPAWN_STDOUT_TO_DEV_NULL, NULL,
                      NULL, NULL, &messages, &status, &failure)) {
        g_set_error(error, PLOT_ERROR, PLOT_ERROR_GNUPLOT,
                    "%s: gnuplot cannot be run: %s", script_path,
                    failure->message);
        return false;
    }
    g_strchomp(messages);
    bool is_drawn =
        check_output(part_path, status, script_path, messages, error);
    if (is_drawn && g_rename(part_path, path) != 0) {
        g_set_error(error, PLOT_ERROR, PLOT_ERROR_OUTPUT, "%s: %s", path,
                    g_strerror(errno));
        is_drawn = false;
    }
    if (!is_drawn)
        g_unlink(part_path);
    return is_drawn;
}
