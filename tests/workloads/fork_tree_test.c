/*
 * fork-tree: how many processes there are, who coexists, and that nobody
 * exits before the children that it waited for.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/run_suite.h"
#include "tests/workloads/generated.h"

/* Processes that coexist at the peak for 512 MiB, by length of the slice. */
static const struct {
    const char *command;
    uint64_t peak;
} peaks[] = {
    {"fork-tree --size 512M --levels 9 --slice 85", 435},
    {"fork-tree --size 512M --levels 9 --slice 87", 400},
    {"fork-tree --size 512M --levels 9 --slice 88", 384},
    {"fork-tree --size 512M --levels 9 --slice 90", 361},
    {"fork-tree --size 512M --levels 8 --slice 87", 213},
    {"fork-tree --size 64M --levels 9 --slice 10.875", 400},  // both an eighth
    {"fork-tree --levels 9", 512},
    {"fork-tree --levels 0", 1},
};

START_TEST(the_slice_decides_how_many_processes_coexist)
{
    struct generated generated;

    generated_make(&generated, peaks[_i].command);
    ck_assert_uint_eq(generated_peak(&generated), peaks[_i].peak);
    generated_free(&generated);
}
END_TEST

static const char *const orders[] = {
    "fork-tree --levels 6",
    "fork-tree --levels 6 --slice 1",
    "fork-tree --levels 6 --slice 10",
    "fork-tree --levels 6 --slice 1000000",
};

START_TEST(every_process_forks_at_each_level_and_both_read)
{
    struct generated generated;

    generated_make(&generated, orders[_i]);
    ck_assert_uint_eq(generated_count(&generated, "start"), 1);
    ck_assert_uint_eq(generated_count(&generated, "w A 64M"), 1);
    ck_assert_uint_eq(generated_count(&generated, "fork"), 63);
    ck_assert_uint_eq(generated_count(&generated, "r A 64M"), 126);
    ck_assert_uint_eq(generated_count(&generated, "wait"), _i ? 63 : 0);
    ck_assert_uint_eq(generated_count(&generated, "exit"), _i ? 64 : 0);
    generated_free(&generated);
}
END_TEST

/* Replays forks and exits; the task ids of 6 levels are 1 to 64. */
START_TEST(a_process_exits_after_its_children_and_waits_for_each)
{
    struct generated generated;
    uint64_t parent[65] = {0};
    int64_t unwaited[65] = {0};  // children that exited
    int64_t living[65] = {0};    // children that did not
    bool is_alive[65] = {false};

    is_alive[1] = true;
    generated_make(&generated, orders[_i]);
    for (char **line = generated.lines + 2; *line; line++) {
        g_auto(GStrv) words = g_strsplit(*line, " ", 3);
        uint64_t task = g_ascii_strtoull(words[0], NULL, 10);
        ck_assert(is_alive[task]);
        if (strcmp(words[1], "fork") == 0) {
            uint64_t child = g_ascii_strtoull(words[2], NULL, 10);
            ck_assert(!is_alive[child] && parent[child] == 0);
            is_alive[child] = true;
            parent[child] = task;
            living[task]++;
        } else if (strcmp(words[1], "wait") == 0) {
            unwaited[task]--;
            ck_assert_int_ge(unwaited[task], 0);
        } else if (strcmp(words[1], "exit") == 0) {
            ck_assert_int_eq(unwaited[task], 0);
            ck_assert_int_eq(living[task], 0);
            is_alive[task] = false;
            living[parent[task]]--;
            unwaited[parent[task]]++;
        }
    }
    for (size_t i = 1; i <= 64; i++)
        ck_assert(!is_alive[i]);
    generated_free(&generated);
}
END_TEST

START_TEST(one_level_after_the_other_without_a_slice)
{
    static const char *const expected[] = {
        "1 start comm=fork-tree",
        "1 mmap A 64M rw- anon,private",
        "1 w A 64M",
        "1 fork 2",
        "1 r A 64M",
        "2 r A 64M",
        "1 fork 3",
        "1 r A 64M",
        "3 r A 64M",
        "2 fork 4",
        "2 r A 64M",
        "4 r A 64M",
    };
    struct generated generated;

    generated_make(&generated, "fork-tree --levels 2");
    ck_assert_uint_eq(g_strv_length(generated.lines),
                      2 + G_N_ELEMENTS(expected));
    for (size_t i = 0; i < G_N_ELEMENTS(expected); i++)
        ck_assert_str_eq(generated.lines[i + 2], expected[i]);
    generated_free(&generated);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("fork_tree");
    TCase *tests = tcase_create("fork_tree");

    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, the_slice_decides_how_many_processes_coexist, 0,
                        G_N_ELEMENTS(peaks));
    tcase_add_loop_test(tests, every_process_forks_at_each_level_and_both_read,
                        0, G_N_ELEMENTS(orders));
    tcase_add_loop_test(tests,
                        a_process_exits_after_its_children_and_waits_for_each,
                        1, G_N_ELEMENTS(orders));
    tcase_add_test(tests, one_level_after_the_other_without_a_slice);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
