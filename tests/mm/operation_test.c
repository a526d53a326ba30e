/*
 * Operations and steps: what a fault does in every era, and that it does not
 * matter in which order the steps of two tasks come.
 *
 * The interleaving tests run every order of the steps of two short programs
 * (up to 8 steps each way), with machine_validate() after each step.
 */
#include "eras.h"
#include "tests/run_suite.h"

#include <check.h>
#include <errno.h>

#define PAGES(n) ((uint64_t)(n) << PAGE_SHIFT)

static struct machine *
machine_of(int era)
{
    struct machine_config config = era_config(era, &arch_x86_64, 256 * MIB);

    return machine_create(&config);
}

static void
end_all(struct machine *machine)
{
    machine_validate(machine);
    while (machine->tasks) {
        struct task *task = machine->tasks;

        run_call(machine, task, &(struct call){.kind = CALL_EXIT});
    }
    machine_validate(machine);
    machine_destroy(machine);
}

START_TEST(a_written_page_is_cleared_once_and_hit_afterwards)
{
    struct machine *machine = machine_of(_i);
    struct task *task = start_task(machine, 1000);
    uint64_t addr = map_anon(task, PAGES(8));
    const struct mm_counters *counters = &machine->counters;

    touch(task, TOUCH_WRITE, addr, PAGES(8));
    ck_assert_uint_eq(counters->fault_fresh_count, 8);
    ck_assert_uint_eq(counters->clear_page_count, 8);
    touch(task, TOUCH_WRITE, addr, PAGES(8));
    ck_assert_uint_eq(counters->fault_count, 8);
    ck_assert_uint_eq(counters->touch_count, 16);
    end_all(machine);
}
END_TEST

START_TEST(a_read_then_write_costs_two_faults_where_there_is_a_zero_page)
{
    struct machine_config config = era_config(_i, &arch_x86_64, 256 * MIB);

    for (int zero = ZERO_PAGE_RESERVED; zero <= ZERO_PAGE_SPECIAL; zero++) {
        config.policy.zero_page = (enum zero_page_policy)zero;
        struct machine *machine = machine_create(&config);
        struct task *task = start_task(machine, 0);
        uint64_t addr = map_anon(task, PAGES(4));
        bool has_zero_page = zero != ZERO_PAGE_NONE;

        touch(task, TOUCH_READ, addr, PAGES(4));
        ck_assert_uint_eq(machine->gauge[GAUGE_anon_bytes],
                          has_zero_page ? 0 : PAGES(4));
        machine_validate(machine);
        touch(task, TOUCH_WRITE, addr, PAGES(4));
        ck_assert_uint_eq(machine->counters.fault_count, has_zero_page ? 8 : 4);
        ck_assert_uint_eq(machine->counters.clear_page_count, 4);
        ck_assert_uint_eq(machine->counters.copy_page_count, 0);
        end_all(machine);
    }
}
END_TEST

START_TEST(after_fork_the_first_writer_copies_and_the_last_keeps)
{
    struct machine *machine = machine_of(_i);
    struct task *parent = start_task(machine, 0);
    uint64_t addr = map_anon(parent, PAGES(64));

    touch(parent, TOUCH_WRITE, addr, PAGES(64));
    struct task *child = fork_task(parent, 1);
    machine_validate(machine);
    touch(child, TOUCH_WRITE, addr, PAGES(1));
    touch(parent, TOUCH_WRITE, addr, PAGES(1));
    ck_assert_uint_eq(machine->counters.fault_cow_copy_count, 1);
    ck_assert_uint_eq(machine->counters.fault_cow_reuse_count, 1);
    ck_assert_uint_eq(machine->counters.copy_page_count, 1);
    end_all(machine);
}
END_TEST

/* Era by era. */
START_TEST(a_touch_answers_for_all_of_its_pages)
{
    struct machine *machine = machine_of(_i);
    struct task *task = start_task(machine, 0);
    uint64_t addr = map_anon(task, PAGES(4));
    struct call call = touch_call(TOUCH_WRITE, addr, PAGES(4), 1);

    ck_assert_int_eq(run_call(machine, task, &call), 0);
    ck_assert_int_eq(run_call(machine, task, &call), 0);
    memory_call(task, CALL_MUNMAP, addr + PAGES(1), PAGES(1));
    ck_assert_int_eq(run_call(machine, task, &call), -EFAULT);
    end_all(machine);
}
END_TEST

