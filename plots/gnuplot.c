/*
 * Running gnuplot, by argv and in the directory of the script, so that no
 * text of a user meets a shell or a command line.
 */
#include "plots/gnuplot.h"

#include "plots/plot.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

char *
gnuplot_find(void)
{
    return g_find_program_in_path("gnuplot");
}

/* The file that gnuplot writes stays open over exec. */
static void
keep_open(gpointer data)
{
    fcntl(*(const int *)data, F_SETFD, 0);
}

/* Its exit status into *status, what it says into *messages. */
static bool
run(const char *gnuplot, const char *dir, const char *script, int fd,
    int *status, char **messages, GError **error)
{
    g_autofree char *set_out = g_strdup_printf("out='/dev/fd/%d'", fd);
    g_auto(GStrv) environment =
        g_environ_setenv(g_get_environ(), "LC_ALL", "C", TRUE);
    char *argv[] = {(char *)gnuplot, (char *)"-e", set_out, (char *)script,
                    NULL};

    if (!g_spawn_sync(dir, argv, environment, G_SPAWN_STDOUT_TO_DEV_NULL,
                      keep_open, &fd, NULL, messages, status, error))
        return false;
    g_strchomp(*messages);
    return true;
}

/* What was written to a file that has no name. */
static bool
read_back(int fd, GString *bytes)
{
    char block[1 << 14];
    ssize_t got;

    while ((got = pread(fd, block, sizeof(block), (off_t)bytes->len)) > 0)
        g_string_append_len(bytes, block, got);
    return got == 0;
}

/* gnuplot ends with 0 after some failures, so the picture is looked at too. */
static bool
check_output(const GString *picture, int status, const char *script,
             const char *messages, GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (!g_spawn_check_wait_status(status, &failure)) {
        g_set_error(error, PLOT_ERROR, PLOT_ERROR_GNUPLOT,
                    "%s: gnuplot failed (%s): %s", script, failure->message,
                    messages);
        return false;
    }
    if (picture->len == 0) {
        g_set_error(error, PLOT_ERROR, PLOT_ERROR_GNUPLOT,
                    "%s: gnuplot drew nothing: %s", script,
                    *messages ? messages : "it gave no reason");
        return false;
    }
    return true;
}

static bool
draw_into(int fd, const char *gnuplot, const char *dir, const char *name,
          GString *picture, GError **error)
{
    g_autofree char *script = g_strconcat(name, ".gp", NULL);
    g_autofree char *path = g_build_filename(dir, script, NULL);
    g_autofree char *messages = NULL;
    g_autoptr(GError) failure = NULL;
    int status;

    if (!run(gnuplot, dir, script, fd, &status, &messages, &failure)) {
        g_set_error(error, PLOT_ERROR, PLOT_ERROR_GNUPLOT,
                    "%s: gnuplot cannot be run: %s", path, failure->message);
        return false;
    }
    if (!read_back(fd, picture)) {
        g_set_error(error, PLOT_ERROR, PLOT_ERROR_GNUPLOT, "%s: %s", path,
                    g_strerror(errno));
        return false;
    }
    return check_output(picture, status, path, messages, error);
}

bool
gnuplot_draw(const char *gnuplot, const char *dir, const char *name,
             GString *picture, GError **error)
{
    int fd = memfd_create("vmsim-picture", MFD_CLOEXEC);

    if (fd < 0) {
        g_set_error(error, PLOT_ERROR, PLOT_ERROR_OUTPUT,
                    "no memory for a picture: %s", g_strerror(errno));
        return false;
    }
    bool is_drawn = draw_into(fd, gnuplot, dir, name, picture, error);
    close(fd);
    return is_drawn;
}
