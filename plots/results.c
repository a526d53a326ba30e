/*
 * Reading RESULTS.jsonl.  Everything that later code relies on is checked
 * here, so that the pictures need not: sections hold numbers under plain
 * names, timelines are rectangular.  What a picture misses is no error.
 */
#include "plots/results.h"

#include "plots/labels.h"
#include "plots/plot.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define LINE_BYTES_MAX (256u << 20)
#define SCHEMA         1

/* The place that is being read, for messages. */
struct place {
    const char *path;
    unsigned line;
    const char *text;
};

static bool fail_at(const struct place *place, const char *const *keys,
                    GError **error, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/*
 * Columns are 1-based bytes.  jansson forgets where a value stood, so its keys
 * are searched again: a quoted key and a colon cannot stand inside a string,
 * where the quotes would be escaped.
 */
static size_t
find_column(const char *text, const char *const *keys)
{
    const char *at = text;

    for (; keys && *keys; keys++) {
        g_autofree char *quoted = g_strdup_printf("\"%s\"", *keys);
        const char *found = at;
        do {
            found = strstr(found + 1, quoted);
        } while (found && !strchr(" \t:", found[strlen(quoted)]));
        if (!found)
            break;
        at = found;
    }
    return (size_t)(at - text) + 1;
}

static bool
fail_at(const struct place *place, const char *const *keys, GError **error,
        const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, PLOT_ERROR, PLOT_ERROR_INPUT, "%s:%u:%zu: %s",
                place->path, place->line, find_column(place->text, keys),
                message);
    return false;
}

#define KEYS(...) ((const char *const[]){__VA_ARGS__, NULL})

static bool
is_plain_name(const char *name)
{
    if (!g_ascii_isalpha(*name))
        return false;
    for (; *name; name++)
        if (!g_ascii_isalnum(*name) && *name != '_')
            return false;
    return true;
}

static bool
check_object(const struct place *place, const json_t *parent, const char *key,
             GError **error)
{
    if (json_is_object(json_object_get(parent, key)))
        return true;
    return fail_at(place, KEYS(key), error,
                   "expected an object \"%s\", found %s", key,
                   json_object_get(parent, key) ? "something else" : "none");
}

/* Names become columns of the data files, which scripts address by name. */
static bool
check_numbers(const struct place *place, const char *section,
              const json_t *object, GError **error)
{
    const char *key;
    json_t *value;

    if (!object)
        return true;
    if (!json_is_object(object))
        return fail_at(place, KEYS(section), error,
                       "expected an object \"%s\", found something else",
                       section);
    json_object_foreach ((json_t *)object, key, value) {
        if (json_is_object(value) && strcmp(key, "total") == 0)
            continue;
        if (!is_plain_name(key))
            return fail_at(place, KEYS(section), error,
                           "expected names of letters, digits and _ in "
                           "\"%s\", found another",
                           section);
        if (!json_is_number(value))
            return fail_at(place, KEYS(section, key), error,
                           "expected a number, found something else");
    }
    return true;
}

static bool
check_timeline_row(const struct place *place, const json_t *row,
                   size_t column_count, GError **error)
{
    if (json_array_size(row) != column_count)
        return fail_at(place, KEYS("timeline", "rows"), error,
                       "expected rows of %zu numbers, found one of %zu",
                       column_count, json_array_size(row));
    for (size_t i = 0; i < column_count; i++)
        if (!json_is_number(json_array_get(row, i)))
            return fail_at(place, KEYS("timeline", "rows"), error,
                           "expected rows of numbers, found something else");
    return true;
}

static bool
check_timeline(const struct place *place, const json_t *timeline,
               GError **error)
{
    const json_t *columns = json_object_get(timeline, "columns");
    const json_t *rows = json_object_get(timeline, "rows");

    if (!timeline || json_is_null(timeline))
        return true;
    if (!json_is_array(columns) || !json_is_array(rows))
        return fail_at(place, KEYS("timeline"), error,
                       "expected null or an object of columns and rows, "
                       "found something else");
    for (size_t i = 0; i < json_array_size(columns); i++)
        if (!json_is_string(json_array_get(columns, i)))
            return fail_at(place, KEYS("timeline", "columns"), error,
                           "expected names, found something else");
    for (size_t i = 0; i < json_array_size(rows); i++)
        if (!check_timeline_row(place, json_array_get(rows, i),
                                json_array_size(columns), error))
            return false;
    return true;
}

static bool
check_line(const struct place *place, const json_t *root, GError **error)
{
    static const char *const sections[] = {"counters", "peak", "end",
                                           "time_ns"};
    const json_t *schema = json_object_get(root, "schema");
    const json_t *peak = json_object_get(root, "peak");

    if (!json_is_object(root))
        return fail_at(place, NULL, error,
                       "expected an object, found something else");
    if (json_integer_value(schema) != SCHEMA)
        return fail_at(place, KEYS("schema"), error,
                       "expected \"schema\" %d, found %s", SCHEMA,
                       schema ? "another" : "none");
    if (!check_object(place, root, "trace", error) ||
        !check_object(place, root, "config", error))
        return false;
    if (!json_is_string(
            json_object_get(json_object_get(root, "trace"), "path")))
        return fail_at(place, KEYS("trace"), error,
                       "expected a trace with a path, found none");
    if (json_is_string(json_object_get(root, "refused")))
        return true;
    if (!check_object(place, root, "counters", error))
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(sections); i++)
        if (!check_numbers(place, sections[i],
                           json_object_get(root, sections[i]), error))
            return false;
    return check_numbers(place, "total", json_object_get(peak, "total"),
                         error) &&
           check_timeline(place, json_object_get(root, "timeline"), error);
}

