/*
 * Results side by side, as text.
 */
#include "plots/table.h"
#include "tests/run_suite.h"

#include <check.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *
table_of(const char *lines)
{
    g_autofree char *path = NULL;
    GString *out = g_string_new(NULL);

    close(g_file_open_tmp("table-XXXXXX", &path, NULL));
    ck_assert(g_file_set_contents(path, lines, -1, NULL));
    ck_assert(plot_results_table(path, out, NULL));
    g_unlink(path);
    return g_string_free(out, FALSE);
}

#define RUN(path, counters)                                                    \
    "{\"schema\":1,\"trace\":{\"path\":\"" path "\"},\"config\":{},"           \
    "\"counters\":{" counters "}}\n"

START_TEST(figures_are_exact_and_none_is_negative)
{
    g_autofree char *table =
        table_of(RUN("a", "\"clear_page_count\":9007199254740993,"
                          "\"fault_count\":-1,\"copy_page_count\":1e300")
                     RUN("b", "\"clear_page_count\":1,\"fault_count\":2"));

    ck_assert_str_eq(table, "\n\n"
                            "run                clear_page  faults"
                            "                     copies\n"
                            "a       9 007 199 254 740 993       0"
                            "  1 000 000 000 000 000 000\n"
                            "b                           1       2"
                            "                          0\n");
}
END_TEST

#define FRONT "a-program-of-a-very-long-name"
#define BACK  "-threads-on-monday-noon"

START_TEST(runs_that_differ_have_labels_that_differ)
{
    g_autofree char *table =
        table_of(RUN(FRONT "-16" BACK, "\"fault_count\":1")
                     RUN(FRONT "-32" BACK, "\"fault_count\":1"));
    g_auto(GStrv) lines = g_strsplit(table, "\n", -1);

    ck_assert_uint_eq(g_strv_length(lines), 6);
    ck_assert_str_ne(lines[3], lines[4]);
}
END_TEST

START_TEST(what_was_refused_obeys_no_terminal)
{
    g_autofree char *table =
        table_of("{\"schema\":1,\"trace\":{\"path\":\"a\"},\"config\":{},"
                 "\"refused\":\"no \\u001b[2J\"}\n");

    ck_assert_str_eq(table, "a: refused: no \\x1b[2J\n");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("plots/table");
    TCase *tcase = tcase_create("table");

    tcase_add_test(tcase, figures_are_exact_and_none_is_negative);
    tcase_add_test(tcase, runs_that_differ_have_labels_that_differ);
    tcase_add_test(tcase, what_was_refused_obeys_no_terminal);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
