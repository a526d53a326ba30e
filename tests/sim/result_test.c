/*
 * The result: its keys, its sums, and that its three forms agree.
 */
#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "mm/counters.h"
#include "tests/run_suite.h"
#include "tests/sim/program.h"

static const char trace[] = "#vmtrace 1\n"
                            "1 start\n"
                            "1 mmap A 1M rw- anon,private\n"
                            "1 r A 1M\n"
                            "1 w A 512K\n"
                            "1 fork 2\n"
                            "2 w A 64K\n"
                            "1 w A 64K\n"
                            "2 exit\n"
                            "1 mmap F 64K r-- private file=lib\n"
                            "1 r F 64K\n"
                            "1 madvise A 256K dontneed\n"
                            "1 w A 256K\n"
                            "1 r 0x1000 4K\n"
                            "1 work 12345\n"
                            "1 mark a%2Cb\n";

static const char *const kernels[] = {
    "2.4.21",        "2.6.2",  "2.6.5-aa1", "2.6.7",  "2.6.22",
    "2.6.22-nozero", "2.6.24", "2.6.32",    "2.6.38", "3.8",
    "3.9-vrange",    "4.5",    "6.1",       "6.4",    "6.18"};

static void
setup(void)
{
    enter_folder();
    write_file("t", trace);
}

static void
check_keys(const json_t *object, const char *const *keys)
{
    const char *key;
    json_t *value;
    size_t i = 0;

    json_object_foreach ((json_t *)object, key, value) {
        ck_assert_msg(keys[i] != NULL, "%s is one key too many", key);
        ck_assert_str_eq(key, keys[i++]);
    }
    ck_assert_ptr_null(keys[i]);
}

START_TEST(every_key_is_there_in_its_order)
{
#define NAME(name, ...) #name,
    static const char *const top[] = {
        "schema", "vmsim",    "trace",    "validity", "validity_reason",
        "config", "counters", "peak",     "end",      "time_ns",
        "marks",  "phases",   "timeline", "check",    "oom_victims",
        NULL};
    static const char *const of_trace[] = {
        "path", "sha256", "content_sha256", "event_count", "touches", NULL};
    static const char *const of_config[] = {
        "kernel",         "machine",   "policy",     "substituted", "ram_bytes",
        "reserved_bytes", "cpu_count", "swap_bytes", "schedule",    "sysctl",
        "knobs",          "seed",      NULL};
    static const char *const counters[] = {MM_COUNTERS(NAME) NULL};
    static const char *const gauges[] = {MM_GAUGES(NAME) NULL};
    static const char *const peak[] = {MM_GAUGES(NAME) "total", NULL};
    static const char *const costs[] = {"elapsed", "user", "system", "work",
                                        MM_COSTS(NAME) NULL};
#undef NAME
    json_t *result = replay_result("t", NULL);
    const json_t *peaks = json_object_get(result, "peak");

    check_keys(result, top);
    check_keys(json_object_get(result, "trace"), of_trace);
    check_keys(json_object_get(result, "config"), of_config);
    check_keys(json_object_get(result, "counters"), counters);
    check_keys(json_object_get(result, "end"), gauges);
    check_keys(peaks, peak);
    check_keys(json_object_get(peaks, "total"), gauges);
    check_keys(json_object_get(result, "time_ns"), costs);
    json_decref(result);
}
END_TEST

static json_int_t
counter(const json_t *result, const char *name)
{
    return json_integer_value(
        json_object_get(json_object_get(result, "counters"), name));
}

