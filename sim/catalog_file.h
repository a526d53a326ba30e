/*
 * What presets and machines have in common: JSON files that lie in a folder of
 * the data directory, or where a user says, and may be based on one another.
 *
 * A name is looked up in the data directory; a word with a slash, or one that
 * ends in ".json", is the path of a user's own file.
 */
#pragma once

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

struct json_file;

/* What the files of a kind hold. */
struct catalog_kind {
    const char *name;       // "kernel"
    const char *folder;     // in the data directory
    const char *file_noun;  // "preset"
    const char *const *members;
    /* Takes in one of the members; false and *error on failure. */
    bool (*read)(void *data, const struct json_file *file, size_t member,
                 const json_t *value, GError **error);
    /* What no file of the chain gave, or NULL. */
    const char *(*missing)(const void *data);
};

/* What every file says of itself. */
struct catalog_labels {
    char *name, *summary;
    char *digest;  // of the texts that it was read from
};

/*
 * Reads the file of a spec after those that it is based on ("based_on": a name,
 * or a path from the file's own folder), so that nearer values replace farther
 * ones.  False and *error on failure; *labels are the caller's to clear in
 * either case.
 */
bool catalog_file_read(const char *data_dir, const struct catalog_kind *kind,
                       const char *spec, void *data,
                       struct catalog_labels *labels, GError **error);
void catalog_labels_clear(struct catalog_labels *labels);

/* Names of the files in a folder of the data directory, without ".json", in
 * the order of versions; NULL-terminated. */
char **catalog_file_names(const char *data_dir, const char *folder);
