/*
 * Subcommands: one file command_NAME.c each, and the table of all of them.
 */
#pragma once

#include "sim/arguments.h"

#include <glib.h>
#include <stdbool.h>

struct command {
    const char *name;
    const char *usage;  // what follows "vmsim NAME"
    const char *summary;
    const struct option_spec *options;  // ends with a NULL name
    /* argv holds what follows the name; NULL: the command is not built yet. */
    bool (*run)(const struct command *command, char **argv, GError **error);
};

/* Ends with a NULL name; order of the help. */
extern const struct command commands[];

/* Find and run the command of argv[1], or answer --help and --version. */
bool command_run(char **argv, GError **error);

/* Parse the arguments of a command.  *helped: --help was asked for and
 * answered. */
bool command_arguments(const struct command *command, char **argv,
                       struct arguments *arguments, bool *helped,
                       GError **error);
bool command_gen(const struct command *command, char **argv, GError **error);
bool command_record(const struct command *command, char **argv, GError **error);
bool command_import(const struct command *command, char **argv, GError **error);
bool command_info(const struct command *command, char **argv, GError **error);
bool command_convert(const struct command *command, char **argv,
                     GError **error);
bool command_replay(const struct command *command, char **argv, GError **error);
bool command_sweep(const struct command *command, char **argv, GError **error);
bool command_verify(const struct command *command, char **argv, GError **error);
bool command_plot(const struct command *command, char **argv, GError **error);
bool command_list(const struct command *command, char **argv, GError **error);
