/*
 * From a results file to a directory of pictures, gnuplot included.
 */
#include "plots/plot.h"
#include "tests/run_suite.h"

#include <check.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *root;      // a new directory for each test
static char *old_path;  // PATH as it was

static void
set_up(void)
{
    root = g_dir_make_tmp("plots-XXXXXX", NULL);
    old_path = g_strdup(g_getenv("PATH"));
}

static void
remove_all(const char *path)
{
    GDir *dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *inner = g_build_filename(path, name, NULL);
        remove_all(inner);
    }
    if (dir)
        g_dir_close(dir);
    g_remove(path);
}

static void
tear_down(void)
{
    g_setenv("PATH", old_path, TRUE);
    remove_all(root);
    g_free(root);
    g_free(old_path);
}

/* DIR/a/b below the test's directory; for g_free. */
static char *
in_root(const char *relative)
{
    return g_build_filename(root, relative, NULL);
}

static char *
content(const char *relative)
{
    g_autofree char *path = in_root(relative);
    char *text = NULL;

    ck_assert_msg(g_file_get_contents(path, &text, NULL, NULL), "no %s",
                  relative);
    return text;
}

static bool
exists(const char *relative)
{
    g_autofree char *path = in_root(relative);

    return g_file_test(path, G_FILE_TEST_EXISTS);
}

/* How sim/output.c does it is tested there. */
static bool
write_text(const char *path, const GString *text, GError **error)
{
    return g_file_set_contents(path, text->str, (gssize)text->len, error);
}

static bool
draw(const char *sample, const char *relative, enum plot_term term,
     struct plot_report *report, GError **error)
{
    g_autofree char *results = g_build_filename(PLOT_SAMPLES, sample, NULL);
    g_autofree char *out = in_root(relative);

    return plot_results(results, out, term, write_text, report, error);
}

static void
draw_well(const char *sample, const char *relative, enum plot_term term)
{
    struct plot_report report;
    g_autoptr(GError) error = NULL;
    bool is_drawn = draw(sample, relative, term, &report, &error);

    ck_assert_msg(is_drawn, "%s", error ? error->message : "");
    plot_report_clear(&report);
}

/* The field of the data row (from 0) in the column of that name. */
static char *
field(const char *tsv, unsigned row, const char *column)
{
    g_auto(GStrv) lines = g_strsplit(tsv, "\n", 0);
    g_auto(GStrv) names = g_strsplit(lines[0], "\t", 0);
    g_auto(GStrv) values = g_strsplit(lines[row + 1], "\t", 0);

    for (unsigned i = 0; names[i]; i++)
        if (strcmp(names[i], column) == 0)
            return g_strdup(values[i]);
    ck_abort_msg("no column %s", column);
}

static void
assert_field(const char *relative, unsigned row, const char *column,
             const char *expected)
{
    g_autofree char *tsv = content(relative);
    g_autofree char *value = field(tsv, row, column);

    ck_assert_str_eq(value, expected);
}

START_TEST(the_data_files_hold_what_the_results_say)
{
    draw_well("sweep.jsonl", "out", PLOT_SVG);

    assert_field("out/clear_page.tsv", 1, "clear_page_count", "128");
    assert_field("out/clear_page.tsv", 1, "label", "ebizzy, clear=nozero");
    assert_field("out/clear_page.tsv", 1, "policy.clear", "nozero");
    assert_field("out/clear_page.tsv", 2, "validity", "lower-bound");
    assert_field("out/clear_page.tsv", 2, "shown", ">= 50");
    assert_field("out/clear_page.tsv", 2, "row", "5");  // two headings
    assert_field("out/faults.tsv", 0, "fault_file_count", "30");
    assert_field("out/faults.tsv", 0, "total", "120");
    assert_field("out/time.tsv", 0, "exception", "1500000");
    assert_field("out/time.tsv", 0, "total", "3000000");
    assert_field("out/memory.tsv", 0, "pagetable_bytes", "16384");
    assert_field("out/memory.tsv", 0, "shown", "5.04 MiB");
    assert_field("out/resident.tsv", 1, "resident_bytes_mean", "1048576");
    assert_field("out/resident.tsv", 1, "ns", "1000000");
}
END_TEST

START_TEST(every_line_of_a_data_file_has_the_columns_of_its_header)
{
    static const char *const names[] = {"clear_page", "faults",   "time",
                                        "memory",     "resident", "gap_probes"};

    draw_well("hostile.jsonl", "out", PLOT_SVG);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *file = g_strdup_printf("out/%s.tsv", names[i]);
        g_autofree char *tsv = content(file);
        g_auto(GStrv) lines = g_strsplit(tsv, "\n", 0);
        g_auto(GStrv) header = g_strsplit(lines[0], "\t", 0);
        for (unsigned j = 1; *lines[j]; j++) {
            g_auto(GStrv) fields = g_strsplit(lines[j], "\t", 0);
            ck_assert_uint_eq(g_strv_length(fields), g_strv_length(header));
        }
    }
}
END_TEST

