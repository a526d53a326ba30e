/*
 * Recording real programs, where this host allows it: elsewhere the tests only
 * look at what is said.
 */
#include <check.h>
#include <glib/gstdio.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

START_TEST(who_waits_for_a_child_waits_in_the_trace)
{
    struct outcome outcome =
        run_vmsim("record", "--with", "perf", "-o", "t.trace", "--", "sh", "-c",
                  "sleep 0.5; true", NULL);

    if (was_possible(&outcome)) {
        g_autofree char *trace = read_file("t.trace");
        g_auto(GStrv) lines = g_strsplit(trace, "\n", -1);
        ck_assert_msg(strstr(trace, " 1 wait 2 = 0\n"), "%s", trace);
        for (char **line = lines; *line; line++) {
            const char *slept = strstr(*line, " 1 sleep ");
            ck_assert_msg(!slept || strtoull(slept + strlen(" 1 sleep "), NULL,
                                             10) < 400000000,
                          "%s", *line);
        }
    }
    outcome_clear(&outcome);
}
END_TEST

/* A program that a signal killed, and a Ctrl-C that only we are sent. */
START_TEST(strace_knows_that_a_signal_ended_the_command)
{
    static const char *const scripts[] = {
        "kill -TERM $$",
        /* The shell's parent is strace, whose parent is vmsim. */
        "kill -TERM $(sed -n 's/^PPid:\t//p' /proc/$PPID/status); exec sleep "
        "20",
    };

    if (!has_program("strace"))
        return;
    struct outcome outcome =
        run_vmsim("record", "--with", "strace", "-o", "t.trace", "--", "sh",
                  "-c", scripts[_i], NULL);
    if (outcome.status == 0) {
        ck_assert_ptr_nonnull(strstr(outcome.err, "ended by     signal 15"));
        g_autofree char *trace = read_file("t.trace");
        ck_assert_ptr_nonnull(strstr(trace, " exit\n"));
    } else {
        ck_assert_msg(strstr(outcome.err, "recorded nothing"), "%s",
                      outcome.err);
    }
    assert_nothing_is_left_over();
    outcome_clear(&outcome);
}
END_TEST

/* ---- with recorders that are scripts ---- */

/* Runs the command and leaves the file that the recorder was told to write;
 * "perf script" prints what the test wants to have been recorded. */
static const char recorder_script[] =
    "#!/bin/sh\n"
    "case $1 in\n"
    "stat) exit $MAY_TRACE ;;\n"
    "script) cat recorded; exit 0 ;;\n"
    "esac\n"
    "until [ \"$1\" = -- ]; do\n"
    "    [ \"$1\" = -o ] && cp recorded \"$2\"\n"
    "    shift\n"
    "done\n"
    "shift\n"
    "\"$@\"\n";

static void
pretend_to_record(const char *name, const char *recorded)
{
    g_autofree char *path =
        g_strdup_printf("%s:%s", in_folder(""), getenv("PATH"));

    write_file(name, recorder_script);
    write_file("recorded", recorded);
    ck_assert_int_eq(g_chmod(in_folder(name), 0755), 0);
    if (!g_str_has_prefix(getenv("PATH"), in_folder("")))
        g_setenv("PATH", path, TRUE);
    g_setenv("MAY_TRACE", "0", TRUE);
}

#define TOUCHES                                                                \
    "p 7/7 [000] 1.000000001: exceptions:page_fault_user: address=0x1000 "     \
    "ip=0x1 error_code=0x4\n"

static void
assert_no_file(const char *name)
{
    ck_assert_msg(g_access(in_folder(name), F_OK) != 0, "%s is there", name);
}

START_TEST(without_a_file_the_trace_is_what_is_printed)
{
    static const char *const outputs[] = {NULL, "-"};

    pretend_to_record("perf", TOUCHES);
    for (size_t i = 0; i < G_N_ELEMENTS(outputs); i++) {
        struct outcome outcome =
            outputs[i] ? run_vmsim("record", "-o", outputs[i], "--", "echo",
                                   "hello", NULL)
                       : run_vmsim("record", "--", "echo", "hello", NULL);
        ck_assert_msg(outcome.status == 0, "%s", outcome.err);
        ck_assert_msg(g_str_has_prefix(outcome.out, "#vmtrace 1\n"), "%s",
                      outcome.out);
        ck_assert_ptr_nonnull(strstr(outcome.out, "\n@0/0 1 r 0x1000 4K"));
        ck_assert_ptr_null(strstr(outcome.out, "\nhello\n"));
        ck_assert_ptr_nonnull(strstr(outcome.err, "hello\n"));
        outcome_clear(&outcome);
    }
    assert_no_file("echo.trace.zst");
    assert_nothing_is_left_over();
}
END_TEST

