/*
 * Memory pressure without swap: what goes first, what stays, and who dies when
 * nothing is left.  A background task (`hog`) makes memory scarce.
 *
 * The machine has 128 MiB, of which the kernel takes about 34.
 */
#include "tests/must_hold/runs.h"

#include "mm/machine.h"
#include "tests/run_suite.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const kernels[] = {"2.4.21", "2.6.2",      "2.6.22",
                                      "2.6.32", "3.9-vrange", "6.18"};

/* ---- watermarks ---- */

static uint64_t
sum_of_marks(const struct machine *machine)
{
    uint64_t pages = 0;

    for (unsigned i = 0; i < machine->zone_count; i++)
        pages += machine->zones[i].watermark_min;
    return pages;
}

START_TEST(ordinary_allocations_leave_the_reserve_alone)
{
    const struct trace *trace = trace_of_lines("0 hog 1G\n"
                                               "1 start\n");
    g_autofree char *choices =
        g_strdup_printf("kernel=%s ram=128M", kernels[_i]);
    struct setup setup = setup_of(choices);
    struct replay *replay = replay_open(trace, &setup, NULL);

    replay_run(replay, 1, UINT64_MAX);
    const struct machine *machine = replay->machine;
    ck_assert_uint_gt(machine->hog_pages, 64 * 256);
    ck_assert_uint_gt(sum_of_marks(machine), 0);
    ck_assert_uint_ge(machine->peak[GAUGE_free_bytes] / 4096,
                      sum_of_marks(machine));
    ck_assert_uint_eq(machine->counters.oom_kill_count, 0);
    machine_validate(replay->machine);
    replay_close(replay);
}
END_TEST

START_TEST(kswapd_refills_up_to_the_high_mark)
{
    const struct trace *trace = trace_of_lines("1 start\n"
                                               "1 mmap A 48M rw- anon,private\n"
                                               "1 w A 48M\n"
                                               "1 madvise A 48M free\n"
                                               "0 hog 60M\n"
                                               "1 work 1");
    struct setup setup = setup_of("kernel=6.18 ram=128M");
    struct replay *replay = replay_open(trace, &setup, NULL);

    replay_run(replay, 5, UINT64_MAX);
    ck_assert(replay->machine->kswapd_wanted);
    replay_run(replay, 6, UINT64_MAX);
    ck_assert(!replay->machine->kswapd_wanted);
    for (unsigned i = 0; i < replay->machine->zone_count; i++) {
        const struct zone *zone = &replay->machine->zones[i];
        ck_assert_uint_ge(zone->free_pages, zone->watermark_high);
    }
    ck_assert_uint_gt(replay->machine->counters.purge_lazy_pages, 0);
    machine_validate(replay->machine);
    replay_close(replay);
}
END_TEST

/* ---- what goes ---- */

START_TEST(lazily_freed_pages_go_unless_written_again)
{
    static const char *const choices[] = {"kernel=6.18 ram=128M",
                                          "kernel=6.1 ram=128M",
                                          "kernel=6.18 ram=128M cpus=1",
                                          "kernel=6.18 ram=128M "
                                          "rmap=pte-chain"};
    const struct trace *trace = trace_of_lines("1 start\n"
                                               "1 mmap A 32M rw- anon,private\n"
                                               "1 w A 32M\n"
                                               "1 madvise A 32M free\n"
                                               "1 w A 8M\n"
                                               "0 hog 70M\n"
                                               "1 r A 8M\n"
                                               "1 r A+8M 24M");
    const json_t *before = result_after(trace, choices[_i], 5);
    const json_t *after = result_after(trace, choices[_i], 7);
    const json_t *end = result_of(trace, choices[_i]);
    uint64_t gone = counter_of(end, "purge_lazy_pages");

    /* Free: marked pages are there, and can be written without a fault. */
    ck_assert_uint_eq(counter_of(before, "fault_count"), 8192);
    ck_assert_uint_eq(counter_of(before, "purge_discarded_pages"), 0);
    ck_assert_uint_eq(value_of(before, "end.anon_bytes"), 32 << 20);
    /* Pressure: the hog is served from what nobody wrote again. */
    ck_assert_uint_eq(counter_of(after, "fault_count"), 8192);
    ck_assert_uint_ge(gone, (8 << 20) / 4096);
    ck_assert_uint_le(gone, (24 << 20) / 4096);
    ck_assert_uint_eq(counter_of(end, "purge_discarded_pages"), gone);
    ck_assert_uint_eq(counter_of(end, "reclaim_freed_pages"), gone);
    ck_assert_uint_eq(counter_of(end, "fault_zero_map_count"), gone);
    ck_assert_uint_eq(counter_of(end, "oom_kill_count"), 0);
    ck_assert_uint_eq(value_of(end, "end.anon_bytes"),
                      ((uint64_t)102 << 20) - gone * 4096);
    assert_identities(end);
}
END_TEST