START_TEST(a_refused_run_and_a_lower_bound_are_in_the_index)
{
    draw_well("sweep.jsonl", "out", PLOT_SVG);

    g_autofree char *index = content("out/index.md");
    ck_assert_ptr_nonnull(strstr(index, "4 runs of 2 traces"));
    ck_assert_ptr_nonnull(strstr(index, ": thp=always needs"));
    ck_assert_ptr_nonnull(strstr(index, "event 5: reclaim took"));
    ck_assert_ptr_nonnull(strstr(index, "![clear_page](clear_page.svg)"));
    g_autofree char *html = content("out/index.html");
    ck_assert_ptr_nonnull(strstr(html, "<img src=\"memory.svg\""));
}
END_TEST

START_TEST(a_picture_without_data_is_left_out_with_a_reason)
{
    struct plot_report report;

    ck_assert(draw("sweep.jsonl", "out", PLOT_SVG, &report, NULL));
    ck_assert_uint_eq(report.sentences->len, 1);
    ck_assert_ptr_nonnull(
        strstr(report.sentences->pdata[0], "no picture gap_probes: no two "));
    ck_assert(!exists("out/gap_probes.tsv"));
    ck_assert(!exists("out/gap_probes.svg"));
    plot_report_clear(&report);
}
END_TEST

START_TEST(gap_probes_are_joined_over_sizes_of_a_trace)
{
    draw_well("threads.jsonl", "out", PLOT_SVG);

    assert_field("out/gap_probes.tsv", 0, "probes_per_search", "5");
    assert_field("out/gap_probes.tsv", 1, "task_count", "1001");
    assert_field("out/gap_probes.tsv", 1, "probes_per_search", "500");
    assert_field("out/gap_probes.tsv", 3, "line", "2");
    g_autofree char *script = content("out/gap_probes.gp");
    ck_assert_ptr_nonnull(strstr(script, "set logscale xy"));
    ck_assert_ptr_nonnull(strstr(script, "500 probes under gap=linear, 0 "
                                         "under gap=area-cache"));
    /* A line without a point on logarithmic axes stands in the key. */
    g_autofree char *picture = content("out/gap_probes.svg");
    ck_assert_ptr_nonnull(strstr(picture, ">gap=area-cache (0)<"));
}
END_TEST

START_TEST(one_is_no_plural_and_nothing_is_no_thousand)
{
    draw_well("threads.jsonl", "out", PLOT_SVG);

    g_autofree char *index = content("out/index.md");
    g_autofree char *picture = content("out/clear_page.svg");
    ck_assert_ptr_nonnull(strstr(index, "6 runs of 2 traces, "));
    ck_assert_ptr_nonnull(strstr(picture, ", 1 CPU, "));
    ck_assert_ptr_nonnull(strstr(picture, ">0<"));
    ck_assert_ptr_null(strstr(picture, ">0k<"));
}
END_TEST

static const struct {
    enum plot_term term;
    const char *file;
    const char *magic;
} terms[] = {
    {PLOT_SVG, "out/faults.svg", "<?xml"},
    {PLOT_PNG, "out/faults.png", "\x89PNG"},
    {PLOT_PDF, "out/faults.pdf", "%PDF"},
};

START_TEST(a_picture_is_of_the_kind_that_was_asked_for)
{
    draw_well("threads.jsonl", "out", terms[_i].term);

    g_autofree char *picture = content(terms[_i].file);
    ck_assert(g_str_has_prefix(picture, terms[_i].magic));
}
END_TEST

START_TEST(two_runs_give_the_same_bytes)
{
    static const char *const files[] = {
        "clear_page.svg", "faults.svg",   "time.svg",
        "memory.svg",     "resident.svg", "memory.gp",
        "memory.tsv",     "index.md",     "index.html"};

    draw_well("sweep.jsonl", "one", PLOT_SVG);
    draw_well("sweep.jsonl", "two", PLOT_SVG);
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *first = g_build_filename("one", files[i], NULL);
        g_autofree char *second = g_build_filename("two", files[i], NULL);
        g_autofree char *left = content(first);
        g_autofree char *right = content(second);
        ck_assert_str_eq(left, right);
    }
}
END_TEST

