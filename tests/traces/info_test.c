/*
 * The numbers of `vmsim info`.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/run_suite.h"
#include "tests/traces/loaded.h"
#include "traces/trace_info.h"

START_TEST(pages_are_those_that_a_range_meets)
{
    static const struct {
        const char *touch;
        uint64_t pages;
    } cases[] = {
        {"r A 0", 0},
        {"r A 1", 1},
        {"r A 4K", 1},
        {"r A+1 4K", 2},
        {"r A+4095 2", 2},
        {"r A 64K stride=8K", 8},
        {"r A 65K stride=8K", 9},
        {"r A 64K stride=1K", 16},
        {"r A-4K 4K", 1},
        {"r A-1 1", 1},
        {"r A-4097 4097", 2},
        {"r 0x1fff 2", 2},
        {"r A+1 18446744073709551615", UINT64_MAX / 4096 + 1},
    };
    g_autofree char *lines = g_strconcat("1 start\n1 mmap A 64K rw- anon\n1 ",
                                         cases[_i].touch, NULL);
    struct trace *trace = load_lines(lines);
    struct trace_info info;
    ck_assert(trace_info_compute(trace, &info, NULL));
    ck_assert_uint_eq(info.touched_pages, cases[_i].pages);
    trace_free(trace);
}
END_TEST

START_TEST(the_counts_are_those_of_the_lines)
{
    struct trace *trace = load_lines(
        "@100 1 start\n@50+20 1 mmap A 64K rw- anon = 0x1000\n"
        "@200+70 1 fork 2\n2 thread 3\n2 map B 4K r-- at=0x1000 file=F\n"
        "1 w A 64K\n1 w A 8K = hit");
    struct trace_info info;
    ck_assert(trace_info_compute(trace, &info, NULL));
    ck_assert_uint_eq(info.process_count, 2);
    ck_assert_uint_eq(info.thread_count, 1);
    ck_assert_uint_eq(info.mapped_bytes, 69632);
    ck_assert_uint_eq(info.touched_pages, 18);
    ck_assert_uint_eq(info.result_count, 2);
    ck_assert_uint_eq(info.op_count[TRACE_OP_WRITE], 2);
    ck_assert_uint_eq(info.op_count[TRACE_OP_READ], 0);
    ck_assert(info.has_span);
    ck_assert_uint_eq(info.first_ns, 50);
    ck_assert_uint_eq(info.last_ns, 270);
    trace_free(trace);
}
END_TEST

START_TEST(the_page_says_what_the_numbers_say)
{
    struct trace *trace =
        load_lines("#touches faults 6.18\n#rewrite purge\n@1 1 start\n"
                   "@1500000001 1 mmap A 8K r-- file=a%20b\n1 r A 8K");
    g_autoptr(GString) page = g_string_new(NULL);
    ck_assert(trace_info_print(trace, page, NULL));
    const char *from_touches = strstr(page->str, "touches ");
    ck_assert_ptr_nonnull(from_touches);
    ck_assert_str_eq(from_touches,
                     "touches          that faulted on 6.18\n"
                     "rewritten        purge\n"
                     "times            1.500000000 s (not on every event)\n"
                     "processes                   1\n"
                     "threads                     0\n"
                     "mapped bytes             8192\n"
                     "pages touched               2\n"
                     "results                     0\n"
                     "events                      3\n"
                     "  start                     1\n"
                     "  mmap                      1\n"
                     "  r                         1\n"
                     "\n"
                     "files\n"
                     "  a%20b 8K disk cached (undeclared)\n");
    trace_free(trace);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("info");
    TCase *tests = tcase_create("info");

    tcase_add_loop_test(tests, pages_are_those_that_a_range_meets, 0, 13);
    tcase_add_test(tests, the_counts_are_those_of_the_lines);
    tcase_add_test(tests, the_page_says_what_the_numbers_say);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
