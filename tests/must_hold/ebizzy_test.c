/*
 * What one record of ebizzy costs: clears without and with an owner of frames,
 * calls and faults of an allocator that purges.
 */
#include "tests/must_hold/runs.h"

#include "mm/machine.h"
#include "tests/run_suite.h"

#include <check.h>
#include <inttypes.h>
#include <stdlib.h>

static const char *const kernels[] = {"2.4.21", "2.6.2",      "2.6.7",
                                      "2.6.22", "2.6.24",     "2.6.32",
                                      "3.8",    "3.9-vrange", "6.18"};

/* The same workload with 100 and with 400 records. */
struct pair {
    const struct trace *few, *many;
};

static struct pair
pair_of(const char *options)
{
    g_autofree char *few = g_strdup_printf("ebizzy --records 100 %s", options);
    g_autofree char *many = g_strdup_printf("ebizzy --records 400 %s", options);

    return (struct pair){trace_of_workload(few), trace_of_workload(many)};
}

/* Each record adds `expected` to the counter. */
static void
assert_per_record(const json_t *few, const json_t *many, const char *name,
                  uint64_t expected)
{
    uint64_t growth = counter_of(many, name) - counter_of(few, name);

    MUST(growth == 300 * expected,
         "%s: 300 records add %" PRIu64 ", not %" PRIu64, name, growth,
         300 * expected);
}

static void
assert_clears_per_record(const char *options, uint64_t expected)
{
    struct pair pair = pair_of(options);

    for (size_t i = 0; i < G_N_ELEMENTS(kernels); i++) {
        g_autofree char *choices =
            g_strdup_printf("clear=on-alloc kernel=%s ram=1G", kernels[i]);
        assert_per_record(result_of(pair.few, choices),
                          result_of(pair.many, choices), "clear_page_count",
                          expected);
    }
}

START_TEST(a_record_of_512K_costs_128_clears)
{
    assert_clears_per_record("--allocator mmap", 128);
    assert_clears_per_record("--allocator mmap --nozero", 128);
}
END_TEST

START_TEST(a_record_of_516K_costs_129_clears)
{
    assert_clears_per_record("--allocator mmap --chunk-size 516K", 129);
    /* malloc adds a header to each chunk */
    assert_clears_per_record("--allocator glibc-static", 129);
}
END_TEST

/* Replay until so many more records have ended. */
static void
run_records(struct replay *replay, unsigned records)
{
    const GArray *events = replay->trace->events;
    size_t end = replay->next_event;

    while (records > 0) {
        MUST(end < events->len, "the trace has too few records");
        records -= g_array_index(events, struct trace_event, end++).op ==
                   TRACE_OP_MARK;
    }
    replay_run(replay, end, UINT64_MAX);
}

static const struct {
    const char *options, *choices;
} nozero_runs[] = {
    {"--allocator mmap", "kernel=2.6.22-nozero"},
    {"--allocator mmap", "kernel=2.6.22-nozero machine=opteron-2007"},
    {"--allocator mmap", "kernel=2.6.22-nozero machine=i386"},
    {"--allocator mmap", "kernel=2.6.22-nozero machine=i386-pae"},
    {"--allocator mmap", "kernel=2.6.2 clear=nozero"},
    {"--allocator mmap", "kernel=6.18 clear=nozero"},
    {"--allocator mmap --threads 1", "kernel=2.6.22-nozero"},
    {"--allocator mmap --threads 16", "kernel=2.6.22-nozero"},
    {"--allocator glibc-static", "kernel=2.6.22-nozero"},
    {"--allocator glibc-static", "kernel=6.18 clear=nozero"},
};

START_TEST(nozero_clears_at_most_one_page_of_a_record)
{
    g_autofree char *command = g_strdup_printf(
        "ebizzy --records 1000 --uid 500 --nozero %s", nozero_runs[_i].options);
    const struct trace *trace = trace_of_workload(command);
    struct setup setup = setup_of(nozero_runs[_i].choices);
    struct replay *replay = replay_open(trace, &setup, NULL);

    run_records(replay, 100);
    const struct mm_counters *counters = &replay->machine->counters;
    uint64_t clears = counters->clear_page_count;
    uint64_t skipped = counters->clear_page_skipped_count;
    for (unsigned record = 101; record <= 1000; record++) {
        run_records(replay, 1);
        ck_assert_uint_le(counters->clear_page_count - clears, record - 100);
    }
    /* The rest was handed over as it was, and all of it was this user's. */
    uint64_t pages = _i < 8 ? 128 : 129;
    ck_assert_uint_eq(counters->clear_page_count - clears +
                          counters->clear_page_skipped_count - skipped,
                      900 * pages);
    ck_assert_uint_eq(counters->leak_page_count, 0);
    machine_validate(replay->machine);
    replay_close(replay);
}
END_TEST

