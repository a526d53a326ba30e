/*
 * Reading numbers and sizes; out-parameters stay as they were on failure.
 */
#include "sim/numbers.h"

#include <glib.h>
#include <string.h>

bool
parse_number(const char *text, uint64_t *number)
{
    bool is_hex = g_str_has_prefix(text, "0x");
    guint64 value;

    if (!g_ascii_string_to_unsigned(text + (is_hex ? 2 : 0), is_hex ? 16 : 10,
                                    0, UINT64_MAX, &value, NULL))
        return false;
    *number = value;
    return true;
}

bool
parse_size(const char *text, uint64_t *bytes)
{
    static const char units[] = "KMGT";
    size_t length = strlen(text);
    const char *unit = length > 0 ? strchr(units, text[length - 1]) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
    g_autofree char *digits = g_strndup(text, unit ? length - 1 : length);
    uint64_t value;

    if (!parse_number(digits, &value) || value > UINT64_MAX >> shift)
        return false;
    *bytes = value << shift;
    return true;
}