START_TEST(costs_add_up_and_so_do_faults_and_frames)
{
    g_autofree char *kernel = g_strconcat("--kernel=", kernels[_i], NULL);
    json_t *result = replay_result("t", kernel, NULL);
    json_t *time = json_object_get(result, "time_ns");
    json_int_t sum = 0;
    const char *key;
    json_t *value;

    json_object_foreach (time, key, value)
        if (strcmp(key, "elapsed") != 0 && strcmp(key, "user") != 0 &&
            strcmp(key, "system") != 0)
            sum += json_integer_value(value);
    ck_assert_int_eq(sum,
                     integer_at(time, "user") + integer_at(time, "system"));
    ck_assert_int_eq(integer_at(time, "elapsed"), sum);
    ck_assert_int_eq(integer_at(time, "user"), 12345);
    ck_assert_int_eq(counter(result, "fault_count"),
                     counter(result, "fault_fresh_count") +
                         counter(result, "fault_zero_map_count") +
                         counter(result, "fault_zero_break_count") +
                         counter(result, "fault_cow_copy_count") +
                         counter(result, "fault_cow_reuse_count") +
                         counter(result, "fault_file_count") +
                         counter(result, "fault_swap_in_count") +
                         counter(result, "fault_segv_count") +
                         counter(result, "fault_bus_count"));
    ck_assert_int_eq(integer_at(result, "config.ram_bytes") -
                         integer_at(result, "config.reserved_bytes"),
                     integer_at(result, "end.anon_bytes") +
                         integer_at(result, "end.file_bytes") +
                         integer_at(result, "end.pagetable_bytes") +
                         integer_at(result, "end.slab_bytes") +
                         integer_at(result, "end.task_bytes") +
                         integer_at(result, "end.free_bytes"));
    json_decref(result);
}
END_TEST

START_TEST(substituted_axes_are_named_in_the_result_and_once_on_stderr)
{
    struct outcome outcome =
        run_vmsim("replay", "t", "--kernel=6.18", "--format=json", NULL);
    json_t *result = json_loads(outcome.out, 0, NULL);
    const json_t *config = json_object_get(result, "config");
    const json_t *reclaim =
        json_object_get(json_object_get(config, "substituted"), "reclaim");

    ck_assert_str_eq(json_string_value(json_object_get(reclaim, "wanted")),
                     "lru-split");
    ck_assert_str_eq(json_string_value(json_object_get(reclaim, "used")),
                     "discard");
    ck_assert_str_eq(json_string_value(json_object_get(
                         json_object_get(config, "policy"), "reclaim")),
                     "discard");
    ck_assert_ptr_nonnull(
        strstr(outcome.err, "reclaim=discard (wants lru-split)"));
    ck_assert_ptr_eq(strchr(outcome.err, '\n'),
                     outcome.err + strlen(outcome.err) - 1);
    json_decref(result);
    outcome_clear(&outcome);
}
END_TEST

START_TEST(settings_are_echoed)
{
    json_t *result = replay_result("t", "--ram=3G", "--cpus=7", "--seed=42",
                                   "--sysctl", "vm.max_map_count=99", "--knob",
                                   "nozero.race_fix=0", NULL);
    const json_t *config = json_object_get(result, "config");

    ck_assert_int_eq(integer_at(config, "ram_bytes"), 3LL << 30);
    ck_assert_int_eq(integer_at(config, "cpu_count"), 7);
    ck_assert_int_eq(integer_at(config, "seed"), 42);
    ck_assert_int_eq(
        json_integer_value(json_object_get(json_object_get(config, "sysctl"),
                                           "vm.max_map_count")),
        99);
    ck_assert_int_eq(json_integer_value(json_object_get(
                         json_object_get(config, "knobs"), "nozero.race_fix")),
                     0);
    json_decref(result);
}
END_TEST

/* Split a CSV line; quotes are undone. */
static GPtrArray *
split_csv(const char **text)
{
    GPtrArray *cells = g_ptr_array_new_with_free_func(g_free);
    GString *cell = g_string_new(NULL);
    bool is_quoted = false;
    const char *at = *text;

    for (; *at && (is_quoted || *at != '\n'); at++) {
        if (*at == '"' && is_quoted && at[1] == '"') {
            g_string_append_c(cell, *at++);
        } else if (*at == '"') {
            is_quoted = !is_quoted;
        } else if (*at == ',' && !is_quoted) {
            g_ptr_array_add(cells, g_string_free(cell, FALSE));
            cell = g_string_new(NULL);
        } else {
            g_string_append_c(cell, *at);
        }
    }
    g_ptr_array_add(cells, g_string_free(cell, FALSE));
    *text = *at ? at + 1 : at;
    return cells;
}

