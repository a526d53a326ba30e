/*
 * Reading RESULTS.jsonl: what is refused, and in which words.
 */
#include "plots/plot.h"
#include "plots/results.h"
#include "tests/run_suite.h"

#include <check.h>
#include <glib/gstdio.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#define LINE_BEGIN "{\"schema\":1,\"trace\":{\"path\":\"t\"},\"config\":{},"

/* Load the text as a file called r.jsonl. */
static bool
load(struct plot_runs *runs, const char *text, gssize length, char **message)
{
    g_autofree char *dir = g_dir_make_tmp("plots-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "r.jsonl", NULL);
    g_autoptr(GError) error = NULL;

    ck_assert(g_file_set_contents(path, text, length, NULL));
    bool is_loaded = plot_runs_load(runs, path, &error);
    if (!is_loaded) {
        ck_assert(g_str_has_prefix(error->message, dir));
        *message = g_strdup(error->message + strlen(dir) + 1);
    }
    g_unlink(path);
    g_rmdir(dir);
    return is_loaded;
}

static const struct {
    const char *text;
    const char *message;
} refused[] = {
    {"\n{\"schema\":1,", "r.jsonl:2:12: expected one JSON object a line, "
                         "found broken JSON: string or '}' expected near end "
                         "of file"},
    {"[]\n", "r.jsonl:1:1: expected an object, found something else"},
    {"{}\n", "r.jsonl:1:1: expected \"schema\" 1, found none"},
    {"{ \"schema\":2}\n", "r.jsonl:1:3: expected \"schema\" 1, found another"},
    {"{\"schema\":1}\n",
     "r.jsonl:1:1: expected an object \"trace\", found none"},
    {"{\"schema\":1,\"trace\":{},\"config\":3}",
     "r.jsonl:1:24: expected an object \"config\", found something else"},
    {"{\"schema\":1,\"trace\":{},\"config\":{}}",
     "r.jsonl:1:13: expected a trace with a path, found none"},
    {LINE_BEGIN "\"x\":0}",
     "r.jsonl:1:1: expected an object \"counters\", found none"},
    {LINE_BEGIN "\"counters\":{\"a\":1,\"b\":\"\\\"b\\\":\"}}",
     "r.jsonl:1:64: expected a number, found something else"},
    {LINE_BEGIN "\"counters\":{\"a b\":1}}",
     "r.jsonl:1:46: expected names of letters, digits and _ in \"counters\", "
     "found another"},
    {LINE_BEGIN "\"counters\":{},\"timeline\":7}",
     "r.jsonl:1:60: expected null or an object of columns and rows, found "
     "something else"},
    {LINE_BEGIN "\"counters\":{},\"timeline\":{\"columns\":[\"ns\"],"
                "\"rows\":[[1],[1,2]]}}",
     "r.jsonl:1:89: expected rows of 1 numbers, found one of 2"},
    {LINE_BEGIN "\"counters\":{},\"timeline\":{\"columns\":[\"ns\"],"
                "\"rows\":[[\"x\"]]}}",
     "r.jsonl:1:89: expected rows of numbers, found something else"},
};

START_TEST(a_bad_line_is_named_by_path_line_and_column)
{
    struct plot_runs runs;
    g_autofree char *message = NULL;

    ck_assert(!load(&runs, refused[_i].text, -1, &message));
    ck_assert_str_eq(message, refused[_i].message);
}
END_TEST

START_TEST(a_nul_byte_is_an_error_and_not_the_end)
{
    static const char text[] = LINE_BEGIN "\"counters\":{}}\0\n";
    struct plot_runs runs;
    g_autofree char *message = NULL;

    ck_assert(!load(&runs, text, sizeof(text) - 1, &message));
    ck_assert_ptr_nonnull(strstr(message, "r.jsonl:1:"));
}
END_TEST

START_TEST(a_missing_file_is_named)
{
    struct plot_runs runs;
    g_autoptr(GError) error = NULL;

    ck_assert(!plot_runs_load(&runs, "/nowhere/r.jsonl", &error));
    ck_assert_str_eq(error->message,
                     "/nowhere/r.jsonl: No such file or directory");
}
END_TEST

START_TEST(blank_lines_and_a_missing_last_newline_are_no_errors)
{
    struct plot_runs runs;
    g_autofree char *message = NULL;

    ck_assert(load(&runs,
                   "\n \r\n" LINE_BEGIN "\"counters\":{\"a\":5}}\n\n" LINE_BEGIN
                   "\"counters\":{},\"validity\":\"lower-bound\"}",
                   -1, &message));
    ck_assert_uint_eq(runs.runs->len, 2);
    ck_assert_uint_eq(plot_run_at(&runs, 1)->line, 5);
    ck_assert(plot_run_at(&runs, 1)->is_lower_bound);
    ck_assert(!plot_run_at(&runs, 0)->is_lower_bound);
    plot_runs_clear(&runs);
}
END_TEST

START_TEST(a_refused_combination_is_kept_apart)
{
    struct plot_runs runs;
    g_autofree char *message = NULL;

    ck_assert(load(&runs, LINE_BEGIN "\"refused\":\"no\"}\n", -1, &message));
    ck_assert_uint_eq(runs.runs->len, 0);
    ck_assert_uint_eq(runs.refused->len, 1);
    plot_runs_clear(&runs);
}
END_TEST

START_TEST(a_number_is_found_in_its_section_or_is_missing)
{
    struct plot_runs runs;
    g_autofree char *message = NULL;

    ck_assert(load(&runs,
                   LINE_BEGIN "\"counters\":{\"a\":5},"
                              "\"peak\":{\"a\":6,\"total\":{\"a\":7}}}",
                   -1, &message));
    const struct plot_run *run = plot_run_at(&runs, 0);
    ck_assert_double_eq(plot_run_double(run, "counters", "a"), 5);
    ck_assert_double_eq(plot_run_double(run, "peak.total", "a"), 7);
    ck_assert_double_nan(plot_run_double(run, "counters", "b"));
    ck_assert_double_nan(plot_run_double(run, "time_ns", "a"));
    plot_runs_clear(&runs);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("plots/results");
    TCase *tcase = tcase_create("reading");

    tcase_add_loop_test(tcase, a_bad_line_is_named_by_path_line_and_column, 0,
                        (int)G_N_ELEMENTS(refused));
    tcase_add_test(tcase, a_nul_byte_is_an_error_and_not_the_end);
    tcase_add_test(tcase, a_missing_file_is_named);
    tcase_add_test(tcase, blank_lines_and_a_missing_last_newline_are_no_errors);
    tcase_add_test(tcase, a_refused_combination_is_kept_apart);
    tcase_add_test(tcase, a_number_is_found_in_its_section_or_is_missing);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
