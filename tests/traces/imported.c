/*
 * See imported.h.
 */
#include "tests/traces/imported.h"

#include <check.h>
#include <string.h>

#include "traces/trace.h"

char *
import_texts(const char *folder, importer import, const char *const *texts,
             char **message)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    for (unsigned i = 0; texts[i]; i++) {
        g_autofree char *name = g_strdup_printf("%u.txt", i);
        char *path = g_build_filename(folder, name, NULL);
        g_ptr_array_add(paths, path);
        ck_assert(g_file_set_contents(path, texts[i], -1, NULL));
    }
    g_autofree char *output = g_build_filename(folder, "t.trace", NULL);
    struct import_options options = {.default_uid = 0};
    GError *error = NULL;
    struct trace_writer *writer = trace_writer_open(output, NULL);
    if (!import(paths, &options, writer, &error)) {
        trace_writer_abandon(writer);
        bool has_path = g_str_has_prefix(error->message, folder);
        *message =
            g_strdup(error->message + (has_path ? strlen(folder) + 1 : 0));
        g_error_free(error);
        return NULL;
    }
    ck_assert(trace_writer_close(writer, NULL));
    struct trace *loaded = trace_load(output, &error);
    ck_assert_msg(loaded, "%s", error ? error->message : "");
    trace_free(loaded);
    char *text = NULL;
    ck_assert(g_file_get_contents(output, &text, NULL, NULL));
    return text;
}

void
assert_refused(const char *folder, importer import, const char *recording,
               const char *message)
{
    const char *texts[] = {recording, NULL};
    char *found = NULL;

    ck_assert_ptr_null(import_texts(folder, import, texts, &found));
    ck_assert_msg(g_str_has_prefix(found, message), "%s", found);
    g_free(found);
}