/* A page that waits in a batch has one reference more. */
START_TEST(page_count_copies_a_page_that_waits_in_a_batch)
{
    struct machine *machine = machine_of(1);
    struct task *parent = start_task(machine, 0);
    uint64_t addr = map_anon(parent, PAGES(1));

    touch(parent, TOUCH_WRITE, addr, PAGES(1));
    struct task *child = fork_task(parent, 1);
    run_call(machine, child, &(struct call){.kind = CALL_EXIT});
    touch(parent, TOUCH_WRITE, addr, PAGES(1));
    ck_assert_uint_eq(machine->counters.fault_cow_copy_count, 1);
    end_all(machine);
}
END_TEST

/* With up to three references the batch is drained before
 * they are counted, also by a writer who then has to copy.  The page waits on
 * CPU 0; of its last two users one writes there, the other on CPU 1. */
START_TEST(who_copies_drains_the_batch_for_the_next)
{
    struct machine_config config = era_config(4, &arch_x86_64, 256 * MIB);
    bool has_third = _i;

    config.policy.cow = COW_EXCLUSIVE;
    struct machine *machine = machine_create(&config);
    struct task *parent = start_task(machine, 0);
    uint64_t addr = map_anon(parent, PAGES(1));
    touch(parent, TOUCH_WRITE, addr, PAGES(1));
    struct task *child = fork_task(parent, 1);
    struct task *third = has_third ? fork_task(parent, 1) : NULL;
    touch(parent, TOUCH_WRITE, addr, PAGES(1));
    if (third)
        run_call(machine, third, &(struct call){.kind = CALL_EXIT});
    touch(child, TOUCH_WRITE, addr, PAGES(1));
    ck_assert_uint_eq(machine->counters.fault_cow_copy_count,
                      has_third ? 2 : 1);
    ck_assert_uint_eq(machine->counters.fault_cow_reuse_count,
                      has_third ? 0 : 1);
    end_all(machine);
}
END_TEST

START_TEST(exec_like_mprotect_and_munmap_leave_nothing_behind)
{
    struct machine *machine = machine_of(_i);
    struct task *task = start_task(machine, 0);
    uint64_t addr = map_anon(task, PAGES(2000));

    touch(task, TOUCH_WRITE, addr, PAGES(2000));
    for (unsigned i = 1; i < 2000; i += 3) {
        int64_t error =
            memory_call(task, CALL_MUNMAP, addr + PAGES(i), PAGES(1));
        ck_assert_int_eq(error, 0);
    }
    ck_assert_int_eq(run_call(machine, task,
                              &(struct call){.kind = CALL_MPROTECT,
                                             .addr = addr,
                                             .length = PAGES(1),
                                             .prot = VM_READ}),
                     0);
    touch(task, TOUCH_WRITE, addr, PAGES(1));
    ck_assert_uint_eq(machine->counters.fault_segv_count, 1);
    end_all(machine);
}
END_TEST

/* ---- every order of two tasks' steps ---- */

#define STEPS_MAX 8

struct program {
    struct call calls[3];
    unsigned call_count;
};

struct runner {
    struct machine *machine;
    struct task *task;
    const struct program *program;
    unsigned next_call;
    struct operation op;
    bool is_active;
};

static bool
is_finished(const struct runner *runner)
{
    return !runner->is_active &&
           runner->next_call == runner->program->call_count;
}

static bool
is_blocked(const struct runner *runner, const struct runner *other)
{
    bool begins = !runner->is_active;
    bool writes = runner->op.wants.mode == LOCK_WRITE;

    return begins && other->is_active && operation_holds_lock(&other->op) &&
           writes && runner->op.wants.kind == LOCK_MMAP &&
           runner->op.wants.object == other->task->mm;
}

