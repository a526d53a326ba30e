/*
 * mprotect: splits, holes, no-ops, errors, and what goes on the account.
 */
#include "tests/mm/picture.h"
#include "tests/run_suite.h"

#include <check.h>
#include <errno.h>

static struct scene scene;

static void
setup(void)
{
    struct machine_config config = scene_config(kernel_fixture_6_18);

    scene = scene_create(&config);
}

static void
teardown(void)
{
    scene_destroy(&scene);
}

static const struct {
    const char *script;
    int64_t result;  // of the last call
    const char *picture;
} rows[] = {
    {"m0+8w p0+8r", 0, "rrrrrrrr"},
    {"m0+8w p0+1-", 0, "-|wwwwwww"},
    {"m0+8w p7+1-", 0, "wwwwwww|-"},
    {"m0+8w p3+2x", 0, "www|xx|www"},
    /* across several VMAs, one of which has the bits already */
    {"m0+2w m2+2r m4+2x p1+4r", 0, "w|rrrr|x"},
    {"m0+2w m2+2r m4+2w p0+6r", 0, "rrrrrr"},
    /* a hole: what lies before it is changed */
    {"m0+3w m5+3w p1+6r", -ENOMEM, "w|rr..www"},
    {"m0+3w p1+6r", -ENOMEM, "w|rr"},
    {"m2+3w p0+4r", -ENOMEM, "..www"},
    {"p0+1r", -ENOMEM, ""},
    /* the bits that it has: nothing is cut */
    {"m0+8w p2+2w", 0, "wwwwwwww"},
    {"m0+8w p2+0r", 0, "wwwwwwww"},
};

START_TEST(ranges_change_as_drawn)
{
    int64_t result = scene_run(&scene, rows[_i].script);

    ck_assert_int_eq(result, rows[_i].result);
    scene_looks(&scene, rows[_i].script, rows[_i].picture);
}
END_TEST

START_TEST(arguments_that_make_no_sense_are_refused)
{
    struct mm *mm = scene.mm;

    scene_run(&scene, "m0+4w");
    ck_assert_int_eq(mm_mprotect(mm, ARENA + 1, PAGE_BYTES, 0), -EINVAL);
    ck_assert_int_eq(mm_mprotect(mm, ARENA, UINT64_MAX, 0), -ENOMEM);
    ck_assert_int_eq(mm_mprotect(mm, ARENA, UINT64_MAX - ARENA, 0), -ENOMEM);
    scene_looks(&scene, "refused", "wwww");
    ck_assert_int_eq(mm_mprotect(mm, ARENA, 1, VM_READ), 0);
    scene_looks(&scene, "a byte is a page", "r|www");
}
END_TEST

/* VM_ACCOUNT pages of the arena after a script. */
static const struct {
    const char *script;
    uint64_t pages;
} accounts[] = {
    {"m0+4w", 4},
    {"m0+4r", 0},
    {"n0+4w", 0},
    {"n0+4r p0+4w", 0},
    {"m0+4r p1+2w", 2},
    {"m0+4w p0+2r", 2},
    {"m0+4w t0+1 p0+2r", 4},
    {"m0+4w p0+2- p0+2w", 4},
    {"m0+4w u1+2", 2},
    {"f0+4w", 4},
    {"f0+4w p0+4r", 4},
    {"m0+4w m1+2r", 2},
    {"m0+4w m1+2w", 4},
    {"m0+4w v0>8+4", 4},
};

START_TEST(writable_private_memory_is_accounted)
{
    scene_run(&scene, accounts[_i].script);
    ck_assert_msg(scene.mm->accounted_pages == accounts[_i].pages,
                  "%s: %d pages", accounts[_i].script,
                  (int)scene.mm->accounted_pages);
    ck_assert_uint_eq(scene.machine->committed_pages, accounts[_i].pages);
}
END_TEST

START_TEST(before_6_6_what_was_writable_stays_accounted)
{
    struct machine_config config = scene_config(kernel_fixture_2_6_32);
    struct scene old = scene_create(&config);

    scene_run(&old, "m0+4w p0+4r");
    ck_assert_uint_eq(old.mm->accounted_pages, 4);
    scene_destroy(&old);
}
END_TEST

START_TEST(strict_overcommit_refuses_to_make_writable)
{
    scene.machine->config.overcommit_memory = 2;
    scene.machine->config.overcommit_ratio = 1;  // of 256 MiB: 2.5 MiB
    ck_assert_int_eq(scene_run(&scene, "m0+4r p1+2w"), 0);
    scene.machine->config.overcommit_ratio = 0;
    ck_assert_int_eq(scene_run(&scene, "p3+1w"), -ENOMEM);
    scene_looks(&scene, "refused", "r|ww|r");
    ck_assert_uint_eq(scene.mm->accounted_pages, 2);
}
END_TEST

START_TEST(the_limit_of_vmas_leaves_the_cut_that_was_made)
{
    scene.machine->config.max_map_count = 2;
    ck_assert_int_eq(scene_run(&scene, "m0+8w p3+2r"), -ENOMEM);
    scene_looks(&scene, "one cut fits", "www|wwwww");
    ck_assert_int_eq(scene_run(&scene, "p3+5r p3+5w"), 0);
    scene_looks(&scene, "none is needed", "wwwwwwww");
}
END_TEST

START_TEST(write_access_comes_back_to_pages_of_ones_own)
{
    uint64_t faults;

    scene_run(&scene, "m0+4w t0+4 p0+4r p0+4w");
    faults = scene.machine->counters.fault_count;
    scene_run(&scene, "t0+4");
    ck_assert_uint_eq(scene.machine->counters.fault_count, faults);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("mprotect");
    TCase *tcase = tcase_create("mprotect");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, ranges_change_as_drawn, 0,
                        (int)G_N_ELEMENTS(rows));
    tcase_add_test(tcase, arguments_that_make_no_sense_are_refused);
    tcase_add_loop_test(tcase, writable_private_memory_is_accounted, 0,
                        (int)G_N_ELEMENTS(accounts));
    tcase_add_test(tcase, before_6_6_what_was_writable_stays_accounted);
    tcase_add_test(tcase, strict_overcommit_refuses_to_make_writable);
    tcase_add_test(tcase, the_limit_of_vmas_leaves_the_cut_that_was_made);
    tcase_add_test(tcase, write_access_comes_back_to_pages_of_ones_own);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
