/*
 * The known word that a misspelt one probably means: smallest edit distance.
 * Words are compared byte by byte; nothing is known of their meaning.
 */
#include "workloads/nearest.h"

#include <glib.h>
#include <stdint.h>
#include <string.h>

/* One row of the classic table at a time: row[j] is the distance between the
 * first i letters of `a` and the first j letters of `b`. */
static size_t
edit_distance(const char *a, const char *b)
{
    size_t length = strlen(b);
    g_autofree size_t *row = g_new(size_t, length + 1);

    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= length; j++) {
            size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = MIN(replaced, MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[length];
}

const char *
nearest_name(const char *word, const char *const *names)
{
    const char *nearest = NULL;
    size_t nearest_distance = SIZE_MAX;

    for (size_t i = 0; names[i]; i++) {
        size_t distance = edit_distance(word, names[i]);
        if (distance < nearest_distance) {
            nearest = names[i];
            nearest_distance = distance;
        }
    }
    return nearest;
}
