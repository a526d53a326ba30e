/*
 * Reading a machine file.
 *
 * A price is {"ns", "low", "high", "status", "source", "note"}; low and high
 * are the range that the source leaves open.  They are checked to enclose the
 * price; the simulation charges "ns".
 */
#include "sim/machine_file.h"

#include "mm/machine.h"
#include "sim/error.h"
#include "sim/json_file.h"

#include <inttypes.h>
#include <string.h>

#define PRICE_MAX_NS 1e12

/* Members in the order of `members`, after the labels. */
enum member {
    MEMBER_ARCH = 4,
    MEMBER_RAM,
    MEMBER_CPUS,
    MEMBER_SWAP,
    MEMBER_LINE,
    MEMBER_IMAGE,
    MEMBER_HIGHPTE,
    MEMBER_PRICES,
    MEMBER_COUNT,
};
static const char *const members[] = {"name",
                                      "based_on",
                                      "summary",
                                      "source",
                                      "arch",
                                      "ram_bytes",
                                      "cpu_count",
                                      "swap_bytes",
                                      "l1_line_bytes",
                                      "kernel_image_bytes",
                                      "highpte",
                                      "prices",
                                      NULL};

/* clang-format off */
#define CHARGE_NAME(name, cost, meaning) #name,
static const char *const charge_names[] = {MM_CHARGES(CHARGE_NAME) NULL};
/* clang-format on */

struct reading {
    struct machine_file *into;
    bool seen[MEMBER_COUNT];
    bool priced[CHARGE_COUNT];
};

static bool
read_number(const struct json_file *file, const char *key, const json_t *value,
            uint64_t min, uint64_t max, uint64_t *result, GError **error)
{
    json_int_t number = json_integer_value(value);

    if (!json_is_integer(value) || number < 0 || (uint64_t)number < min ||
        (uint64_t)number > max) {
        g_autofree char *expected =
            g_strdup_printf("a number from %" PRIu64 " to %" PRIu64, min, max);
        return json_file_expect(file, JSON_PATH(key), value, error, expected);
    }
    *result = (uint64_t)number;
    return true;
}

static bool
read_price(struct reading *reading, const struct json_file *file,
           const char *key, const json_t *price, GError **error)
{
    static const char *const parts[] = {"ns",     "low",  "high", "status",
                                        "source", "note", NULL};
    int charge = word_index(charge_names, key);
    const char *part;
    json_t *value;

    if (charge < 0)
        return json_file_unknown(file, JSON_PATH("prices", key),
                                 "a primitive that has a price", charge_names,
                                 error);
    json_object_foreach ((json_t *)price, part, value)
        if (word_index(parts, part) < 0)
            return json_file_unknown(file, JSON_PATH("prices", key, part),
                                     "a part of a price", parts, error);
    const json_t *ns =
        json_is_object(price) ? json_object_get(price, "ns") : price;
    const json_t *low = json_object_get(price, "low");
    const json_t *high = json_object_get(price, "high");
    double amount = json_number_value(ns);
    if (!json_is_number(ns) || amount < 0 || amount > PRICE_MAX_NS)
        return json_file_expect(file, JSON_PATH("prices", key, "ns"), ns, error,
                                "a number of nanoseconds");
    if ((low && json_number_value(low) > amount) ||
        (high && json_number_value(high) < amount))
        return json_file_expect(file, JSON_PATH("prices", key, "ns"), ns, error,
                                "a price between its low and its high");
    reading->into->price_ps[charge] = (uint64_t)(amount * 1000 + 0.5);
    reading->priced[charge] = true;
    return true;
}

static bool
read_prices(struct reading *reading, const struct json_file *file,
            const json_t *object, GError **error)
{
    const char *key;
    json_t *value;

    if (!json_is_object(object))
        return json_file_expect(file, JSON_PATH("prices"), object, error,
                                "an object");
    json_object_foreach ((json_t *)object, key, value)
        if (!read_price(reading, file, key, value, error))
            return false;
    return true;
}

static bool
read_arch(struct reading *reading, const struct json_file *file,
          const json_t *value, GError **error)
{
    const char *name = json_string_value(value);

    reading->into->arch = name ? arch_find(name) : NULL;
    if (!reading->into->arch)
        return json_file_expect(file, JSON_PATH("arch"), value, error,
                                "one of i386, i386-pae, x86-64");
    return true;
}

/* A power of two, for cache lines. */
static bool
read_line(struct reading *reading, const struct json_file *file,
          const json_t *value, GError **error)
{
    uint64_t number = 0;

    if (!read_number(file, "l1_line_bytes", value, 32, 1024, &number, error))
        return false;
    if (number & (number - 1))
        return json_file_expect(file, JSON_PATH("l1_line_bytes"), value, error,
                                "a power of two");
    reading->into->l1_line_bytes = (uint32_t)number;
    return true;
}

static bool
read_value(struct reading *reading, const struct json_file *file,
           enum member member, const json_t *value, GError **error)
{
    struct machine_file *into = reading->into;
    const char *key = members[member];
    uint64_t number = 0;

    switch (member) {
    case MEMBER_ARCH:
        return read_arch(reading, file, value, error);
    case MEMBER_RAM:
        return read_number(file, key, value, 1 << 20, UINT64_C(1) << 44,
                           &into->ram_bytes, error);
    case MEMBER_CPUS:
        if (!read_number(file, key, value, 1, CPU_COUNT_MAX, &number, error))
            return false;
        into->cpu_count = (uint32_t)number;
        return true;
    case MEMBER_SWAP:
        return read_number(file, key, value, 0, UINT64_C(1) << 44,
                           &into->swap_bytes, error);
    case MEMBER_LINE:
        return read_line(reading, file, value, error);
    case MEMBER_IMAGE:
        return read_number(file, key, value, 0, 1 << 30,
                           &into->kernel_image_bytes, error);
    case MEMBER_HIGHPTE:
        if (!json_is_boolean(value))
            return json_file_expect(file, JSON_PATH(key), value, error,
                                    "true or false");
        into->highpte = json_is_true(value);
        return true;
    case MEMBER_PRICES:
        return read_prices(reading, file, value, error);
    case MEMBER_COUNT:
        return true;
    }
    return true;
}

static bool
read_member(void *data, const struct json_file *file, size_t member,
            const json_t *value, GError **error)
{
    struct reading *reading = data;

    reading->seen[member] = true;
    return read_value(reading, file, (enum member)member, json_bare(value),
                      error);
}

static const char *
find_missing(const void *data)
{
    const struct reading *reading = data;
    const char *missing = NULL;

    for (size_t i = MEMBER_ARCH; i < MEMBER_COUNT; i++)
        if (!reading->seen[i])
            missing = members[i];
    for (size_t i = 0; i < CHARGE_COUNT; i++)
        if (!reading->priced[i])
            missing = charge_names[i];
    return missing;
}

static const struct catalog_kind machine_kind = {
    .name = "machine",
    .folder = "machines",
    .file_noun = "machine",
    .members = members,
    .read = read_member,
    .missing = find_missing,
};

struct machine_file *
machine_file_load(const char *data_dir, const char *spec, GError **error)
{
    struct machine_file *into = g_new0(struct machine_file, 1);
    struct reading reading = {.into = into};

    if (!catalog_file_read(data_dir, &machine_kind, spec, &reading,
                           &into->labels, error)) {
        machine_file_free(into);
        return NULL;
    }
    return into;
}

void
machine_file_free(void *data)
{
    struct machine_file *file = data;

    catalog_labels_clear(&file->labels);
    g_free(file);
}