START_TEST(the_coldest_volatile_range_loses_all_its_pages)
{
    static const char *const choices[] = {
        "kernel=3.9-vrange ram=128M",
        "kernel=6.18 purge=vrange-full ram=128M",
    };
    const struct trace *trace =
        trace_of_lines("1 start\n"
                       "1 mmap A 16M rw- anon,private\n"
                       "1 mmap B 16M rw- anon,private\n"
                       "1 w A 16M\n"
                       "1 w B 16M\n"
                       "1 vrange A 16M volatile full\n"
                       "1 vrange B 16M volatile full\n"
                       "0 hog 66M\n"
                       "1 r B 16M\n"
                       "1 r A 4M\n"
                       "1 vrange B 16M novolatile full\n"
                       "1 vrange A 16M novolatile full\n"
                       "1 r A 16M\n"
                       "1 r B 16M");
    const json_t *end = result_of(trace, choices[_i]);

    ck_assert_uint_eq(counter_of(end, "purge_lazy_pages"), 4096);
    ck_assert_uint_eq(counter_of(end, "purge_discarded_pages"), 4096);
    ck_assert_uint_eq(counter_of(end, "fault_fresh_count"), 8192);
    ck_assert_uint_eq(counter_of(end, "fault_bus_count"), 1024);
    ck_assert_uint_eq(counter_of(end, "fault_zero_map_count"), 4096);
    ck_assert_uint_eq(counter_of(end, "oom_kill_count"), 0);
    assert_identities(end);
}
END_TEST

/* The child has no volatile range: it may still read the pages. */
START_TEST(a_volatile_page_that_a_child_shares_stays)
{
    const struct trace *trace = trace_of_lines("1 start\n"
                                               "1 mmap A 16M rw- anon,private\n"
                                               "1 mmap B 16M rw- anon,private\n"
                                               "1 w A 16M\n"
                                               "1 vrange A 16M volatile full\n"
                                               "1 fork 2\n"
                                               "1 w B 16M\n"
                                               "1 vrange B 16M volatile full\n"
                                               "0 hog 66M\n"
                                               "2 r A 16M\n"
                                               "1 r A 16M");
    const json_t *end = result_of(trace, "kernel=3.9-vrange ram=128M");

    ck_assert_uint_eq(counter_of(end, "purge_lazy_pages"), 4096);  // B's
    ck_assert_uint_eq(counter_of(end, "fault_count"), 8192);
    ck_assert_uint_eq(counter_of(end, "fault_bus_count"), 0);
}
END_TEST

START_TEST(clean_page_cache_goes_and_dirty_pages_stay)
{
    g_autofree char *choices =
        g_strdup_printf("kernel=%s ram=128M", kernels[_i]);
    const struct trace *trace =
        trace_of_lines("0 file clean 40M disk cached\n"
                       "0 file dirty 8M disk cached\n"
                       "1 start\n"
                       "1 mmap C 40M r-- shared,file=clean\n"
                       "1 mmap D 8M rw- shared,file=dirty\n"
                       "1 r C 40M\n"
                       "1 w D 8M\n"
                       "0 hog 70M\n"
                       "1 w D 8M\n"
                       "1 r D 8M\n"
                       "1 r C 40M");
    const json_t *before = result_after(trace, choices, 7);
    const json_t *squeezed = result_after(trace, choices, 8);
    const json_t *kept = result_after(trace, choices, 10);
    const json_t *end = result_of(trace, choices);
    uint64_t freed = counter_of(squeezed, "reclaim_freed_pages");

    if (strcmp(kernels[_i], "2.4.21") == 0)
        return;  // without an rmap a mapped page of a file cannot be taken
    ck_assert_uint_eq(counter_of(before, "reclaim_freed_pages"), 0);
    ck_assert_uint_ge(freed, (20 << 20) / 4096);
    ck_assert_uint_eq(value_of(squeezed, "end.file_bytes"),
                      value_of(before, "end.file_bytes") - freed * 4096);
    ck_assert_uint_eq(counter_of(kept, "fault_major_count"), 0);
    ck_assert_uint_gt(counter_of(end, "fault_major_count"), 0);
    ck_assert_uint_eq(counter_of(end, "oom_kill_count"), 0);
    assert_identities(end);
}
END_TEST

