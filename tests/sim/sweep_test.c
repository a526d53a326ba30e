/*
 * Sweeps: order, refusals, threads.
 */
#include <check.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/run_suite.h"
#include "tests/sim/program.h"

static const char trace[] = "#vmtrace 1\n"
                            "1 start\n"
                            "1 mmap A 64K rw- anon,private\n"
                            "1 w A 64K\n"
                            "1 purge A 64K\n"
                            "1 reuse A 64K\n"
                            "1 w A 64K\n";

static void
setup(void)
{
    enter_folder();
    write_file("a", trace);
    write_file("b", "#vmtrace 1\n1 start\n1 work 5\n");
}

static struct outcome
sweep(const char *jobs)
{
    return run_vmsim("sweep", "a", "b", "--policy", "purge=dontneed,ignore",
                     "--kernel=6.18,2.6.22", "--policy=gap=linear,rb-gap",
                     "--ram=1G,2G", jobs, "-o", "r.jsonl", NULL);
}

static json_t *
line_at(const char *text, size_t index)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", 0);

    ck_assert_uint_gt(g_strv_length(lines), index);
    json_t *line = json_loads(lines[index], 0, NULL);
    ck_assert_ptr_nonnull(line);
    return line;
}

static const char *
policy_of(const json_t *line, const char *axis)
{
    return json_string_value(json_object_get(
        json_object_get(json_object_get(line, "config"), "policy"), axis));
}

static const char *
path_of(const json_t *line)
{
    return json_string_value(
        json_object_get(json_object_get(line, "trace"), "path"));
}

START_TEST(cells_come_in_product_order)
{
    struct outcome outcome = sweep("-j2");
    g_autofree char *text = read_file("r.jsonl");

    ck_assert_msg(outcome.status == 0, "%s", outcome.err);
    for (size_t i = 0; i < 32; i++) {
        json_t *line = line_at(text, i);
        const json_t *config = json_object_get(line, "config");
        ck_assert_str_eq(path_of(line), i < 16 ? "a" : "b");
        ck_assert_str_eq(json_string_value(json_object_get(config, "kernel")),
                         i / 8 % 2 ? "2.6.22" : "6.18");
        ck_assert_int_eq(integer_at(config, "ram_bytes") >> 30,
                         i / 4 % 2 ? 2 : 1);
        ck_assert_str_eq(policy_of(line, "purge"),
                         i / 2 % 2 ? "ignore" : "dontneed");
        ck_assert_str_eq(policy_of(line, "gap"), i % 2 ? "rb-gap" : "linear");
        json_decref(line);
    }
    g_auto(GStrv) lines = g_strsplit(text, "\n", 0);
    ck_assert_uint_eq(g_strv_length(lines), 33);
    ck_assert_str_eq(lines[32], "");
    outcome_clear(&outcome);
}
END_TEST

START_TEST(absolute_paths_are_told_by_as_much_as_differs)
{
    static const char *const expected[] = {"x/t", "y/t", "b", "t"};
    static const char text[] = "#vmtrace 1\n1 start\n";

    ck_assert_int_eq(g_mkdir(in_folder("x"), 0755), 0);
    ck_assert_int_eq(g_mkdir(in_folder("y"), 0755), 0);
    write_file("x/t", text);
    write_file("y/t", text);
    write_file("t", text);
    struct outcome outcome = run_vmsim(
        "sweep", in_folder("x/t"), in_folder("y/t"), in_folder("b"), "t", NULL);
    ck_assert_msg(outcome.status == 0, "%s", outcome.err);
    for (size_t i = 0; i < G_N_ELEMENTS(expected); i++) {
        json_t *line = line_at(outcome.out, i);
        ck_assert_str_eq(path_of(line), expected[i]);
        json_decref(line);
    }
    outcome_clear(&outcome);
    g_unlink(in_folder("x/t"));
    g_unlink(in_folder("y/t"));
}
END_TEST

START_TEST(the_number_of_threads_changes_no_byte)
{
    struct outcome one = sweep("-j1");
    g_autofree char *first = read_file("r.jsonl");
    struct outcome many = sweep("-j16");
    g_autofree char *second = read_file("r.jsonl");

    ck_assert_int_eq(one.status, 0);
    ck_assert_int_eq(many.status, 0);
    ck_assert_str_eq(first, second);
    ck_assert(!g_file_test(in_folder("r.jsonl.journal"), G_FILE_TEST_EXISTS));
    outcome_clear(&one);
    outcome_clear(&many);
}
END_TEST

