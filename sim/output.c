/*
 * Writing a text whole or not at all.
 *
 * A file is replaced by rename, through symbolic links, so that an interrupted
 * command leaves the old one.  What is not a regular file -- /dev/null, a
 * terminal, a named pipe -- stays and is written to.
 */
#include "sim/output.h"

#include "sim/error.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct output {
    FILE *stream;
    char *name;       // for messages
    char *path;       // what the file becomes; NULL: a stream
    char *temporary;  // what it is until then
};

static bool
is_standard_output(const char *path)
{
    return !path || strcmp(path, "-") == 0;
}

bool
output_is_stream(const char *path)
{
    struct stat status;

    return is_standard_output(path) ||
           (stat(path, &status) == 0 && !S_ISREG(status.st_mode) &&
            !S_ISDIR(status.st_mode));
}

static bool
fail(const struct output *output, GError **error)
{
    return sim_fail(error, SIM_ERROR_FAILED, "%s: %s", output->name,
                    g_strerror(errno));
}

static FILE *
open_stream(struct output *output, const char *path)
{
    if (is_standard_output(path))
        return stdout;
    if (output_is_stream(path))
        return fopen(path, "w");
    char *target = realpath(path, NULL);
    output->path = g_strdup(target ? target : path);
    output->temporary = g_strconcat(output->path, ".XXXXXX", NULL);
    free(target);
    int fd = g_mkstemp_full(output->temporary, O_WRONLY | O_CLOEXEC, 0666);
    if (fd < 0)
        g_clear_pointer(&output->temporary, g_free);
    return fd < 0 ? NULL : fdopen(fd, "w");
}

static void
free_output(struct output *output)
{
    if (output->temporary)
        g_unlink(output->temporary);
    g_free(output->temporary);
    g_free(output->path);
    g_free(output->name);
    g_free(output);
}

struct output *
output_open(const char *path, GError **error)
{
    struct output *output = g_new0(struct output, 1);

    output->name =
        g_strdup(is_standard_output(path) ? "standard output" : path);
    output->stream = open_stream(output, path);
    if (output->stream)
        return output;
    fail(output, error);
    free_output(output);
    return NULL;
}

bool
output_append(struct output *output, const char *text, size_t length,
              GError **error)
{
    return fwrite(text, 1, length, output->stream) == length ||
           fail(output, error);
}

static bool
appear(struct output *output)
{
    if (g_rename(output->temporary, output->path) != 0)
        return false;
    g_clear_pointer(&output->temporary, g_free);
    return true;
}

bool
output_close(struct output *output, GError **error)
{
    bool ok = fflush(output->stream) == 0 && (!output->path || appear(output));

    if (!ok)
        fail(output, error);
    output_abandon(output);
    return ok;
}

void
output_abandon(struct output *output)
{
    if (output->stream != stdout)
        fclose(output->stream);
    free_output(output);
}

bool
output_write(const char *path, const GString *text, GError **error)
{
    struct output *output = output_open(path, error);

    if (!output)
        return false;
    if (output_append(output, text->str, text->len, error))
        return output_close(output, error);
    output_abandon(output);
    return false;
}
