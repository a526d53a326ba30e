/*
 * Reading a kernel preset: three tables say what may stand in it.
 */
#include "sim/kernel_file.h"

#include "mm/zone.h"
#include "sim/error.h"
#include "sim/json_file.h"

#include <string.h>

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

enum fact_kind {
    FACT_BOOL,
    FACT_NUMBER,
    FACT_BYTES,
    FACT_WORD,
    FACT_CALLS,
    FACT_VERSION
};

struct fact {
    const char *name;
    enum fact_kind kind;
    size_t offset;             // in struct kernel or struct kernel_sizes
    uint32_t min, max;         // FACT_NUMBER
    const char *const *words;  // FACT_WORD: names of the enum, in its order
};

/* clang-format off */
#define FIELD(member) offsetof(struct kernel, member)
static const struct fact facts[] = {
    {"version", FACT_VERSION, FIELD(version), 0, 0, NULL},
    {"calls", FACT_CALLS, FIELD(calls), 0, 0, NULL},
    {"order_count", FACT_NUMBER, FIELD(order_count), 1, ORDER_COUNT_MAX, NULL},
    {"split_returns_high", FACT_BOOL, FIELD(split_returns_high), 0, 0, NULL},
    {"buddy_tail_rule", FACT_BOOL, FIELD(buddy_tail_rule), 0, 0, NULL},
    {"pcp", FACT_WORD, FIELD(pcp), 0, 0,
     WORDS("none", "low-mark", "hot-cold", "single", "high-order",
           "auto")},
    {"watermark", FACT_WORD, FIELD(watermark), 0, 0,
     WORDS("2.4", "2.6.2", "2.6.11", "2.6.20", "4.6")},
    {"alloc", FACT_WORD, FIELD(alloc), 0, 0,
     WORDS("2.4", "2.6.2", "2.6.11", "4.4")},
    {"min_free_max_kib", FACT_NUMBER, FIELD(min_free_max_kib), 128, 1 << 20,
     NULL},
    {"lru_batch_pages", FACT_NUMBER, FIELD(lru_batch_pages), 0, 32, NULL},
    {"new_anon_active", FACT_BOOL, FIELD(new_anon_active), 0, 0, NULL},
    {"max_map_count", FACT_NUMBER, FIELD(max_map_count), 1, 1 << 30, NULL},
    {"stack_gap_pages", FACT_NUMBER, FIELD(stack_gap_pages), 0, 65536, NULL},
    {"mmap_huge_align", FACT_BOOL, FIELD(mmap_huge_align), 0, 0, NULL},
    {"mprotect_keeps_write", FACT_BOOL, FIELD(mprotect_keeps_write), 0, 0,
     NULL},
    {"pagetable_free", FACT_WORD, FIELD(pagetable_free), 0, 0,
     WORDS("pgd-span", "floor-ceiling")},
    {"pagetable_reclaim", FACT_BOOL, FIELD(pagetable_reclaim), 0, 0, NULL},
    {"mremap_moves_tables", FACT_BOOL, FIELD(mremap_moves_tables), 0, 0, NULL},
    {"anon_fork", FACT_WORD, FIELD(anon_fork), 0, 0,
     WORDS("inherit", "clone", "degree", "num-children")},
    {"anon_borrows_neighbour", FACT_BOOL, FIELD(anon_borrows_neighbour), 0, 0,
     NULL},
    {"madv_free", FACT_WORD, FIELD(madv_free), 0, 0,
     WORDS("none", "4.5", "4.12")},
    {"overcommit", FACT_WORD, FIELD(overcommit), 0, 0,
     WORDS("2.6.2", "2.6.22", "5.2")},
    {"oom", FACT_WORD, FIELD(oom), 0, 0,
     WORDS("2.6.2", "2.6.24", "2.6.38", "3.8", "4.10", "6.1")},
    {"fault_around_pages", FACT_NUMBER, FIELD(fault_around_pages), 0, 512,
     NULL},
    {"zap_batch_pages", FACT_NUMBER, FIELD(zap_batch_pages), 1, 1 << 20, NULL},
    {"stack_map_nohugepage", FACT_BOOL, FIELD(stack_map_nohugepage), 0, 0,
     NULL},
    {"brk_default", FACT_BYTES, FIELD(brk_default), 0, 0, NULL},
    {NULL, FACT_BOOL, 0, 0, 0, NULL},
};
#undef FIELD