/* false: it must wait for the other. */
static bool
take_step(struct runner *runner, const struct runner *other)
{
    if (!runner->is_active) {
        runner->op = (struct operation){0};
        operation_begin(&runner->op, runner->machine, runner->task,
                        &runner->program->calls[runner->next_call]);
        if (is_blocked(runner, other))
            return false;
        runner->next_call++;
        runner->is_active = true;
    }
    if (operation_step(&runner->op) == STEP_DONE) {
        operation_finish(&runner->op);
        runner->is_active = false;
    }
    return true;
}

/* Run one order given by the bits of `order`; false: it was not possible. */
static bool
run_order(struct runner *first, struct runner *second, uint32_t order)
{
    unsigned used = 0;

    while (!is_finished(first) || !is_finished(second)) {
        bool wants_second = used < 2 * STEPS_MAX && ((order >> used) & 1);
        struct runner *runner = wants_second ? second : first;
        struct runner *other = wants_second ? first : second;

        used++;
        if (is_finished(runner) || !take_step(runner, other))
            if (is_finished(other) || !take_step(other, runner))
                return false;
        machine_validate(first->machine);
    }
    return true;
}

typedef void (*check_fn)(const struct machine *machine, uint64_t base);

static void
interleave(const struct machine_config *config, bool as_processes,
           void (*programs)(uint64_t addr, struct program *first,
                            struct program *second),
           unsigned bits, check_fn check)
{
    for (uint32_t order = 0; order < 1u << bits; order++) {
        struct machine *machine = machine_create(config);
        struct task *task = start_task(machine, 0);
        uint64_t addr = map_anon(task, PAGES(4));
        struct program first, second;

        if (as_processes)
            touch(task, TOUCH_WRITE, addr, PAGES(2));
        struct task *peer =
            as_processes ? fork_task(task, 1) : thread_task(task, 1);
        programs(addr, &first, &second);
        uint64_t base = machine->counters.clear_page_count;
        struct runner a = {.machine = machine, .task = task, .program = &first};
        struct runner b = {
            .machine = machine, .task = peer, .program = &second};

        ck_assert(run_order(&a, &b, order));
        check(machine, base);
        end_all(machine);
    }
}

static void
both_write_two_pages(uint64_t addr, struct program *first,
                     struct program *second)
{
    *first = (struct program){
        .calls = {touch_call(TOUCH_WRITE, addr, PAGES(2), 1)},
        .call_count = 1,
    };
    *second = (struct program){
        .calls = {touch_call(TOUCH_WRITE, addr, PAGES(2), 2)},
        .call_count = 1,
    };
}

static void
two_pages_are_kept(const struct machine *machine, uint64_t base)
{
    const struct mm_counters *counters = &machine->counters;

    ck_assert_uint_eq(machine->gauge[GAUGE_anon_bytes], PAGES(2));
    ck_assert_uint_eq(counters->fault_fresh_count, 2);
    ck_assert_uint_eq(counters->clear_page_count - base,
                      2 + counters->fault_spurious_count);
}

START_TEST(two_tasks_that_fault_the_same_pages_keep_one_each)
{
    struct machine_config config = era_config(_i, &arch_x86_64, 64 * MIB);

    interleave(&config, /* as_processes = */ false, both_write_two_pages, 8,
               two_pages_are_kept);
}
END_TEST

START_TEST(a_race_for_one_page_clears_twice)
{
    struct machine *machine = machine_of(_i);
    struct task *task = start_task(machine, 0);
    uint64_t addr = map_anon(task, PAGES(1));
    struct task *peer = thread_task(task, 1);
    struct program first, second;

    both_write_two_pages(addr, &first, &second);
    first.calls[0].length = second.calls[0].length = PAGES(1);
    struct runner a = {.machine = machine, .task = task, .program = &first};
    struct runner b = {.machine = machine, .task = peer, .program = &second};

    ck_assert(run_order(&a, &b, 2));  // a prepares, b prepares, a, b commit
    ck_assert_uint_eq(machine->counters.clear_page_count, 2);
    ck_assert_uint_eq(machine->counters.fault_fresh_count, 1);
    ck_assert_uint_eq(machine->counters.fault_spurious_count, 1);
    ck_assert_uint_eq(machine->gauge[GAUGE_anon_bytes], PAGES(1));
    end_all(machine);
}
END_TEST

