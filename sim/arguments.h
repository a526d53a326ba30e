/*
 * Command lines: options before, after and between the other arguments.
 *
 * `--name VALUE`, `--name=VALUE`, `-n VALUE`, `-nVALUE`; `--` ends the
 * options; `-` alone is an argument.  Every option that is given is kept, in
 * order.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

struct option_spec {
    const char *name;      // without the dashes
    char letter;           // short form, or 0
    const char *argument;  // what it is called in the help; NULL: a flag
    const char *help;
};

struct given_option {
    const struct option_spec *spec;
    const char *value;  // NULL of a flag
};

struct arguments {
    GPtrArray *positional;  // const char *, of argv
    GArray *given;          // struct given_option
};

/* `specs` ends with a NULL name.  A usage error names the nearest option. */
bool arguments_parse(struct arguments *arguments,
                     const struct option_spec *specs, char **argv,
                     GError **error);
void arguments_clear(struct arguments *arguments);

/* Last value given, or NULL. */
const char *arguments_value(const struct arguments *arguments,
                            const char *name);
bool arguments_has(const struct arguments *arguments, const char *name);
