/*
 * Recording real programs, where this host allows it: elsewhere the tests only
 * look at what is said.
 */
#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tests/run_suite.h"
#include "tests/sim/program.h"

/* Temporary files of a recording come into the test's folder, too. */
static void
set_up(void)
{
    enter_folder();
    g_setenv("TMPDIR", in_folder(""), TRUE);
}

static bool
has_program(const char *name)
{
    g_autofree char *path = g_find_program_in_path(name);

    return path != NULL;
}

/* Whether the recorder could be used; what is said when it could not. */
static bool
was_possible(const struct outcome *outcome)
{
    if (outcome->status == 0)
        return true;
    ck_assert_msg(strstr(outcome->err, "needs root or CAP_PERFMON") ||
                      strstr(outcome->err, "is not installed"),
                  "%s", outcome->err);
    return false;
}

static void
assert_nothing_is_left_over(void)
{
    g_autoptr(GDir) dir = g_dir_open(in_folder(""), 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir)))
        ck_assert_msg(!g_str_has_prefix(name, "vmsim-record"), "%s", name);
}

START_TEST(perf_records_what_replays_with_the_same_results)
{
    struct outcome outcome =
        run_vmsim("record", "--with", "perf", "-o", "t.trace", "--", "sh", "-c",
                  "exit 3", NULL);

    if (was_possible(&outcome)) {
        ck_assert_ptr_nonnull(strstr(outcome.err, "exit status  3"));
        ck_assert_ptr_nonnull(strstr(outcome.err, "faults by outcome:"));
        json_t *result = replay_result("t.trace", NULL);
        ck_assert_int_gt(integer_at(result, "counters.fault_count"), 100);
        ck_assert_int_eq(integer_at(result, "counters.event_skipped_count"), 0);
        ck_assert_int_gt(integer_at(result, "time_ns.work"), 0);
        json_decref(result);
    }
    assert_nothing_is_left_over();
    outcome_clear(&outcome);
}
END_TEST

START_TEST(strace_records_calls_and_says_what_is_lost)
{
    if (!has_program("strace"))
        return;
    struct outcome outcome =
        run_vmsim("record", "--with", "strace", "-o", "t.trace", "--", "sh",
                  "-c", "true", NULL);
    if (outcome.status == 0) {
        ck_assert_ptr_nonnull(strstr(outcome.err, "Lost are the pages"));
        json_t *result = replay_result("t.trace", NULL);
        ck_assert_int_gt(integer_at(result, "counters.syscall_count"), 5);
        json_decref(result);
    }
    assert_nothing_is_left_over();
    outcome_clear(&outcome);
}
END_TEST

START_TEST(an_interrupted_recording_is_kept)
{
    struct outcome outcome =
        run_vmsim("record", "--with", "perf", "-o", "t.trace", "--", "sh", "-c",
                  "kill -INT $PPID; exec sleep 20", NULL);

    /* The shell's parent is perf, as if a terminal had sent Ctrl-C to it. */
    if (was_possible(&outcome)) {
        ck_assert_ptr_nonnull(strstr(outcome.err, "ended by     signal"));
        json_t *result = replay_result("t.trace", NULL);
        ck_assert_int_gt(integer_at(result, "counters.fault_count"), 100);
        json_decref(result);
    }
    assert_nothing_is_left_over();
    outcome_clear(&outcome);
}
END_TEST

static const struct {
    const char *words[5];
    int status;
    const char *sentence;
} wrong[] = {
    {{"--", "/no/such/program"}, 1, "/no/such/program: no such program"},
    {{"-o", "-", "true"}, 2, "cannot write its trace to standard output"},
    {{"--with", "pref", "true"}, 2, "the nearest known one is \"perf\""},
};

START_TEST(what_cannot_be_recorded_is_one_sentence)
{
    struct outcome outcome =
        run_vmsim("record", wrong[_i].words[0], wrong[_i].words[1],
                  wrong[_i].words[2], wrong[_i].words[3], NULL);

    ck_assert_int_eq(outcome.status, wrong[_i].status);
    ck_assert_msg(strstr(outcome.err, wrong[_i].sentence), "%s", outcome.err);
    outcome_clear(&outcome);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("sim/record");
    TCase *tests = tcase_create("record");

    tcase_add_checked_fixture(tests, set_up, leave_folder);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, perf_records_what_replays_with_the_same_results);
    tcase_add_test(tests, strace_records_calls_and_says_what_is_lost);
    tcase_add_test(tests, an_interrupted_recording_is_kept);
    tcase_add_loop_test(tests, what_cannot_be_recorded_is_one_sentence, 0,
                        G_N_ELEMENTS(wrong));
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
