/*
 * Labels name what differs between runs, findings name the largest
 * difference, numbers are short.
 */
#include "plots/finding.h"
#include "plots/labels.h"
#include "plots/numbers.h"
#include "plots/plot.h"
#include "tests/run_suite.h"

#include <check.h>
#include <glib/gstdio.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

/* Runs of (trace path, config), by way of a file. */
static struct plot_runs
labelled(const char *const (*rows)[2], unsigned count)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *path = NULL;
    struct plot_runs runs;

    for (unsigned i = 0; i < count; i++)
        g_string_append_printf(text,
                               "{\"schema\":1,\"trace\":{\"path\":\"%s\"},"
                               "\"config\":%s,\"counters\":{}}\n",
                               rows[i][0], rows[i][1]);
    close(g_file_open_tmp("labels-XXXXXX", &path, NULL));
    ck_assert(g_file_set_contents(path, text->str, -1, NULL));
    ck_assert(plot_runs_load(&runs, path, NULL));
    g_unlink(path);
    return runs;
}

static const char *
label(const struct plot_runs *runs, unsigned index)
{
    return plot_run_at(runs, index)->label;
}

START_TEST(a_kernel_says_all_that_changes_with_it)
{
    static const char *const rows[][2] = {
        {"d/e.trace.zst", "{\"kernel\":\"2.6.2\",\"machine\":\"i386\","
                          "\"policy\":{\"rmap\":\"pte-chain\"}}"},
        {"d/e.trace.zst", "{\"kernel\":\"6.18\",\"machine\":\"i386\","
                          "\"policy\":{\"rmap\":\"anon-vma\"}}"},
    };
    struct plot_runs runs = labelled(rows, 2);

    ck_assert_str_eq(label(&runs, 0), "2.6.2");
    ck_assert_str_eq(label(&runs, 1), "6.18");
    ck_assert_str_eq(runs.common, "e on i386");
    plot_runs_clear(&runs);
}
END_TEST

START_TEST(policies_that_differ_are_named_with_their_axis)
{
    static const char *const rows[][2] = {
        {"e", "{\"kernel\":\"6.18\",\"ram_bytes\":1073741824,"
              "\"policy\":{\"clear\":\"nozero\",\"gap\":\"linear\"}}"},
        {"e", "{\"kernel\":\"6.18\",\"ram_bytes\":1073741824,"
              "\"policy\":{\"clear\":\"never\",\"gap\":\"linear\"}}"},
        {"e", "{\"kernel\":\"6.18\",\"ram_bytes\":2147483648,"
              "\"policy\":{\"clear\":\"never\",\"gap\":\"linear\"}}"},
    };
    struct plot_runs runs = labelled(rows, 3);

    ck_assert_str_eq(label(&runs, 0), "1 GiB RAM, clear=nozero");
    ck_assert_str_eq(label(&runs, 1), "1 GiB RAM, clear=never");
    ck_assert_str_eq(label(&runs, 2), "2 GiB RAM, clear=never");
    ck_assert_str_eq(runs.common, "e on kernel 6.18");
    plot_runs_clear(&runs);
}
END_TEST

START_TEST(what_was_refused_is_told_from_all_the_others_need_not_be)
{
    static const char *const rows[][2] = {
        {"e", "{\"policy\":{\"rmap\":\"none\",\"clear\":\"never\"}}"
              ",\"refused\":\"no\""},
        {"e", "{\"policy\":{\"rmap\":\"anon-vma\",\"clear\":\"never\"}}"},
        {"e", "{\"policy\":{\"rmap\":\"anon-vma\",\"clear\":\"on-alloc\"}}"},
    };
    struct plot_runs runs = labelled(rows, 3);
    const struct plot_run *refused = runs.refused->pdata[0];

    ck_assert_str_eq(refused->label, "rmap=none, clear=never");
    ck_assert_str_eq(label(&runs, 0), "clear=never");
    ck_assert_str_eq(label(&runs, 1), "clear=on-alloc");
    plot_runs_clear(&runs);
}
END_TEST

START_TEST(runs_of_one_trace_stand_together)
{
    static const char *const rows[][2] = {
        {"a.trace", "{\"kernel\":\"1\"}"},
        {"b.trace", "{\"kernel\":\"1\"}"},
        {"a.trace", "{\"kernel\":\"2\"}"},
    };
    struct plot_runs runs = labelled(rows, 3);

    ck_assert_str_eq(label(&runs, 0), "a, 1");
    ck_assert_str_eq(label(&runs, 1), "a, 2");
    ck_assert_str_eq(label(&runs, 2), "b, 1");
    plot_runs_clear(&runs);
}
END_TEST

