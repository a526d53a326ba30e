/*
 * What it takes to map the same pages into 32 processes: bytes of reverse map
 * while they come and go in any order, and not one copied page.
 */
#include "tests/must_hold/runs.h"
#include "tests/run_suite.h"

#include <inttypes.h>
#include <stdlib.h>

#define PAGES     UINT64_C(16384)  // 64M
#define PROCESSES 32

/* Machines by the size of a block and the entries that fit in it. */
static const struct {
    const char *choices;
    uint64_t line_bytes, slots;
} chains[] = {
    {"machine=x86-64", 64, 7},
    {"machine=i386 knob.l1_line_bytes=32", 32, 7},
    {"machine=i386 knob.l1_line_bytes=64", 64, 15},
    {"machine=i386", 128, 31},
    {"machine=p4-2002", 128, 31},
    {"machine=i386-pae knob.l1_line_bytes=32", 32, 7},
    {"machine=i386-pae", 128, 31},
    {"machine=i386-pae knob.highpte=1 knob.l1_line_bytes=32", 32, 3},
    {"machine=i386-pae knob.highpte=1 knob.l1_line_bytes=64", 64, 7},
    {"machine=xeon-ht-2004", 128, 15},
};

/* Of one page with so many entries that have been in a chain. */
static uint64_t
chain_bytes(size_t machine, uint64_t entries)
{
    uint64_t slots = chains[machine].slots;

    return (entries + slots - 1) / slots * chains[machine].line_bytes;
}

static void
assert_no_copies(const json_t *result)
{
    ck_assert_uint_eq(counter_of(result, "copy_page_count"), 0);
    ck_assert_uint_eq(counter_of(result, "fault_count"), PAGES);
    ck_assert_uint_eq(counter_of(result, "event_failed_count"), 0);
    ck_assert_uint_eq(counter_of(result, "event_skipped_count"), 0);
    ck_assert_uint_eq(value_of(result, "end.anon_bytes"), PAGES * 4096);
    assert_identities(result);
}

START_TEST(pte_chains_of_32_processes)
{
    g_autofree char *old =
        g_strdup_printf("kernel=2.6.2 %s", chains[_i].choices);
    g_autofree char *new =
        g_strdup_printf("kernel=6.18 rmap=pte-chain %s", chains[_i].choices);
    const struct trace *trace =
        trace_of_workload("fork-tree --size 64M --levels 5");
    uint64_t bytes = PAGES * chain_bytes((size_t)_i, PROCESSES);

    if (_i == 0)
        ck_assert_uint_eq(bytes, 16384 * 5 * 64);
    const json_t *result = result_of(trace, old);
    ck_assert_uint_eq(value_of(result, "end.rmap_bytes"), bytes);
    ck_assert_uint_eq(value_of(result, "peak.rmap_bytes"), bytes);
    assert_no_copies(result);
    ck_assert_uint_eq(value_of(result_of(trace, new), "end.rmap_bytes"), bytes);
}
END_TEST

/* A line of 32 bytes holds seven. */
START_TEST(a_chain_grows_by_a_block_for_every_seven)
{
    static const struct {
        unsigned mappers;
        uint64_t blocks;
    } rows[] = {{1, 0}, {2, 1}, {7, 1}, {8, 2}, {14, 2}, {15, 3}};
    GString *lines = g_string_new("1 start\n"
                                  "1 mmap A 4K rw- anon,private\n"
                                  "1 w A 4K\n");

    for (unsigned child = 2; child <= 15; child++)
        g_string_append_printf(lines, "1 fork %u\n", child);
    const struct trace *trace = trace_of_lines(lines->str);
    g_string_free(lines, TRUE);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        const json_t *result = result_after(
            trace, "kernel=2.6.2 machine=i386 knob.l1_line_bytes=32",
            2 + rows[i].mappers);
        ck_assert_uint_eq(value_of(result, "end.rmap_bytes"),
                          rows[i].blocks * 32);
    }
}
END_TEST

/* Processes as they are made, by who maps a page first. */
enum exit_order { OLDEST_FIRST, YOUNGEST_FIRST, EVERY_SEVENTH, ORDER_COUNT };

static unsigned
process_to_exit(enum exit_order order, unsigned nth)
{
    switch (order) {
    case OLDEST_FIRST:
        return 1 + nth;
    case YOUNGEST_FIRST:
        return PROCESSES - nth;
    case EVERY_SEVENTH:  // one entry of each block before a second of any
        return 1 + nth * 7 % PROCESSES;
    case ORDER_COUNT:
        break;
    }
    ck_abort_msg("no such order");
    return 0;
}

