/*
 * Options of workloads: arguments to values, and values back to the canonical
 * command line.  What the options mean is the generators' business.
 *
 * Fractions and milliseconds are decimal fixed-point numbers (9 and 6 places),
 * so no rounding of the host's floating point can change a trace.
 */
#include "workloads/workload_private.h"

#include <errno.h>
#include <string.h>

#include "workloads/nearest.h"

G_DEFINE_QUARK(workload_error, workload_error)

struct workload_values {
    const struct workload *workload;
    struct {
        uint64_t number;
        bool is_given;
    } value[];  // one per option, in the order of the table
};

static size_t
option_count(const struct workload *workload)
{
    size_t count = 0;
    while (workload->options[count].name)
        count++;
    return count;
}

static size_t
option_index(const struct workload_values *values, const char *name)
{
    const struct workload_option *options = values->workload->options;
    size_t i = 0;

    while (options[i].name && strcmp(options[i].name, name) != 0)
        i++;
    g_assert(options[i].name);  // a generator asks only for its own options
    return i;
}

uint64_t
workload_value(const struct workload_values *values, const char *option)
{
    return values->value[option_index(values, option)].number;
}

bool
workload_is_given(const struct workload_values *values, const char *option)
{
    return values->value[option_index(values, option)].is_given;
}

/* An integer, perhaps hexadecimal, followed by one of the letters of `units`,
 * each 1024 times the one before. */
static bool
parse_integer(const char *text, const char *units, uint64_t *number)
{
    bool is_hex = g_str_has_prefix(text, "0x");
    char *end;
    uint64_t digits;
    unsigned shift = 0;

    if (!g_ascii_isdigit(text[0]))
        return false;  // strtoull would skip blanks and take a sign
    errno = 0;
    digits = g_ascii_strtoull(text, &end, is_hex ? 16 : 10);
    if (errno != 0 || (is_hex && end < text + 3))
        return false;
    if (*end) {
        const char *unit = strchr(units, *end);
        if (!unit || end[1])
            return false;
        shift = 10 * (unsigned)(unit - units + 1);
    }
    if (digits > UINT64_MAX >> shift)
        return false;
    *number = digits << shift;
    return true;
}

/* A decimal number with at most `places` digits after the point, in units of
 * its last place. */
static bool
parse_decimal(const char *text, unsigned places, uint64_t *number)
{
    uint64_t result = 0;
    bool after_point = false;

    if (!strpbrk(text, "0123456789"))
        return false;
    for (; *text; text++) {
        if (*text == '.' && !after_point) {
            after_point = true;
            continue;
        }
        if (!g_ascii_isdigit(*text) || result > UINT64_MAX / 100)
            return false;
        if (after_point && places-- == 0)
            return false;
        result = result * 10 + (uint64_t)(*text - '0');
    }
    for (; places > 0; places--) {
        if (result > UINT64_MAX / 10)
            return false;
        result *= 10;
    }
    *number = result;
    return true;
}

static bool
parse_choice(const char *text, const char *const *choices, uint64_t *number)
{
    for (size_t i = 0; choices[i]; i++) {
        if (strcmp(text, choices[i]) == 0) {
            *number = i;
            return true;
        }
    }
    return false;
}

enum { FRACTION_PLACES = 9, MS_PLACES = 6 };

static bool
parse_value(const struct workload_option *option, const char *text,
            uint64_t *number)
{
    switch (option->kind) {
    case WORKLOAD_COUNT:
        return parse_integer(text, "", number);
    case WORKLOAD_SIZE:
        return parse_integer(text, "KMGT", number);
    case WORKLOAD_FRACTION:
        return parse_decimal(text, FRACTION_PLACES, number);
    case WORKLOAD_CHOICE:
        return parse_choice(text, option->choices, number);
    case WORKLOAD_FLAG:
        *number = 1;
        return true;
    case WORKLOAD_MS:
        return parse_decimal(text, MS_PLACES, number);
    }
    g_assert_not_reached();
}

