/*
 * The file around the lines: header, encoding, compression, size.
 */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <glib/gstdio.h>

#include "tests/run_suite.h"
#include "tests/traces/loaded.h"

START_TEST(header_lines_and_leading_comments_are_kept)
{
    struct trace *trace = load_lines("# how it was made\n"
                                     "#touches faults 6.18  # a comment\n"
                                     "\n"
                                     "#rewrite purge,guard\n"
                                     "# touches nothing\n"
                                     "1 start\n"
                                     "# below");
    ck_assert_int_eq(trace->touches, TRACE_TOUCHES_FAULTS);
    ck_assert_str_eq(trace->touches_kernel, "6.18");
    ck_assert_str_eq(trace->rewrite, "purge,guard");
    ck_assert_uint_eq(trace->comments->len, 2);
    ck_assert_str_eq(g_ptr_array_index(trace->comments, 0),
                     "# how it was made");
    ck_assert_str_eq(g_ptr_array_index(trace->comments, 1),
                     "# touches nothing");
    trace_free(trace);
}
END_TEST

START_TEST(without_header_lines_a_trace_holds_all_accesses)
{
    struct trace *trace = load_lines("");
    ck_assert_int_eq(trace->touches, TRACE_TOUCHES_ACCESSES);
    ck_assert_ptr_null(trace->touches_kernel);
    ck_assert_ptr_null(trace->rewrite);
    ck_assert_uint_eq(trace->events->len, 0);
    ck_assert_uint_eq(trace->bindings->len, TRACE_BINDING_FIRST);
    ck_assert(!trace->has_times);
    trace_free(trace);
}
END_TEST

START_TEST(times_count_only_if_every_event_that_takes_time_has_one)
{
    static const struct {
        const char *lines;
        bool has_times;
    } cases[] = {
        {"1 start\n@1 1 work 1\n1 mark x\n0 hog 4K\n@2 1 work 1", true},
        {"1 start\n@1 1 work 1\n1 work 1", false},
        {"1 start\n1 mark x", false},
    };
    struct trace *trace = load_lines(cases[_i].lines);
    ck_assert(trace->has_times == cases[_i].has_times);
    trace_free(trace);
}
END_TEST

#define BYTES(text) text, sizeof(text) - 1

static const struct {
    const char *bytes;
    size_t length;
    const char *message;
} refused[] = {
    {BYTES(""),
     "t.trace:1:1: expected \"#vmtrace 1\" as the first line, found an empty "
     "file"},
    {BYTES("#vmtrace 2\n"),
     "t.trace:1:1: expected \"#vmtrace 1\" as the first line, found "
     "\"#vmtrace 2\""},
    {BYTES("#vmtrace 1 x\n"),
     "t.trace:1:1: expected \"#vmtrace 1\" as the first line, found "
     "\"#vmtrace 1 x\""},
    {BYTES("#vmtrace"),
     "t.trace:1:1: expected \"#vmtrace 1\" as the first line, found "
     "\"#vmtrace\""},
    {BYTES("\x1f\x8b\x08\x00\xff\n"),
     "t.trace:1:1: expected \"#vmtrace 1\" as the first line, found "
     "\"\\x1f\\x8b\\x08\\x00\\xff\""},
    {BYTES("#vmtrace 1\n1 start\n1 mark a\0b\n"),
     "t.trace:3:9: expected text, found a NUL byte"},
    {BYTES("#vmtrace 1\n# \xc3\xa9 \xff\n"),
     "t.trace:2:6: expected UTF-8, found the byte 0xff"},
    {BYTES("#vmtrace 1\n#touches\n"),
     "t.trace:2:9: expected accesses, faults KERNEL or filtered, found the end "
     "of the line"},
    {BYTES("#vmtrace 1\n#touches all\n"),
     "t.trace:2:10: expected accesses, faults KERNEL or filtered, found "
     "\"all\""},
    {BYTES("#vmtrace 1\n#touches faults\n"),
     "t.trace:2:16: expected the kernel it was recorded on, found the end of "
     "the line"},
    {BYTES("#vmtrace 1\n#touches filtered much\n"),
     "t.trace:2:19: expected the end of the line, found \"much\""},
    {BYTES("#vmtrace 1\n#rewrite\n"),
     "t.trace:2:9: expected the rules of the rewriting, found the end of the "
     "line"},
    {BYTES("#vmtrace 1\n#rewrite a\n#rewrite a\n"),
     "t.trace:3:1: expected a header once and above the events, found "
     "#rewrite"},
    {BYTES("#vmtrace 1\n1 start\r\n"),
     "t.trace:2:3: expected an event, found \"start\\x0d\""},
    {BYTES("#vmtrace 1\n1 start\n1 mma"),
     "t.trace:3:3: expected an event, found \"mma\""},
};

