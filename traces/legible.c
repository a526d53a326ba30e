/*
 * Spells out the bytes that a reader must not be sent as they are.
 */
#include "traces/legible.h"

#include <stdbool.h>
#include <string.h>

static bool
stays(gunichar character, enum legible_controls controls)
{
    if (!g_unichar_iscntrl(character) || controls == LEGIBLE_ALL)
        return true;
    return controls == LEGIBLE_LINES &&
           (character == '\n' || character == '\r' || character == '\t');
}

/* Bytes of the character at `text`, if it stays, else 0. */
static size_t
kept_length(const char *text, size_t left, enum legible_controls controls)
{
    gunichar character = g_utf8_get_char_validated(text, (gssize)left);

    if (character == (gunichar)-1 || character == (gunichar)-2 ||
        !stays(character, controls))
        return 0;
    return (size_t)g_utf8_skip[(unsigned char)*text];
}

char *
legible(const char *text, size_t length, enum legible_controls controls)
{
    GString *shown = g_string_sized_new(length);

    for (size_t i = 0; i < length;) {
        size_t kept = kept_length(text + i, length - i, controls);
        if (kept == 0)
            g_string_append_printf(shown, "\\x%02x", (unsigned char)text[i]);
        g_string_append_len(shown, text + i, (gssize)kept);
        i += MAX(kept, 1);
    }
    return g_string_free(shown, FALSE);
}

char *
legible_text(const char *text, enum legible_controls controls)
{
    return legible(text, strlen(text), controls);
}