char *
workload_size_text(uint64_t bytes)
{
    static const char units[] = "KMGT";
    int unit = -1;

    while (bytes > 0 && bytes % 1024 == 0 && unit < 3) {
        bytes /= 1024;
        unit++;
    }
    return unit < 0 ? g_strdup_printf("%" PRIu64, bytes)
                    : g_strdup_printf("%" PRIu64 "%c", bytes, units[unit]);
}

static char *
decimal_text(uint64_t number, unsigned places)
{
    uint64_t one = 1;
    for (unsigned i = 0; i < places; i++)
        one *= 10;
    if (number % one == 0)
        return g_strdup_printf("%" PRIu64, number / one);

    char *text = g_strdup_printf("%" PRIu64 ".%0*" PRIu64, number / one,
                                 (int)places, number % one);
    for (size_t end = strlen(text) - 1; text[end] == '0'; end--)
        text[end] = '\0';
    return text;
}

static char *
value_text(const struct workload_option *option, uint64_t number)
{
    switch (option->kind) {
    case WORKLOAD_SIZE:
        return workload_size_text(number);
    case WORKLOAD_FRACTION:
        return decimal_text(number, FRACTION_PLACES);
    case WORKLOAD_CHOICE:
        return g_strdup(option->choices[number]);
    case WORKLOAD_MS:
        return decimal_text(number, MS_PLACES);
    case WORKLOAD_COUNT:
    case WORKLOAD_FLAG:
        return g_strdup_printf("%" PRIu64, number);
    }
    g_assert_not_reached();
}

/* What is legal, as the end of "expected ...". */
static char *
expected_text(const struct workload_option *option)
{
    static const char *const nouns[] = {
        [WORKLOAD_COUNT] = "a number",      [WORKLOAD_SIZE] = "a size",
        [WORKLOAD_FRACTION] = "a fraction", [WORKLOAD_MS] = "milliseconds",
        [WORKLOAD_CHOICE] = "a word",       [WORKLOAD_FLAG] = "nothing",
    };
    g_autofree char *min = NULL;
    g_autofree char *max = NULL;

    if (option->kind == WORKLOAD_CHOICE) {
        g_autofree char *words = g_strjoinv(", ", (char **)option->choices);
        return g_strdup_printf("one of %s", words);
    }
    min = value_text(option, option->min);
    max = value_text(option, option->max);
    return g_strdup_printf("%s from %s to %s", nouns[option->kind], min, max);
}

/* Words and flags cannot be out of range. */
static bool
is_in_range(const struct workload_option *option, uint64_t number)
{
    return option->kind == WORKLOAD_CHOICE || option->kind == WORKLOAD_FLAG ||
           (number >= option->min && number <= option->max);
}

static bool
set_value(struct workload_values *values, size_t index, const char *text,
          GError **error)
{
    const struct workload_option *option = &values->workload->options[index];
    uint64_t number;

    if (!parse_value(option, text, &number) || !is_in_range(option, number)) {
        g_autofree char *expected = expected_text(option);
        g_set_error(error, WORKLOAD_ERROR, WORKLOAD_ERROR_VALUE,
                    "--%s of %s: expected %s, found \"%s\"", option->name,
                    values->workload->name, expected, text);
        return false;
    }
    values->value[index].number = number;
    values->value[index].is_given = true;
    return true;
}

static bool
fail_unknown(const struct workload *workload, const char *argument,
             GError **error)
{
    if (!g_str_has_prefix(argument, "--")) {
        g_set_error(error, WORKLOAD_ERROR, WORKLOAD_ERROR_UNKNOWN,
                    "%s takes only options, found \"%s\"", workload->name,
                    argument);
        return false;
    }
    size_t count = option_count(workload);
    g_autofree const char **names = g_new0(const char *, count + 1);
    for (size_t i = 0; i < count; i++)
        names[i] = workload->options[i].name;
    g_set_error(error, WORKLOAD_ERROR, WORKLOAD_ERROR_UNKNOWN,
                "%s has no option \"%s\"; the nearest is --%s", workload->name,
                argument, nearest_name(argument + 2, names));
    return false;
}