START_TEST(lazy_and_volatile_pages_go_before_page_cache)
{
    static const struct {
        const char *choices, *call;
    } rows[] = {
        {"kernel=6.18 ram=128M", "1 madvise A 32M free\n"},
        {"kernel=3.9-vrange ram=128M", "1 vrange A 32M volatile full\n"},
    };
    g_autofree char *lines = g_strconcat("0 file F 16M disk cached\n"
                                         "1 start\n"
                                         "1 mmap A 32M rw- anon,private\n"
                                         "1 mmap C 16M r-- shared,file=F\n"
                                         "1 r C 16M\n"
                                         "1 w A 32M\n",
                                         rows[_i].call,
                                         "0 hog 60M\n"
                                         "1 r C 16M",
                                         NULL);
    const json_t *end = result_of(trace_of_lines(lines), rows[_i].choices);

    ck_assert_uint_ge(counter_of(end, "purge_lazy_pages"), (12 << 20) / 4096);
    ck_assert_uint_eq(counter_of(end, "reclaim_freed_pages"),
                      counter_of(end, "purge_lazy_pages"));
    ck_assert_uint_eq(counter_of(end, "fault_major_count"), 0);
}
END_TEST

/* ---- who dies ---- */

static void
assert_victims(const json_t *result, const char *expected)
{
    char *victims = json_dumps(json_object_get(result, "oom_victims"), 0);

    ck_assert_str_eq(victims, expected);
    free(victims);
}

START_TEST(the_largest_process_dies_and_is_named)
{
    g_autofree char *choices =
        g_strdup_printf("kernel=%s ram=128M", kernels[_i]);
    const struct trace *trace =
        trace_of_lines("11 start uid=1\n"
                       "11 mmap A 16M rw- anon,private\n"
                       "11 w A 16M\n"
                       "12 start uid=1\n"
                       "12 mmap B 56M rw- anon,private\n"
                       "12 w B 56M\n"
                       "12 thread 13\n"
                       "0 hog 60M\n"
                       "11 r A 16M\n"
                       "12 r B 4K\n"
                       "13 r B 4K\n"
                       "12 fork 14\n"
                       "14 r B 4K\n"
                       "14 exit\n"
                       "11 r A 16M");
    const json_t *before = result_after(trace, choices, 7);
    const json_t *end = result_of(trace, choices);

    assert_victims(before, "[]");
    assert_victims(end, "[12]");
    ck_assert_uint_eq(counter_of(end, "oom_kill_count"), 1);
    ck_assert_uint_eq(counter_of(end, "event_skipped_count"), 5);
    ck_assert_uint_eq(value_of(end, "end.task_count"), 1);
    ck_assert_uint_eq(value_of(end, "end.anon_bytes"), (60 + 16) << 20);
    ck_assert_uint_eq(counter_of(end, "fault_fresh_count"), 18432);
    assert_identities(end);
}
END_TEST

START_TEST(the_process_that_asks_can_be_the_one_that_dies)
{
    g_autofree char *choices = g_strdup_printf(
        "kernel=%s ram=128M sysctl.vm.overcommit_memory=1", kernels[_i]);
    const struct trace *trace =
        trace_of_lines("1 start uid=1\n"
                       "1 mmap A 256M rw- anon,private\n"
                       "2 start uid=1\n"
                       "2 mmap B 8M rw- anon,private\n"
                       "2 w B 8M\n"
                       "1 w A 256M\n"
                       "1 r A 4K\n"
                       "2 r B 8M\n"
                       "2 w B 8M");
    const json_t *end = result_of(trace, choices);

    assert_victims(end, "[1]");
    ck_assert_uint_eq(counter_of(end, "event_skipped_count"), 1);
    ck_assert_uint_eq(value_of(end, "end.task_count"), 1);
    ck_assert_uint_eq(value_of(end, "end.anon_bytes"), 8 << 20);
    assert_identities(end);
}
END_TEST

START_TEST(a_hog_gives_back_what_it_holds)
{
    g_autofree char *choices =
        g_strdup_printf("kernel=%s ram=128M", kernels[_i]);
    const struct trace *trace = trace_of_lines("1 start\n"
                                               "0 hog 40M\n"
                                               "0 hog 50M\n"
                                               "0 hog 10M\n"
                                               "0 hog 0");
    static const uint64_t held[] = {0, 40, 50, 10, 0};
    uint64_t free_bytes = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(held); i++) {
        const json_t *result = result_after(trace, choices, i + 1);
        ck_assert_uint_eq(value_of(result, "end.anon_bytes"), held[i] << 20);
        if (i == 0)
            free_bytes = value_of(result, "end.free_bytes");
        ck_assert_uint_eq(value_of(result, "end.free_bytes"),
                          free_bytes - (held[i] << 20));
        assert_identities(result);
    }
}
END_TEST

