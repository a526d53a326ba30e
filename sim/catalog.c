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

/* A file and those that it is based on, being read. */
struct chain {
    const struct catalog *catalog;
    const struct catalog_kind *kind;
    void *data;
    struct catalog_labels *labels;
    GChecksum *digest;
    unsigned depth;
};

static char *
path_of(const struct catalog *catalog, const struct catalog_kind *kind,
        const char *spec, GError **error)
{
    if (is_path(spec))
        return g_strdup(spec);
    g_auto(GStrv) names = list_names(catalog, kind->folder);
    if (!g_strv_contains((const char *const *)names, spec)) {
        sim_fail_unknown(error, kind->name, spec, (const char *const *)names);
        return NULL;
    }
    g_autofree char *entry = g_strdup_printf("%s.json", spec);
    return g_build_filename(catalog->data_dir, kind->folder, entry, NULL);
}

/* *path is NULL when the file is based on none. */
static bool
base_of(struct chain *chain, const struct json_file *file, char **path,
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
    if (++chain->depth > BASE_DEPTH_MAX)
        return json_file_fail(file, JSON_PATH("based_on"), error,
                              "expected a chain of at most %d files, found "
                              "more: does it lead back here?",
                              BASE_DEPTH_MAX);
    if (is_path(spec) && !g_path_is_absolute(spec)) {
        g_autofree char *folder = g_path_get_dirname(file->path);
        *path = g_build_filename(folder, spec, NULL);
    } else {
        *path = path_of(chain->catalog, chain->kind, spec, error);
    }
    return *path != NULL;
}

static bool
read_member(struct chain *chain, const struct json_file *file, const char *key,
            const json_t *value, GError **error)
{
    const struct catalog_kind *kind = chain->kind;
    int member = word_index(kind->members, key);

    if (strcmp(key, "name") == 0)
        return json_file_string(file, key, value, &chain->labels->name, error);
    if (strcmp(key, "summary") == 0)
        return json_file_string(file, key, value, &chain->labels->summary,
                                error);
    if (strcmp(key, "based_on") == 0 || strcmp(key, "source") == 0)
        return true;
    if (member >= 0)
        return kind->read(chain->data, file, (size_t)member, value, error);
    g_autofree char *what =
        g_strdup_printf("a member of a %s", kind->file_noun);
    return json_file_unknown(file, JSON_PATH(key), what, kind->members, error);
}

static bool
read_chain(struct chain *chain, const char *path, GError **error)
{
    g_autofree char *base = NULL;
    struct json_file file;
    const char *key;
    json_t *value;

    if (!json_file_load(&file, path, error))
        return false;
    g_checksum_update(chain->digest, (const guchar *)file.text, -1);
    bool ok = base_of(chain, &file, &base, error) &&
              (!base || read_chain(chain, base, error));
    json_object_foreach (file.root, key, value)
        ok = ok && read_member(chain, &file, key, value, error);
    json_file_clear(&file);
    return ok;
}

bool
catalog_read(const struct catalog *catalog, const struct catalog_kind *kind,
             const char *spec, void *data, struct catalog_labels *labels,
             GError **error)
{
    g_autofree char *path = path_of(catalog, kind, spec, error);
    g_autoptr(GChecksum) digest = g_checksum_new(G_CHECKSUM_SHA256);
    struct chain chain = {.catalog = catalog,
                          .kind = kind,
                          .data = data,
                          .labels = labels,
                          .digest = digest};

    if (!path || !read_chain(&chain, path, error))
        return false;
    const char *missing = kind->missing(data);
    if (missing)
        return sim_fail(error, SIM_ERROR_FAILED,
                        "%s:1:1: expected a value for \"%s\" here or in the "
                        "%s it is based on, found none",
                        path, missing, kind->file_noun);
    if (!labels->name)
        labels->name = g_path_get_basename(spec);
    if (!labels->summary)
        labels->summary = g_strdup("");
    labels->digest = g_strdup(g_checksum_get_string(digest));
    return true;
}

void
catalog_labels_clear(struct catalog_labels *labels)
{
    g_free(labels->name);
    g_free(labels->summary);
    g_free(labels->digest);
}