START_TEST(a_wrong_file_is_refused_at_its_place)
{
    char *message = NULL;
    struct trace *trace =
        load_bytes(refused[_i].bytes, refused[_i].length, &message);
    ck_assert_ptr_null(trace);
    ck_assert_str_eq(message, refused[_i].message);
    g_free(message);
}
END_TEST

START_TEST(a_last_line_needs_no_newline)
{
    struct trace *trace = load_bytes(BYTES("#vmtrace 1\n1 start"), NULL);
    ck_assert_uint_eq(trace->events->len, 1);
    trace_free(trace);
}
END_TEST

/* A line of `length` bytes as the third of a trace. */
static struct trace *
load_long_line(size_t length, char **message)
{
    g_autoptr(GString) text = g_string_new("#vmtrace 1\n1 start\n1 work 1 #");
    size_t end = strlen("#vmtrace 1\n1 start\n") + length;
    while (text->len < end)
        g_string_append_c(text, 'x');
    g_string_append(text, "\n1 work 2\n");
    return load_bytes(text->str, text->len, message);
}

START_TEST(a_line_may_have_64_kib_and_no_more)
{
    char *message = NULL;
    struct trace *trace = load_long_line(65536, &message);
    ck_assert_msg(trace, "%s", message);
    ck_assert_uint_eq(trace->events->len, 3);
    trace_free(trace);
    trace = load_long_line(65537, &message);
    ck_assert_ptr_null(trace);
    ck_assert_str_eq(message, "t.trace:3:65537: expected a line of at most "
                              "65536 bytes, found a longer one");
    g_free(message);
}
END_TEST

START_TEST(lines_across_the_blocks_of_a_large_file_are_whole)
{
    g_autoptr(GString) text = g_string_new("#vmtrace 1\n1 start\n");
    for (unsigned i = 0; i < 200000; i++)
        g_string_append_printf(text, "1 work %u\n", i);
    struct trace *trace = load_bytes(text->str, text->len, NULL);
    ck_assert_uint_eq(trace->events->len, 200001);
    for (unsigned i = 0; i < 200000; i++) {
        ck_assert_uint_eq(event_at(trace, i + 1)->length, i);
        ck_assert_uint_eq(trace_event_line(trace, i + 1), i + 3);
    }
    trace_free(trace);
}
END_TEST

static gpointer
write_forever(gpointer data)
{
    static char block[1 << 20];
    FILE *pipe = fopen(data, "w");
    memset(block, 'x', sizeof(block));
    fputs("#vmtrace 1\n", pipe);
    for (unsigned i = 0; i < 10 * 1024; i++) {
        if (fwrite(block, 1, sizeof(block), pipe) != sizeof(block))
            break;
    }
    fclose(pipe);
    return NULL;
}

