/*
 * Runs a workload into a temporary file and splits it into lines.
 */
#include "tests/workloads/generated.h"

#include <check.h>
#include <glib/gstdio.h>
#include <string.h>

/* g_strsplit() would do, but under ASan it takes time that grows with the
 * square of the length. */
static char **
split_lines(const char *text, size_t length)
{
    GPtrArray *lines = g_ptr_array_new();
    const char *end = text + length;

    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        ck_assert_ptr_nonnull(newline);  // the last line has one, too
        g_ptr_array_add(lines, g_strndup(text, (size_t)(newline - text)));
        text = newline + 1;
    }
    g_ptr_array_add(lines, NULL);
    return (char **)g_ptr_array_free(lines, FALSE);
}

bool
generated_try(struct generated *generated, const char *command, GError **error)
{
    g_auto(GStrv) words = g_strsplit(command, " ", -1);
    g_autofree char *directory = g_dir_make_tmp("vmsim-XXXXXX", NULL);
    ck_assert_ptr_nonnull(directory);
    generated->path = g_build_filename(directory, "generated.trace", NULL);

    struct trace_writer *writer = trace_writer_open(generated->path, NULL);
    ck_assert_ptr_nonnull(writer);
    if (!workload_run(words[0], words + 1, writer, error)) {
        trace_writer_abandon(writer);
        g_rmdir(directory);
        g_free(generated->path);
        return false;
    }
    ck_assert(trace_writer_close(writer, NULL));

    g_autofree char *text = NULL;
    size_t length;
    ck_assert(g_file_get_contents(generated->path, &text, &length, NULL));
    generated->lines = split_lines(text, length);
    return true;
}

void
generated_make(struct generated *generated, const char *command)
{
    g_autoptr(GError) error = NULL;
    bool is_made = generated_try(generated, command, &error);
    ck_assert_msg(is_made, "%s: %s", command, error ? error->message : "");
}

void
generated_free(struct generated *generated)
{
    g_autofree char *directory = g_path_get_dirname(generated->path);
    g_unlink(generated->path);
    g_rmdir(directory);
    g_free(generated->path);
    g_strfreev(generated->lines);
}

/* The event of a line, behind its task; "" for a comment. */
static const char *
event_of(const char *line)
{
    const char *blank = strchr(line, ' ');
    return line[0] == '#' || !blank ? "" : blank + 1;
}

uint64_t
generated_count(const struct generated *generated, const char *event)
{
    size_t length = strlen(event);
    uint64_t count = 0;

    for (char **line = generated->lines; *line; line++) {
        const char *found = event_of(*line);
        count += strncmp(found, event, length) == 0 &&
                 (found[length] == '\0' || found[length] == ' ');
    }
    return count;
}

uint64_t
generated_peak(const struct generated *generated)
{
    uint64_t alive = 0;
    uint64_t peak = 0;

    for (char **line = generated->lines; *line; line++) {
        const char *event = event_of(*line);
        if (g_str_has_prefix(event, "start ") ||
            g_str_has_prefix(event, "fork "))
            alive++;
        else if (strcmp(event, "exit") == 0)
            alive--;
        peak = MAX(peak, alive);
    }
    return peak;
}
