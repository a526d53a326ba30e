/*
 * Journals: whenever a sweep is killed, the same command again ends with the
 * results of one that was not, and no run that was finished runs again.
 */
#include <check.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "tests/run_suite.h"
#include "tests/sim/program.h"

enum { KEY_LENGTH = 64, RUNS = 8 };

static void
setup(void)
{
    enter_folder();
    write_file("a", "#vmtrace 1\n"
                    "1 start\n"
                    "1 mmap A 64K rw- anon,private\n"
                    "1 w A 64K\n"
                    "1 purge A 64K\n"
                    "1 w A 64K\n");
    write_file("b", "#vmtrace 1\n1 start\n1 work 5\n");
}

static struct outcome
sweep_within(const struct limits *limits, const char *jobs)
{
    return run_vmsim_within(limits, "sweep", "a", "b", "--kernel=2.6.7,2.6.22",
                            "--policy=gap=linear,rb-gap", jobs, "-o", "r.jsonl",
                            NULL);
}

static struct outcome
sweep(const char *jobs)
{
    return sweep_within(&(struct limits){0}, jobs);
}

/* The results of a sweep that nothing interrupts. */
static char *
whole_results(void)
{
    struct outcome outcome = sweep("-j1");
    char *text = read_file("r.jsonl");

    ck_assert_msg(outcome.status == 0, "%s", outcome.err);
    ck_assert_ptr_null(strstr(outcome.err, "runs are in"));
    outcome_clear(&outcome);
    ck_assert_int_eq(g_unlink(in_folder("r.jsonl")), 0);
    return text;
}

static char *
journal_text(void)
{
    char *text = NULL;

    if (!g_file_get_contents(in_folder("r.jsonl.journal"), &text, NULL, NULL))
        text = g_strdup("");
    return text;
}

/* Complete lines, of which no two are of one run. */
static unsigned
count_lines(const char *journal)
{
    g_autoptr(GHashTable) keys =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    unsigned count = 0;

    for (const char *end; (end = strchr(journal, '\n')); journal = end + 1) {
        ck_assert_int_gt(end - journal, KEY_LENGTH + 1);
        ck_assert(g_hash_table_add(keys, g_strndup(journal, KEY_LENGTH)));
        count++;
    }
    return count;
}

/* What the command said that it found. */
static unsigned
count_found(const struct outcome *outcome)
{
    const char *sentence = strstr(outcome->err, " of 8 runs are in ");

    if (!sentence)
        return 0;
    ck_assert(g_ascii_isdigit(sentence[-1]));
    return (unsigned)(sentence[-1] - '0');
}

static void
assert_goes_on(const char *jobs, const char *expected)
{
    g_autofree char *journal = journal_text();
    struct outcome outcome = sweep(jobs);
    g_autofree char *text = read_file("r.jsonl");

    ck_assert_msg(outcome.status == 0, "%s", outcome.err);
    ck_assert_uint_eq(count_found(&outcome), count_lines(journal));
    ck_assert_str_eq(text, expected);
    ck_assert(!g_file_test(in_folder("r.jsonl.journal"), G_FILE_TEST_EXISTS));
    ck_assert_int_eq(g_unlink(in_folder("r.jsonl")), 0);
    outcome_clear(&outcome);
}

START_TEST(a_sweep_killed_at_any_byte_of_its_journal_goes_on)
{
    static const char *const jobs[] = {"-j1", "-j3"};
    g_autofree char *expected = whole_results();
    size_t journal_bytes = strlen(expected) + RUNS * (KEY_LENGTH + 1);
    unsigned killed = 0;

    for (size_t at = 1; at < journal_bytes; at += 613) {
        struct limits limits = {.file_bytes = at};
        struct outcome outcome = sweep_within(&limits, jobs[_i]);
        g_autofree char *journal = journal_text();
        ck_assert_int_eq(outcome.status, -SIGXFSZ);
        ck_assert_uint_eq(strlen(journal), at);
        ck_assert(!g_file_test(in_folder("r.jsonl"), G_FILE_TEST_EXISTS));
        outcome_clear(&outcome);
        assert_goes_on(jobs[_i], expected);
        killed++;
    }
    ck_assert_uint_gt(killed, 3 * RUNS);
}
END_TEST

/* What a journal has stays there as it is, but for half a line at its end. */
static void
assert_continues(const char *before, const char *after)
{
    const char *end = strrchr(before, '\n');

    ck_assert(!end || strncmp(before, after, (size_t)(end - before) + 1) == 0);
    ck_assert_uint_le(count_lines(after), RUNS);
}

/* One after the other, each killed later than the one before, until the results
 * are there. */