#define FIELD(member) offsetof(struct kernel_sizes, member)
static const struct fact sizes[] = {
    {"page", FACT_NUMBER, FIELD(page), 8, 256, NULL},
    {"vma", FACT_NUMBER, FIELD(vma), 8, 4096, NULL},
    {"anon_vma", FACT_NUMBER, FIELD(anon_vma), 8, 4096, NULL},
    {"anon_vma_chain", FACT_NUMBER, FIELD(anon_vma_chain), 8, 4096, NULL},
    {"mm", FACT_NUMBER, FIELD(mm), 8, 4096, NULL},
    {"task", FACT_NUMBER, FIELD(task), 8, 16384, NULL},
    {"kernel_stack", FACT_NUMBER, FIELD(kernel_stack), 4096, 65536, NULL},
    {"page_highpte", FACT_NUMBER, SIZE_MAX, 8, 256, NULL},
    {NULL, FACT_BOOL, 0, 0, 0, NULL},
};
#undef FIELD
#define FACT_COUNT (sizeof(facts) / sizeof(facts[0]) - 1)
#define SIZE_COUNT (sizeof(sizes) / sizeof(sizes[0]) - 1)

#define CALL_WORD(name, word) word,
static const char *const call_words[] = {KERNEL_CALLS(CALL_WORD) NULL};
/* clang-format on */

static const char *const width_names[] = {"i386", "x86-64", NULL};

/* What was read so far, over all files of the chain. */
struct reading {
    struct kernel_file *into;
    bool fact_seen[FACT_COUNT];
    bool size_seen[2][SIZE_COUNT];
};

size_t
policy_axis_count(void)
{
    size_t count = 0;

    while (policy_axes[count].name)
        count++;
    return count;
}

static const struct fact *
find_fact(const struct fact *table, const char *name)
{
    for (; table->name; table++)
        if (strcmp(table->name, name) == 0)
            return table;
    return NULL;
}

static bool
read_calls(const struct json_file *file, const char *const *keys,
           const json_t *value, uint64_t *calls, GError **error)
{
    size_t index;
    const json_t *item;

    if (!json_is_array(value))
        return json_file_expect(file, keys, value, error, "a list of calls");
    *calls = 0;
    json_array_foreach ((json_t *)value, index, item) {
        int call = word_index(call_words, json_string_value(item));
        if (call < 0)
            return json_file_expect(file, keys, item, error,
                                    "names of calls in the list");
        *calls |= UINT64_C(1) << call;
    }
    return true;
}

static bool
read_version(const struct json_file *file, const char *const *keys,
             const json_t *value, uint32_t *version, GError **error)
{
    const char *text = json_string_value(value);
    g_auto(GStrv) parts = g_strsplit(text ? text : "", ".", 0);
    uint32_t number = 0;
    unsigned count = g_strv_length(parts);

    for (unsigned i = 0; i < 3; i++) {
        guint64 part = 0;
        if (i < count &&
            !g_ascii_string_to_unsigned(parts[i], 10, 0, 999, &part, NULL))
            count = 0;
        number = number * 1000 + (uint32_t)part;
    }
    if (count < 2 || count > 3)
        return json_file_expect(file, keys, value, error,
                                "a version such as \"2.6.22\"");
    *version = number;
    return true;
}

static bool
read_word(const struct json_file *file, const char *const *keys,
          const json_t *value, const char *const *words, uint32_t *result,
          GError **error)
{
    int index = word_index(words, json_string_value(value));

    if (index < 0) {
        g_autofree char *list = g_strjoinv(", ", (char **)words);
        g_autofree char *expected = g_strdup_printf("one of %s", list);
        return json_file_expect(file, keys, value, error, expected);
    }
    *result = (uint32_t)index;
    return true;
}