static void
one_writes_the_other_drops(uint64_t addr, struct program *first,
                           struct program *second)
{
    *first = (struct program){
        .calls = {touch_call(TOUCH_READ, addr, PAGES(2), 1),
                  touch_call(TOUCH_WRITE, addr, PAGES(2), 1)},
        .call_count = 2,
    };
    *second = (struct program){
        .calls = {{.kind = CALL_MADVISE,
                   .addr = addr,
                   .length = PAGES(4),
                   .advice = ADVICE_DONTNEED},
                  touch_call(TOUCH_READ, addr, PAGES(1), 2),
                  {.kind = CALL_MUNMAP, .addr = addr, .length = PAGES(1)}},
        .call_count = 3,
    };
}

static void
nothing_more_to_say(const struct machine *machine, uint64_t base)
{
    (void)machine;
    (void)base;
}

START_TEST(places_recorded_on_a_larger_machine_are_left_aside)
{
    struct machine_config config =
        era_config(3, &arch_i386_pae, UINT64_C(64) << 20);
    struct machine *machine = machine_create(&config);
    struct task *task = run_new_task(
        machine, NULL,
        &(struct call){.kind = CALL_START,
                       .layout = {.mmap_base = UINT64_C(0x7ffff7fff000),
                                  .brk = UINT64_C(0x555555559000),
                                  .stack_top = UINT64_C(0x7ffffffff000)}});

    ck_assert_ptr_nonnull(task);
    touch(task, TOUCH_WRITE, map_anon(task, 4 * PAGE_BYTES), 4 * PAGE_BYTES);
    ck_assert_uint_eq(machine->counters.fault_fresh_count, 4);
    machine_validate(machine);
    machine_destroy(machine);
}
END_TEST

START_TEST(faults_and_dontneed_interleave_in_every_order)
{
    struct machine_config config = era_config(_i, &arch_x86_64, 64 * MIB);

    interleave(&config, false, one_writes_the_other_drops, 8,
               nothing_more_to_say);
}
END_TEST

static void
both_break_the_sharing(uint64_t addr, struct program *first,
                       struct program *second)
{
    both_write_two_pages(addr, first, second);
    second->calls[1] = (struct call){.kind = CALL_EXIT};
    second->call_count = 2;
}

static void
no_page_is_lost(const struct machine *machine, uint64_t base)
{
    (void)base;
    ck_assert_uint_eq(machine->gauge[GAUGE_anon_bytes], PAGES(2));
}

START_TEST(parent_and_child_break_cow_in_every_order)
{
    struct machine_config config = era_config(_i, &arch_x86_64, 64 * MIB);

    interleave(&config, /* as_processes = */ true, both_break_the_sharing, 8,
               no_page_is_lost);
}
END_TEST

/* ---- every pair of short programs ---- */

#define PROGRAM_COUNT 10

static struct call
advice_call(uint64_t addr, uint64_t length, enum advice advice)
{
    return (struct call){
        .kind = CALL_MADVISE, .addr = addr, .length = length, .advice = advice};
}

static struct call
protect_call(uint64_t addr, uint64_t length, uint32_t prot)
{
    return (struct call){
        .kind = CALL_MPROTECT, .addr = addr, .length = length, .prot = prot};
}

