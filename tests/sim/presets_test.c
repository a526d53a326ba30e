/*
 * Presets and machines: what is in the files, and what is said about wrong
 * ones.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "mm/kernel.h"
#include "sim/catalog.h"
#include "sim/kernel_file.h"
#include "sim/machine_file.h"
#include "tests/run_suite.h"
#include "tests/sim/program.h"

static struct catalog catalog;

static void
setup(void)
{
    enter_folder();
    ck_assert(catalog_open(&catalog, getenv("VMSIM_DATA"), NULL));
}

static void
teardown(void)
{
    catalog_close(&catalog);
    leave_folder();
}

/* The table of presets: a value per axis, written out again by hand. */
static const char *const columns[] = {
    "zero-page", "clear", "rmap", "gap", "vma-index", "merge",  "guard",
    "purge",     "fork",  "cow",  "thp", "locks",     "reclaim"};
static const struct {
    const char *name, *layout32, *layout64;
    const char *values[13];
} table[] = {
    {"2.4.21",
     "bottom-up",
     "bottom-up",
     {"reserved", "on-alloc", "none", "linear", "rbtree", "mmap-only",
      "mprotect", "dontneed", "copy-all", "page-count", "never", "mmap-sem",
      "virtual-scan"}},
    {"2.6.2",
     "bottom-up",
     "bottom-up",
     {"reserved", "on-alloc", "pte-chain", "area-cache", "rbtree", "flags",
      "mprotect", "dontneed", "copy-all", "page-count", "never", "mmap-sem",
      "lru-2.6"}},
    {"2.6.5-aa1",
     "bottom-up",
     "bottom-up",
     {"reserved", "on-alloc", "anon-vma", "area-cache", "rbtree", "off",
      "mprotect", "dontneed", "copy-all", "page-count", "never", "mmap-sem",
      "lru-2.6"}},
    {"2.6.7",
     "bottom-up",
     "bottom-up",
     {"reserved", "on-alloc", "anon-vma", "area-cache", "rbtree", "linear",
      "mprotect", "dontneed", "copy-all", "page-count", "never", "mmap-sem",
      "lru-2.6"}},
    {"2.6.22",
     "top-down",
     "bottom-up",
     {"refcounted", "on-alloc", "anon-vma", "hole-size", "rbtree", "linear",
      "mprotect", "dontneed", "skip-unfaulted", "mapcount", "never", "mmap-sem",
      "lru-2.6"}},
    {"2.6.22-nozero",
     "top-down",
     "bottom-up",
     {"refcounted", "nozero", "anon-vma", "hole-size", "rbtree", "linear",
      "mprotect", "dontneed", "skip-unfaulted", "mapcount", "never", "mmap-sem",
      "lru-2.6"}},
    {"2.6.24",
     "top-down",
     "bottom-up",
     {"none", "on-alloc", "anon-vma", "hole-size", "rbtree", "linear",
      "mprotect", "dontneed", "skip-unfaulted", "mapcount", "never", "mmap-sem",
      "lru-2.6"}},
    {"2.6.32",
     "top-down",
     "top-down",
     {"special", "on-alloc", "anon-vma", "hole-size", "rbtree", "linear",
      "mprotect", "dontneed", "skip-unfaulted", "mapcount", "never", "mmap-sem",
      "lru-split"}},
    {"2.6.38",
     "top-down",
     "top-down",
     {"special", "on-alloc", "anon-vma-chain", "hole-size", "rbtree", "linear",
      "mprotect", "dontneed", "skip-unfaulted", "mapcount", "madvise",
      "mmap-sem", "lru-split"}},
    {"3.8",
     "top-down",
     "top-down",
     {"special", "on-alloc", "anon-vma-chain", "rb-gap", "rbtree", "singular",
      "mprotect", "dontneed", "skip-unfaulted", "mapcount", "madvise",
      "mmap-sem", "lru-split"}},
    {"3.9-vrange",
     "top-down",
     "top-down",
     {"special", "on-alloc", "anon-vma-chain", "rb-gap", "rbtree", "singular",
      "mprotect", "vrange-full", "skip-unfaulted", "mapcount", "madvise",
      "mmap-sem", "lru-split"}},
    {"4.5",
     "top-down",
     "top-down",
     {"special", "on-alloc", "anon-vma-chain", "rb-gap", "rbtree", "singular",
      "mprotect", "dontneed", "skip-unfaulted", "mapcount", "madvise",
      "mmap-sem", "lru-split"}},
    {"6.1",
     "top-down",
     "top-down",
     {"special", "on-alloc", "anon-vma-chain", "maple", "maple", "singular",
      "mprotect", "dontneed", "skip-unfaulted", "exclusive", "madvise",
      "mmap-sem", "lru-split"}},
    {"6.4",
     "top-down",
     "top-down",
     {"special", "on-alloc", "anon-vma-chain", "maple", "maple", "singular",
      "mprotect", "dontneed", "skip-unfaulted", "exclusive", "madvise",
      "per-vma", "lru-split"}},
    {"6.18",
     "top-down",
     "top-down",
     {"special", "on-alloc", "anon-vma-chain", "maple", "maple", "fork-child",
      "install", "dontneed", "skip-unfaulted", "exclusive", "madvise",
      "per-vma", "lru-split"}},
};

