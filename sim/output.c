/*
 * Writing a text whole or not at all.
 *
 * A file is replaced by rename, through symbolic links, so that an interrupted
 * command leaves the old one.  What is not a regular file -- /dev/null, a
 * terminal, a named pipe -- stays and is written to.
 */
#include "sim/output.h"

#include "sim/error.h"
#include "traces/replacement.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct output {
    FILE *stream;
    char *name;    // for messages
    bool is_file;  // that appears when it is whole; else a stream
    struct replacement file;
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
    output->is_file = replacement_open(&output->file, path);
    return output->is_file ? fdopen(dup(output->file.fd), "w") : NULL;
}

static void
free_output(struct output *output)
{
    if (output->is_file)
        replacement_drop(&output->file);
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
    output->is_file = false;
    return replacement_appear(&output->file);
}

bool
output_close(struct output *output, GError **error)
{
    bool ok =
        fflush(output->stream) == 0 && (!output->is_file || appear(output));

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
