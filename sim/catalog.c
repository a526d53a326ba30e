/*
 * The data directory and the preset and machine files in it.
 */
#include "sim/catalog.h"

#include "sim/error.h"
#include "sim/json_file.h"
#include "sim/kernel_file.h"
#include "sim/machine_file.h"

#include <string.h>

#define BASE_DEPTH_MAX 32

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
        file = kernel_file_load(catalog, spec, error);
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
        file = machine_file_load(catalog, spec, error);
        if (file)
            g_hash_table_insert(catalog->machines, g_strdup(spec), file);
    }
    return file;
}

/* Numbers in names compare as numbers: 2.6.7 stands before 2.6.22. */
static int
compare_names(gconstpointer a, gconstpointer b)
{
    return strverscmp(*(const char *const *)a, *(const char *const *)b);
}

static char **
list_names(const struct catalog *catalog, const char *folder)
{
    GPtrArray *names = g_ptr_array_new();
    g_autofree char *path = g_build_filename(catalog->data_dir, folder, NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *entry;

    while (dir && (entry = g_dir_read_name(dir)))
        if (g_str_has_suffix(entry, ".json"))
            g_ptr_array_add(names, g_strndup(entry, strlen(entry) - 5));
    g_ptr_array_sort(names, compare_names);
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(names, FALSE);
}

char **
catalog_kernel_names(const struct catalog *catalog)
{
    return list_names(catalog, "presets");
}

char **
catalog_machine_names(const struct catalog *catalog)
{
    return list_names(catalog, "machines");
}

static bool
is_path(const char *spec)
{
    return strchr(spec, '/') || g_str_has_suffix(spec, ".json");
}

char *
catalog_path(const struct catalog *catalog, const char *what, const char *spec,
             GError **error)
{
    bool is_kernel = strcmp(what, "kernel") == 0;

    if (is_path(spec))
        return g_strdup(spec);
    g_auto(GStrv) names = is_kernel ? catalog_kernel_names(catalog)
                                    : catalog_machine_names(catalog);
    if (!g_strv_contains((const char *const *)names, spec)) {
        sim_fail_unknown(error, what, spec, (const char *const *)names);
        return NULL;
    }
    g_autofree char *entry = g_strdup_printf("%s.json", spec);
    return g_build_filename(catalog->data_dir,
                            is_kernel ? "presets" : "machines", entry, NULL);
}

bool
catalog_base(const struct catalog *catalog, const char *what,
             const struct json_file *file, unsigned *depth, char **path,
             GError **error)
{
    const json_t *base = json_object_get(file->root, "based_on");
    const char *spec = json_string_value(base);

    *path = NULL;
    if (!base)
        return true;
    if (!spec)
        return json_file_expect(file, JSON_PATH("based_on"), base, error,
                                "the name or path of a file");
    if (++*depth > BASE_DEPTH_MAX)
        return json_file_fail(file, JSON_PATH("based_on"), error,
                              "expected a chain of at most %d files, found "
                              "more: does it lead back here?",
                              BASE_DEPTH_MAX);
    if (is_path(spec) && !g_path_is_absolute(spec)) {
        g_autofree char *folder = g_path_get_dirname(file->path);
        *path = g_build_filename(folder, spec, NULL);
    } else {
        *path = catalog_path(catalog, what, spec, error);
    }
    return *path != NULL;
}