static const char *
wanted(const struct kernel_file *file, const char *axis_name, int width)
{
    const struct policy_axis *axis = policy_axis_find(axis_name);

    return axis->values[file->wanted[axis - policy_axes][width]].name;
}

START_TEST(every_preset_has_the_policies_of_its_kernel)
{
    g_autoptr(GError) error = NULL;
    const struct kernel_file *file =
        catalog_kernel(&catalog, table[_i].name, &error);

    ck_assert_msg(file != NULL, "%s", error ? error->message : "");
    for (size_t i = 0; i < G_N_ELEMENTS(columns); i++)
        ck_assert_msg(strcmp(wanted(file, columns[i], KERNEL_FILE_64),
                             table[_i].values[i]) == 0,
                      "%s: %s is %s", table[_i].name, columns[i],
                      wanted(file, columns[i], KERNEL_FILE_64));
    ck_assert_str_eq(wanted(file, "layout", KERNEL_FILE_32),
                     table[_i].layout32);
    ck_assert_str_eq(wanted(file, "layout", KERNEL_FILE_64),
                     table[_i].layout64);
}
END_TEST

START_TEST(the_catalog_lists_the_presets_in_order_of_release)
{
    g_auto(GStrv) names = catalog_kernel_names(&catalog);

    ck_assert_uint_eq(g_strv_length(names), G_N_ELEMENTS(table));
    for (size_t i = 0; i < G_N_ELEMENTS(table); i++)
        ck_assert_str_eq(names[i], table[i].name);
}
END_TEST

START_TEST(facts_of_the_releases_are_as_their_sources_say)
{
    const struct kernel *k24 =
        &catalog_kernel(&catalog, "2.4.21", NULL)->kernel;
    const struct kernel *k262 =
        &catalog_kernel(&catalog, "2.6.2", NULL)->kernel;
    const struct kernel *aa1 =
        &catalog_kernel(&catalog, "2.6.5-aa1", NULL)->kernel;
    const struct kernel *k2632 =
        &catalog_kernel(&catalog, "2.6.32", NULL)->kernel;
    const struct kernel *k618 = &catalog_kernel(&catalog, "6.18", NULL)->kernel;

    ck_assert_uint_eq(k24->order_count, 10);
    ck_assert(k24->split_returns_high && k24->pcp == PCP_NONE);
    ck_assert_uint_eq(k262->order_count, 11);
    ck_assert_uint_eq(k262->lru_batch_pages, 16);
    ck_assert_uint_eq(k262->sizes32.page, 40);
    ck_assert_uint_eq(k262->max_map_count, 65536);
    ck_assert_uint_eq(aa1->sizes32.vma, 76);
    ck_assert_uint_eq(aa1->sizes32.anon_vma, 12);
    ck_assert_uint_eq(aa1->sizes64.anon_vma, 24);
    ck_assert(!aa1->anon_borrows_neighbour);
    ck_assert_uint_eq(k2632->max_map_count, 65530);
    ck_assert_uint_eq(k618->sizes64.page, 64);
    ck_assert_uint_eq(k618->sizes64.vma, 192);
    ck_assert_uint_eq(k618->lru_batch_pages, 31);
    ck_assert_uint_eq(k618->version, 6018000);
    ck_assert(k618->mmap_huge_align && k618->mprotect_keeps_write);
    ck_assert(KERNEL_HAS(k618, MADV_GUARD) && !KERNEL_HAS(k618, VRANGE));
    ck_assert(!KERNEL_HAS(k262, MADV_FREE) && !KERNEL_HAS(k24, MADV_HUGEPAGE));
}
END_TEST

