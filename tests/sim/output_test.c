/*
 * Outputs: a file appears by rename, a link stays a link, and what is not a
 * file is never replaced by one.
 */
#include "sim/output.h"
#include "tests/run_suite.h"

#include <check.h>
#include <glib/gstdio.h>
#include <unistd.h>

START_TEST(a_file_is_written_through_its_link)
{
    g_autofree char *dir = g_dir_make_tmp("vmsim-output-XXXXXX", NULL);
    g_autofree char *file = g_build_filename(dir, "file", NULL);
    g_autofree char *link = g_build_filename(dir, "link", NULL);
    g_autofree char *text = NULL;
    g_autoptr(GString) first = g_string_new("first\n");
    g_autoptr(GString) second = g_string_new("second\n");

    ck_assert(output_write(file, first, NULL));
    ck_assert_int_eq(symlink(file, link), 0);
    ck_assert(output_write(link, second, NULL));
    ck_assert(g_file_test(link, G_FILE_TEST_IS_SYMLINK));
    ck_assert(g_file_get_contents(file, &text, NULL, NULL));
    ck_assert_str_eq(text, "second\n");
    g_unlink(link);
    g_unlink(file);
    g_rmdir(dir);
}
END_TEST

START_TEST(devices_and_standard_output_are_streams)
{
    ck_assert(output_is_stream(NULL));
    ck_assert(output_is_stream("-"));
    ck_assert(output_is_stream("/dev/null"));
    ck_assert(!output_is_stream("/nonexistent/file"));
}
END_TEST

START_TEST(a_folder_that_is_not_there_is_named)
{
    g_autoptr(GString) text = g_string_new("text\n");
    g_autoptr(GError) error = NULL;

    ck_assert(!output_write("/nonexistent/file", text, &error));
    ck_assert_ptr_nonnull(strstr(error->message, "/nonexistent/file"));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("output");
    TCase *tcase = tcase_create("output");

    tcase_add_test(tcase, a_file_is_written_through_its_link);
    tcase_add_test(tcase, devices_and_standard_output_are_streams);
    tcase_add_test(tcase, a_folder_that_is_not_there_is_named);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
