/*
 * Whom the OOM killer chooses, form by form: what is measured, what age and
 * root are worth, and which child dies in its parent's place.
 */
#include "eras.h"

#include "mm/reclaim.h"
#include "tests/run_suite.h"

#include <check.h>

#define PAGES(n)     ((uint64_t)(n) << PAGE_SHIFT)
#define KILO_SECONDS UINT64_C(1024000000000)  // of 1024 s, in ns
#define USER         1000

static struct machine *machine;

static void
boot(enum oom_form form)
{
    struct machine_config config =
        era_config(KERNEL_FIXTURE_COUNT - 1, &arch_x86_64, 1 * GIB);

    config.kernel.oom = form;
    config.overcommit_memory = 1;
    machine = machine_create(&config);
}

static void
tear_down(void)
{
    machine_validate(machine);
    exit_all_tasks(machine);
    machine_destroy(machine);
}

/* A process whose total_vm is that. */
static struct task *
process_of(uint64_t uid, uint64_t pages)
{
    struct task *task = start_task(machine, uid);

    map_anon(task, PAGES(pages - task->mm->total_pages));
    ck_assert_uint_eq(task->mm->total_pages, pages);
    return task;
}

/* That many pages of the task become resident. */
static void
fill(struct task *task, uint64_t pages)
{
    touch(task, TOUCH_WRITE, map_anon(task, PAGES(pages)), PAGES(pages));
}

/* At once, or at the end of what it is doing. */
static void
assert_dies(const struct task *victim)
{
    oom_kill(machine);
    ck_assert(victim->oom_killed);
    ck_assert_uint_eq(machine->counters.oom_kill_count, 1);
}

static void
assert_younger_dies_at(enum oom_form form, uint64_t older_pages,
                       uint64_t age_ns, bool is_younger)
{
    boot(form);

    struct task *older = process_of(USER, older_pages);

    machine->now_ns = age_ns;

    struct task *younger = process_of(USER, 33333);

    assert_dies(is_younger ? younger : older);
    tear_down();
}

/* 100 000 pages, 81 units old: 33 333 points. */
START_TEST(an_age_of_81_units_is_worth_two_thirds)
{
    uint64_t jiffies_ns = (UINT64_C(81) << 20) * 1000000;

    assert_younger_dies_at(OOM_2_6_2, 100000, jiffies_ns, false);
    assert_younger_dies_at(OOM_2_6_2, 99998, jiffies_ns, true);
    assert_younger_dies_at(OOM_2_6_2, 99998, jiffies_ns - 1, false);
    assert_younger_dies_at(OOM_2_6_24, 100000, 81 * KILO_SECONDS, false);
    assert_younger_dies_at(OOM_2_6_24, 99998, 81 * KILO_SECONDS, true);
    assert_younger_dies_at(OOM_2_6_24, 99998, 81 * KILO_SECONDS - 1, false);
    assert_younger_dies_at(OOM_6_1, 99998, 81 * KILO_SECONDS, true);
}
END_TEST

START_TEST(root_has_a_sixteenth_of_the_points)
{
    for (uint64_t pages = 1615; pages <= 1616; pages++) {
        boot(OOM_2_6_2);

        struct task *root = process_of(0, pages);  // wins where they are equal
        struct task *user = process_of(USER, 101);

        assert_dies(pages < 1616 ? user : root);
        tear_down();
    }
}
END_TEST

/* Of root and a user with that many pages resident. */
static void
assert_root_dies(enum oom_form form, uint64_t user_pages, uint64_t root_pages,
                 bool is_root)
{
    boot(form);

    struct task *user = start_task(machine, USER);
    struct task *root = start_task(machine, 0);

    fill(user, user_pages);
    fill(root, root_pages);
    assert_dies(is_root ? root : user);
    tear_down();
}

/* 1 GiB without the kernel and its page structs are 257 536 pages: 10 000 are
 * 38 thousandths of them, 10 600 are 41, 2400 are 9. */
START_TEST(root_has_30_thousandths_less)
{
    assert_root_dies(OOM_2_6_38, 2400, 10000, false);
    assert_root_dies(OOM_2_6_38, 2400, 10600, true);
}
END_TEST