/* The value of the JSON object at a dotted name; names may hold dots. */
static const json_t *
value_at(const json_t *object, const char *name)
{
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)object, key, value) {
        size_t length = strlen(key);
        if (strcmp(key, name) == 0)
            return value;
        if (strncmp(key, name, length) == 0 && name[length] == '.' &&
            json_is_object(value))
            return value_at(value, name + length + 1);
    }
    return NULL;
}

START_TEST(csv_says_what_json_says)
{
    struct outcome outcome =
        run_vmsim("replay", "t", "--format=csv", "--timeline=4", NULL);
    json_t *result = replay_result("t", "--timeline=4", NULL);
    const char *text = outcome.out;
    g_autoptr(GPtrArray) names = split_csv(&text);
    g_autoptr(GPtrArray) cells = split_csv(&text);

    ck_assert_str_eq(text, "");
    ck_assert_uint_eq(names->len, cells->len);
    ck_assert_uint_gt(names->len, 100);
    for (size_t i = 0; i < names->len; i++) {
        const json_t *value = value_at(result, names->pdata[i]);
        ck_assert_msg(value != NULL, "%s", (char *)names->pdata[i]);
        if (json_is_null(value)) {
            ck_assert_str_eq(cells->pdata[i], "");
        } else if (json_is_string(value)) {
            ck_assert_str_eq(cells->pdata[i], json_string_value(value));
        } else {
            char *dump = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
            ck_assert_str_eq(cells->pdata[i], dump);
            free(dump);
        }
    }
    json_decref(result);
    outcome_clear(&outcome);
}
END_TEST

START_TEST(the_table_ends_with_the_largest_cost_first)
{
    struct outcome outcome = run_vmsim("replay", "t", NULL);
    const char *profile = strstr(outcome.out, "\nsimulated time");
    double last = 101;

    ck_assert_int_eq(outcome.status, 0);
    ck_assert_ptr_nonnull(strstr(outcome.out, "clear_page_count"));
    ck_assert_ptr_nonnull(profile);
    g_auto(GStrv) lines = g_strsplit(profile, "\n", 0);
    for (char **line = lines + 2; *line && strchr(*line, '%'); line++) {
        const char *share = strrchr(*line, ' ');
        ck_assert(g_ascii_strtod(share, NULL) <= last);
        last = g_ascii_strtod(share, NULL);
    }
    ck_assert(last < 101);
    outcome_clear(&outcome);
}
END_TEST

START_TEST(no_host_and_no_absolute_path_is_in_a_result)
{
    const char *path = in_folder("t");
    struct outcome outcome = run_vmsim("replay", path, "--format=json", NULL);
    json_t *result = json_loads(outcome.out, 0, NULL);

    ck_assert_str_eq(json_string_value(value_at(result, "trace.path")), "t");
    ck_assert_ptr_null(strstr(outcome.out, g_get_tmp_dir()));
    json_decref(result);
    outcome_clear(&outcome);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("sim/result");
    TCase *tcase = tcase_create("result");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, leave_folder);
    tcase_add_test(tcase, every_key_is_there_in_its_order);
    tcase_add_loop_test(tcase, costs_add_up_and_so_do_faults_and_frames, 0,
                        G_N_ELEMENTS(kernels));
    tcase_add_test(tcase,
                   substituted_axes_are_named_in_the_result_and_once_on_stderr);
    tcase_add_test(tcase, settings_are_echoed);
    tcase_add_test(tcase, csv_says_what_json_says);
    tcase_add_test(tcase, the_table_ends_with_the_largest_cost_first);
    tcase_add_test(tcase, no_host_and_no_absolute_path_is_in_a_result);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
