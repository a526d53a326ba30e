/*
 * Loading JSON files and finding the place of a wrong value in their text.
 */
#include "sim/json_file.h"

#include "sim/error.h"
#include "workloads/nearest.h"

#include <string.h>

bool
json_file_load(struct json_file *file, const char *path, GError **error)
{
    g_autoptr(GError) io_error = NULL;
    json_error_t where;
    gsize length;

    *file = (struct json_file){0};
    g_autofree char *text = NULL;
    if (!g_file_get_contents(path, &text, &length, &io_error)) {
        /* It quotes the name in a way that few terminals can show. */
        const char *reason = g_strrstr(io_error->message, ": ");
        return sim_fail(error, SIM_ERROR_FAILED, "%s%s", path,
                        reason ? reason : "");
    }
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
    if (!root)
        return sim_fail(error, SIM_ERROR_FAILED,
                        "%s:%d:%d: expected JSON, found broken JSON: %s", path,
                        where.line, MAX(where.column, 1), where.text);
    if (!json_is_object(root)) {
        json_decref(root);
        return sim_fail(error, SIM_ERROR_FAILED,
                        "%s:1:1: expected an object, found something else",
                        path);
    }
    file->path = g_strdup(path);
    file->text = g_steal_pointer(&text);
    file->root = root;
    return true;
}

void
json_file_clear(struct json_file *file)
{
    g_free(file->path);
    g_free(file->text);
    json_decref(file->root);
    *file = (struct json_file){0};
}

static const char *
skip_blanks(const char *at)
{
    return at + strspn(at, " \t\r\n:,");
}

/* The text is known to be valid, so every string and bracket closes. */
static const char *
skip_string(const char *at)
{
    for (at++; *at != '"'; at++)
        if (*at == '\\')
            at++;
    return at + 1;
}

static const char *
skip_value(const char *at)
{
    unsigned depth = 0;

    do {
        if (*at == '"') {
            at = skip_string(at);
            continue;
        }
        if (*at == '{' || *at == '[')
            depth++;
        if (*at == '}' || *at == ']')
            depth--;
        at++;
    } while (depth > 0 || !strchr(" \t\r\n,:}]", *at));
    return at;
}

/* Value of a key in the object that starts at `at`, or NULL. */
static const char *
find_member(const char *at, const char *key)
{
    if (*at != '{')
        return NULL;
    for (at = skip_blanks(at + 1); *at == '"'; at = skip_blanks(at)) {
        const char *name = at + 1;
        at = skip_string(at);
        size_t length = (size_t)(at - name) - 1;
        at = skip_blanks(at);
        if (strlen(key) == length && strncmp(name, key, length) == 0)
            return at;
        at = skip_value(at);
    }
    return NULL;
}

static const char *
find_place(const struct json_file *file, const char *const *keys)
{
    const char *at = skip_blanks(file->text);

    for (; *keys; keys++) {
        const char *member = find_member(at, *keys);
        if (!member)
            break;
        at = member;
    }
    const char *bare = find_member(at, "value");
    return bare ? bare : at;
}

bool
json_file_fail(const struct json_file *file, const char *const *keys,
               GError **error, const char *format, ...)
{
    const char *place = find_place(file, keys);
    unsigned line = 1;
    const char *line_start = file->text;
    va_list args;

    for (const char *at = file->text; at < place; at++) {
        if (*at == '\n') {
            line++;
            line_start = at + 1;
        }
    }
    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    return sim_fail(error, SIM_ERROR_FAILED, "%s:%u:%u: %s", file->path, line,
                    (unsigned)(place - line_start) + 1, message);
}

const json_t *
json_bare(const json_t *value)
{
    const json_t *bare = json_object_get(value, "value");

    return bare ? bare : value;
}

/* A few words for "found ..." in messages. */
static char *
describe(const json_t *value)
{
    if (!value)
        return g_strdup("nothing");
    if (json_is_object(value))
        return g_strdup("an object");
    if (json_is_array(value))
        return g_strdup("a list");
    char *dump = json_dumps(value, JSON_ENCODE_ANY);
    char *text = g_strdup(dump);
    free(dump);
    return text;
}

bool
json_file_expect(const struct json_file *file, const char *const *keys,
                 const json_t *value, GError **error, const char *what)
{
    g_autofree char *found = describe(value);

    return json_file_fail(file, keys, error, "expected %s, found %s", what,
                          found);
}

bool
json_file_string(const struct json_file *file, const char *key,
                 const json_t *value, char **text, GError **error)
{
    if (!json_is_string(value))
        return json_file_expect(file, JSON_PATH(key), value, error, "a string");
    g_free(*text);
    *text = g_strdup(json_string_value(value));
    return true;
}

int
word_index(const char *const *words, const char *word)
{
    for (int i = 0; words[i]; i++)
        if (word && strcmp(words[i], word) == 0)
            return i;
    return -1;
}

bool
json_file_unknown(const struct json_file *file, const char *const *keys,
                  const char *what, const char *const *known, GError **error)
{
    const char *word = NULL;

    for (const char *const *key = keys; *key; key++)
        word = *key;
    const char *near = nearest_name(word, known);
    return json_file_fail(file, keys, error, "expected %s, found \"%s\"%s%s%s",
                          what, word,
                          near ? "; the nearest known one is \"" : "",
                          near ? near : "", near ? "\"" : "");
}