/* Run gnuplot as a user would; returns its exit status. */
static int
gnuplot(const char *cwd, const char *set, const char *script)
{
    char *argv[] = {(char *)"gnuplot", (char *)"-e", (char *)set,
                    (char *)script, NULL};
    int status = -1;

    ck_assert(g_spawn_sync(cwd, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL,
                           NULL, NULL, &status, NULL));
    return status;
}

START_TEST(a_moved_directory_draws_itself_again)
{
    g_autofree char *old = in_root("old");
    g_autofree char *moved = in_root("moved here");

    draw_well("sweep.jsonl", "old", PLOT_SVG);
    g_autofree char *before = content("old/resident.svg");
    ck_assert_int_eq(g_rename(old, moved), 0);
    g_autofree char *path = in_root("moved here/resident.svg");
    ck_assert_int_eq(g_remove(path), 0);

    g_autofree char *script = in_root("moved here/resident.gp");
    ck_assert_int_eq(gnuplot("/", "", script), 0);
    g_autofree char *after = content("moved here/resident.svg");
    ck_assert_str_eq(before, after);
}
END_TEST

START_TEST(terminal_and_output_of_a_script_can_be_chosen)
{
    g_autofree char *out = in_root("out");

    draw_well("sweep.jsonl", "out", PLOT_SVG);
    ck_assert_int_eq(
        gnuplot(out, "term='dumb'; out='plain.txt'", "clear_page.gp"), 0);
    g_autofree char *plain = content("out/plain.txt");
    ck_assert_ptr_nonnull(strstr(plain, "clear=nozero"));
    ck_assert_ptr_nonnull(strstr(plain, ">= 50"));
}
END_TEST

START_TEST(text_of_a_user_is_drawn_and_never_obeyed)
{
    g_autofree char *here = g_get_current_dir();

    ck_assert_int_eq(g_chdir(root), 0);
    draw_well("hostile.jsonl", "out", PLOT_SVG);
    ck_assert_int_eq(g_chdir(here), 0);

    static const char *const dirs[] = {"", "out/"};
    for (int i = 1; i <= 6; i++)
        for (size_t j = 0; j < G_N_ELEMENTS(dirs); j++) {
            g_autofree char *stolen = g_strdup_printf("%sstolen%d", dirs[j], i);
            ck_assert_msg(!exists(stolen), "%s was made", stolen);
        }
    g_autofree char *picture = content("out/clear_page.svg");
    static const char *const shown[] = {
        "&quot;; system(&quot;touch stolen1&quot;)",
        "; system(&quot;touch stolen2&quot;); ",
        "`touch stolen3`",
        ">NaN<",
        "# 50 % of_a^{2} @b \\n $x",
        "a b c",
        "system('touch stolen4') #",
    };
    g_auto(GStrv) pieces = g_strsplit(picture, "\"", 0);
    g_autofree char *quoted = g_strjoinv("&quot;", pieces);
    for (size_t i = 0; i < G_N_ELEMENTS(shown); i++)
        ck_assert_msg(strstr(quoted, shown[i]), "%s is not drawn", shown[i]);
}
END_TEST

START_TEST(without_gnuplot_the_scripts_are_written_and_a_sentence_says_so)
{
    struct plot_report report;

    g_setenv("PATH", "", TRUE);
    ck_assert(draw("threads.jsonl", "out", PLOT_SVG, &report, NULL));
    ck_assert_uint_eq(report.pictures->len, 0);
    const char *last = report.sentences->pdata[report.sentences->len - 1];
    ck_assert(g_str_has_prefix(last, "gnuplot is not installed"));
    ck_assert(exists("out/gap_probes.tsv"));
    ck_assert(exists("out/gap_probes.gp"));
    ck_assert(exists("out/index.md"));
    ck_assert(!exists("out/gap_probes.svg"));
    plot_report_clear(&report);
}
END_TEST

static const struct {
    const char *program;  // what stands in for gnuplot
    const char *message;
} broken[] = {
    {"#!/bin/sh\nexit 0\n", "gnuplot drew nothing: it gave no reason"},
    {"#!/bin/sh\necho bad terminal >&2\n",
     "gnuplot drew nothing: bad terminal"},
    {"#!/bin/sh\neval \"$2\"; echo half of a picture >$out; exit 3\n",
     "gnuplot failed (Child process exited with code 3): "},
    {"#!/bin/sh\necho no memory >&2\nexit 3\n",
     "gnuplot failed (Child process exited with code 3): no memory"},
};