/* Take one option, and its value if that is a word of its own, off *args. */
static bool
parse_argument(struct workload_values *values, char ***args, GError **error)
{
    const struct workload *workload = values->workload;
    const char *argument = *(*args)++;
    const char *equals = strchr(argument, '=');
    g_autofree char *name =
        equals ? g_strndup(argument, (size_t)(equals - argument))
               : g_strdup(argument);
    const char *text = equals ? equals + 1 : NULL;
    size_t i = 0;

    while (workload->options[i].name &&
           !(g_str_has_prefix(name, "--") &&
             strcmp(name + 2, workload->options[i].name) == 0))
        i++;
    if (!workload->options[i].name)
        return fail_unknown(workload, name, error);

    bool is_flag = workload->options[i].kind == WORKLOAD_FLAG;
    if (is_flag && text) {
        g_set_error(error, WORKLOAD_ERROR, WORKLOAD_ERROR_VALUE,
                    "%s of %s takes no value, found \"%s\"", name,
                    workload->name, text);
        return false;
    }
    if (is_flag)
        text = "";
    else if (!text && !(text = *(*args)++)) {
        g_set_error(error, WORKLOAD_ERROR, WORKLOAD_ERROR_VALUE,
                    "%s of %s needs a value", name, workload->name);
        return false;
    }
    return set_value(values, i, text, error);
}

struct workload_values *
workload_values_parse(const struct workload *workload, char **args,
                      GError **error)
{
    size_t count = option_count(workload);
    struct workload_values *values =
        g_malloc0(sizeof(*values) + count * sizeof(values->value[0]));

    values->workload = workload;
    for (size_t i = 0; i < count; i++) {
        const char *fallback = workload->options[i].fallback;
        if (fallback) {
            bool is_legal = set_value(values, i, fallback, NULL);
            g_assert(is_legal);
        }
    }
    while (*args) {
        if (!parse_argument(values, &args, error)) {
            workload_values_free(values);
            return NULL;
        }
    }
    return values;
}

void
workload_values_free(struct workload_values *values)
{
    g_free(values);
}

char *
workload_command_line(const struct workload_values *values)
{
    const struct workload_option *options = values->workload->options;
    GString *line = g_string_new("vmsim gen ");

    g_string_append(line, values->workload->name);
    for (size_t i = 0; options[i].name; i++) {
        if (!values->value[i].is_given)
            continue;
        g_string_append_printf(line, " --%s", options[i].name);
        if (options[i].kind != WORKLOAD_FLAG) {
            g_autofree char *text =
                value_text(&options[i], values->value[i].number);
            g_string_append_printf(line, " %s", text);
        }
    }
    return g_string_free(line, FALSE);
}

/* The left column of the help: the option and what kind of value it takes. */
static char *
help_heading(const struct workload_option *option)
{
    static const char *const kinds[] = {
        [WORKLOAD_COUNT] = " N",    [WORKLOAD_SIZE] = " SIZE",
        [WORKLOAD_FRACTION] = " F", [WORKLOAD_CHOICE] = " WORD",
        [WORKLOAD_FLAG] = "",       [WORKLOAD_MS] = " MS",
    };
    return g_strdup_printf("--%s%s", option->name, kinds[option->kind]);
}

void
workload_help(const struct workload *workload, GString *text)
{
    g_string_append_printf(text,
                           "Usage: vmsim gen %s [OPTION]... [-o TRACE]\n"
                           "%s.\n\nOptions:\n",
                           workload->name, workload->summary);
    for (const struct workload_option *option = workload->options; option->name;
         option++) {
        g_autofree char *heading = help_heading(option);
        g_string_append_printf(text, "  %-20s %s\n", heading, option->help);
        if (option->kind != WORKLOAD_FLAG) {
            g_autofree char *expected = expected_text(option);
            g_string_append_printf(text, "  %-20s (%s", "", expected);
            if (option->fallback)
                g_string_append_printf(text, "; default %s", option->fallback);
            g_string_append(text, ")\n");
        }
    }
}