START_TEST(a_sweep_killed_again_and_again_gets_done)
{
    g_autofree char *expected = whole_results();
    g_autofree char *before = g_strdup("");
    struct limits limits = {.life_us = 500};
    unsigned killed = 0;

    for (;; killed++, limits.life_us += limits.life_us / 16) {
        struct outcome outcome = sweep_within(&limits, "-j2");
        ck_assert(outcome.status == 0 || outcome.status == -SIGALRM);
        if (outcome.status == 0)
            ck_assert_uint_eq(count_found(&outcome), count_lines(before));
        outcome_clear(&outcome);
        if (g_file_test(in_folder("r.jsonl"), G_FILE_TEST_EXISTS))
            break;
        char *after = journal_text();
        assert_continues(before, after);
        g_free(before);
        before = after;
    }
    g_autofree char *text = read_file("r.jsonl");
    ck_assert_str_eq(text, expected);
    ck_assert_uint_gt(killed, 0);
}
END_TEST

/* All runs done, but not the last step: the results are to replace a file
 * beside which none can be made. */
static void
fail_at_the_last_step(void)
{
    ck_assert_int_eq(symlink("/proc/version", in_folder("r.jsonl")), 0);
    struct outcome failed = sweep("-j2");

    ck_assert_int_eq(failed.status, 1);
    ck_assert_int_eq(g_unlink(in_folder("r.jsonl")), 0);
    outcome_clear(&failed);
}

/* How many files the folder has, beside the traces. */
static unsigned
count_files(void)
{
    GDir *dir = g_dir_open(in_folder("."), 0, NULL);
    const char *name;
    unsigned count = 0;

    while ((name = g_dir_read_name(dir)))
        count += strcmp(name, "a") != 0 && strcmp(name, "b") != 0;
    g_dir_close(dir);
    return count;
}

START_TEST(a_sweep_killed_at_any_byte_of_its_results_leaves_no_litter)
{
    g_autofree char *expected = whole_results();
    unsigned killed = 0;

    fail_at_the_last_step();
    for (size_t at = 1; at < strlen(expected); at += 1009, killed++) {
        struct limits limits = {.file_bytes = at};
        struct outcome outcome = sweep_within(&limits, "-j1");
        ck_assert_int_eq(outcome.status, -SIGXFSZ);
        ck_assert_uint_eq(count_found(&outcome), RUNS);
        ck_assert_uint_eq(count_files(), 1);  // the journal
        outcome_clear(&outcome);
    }
    ck_assert_uint_gt(killed, 2 * RUNS);
    assert_goes_on("-j1", expected);
    ck_assert_uint_eq(count_files(), 0);
}
END_TEST

START_TEST(what_the_journal_has_is_taken_as_it_is)
{
    g_autofree char *expected = whole_results();

    fail_at_the_last_step();
    g_autofree char *journal = journal_text();
    g_autoptr(GString) marked = g_string_new(journal);
    ck_assert_uint_eq(count_lines(journal), RUNS);
    g_string_replace(marked, "\"vmsim\":\"", "\"vmsim\":\"marked ", 0);
    write_file("r.jsonl.journal", marked->str);
    struct outcome outcome = sweep("-j1");
    g_autofree char *text = read_file("r.jsonl");
    g_autoptr(GString) unmarked = g_string_new(text);
    ck_assert_uint_eq(
        g_string_replace(unmarked, "\"vmsim\":\"marked ", "\"vmsim\":\"", 0),
        RUNS);
    ck_assert_str_eq(unmarked->str, expected);
    outcome_clear(&outcome);
}
END_TEST

START_TEST(what_is_no_line_of_a_journal_is_cut_off)
{
    static const char *const tails[] = {"garbage\n", "\n", "0123 {}\n",
                                        "{\"no\": \"newline\"}"};
    g_autofree char *expected = whole_results();

    fail_at_the_last_step();
    g_autofree char *journal = journal_text();
    for (size_t i = 0; i < G_N_ELEMENTS(tails); i++) {
        g_autofree char *longer = g_strconcat(journal, tails[i], NULL);
        write_file("r.jsonl.journal", longer);
        struct outcome outcome = sweep("-j1");
        g_autofree char *text = read_file("r.jsonl");
        ck_assert_uint_eq(count_found(&outcome), RUNS);
        ck_assert_str_eq(text, expected);
        outcome_clear(&outcome);
    }
}
END_TEST

/* ---- what a result depends on ---- */

static void
assert_is_of_no_use(const char *what, const char *program)
{
    struct limits limits = {.program = program};
    struct outcome outcome = sweep_within(&limits, "-j2");

    ck_assert_msg(outcome.status == 0, "%s: %s", what, outcome.err);
    ck_assert_msg(count_found(&outcome) == 0, "%s", what);
    outcome_clear(&outcome);
}

