/*
 * Files appear whole or not at all, and what is written is read back.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "tests/run_suite.h"
#include "tests/traces/loaded.h"
#include "traces/trace_format.h"

static char *folder;

static void
set_up(void)
{
    folder = make_folder();
}

static void
tear_down(void)
{
    remove_folder(folder);
}

static char *
in_folder(const char *name)
{
    return g_build_filename(folder, name, NULL);
}

static void
assert_contents(const char *path, const char *expected)
{
    g_autofree char *contents = NULL;
    ck_assert(g_file_get_contents(path, &contents, NULL, NULL));
    ck_assert_str_eq(contents, expected);
}

static unsigned
count_files(void)
{
    unsigned count = 0;
    GDir *dir = g_dir_open(folder, 0, NULL);
    while (g_dir_read_name(dir))
        count++;
    g_dir_close(dir);
    return count;
}

START_TEST(a_file_appears_when_it_is_closed)
{
    g_autofree char *path = in_folder("t.trace");
    struct trace_writer *writer = trace_writer_open(path, NULL);
    trace_writer_line(writer, "%d start", 1);
    ck_assert(!g_file_test(path, G_FILE_TEST_EXISTS));
    ck_assert(trace_writer_close(writer, NULL));
    assert_contents(path, "#vmtrace 1\n1 start\n");
    ck_assert_uint_eq(count_files(), 1);
}
END_TEST

START_TEST(an_abandoned_file_leaves_the_old_one)
{
    g_autofree char *path = in_folder("t.trace");
    ck_assert(g_file_set_contents(path, "old", -1, NULL));
    struct trace_writer *writer = trace_writer_open(path, NULL);
    trace_writer_line(writer, "1 start");
    trace_writer_abandon(writer);
    assert_contents(path, "old");
    ck_assert_uint_eq(count_files(), 1);
}
END_TEST

START_TEST(a_symbolic_link_stays_and_its_target_is_replaced)
{
    g_autofree char *path = in_folder("t.trace");
    g_autofree char *link = in_folder("link.trace");
    ck_assert(g_file_set_contents(path, "old", -1, NULL));
    ck_assert_int_eq(symlink("t.trace", link), 0);
    ck_assert(trace_writer_close(trace_writer_open(link, NULL), NULL));
    ck_assert(g_file_test(link, G_FILE_TEST_IS_SYMLINK));
    assert_contents(path, "#vmtrace 1\n");
}
END_TEST

START_TEST(a_device_is_written_and_not_replaced)
{
    ck_assert(trace_writer_close(trace_writer_open("/dev/null", NULL), NULL));
    ck_assert(!g_file_test("/dev/null", G_FILE_TEST_IS_REGULAR));
}
END_TEST

START_TEST(a_full_device_is_an_error_of_close)
{
    GError *error = NULL;
    if (!g_file_test("/dev/full", G_FILE_TEST_EXISTS))
        return;
    struct trace_writer *writer = trace_writer_open("/dev/full", NULL);
    trace_writer_line(writer, "1 start");
    ck_assert(!trace_writer_close(writer, &error));
    ck_assert_str_eq(error->message, "/dev/full: No space left on device");
    g_error_free(error);
}
END_TEST

START_TEST(a_folder_that_does_not_exist_is_an_error_of_open)
{
    GError *error = NULL;
    ck_assert_ptr_null(trace_writer_open("/no/such/t.trace", &error));
    ck_assert_str_eq(error->message,
                     "/no/such/t.trace: No such file or directory");
    g_error_free(error);
}
END_TEST

START_TEST(names_are_escaped_and_read_back)
{
    static const struct {
        const char *name, *escaped;
    } cases[] = {
        {"plain-name.so.1", "plain-name.so.1"},
        {"a b\t%#,=\x7f", "a%20b%09%25%23%2C%3D%7F"},
        {"\xc3\xa9t\xc3\xa9", "\xc3\xa9t\xc3\xa9"},
        {"cut \xc3", "cut%20%C3"},
        {"\xff\xc3\xa9", "%FF\xc3\xa9"},
        {"\xed\xa0\x80", "%ED%A0%80"},  // half of a surrogate pair
    };
    g_autofree char *escaped = trace_escape(cases[_i].name);
    ck_assert_str_eq(escaped, cases[_i].escaped);

    g_autofree char *line = g_strconcat("1 start\n1 mark ", escaped, NULL);
    struct trace *trace = load_lines(line);
    ck_assert_str_eq(trace_string(trace, last_event(trace)->object),
                     cases[_i].name);
    trace_free(trace);
}
END_TEST

START_TEST(sizes_are_written_as_short_as_they_are_exact)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        {0, "0"},
        {1, "1"},
        {1023, "1023"},
        {1024, "1K"},
        {528384, "516K"},
        {UINT64_C(1) << 30, "1G"},
        {UINT64_C(3) << 40, "3T"},
        {UINT64_C(1) << 60, "1048576T"},
        {UINT64_MAX, "18446744073709551615"},
    };
    g_autoptr(GString) text = g_string_new(NULL);
    trace_format_size(text, cases[_i].bytes);
    ck_assert_str_eq(text->str, cases[_i].text);
}
END_TEST

/* Write a trace as `name`, read it back and compare. */
static void
assert_survives(const struct trace *trace, const char *name)
{
    GError *error = NULL;
    g_autofree char *path = in_folder(name);
    struct trace_writer *writer = trace_writer_open(path, &error);
    ck_assert_msg(writer, "%s", error ? error->message : "");
    trace_write_text(trace, writer);
    ck_assert(trace_writer_close(writer, NULL));
    struct trace *again = trace_load(path, &error);
    ck_assert_msg(again, "%s", error ? error->message : "");
    assert_equal_traces(trace, again);
    trace_free(again);
}