static const struct {
    const char *name, *arch;
    uint64_t ram_mib;
    uint32_t cpus, line;
    bool highpte;
} machines[] = {
    {"x86-64", "x86-64", 16384, 4, 64, false},
    {"i386", "i386", 1024, 1, 128, false},
    {"i386-pae", "i386-pae", 1024, 1, 128, false},
    {"opteron-2007", "x86-64", 8192, 2, 64, false},
    {"p4-2002", "i386", 1024, 1, 128, false},
    {"xeon-ht-2004", "i386-pae", 1007, 4, 128, true},
    {"kvm-12cpu-2013", "x86-64", 2048, 12, 64, false},
};

START_TEST(every_machine_is_what_it_is_called)
{
    g_autoptr(GError) error = NULL;
    const struct machine_file *file =
        catalog_machine(&catalog, machines[_i].name, &error);

    ck_assert_msg(file != NULL, "%s", error ? error->message : "");
    ck_assert_str_eq(file->arch->name, machines[_i].arch);
    ck_assert_uint_eq(file->ram_bytes >> 20, machines[_i].ram_mib);
    ck_assert_uint_eq(file->cpu_count, machines[_i].cpus);
    ck_assert_uint_eq(file->l1_line_bytes, machines[_i].line);
    ck_assert(file->highpte == machines[_i].highpte);
    ck_assert_uint_gt(file->price_ps[CHARGE_clear_page_cold], 0);
    ck_assert_uint_le(file->price_ps[CHARGE_clear_page_warm],
                      file->price_ps[CHARGE_clear_page_cold]);
}
END_TEST

/* Walk down to every object that holds a number and ask for its source. */
static void
check_sources(const char *file, const char *key, const json_t *value)
{
    static const char *const numbers[] = {"value", "ns", "i386"};
    const char *name;
    json_t *member;

    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        const json_t *number = json_object_get(value, numbers[i]);
        if (number && !json_is_object(number))
            ck_assert_msg(json_string_length(json_object_get(value, "source")) >
                              0,
                          "%s: %s has no source", file, key);
    }
    json_object_foreach ((json_t *)value, name, member) {
        if (json_is_object(member))
            check_sources(file, name, member);
        else
            ck_assert_msg(!json_is_number(member) ||
                              json_object_get(value, "source"),
                          "%s: %s.%s has no source", file, key, name);
    }
}

START_TEST(a_source_stands_beside_each_number)
{
    static const char *const folders[] = {"presets", "machines"};

    for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autofree char *path =
            g_build_filename(getenv("VMSIM_DATA"), folders[i], NULL);
        g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
        const char *entry;
        while ((entry = g_dir_read_name(dir))) {
            g_autofree char *file = g_build_filename(path, entry, NULL);
            json_t *root = json_load_file(file, 0, NULL);
            ck_assert_ptr_nonnull(root);
            check_sources(entry, "", root);
            json_decref(root);
        }
    }
}
END_TEST

/* Files of users, and the place and sentence of what is wrong in them. */
static const struct {
    const char *text, *sentence;
} wrong_kernels[] = {
    {"{\n  \"facts\": {\n    \"order_count\": 99}}",
     ":3:20: expected a number from 1 to 11, found 99"},
    {"{\"facts\": {\"order_count\":\n  {\"source\": \"x\", \"value\": \"a\"}}}",
     ":2:28: expected a number from 1 to 11, found \"a\""},
    {"{\"facts\": {\"order_cuont\": 9}}",
     ":1:27: expected a fact of a kernel, found \"order_cuont\"; the nearest "
     "known one is \"order_count\""},
    {"{\"policy\": {\"gap\": \"liner\"}}",
     ":1:20: expected a value of the axis gap, found \"liner\"; the nearest "
     "known one is \"linear\""},
    {"{\"policy\": {\"gab\": \"linear\"}}", "expected a policy axis"},
    {"{\"facts\": {\"pcp\": \"cold\"}}", "expected one of none, low-mark"},
    {"{\"facts\": {\"version\": 6}}", "expected a version such as"},
    {"{\"facts\": {\"calls\": [\"mmap\"]}}", "expected names of calls"},
    {"{\"facts\": {\"buddy_tail_rule\": 1}}", "expected true or false"},
    {"{\"sizes\": {\"arm\": {}}}", "expected i386 or x86-64"},
    {"{\"sizes\": {\"i386\": {\"page\": 4}}}",
     ":1:29: expected a number from 8 to 256, found 4"},
    {"{\"facts\": 3}", ":1:11: expected an object, found 3"},
    {"[]", ":1:1: expected an object, found something else"},
    {"{\"facts\": }", ":1:11: expected JSON, found broken JSON: "},
    {"{\"based_on\": \"6.81\"}", "unknown kernel \"6.81\""},
    {"{\"based_on\": \"./k.json\"}", "does it lead back here?"},
    {"{\"name\": \"k\"}", ":1:1: expected a value for \""},
    {"{\"speed\": 1}", "expected a member of a preset, found \"speed\""},
};