START_TEST(a_journal_of_another_trace_is_of_no_use)
{
    fail_at_the_last_step();
    write_file("a", "#vmtrace 1\n1 start\n1 work 6\n");
    write_file("b", "#vmtrace 1\n1 start\n1 work 7\n");
    assert_is_of_no_use("content", NULL);
}
END_TEST

START_TEST(a_trace_that_was_packed_is_another_file)
{
    fail_at_the_last_step();
    for (const char *name = "a\0b\0"; *name; name += 2) {
        struct outcome packed = run_vmsim("convert", name, "-o", "x.vmt", NULL);
        ck_assert_int_eq(packed.status, 0);
        outcome_clear(&packed);
        ck_assert_int_eq(g_rename(in_folder("x.vmt"), in_folder(name)), 0);
    }
    assert_is_of_no_use("file", NULL);
}
END_TEST

/* A copy of the program beside its data, one byte of its build-id changed. */
static const char *
another_build(void)
{
    static const char note[] = "\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU";
    char *bytes;
    size_t length;

    ck_assert(g_file_get_contents(getenv("VMSIM"), &bytes, &length, NULL));
    char *place = memmem(bytes, length, note, sizeof(note));
    ck_assert_ptr_nonnull(place);
    place[sizeof(note)] ^= 1;
    ck_assert(g_file_set_contents_full(in_folder("vmsim"), bytes,
                                       (gssize)length, G_FILE_SET_CONTENTS_NONE,
                                       0755, NULL));
    g_free(bytes);
    ck_assert_int_eq(symlink(getenv("VMSIM_DATA"), in_folder("sim")), 0);
    return in_folder("vmsim");
}

START_TEST(a_journal_of_another_build_is_of_no_use)
{
    fail_at_the_last_step();
    assert_is_of_no_use("build", another_build());
}
END_TEST

START_TEST(a_machine_file_that_changed_is_another_machine)
{
    static const char *const files[] = {
        "{\"based_on\": \"x86-64\"}\n",
        "{\"based_on\": \"x86-64\", \"cpu_count\": 2}\n"};

    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        write_file("m.json", files[i]);
        ck_assert_int_eq(g_mkdir(in_folder("r.jsonl"), 0755), 0);
        struct outcome outcome =
            run_vmsim("sweep", "a", "--machine=m.json", "-o", "r.jsonl", NULL);
        ck_assert_int_eq(outcome.status, 1);
        ck_assert_ptr_null(strstr(outcome.err, "runs are in"));
        ck_assert_int_eq(g_rmdir(in_folder("r.jsonl")), 0);
        outcome_clear(&outcome);
    }
}
END_TEST

START_TEST(a_second_sweep_of_the_same_results_is_refused)
{
    int fd = open(in_folder("r.jsonl.journal"), O_RDWR | O_CREAT, 0600);

    ck_assert_int_eq(flock(fd, LOCK_EX), 0);
    ck_assert_int_eq(write(fd, "torn", 4), 4);
    struct outcome second = sweep("-j1");
    g_autofree char *journal = journal_text();
    ck_assert_int_eq(second.status, 1);
    ck_assert_ptr_nonnull(
        strstr(second.err,
               "r.jsonl.journal: another sweep is writing these results\n"));
    ck_assert_str_eq(journal, "torn");
    ck_assert(!g_file_test(in_folder("r.jsonl"), G_FILE_TEST_EXISTS));
    close(fd);
    outcome_clear(&second);
    g_free(whole_results());
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("sim/journal");
    TCase *tcase = tcase_create("journal");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, leave_folder);
    tcase_add_loop_test(
        tcase, a_sweep_killed_at_any_byte_of_its_journal_goes_on, 0, 2);
    tcase_add_test(tcase, a_sweep_killed_again_and_again_gets_done);
    tcase_add_test(tcase,
                   a_sweep_killed_at_any_byte_of_its_results_leaves_no_litter);
    tcase_add_test(tcase, what_the_journal_has_is_taken_as_it_is);
    tcase_add_test(tcase, what_is_no_line_of_a_journal_is_cut_off);
    tcase_add_test(tcase, a_journal_of_another_trace_is_of_no_use);
    tcase_add_test(tcase, a_trace_that_was_packed_is_another_file);
    tcase_add_test(tcase, a_journal_of_another_build_is_of_no_use);
    tcase_add_test(tcase, a_machine_file_that_changed_is_another_machine);
    tcase_add_test(tcase, a_second_sweep_of_the_same_results_is_refused);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
