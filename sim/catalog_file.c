/*
 * Finding a preset or machine file and reading it with those it is based on.
 */
#include "sim/catalog_file.h"

#include "sim/error.h"
#include "sim/json_file.h"
#include "traces/legible.h"

#include <string.h>

#define BASE_DEPTH_MAX 32

/* Numbers in names compare as numbers: 2.6.7 stands before 2.6.22. */
static int
compare_names(gconstpointer a, gconstpointer b)
{
    return strverscmp(*(const char *const *)a, *(const char *const *)b);
}

char **
catalog_file_names(const char *data_dir, const char *folder)
{
    GPtrArray *names = g_ptr_array_new();
    g_autofree char *path = g_build_filename(data_dir, folder, NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *entry;

    while (dir && (entry = g_dir_read_name(dir)))
        if (g_str_has_suffix(entry, ".json"))
            g_ptr_array_add(names, g_strndup(entry, strlen(entry) - 5));
    g_ptr_array_sort(names, compare_names);
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(names, FALSE);
}

static bool
is_path(const char *spec)
{
    return strchr(spec, '/') || g_str_has_suffix(spec, ".json");
}

/* A file and those that it is based on, being read. */
struct chain {
    const char *data_dir;
    const struct catalog_kind *kind;
    void *data;
    struct catalog_labels *labels;
    GChecksum *digest;
    unsigned depth;
};

static char *
path_of(const char *data_dir, const struct catalog_kind *kind, const char *spec,
        GError **error)
{
    if (is_path(spec))
        return g_strdup(spec);
    g_auto(GStrv) names = catalog_file_names(data_dir, kind->folder);
    if (!g_strv_contains((const char *const *)names, spec)) {
        sim_fail_unknown(error, kind->name, spec, (const char *const *)names);
        return NULL;
    }
    g_autofree char *entry = g_strdup_printf("%s.json", spec);
    return g_build_filename(data_dir, kind->folder, entry, NULL);
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
        *path = path_of(chain->data_dir, chain->kind, spec, error);
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
    g_clear_pointer(&chain->labels->name, g_free);  // the base's own
    json_object_foreach (file.root, key, value)
        ok = ok && read_member(chain, &file, key, value, error);
    json_file_clear(&file);
    return ok;
}

/* What a file is called that has no name in it. */
static char *
name_of(const char *path)
{
    g_autofree char *base = g_path_get_basename(path);

    if (g_str_has_suffix(base, ".json"))
        base[strlen(base) - strlen(".json")] = '\0';
    return legible_text(base, LEGIBLE_ALL);
}

bool
catalog_file_read(const char *data_dir, const struct catalog_kind *kind,
                  const char *spec, void *data, struct catalog_labels *labels,
                  GError **error)
{
    g_autofree char *path = path_of(data_dir, kind, spec, error);
    g_autoptr(GChecksum) digest = g_checksum_new(G_CHECKSUM_SHA256);
    struct chain chain = {.data_dir = data_dir,
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
        labels->name = name_of(path);
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