START_TEST(traces_with_the_same_stem_keep_their_paths)
{
    static const char *const rows[][2] = {
        {"x/a.trace", "{}"}, {"y/a.trace", "{}"}, {"b.trace", "{}"}};
    struct plot_runs runs = labelled(rows, 3);

    ck_assert_str_eq(label(&runs, 0), "x/a.trace");
    ck_assert_str_eq(label(&runs, 1), "y/a.trace");
    ck_assert_str_eq(label(&runs, 2), "b");
    plot_runs_clear(&runs);
}
END_TEST

/* What stands between two common ends is not lost. */
START_TEST(traces_are_told_by_the_end_of_their_paths)
{
    static const char *const rows[][2] = {
        {"a-folder-with-a-long-name/monday-1/with-sixteen-threads/e.vmt", "{}"},
        {"a-folder-with-a-long-name/monday-2/with-sixteen-threads/e.vmt", "{}"},
        {"x/b.vmt", "{}"},
        {"x/b.trace", "{}"},
        {"c", "{}"},
        {"d/c", "{}"},
    };
    static const char *const expected[] = {
        "monday-1/with-sixteen-threads/e.vmt",
        "monday-2/with-sixteen-threads/e.vmt",
        "b.vmt",
        "b.trace",
        "c",
        "d/c",
    };
    struct plot_runs runs = labelled(rows, G_N_ELEMENTS(rows));

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
        ck_assert_str_eq(label(&runs, i), expected[i]);
    plot_runs_clear(&runs);
}
END_TEST

START_TEST(names_are_as_long_as_tells_them_apart)
{
    static const char *const rows[][2] = {
        {"a-program-of-a-very-long-name-with-16-threads-on-monday-afternoon",
         "{\"kernel\":\"1\"}"},
        {"a-program-of-a-very-long-name-with-32-threads-on-monday-afternoon",
         "{\"kernel\":\"1\"}"},
    };
    struct plot_runs runs = labelled(rows, 2);

    ck_assert_str_eq(label(&runs, 0),
                     "a-program-of-a-very-long-nam…6-threads-on-monday-"
                     "afternoon");
    ck_assert_str_eq(label(&runs, 1),
                     "a-program-of-a-very-long-nam…2-threads-on-monday-"
                     "afternoon");
    plot_runs_clear(&runs);
}
END_TEST

/* Results of two sweeps between which a trace was recorded anew. */
START_TEST(one_path_with_two_contents_is_two_traces)
{
    static const char *const rows[][2] = {
        {"a.vmt\",\"content_sha256\":\"0123456789abcdef", "{}"},
        {"a.vmt\",\"content_sha256\":\"fedcba9876543210", "{}"},
        {"a.vmt\",\"content_sha256\":\"0123456789abcdef", "{\"kernel\":\"1\"}"},
    };
    struct plot_runs runs = labelled(rows, 3);

    ck_assert_uint_eq(runs.traces->len, 2);
    ck_assert_str_eq(label(&runs, 0), "a (01234567), none");
    ck_assert_str_eq(label(&runs, 1), "a (01234567), 1");
    ck_assert_str_eq(label(&runs, 2), "a (fedcba98), none");
    plot_runs_clear(&runs);
}
END_TEST

START_TEST(labels_obey_no_terminal)
{
    static const char *const rows[][2] = {
        {"a\\u001b[2J", "{\"knobs\":{\"k\\u0007\":\"\\u001b\"}}"},
        {"a\\u001b[2J", "{\"knobs\":{\"k\\u0007\":\"2\"}}"},
    };
    struct plot_runs runs = labelled(rows, 2);

    ck_assert_str_eq(label(&runs, 0), "k\\x07=\\x1b");
    ck_assert_str_eq(runs.common, "a\\x1b[2J");
    plot_runs_clear(&runs);
}
END_TEST

START_TEST(equal_runs_are_numbered)
{
    static const char *const rows[][2] = {{"a", "{}"}, {"a", "{}"}};
    struct plot_runs runs = labelled(rows, 2);

    ck_assert_str_eq(label(&runs, 0), "a");
    ck_assert_str_eq(label(&runs, 1), "#2");
    plot_runs_clear(&runs);
}
END_TEST

START_TEST(long_names_lose_their_middle)
{
    g_autofree char *text = plot_shorten("0123456789äöü", 7);

    ck_assert_str_eq(text, "012…äöü");
}
END_TEST

