/*
 * Fetches of instructions: what the fault handler does where nothing may be
 * executed, by kernel and architecture.  Whose a reused page is.
 */
#include "eras.h"

#include "mm/file.h"
#include "tests/run_suite.h"

#include <check.h>

#define PAGES(n) ((uint64_t)(n) << PAGE_SHIFT)
#define PLACE    UINT64_C(0x10000000)

enum { ERA_2_6_2 = 1, ERA_2_6_22 = 2, ERA_6_18 = KERNEL_FIXTURE_COUNT - 1 };

static struct machine *machine;
static struct task *task;

static void
begin(int era, const struct arch *arch, enum zero_page_policy zero_page)
{
    struct machine_config config = era_config(era, arch, 64 * MIB);

    config.policy.zero_page = zero_page;
    machine = machine_create(&config);
    task = start_task(machine, 0);
}

static void
end(void)
{
    const struct mm_counters *counters = &machine->counters;

    ck_assert_uint_eq(
        counters->fault_count,
        counters->fault_fresh_count + counters->fault_zero_map_count +
            counters->fault_zero_break_count + counters->fault_cow_copy_count +
            counters->fault_cow_reuse_count + counters->fault_file_count +
            counters->fault_swap_in_count + counters->fault_segv_count +
            counters->fault_bus_count);
    machine_validate(machine);
    run_call(machine, task, &(struct call){.kind = CALL_EXIT_GROUP});
    machine_destroy(machine);
}

static void
map_at(uint64_t page, uint64_t pages, uint32_t prot, uint32_t flags,
       struct file *file)
{
    struct call call = {.kind = CALL_MMAP,
                        .addr = PLACE + PAGES(page),
                        .length = PAGES(pages),
                        .prot = prot,
                        .flags = flags | MM_FIXED,
                        .file = file};

    ck_assert_int_eq(run_call(machine, task, &call), (int64_t)call.addr);
}

/* Faults of one kind, and refusals, that fetching from the pages makes; every
 * page must come out as SIGSEGV if there are as many. */
static void
fetch_makes(uint64_t page, uint64_t pages, uint64_t *counter, uint64_t faults,
            uint64_t refusals)
{
    struct mm_counters *counters = &machine->counters;
    uint64_t kind_before = *counter, all_before = counters->fault_count;
    uint64_t segv_before = counters->fault_segv_count;
    uint64_t touched = counters->touch_count;
    struct operation op = {0};
    struct call call =
        touch_call(TOUCH_EXEC, PLACE + PAGES(page), PAGES(pages), 0);

    operation_begin(&op, machine, task, &call);
    operation_run(&op);
    operation_finish(&op);
    ck_assert_uint_eq(*counter - kind_before, faults);
    ck_assert_uint_eq(counters->fault_segv_count - segv_before, refusals);
    ck_assert_uint_eq(counters->fault_count - all_before, faults + refusals);
    ck_assert_uint_eq(counters->touch_count - touched, pages);
    ck_assert_uint_eq(op.touch.outcome_pages[OUTCOME_SEGV], refusals);
}

START_TEST(a_fetch_that_must_not_be_brings_the_page_in_first)
{
    begin(ERA_6_18, &arch_x86_64, ZERO_PAGE_SPECIAL);
    uint64_t *zero_maps = &machine->counters.fault_zero_map_count;
    map_at(0, 8, VM_READ, 0, NULL);
    fetch_makes(0, 4, zero_maps, 4, 4);
    fetch_makes(0, 4, zero_maps, 0, 4);  // there now
    fetch_makes(2, 4, zero_maps, 2, 4);
    touch(task, TOUCH_READ, PLACE, PAGES(6));
    ck_assert_uint_eq(*zero_maps, 6);
    map_at(8, 2, VM_WRITE, 0, NULL);
    fetch_makes(8, 2, zero_maps, 2, 2);
    map_at(10, 2, VM_EXEC, 0, NULL);
    fetch_makes(10, 2, zero_maps, 2, 0);
    end();
}
END_TEST

