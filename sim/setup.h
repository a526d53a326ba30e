/*
 * The setup of one run: what a kernel preset, a machine and the words of a
 * command line amount to.
 */
#pragma once

#include "mm/machine.h"
#include "sim/catalog.h"
#include "sim/kernel_file.h"

#include <glib.h>
#include <jansson.h>

/* What a word of the command line sets, in the order of a sweep's cells. */
enum setup_kind {
    SETUP_KERNEL,
    SETUP_MACHINE,
    SETUP_RAM,
    SETUP_CPUS,
    SETUP_SWAP,
    SETUP_SCHEDULE,
    SETUP_SYSCTL,
    SETUP_KNOB,
    SETUP_POLICY,
    SETUP_KIND_COUNT
};

struct setup_choice {
    enum setup_kind kind;
    const char *name;  // of a sysctl, knob or axis, else NULL
    const char *value;
};

struct setup {
    const char *kernel_name, *machine_name;  // of the files, in the catalog
    const char *kernel_digest, *machine_digest;
    struct machine_config config;
    const uint64_t *price_ps;         // by charge; in the catalog
    int wanted[POLICY_AXIS_MAX];      // value asked for, by preset or user
    bool is_chosen[POLICY_AXIS_MAX];  // by the user
    uint64_t seed;
    const char *refusal;  // NULL, or why the combination makes no sense
};

/*
 * Apply the choices to the defaults.  false: a name or value is wrong.  A
 * combination that makes no sense is not an error here: see refusal.
 */
bool setup_create(struct setup *setup, struct catalog *catalog,
                  const struct setup_choice *choices, size_t choice_count,
                  uint64_t seed, GError **error);

/* The object `config` of a result.  `machine` may be NULL: nothing ran. */
json_t *setup_json(const struct setup *setup, const struct machine *machine);

/* One sentence on the axes that run with another value than the preset's, or
 * NULL. */
char *setup_substitutions(const struct setup *setup);
