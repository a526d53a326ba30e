/*
 * A file that takes the place of another when it is whole.
 *
 * Until then it has no name, so that a command which is killed leaves nothing
 * behind.  Between naming and renaming it has one that depends on its path
 * alone: the next command that writes the same file finds and renames it. Where
 * the file system has no files without a name, it has one of its own all along.
 *
 * Of two writers of one file the last to end wins, and the file is whole.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

struct replacement {
    int fd;           // to be written to; -1: closed
    char *path;       // where it goes
    char *temporary;  // its name until then
    bool has_name;
};

/* Begin; what `path` links to is what will be replaced.  False with errno when
 * it cannot be; nothing needs to be freed then. */
bool replacement_open(struct replacement *replacement, const char *path);

/* Close the file, put it in place and free what the struct holds.  False with
 * errno when it cannot be; nothing is left behind then. */
bool replacement_appear(struct replacement *replacement);

/* Close the file and forget it. */
void replacement_drop(struct replacement *replacement);