START_TEST(a_wrong_preset_is_told_with_its_place)
{
    const char *path = in_folder("k.json");
    g_autoptr(GError) error = NULL;

    write_file("k.json", wrong_kernels[_i].text);
    ck_assert_ptr_null(catalog_kernel(&catalog, path, &error));
    ck_assert_msg(strstr(error->message, wrong_kernels[_i].sentence), "%s",
                  error->message);
}
END_TEST

static const struct {
    const char *text, *sentence;
} wrong_machines[] = {
    {"{\"based_on\": \"i386\",\n \"ram_bytes\": {\"value\": -1}}",
     ":2:25: expected a number from"},
    {"{\"arch\": \"arm\"}", "expected one of i386, i386-pae, x86-64"},
    {"{\"prices\": {\"exceptoin\": 1}}",
     "expected a primitive that has a price, found \"exceptoin\"; the nearest "
     "known one is \"exception\""},
    {"{\"prices\": {\"fault\": {\"ns\": 5, \"low\": 6}}}",
     "expected a price between its low and its high, found 5"},
    {"{\"prices\": {\"fault\": \"x\"}}", "expected a number of nanoseconds"},
    {"{\"l1_line_bytes\": 48}", "expected a power of two, found 48"},
    {"{\"name\": \"m\"}", "expected a value for \""},
};

START_TEST(a_wrong_machine_is_told_with_its_place)
{
    const char *path = in_folder("m.json");
    g_autoptr(GError) error = NULL;

    write_file("m.json", wrong_machines[_i].text);
    ck_assert_ptr_null(catalog_machine(&catalog, path, &error));
    ck_assert_msg(strstr(error->message, wrong_machines[_i].sentence), "%s",
                  error->message);
}
END_TEST

START_TEST(a_users_file_changes_what_it_names_and_keeps_the_rest)
{
    g_autoptr(GError) error = NULL;

    write_file("base.json",
               "{\"name\": \"mine\", \"based_on\": \"2.6.22\", \"policy\": "
               "{\"gap\": \"linear\"}, \"facts\": {\"max_map_count\": 7}}");
    write_file("k.json", "{\"based_on\": \"base.json\"}");
    const struct kernel_file *file =
        catalog_kernel(&catalog, in_folder("k.json"), &error);
    ck_assert_msg(file != NULL, "%s", error ? error->message : "");
    ck_assert_str_eq(file->labels.name, "k");  // it is not the base
    ck_assert_str_eq(wanted(file, "gap", KERNEL_FILE_64), "linear");
    ck_assert_str_eq(wanted(file, "zero-page", KERNEL_FILE_64), "refcounted");
    ck_assert_uint_eq(file->kernel.max_map_count, 7);
    ck_assert_uint_eq(file->kernel.lru_batch_pages, 14);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("sim/presets");
    TCase *tcase = tcase_create("presets");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, every_preset_has_the_policies_of_its_kernel, 0,
                        G_N_ELEMENTS(table));
    tcase_add_test(tcase, the_catalog_lists_the_presets_in_order_of_release);
    tcase_add_test(tcase, facts_of_the_releases_are_as_their_sources_say);
    tcase_add_loop_test(tcase, every_machine_is_what_it_is_called, 0,
                        G_N_ELEMENTS(machines));
    tcase_add_test(tcase, a_source_stands_beside_each_number);
    tcase_add_loop_test(tcase, a_wrong_preset_is_told_with_its_place, 0,
                        G_N_ELEMENTS(wrong_kernels));
    tcase_add_loop_test(tcase, a_wrong_machine_is_told_with_its_place, 0,
                        G_N_ELEMENTS(wrong_machines));
    tcase_add_test(tcase,
                   a_users_file_changes_what_it_names_and_keeps_the_rest);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
