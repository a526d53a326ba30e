/*
 * Twenty thousand thread stacks: what their guards cost in VMAs, that they
 * guard, and what the search for the next stack examines.
 */
#include "tests/must_hold/runs.h"

#include "mm/machine.h"
#include "tests/run_suite.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define STACKS 20000

static const char *const layouts[] = {"bottom-up", "top-down"};
static const char *const guards[] = {"mprotect", "gap", "install", "none"};
static const char *const gaps[] = {"linear", "area-cache", "rb-gap"};

static const struct trace_event *
event_at(const struct trace *trace, size_t index)
{
    return &g_array_index(trace->events, struct trace_event, index);
}

/* Events up to where all threads live and have touched their stacks. */
static size_t
all_alive(const struct trace *trace)
{
    size_t index = trace->events->len;

    while (event_at(trace, index - 1)->op != TRACE_OP_WRITE)
        index--;
    return index;
}

START_TEST(a_stack_is_two_vmas_under_mprotect_and_none_of_its_own_under_install)
{
    static const uint64_t vmas[] = {2 * STACKS, STACKS, 1, 1};
    const struct trace *trace =
        trace_of_workload("nptl-stacks --threads 20000 --stack-size 1M");
    const char *layout = layouts[_i % 2];
    int guard = _i / 2;

    /* Chains, since to validate them is quick: an anon_vma of all stacks is
     * walked for each page. */
    for (size_t i = 0; i < G_N_ELEMENTS(gaps); i++) {
        g_autofree char *choices =
            g_strdup_printf("rmap=pte-chain layout=%s guard=%s gap=%s", layout,
                            guards[guard], gaps[i]);
        const json_t *result = result_after(trace, choices, all_alive(trace));

        /* Beside them there is the main thread's stack. */
        ck_assert_uint_eq(value_of(result, "end.vma_count"), vmas[guard] + 1);
        ck_assert_uint_eq(value_of(result, "end.task_count"), STACKS + 1);
        ck_assert_uint_eq(counter_of(result, "fault_fresh_count"), 2 * STACKS);
        ck_assert_uint_eq(counter_of(result, "event_failed_count"), 0);
        ck_assert_uint_eq(counter_of(result, "event_skipped_count"), 0);
    }
}
END_TEST

/* Each thread touches all that it may, and then its guard. */
START_TEST(a_touch_of_a_guard_is_a_segv)
{
    static const char *const kernels[] = {"2.4.21", "2.6.2",  "2.6.7",
                                          "2.6.22", "2.6.32", "6.18"};
    static const char *const machines[] = {"x86-64", "i386", "i386-pae"};
    const char *guard = guards[_i / 2];
    uint64_t refused = strcmp(guard, "none") == 0 ? 0 : 50;
    GString *lines = g_string_new("1 start\n");

    for (unsigned i = 0; i < 50; i++)
        g_string_append_printf(lines,
                               "1 mmap S%u 1M rw- anon,private,stack\n"
                               "1 guard S%u 4K\n"
                               "1 thread %u\n",
                               i, i, i + 2);
    for (unsigned i = 0; i < 50; i++)
        g_string_append_printf(lines,
                               "%u w S%u+4K 1020K\n"
                               "%u %c S%u+0 4K\n",
                               i + 2, i, i + 2, "rw"[i % 2], i);
    const struct trace *trace = trace_of_lines(lines->str);
    g_string_free(lines, TRUE);

    for (size_t k = 0; k < G_N_ELEMENTS(kernels); k++) {
        for (size_t i = 0; i < G_N_ELEMENTS(gaps); i++) {
            g_autofree char *choices = g_strdup_printf(
                "kernel=%s machine=%s layout=%s guard=%s gap=%s", kernels[k],
                machines[(i + k) % 3], layouts[_i % 2], guard, gaps[i]);
            const json_t *result = result_of(trace, choices);

            MUST(counter_of(result, "fault_segv_count") == refused,
                 "%s: %" PRIu64 " guards hold", choices,
                 counter_of(result, "fault_segv_count"));
            MUST(counter_of(result, "fault_count") ==
                     counter_of(result, "touch_count"),
                 "%s: a stack has a page before its first touch", choices);
            assert_identities(result);
        }
    }
}
END_TEST

/* What each search examined, in order; for g_array_unref. */
static GArray *
probes_of_searches(const struct trace *trace, const char *choices)
{
    struct setup setup = setup_of(choices);
    struct replay *replay = replay_open(trace, &setup, NULL);
    const struct mm_counters *counters = &replay->machine->counters;
    GArray *probes = g_array_new(FALSE, FALSE, sizeof(uint64_t));

    for (size_t i = 0; i < trace->events->len; i++) {
        uint64_t searches = counters->gap_search_count;
        uint64_t before = counters->gap_probe_count;

        replay_run(replay, i + 1, UINT64_MAX);
        uint64_t probed = counters->gap_probe_count - before;
        if (counters->gap_search_count > searches)
            g_array_append_val(probes, probed);
        else
            MUST(probed == 0, "probes without a search");
    }
    replay_close(replay);
    MUST(probes->len == STACKS, "a search for each stack");
    return probes;
}

