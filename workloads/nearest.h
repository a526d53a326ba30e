/*
 * The known word that a misspelt one probably means.
 */
#pragma once

/* The name with the fewest letters to insert, delete or replace; the first of
 * equals.  NULL when `names` (NULL-terminated) is empty. */
const char *nearest_name(const char *word, const char *const *names);
