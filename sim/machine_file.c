/*
 * Reading a machine file.
 *
 * A price is {"ns", "low", "high", "status", "source", "note"}; low and high
 * are the range that the source leaves open.  They are checked to enclose the
 * price; the simulation charges "ns".
 */
#include "sim/machine_file.h"

#include "mm/machine.h"
#include "sim/catalog.h"
#include "sim/error.h"
#include "sim/json_file.h"

#include <inttypes.h>
#include <string.h>

#define PRICE_MAX_NS 1e12

enum member {
    MEMBER_NAME,
    MEMBER_BASED_ON,
    MEMBER_SUMMARY,
    MEMBER_SOURCE,
    MEMBER_ARCH,
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
    const struct catalog *catalog;
    struct machine_file *into;
    bool seen[MEMBER_COUNT];
    bool priced[CHARGE_COUNT];
    unsigned depth;
    GChecksum *digest;
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
    json_object_foreach(
        (json_t *)price, part,
        value) if (word_index(parts, part) <
                   0) return json_file_unknown(file,
                                               JSON_PATH("prices", key, part),
                                               "a part of a price", parts,
                                               error);
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
    json_object_foreach(
        (json_t *)object, key,
        value) if (!read_price(reading, file, key, value, error)) return false;
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
read_member(struct reading *reading, const struct json_file *file,
            enum member member, const json_t *value, GError **error)
{
    struct machine_file *into = reading->into;
    const char *key = members[member];
    uint64_t number = 0;

    switch (member) {
    case MEMBER_NAME:
        return json_file_string(file, key, value, &into->name, error);
    case MEMBER_SUMMARY:
        return json_file_string(file, key, value, &into->summary, error);
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
    case MEMBER_BASED_ON:
    case MEMBER_SOURCE:
    case MEMBER_COUNT:
        return true;
    }
    return true;
}

static bool
read_file(struct reading *reading, const char *path, GError **error)
{
    struct json_file file;
    const char *key;
    json_t *value;

    if (!json_file_load(&file, path, error))
        return false;
    g_checksum_update(reading->digest, (const guchar *)file.text, -1);
    g_autofree char *base = NULL;
    bool ok = catalog_base(reading->catalog, "machine", &file, &reading->depth,
                           &base, error) &&
              (!base || read_file(reading, base, error));
    json_object_foreach(file.root, key, value)
    {
        int member = word_index(members, key);
        if (ok && member < 0)
            ok = json_file_unknown(&file, JSON_PATH(key),
                                   "a member of a machine", members, error);
        ok = ok && read_member(reading, &file, (enum member)member,
                               json_bare(value), error);
        if (!ok)
            break;
        reading->seen[member] = true;
    }
    json_file_clear(&file);
    return ok;
}

static bool
check_complete(const struct reading *reading, const char *path, GError **error)
{
    const char *missing = NULL;

    for (size_t i = MEMBER_ARCH; i < MEMBER_COUNT; i++)
        if (!reading->seen[i])
            missing = members[i];
    for (size_t i = 0; i < CHARGE_COUNT; i++)
        if (!reading->priced[i])
            missing = charge_names[i];
    if (missing)
        return sim_fail(error, SIM_ERROR_FAILED,
                        "%s:1:1: expected a value for \"%s\" here or in the "
                        "machine it is based on, found none",
                        path, missing);
    return true;
}

struct machine_file *
machine_file_load(const struct catalog *catalog, const char *spec,
                  GError **error)
{
    g_autofree char *path = catalog_path(catalog, "machine", spec, error);

    if (!path)
        return NULL;
    struct machine_file *into = g_new0(struct machine_file, 1);
    g_autoptr(GChecksum) digest = g_checksum_new(G_CHECKSUM_SHA256);
    struct reading reading = {
        .catalog = catalog, .into = into, .digest = digest};
    if (!read_file(&reading, path, error) ||
        !check_complete(&reading, path, error)) {
        machine_file_free(into);
        return NULL;
    }
    if (!into->name)
        into->name = g_path_get_basename(spec);
    if (!into->summary)
        into->summary = g_strdup("");
    into->digest = g_strdup(g_checksum_get_string(digest));
    return into;
}

void
machine_file_free(void *data)
{
    struct machine_file *file = data;

    g_free(file->name);
    g_free(file->summary);
    g_free(file->digest);
    g_free(file);
}