/* The most memory that this process has ever held. */
static long
peak_kib(void)
{
    struct rusage usage;
    ck_assert_int_eq(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss;
}

/* The writer would deliver 10 GB; 64 KiB are enough to know. */
START_TEST(an_endless_line_is_refused_without_reading_it)
{
    GError *error = NULL;
    char *folder = make_folder();
    g_autofree char *path = g_build_filename(folder, "pipe", NULL);
    signal(SIGPIPE, SIG_IGN);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    long before = peak_kib();
    GThread *writer = g_thread_new("writer", write_forever, path);
    struct trace *trace = trace_load(path, &error);
    g_thread_join(writer);
    ck_assert_int_lt(peak_kib() - before, 16 * 1024);
    ck_assert_ptr_null(trace);
    ck_assert_ptr_nonnull(
        strstr(error->message, ":2:65537: expected a line of at most"));
    g_error_free(error);
    remove_folder(folder);
}
END_TEST

/* A frame that unpacks to 1 GiB of one line. */
START_TEST(a_small_file_that_unpacks_to_a_huge_line_is_refused)
{
    char *message = NULL;
    g_autofree char *text = g_malloc(1 << 20);
    memset(text, 'x', 1 << 20);
    memcpy(text, "#vmtrace 1\n", 11);
    size_t bound = ZSTD_compressBound(1 << 20);
    g_autofree char *frame = g_malloc(bound);
    g_autoptr(GString) packed = g_string_new(NULL);
    for (unsigned i = 0; i < 1024; i++) {
        size_t length = ZSTD_compress(frame, bound, text, 1 << 20, 3);
        g_string_append_len(packed, frame, (gssize)length);
        memset(text, 'x', 11);
    }
    struct trace *trace = load_bytes(packed->str, packed->len, &message);
    ck_assert_ptr_null(trace);
    ck_assert_str_eq(message, "t.trace:2:65537: expected a line of at most "
                              "65536 bytes, found a longer one");
    g_free(message);
}
END_TEST

static const char small[] = "#vmtrace 1\n1 start\n1 work 5\n1 exit\n";

static GString *
pack(const char *text)
{
    size_t bound = ZSTD_compressBound(strlen(text));
    GString *packed = g_string_sized_new(bound);
    g_string_set_size(packed, bound);
    size_t length = ZSTD_compress(packed->str, bound, text, strlen(text), 3);
    ck_assert(!ZSTD_isError(length));
    return g_string_truncate(packed, length);
}

START_TEST(compressed_and_plain_text_give_the_same_trace)
{
    g_autoptr(GString) packed = pack(small);
    struct trace *plain = load_bytes(small, strlen(small), NULL);
    struct trace *zstd = load_bytes(packed->str, packed->len, NULL);
    assert_equal_traces(plain, zstd);
    ck_assert_str_eq(plain->sha256, plain->content_sha256);
    ck_assert_str_eq(plain->sha256, zstd->content_sha256);
    ck_assert_str_ne(plain->sha256, zstd->sha256);
    g_autofree char *digest =
        g_compute_checksum_for_string(G_CHECKSUM_SHA256, small, -1);
    ck_assert_str_eq(plain->sha256, digest);
    trace_free(plain);
    trace_free(zstd);
}
END_TEST

START_TEST(frames_in_a_row_are_one_text)
{
    g_autoptr(GString) packed = pack("#vmtrace 1\n1 sta");
    g_autoptr(GString) rest = pack("rt\n1 exit\n");
    g_string_append_len(packed, rest->str, (gssize)rest->len);
    struct trace *trace = load_bytes(packed->str, packed->len, NULL);
    ck_assert_uint_eq(trace->events->len, 2);
    trace_free(trace);
}
END_TEST

START_TEST(a_compressed_file_cut_anywhere_is_refused)
{
    g_autoptr(GString) packed = pack(small);
    for (size_t length = 0; length < packed->len; length++) {
        char *message = NULL;
        g_autofree char *wanted =
            g_strdup_printf("expected more compressed data, found the end of "
                            "the file at byte %zu",
                            length);
        ck_assert_ptr_null(load_bytes(packed->str, length, &message));
        if (length >= 4)
            ck_assert_msg(g_str_has_suffix(message, wanted), "%zu: %s", length,
                          message);
        g_free(message);
    }
}
END_TEST

START_TEST(garbage_behind_a_frame_is_refused)
{
    char *message = NULL;
    g_autoptr(GString) packed = pack(small);
    g_autofree char *wanted = g_strdup_printf(
        "expected zstd data, found a mistake at byte %zu of the file (",
        packed->len);
    g_string_append(packed, "garbage");
    ck_assert_ptr_null(load_bytes(packed->str, packed->len, &message));
    ck_assert_msg(strstr(message, wanted), "%s", message);
    g_free(message);
}
END_TEST

START_TEST(what_cannot_be_opened_or_read_is_said)
{
    GError *error = NULL;
    ck_assert_ptr_null(trace_load("/no/such.trace", &error));
    ck_assert_str_eq(error->message,
                     "/no/such.trace: No such file or directory");
    ck_assert(g_error_matches(error, TRACE_ERROR, TRACE_ERROR_IO));
    g_clear_error(&error);
    ck_assert_ptr_null(trace_load("/", &error));
    ck_assert_str_eq(error->message, "/: Is a directory");
    g_clear_error(&error);
}
END_TEST

START_TEST(a_dash_is_standard_input)
{
    GError *error = NULL;
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    ck_assert_int_eq(write(ends[1], small, strlen(small)), strlen(small));
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    close(ends[1]);
    ck_assert_ptr_null(trace_load("-", &error));
    ck_assert_str_eq(error->message,
                     "stdin:5:1: expected a task id, found \"x\"");
    g_error_free(error);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("reader");
    TCase *tests = tcase_create("reader");

    tcase_add_test(tests, header_lines_and_leading_comments_are_kept);
    tcase_add_test(tests, without_header_lines_a_trace_holds_all_accesses);
    tcase_add_loop_test(
        tests, times_count_only_if_every_event_that_takes_time_has_one, 0, 3);
    tcase_add_loop_test(tests, a_wrong_file_is_refused_at_its_place, 0,
                        G_N_ELEMENTS(refused));
    tcase_add_test(tests, a_last_line_needs_no_newline);
    tcase_add_test(tests, a_line_may_have_64_kib_and_no_more);
    tcase_add_test(tests, lines_across_the_blocks_of_a_large_file_are_whole);
    tcase_add_test(tests, an_endless_line_is_refused_without_reading_it);
    tcase_add_test(tests, a_small_file_that_unpacks_to_a_huge_line_is_refused);
    tcase_add_test(tests, compressed_and_plain_text_give_the_same_trace);
    tcase_add_test(tests, frames_in_a_row_are_one_text);
    tcase_add_test(tests, a_compressed_file_cut_anywhere_is_refused);
    tcase_add_test(tests, garbage_behind_a_frame_is_refused);
    tcase_add_test(tests, what_cannot_be_opened_or_read_is_said);
    tcase_add_test(tests, a_dash_is_standard_input);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
