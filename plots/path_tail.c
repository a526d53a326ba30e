/*
 * Names are added from the right, until the end is the path's own.
 */
#include "plots/path_tail.h"

#include <stdbool.h>
#include <string.h>

/* The last `count` names of a path, or all. */
static const char *
last_names(const char *path, unsigned count)
{
    const char *at = path + strlen(path);

    for (; at > path; at--)
        if (at[-1] == '/' && at[0] != '/' && at[0] != '\0' && count-- == 1)
            break;
    return at + strspn(at, "/");
}

static bool
is_shared(const char *tail, unsigned count, const char *path,
          const GPtrArray *paths)
{
    for (unsigned i = 0; i < paths->len; i++) {
        const char *other = paths->pdata[i];
        if (strcmp(path, other) != 0 &&
            strcmp(tail, last_names(other, count)) == 0)
            return true;
    }
    return false;
}

char *
path_tail(const char *path, const GPtrArray *paths)
{
    const char *all = path + strspn(path, "/");
    const char *tail;
    unsigned count = 0;

    do {
        tail = last_names(path, ++count);
    } while (tail > all && is_shared(tail, count, path, paths));
    return g_strdup(tail);
}