START_TEST(with_a_file_the_command_prints_as_ever)
{
    pretend_to_record("perf", TOUCHES);
    struct outcome outcome =
        run_vmsim("record", "-o", "t.trace", "--", "echo", "hello", NULL);

    ck_assert_msg(outcome.status == 0, "%s", outcome.err);
    ck_assert_str_eq(outcome.out, "hello\n");
    ck_assert_ptr_nonnull(strstr(outcome.err, "trace        t.trace,"));
    outcome_clear(&outcome);
}
END_TEST

START_TEST(lost_events_are_an_error_and_no_trace)
{
    pretend_to_record("perf",
                      TOUCHES "p 7/7 [000] 1.5: PERF_RECORD_LOST lost 3\n");
    struct outcome outcome =
        run_vmsim("record", "-o", "t.trace", "--", "true", NULL);

    ck_assert_int_eq(outcome.status, 1);
    ck_assert_msg(strstr(outcome.err, "the kernel dropped events"), "%s",
                  outcome.err);
    assert_no_file("t.trace");
    assert_nothing_is_left_over();
    outcome_clear(&outcome);
}
END_TEST

START_TEST(perf_script_without_a_word_is_an_error_and_no_trace)
{
    pretend_to_record("perf", "");
    struct outcome outcome =
        run_vmsim("record", "-o", "t.trace", "--", "true", NULL);

    ck_assert_int_eq(outcome.status, 1);
    ck_assert_msg(strstr(outcome.err, "perf script could not read"), "%s",
                  outcome.err);
    assert_no_file("t.trace");
    assert_nothing_is_left_over();
    outcome_clear(&outcome);
}
END_TEST

START_TEST(who_may_not_trace_is_told_how_and_gets_strace)
{
    static const char recorded[] =
        "7 1.000000 execve(\"/bin/true\", [\"true\"], 0x1) = 0 <0.000010>\n"
        "7 1.000050 brk(NULL) = 0x555555559000 <0.000010>\n"
        "7 1.000100 brk(0x55555557a000) = 0x55555557a000 <0.000010>\n"
        "7 1.000200 +++ exited with 0 +++\n";

    pretend_to_record("perf", recorded);
    pretend_to_record("strace", recorded);
    g_setenv("MAY_TRACE", "1", TRUE);
    struct outcome outcome =
        run_vmsim("record", "-o", "t.trace", "--", "true", NULL);

    ck_assert_msg(outcome.status == 0, "%s", outcome.err);
    ck_assert_ptr_nonnull(strstr(outcome.err, "needs root or CAP_PERFMON"));
    ck_assert_ptr_nonnull(strstr(outcome.err, "sudo setcap cap_perfmon"));
    ck_assert_ptr_nonnull(strstr(outcome.err, "Lost are the pages"));
    g_autofree char *trace = read_file("t.trace");
    ck_assert_ptr_nonnull(strstr(trace, " brk 132K = 0"));
    outcome_clear(&outcome);
}
END_TEST

START_TEST(a_trace_that_cannot_be_written_is_found_before_the_command_runs)
{
    pretend_to_record("perf", TOUCHES);
    struct outcome outcome = run_vmsim("record", "-o", "no/such/t.trace", "--",
                                       "touch", "ran", NULL);

    ck_assert_int_eq(outcome.status, 1);
    ck_assert_ptr_nonnull(strstr(outcome.err, "no/such/t.trace"));
    assert_no_file("ran");
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
    tcase_add_test(tests, who_waits_for_a_child_waits_in_the_trace);
    tcase_add_loop_test(tests, strace_knows_that_a_signal_ended_the_command, 0,
                        2);
    tcase_add_test(tests, without_a_file_the_trace_is_what_is_printed);
    tcase_add_test(tests, with_a_file_the_command_prints_as_ever);
    tcase_add_test(tests, lost_events_are_an_error_and_no_trace);
    tcase_add_test(tests, perf_script_without_a_word_is_an_error_and_no_trace);
    tcase_add_test(tests, perf_script_without_a_word_is_an_error_and_no_trace);
    tcase_add_test(tests, who_may_not_trace_is_told_how_and_gets_strace);
    tcase_add_test(
        tests, a_trace_that_cannot_be_written_is_found_before_the_command_runs);
    tcase_add_loop_test(tests, what_cannot_be_recorded_is_one_sentence, 0,
                        G_N_ELEMENTS(wrong));
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
