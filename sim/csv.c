/*
 * Flattening a result into a header row and a row of values.
 */
#include "sim/csv.h"

#include <string.h>

static void
append_cell(GString *row, const char *text)
{
    if (row->len > 0)
        g_string_append_c(row, ',');
    if (!strpbrk(text, ",\"\n\r")) {
        g_string_append(row, text);
        return;
    }
    g_string_append_c(row, '"');
    for (; *text; text++) {
        if (*text == '"')
            g_string_append_c(row, '"');
        g_string_append_c(row, *text);
    }
    g_string_append_c(row, '"');
}

static void
append_value(GString *row, const json_t *value)
{
    if (json_is_string(value)) {
        append_cell(row, json_string_value(value));
    } else if (json_is_null(value)) {
        append_cell(row, "");
    } else {
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        append_cell(row, text);
        free(text);
    }
}

static void
flatten(GString *header, GString *row, const char *prefix, const json_t *object)
{
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)object, key, value) {
        g_autofree char *name =
            prefix ? g_strconcat(prefix, ".", key, NULL) : g_strdup(key);
        if (json_is_object(value) && json_object_size(value) > 0) {
            flatten(header, row, name, value);
            continue;
        }
        append_cell(header, name);
        append_value(row, value);
    }
}

void
csv_append(GString *out, const json_t *result)
{
    g_autoptr(GString) header = g_string_new(NULL);
    g_autoptr(GString) row = g_string_new(NULL);

    flatten(header, row, NULL, result);
    g_string_append_printf(out, "%s\n%s\n", header->str, row->str);
}
