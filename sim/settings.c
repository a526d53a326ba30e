/*
 * The tables of sysctls and knobs, and how one is set.
 */
#include "sim/settings.h"

#include "sim/error.h"
#include "sim/numbers.h"

#include <inttypes.h>
#include <string.h>

#define FIELD(member) offsetof(struct machine_config, member)

/* clang-format off */
const struct setting sysctls[] = {
    {"vm.overcommit_memory",
     "0: refuse obvious overcommits, 1: never refuse, 2: count strictly",
     0, 2, FIELD(overcommit_memory), false, false},
    {"vm.overcommit_ratio", "percent of RAM that mode 2 lets be committed",
     0, 10000, FIELD(overcommit_ratio), false, false},
    {"vm.max_map_count", "VMAs that an address space may have",
     1, 1 << 30, FIELD(max_map_count), false, false},
    {NULL, NULL, 0, 0, 0, false, false},
};

const struct setting knobs[] = {
    {"nozero.race_fix",
     "1: frames of a process that changed its credentials have no owner",
     0, 1, FIELD(nozero_race_fix), true, false},
    {"highpte", "1: page tables may lie in high memory",
     0, 1, FIELD(highpte), true, false},
    {"l1_line_bytes", "cache line, the size of a pte_chain block",
     32, 1024, FIELD(l1_line_bytes), false, true},
    {"read_ahead_kb", "window of read-ahead, as in /sys/class/bdi",
     0, 1 << 20, FIELD(read_ahead_kb), false, false},
    {"max_sectors_kb", "largest request to the disk, as in /sys/block",
     0, 1 << 20, FIELD(max_sectors_kb), false, false},
    {"large_folios", "1: read-ahead may read several pages of a file as one",
     0, 1, FIELD(large_folios), true, false},
    {NULL, NULL, 0, 0, 0, false, false},
};
/* clang-format on */

static const struct setting *
table_of(enum setting_kind kind)
{
    return kind == SETTING_SYSCTL ? sysctls : knobs;
}

static bool
fail_unknown(enum setting_kind kind, const char *name, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    if (kind == SETTING_SYSCTL && strcmp(name, "vm.swappiness") == 0)
        return sim_fail(error, SIM_ERROR_USAGE,
                        "vm.swappiness is not built yet: there is no swap");
    for (const struct setting *set = table_of(kind); set->name; set++)
        g_ptr_array_add(names, (char *)set->name);
    g_ptr_array_add(names, NULL);
    return sim_fail_unknown(error, kind == SETTING_SYSCTL ? "sysctl" : "knob",
                            name, (const char *const *)names->pdata);
}

bool
setting_set(enum setting_kind kind, const char *name, const char *value,
            struct machine_config *config, GError **error)
{
    const struct setting *set = table_of(kind);
    uint64_t number;

    while (set->name && strcmp(set->name, name) != 0)
        set++;
    if (!set->name)
        return fail_unknown(kind, name, error);
    if (!parse_number(value, &number) || number < set->min ||
        number > set->max || (set->is_power && (number & (number - 1))))
        return sim_fail(error, SIM_ERROR_USAGE,
                        "expected a %s from %" PRIu64 " to %" PRIu64
                        " for %s, found \"%s\"",
                        set->is_power ? "power of two" : "number", set->min,
                        set->max, name, value);
    if (set->is_bool)
        *(bool *)((char *)config + set->offset) = number != 0;
    else
        *(uint32_t *)((char *)config + set->offset) = (uint32_t)number;
    return true;
}

json_t *
settings_json(enum setting_kind kind, const struct machine_config *config)
{
    json_t *object = json_object();

    for (const struct setting *set = table_of(kind); set->name; set++) {
        const char *field = (const char *)config + set->offset;
        json_int_t value =
            set->is_bool ? *(const bool *)field : *(const uint32_t *)field;
        json_object_set_new(object, set->name, json_integer(value));
    }
    return object;
}
