/*
 * Where presets and machines are found, and which there are.
 *
 * A name is looked up in the data directory beside the program; a word with a
 * slash, or one that ends in ".json", is the path of a user's own file.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

struct kernel_file;
struct machine_file;

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