/* Frames are prepared, then committed. */
START_TEST(a_fetch_that_must_not_be_clears_a_page_where_there_is_no_zero_page)
{
    begin(ERA_2_6_22, &arch_x86_64, ZERO_PAGE_NONE);
    map_at(0, 4, VM_READ | VM_WRITE, 0, NULL);
    fetch_makes(0, 4, &machine->counters.fault_fresh_count, 4, 4);
    ck_assert_uint_eq(machine->counters.clear_page_count, 4);
    ck_assert_uint_eq(task->mm->rss_pages[RSS_ANON], 4);
    end();
}
END_TEST

START_TEST(a_fetch_that_must_not_be_maps_the_page_of_a_file)
{
    begin(ERA_6_18, &arch_x86_64, ZERO_PAGE_SPECIAL);
    struct mm_counters *counters = &machine->counters;
    struct file *file = file_create(machine, PAGES(2), false, false);
    map_at(0, 4, VM_READ, MM_SHARED, file);
    fetch_makes(0, 2, &counters->fault_file_count,
                2 - (machine->kernel.fault_around_pages > 1), 2);
    fetch_makes(3, 1, &counters->fault_bus_count, 1, 0);
    end();
}
END_TEST

START_TEST(what_nobody_may_access_is_refused_at_once)
{
    begin(ERA_6_18, &arch_x86_64, ZERO_PAGE_SPECIAL);
    uint64_t *zero_maps = &machine->counters.fault_zero_map_count;
    map_at(0, 4, 0, 0, NULL);
    fetch_makes(0, 4, zero_maps, 0, 4);
    fetch_makes(100, 4, zero_maps, 0, 4);
    map_at(4, 4, VM_READ, 0, NULL);
    run_call(machine, task,
             &(struct call){.kind = CALL_MADVISE,
                            .addr = PLACE + PAGES(4),
                            .length = PAGES(1),
                            .advice = ADVICE_GUARD_INSTALL});
    fetch_makes(4, 2, zero_maps, 1, 2);
    end();
}
END_TEST

START_TEST(a_fetch_that_must_not_be_grows_a_stack)
{
    begin(ERA_6_18, &arch_x86_64, ZERO_PAGE_SPECIAL);
    map_at(1024, 1, VM_READ, MM_GROWSDOWN, NULL);
    fetch_makes(1020, 1, &machine->counters.fault_zero_map_count, 1, 1);
    ck_assert_uint_eq(vma_find_quiet(task->mm, PLACE + PAGES(1020))->start,
                      PLACE + PAGES(1020));
    end();
}
END_TEST

START_TEST(two_fetches_that_must_not_be_cost_two_exceptions_a_page)
{
    begin(ERA_6_18, &arch_x86_64, ZERO_PAGE_SPECIAL);
    map_at(0, 4, VM_READ, 0, NULL);
    uint64_t before = machine->charges[CHARGE_exception];
    touch(task, TOUCH_EXEC, PLACE, PAGES(2));
    ck_assert_uint_eq(machine->charges[CHARGE_exception] - before, 4);
    end();
}
END_TEST

/* Two levels of page tables have no bit for it; three have, used since 2.6.8.
 */
START_TEST(without_nx_what_can_be_read_can_be_executed)
{
    static const struct {
        int era;
        const struct arch *arch;
        bool has_nx;
    } cases[] = {
        {ERA_2_6_2, &arch_i386, false},     {ERA_6_18, &arch_i386, false},
        {ERA_2_6_2, &arch_i386_pae, false}, {ERA_2_6_22, &arch_i386_pae, true},
        {ERA_2_6_2, &arch_x86_64, true},    {ERA_6_18, &arch_x86_64, true},
    };

    begin(cases[_i].era, cases[_i].arch, ZERO_PAGE_SPECIAL);
    map_at(0, 2, VM_READ, 0, NULL);
    fetch_makes(0, 2, &machine->counters.fault_zero_map_count, 2,
                cases[_i].has_nx ? 2 : 0);
    end();
}
END_TEST

