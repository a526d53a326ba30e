/*
 * JSON files that people edit: presets and machines.
 *
 * A file is an object.  A value may stand alone or in an object with its
 * source, {"value": 16, "source": "where it was read"}.  Every complaint is
 * one line "path:line:column: expected X, found Y"; jansson forgets where a
 * value stood, so the place of a wrong one is searched in the text again.
 */
#pragma once

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct json_file {
    char *path;
    char *text;
    json_t *root;  // an object
};

bool json_file_load(struct json_file *file, const char *path, GError **error);
void json_file_clear(struct json_file *file);

/* Where a value lies: keys from the root down, NULL-terminated. */
#define JSON_PATH(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Set *error to the place of the value (of its key, if it is an object) and
 * the message; returns false. */
bool json_file_fail(const struct json_file *file, const char *const *keys,
                    GError **error, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/* "expected WHAT, found VALUE" at the value's place; returns false. */
bool json_file_expect(const struct json_file *file, const char *const *keys,
                      const json_t *value, GError **error, const char *what);

/* A string into *text, freeing what was there. */
bool json_file_string(const struct json_file *file, const char *key,
                      const json_t *value, char **text, GError **error);

/* {"value": V, ...} gives V, anything else itself. */
const json_t *json_bare(const json_t *value);

/* The key does not belong into its object: say which would. */
bool json_file_unknown(const struct json_file *file, const char *const *keys,
                       const char *what, const char *const *known,
                       GError **error);

/* Index of the word in the NULL-terminated list, or -1; word may be NULL. */
int word_index(const char *const *words, const char *word);