/* The tree, then all exit; some unmap by hand, which removes as well. */
static struct trace *
tree_with_exits(enum exit_order order)
{
    GString *lines = g_string_new("1 start\n"
                                  "1 mmap A 1M rw- anon,private\n"
                                  "1 w A 1M\n");

    for (unsigned made = 1; made < PROCESSES; made *= 2)
        for (unsigned parent = 1; parent <= made; parent++)
            g_string_append_printf(lines, "%u fork %u\n", parent,
                                   parent + made);
    for (unsigned i = 0; i < PROCESSES; i++)
        g_string_append_printf(lines, "%u %s\n", process_to_exit(order, i),
                               i % 3 == 2 ? "munmap A 1M" : "exit");
    struct trace *trace = trace_of_lines(lines->str);
    g_string_free(lines, TRUE);
    return trace;
}

START_TEST(chains_shrink_as_entries_go_in_any_order)
{
    size_t machine = (size_t)_i / ORDER_COUNT;
    const struct trace *trace = tree_with_exits((enum exit_order)(_i % 3));
    size_t forked = trace->events->len - PROCESSES;
    g_autofree char *choices =
        g_strdup_printf("kernel=2.6.2 %s", chains[machine].choices);

    for (unsigned gone = 0; gone <= PROCESSES; gone++) {
        const json_t *result = result_after(trace, choices, forked + gone);
        MUST(value_of(result, "end.rmap_bytes") ==
                 256 * chain_bytes(machine, PROCESSES - gone),
             "%s, %u gone: %" PRIu64 " bytes", choices, gone,
             value_of(result, "end.rmap_bytes"));
        MUST(counter_of(result, "copy_page_count") == 0, "a page was copied");
    }
}
END_TEST

/* The first form's object is a lock and a list, whatever the kernel. */
START_TEST(one_anon_vma_serves_the_whole_tree)
{
    static const struct {
        const char *choices;
        uint64_t bytes;
    } rows[] = {
        {"kernel=2.6.5-aa1 machine=i386", 12},
        {"kernel=2.6.5-aa1 machine=xeon-ht-2004", 12},
        {"kernel=2.6.7 machine=i386", 12},
        {"kernel=2.6.7 machine=i386-pae", 12},
        {"kernel=2.6.7 machine=x86-64", 24},
        {"kernel=2.6.2 machine=i386 rmap=anon-vma", 12},
        {"kernel=2.6.32 machine=x86-64", 24},
        {"kernel=6.18 machine=x86-64 rmap=anon-vma", 24},
        {"kernel=6.18 machine=i386 rmap=anon-vma", 12},
    };
    const struct trace *trace =
        trace_of_workload("fork-tree --size 64M --levels 5");
    const json_t *result = result_of(trace, rows[_i].choices);

    ck_assert_uint_eq(value_of(result, "end.rmap_bytes"), rows[_i].bytes);
    ck_assert_uint_eq(value_of(result, "peak.rmap_bytes"), rows[_i].bytes);
    ck_assert_uint_eq(value_of(result, "end.task_count"), PROCESSES);
    assert_no_copies(result);

    for (enum exit_order order = 0; order < ORDER_COUNT; order++) {
        const struct trace *exits = tree_with_exits(order);
        const json_t *last =
            result_after(exits, rows[_i].choices, exits->events->len - 1);
        ck_assert_uint_eq(value_of(last, "end.rmap_bytes"), rows[_i].bytes);
        ck_assert_uint_eq(
            value_of(result_of(exits, rows[_i].choices), "end.rmap_bytes"), 0);
    }
}
END_TEST

/* A family for each process, and a link from it to each family of its
 * ancestors and to its own, whatever the kernel. */
START_TEST(a_chain_of_families_grows_with_every_generation)
{
    static const struct {
        const char *choices;
        uint64_t family_bytes, link_bytes;
    } rows[] = {
        {"kernel=2.6.38 machine=x86-64", 40, 48},
        {"kernel=6.18 machine=x86-64", 104, 64},
        {"kernel=2.6.2 machine=x86-64 rmap=anon-vma-chain", 24, 48},
        {"kernel=2.6.32 machine=x86-64 rmap=anon-vma-chain", 24, 48},
    };
    const struct trace *trace =
        trace_of_workload("fork-tree --size 64M --levels 5");

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        ck_assert_uint_eq(
            value_of(result_of(trace, rows[i].choices), "end.rmap_bytes"),
            PROCESSES * rows[i].family_bytes +
                (PROCESSES * 5 / 2 + PROCESSES) * rows[i].link_bytes);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("must_hold/fork_tree");
    TCase *tcase = tcase_create("fork_tree");

    tcase_add_checked_fixture(tcase, runs_setup, runs_teardown);
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, pte_chains_of_32_processes, 0,
                        G_N_ELEMENTS(chains));
    tcase_add_test(tcase, a_chain_grows_by_a_block_for_every_seven);
    tcase_add_test(tcase, a_chain_of_families_grows_with_every_generation);
    tcase_add_loop_test(tcase, chains_shrink_as_entries_go_in_any_order, 0,
                        ORDER_COUNT * G_N_ELEMENTS(chains));
    tcase_add_loop_test(tcase, one_anon_vma_serves_the_whole_tree, 0, 9);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