/* The kernel copies from it: the access is a read. */
START_TEST(the_kernel_does_not_execute_what_it_takes)
{
    begin(ERA_6_18, &arch_x86_64, ZERO_PAGE_SPECIAL);
    map_at(0, 2, VM_READ, 0, NULL);
    struct call call = touch_call(TOUCH_EXEC, PLACE, PAGES(2), 0);
    call.from_kernel = true;
    ck_assert_int_eq(run_call(machine, task, &call), 0);
    ck_assert_uint_eq(machine->counters.fault_count, 2);
    end();
}
END_TEST

static bool
go_on(struct leaf *leaf, uint32_t index, void *data)
{
    (void)leaf, (void)index, (void)data;
    return true;
}

/*
 * A page that its writer alone maps is kept.  Where processes have families of
 * their own it moves to the writer's, and nobody looks for it in the brother's
 * and the parent's mappings any more.
 */
START_TEST(a_reused_page_moves_to_its_writers_family_if_there_is_one)
{
    struct machine_config config = era_config(ERA_6_18, &arch_x86_64, 64 * MIB);

    config.policy.rmap = _i ? &rmap_anon_vma_chain : &rmap_anon_vma;
    machine = machine_create(&config);
    task = start_task(machine, 0);
    uint64_t addr = map_anon(task, PAGES(2));
    touch(task, TOUCH_WRITE, addr, PAGES(2));
    struct task *brother = fork_task(task, 0), *child = fork_task(task, 0);
    run_call(
        machine, task,
        &(struct call){.kind = CALL_MUNMAP, .addr = addr, .length = PAGES(1)});
    touch(brother, TOUCH_WRITE, addr, PAGES(1));  // a copy of its own
    touch(child, TOUCH_WRITE, addr, PAGES(1));
    ck_assert_uint_eq(machine->counters.fault_cow_copy_count, 1);
    ck_assert_uint_eq(machine->counters.fault_cow_reuse_count, 1);

    pte_t pte = entry_at(child, addr);
    uint64_t before = machine->counters.rmap_visit_count;
    rmap_walk(machine, page_of(machine, pte_pfn(pte)), go_on, NULL);
    ck_assert_uint_eq(machine->counters.rmap_visit_count - before, _i ? 1 : 2);
    run_call(machine, brother, &(struct call){.kind = CALL_EXIT});
    run_call(machine, child, &(struct call){.kind = CALL_EXIT});
    end();
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("fault");
    TCase *fetches = tcase_create("fetches");

    tcase_add_test(fetches, a_fetch_that_must_not_be_brings_the_page_in_first);
    tcase_add_test(
        fetches,
        a_fetch_that_must_not_be_clears_a_page_where_there_is_no_zero_page);
    tcase_add_test(fetches, a_fetch_that_must_not_be_maps_the_page_of_a_file);
    tcase_add_test(fetches, what_nobody_may_access_is_refused_at_once);
    tcase_add_test(fetches, a_fetch_that_must_not_be_grows_a_stack);
    tcase_add_test(fetches,
                   two_fetches_that_must_not_be_cost_two_exceptions_a_page);
    tcase_add_loop_test(fetches, without_nx_what_can_be_read_can_be_executed, 0,
                        6);
    tcase_add_test(fetches, the_kernel_does_not_execute_what_it_takes);
    suite_add_tcase(suite, fetches);

    TCase *reuse = tcase_create("reuse");
    tcase_add_loop_test(
        reuse, a_reused_page_moves_to_its_writers_family_if_there_is_one, 0, 2);
    suite_add_tcase(suite, reuse);
    return run_suite(suite);
}
