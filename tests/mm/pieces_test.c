/*
 * Pieces of host memory: what is cut, and what is cut again.
 */
#include "mm/host_memory.h"
#include "mm/pieces.h"
#include "tests/run_suite.h"

#include <check.h>
#include <glib.h>
#include <signal.h>
#include <string.h>

static struct host_memory *host;
static struct pieces *pieces;

static void
setup(void)
{
    host = host_memory_create();
    pieces = pieces_create(host, /* are_zeroed = */ true);
}

static void
teardown(void)
{
    pieces_destroy(pieces);
    host_memory_destroy(host);
}

/* More than a chunk, in all sizes. */
START_TEST(pieces_are_zeroed_aligned_and_do_not_overlap)
{
    enum { COUNT = 300 };
    static const size_t sizes[] = {1, 64, 512, 4128, 8192, PIECE_BYTES_MAX};
    unsigned char *got[COUNT];

    for (int i = 0; i < COUNT; i++) {
        size_t bytes = sizes[i % 6];

        got[i] = pieces_get(pieces, bytes);
        ck_assert_uint_eq((uintptr_t)got[i] % PIECE_LINE_BYTES, 0);
        ck_assert_int_eq(got[i][0], 0);
        ck_assert_int_eq(got[i][bytes - 1], 0);
        memset(got[i], 1 + i % 255, bytes);
    }
    for (int i = 0; i < COUNT; i++) {
        size_t bytes = sizes[i % 6];

        ck_assert_int_eq(got[i][0], 1 + i % 255);
        ck_assert_mem_eq(got[i], got[i] + 1, bytes - 1);
        memset(got[i], 0, bytes);
        pieces_put(pieces, got[i], bytes);
    }
}
END_TEST

START_TEST(neighbours_in_time_are_neighbours_in_memory)
{
    char *first = pieces_get(pieces, 100), *second = pieces_get(pieces, 64);
    char *third = pieces_get(pieces, 64);

    ck_assert_ptr_eq(second, first + 128);
    ck_assert_ptr_eq(third, second + 64);
}
END_TEST

START_TEST(at_the_end_nothing_comes_back_to_be_got_again)
{
    void *a = pieces_get(pieces, 640);

    pieces_end(pieces);
    pieces_put(pieces, a, 640);
    ck_assert_ptr_ne(pieces_get(pieces, 640), a);
}
END_TEST

START_TEST(the_latest_to_come_back_goes_first)
{
    void *a = pieces_get(pieces, 640), *b = pieces_get(pieces, 640);
    void *other = pieces_get(pieces, 64);

    pieces_put(pieces, a, 640);
    pieces_put(pieces, other, 64);
    pieces_put(pieces, b, 640);
    ck_assert_ptr_eq(pieces_get(pieces, 600), b);  // as many lines
    ck_assert_ptr_eq(pieces_get(pieces, 640), a);
    ck_assert_ptr_ne(pieces_get(pieces, 640), other);
    ck_assert_ptr_eq(pieces_get(pieces, 1), other);
}
END_TEST

START_TEST(plain_pieces_leave_nothing_where_zeroes_are_expected)
{
    struct pieces *plain = pieces_create(host, /* are_zeroed = */ false);
    char *piece = pieces_get(plain, 4096);

    memset(piece, 1, 4096);
    pieces_destroy(plain);
    for (int i = 0; i < 40; i++)
        ck_assert_int_eq(*(char *)pieces_get(pieces, PIECE_BYTES_MAX), 0);
    plain = pieces_create(host, /* are_zeroed = */ false);
    ck_assert_ptr_eq(pieces_get(plain, 4096), piece);
    pieces_destroy(plain);
}
END_TEST

START_TEST(a_piece_has_a_largest_size)
{
    pieces_get(pieces, PIECE_BYTES_MAX + 1);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("pieces");
    TCase *tests = tcase_create("pieces"), *misuse = tcase_create("misuse");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, pieces_are_zeroed_aligned_and_do_not_overlap);
    tcase_add_test(tests, neighbours_in_time_are_neighbours_in_memory);
    tcase_add_test(tests, at_the_end_nothing_comes_back_to_be_got_again);
    tcase_add_test(tests, the_latest_to_come_back_goes_first);
    tcase_add_test(tests, plain_pieces_leave_nothing_where_zeroes_are_expected);
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(misuse, setup, teardown);
    tcase_add_test_raise_signal(misuse, a_piece_has_a_largest_size, SIGABRT);
    tcase_set_tags(misuse, "aborts");
    suite_add_tcase(suite, misuse);
    return run_suite(suite);
}