static const struct finding_words words = {"Clears", "clears", "How many?",
                                           PLOT_COUNT};
static const char *const three_policies[][2] = {
    {"e", "{\"kernel\":\"6.18\",\"policy\":{\"clear\":\"on-alloc\"}}"},
    {"e", "{\"kernel\":\"6.18\",\"policy\":{\"clear\":\"nozero\"}}"},
    {"e", "{\"kernel\":\"6.18\",\"policy\":{\"clear\":\"never\"}}"},
};

static const struct {
    double values[3];
    const char *title;
} findings[] = {
    {{12800, 128, 0},
     "Clears: clear=nozero clears 1 % of what clear=on-alloc clears"},
    {{5, 5, 5}, "Clears: no setting makes a difference"},
    {{1000, 995, 1000}, "Clears: no setting changes it by more than 0.5 %"},
    {{5, 0, 0}, "How many?"},
    {{5, 5, (double)NAN}, "How many?"},
};

START_TEST(a_title_says_the_largest_difference)
{
    struct plot_runs runs = labelled(three_policies, 3);
    g_autofree char *title = finding_text(&runs, findings[_i].values, &words);

    ck_assert_str_eq(title, findings[_i].title);
    plot_runs_clear(&runs);
}
END_TEST

START_TEST(a_lower_bound_is_not_compared)
{
    struct plot_runs runs = labelled(three_policies, 3);
    const double values[] = {12800, 6400, 128};

    plot_run_at(&runs, 2)->is_lower_bound = true;
    g_autofree char *title = finding_text(&runs, values, &words);
    ck_assert_str_eq(title,
                     "Clears: clear=nozero clears 50 % of what clear=on-alloc "
                     "clears");
    plot_runs_clear(&runs);
}
END_TEST

static const struct {
    enum plot_unit unit;
    double value;
    const char *text;
} numbers[] = {
    {PLOT_COUNT, 0, "0"},
    {PLOT_COUNT, 999, "999"},
    {PLOT_COUNT, 1234567, "1,234,567"},
    {PLOT_COUNT, 12345678, "12.3 M"},
    {PLOT_COUNT, 1.25, "1.25"},
    {PLOT_BYTES, 1073741824, "1.00 GiB"},
    {PLOT_BYTES, 1610612736, "1.50 GiB"},
    {PLOT_BYTES, 4096, "4.00 KiB"},
    {PLOT_NS, 12340000, "12.3 ms"},
    {PLOT_NS, 4999000, "5.00 ms"},
    {PLOT_NS, 7, "7 ns"},
    {PLOT_NS, 0, "0 ns"},
};

START_TEST(a_number_has_three_digits_and_a_unit)
{
    g_autofree char *text =
        plot_number_text(numbers[_i].unit, numbers[_i].value);

    ck_assert_str_eq(text, numbers[_i].text);
}
END_TEST

START_TEST(a_size_that_was_chosen_has_no_zeros_behind)
{
    g_autofree char *whole = plot_bytes_text(17179869184.0);
    g_autofree char *part = plot_bytes_text(1610612736.0);

    ck_assert_str_eq(whole, "16 GiB");
    ck_assert_str_eq(part, "1.5 GiB");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("plots/labels");
    TCase *tcase = tcase_create("labels");

    tcase_add_test(tcase, a_kernel_says_all_that_changes_with_it);
    tcase_add_test(tcase, policies_that_differ_are_named_with_their_axis);
    tcase_add_test(tcase, runs_of_one_trace_stand_together);
    tcase_add_test(tcase, traces_with_the_same_stem_keep_their_paths);
    tcase_add_test(tcase, traces_are_told_by_the_end_of_their_paths);
    tcase_add_test(tcase, names_are_as_long_as_tells_them_apart);
    tcase_add_test(tcase, one_path_with_two_contents_is_two_traces);
    tcase_add_test(tcase, labels_obey_no_terminal);
    tcase_add_test(tcase, equal_runs_are_numbered);
    tcase_add_test(tcase, long_names_lose_their_middle);
    tcase_add_loop_test(tcase, a_title_says_the_largest_difference, 0,
                        (int)G_N_ELEMENTS(findings));
    tcase_add_test(tcase, a_lower_bound_is_not_compared);
    tcase_add_loop_test(tcase, a_number_has_three_digits_and_a_unit, 0,
                        (int)G_N_ELEMENTS(numbers));
    tcase_add_test(tcase, a_size_that_was_chosen_has_no_zeros_behind);
    tcase_add_test(tcase,
                   what_was_refused_is_told_from_all_the_others_need_not_be);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
