/*
 * Machines of a terabyte, address spaces of a million VMAs, ten thousand
 * processes: what they take from the host.
 */
#include "tests/bench/measure.h"
#include "tests/bench/pages.h"
#include "tests/must_hold/runs.h"
#include "tests/run_suite.h"

#include "mm/machine.h"

#include <inttypes.h>

#define MIB       (UINT64_C(1) << 20)
#define GIB       (UINT64_C(1) << 30)
#define VMAS      1000000u
#define PROCESSES 10000u

/* What a sanitizer adds to every allocation and every page is not ours. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HOST_FACTOR 8
#else
#define HOST_FACTOR 1
#endif

static struct machine *
machine_new(uint64_t ram_bytes)
{
    struct machine_config config = pages_config();

    config.ram_bytes = ram_bytes;
    config.max_map_count = UINT32_MAX;
    return machine_create(&config);
}

static void
assert_host_bytes(uint64_t before, uint64_t most)
{
    uint64_t used = measure_resident_bytes() - before;

    MUST(used <= most * HOST_FACTOR,
         "%" PRIu64 " MiB of host memory, not %" PRIu64, used / MIB,
         most / MIB);
}

START_TEST(a_terabyte_costs_nothing_until_it_is_touched)
{
    uint64_t before = measure_resident_bytes();
    double start = measure_now_ns();
    struct machine *machine = machine_new(1024 * GIB);
    struct task *task = start_task(machine, 0);

    MUST(measure_now_ns() - start < 10e6 * HOST_FACTOR, "a slow start");
    assert_host_bytes(before, 10 * MIB);
    touch(task, TOUCH_WRITE, map_anon(task, MIB), MIB);
    assert_host_bytes(before, 10 * MIB);
    machine_destroy(machine);
}
END_TEST

START_TEST(every_16_gib_touched_take_at_most_256_mib)
{
    uint64_t before = measure_resident_bytes();
    struct machine *machine = machine_new(1024 * GIB);
    struct task *task = start_task(machine, 0);

    for (unsigned i = 1; i <= 4; i++) {
        touch(task, TOUCH_WRITE, map_anon(task, 16 * GIB), 16 * GIB);
        assert_host_bytes(before, i * 256 * MIB);
    }
    ck_assert_uint_eq(machine->gauge[GAUGE_anon_bytes], 64 * GIB);
    machine_destroy(machine);
}
END_TEST

START_TEST(a_million_vmas_fit_and_go)
{
    uint64_t before = measure_resident_bytes();
    struct machine *machine = machine_new(64 * GIB);
    struct task *task = start_task(machine, 0);

    for (uint32_t i = 0; i < VMAS; i++)
        MUST(run_call(machine, task,
                      &(struct call){.kind = CALL_MMAP,
                                     .length = PAGE_BYTES,
                                     .prot = VM_READ |
                                             (i % 2 ? VM_EXEC : VM_WRITE)}) > 0,
             "mapping %u failed", i);
    ck_assert_uint_eq(machine->gauge[GAUGE_vma_count], VMAS + 1);
    assert_host_bytes(before, 512 * MIB);
    run_call(machine, task, &(struct call){.kind = CALL_EXIT});
    ck_assert_uint_eq(machine->gauge[GAUGE_vma_count], 0);
    machine_destroy(machine);
}
END_TEST

START_TEST(ten_thousand_processes_live_at_once)
{
    uint64_t before = measure_resident_bytes();
    struct machine *machine = machine_new(64 * GIB);
    struct task *parent = start_task(machine, 0);
    uint64_t base = map_anon(parent, PAGE_BYTES);

    touch(parent, TOUCH_WRITE, base, PAGE_BYTES);
    for (uint32_t i = 0; i < PROCESSES; i++)
        touch(fork_task(parent, i % 2), TOUCH_WRITE, base, PAGE_BYTES);
    ck_assert_uint_eq(machine->gauge[GAUGE_task_count], PROCESSES + 1);
    ck_assert_uint_eq(machine->counters.fault_cow_copy_count, PROCESSES);
    /* A leaf of 4 KiB and less than half as much of everything else. */
    assert_host_bytes(before, 64 * MIB);
    machine_destroy(machine);
}
END_TEST

/* CPU time per process of ending many, the oldest first, that live side by side
 * and share a page. */
static double
end_processes(const struct rmap_ops *rmap, uint32_t count, enum call_kind how)
{
    struct machine_config config = pages_config();
    struct machine *machine;
    double start;

    config.ram_bytes = 64 * GIB;
    config.policy.rmap = rmap;
    machine = machine_create(&config);

    struct task *parent = start_task(machine, 0);

    touch(parent, TOUCH_WRITE, map_anon(parent, PAGE_BYTES), PAGE_BYTES);
    for (uint32_t i = 0; i < count; i++)
        fork_task(parent, 0);
    start = measure_now_ns();
    while (machine->tasks->next)
        run_call(machine, machine->tasks->next, &(struct call){.kind = how});
    start = measure_now_ns() - start;
    machine_destroy(machine);
    return start / count;
}

/* The threads of a process are found without a look at all tasks. */
START_TEST(a_process_ends_as_fast_as_its_task_however_many_others_live)
{
    double task = end_processes(&rmap_anon_vma, PROCESSES, CALL_EXIT);
    double group = end_processes(&rmap_anon_vma, PROCESSES, CALL_EXIT_GROUP);

    MUST(group < 3 * task, "%.0f ns, not %.0f ns", group, task);
}
END_TEST

/* The search through a chain is the simulated kernel's work, not the host's. */
START_TEST(a_shared_page_is_left_as_fast_however_many_share_it)
{
    double few = end_processes(&rmap_pte_chain, PROCESSES, CALL_EXIT);
    double many = end_processes(&rmap_pte_chain, 4 * PROCESSES, CALL_EXIT);

    MUST(many < 2.5 * few, "%.0f ns, not %.0f ns", many, few);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("must_hold/scale");
    TCase *tcase = tcase_create("scale");

    tcase_set_timeout(tcase, 240);
    tcase_add_test(tcase, a_terabyte_costs_nothing_until_it_is_touched);
    tcase_add_test(tcase, every_16_gib_touched_take_at_most_256_mib);
    tcase_add_test(tcase, a_million_vmas_fit_and_go);
    tcase_add_test(tcase, ten_thousand_processes_live_at_once);
    tcase_add_test(tcase,
                   a_process_ends_as_fast_as_its_task_however_many_others_live);
    tcase_add_test(tcase, a_shared_page_is_left_as_fast_however_many_share_it);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