/* The results without what tells the file. */
static char *
results_of(const char *name, const char *jobs)
{
    struct outcome outcome =
        run_vmsim("sweep", name, "--kernel=2.6.7,6.18",
                  "--policy=gap=linear,rb-gap", "--timeline=5000", jobs, NULL);
    g_auto(GStrv) lines = g_strsplit(outcome.out, "\n", 0);
    GString *results = g_string_new(NULL);

    ck_assert_msg(outcome.status == 0, "%s", outcome.err);
    for (char **line = lines; **line; line++) {
        json_t *result = json_loads(*line, 0, NULL);
        json_t *file = json_object_get(result, "trace");
        json_object_del(file, "path");
        json_object_del(file, "sha256");
        char *text = json_dumps(result, JSON_COMPACT);
        g_string_append_printf(results, "%s\n", text);
        free(text);
        json_decref(result);
    }
    outcome_clear(&outcome);
    return g_string_free(results, FALSE);
}

/* In memory, or decoded from blocks that runs share, of a file or of what was
 * unpacked. */
START_TEST(the_form_of_a_trace_and_the_number_of_threads_change_no_result)
{
    static const char *const forms[] = {"t", "t.zst", "t.vmt", "t.vmt.zst"};
    static const char *const jobs[] = {"-j1", "-j2", "-j8"};
    g_autofree char *expected = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(forms); i++) {
        struct outcome made =
            run_vmsim("gen", "ebizzy", "--threads=3", "--records=6000",
                      "--allocator=jemalloc", "-o", forms[i], NULL);
        ck_assert_msg(made.status == 0, "%s", made.err);
        outcome_clear(&made);
        for (size_t j = 0; j < G_N_ELEMENTS(jobs); j++) {
            g_autofree char *results = results_of(forms[i], jobs[j]);
            if (!expected)
                expected = g_strdup(results);
            ck_assert_msg(strcmp(results, expected) == 0, "%s %s", forms[i],
                          jobs[j]);
        }
    }
}
END_TEST

START_TEST(a_line_is_what_replay_says)
{
    struct outcome swept =
        run_vmsim("sweep", "a", "--kernel=2.6.22", "--timeline=2", NULL);
    struct outcome replayed = run_vmsim("replay", "a", "--kernel=2.6.22",
                                        "--timeline=2", "--format=json", NULL);

    ck_assert_str_eq(swept.out, replayed.out);
    outcome_clear(&swept);
    outcome_clear(&replayed);
}
END_TEST

START_TEST(a_refused_combination_is_a_line_that_says_why)
{
    struct outcome outcome = run_vmsim("sweep", "a", "--kernel=2.6.22",
                                       "--policy", "rmap=none,anon-vma", NULL);
    json_t *refused = line_at(outcome.out, 0);
    json_t *ran = line_at(outcome.out, 1);

    ck_assert_int_eq(outcome.status, 0);
    ck_assert_str_eq(policy_of(refused, "rmap"), "none");
    ck_assert(json_string_length(json_object_get(refused, "refused")) > 0);
    ck_assert_ptr_null(json_object_get(refused, "counters"));
    ck_assert_ptr_nonnull(json_object_get(ran, "counters"));
    json_decref(refused);
    json_decref(ran);
    outcome_clear(&outcome);
}
END_TEST

START_TEST(ram_that_a_machine_cannot_have_is_refused)
{
    struct outcome outcome =
        run_vmsim("sweep", "a", "--kernel=2.6.22", "--machine=i386,x86-64",
                  "--ram=1M,8G", "--format=table", "-o", "r.jsonl", NULL);
    g_autofree char *text = read_file("r.jsonl");
    static const int is_refused[] = {1, 1, 1, 0};

    ck_assert_int_eq(outcome.status, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(is_refused); i++) {
        json_t *line = line_at(text, i);
        ck_assert_int_eq(json_object_get(line, "refused") != NULL,
                         is_refused[i]);
        json_decref(line);
    }
    ck_assert_msg(g_str_has_prefix(outcome.out,
                                   "a on kernel 2.6.22, x86-64, 8 GiB RAM, "
                                   "4 CPUs, vmsim "),
                  "%s", outcome.out);
    ck_assert_ptr_nonnull(
        strstr(outcome.out, "i386, 8 GiB RAM: refused: i386 addresses no more "
                            "than 4G of RAM\n"));
    ck_assert_ptr_nonnull(
        strstr(outcome.out, "x86-64, 1 MiB RAM: refused: of so little RAM"));
    outcome_clear(&outcome);
}
END_TEST