START_TEST(nozero_without_the_flag_changes_nothing)
{
    const struct trace *trace = trace_of_workload("ebizzy --records 100");
    const json_t *plain = result_of(trace, "kernel=2.6.22");
    const json_t *nozero = result_of(trace, "kernel=2.6.22-nozero");

    assert_same(plain, nozero, "counters", "");
    assert_same(plain, nozero, "time_ns", "");
}
END_TEST

START_TEST(jemalloc_purges_once_a_record)
{
    static const struct {
        const char *purge;
        uint64_t purges, reuses, calls, faults, discards;
    } rows[] = {
        {"ignore", 0, 0, 0, 0, 0},
        {"dontneed", 1, 0, 1, 128, 128},
        {"vrange-full", 1, 1, 2, 0, 0},
    };
    struct pair pair = pair_of("--allocator jemalloc");

    /* From the second: a volatile range needs an rmap, which 2.4.21 lacks. */
    for (size_t i = 1; i < G_N_ELEMENTS(kernels); i++) {
        g_autofree char *choices = g_strdup_printf("kernel=%s ram=1G purge=%s",
                                                   kernels[i], rows[_i].purge);
        const json_t *few = result_of(pair.few, choices);
        const json_t *many = result_of(pair.many, choices);

        assert_per_record(few, many, "purge_call_count", rows[_i].purges);
        assert_per_record(few, many, "reuse_call_count", rows[_i].reuses);
        assert_per_record(few, many, "syscall_count", rows[_i].calls);
        assert_per_record(few, many, "fault_count", rows[_i].faults);
        assert_per_record(few, many, "clear_page_count", rows[_i].faults);
        assert_per_record(few, many, "purge_discarded_pages",
                          rows[_i].discards);
        assert_per_record(few, many, "purge_lazy_pages", 0);
    }
}
END_TEST

/* What the last event of the lines adds to each cost, as an object. */
static json_t *
time_of_last_event(const char *lines, const char *choices)
{
    const struct trace *trace = trace_of_lines(lines);
    size_t last = trace->events->len - 1;
    const json_t *before =
        json_object_get(result_after(trace, choices, last), "time_ns");
    const json_t *after = json_object_get(result_of(trace, choices), "time_ns");
    json_t *times = json_object();
    const char *cost;
    json_t *value;

    json_object_foreach((json_t *)after, cost, value) json_object_set_new(
        times, cost,
        json_integer(json_integer_value(value) -
                     json_integer_value(json_object_get(before, cost))));
    return json_pack("{s:o}", "time_ns", times);
}

START_TEST(volatile_costs_the_same_for_one_page_and_a_million)
{
    static const char *const calls[] = {"vrange %s %s volatile full",
                                        "purge %s %s"};
    static const char *const choices[] = {"kernel=3.9-vrange",
                                          "kernel=6.18 purge=vrange-full"};

    for (size_t i = 0; i < G_N_ELEMENTS(calls); i++) {
        g_autofree char *one = g_strdup_printf(calls[i], "A", "4K");
        g_autofree char *million = g_strdup_printf(calls[i], "A", "4G");
        static const char head[] = "1 start\n"
                                   "1 mmap A 4G rw- anon,private,noreserve\n"
                                   "1 w A 4G\n"
                                   "1 ";
        g_autofree char *short_lines = g_strconcat(head, one, NULL);
        g_autofree char *long_lines = g_strconcat(head, million, NULL);
        json_t *left = time_of_last_event(short_lines, choices[_i]);
        json_t *right = time_of_last_event(long_lines, choices[_i]);

        assert_same(left, right, "time_ns", "");
        ck_assert_uint_gt(value_of(left, "time_ns.elapsed"), 0);
        json_decref(left);
        json_decref(right);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("must_hold/ebizzy");
    TCase *tcase = tcase_create("ebizzy");

    tcase_add_checked_fixture(tcase, runs_setup, runs_teardown);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, a_record_of_512K_costs_128_clears);
    tcase_add_test(tcase, a_record_of_516K_costs_129_clears);
    tcase_add_loop_test(tcase, nozero_clears_at_most_one_page_of_a_record, 0,
                        G_N_ELEMENTS(nozero_runs));
    tcase_add_test(tcase, nozero_without_the_flag_changes_nothing);
    tcase_add_loop_test(tcase, jemalloc_purges_once_a_record, 0, 3);
    tcase_add_loop_test(
        tcase, volatile_costs_the_same_for_one_page_and_a_million, 0, 2);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