static bool
read_fact(const struct json_file *file, const char *const *keys,
          const struct fact *fact, const json_t *value, void *field,
          GError **error)
{
    json_int_t number = json_integer_value(value);

    switch (fact->kind) {
    case FACT_BOOL:
        if (!json_is_boolean(value))
            return json_file_expect(file, keys, value, error, "true or false");
        *(bool *)field = json_is_true(value);
        return true;
    case FACT_NUMBER:
        if (!json_is_integer(value) || number < fact->min ||
            number > fact->max) {
            g_autofree char *expected =
                g_strdup_printf("a number from %u to %u", fact->min, fact->max);
            return json_file_expect(file, keys, value, error, expected);
        }
        *(uint32_t *)field = (uint32_t)number;
        return true;
    case FACT_BYTES:
        if (!json_is_integer(value) || number < 0 || number % 4096 != 0)
            return json_file_expect(file, keys, value, error,
                                    "an address, a multiple of 4096");
        *(uint64_t *)field = (uint64_t)number;
        return true;
    case FACT_WORD:
        return read_word(file, keys, value, fact->words, field, error);
    case FACT_CALLS:
        return read_calls(file, keys, value, field, error);
    case FACT_VERSION:
        return read_version(file, keys, value, field, error);
    }
    return true;
}

/* Names of a table's facts, for "the nearest known one". */
static const char **
fact_names(const struct fact *table)
{
    GPtrArray *names = g_ptr_array_new();

    for (; table->name; table++)
        g_ptr_array_add(names, (char *)table->name);
    g_ptr_array_add(names, NULL);
    return (const char **)g_ptr_array_free(names, FALSE);
}

static bool
read_facts(struct reading *reading, const struct json_file *file,
           const json_t *object, GError **error)
{
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)object, key, value) {
        const struct fact *fact = find_fact(facts, key);
        if (!fact) {
            g_autofree const char **known = fact_names(facts);
            return json_file_unknown(file, JSON_PATH("facts", key),
                                     "a fact of a kernel", known, error);
        }
        char *field = (char *)&reading->into->kernel + fact->offset;
        if (!read_fact(file, JSON_PATH("facts", key), fact, json_bare(value),
                       field, error))
            return false;
        reading->fact_seen[fact - facts] = true;
    }
    return true;
}

static bool
read_sizes_of(struct reading *reading, const struct json_file *file, int width,
              const json_t *object, GError **error)
{
    struct kernel_file *into = reading->into;
    struct kernel_sizes *target =
        width == KERNEL_FILE_64 ? &into->kernel.sizes64 : &into->kernel.sizes32;
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)object, key, value) {
        const char *const *keys = JSON_PATH("sizes", width_names[width], key);
        const struct fact *fact = find_fact(sizes, key);
        if (!fact) {
            g_autofree const char **known = fact_names(sizes);
            return json_file_unknown(file, keys, "an object of the kernel",
                                     known, error);
        }
        void *field = fact->offset == SIZE_MAX
                          ? (void *)&into->page_highpte[width]
                          : (char *)target + fact->offset;
        if (!read_fact(file, keys, fact, json_bare(value), field, error))
            return false;
        reading->size_seen[width][fact - sizes] = true;
    }
    return true;
}

static bool
read_sizes(struct reading *reading, const struct json_file *file,
           const json_t *object, GError **error)
{
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)object, key, value) {
        int width = word_index(width_names, key);
        if (width < 0)
            return json_file_unknown(file, JSON_PATH("sizes", key),
                                     "i386 or x86-64", width_names, error);
        if (!json_is_object(value))
            return json_file_expect(file, JSON_PATH("sizes", key), value, error,
                                    "an object");
        if (!read_sizes_of(reading, file, width, value, error))
            return false;
    }
    return true;
}

static const char **
value_names(const struct policy_axis *axis)
{
    GPtrArray *names = g_ptr_array_new();

    for (const struct policy_value *value = axis->values; value->name; value++)
        g_ptr_array_add(names, (char *)value->name);
    g_ptr_array_add(names, NULL);
    return (const char **)g_ptr_array_free(names, FALSE);
}