START_TEST(a_dry_run_prints_the_cells_and_writes_nothing)
{
    struct outcome outcome =
        run_vmsim("sweep", "a", "--dry-run", "-o", "r.jsonl",
                  "--kernel=2.6.22,6.18", "--policy=gap=linear,rb-gap", NULL);

    ck_assert_str_eq(outcome.out, "a kernel=2.6.22 gap=linear\n"
                                  "a kernel=2.6.22 gap=rb-gap\n"
                                  "a kernel=6.18 gap=linear\n"
                                  "a kernel=6.18 gap=rb-gap\n");
    ck_assert(!g_file_test(in_folder("r.jsonl"), G_FILE_TEST_EXISTS));
    ck_assert(!g_file_test(in_folder("r.jsonl.journal"), G_FILE_TEST_EXISTS));
    outcome_clear(&outcome);
}
END_TEST

START_TEST(a_folder_is_refused_before_any_run)
{
    ck_assert_int_eq(g_mkdir(in_folder("results"), 0777), 0);
    struct outcome outcome =
        run_vmsim("sweep", "a", "-o", "results", "--kernel=2.6.22", NULL);

    ck_assert_int_eq(outcome.status, 1);
    ck_assert_msg(
        g_str_has_suffix(outcome.err, "\nvmsim: results: Is a directory\n"),
        "%s", outcome.err);
    ck_assert(!g_file_test(in_folder("results.journal"), G_FILE_TEST_EXISTS));
    outcome_clear(&outcome);
}
END_TEST

START_TEST(an_axis_that_cannot_act_is_told)
{
    struct outcome outcome = run_vmsim("sweep", "a", "b", "--kernel=2.6.22",
                                       "--policy=purge=ignore,dontneed",
                                       "--policy=guard=gap,none", NULL);

    ck_assert_ptr_nonnull(strstr(
        outcome.err,
        "the axis purge cannot act on b, which has no purge or reuse events"));
    ck_assert_ptr_nonnull(
        strstr(outcome.err,
               "the axis guard cannot act on a, which has no guard events"));
    ck_assert_ptr_null(strstr(outcome.err, "the axis purge cannot act on a"));
    outcome_clear(&outcome);
}
END_TEST

/* Pages are brought in by calls, too. */
START_TEST(an_axis_that_a_populating_call_asks_can_act)
{
    static const char *const calls[] = {
        "1 mmap A 4K rw- anon populate\n", "1 mlock stack-4K 4K\n",
        "1 mmap A 4K rw- anon\n1 madvise A 4K populate-write\n"};

    for (size_t i = 0; i < G_N_ELEMENTS(calls); i++) {
        g_autofree char *text =
            g_strconcat("#vmtrace 1\n1 start\n", calls[i], NULL);
        write_file("b", text);
        struct outcome outcome = run_vmsim(
            "sweep", "b", "--kernel=2.6.22", "--policy=clear=on-alloc,never",
            "--policy=zero-page=none,refcounted", "--policy=cow=mapcount",
            "--policy=rmap=anon-vma", NULL);
        ck_assert_msg(!strstr(outcome.err, "cannot act"), "%s: %s", calls[i],
                      outcome.err);
        outcome_clear(&outcome);
    }
}
END_TEST

START_TEST(a_mismatch_in_any_run_is_status_1_and_the_results_are_there)
{
    write_file("b", "#vmtrace 1\n"
                    "1 start\n"
                    "1 mmap A 4K rw- anon,private\n"
                    "1 r A 4K = fresh\n");
    struct outcome outcome =
        run_vmsim("sweep", "a", "b", "--kernel=2.6.24,2.6.32", "--check", "-o",
                  "r.jsonl", NULL);
    g_autofree char *text = read_file("r.jsonl");

    ck_assert_int_eq(outcome.status, 1);
    ck_assert_ptr_nonnull(strstr(outcome.err, "in 1 of 4 runs"));
    ck_assert_ptr_nonnull(strstr(text, "\"mismatch_count\":1"));
    outcome_clear(&outcome);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("sim/sweep");
    TCase *tcase = tcase_create("sweep");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, leave_folder);
    tcase_add_test(tcase, cells_come_in_product_order);
    tcase_add_test(tcase, absolute_paths_are_told_by_as_much_as_differs);
    tcase_add_test(tcase, the_number_of_threads_changes_no_byte);
    tcase_add_test(
        tcase, the_form_of_a_trace_and_the_number_of_threads_change_no_result);
    tcase_add_test(tcase, a_line_is_what_replay_says);
    tcase_add_test(tcase, a_refused_combination_is_a_line_that_says_why);
    tcase_add_test(tcase, ram_that_a_machine_cannot_have_is_refused);
    tcase_add_test(tcase, a_dry_run_prints_the_cells_and_writes_nothing);
    tcase_add_test(tcase, a_folder_is_refused_before_any_run);
    tcase_add_test(tcase, an_axis_that_cannot_act_is_told);
    tcase_add_test(tcase,
                   a_mismatch_in_any_run_is_status_1_and_the_results_are_there);
    tcase_add_test(tcase, an_axis_that_a_populating_call_asks_can_act);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
