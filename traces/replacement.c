/*
 * See replacement.h.
 */
#include "traces/replacement.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

/* The same for one path whoever writes it, and short however long that is. */
static char *
part_name(const char *path)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(path);
    g_autofree char *digest =
        g_compute_checksum_for_string(G_CHECKSUM_SHA256, name, -1);
    g_autofree char *part = g_strdup_printf(".vmsim-%.16s.part", digest);
    return g_build_filename(folder, part, NULL);
}

/* A file without a name, if one can be had that can be given a name later. */
static int
open_nameless(const char *path)
{
    g_autofree char *folder = g_path_get_dirname(path);
    if (access("/proc/self/fd", X_OK) != 0)
        return -1;
    return open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
}

static int
open_named(const char *path, char **temporary)
{
    g_autofree char *folder = g_path_get_dirname(path);
    *temporary = g_build_filename(folder, ".vmsim-XXXXXX", NULL);
    return g_mkstemp_full(*temporary, O_WRONLY | O_CLOEXEC, 0666);
}

bool
replacement_open(struct replacement *replacement, const char *path)
{
    char *target = realpath(path, NULL);
    *replacement =
        (struct replacement){.path = g_strdup(target ? target : path)};
    free(target);
    replacement->fd = open_nameless(replacement->path);
    replacement->has_name = replacement->fd < 0;
    if (replacement->has_name)
        replacement->fd =
            open_named(replacement->path, &replacement->temporary);
    else
        replacement->temporary = part_name(replacement->path);
    if (replacement->fd >= 0)
        return true;
    int number = errno;
    replacement->has_name = false;
    replacement_drop(replacement);
    errno = number;
    return false;
}

/* Whoever finds a whole file under that name puts it in place, for himself or
 * for a writer that has been killed or will find it done. */
static bool
rename_part(const struct replacement *replacement)
{
    return g_rename(replacement->temporary, replacement->path) == 0 ||
           (errno == ENOENT && access(replacement->path, F_OK) == 0);
}

static bool
put_in_place(struct replacement *replacement)
{
    g_autofree char *file =
        g_strdup_printf("/proc/self/fd/%d", replacement->fd);
    while (!replacement->has_name) {
        replacement->has_name =
            linkat(AT_FDCWD, file, AT_FDCWD, replacement->temporary,
                   AT_SYMLINK_FOLLOW) == 0;
        if (!replacement->has_name &&
            (errno != EEXIST || !rename_part(replacement)))
            return false;
    }
    return rename_part(replacement);
}

bool
replacement_appear(struct replacement *replacement)
{
    /* What closing has to say is asked for while the file can be named. */
    int copy = dup(replacement->fd);
    bool is_whole = copy >= 0 && close(copy) == 0 && put_in_place(replacement);
    int number = errno;
    if (is_whole)
        replacement->has_name = false;
    replacement_drop(replacement);
    errno = number;
    return is_whole;
}

void
replacement_drop(struct replacement *replacement)
{
    if (replacement->fd >= 0)
        close(replacement->fd);
    if (replacement->has_name)
        g_unlink(replacement->temporary);
    g_free(replacement->temporary);
    g_free(replacement->path);
}