START_TEST(what_gnuplot_complains_of_is_shown_with_the_script)
{
    struct plot_report report;
    g_autoptr(GError) error = NULL;
    g_autofree char *bin = in_root("bin");
    g_autofree char *program = in_root("bin/gnuplot");
    g_autofree char *script = in_root("out/clear_page.gp");
    g_autofree char *folder = in_root("out");
    g_autofree char *expected =
        g_strdup_printf("%s: %s", script, broken[_i].message);

    ck_assert_int_eq(g_mkdir(bin, 0755), 0);
    ck_assert(g_file_set_contents(program, broken[_i].program, -1, NULL));
    ck_assert_int_eq(g_chmod(program, 0755), 0);
    g_setenv("PATH", bin, TRUE);
    ck_assert(!draw("threads.jsonl", "out", PLOT_SVG, &report, &error));
    ck_assert_str_eq(error->message, expected);
    ck_assert(!exists("out/clear_page.svg"));
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    for (const char *name; (name = g_dir_read_name(dir));)
        ck_assert_msg(g_str_has_suffix(name, ".tsv") ||
                          g_str_has_suffix(name, ".gp"),
                      "%s", name);
}
END_TEST

START_TEST(a_directory_that_cannot_be_made_is_named)
{
    struct plot_report report;
    g_autoptr(GError) error = NULL;
    g_autofree char *results =
        g_build_filename(PLOT_SAMPLES, "threads.jsonl", NULL);

    ck_assert(!plot_results(results, "/dev/null/out", PLOT_SVG, write_text,
                            &report, &error));
    ck_assert_str_eq(error->message, "/dev/null/out: Not a directory");
}
END_TEST

/* A timeline of `count` rows that alternate between 0 and 8192 bytes. */
static char *
long_results(unsigned count)
{
    GString *text =
        g_string_new("{\"schema\":1,\"trace\":{\"path\":\"t\"},\"config\":{},"
                     "\"counters\":{},\"timeline\":{\"columns\":[\"ns\","
                     "\"resident_bytes\"],\"rows\":[");

    for (unsigned i = 0; i < count; i++)
        g_string_append_printf(text, "%s[%u,%u]", i > 0 ? "," : "", i,
                               i % 2 * 8192);
    g_string_append(text, "]}}\n");
    return g_string_free(text, FALSE);
}

START_TEST(a_long_timeline_is_reduced_to_min_mean_and_max)
{
    g_autofree char *text = long_results(60000);
    g_autofree char *results = in_root("long.jsonl");
    g_autofree char *out = in_root("out");
    struct plot_report report;

    ck_assert(g_file_set_contents(results, text, -1, NULL));
    ck_assert(plot_results(results, out, PLOT_SVG, write_text, &report, NULL));
    plot_report_clear(&report);

    g_autofree char *tsv = content("out/resident.tsv");
    g_auto(GStrv) lines = g_strsplit(tsv, "\n", 0);
    ck_assert_uint_le(g_strv_length(lines), 610);
    ck_assert_uint_ge(g_strv_length(lines), 590);
    assert_field("out/resident.tsv", 7, "resident_bytes_min", "0");
    assert_field("out/resident.tsv", 7, "resident_bytes_mean", "4096");
    assert_field("out/resident.tsv", 7, "resident_bytes_max", "8192");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("plots/plot");
    TCase *tcase = tcase_create("plot");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, the_data_files_hold_what_the_results_say);
    tcase_add_test(tcase,
                   every_line_of_a_data_file_has_the_columns_of_its_header);
    tcase_add_test(tcase, a_refused_run_and_a_lower_bound_are_in_the_index);
    tcase_add_test(tcase, a_picture_without_data_is_left_out_with_a_reason);
    tcase_add_test(tcase, gap_probes_are_joined_over_sizes_of_a_trace);
    tcase_add_test(tcase, one_is_no_plural_and_nothing_is_no_thousand);
    tcase_add_loop_test(tcase, a_picture_is_of_the_kind_that_was_asked_for, 0,
                        (int)G_N_ELEMENTS(terms));
    tcase_add_test(tcase, two_runs_give_the_same_bytes);
    tcase_add_test(tcase, a_moved_directory_draws_itself_again);
    tcase_add_test(tcase, terminal_and_output_of_a_script_can_be_chosen);
    tcase_add_test(tcase, text_of_a_user_is_drawn_and_never_obeyed);
    tcase_add_test(
        tcase, without_gnuplot_the_scripts_are_written_and_a_sentence_says_so);
    tcase_add_loop_test(tcase,
                        what_gnuplot_complains_of_is_shown_with_the_script, 0,
                        (int)G_N_ELEMENTS(broken));
    tcase_add_test(tcase, a_directory_that_cannot_be_made_is_named);
    tcase_add_test(tcase, a_long_timeline_is_reduced_to_min_mean_and_max);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