/* 30 times 257 pages of the same machine are 7710. */
START_TEST(root_has_30_thousandths_of_all_memory_less)
{
    assert_root_dies(OOM_3_8, 2600, 10000, false);
    assert_root_dies(OOM_3_8, 2600, 10600, true);
}
END_TEST

START_TEST(root_has_3_percent_less)
{
    assert_root_dies(OOM_4_10, 2600, 2650, false);
    assert_root_dies(OOM_4_10, 2600, 2750, true);
}
END_TEST

START_TEST(half_of_each_child_counts_for_the_parent_and_the_first_dies)
{
    for (int form = OOM_2_6_2; form <= OOM_2_6_24; form++) {
        boot((enum oom_form)form);

        struct task *parent = process_of(USER, 1000);
        struct task *other = process_of(USER, 2001);
        struct task *first = fork_task(parent, 0);
        struct task *second = fork_task(parent, 0);

        thread_task(second, 0);  // counts once
        map_anon(second, PAGES(1));
        assert_dies(form == OOM_2_6_24 ? first : other);
        tear_down();
    }
}
END_TEST

START_TEST(children_of_who_has_ended_count_for_nobody)
{
    boot(OOM_2_6_24);

    struct task *parent = process_of(USER, 1000);
    struct task *child = fork_task(parent, 0);
    struct task *grandchild = fork_task(child, 0);
    struct task *other = process_of(USER, 1600);

    run_call(machine, child, &(struct call){.kind = CALL_EXIT});
    assert_dies(other);
    ck_assert(parent->mm && grandchild->mm);
    tear_down();
}
END_TEST

START_TEST(the_child_with_most_points_dies_for_its_parent)
{
    for (int form = OOM_2_6_38; form <= OOM_6_1; form++) {
        boot((enum oom_form)form);

        struct task *parent = start_task(machine, USER);
        struct task *first = fork_task(parent, 0);
        struct task *second = fork_task(parent, 0);
        struct task *grandchild = fork_task(second, 0);

        fill(parent, 5000);
        fill(first, 1000);
        fill(second, 2000);
        fill(grandchild, 3000);
        assert_dies(form == OOM_6_1 ? parent : second);
        tear_down();
    }
}
END_TEST

START_TEST(among_equals_the_first_dies_and_from_6_1_on_the_last)
{
    for (int form = OOM_2_6_2; form <= OOM_6_1; form++) {
        boot((enum oom_form)form);

        struct task *first = start_task(machine, USER);
        struct task *last = start_task(machine, USER);

        assert_dies(form == OOM_6_1 ? last : first);
        tear_down();
    }
}
END_TEST

START_TEST(page_tables_count_from_3_8_on)
{
    for (int form = OOM_2_6_38; form <= OOM_6_1; form++) {
        boot((enum oom_form)form);

        struct task *dense = start_task(machine, USER);
        struct task *wide = start_task(machine, USER);

        fill(dense, 800);
        for (int i = 0; i < 600; i++)
            touch(wide, TOUCH_WRITE, map_anon(wide, 2 * MIB), PAGES(1));
        assert_dies(form == OOM_2_6_38 ? dense : wide);
        tear_down();
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("oom");
    TCase *tcase = tcase_create("victims");

    tcase_add_test(tcase, an_age_of_81_units_is_worth_two_thirds);
    tcase_add_test(tcase, root_has_a_sixteenth_of_the_points);
    tcase_add_test(tcase, root_has_30_thousandths_less);
    tcase_add_test(tcase, root_has_30_thousandths_of_all_memory_less);
    tcase_add_test(tcase, root_has_3_percent_less);
    tcase_add_test(tcase,
                   half_of_each_child_counts_for_the_parent_and_the_first_dies);
    tcase_add_test(tcase, children_of_who_has_ended_count_for_nobody);
    tcase_add_test(tcase, the_child_with_most_points_dies_for_its_parent);
    tcase_add_test(tcase, among_equals_the_first_dies_and_from_6_1_on_the_last);
    tcase_add_test(tcase, page_tables_count_from_3_8_on);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
