/*
 * The data directory and the preset and machine files in it.
 */
#include "sim/catalog.h"

#include "sim/catalog_file.h"
#include "sim/error.h"
#include "sim/kernel_file.h"
#include "sim/machine_file.h"

/* Beside the binary of a build, and where `meson install` puts the files. */
static const char *const places[] = {"sim", "../share/vmsim", NULL};

static char *
find_data_dir(GError **error)
{
    g_autofree char *program = g_file_read_link("/proc/self/exe", NULL);

    if (program) {
        g_autofree char *dir = g_path_get_dirname(program);
        for (const char *const *place = places; *place; place++) {
            g_autofree char *presets =
                g_build_filename(dir, *place, "presets", NULL);
            if (g_file_test(presets, G_FILE_TEST_IS_DIR))
                return g_build_filename(dir, *place, NULL);
        }
    }
    sim_fail(error, SIM_ERROR_FAILED,
             "cannot find the presets: neither sim/presets nor "
             "../share/vmsim/presets stands beside the program");
    return NULL;
}

bool
catalog_open(struct catalog *catalog, const char *data_dir, GError **error)
{
    *catalog = (struct catalog){0};
    catalog->data_dir = data_dir ? g_strdup(data_dir) : find_data_dir(error);
    if (!catalog->data_dir)
        return false;
    catalog->kernels = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                             kernel_file_free);
    catalog->machines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                              machine_file_free);
    return true;
}

void
catalog_close(struct catalog *catalog)
{
    g_free(catalog->data_dir);
    g_clear_pointer(&catalog->kernels, g_hash_table_unref);
    g_clear_pointer(&catalog->machines, g_hash_table_unref);
}

const struct kernel_file *
catalog_kernel(struct catalog *catalog, const char *spec, GError **error)
{
    struct kernel_file *file = g_hash_table_lookup(catalog->kernels, spec);

    if (!file) {
        file = kernel_file_load(catalog->data_dir, spec, error);
        if (file)
            g_hash_table_insert(catalog->kernels, g_strdup(spec), file);
    }
    return file;
}

const struct machine_file *
catalog_machine(struct catalog *catalog, const char *spec, GError **error)
{
    struct machine_file *file = g_hash_table_lookup(catalog->machines, spec);

    if (!file) {
        file = machine_file_load(catalog->data_dir, spec, error);
        if (file)
            g_hash_table_insert(catalog->machines, g_strdup(spec), file);
    }
    return file;
}

char **
catalog_kernel_names(const struct catalog *catalog)
{
    return catalog_file_names(catalog->data_dir, "presets");
}

char **
catalog_machine_names(const struct catalog *catalog)
{
    return catalog_file_names(catalog->data_dir, "machines");
}