/* What a task may do to the four pages that another works on, too. */
static struct program
short_program(unsigned index, uint64_t addr)
{
    const struct program programs[PROGRAM_COUNT] = {
        {{touch_call(TOUCH_WRITE, addr, PAGES(2), 1)}, 1},
        {{touch_call(TOUCH_READ, addr, PAGES(1), 0),
          touch_call(TOUCH_WRITE, addr, PAGES(1), 2)},
         2},
        {{advice_call(addr, PAGES(4), ADVICE_DONTNEED),
          touch_call(TOUCH_WRITE, addr, PAGES(1), 3)},
         2},
        {{protect_call(addr, PAGES(2), VM_READ),
          protect_call(addr, PAGES(2), VM_READ | VM_WRITE)},
         2},
        {{{.kind = CALL_MUNMAP, .addr = addr, .length = PAGES(1)}}, 1},
        {{advice_call(addr, PAGES(2), ADVICE_FREE),
          touch_call(TOUCH_READ, addr, PAGES(1), 0)},
         2},
        {{{.kind = CALL_MREMAP,
           .addr = addr,
           .length = PAGES(4),
           .new_length = PAGES(8),
           .flags = MREMAP_CAN_MOVE}},
         1},
        {{{.kind = CALL_MLOCK, .addr = addr, .length = PAGES(2)}}, 1},
        {{advice_call(addr, PAGES(1), ADVICE_GUARD_INSTALL),
          advice_call(addr, PAGES(1), ADVICE_GUARD_REMOVE)},
         2},
        {{touch_call(TOUCH_WRITE, addr + PAGES(1), PAGES(1), 4),
          {.kind = CALL_EXIT}},
         2},
    };

    return programs[index];
}

/* One order of a pair; nothing may be left when both have exited. */
static void
run_pair(const struct machine_config *config, bool as_processes, unsigned first,
         unsigned second, uint32_t order)
{
    struct machine *machine = machine_create(config);
    struct task *task = start_task(machine, 0);
    uint64_t addr = map_anon(task, PAGES(4));

    touch(task, TOUCH_WRITE, addr, PAGES(1));
    struct task *peer =
        as_processes ? fork_task(task, 1) : thread_task(task, 1);
    struct program programs[] = {short_program(first, addr),
                                 short_program(second, addr)};
    struct runner a = {
        .machine = machine, .task = task, .program = &programs[0]};
    struct runner b = {
        .machine = machine, .task = peer, .program = &programs[1]};

    ck_assert(run_order(&a, &b, order));
    end_all(machine);
}

START_TEST(every_pair_of_programs_interleaves_in_every_order)
{
    struct machine_config config = era_config(_i / 2, &arch_x86_64, 16 * MIB);

    for (unsigned first = 0; first < PROGRAM_COUNT; first++)
        for (unsigned second = first; second < PROGRAM_COUNT; second++)
            for (uint32_t order = 0; order < 1u << STEPS_MAX; order++)
                run_pair(&config, _i % 2, first, second, order);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("operation");
    TCase *faults = tcase_create("faults");
    TCase *orders = tcase_create("orders");
    int count = KERNEL_FIXTURE_COUNT;

    tcase_add_loop_test(
        faults, a_written_page_is_cleared_once_and_hit_afterwards, 0, count);
    tcase_add_loop_test(
        faults, a_read_then_write_costs_two_faults_where_there_is_a_zero_page,
        0, count);
    tcase_add_loop_test(faults,
                        after_fork_the_first_writer_copies_and_the_last_keeps,
                        0, count);
    tcase_add_loop_test(faults, a_touch_answers_for_all_of_its_pages, 0, count);
    tcase_add_test(faults, page_count_copies_a_page_that_waits_in_a_batch);
    tcase_add_loop_test(faults, who_copies_drains_the_batch_for_the_next, 0, 2);
    tcase_add_loop_test(
        faults, exec_like_mprotect_and_munmap_leave_nothing_behind, 0, count);
    tcase_add_test(faults, places_recorded_on_a_larger_machine_are_left_aside);
    suite_add_tcase(suite, faults);

    tcase_set_timeout(orders, 120);
    tcase_add_loop_test(orders, a_race_for_one_page_clears_twice, 0, count);
    tcase_add_loop_test(
        orders, two_tasks_that_fault_the_same_pages_keep_one_each, 0, count);
    tcase_add_loop_test(orders, faults_and_dontneed_interleave_in_every_order,
                        0, count);
    tcase_add_loop_test(orders, parent_and_child_break_cow_in_every_order, 0,
                        count);
    tcase_add_loop_test(orders,
                        every_pair_of_programs_interleaves_in_every_order, 0,
                        2 * count);
    suite_add_tcase(suite, orders);
    return run_suite(suite);
}
