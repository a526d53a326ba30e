/*
 * Options of workloads: what is accepted, what is refused and how, and that
 * the command line in a trace makes the same trace again.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/run_suite.h"
#include "tests/workloads/generated.h"
#include "workloads/nearest.h"

static const struct {
    const char *command;
    enum workload_error code;
    const char *message;
} refused[] = {
    {"ebizy", WORKLOAD_ERROR_UNKNOWN,
     "there is no workload \"ebizy\"; the nearest is ebizzy"},
    {" ", WORKLOAD_ERROR_UNKNOWN,
     "there is no workload \"\"; the nearest is users"},
    {"ebizzy --thread 3", WORKLOAD_ERROR_UNKNOWN,
     "ebizzy has no option \"--thread\"; the nearest is --threads"},
    {"ebizzy threads 3", WORKLOAD_ERROR_UNKNOWN,
     "ebizzy takes only options, found \"threads\""},
    {"ebizzy --threads", WORKLOAD_ERROR_VALUE,
     "--threads of ebizzy needs a value"},
    {"ebizzy --threads 0", WORKLOAD_ERROR_VALUE,
     "--threads of ebizzy: expected a number from 1 to 100000, found \"0\""},
    {"ebizzy --threads=-1", WORKLOAD_ERROR_VALUE,
     "--threads of ebizzy: expected a number from 1 to 100000, found \"-1\""},
    {"ebizzy --threads 4K", WORKLOAD_ERROR_VALUE,
     "--threads of ebizzy: expected a number from 1 to 100000, found \"4K\""},
    {"ebizzy --chunk-size 99999999T", WORKLOAD_ERROR_VALUE,
     "--chunk-size of ebizzy: expected a size from 8 to 1T, "
     "found \"99999999T\""},
    {"ebizzy --chunk-size 16777217T", WORKLOAD_ERROR_VALUE,  // 2^64 + 1T
     "--chunk-size of ebizzy: expected a size from 8 to 1T, "
     "found \"16777217T\""},
    {"ebizzy --chunk-size 4KB", WORKLOAD_ERROR_VALUE,
     "--chunk-size of ebizzy: expected a size from 8 to 1T, found \"4KB\""},
    {"ebizzy --chunk-size=", WORKLOAD_ERROR_VALUE,
     "--chunk-size of ebizzy: expected a size from 8 to 1T, found \"\""},
    {"ebizzy --chunk-size 0x", WORKLOAD_ERROR_VALUE,
     "--chunk-size of ebizzy: expected a size from 8 to 1T, found \"0x\""},
    {"ebizzy --allocator tcmalloc", WORKLOAD_ERROR_VALUE,
     "--allocator of ebizzy: expected one of mmap, glibc-static, "
     "glibc-dynamic, jemalloc, found \"tcmalloc\""},
    {"ebizzy --nozero=yes", WORKLOAD_ERROR_VALUE,
     "--nozero of ebizzy takes no value, found \"yes\""},
    {"sparse --write-fraction 1.1", WORKLOAD_ERROR_VALUE,
     "--write-fraction of sparse: expected a fraction from 0 to 1, "
     "found \"1.1\""},
    {"sparse --write-fraction 0.0000000001", WORKLOAD_ERROR_VALUE,
     "--write-fraction of sparse: expected a fraction from 0 to 1, "
     "found \"0.0000000001\""},
    {"sparse --write-fraction .", WORKLOAD_ERROR_VALUE,
     "--write-fraction of sparse: expected a fraction from 0 to 1, "
     "found \".\""},
    {"fork-tree --slice 0", WORKLOAD_ERROR_VALUE,
     "--slice of fork-tree: expected milliseconds from 1 to 1000000, "
     "found \"0\""},
    {"nptl-stacks --stack-size 64K --guard-size 60K", WORKLOAD_ERROR_VALUE,
     "--guard-size of nptl-stacks must leave 8K of --stack-size"},
};

START_TEST(a_wrong_argument_is_refused_in_one_sentence)
{
    g_autoptr(GError) error = NULL;
    struct generated generated;

    ck_assert(!generated_try(&generated, refused[_i].command, &error));
    ck_assert_str_eq(error->message, refused[_i].message);
    ck_assert(g_error_matches(error, WORKLOAD_ERROR, (int)refused[_i].code));
}
END_TEST

static const struct {
    const char *command;
    const char *canonical;  // the same with every option spelled out
} spelled[] = {
    {"ebizzy",
     "ebizzy --threads 4 --records 1000 --chunks 10 --chunk-size 512K "
     "--allocator mmap --uid 1000 --work 0"},
    {"ebizzy --nozero --chunk-size=528384 --allocator=jemalloc --records 7",
     "ebizzy --threads 4 --records 7 --chunks 10 --chunk-size 516K "
     "--allocator jemalloc --nozero --uid 1000 --work 0"},
    {"ebizzy --chunk-size 0x81000 --records 1 --records 2 --threads 1",
     "ebizzy --threads 1 --records 2 --chunks 10 --chunk-size 516K "
     "--allocator mmap --uid 1000 --work 0"},
    {"nptl-stacks",
     "nptl-stacks --threads 1000 --stack-size 1M --guard-size 4K"},
    {"fork-tree", "fork-tree --size 64M --levels 5"},
    {"fork-tree --slice 87.50", "fork-tree --size 64M --levels 5 --slice 87.5"},
    {"sparse --write-fraction .50 --size 0x1000000",
     "sparse --size 16M --write-fraction 0.5 --seed 1 --processes 1"},
    {"sparse --shuffle --write-fraction 1.000 --seed 18446744073709551615",
     "sparse --size 64M --write-fraction 1 --shuffle "
     "--seed 18446744073709551615 --processes 1"},
    {"users", "users --uids 4 --size 16M --rounds 4"},
    {"brk-pingpong --rounds 3",
     "brk-pingpong --rounds 3 --first 120000 --second 100000 --uid 1000"},
};

START_TEST(line_2_is_the_command_that_makes_the_same_trace)
{
    struct generated first, again;
    g_autofree char *line =
        g_strdup_printf("# vmsim gen %s", spelled[_i].canonical);

    generated_make(&first, spelled[_i].command);
    ck_assert_str_eq(first.lines[0], "#vmtrace 1");
    ck_assert_str_eq(first.lines[1], line);

    generated_make(&again, first.lines[1] + strlen("# vmsim gen "));
    ck_assert_uint_eq(g_strv_length(first.lines), g_strv_length(again.lines));
    ck_assert(g_strv_equal((const char *const *)first.lines,
                           (const char *const *)again.lines));
    generated_free(&first);
    generated_free(&again);
}
END_TEST

START_TEST(help_names_every_option_with_its_default)
{
    for (size_t i = 0; workloads[i]; i++) {
        const struct workload_option *option = workloads[i]->options;
        GString *help = g_string_new(NULL);
        workload_help(workloads[i], help);
        for (; option->name; option++) {
            g_autofree char *name = g_strdup_printf("  --%s", option->name);
            g_autofree char *fallback =
                g_strdup_printf("default %s", option->fallback);
            char *line = strstr(help->str, name);
            ck_assert_ptr_nonnull(line);
            if (option->fallback)
                ck_assert_ptr_nonnull(strstr(line, fallback));
        }
        ck_assert_ptr_nonnull(strstr(help->str, workloads[i]->name));
        ck_assert_ptr_nonnull(strstr(help->str, workloads[i]->summary));
        g_string_free(help, TRUE);
    }
}
END_TEST

START_TEST(every_workload_is_found_by_its_name)
{
    for (size_t i = 0; workloads[i]; i++)
        ck_assert_ptr_eq(workload_find(workloads[i]->name), workloads[i]);
    ck_assert_ptr_null(workload_find("ebizz"));
}
END_TEST

START_TEST(the_nearest_name_needs_the_fewest_edits)
{
    static const char *const names[] = {"linear", "area-cache", "rb-gap", NULL};
    static const char *const none[] = {NULL};

    ck_assert_str_eq(nearest_name("linaer", names), "linear");
    ck_assert_str_eq(nearest_name("cache", names), "area-cache");
    ck_assert_str_eq(nearest_name("rbgap", names), "rb-gap");
    ck_assert_str_eq(nearest_name("", names), "linear");
    ck_assert_ptr_null(nearest_name("linear", none));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("options");
    TCase *tests = tcase_create("options");

    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, a_wrong_argument_is_refused_in_one_sentence, 0,
                        G_N_ELEMENTS(refused));
    tcase_add_loop_test(tests, line_2_is_the_command_that_makes_the_same_trace,
                        0, G_N_ELEMENTS(spelled));
    tcase_add_test(tests, help_names_every_option_with_its_default);
    tcase_add_test(tests, every_workload_is_found_by_its_name);
    tcase_add_test(tests, the_nearest_name_needs_the_fewest_edits);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
