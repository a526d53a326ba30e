/*
 * Parsing a command line by a table of options.
 */
#include "sim/arguments.h"

#include "sim/error.h"

#include <string.h>

static const struct option_spec *
find_long(const struct option_spec *specs, const char *name, size_t length)
{
    for (; specs->name; specs++)
        if (strlen(specs->name) == length &&
            strncmp(specs->name, name, length) == 0)
            return specs;
    return NULL;
}

static const struct option_spec *
find_short(const struct option_spec *specs, char letter)
{
    for (; specs->name; specs++)
        if (specs->letter == letter)
            return specs;
    return NULL;
}

static bool
fail_unknown(const struct option_spec *specs, const char *word, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *name = g_strndup(word, strcspn(word, "="));

    for (; specs->name; specs++)
        g_ptr_array_add(names, g_strconcat("--", specs->name, NULL));
    g_ptr_array_add(names, NULL);
    return sim_fail_unknown(error, "option", name,
                            (const char *const *)names->pdata);
}

/* Take one option that begins at *argv; *argv is left at its last word. */
static bool
take_option(struct arguments *arguments, const struct option_spec *specs,
            char ***argv, GError **error)
{
    const char *word = **argv;
    bool is_long = word[1] == '-';
    const char *equals = is_long ? strchr(word, '=') : NULL;
    const char *attached = equals                ? equals + 1
                           : !is_long && word[2] ? word + 2
                                                 : NULL;
    size_t length = equals ? (size_t)(equals - word) : strlen(word);
    const struct option_spec *spec =
        is_long ? find_long(specs, word + 2, length - 2)
                : find_short(specs, word[1]);

    if (!spec)
        return fail_unknown(specs, word, error);
    struct given_option given = {.spec = spec, .value = attached};
    if (!spec->argument && attached)
        return sim_fail(error, SIM_ERROR_USAGE, "--%s takes no value",
                        spec->name);
    if (spec->argument && !attached) {
        given.value = (*argv)[1];
        if (!given.value)
            return sim_fail(error, SIM_ERROR_USAGE,
                            "expected %s after --%s, found nothing",
                            spec->argument, spec->name);
        (*argv)++;
    }
    g_array_append_val(arguments->given, given);
    return true;
}

bool
arguments_parse(struct arguments *arguments, const struct option_spec *specs,
                char **argv, GError **error)
{
    bool options_ended = false;

    arguments->positional = g_ptr_array_new();
    arguments->given = g_array_new(FALSE, FALSE, sizeof(struct given_option));
    for (; *argv; argv++) {
        bool is_option = !options_ended && **argv == '-' && (*argv)[1];
        if (is_option && strcmp(*argv, "--") == 0)
            options_ended = true;
        else if (!is_option)
            g_ptr_array_add(arguments->positional, *argv);
        else if (!take_option(arguments, specs, &argv, error))
            return false;
    }
    return true;
}

void
arguments_clear(struct arguments *arguments)
{
    g_ptr_array_unref(arguments->positional);
    g_array_unref(arguments->given);
}

const char *
arguments_value(const struct arguments *arguments, const char *name)
{
    const char *value = NULL;

    for (size_t i = 0; i < arguments->given->len; i++) {
        const struct given_option *given =
            &g_array_index(arguments->given, struct given_option, i);
        if (strcmp(given->spec->name, name) == 0)
            value = given->value;
    }
    return value;
}

bool
arguments_has(const struct arguments *arguments, const char *name)
{
    for (size_t i = 0; i < arguments->given->len; i++)
        if (strcmp(g_array_index(arguments->given, struct given_option, i)
                       .spec->name,
                   name) == 0)
            return true;
    return false;
}
