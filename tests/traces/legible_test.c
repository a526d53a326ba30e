/*
 * Which bytes of a name are shown as they are.
 */
#include <check.h>
#include <string.h>

#include "tests/run_suite.h"
#include "traces/legible.h"

static const struct {
    const char *text, *none, *lines, *all;
} rows[] = {
    {"", "", "", ""},
    {"a b%,\"\\", "a b%,\"\\", "a b%,\"\\", "a b%,\"\\"},
    {"a\n\tb", "a\\x0a\\x09b", "a\n\tb", "a\n\tb"},
    {"\x1b[31m", "\\x1b[31m", "\\x1b[31m", "\x1b[31m"},
    {"\x7f", "\\x7f", "\\x7f", "\x7f"},
    {"\xc2\x9b", "\\xc2\\x9b", "\\xc2\\x9b", "\xc2\x9b"},  // CSI in one
    {"ä€😀", "ä€😀", "ä€😀", "ä€😀"},
    {"\xff", "\\xff", "\\xff", "\\xff"},
    {"ä\xc3", "ä\\xc3", "ä\\xc3", "ä\\xc3"},                 // cut off
    {"\xc0\x80", "\\xc0\\x80", "\\xc0\\x80", "\\xc0\\x80"},  // overlong
    {"\xed\xa0\x80", "\\xed\\xa0\\x80", "\\xed\\xa0\\x80",
     "\\xed\\xa0\\x80"},  // a surrogate
};

START_TEST(bytes_that_cannot_be_shown_are_spelled_out)
{
    g_autofree char *none = legible_text(rows[_i].text, LEGIBLE_NONE);
    g_autofree char *lines = legible_text(rows[_i].text, LEGIBLE_LINES);
    g_autofree char *all = legible_text(rows[_i].text, LEGIBLE_ALL);

    ck_assert_str_eq(none, rows[_i].none);
    ck_assert_str_eq(lines, rows[_i].lines);
    ck_assert_str_eq(all, rows[_i].all);
    ck_assert(g_utf8_validate(all, -1, NULL));
}
END_TEST

START_TEST(a_nul_and_a_cut_character_are_spelled_out)
{
    g_autofree char *nul = legible("a\0b", 3, LEGIBLE_NONE);
    g_autofree char *cut = legible("€", 2, LEGIBLE_ALL);

    ck_assert_str_eq(nul, "a\\x00b");
    ck_assert_str_eq(cut, "\\xe2\\x82");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("legible");
    TCase *tests = tcase_create("legible");

    tcase_add_loop_test(tests, bytes_that_cannot_be_shown_are_spelled_out, 0,
                        (int)G_N_ELEMENTS(rows));
    tcase_add_test(tests, a_nul_and_a_cut_character_are_spelled_out);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
