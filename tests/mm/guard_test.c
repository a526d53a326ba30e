/*
 * The guard axis: what a thread library's guard page becomes, and which calls
 * the axes bring to kernels that do not know them.
 */
#include "eras.h"

#include "mm/gap.h"
#include "tests/run_suite.h"

#include <check.h>
#include <errno.h>

#define PAGES(n) ((uint64_t)(n) << PAGE_SHIFT)
#define PLACE    UINT64_C(0x10000000)

static struct machine *machine;
static struct task *task;

static void
set_up(enum guard_policy guard, const struct purge_ops *purge)
{
    struct machine_config config =
        era_config(KERNEL_FIXTURE_COUNT - 1, &arch_x86_64, 64 * MIB);

    config.policy.guard = guard;
    config.policy.purge = purge;
    machine = machine_create(&config);
    task = start_task(machine, 0);
    struct call call = {.kind = CALL_MMAP,
                        .addr = PLACE,
                        .length = PAGES(8),
                        .prot = VM_READ | VM_WRITE,
                        .flags = MM_FIXED};
    ck_assert_int_eq(run_call(machine, task, &call), PLACE);
}

static void
tear_down(void)
{
    machine_validate(machine);
    run_call(machine, task, &(struct call){.kind = CALL_EXIT_GROUP});
    machine_destroy(machine);
}

/* VMAs and refused touches that a guard of two pages makes, and whether it was
 * a call. */
static void
guard_makes(enum guard_policy guard, int vmas, uint64_t refused, uint64_t calls)
{
    set_up(guard, &purge_dontneed);
    int vmas_before = (int)task->mm->map_count;
    uint64_t calls_before = machine->counters.syscall_count;

    ck_assert_int_eq(memory_call(task, CALL_GUARD, PLACE, PAGES(2)), 0);
    ck_assert_int_eq((int)task->mm->map_count - vmas_before, vmas);
    ck_assert_uint_eq(machine->counters.syscall_count - calls_before, calls);
    touch(task, TOUCH_WRITE, PLACE, PAGES(8));
    ck_assert_uint_eq(machine->counters.fault_segv_count, refused);
    ck_assert_uint_eq(machine->counters.fault_fresh_count, 8 - refused);
    tear_down();
}

START_TEST(each_value_makes_a_guard_in_its_own_way)
{
    guard_makes(GUARD_MPROTECT, 1, 2, 1);
    guard_makes(GUARD_GAP, 0, 2, 1);
    guard_makes(GUARD_INSTALL, 0, 2, 1);
    guard_makes(GUARD_NONE, 0, 0, 0);
}
END_TEST

START_TEST(a_gap_stays_free_in_later_searches)
{
    struct call hint = {.kind = CALL_MMAP,
                        .addr = PLACE + PAGES(1),
                        .length = PAGES(1),
                        .prot = VM_READ};

    set_up(GUARD_GAP, &purge_dontneed);
    ck_assert_int_eq(memory_call(task, CALL_GUARD, PLACE, PAGES(2)), 0);
    const struct vma *above = vma_find(task->mm, PLACE);
    ck_assert_uint_eq(above->start, PLACE + PAGES(2));
    ck_assert_uint_eq(vma_start_gap(above), PLACE);
    ck_assert_int_ne(run_call(machine, task, &hint), (int64_t)hint.addr);
    tear_down();
}
END_TEST

START_TEST(a_gap_belongs_to_the_mapping_that_ends_it)
{
    set_up(GUARD_GAP, &purge_dontneed);
    /* The whole mapping and a page more: what follows is not its neighbour. */
    struct call call = {.kind = CALL_MMAP,
                        .addr = PLACE + PAGES(12),
                        .length = PAGES(1),
                        .prot = VM_READ,
                        .flags = MM_FIXED};
    run_call(machine, task, &call);
    ck_assert_int_eq(memory_call(task, CALL_GUARD, PLACE, PAGES(9)), 0);
    const struct vma *above = vma_find(task->mm, PLACE);
    ck_assert_uint_eq(above->start, call.addr);
    ck_assert_uint_eq(vma_start_gap(above), call.addr);
    ck_assert_int_eq(memory_call(task, CALL_GUARD, PLACE + 1, PAGES(1)),
                     -EINVAL);
    tear_down();
}
END_TEST

static int64_t
advise(enum advice advice)
{
    return run_call(machine, task,
                    &(struct call){.kind = CALL_MADVISE,
                                   .addr = PLACE,
                                   .length = PAGES(1),
                                   .advice = advice});
}

START_TEST(an_axis_brings_the_calls_that_it_makes)
{
    /* The fixture's kernel knows no call that a preset must name. */
    set_up(GUARD_INSTALL, &purge_dontneed);
    ck_assert_int_eq(advise(ADVICE_GUARD_INSTALL), 0);
    ck_assert_int_eq(advise(ADVICE_GUARD_REMOVE), 0);
    ck_assert_int_eq(advise(ADVICE_FREE), -EINVAL);
    tear_down();
    set_up(GUARD_MPROTECT, &purge_free);
    ck_assert_int_eq(advise(ADVICE_GUARD_INSTALL), -EINVAL);
    ck_assert_int_eq(advise(ADVICE_GUARD_REMOVE), -EINVAL);
    ck_assert_int_eq(advise(ADVICE_FREE), 0);
    tear_down();
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("guard");
    TCase *tcase = tcase_create("guard");

    tcase_add_test(tcase, each_value_makes_a_guard_in_its_own_way);
    tcase_add_test(tcase, a_gap_stays_free_in_later_searches);
    tcase_add_test(tcase, a_gap_belongs_to_the_mapping_that_ends_it);
    tcase_add_test(tcase, an_axis_brings_the_calls_that_it_makes);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