static void
run_free(void *data)
{
    struct plot_run *run = data;

    json_decref(run->root);
    g_ptr_array_unref(run->values);
    g_free(run->setup);
    g_free(run->label);
    g_free(run);
}

static bool
add_line(struct plot_runs *runs, const struct place *place, size_t length,
         GError **error)
{
    json_error_t where;
    json_t *root =
        json_loadb(place->text, length, JSON_REJECT_DUPLICATES, &where);

    if (!root) {
        g_set_error(error, PLOT_ERROR, PLOT_ERROR_INPUT,
                    "%s:%u:%d: expected one JSON object a line, found "
                    "broken JSON: %s",
                    place->path, place->line, MAX(where.position, 1),
                    where.text);
        return false;
    }
    if (!check_line(place, root, error)) {
        json_decref(root);
        return false;
    }
    struct plot_run *run = g_new0(struct plot_run, 1);
    const char *validity = json_string_value(json_object_get(root, "validity"));
    run->root = root;
    run->line = place->line;
    run->is_lower_bound = g_strcmp0(validity, "lower-bound") == 0;
    run->values = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(json_is_string(json_object_get(root, "refused"))
                        ? runs->refused
                        : runs->runs,
                    run);
    return true;
}

/* False at the end of the file and, with *error set, when it fails. */
static bool
read_line(FILE *file, const struct place *place, GString *text, GError **error)
{
    int byte;

    g_string_truncate(text, 0);
    while ((byte = getc(file)) != EOF && byte != '\n') {
        if (text->len == LINE_BYTES_MAX) {
            g_set_error(error, PLOT_ERROR, PLOT_ERROR_INPUT,
                        "%s:%u:%zu: expected a line of at most %u MiB, found "
                        "a longer one",
                        place->path, place->line, text->len + 1,
                        LINE_BYTES_MAX >> 20);
            return false;
        }
        g_string_append_c(text, (char)byte);
    }
    if (ferror(file)) {
        g_set_error(error, PLOT_ERROR, PLOT_ERROR_INPUT, "%s: %s", place->path,
                    g_strerror(errno));
        return false;
    }
    return byte != EOF || text->len > 0;
}

static bool
read_lines(struct plot_runs *runs, FILE *file, const char *path, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) failure = NULL;
    struct place place = {path, 1, ""};

    for (; read_line(file, &place, text, &failure); place.line++) {
        place.text = text->str;
        if (strspn(text->str, " \t\r") == text->len)
            continue;
        if (!add_line(runs, &place, text->len, error))
            return false;
    }
    if (failure) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    return true;
}

bool
plot_runs_load(struct plot_runs *runs, const char *path, GError **error)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(path, "re");

    *runs = (struct plot_runs){0};
    if (!file) {
        g_set_error(error, PLOT_ERROR, PLOT_ERROR_INPUT, "%s: %s", path,
                    g_strerror(errno));
        return false;
    }
    runs->name =
        is_stdin ? g_strdup("standard input") : g_path_get_basename(path);
    runs->runs = g_ptr_array_new_with_free_func(run_free);
    runs->refused = g_ptr_array_new_with_free_func(run_free);
    runs->settings = g_ptr_array_new_with_free_func(g_free);
    runs->traces = g_ptr_array_new_with_free_func(g_free);
    bool is_read = read_lines(runs, file, path, error);
    if (!is_stdin)
        fclose(file);
    if (!is_read) {
        plot_runs_clear(runs);
        return false;
    }
    plot_runs_label(runs);
    return true;
}

void
plot_runs_clear(struct plot_runs *runs)
{
    g_clear_pointer(&runs->name, g_free);
    g_clear_pointer(&runs->runs, g_ptr_array_unref);
    g_clear_pointer(&runs->refused, g_ptr_array_unref);
    g_clear_pointer(&runs->settings, g_ptr_array_unref);
    g_clear_pointer(&runs->traces, g_ptr_array_unref);
    g_clear_pointer(&runs->common, g_free);
}

struct plot_run *
plot_run_at(const struct plot_runs *runs, unsigned index)
{
    return runs->runs->pdata[index];
}

const char *
plot_run_setting(const struct plot_runs *runs, const struct plot_run *run,
                 const char *name)
{
    for (unsigned i = 0; i < run->values->len; i++)
        if (strcmp(runs->settings->pdata[i], name) == 0)
            return run->values->pdata[i];
    return NULL;
}

json_t *
plot_run_section(const struct plot_run *run, const char *section)
{
    g_auto(GStrv) keys = g_strsplit(section, ".", 0);
    json_t *object = run->root;

    for (char **key = keys; *key; key++)
        object = json_object_get(object, *key);
    return object;
}

const json_t *
plot_run_number(const struct plot_run *run, const char *section,
                const char *key)
{
    const json_t *value = json_object_get(plot_run_section(run, section), key);

    return json_is_number(value) ? value : NULL;
}

double
plot_run_double(const struct plot_run *run, const char *section,
                const char *key)
{
    const json_t *value = plot_run_number(run, section, key);

    return value ? json_number_value(value) : (double)NAN;
}
