/*
 * vrange(): which ranges it takes, what it answers, and what reclaim takes from
 * them (version 7 of the patch, mm/vrange.c).
 */
#include "eras.h"

#include "mm/vrange.h"
#include "tests/run_suite.h"

#include <check.h>
#include <errno.h>

#define PAGES(n) ((uint64_t)(n) << PAGE_SHIFT)

static struct machine *machine;
static struct task *task;
static uint64_t addr;

static void
setup(void)
{
    struct machine_config config =
        era_config(KERNEL_FIXTURE_COUNT - 1, &arch_x86_64, 64 * MIB);

    config.policy.purge = &purge_vrange_full;
    machine = machine_create(&config);
    task = start_task(machine, 0);
    addr = map_anon(task, PAGES(8));
}

static void
teardown(void)
{
    machine_validate(machine);
    run_call(machine, task, &(struct call){.kind = CALL_EXIT});
    machine_destroy(machine);
}

START_TEST(a_range_begins_with_a_page_and_has_at_least_one)
{
    uint64_t task_size = arch_x86_64.task_size;

    for (int is_volatile = 0; is_volatile < 2; is_volatile++) {
        struct mm *mm = task->mm;

        ck_assert_int_eq(vrange_call(mm, addr + 1, PAGES(1), is_volatile),
                         -EINVAL);
        ck_assert_int_eq(vrange_call(mm, addr, 0, is_volatile), -EINVAL);
        ck_assert_int_eq(vrange_call(mm, addr, PAGES(1) - 1, is_volatile),
                         -EINVAL);
        ck_assert_int_eq(
            vrange_call(mm, addr, UINT64_MAX - PAGES(1), is_volatile), -EINVAL);
        ck_assert_int_eq(vrange_call(mm, task_size, PAGES(1), is_volatile),
                         -EINVAL);
    }
    ck_assert(!vrange_find(task->mm, 0, task_size));
}
END_TEST

START_TEST(a_length_is_rounded_down_to_pages)
{
    ck_assert_int_eq(vrange_call(task->mm, addr, PAGES(3) - 1, true), 0);
    ck_assert(vrange_find(task->mm, addr + PAGES(1), addr + PAGES(2)));
    ck_assert(!vrange_find(task->mm, addr + PAGES(2), addr + PAGES(3)));
    ck_assert_int_eq(vrange_call(task->mm, addr, PAGES(2), false), 0);
    ck_assert(!vrange_find(task->mm, addr + PAGES(1), addr + PAGES(2)));
}
END_TEST

/* Calls at random against one bit a page. */
START_TEST(a_page_is_volatile_if_the_last_call_about_it_said_so)
{
    enum { WINDOW = 64, CALLS = 20000 };
    bool is_volatile[WINDOW] = {false};
    g_autoptr(GRand) random = g_rand_new_with_seed(1);

    for (unsigned i = 0; i < CALLS; i++) {
        uint64_t first = g_rand_int(random) % WINDOW;
        uint64_t most = 1 + g_rand_int(random) % 8;
        uint64_t count = MIN(most, WINDOW - first);
        bool wanted = g_rand_int(random) % 2;
        uint64_t page;

        ck_assert_int_ge(
            vrange_call(task->mm, addr + PAGES(first), PAGES(count), wanted),
            0);
        for (page = first; page < first + count; page++)
            is_volatile[page] = wanted;
        for (page = 0; page < WINDOW; page++)
            if (is_volatile[page] !=
                (vrange_find(task->mm, addr + PAGES(page),
                             addr + PAGES(page + 1)) != NULL))
                break;
        ck_assert_uint_eq(page, WINDOW);
        if (i % 100 == 0)
            machine_validate(machine);
    }
}
END_TEST

START_TEST(reclaim_empties_ranges_until_it_has_enough_or_has_seen_all)
{
    uint64_t large = map_anon(task, PAGES(40));

    touch(task, TOUCH_WRITE, addr, PAGES(8));
    touch(task, TOUCH_WRITE, large, PAGES(40));
    vrange_call(task->mm, addr, PAGES(3), true);
    vrange_call(task->mm, addr + PAGES(4), PAGES(3), true);
    ck_assert_uint_eq(vrange_reclaim(machine, 3), 3);
    ck_assert(entry_at(task, addr) == PTE_PURGED);
    ck_assert(entry_at(task, addr + PAGES(4)) != PTE_PURGED);
    ck_assert_uint_eq(vrange_reclaim(machine, 32), 3);
    ck_assert_uint_eq(vrange_reclaim(machine, 32), 0);
    vrange_call(task->mm, large, PAGES(40), true);
    ck_assert_uint_eq(vrange_reclaim(machine, 32), 40);
    vrange_call(task->mm, addr, PAGES(8), false);
    vrange_call(task->mm, large, PAGES(40), false);
    ck_assert_uint_eq(vrange_reclaim(machine, 32), 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("vrange");
    TCase *calls = tcase_create("calls");

    tcase_add_checked_fixture(calls, setup, teardown);
    tcase_add_test(calls, a_range_begins_with_a_page_and_has_at_least_one);
    tcase_add_test(calls, a_length_is_rounded_down_to_pages);
    tcase_add_test(calls, a_page_is_volatile_if_the_last_call_about_it_said_so);
    tcase_add_test(calls,
                   reclaim_empties_ranges_until_it_has_enough_or_has_seen_all);
    suite_add_tcase(suite, calls);
    return run_suite(suite);
}
