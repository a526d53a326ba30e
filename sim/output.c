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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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
write_stream(FILE *stream, const char *name, const GString *text,
             GError **error)
{
    if (fwrite(text->str, 1, text->len, stream) == text->len &&
        fflush(stream) == 0)
        return true;
    return sim_fail(error, SIM_ERROR_FAILED, "%s: %s", name, g_strerror(errno));
}

bool
output_write(const char *path, const GString *text, GError **error)
{
    g_autoptr(GError) io_error = NULL;

    if (is_standard_output(path))
        return write_stream(stdout, "standard output", text, error);
    if (output_is_stream(path)) {
        FILE *stream = fopen(path, "w");
        if (!stream)
            return sim_fail(error, SIM_ERROR_FAILED, "%s: %s", path,
                            g_strerror(errno));
        bool ok = write_stream(stream, path, text, error);
        fclose(stream);
        return ok;
    }
    char *target = realpath(path, NULL);
    bool ok = g_file_set_contents(target ? target : path, text->str,
                                  (gssize)text->len, &io_error);
    free(target);
    return ok || sim_fail(error, SIM_ERROR_FAILED, "%s", io_error->message);
}
