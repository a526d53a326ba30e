/*
 * What a command line varies: each option that says what to run is an axis
 * with one or more values, and a run takes one value of each.
 */
#pragma once

#include "sim/arguments.h"
#include "sim/setup.h"

#include <glib.h>

struct axis {
    enum setup_kind kind;
    char *name;     // of a sysctl, knob or policy axis, else NULL
    char **values;  // NULL-terminated, at least one
};

/* clang-format off */
/* The options that axes are made of; for the tables of commands. */
#define AXIS_OPTIONS                                                           \
    {"kernel", 0, "KERNEL", "preset or path of one (default 6.18)"},           \
    {"machine", 0, "MACHINE", "machine or path of one (default x86-64)"},      \
    {"ram", 0, "SIZE", "RAM instead of the machine's"},                        \
    {"cpus", 0, "N", "CPUs instead of the machine's"},                         \
    {"swap", 0, "SIZE", "swap instead of the machine's"},                      \
    {"schedule", 0, "SCHEDULE", "recorded: the order of the file"},            \
    {"sysctl", 0, "NAME=VALUE", "a sysctl (see vmsim list knobs)"},            \
    {"knob", 0, "NAME=VALUE", "a knob (see vmsim list knobs)"},                \
    {"policy", 0, "AXIS=VALUE", "a policy (see vmsim list policies)"}
/* clang-format on */

/* In the order of a sweep's cells: kernel, machine, ram, cpus, swap, schedule,
 * sysctls, knobs, policies, the last three as given.  NULL and *error when an
 * option cannot be read; struct axis. */
GArray *axes_of(const struct arguments *arguments, GError **error);

/* Runs of one trace that the axes make; saturates. */
size_t axes_count(const GArray *axes);

/* The choices of one run; the last axis varies fastest.  struct setup_choice,
 * pointing into the axes. */
GArray *axes_choices(const GArray *axes, size_t run);