static bool
read_axis(struct reading *reading, const struct json_file *file,
          const struct policy_axis *axis, const json_t *object, GError **error)
{
    const char *const *keys = JSON_PATH("policy", axis->name);

    for (int width = 0; width_names[width]; width++) {
        const json_t *value = json_object_get(object, width_names[width]);
        if (!value)
            value = json_bare(object);
        if (!json_is_string(value))
            return json_file_expect(file, keys, value, error,
                                    "the name of a value of this axis");
        const char *name = json_string_value(value);
        int index = policy_value_find(axis, name);
        if (index < 0) {
            g_autofree const char **known = value_names(axis);
            g_autofree char *what =
                g_strdup_printf("a value of the axis %s", axis->name);
            return json_file_unknown(file,
                                     JSON_PATH("policy", axis->name, name),
                                     what, known, error);
        }
        reading->into->wanted[axis - policy_axes][width] = index;
    }
    return true;
}

static bool
read_policy(struct reading *reading, const struct json_file *file,
            const json_t *object, GError **error)
{
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)object, key, value) {
        const struct policy_axis *axis = policy_axis_find(key);
        if (!axis) {
            GPtrArray *names = g_ptr_array_new();
            for (axis = policy_axes; axis->name; axis++)
                g_ptr_array_add(names, (char *)axis->name);
            g_ptr_array_add(names, NULL);
            g_autofree const char **known =
                (const char **)g_ptr_array_free(names, FALSE);
            return json_file_unknown(file, JSON_PATH("policy", key),
                                     "a policy axis", known, error);
        }
        if (!read_axis(reading, file, axis, value, error))
            return false;
    }
    return true;
}

/* Members in the order of `members`, after the labels. */
enum member { MEMBER_POLICY = 4, MEMBER_FACTS, MEMBER_SIZES };
static const char *const members[] = {"name",   "based_on", "summary", "source",
                                      "policy", "facts",    "sizes",   NULL};

static bool
read_member(void *data, const struct json_file *file, size_t member,
            const json_t *value, GError **error)
{
    if (!json_is_object(value))
        return json_file_expect(file, JSON_PATH(members[member]), value, error,
                                "an object");
    if (member == MEMBER_POLICY)
        return read_policy(data, file, value, error);
    if (member == MEMBER_FACTS)
        return read_facts(data, file, value, error);
    return read_sizes(data, file, value, error);
}

static const char *
find_missing(const void *data)
{
    const struct reading *reading = data;
    const char *missing = NULL;

    for (size_t i = 0; policy_axes[i].name; i++)
        if (reading->into->wanted[i][0] < 0)
            missing = policy_axes[i].name;
    for (size_t i = 0; i < FACT_COUNT; i++)
        if (!reading->fact_seen[i])
            missing = facts[i].name;
    for (size_t i = 0; i < 2 * SIZE_COUNT; i++)
        if (!reading->size_seen[i / SIZE_COUNT][i % SIZE_COUNT])
            missing = sizes[i % SIZE_COUNT].name;
    return missing;
}

static const struct catalog_kind kernel_kind = {
    .name = "kernel",
    .folder = "presets",
    .file_noun = "preset",
    .members = members,
    .read = read_member,
    .missing = find_missing,
};

struct kernel_file *
kernel_file_load(const char *data_dir, const char *spec, GError **error)
{
    struct kernel_file *into = g_new0(struct kernel_file, 1);
    struct reading reading = {.into = into};

    g_assert(policy_axis_count() <= POLICY_AXIS_MAX);
    for (size_t i = 0; i < POLICY_AXIS_MAX; i++)
        into->wanted[i][0] = into->wanted[i][1] = -1;
    if (!catalog_file_read(data_dir, &kernel_kind, spec, &reading,
                           &into->labels, error)) {
        kernel_file_free(into);
        return NULL;
    }
    g_strlcpy(into->kernel.name, into->labels.name, sizeof(into->kernel.name));
    return into;
}

void
kernel_file_free(void *data)
{
    struct kernel_file *file = data;

    catalog_labels_clear(&file->labels);
    g_free(file);
}
