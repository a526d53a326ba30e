/*
 * Where presets and machines are found, and which there are.
 *
 * A name is looked up in the data directory beside the program; a word with a
 * slash, or one that ends in ".json", is the path of a user's own file.
 */
#pragma once

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

struct kernel_file;
struct machine_file;
struct json_file;

struct catalog {
    char *data_dir;        // holds presets/ and machines/
    GHashTable *kernels;   // spec -> struct kernel_file, read already
    GHashTable *machines;  // spec -> struct machine_file
};

/* data_dir NULL: found from the place of the running program. */
bool catalog_open(struct catalog *catalog, const char *data_dir,
                  GError **error);
void catalog_close(struct catalog *catalog);

/* The file of that name or path, read once; NULL and *error on failure.  It
 * lives as long as the catalog. */
const struct kernel_file *catalog_kernel(struct catalog *catalog,
                                         const char *spec, GError **error);
const struct machine_file *catalog_machine(struct catalog *catalog,
                                           const char *spec, GError **error);

/* Names of all presets (in order of release) or machines (by alphabet),
 * NULL-terminated. */
char **catalog_kernel_names(const struct catalog *catalog);
char **catalog_machine_names(const struct catalog *catalog);

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
bool catalog_read(const struct catalog *catalog,
                  const struct catalog_kind *kind, const char *spec, void *data,
                  struct catalog_labels *labels, GError **error);
void catalog_labels_clear(struct catalog_labels *labels);