/* Everything dies, nothing asserts. */
START_TEST(a_hog_that_wants_all_kills_all)
{
    g_autofree char *choices =
        g_strdup_printf("kernel=%s ram=128M", kernels[_i]);
    const struct trace *trace = trace_of_lines("1 start uid=1\n"
                                               "1 mmap A 16M rw- anon,private\n"
                                               "1 w A 16M\n"
                                               "1 fork 2\n"
                                               "2 w A 8M\n"
                                               "3 start\n"
                                               "0 hog 100G\n"
                                               "1 w A 16M\n"
                                               "4 start uid=1\n"
                                               "4 mmap B 4M rw- anon,private\n"
                                               "4 w B 4M");
    const json_t *end = result_of(trace, choices);

    assert_victims(result_after(trace, choices, 7), "[1, 2, 3]");
    ck_assert_uint_ge(counter_of(end, "oom_kill_count"), 3);
    assert_identities(end);
}
END_TEST

/* ---- runs on machines that are too small ---- */

static const char *const commands[] = {
    "ebizzy --records 100 --chunk-size 2M --nozero",
    "ebizzy --records 100 --chunk-size 2M --allocator jemalloc",
    "users --size 8M --uids 3 --rounds 3",
    "fork-tree --size 24M --levels 6",
    "nptl-stacks --threads 1000 --stack-size 1M",
    "sparse --size 32M --write-fraction 0.7 --fork --processes 2",
    "brk-pingpong --rounds 100",
};
static const char *const smalls[] = {
    "kernel=2.4.21 ram=40M",
    "kernel=2.6.2 ram=44M sysctl.vm.overcommit_memory=1",
    "kernel=2.6.2 machine=i386 ram=40M",
    "kernel=2.6.7 machine=i386-pae ram=48M sysctl.vm.overcommit_memory=2",
    "kernel=2.6.22-nozero ram=60M clear=nozero",
    "kernel=2.6.24 ram=64M purge=free",
    "kernel=3.9-vrange ram=40M",
    "kernel=3.9-vrange ram=80M guard=gap gap=linear",
    "kernel=6.18 ram=40M",
    "kernel=6.18 ram=56M purge=free",
    "kernel=6.18 ram=72M purge=vrange-full fork=copy-all zero-page=none",
    "kernel=6.18 ram=64M rmap=pte-chain clear=never",
};

START_TEST(no_run_asserts_for_want_of_memory)
{
    const struct trace *trace = trace_of_workload(commands[_i]);

    for (size_t i = 0; i < G_N_ELEMENTS(smalls); i++)
        assert_identities(result_of(trace, smalls[i]));
    const char *const *path = committed_traces();
    for (; *path && _i == 0; path++)
        for (size_t i = 0; i < G_N_ELEMENTS(smalls); i++)
            assert_identities(result_of(trace_of_file(*path), smalls[i]));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("must_hold/pressure");
    TCase *tcase = tcase_create("pressure");
    int count = G_N_ELEMENTS(kernels);

    tcase_add_checked_fixture(tcase, runs_setup, runs_teardown);
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, ordinary_allocations_leave_the_reserve_alone, 0,
                        count);
    tcase_add_test(tcase, kswapd_refills_up_to_the_high_mark);
    tcase_add_loop_test(tcase, lazily_freed_pages_go_unless_written_again, 0,
                        4);
    tcase_add_loop_test(tcase, the_coldest_volatile_range_loses_all_its_pages,
                        0, 2);
    tcase_add_test(tcase, a_volatile_page_that_a_child_shares_stays);
    tcase_add_loop_test(tcase, clean_page_cache_goes_and_dirty_pages_stay, 0,
                        count);
    tcase_add_loop_test(tcase, lazy_and_volatile_pages_go_before_page_cache, 0,
                        2);
    tcase_add_loop_test(tcase, the_largest_process_dies_and_is_named, 0, count);
    tcase_add_loop_test(tcase, the_process_that_asks_can_be_the_one_that_dies,
                        0, count);
    tcase_add_loop_test(tcase, a_hog_gives_back_what_it_holds, 0, count);
    tcase_add_loop_test(tcase, a_hog_that_wants_all_kills_all, 0, count);
    tcase_add_loop_test(tcase, no_run_asserts_for_want_of_memory, 0,
                        G_N_ELEMENTS(commands));
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
