/*
 * Numbers with units, the same in every locale.
 */
#include "plots/numbers.h"

#include <glib.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#define EXACT_BELOW 1e7  // counts that are shown to the last digit

static const struct plot_scale count_scales[] = {
    {"", "%g", 1},     {"k", "%gk", 1e3},  {"M", "%gM", 1e6},
    {"G", "%gG", 1e9}, {"T", "%gT", 1e12}, {NULL, NULL, 0}};
static const struct plot_scale byte_scales[] = {{"B", "%g", 1},
                                                {"KiB", "%g", 1024.0},
                                                {"MiB", "%g", 1048576.0},
                                                {"GiB", "%g", 1073741824.0},
                                                {"TiB", "%g", 1099511627776.0},
                                                {NULL, NULL, 0}};
static const struct plot_scale ns_scales[] = {{"ns", "%g", 1},
                                              {"us", "%g", 1e3},
                                              {"ms", "%g", 1e6},
                                              {"s", "%g", 1e9},
                                              {NULL, NULL, 0}};

static const struct plot_scale *
scales_of(enum plot_unit unit)
{
    switch (unit) {
    case PLOT_BYTES:
        return byte_scales;
    case PLOT_NS:
        return ns_scales;
    case PLOT_COUNT:
        break;
    }
    return count_scales;
}

static struct plot_scale
largest_scale(const struct plot_scale *scales, double most)
{
    while (scales[1].name && most >= scales[1].divisor)
        scales++;
    return *scales;
}

struct plot_scale
plot_scale_for(enum plot_unit unit, double most)
{
    return largest_scale(scales_of(unit), most);
}

/* Three digits that count, without an exponent. */
static char *
three_digits(double value, bool has_zeros)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];
    double size = fabs(value);
    const char *format = size >= 99.95   ? "%.0f"
                         : size >= 9.995 ? "%.1f"
                         : size >= 0.01  ? "%.2f"
                                         : "%.2g";

    g_ascii_formatd(text, sizeof(text), format, value);
    if (!has_zeros && strchr(text, '.') && !strchr(text, 'e')) {
        char *end = text + strlen(text);
        while (end[-1] == '0')
            *--end = '\0';
        if (end[-1] == '.')
            end[-1] = '\0';
    }
    return g_strdup(text);
}

char *
plot_group_digits(const char *digits, char separator)
{
    GString *text = g_string_new(NULL);

    for (size_t left = strlen(digits); left > 0; left--) {
        g_string_append_c(text, *digits++);
        if (left > 1 && left % 3 == 1)
            g_string_append_c(text, separator);
    }
    return g_string_free(text, FALSE);
}

static char *
grouped(double value)
{
    g_autofree char *digits = g_strdup_printf("%.0f", value);

    return plot_group_digits(digits, ',');
}

static char *
scaled(enum plot_unit unit, double value, bool has_zeros)
{
    struct plot_scale scale = largest_scale(scales_of(unit), value);
    g_autofree char *digits =
        three_digits(value / scale.divisor, has_zeros && scale.divisor > 1);
    return g_strconcat(digits, *scale.name ? " " : "", scale.name, NULL);
}

char *
plot_number_text(enum plot_unit unit, double value)
{
    if (!isfinite(value))
        return g_strdup("unknown");
    if (unit == PLOT_COUNT && value < EXACT_BELOW &&
        (value >= 1000 || (value >= 0 && value == floor(value))))
        return grouped(value);
    return scaled(unit, value, unit != PLOT_COUNT);
}

char *
plot_bytes_text(double bytes)
{
    return scaled(PLOT_BYTES, bytes, false);
}

char *
plot_percent_text(double part, double whole)
{
    double percent = 100 * part / whole;
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    if (percent < 0.01)
        return g_strdup("under 0.01 %");
    const char *format = percent >= 99.95 ? "%.2f"
                         : percent >= 99  ? "%.1f"
                         : percent >= 10  ? "%.0f"
                                          : "%.2g";

    g_ascii_formatd(text, sizeof(text), format, percent);
    return g_strconcat(text, " %", NULL);
}