START_TEST(every_sample_survives_writing_and_reading)
{
    unsigned sample_count = 0;
    const char *name;
    GDir *dir = g_dir_open(TRACE_SAMPLES, 0, NULL);
    while ((name = g_dir_read_name(dir))) {
        GError *error = NULL;
        g_autofree char *path = g_build_filename(TRACE_SAMPLES, name, NULL);
        struct trace *trace = trace_load(path, &error);
        ck_assert_msg(trace, "%s", error ? error->message : "");
        ck_assert_uint_gt(trace->events->len, 0);
        ck_assert_uint_gt(trace->comments->len, 0);
        assert_survives(trace, "plain.trace");
        assert_survives(trace, "packed.trace.zst");
        trace_free(trace);
        sample_count++;
    }
    g_dir_close(dir);
    ck_assert_uint_ge(sample_count, 8);
}
END_TEST

START_TEST(headers_survive_writing_and_reading)
{
    struct trace *trace = load_lines("#touches faults 6.18\n# a\n"
                                     "#rewrite purge,guard\n1 start");
    assert_survives(trace, "t.trace");
    trace_free(trace);
    trace = load_lines("#touches filtered\n1 start");
    assert_survives(trace, "t.trace");
    trace_free(trace);
}
END_TEST

START_TEST(a_large_trace_survives_compression)
{
    g_autoptr(GString) lines = g_string_new("1 start\n");
    for (unsigned i = 0; i < 100000; i++)
        g_string_append_printf(lines, "1 mmap r%u %uK rw- anon\n", i * 7919, i);
    struct trace *trace = load_lines(lines->str);
    assert_survives(trace, "t.zst");
    g_autofree char *path = in_folder("t.zst");
    GStatBuf packed;
    ck_assert_int_eq(g_stat(path, &packed), 0);
    ck_assert_uint_lt((uint64_t)packed.st_size, lines->len / 4);
    trace_free(trace);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("writer");
    TCase *tests = tcase_create("writer");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_file_appears_when_it_is_closed);
    tcase_add_test(tests, an_abandoned_file_leaves_the_old_one);
    tcase_add_test(tests, a_symbolic_link_stays_and_its_target_is_replaced);
    tcase_add_test(tests, a_device_is_written_and_not_replaced);
    tcase_add_test(tests, a_full_device_is_an_error_of_close);
    tcase_add_test(tests, a_folder_that_does_not_exist_is_an_error_of_open);
    tcase_add_loop_test(tests, names_are_escaped_and_read_back, 0, 6);
    tcase_add_loop_test(tests, sizes_are_written_as_short_as_they_are_exact, 0,
                        9);
    tcase_add_test(tests, every_sample_survives_writing_and_reading);
    tcase_add_test(tests, headers_survive_writing_and_reading);
    tcase_add_test(tests, a_large_trace_survives_compression);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
