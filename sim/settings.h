/*
 * Sysctls and knobs: what can be set besides the policy axes.
 *
 * A sysctl has the kernel's own name; a knob is something that a real kernel
 * fixes at build time or has no name for.
 */
#pragma once

#include "mm/machine.h"

#include <glib.h>
#include <jansson.h>

enum setting_kind { SETTING_SYSCTL, SETTING_KNOB };

struct setting {
    const char *name;
    const char *meaning;
    uint64_t min, max;
    size_t offset;  // in struct machine_config
    bool is_bool;   // the field is a bool, else an uint32_t
    bool is_power;  // a power of two
};

/* End with a NULL name. */
extern const struct setting sysctls[];
extern const struct setting knobs[];

/* Set the named one; a usage error for an unknown name or a bad value. */
bool setting_set(enum setting_kind kind, const char *name, const char *value,
                 struct machine_config *config, GError **error);

/* All of a kind with the values in effect. */
json_t *settings_json(enum setting_kind kind,
                      const struct machine_config *config);