START_TEST(a_search_is_linear_constant_or_logarithmic)
{
    const struct trace *trace =
        trace_of_workload("nptl-stacks --threads 20000 --stack-size 1M");
    const char *layout = layouts[_i];
    GArray *probes[G_N_ELEMENTS(gaps)];

    for (size_t i = 0; i < G_N_ELEMENTS(gaps); i++) {
        g_autofree char *choices =
            g_strdup_printf("guard=mprotect layout=%s gap=%s", layout, gaps[i]);
        probes[i] = probes_of_searches(trace, choices);
    }
    for (unsigned stack = 0; stack < STACKS; stack++) {
        uint64_t linear = g_array_index(probes[0], uint64_t, stack);
        uint64_t cached = g_array_index(probes[1], uint64_t, stack);
        uint64_t tree = g_array_index(probes[2], uint64_t, stack);
        /* A red-black tree is at most twice as deep as a balanced one; the
         * walk goes down once and perhaps up once. */
        uint64_t depth = 2 * (uint64_t)g_bit_storage(2 * stack + 2);

        /* All stacks before, two VMAs each. */
        MUST(linear == 2 * stack, "stack %u: linear examines %" PRIu64, stack,
             linear);
        MUST(cached <= 1, "stack %u: area-cache examines %" PRIu64, stack,
             cached);
        MUST(tree <= 2 * depth, "stack %u: rb-gap examines %" PRIu64, stack,
             tree);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(gaps); i++)
        g_array_unref(probes[i]);
}
END_TEST

/* Where the trace's regions end up. */
static void
assert_same_addresses(const struct trace *trace, const char *choices)
{
    struct replay *replays[2];
    static const char *const values[] = {"linear", "rb-gap"};

    for (size_t i = 0; i < 2; i++) {
        g_autofree char *all = g_strdup_printf("%s gap=%s", choices, values[i]);
        struct setup setup = setup_of(all);
        replays[i] = replay_open(trace, &setup, NULL);
        replay_run(replays[i], trace->events->len, UINT64_MAX);
    }
    for (guint i = TRACE_BINDING_FIRST; i < trace->bindings->len; i++) {
        const struct binding *left = &replays[0]->bindings[i];
        const struct binding *right = &replays[1]->bindings[i];
        MUST(left->is_bound == right->is_bound &&
                 left->address == right->address,
             "%s: binding %u is at %#" PRIx64 " and %#" PRIx64, choices, i,
             left->address, right->address);
    }
    replay_close(replays[0]);
    replay_close(replays[1]);
}

static uint64_t
next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Regions of all sizes come and go; two protections keep some apart. */
static struct trace *
random_regions(uint64_t seed)
{
    GString *lines = g_string_new("1 start\n");
    uint64_t length[64] = {0};

    for (unsigned i = 0; i < 5000; i++) {
        unsigned slot = (unsigned)(next_random(&seed) % 64);
        if (length[slot] > 0 && next_random(&seed) % 4 < 3) {
            g_string_append_printf(lines, "1 munmap R%u %" PRIu64 "K\n", slot,
                                   length[slot]);
            length[slot] = 0;
        } else {
            length[slot] = 4 << next_random(&seed) % 12;
            length[slot] += next_random(&seed) % 8 * 4;
            g_string_append_printf(
                lines, "1 mmap R%u %" PRIu64 "K %s anon,private,noreserve\n",
                slot, length[slot], next_random(&seed) % 2 ? "rw-" : "r--");
        }
    }
    struct trace *trace = trace_of_lines(lines->str);
    g_string_free(lines, TRUE);
    return trace;
}

START_TEST(linear_and_rb_gap_return_the_same_addresses)
{
    static const char *const kernels[] = {"2.4.21", "2.6.22", "6.18"};
    static const char *const machines[] = {"x86-64", "i386"};
    const struct trace *traces[] = {
        trace_of_workload("nptl-stacks --threads 1000 --stack-size 1M"),
        trace_of_workload("ebizzy --records 200"),
        random_regions(1),
        random_regions(2),
    };

    for (size_t t = 0; t < G_N_ELEMENTS(traces); t++) {
        for (size_t k = 0; k < G_N_ELEMENTS(kernels); k++) {
            g_autofree char *choices =
                g_strdup_printf("kernel=%s layout=%s machine=%s", kernels[k],
                                layouts[_i % 2], machines[_i / 2]);
            assert_same_addresses(traces[t], choices);
        }
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("must_hold/stacks");
    TCase *tcase = tcase_create("stacks");

    tcase_add_checked_fixture(tcase, runs_setup, runs_teardown);
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(
        tcase,
        a_stack_is_two_vmas_under_mprotect_and_none_of_its_own_under_install, 0,
        8);
    tcase_add_loop_test(tcase, a_touch_of_a_guard_is_a_segv, 0, 8);
    tcase_add_loop_test(tcase, a_search_is_linear_constant_or_logarithmic, 0,
                        2);
    tcase_add_loop_test(tcase, linear_and_rb_gap_return_the_same_addresses, 0,
                        4);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
