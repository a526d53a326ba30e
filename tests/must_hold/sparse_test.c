/*
 * A big table that is read from end to end and then written here and there:
 * with a zero page (1 - f) N frames are saved and f N faults are added.
 */
#include "tests/must_hold/runs.h"
#include "tests/run_suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PAGES UINT64_C(16384)  // 64M

static const double fractions[] = {0, 0.01, 0.1, 0.5, 1};
static const char *const zero_pages[] = {"reserved", "refcounted", "none",
                                         "special"};
static const char *const kernels[] = {"2.4.21", "2.6.2", "2.6.22", "2.6.24",
                                      "6.18"};

struct expected {
    uint64_t frames;  // anonymous, at the peak
    uint64_t faults, zero_maps, zero_breaks, fresh, copies;
};

static void
assert_expected(const struct trace *trace, const char *choices,
                const struct expected *expected)
{
    const json_t *result = result_of(trace, choices);
    const struct {
        const char *place;
        uint64_t value;
    } rows[] = {
        {"peak.anon_bytes", expected->frames * 4096},
        {"counters.fault_count", expected->faults},
        {"counters.fault_zero_map_count", expected->zero_maps},
        {"counters.fault_zero_break_count", expected->zero_breaks},
        {"counters.fault_fresh_count", expected->fresh},
        {"counters.fault_cow_copy_count", expected->copies},
        {"counters.copy_page_count", expected->copies},
        {"counters.fault_cow_reuse_count", 0},
        {"counters.clear_page_count", expected->zero_breaks + expected->fresh},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        MUST(value_of(result, rows[i].place) == rows[i].value,
             "%s: %s is %llu, not %llu", choices, rows[i].place,
             (unsigned long long)value_of(result, rows[i].place),
             (unsigned long long)rows[i].value);
    assert_identities(result);
}

/* Read all N pages once, then write `written` of them. */
static struct expected
expect_read_then_write(const char *zero_page, uint64_t written)
{
    if (strcmp(zero_page, "none") == 0)
        return (struct expected){
            .frames = PAGES, .faults = PAGES, .fresh = PAGES};
    return (struct expected){.frames = written,
                             .faults = PAGES + written,
                             .zero_maps = PAGES,
                             .zero_breaks = written};
}

static struct expected
times(struct expected expected, uint64_t factor)
{
    return (struct expected){
        .frames = expected.frames * factor,
        .faults = expected.faults * factor,
        .zero_maps = expected.zero_maps * factor,
        .zero_breaks = expected.zero_breaks * factor,
        .fresh = expected.fresh * factor,
        .copies = expected.copies * factor,
    };
}

static uint64_t
pages_written(double fraction)
{
    return (uint64_t)floor(fraction * (double)PAGES + 0.5);
}

static struct trace *
sparse_trace(double fraction, const char *options)
{
    g_autofree char *command =
        g_strdup_printf("sparse --write-fraction %g %s", fraction, options);

    return trace_of_workload(command);
}

/* In order, shuffled, and by two processes, under every kernel. */
START_TEST(a_zero_page_saves_a_frame_and_costs_a_fault)
{
    static const struct {
        const char *options;
        uint64_t processes;
    } shapes[] = {
        {"--processes 1", 1},           {"--shuffle", 1},
        {"--shuffle --seed 7", 1},      {"--processes 2", 2},
        {"--processes 2 --shuffle", 2},
    };
    const char *zero_page = zero_pages[(size_t)_i / G_N_ELEMENTS(shapes)];
    size_t shape = (size_t)_i % G_N_ELEMENTS(shapes);

    for (size_t i = 0; i < G_N_ELEMENTS(fractions); i++) {
        const struct trace *trace =
            sparse_trace(fractions[i], shapes[shape].options);
        struct expected expected = times(
            expect_read_then_write(zero_page, pages_written(fractions[i])),
            shapes[shape].processes);

        for (size_t k = 0; k < G_N_ELEMENTS(kernels); k++) {
            g_autofree char *choices = g_strdup_printf(
                "kernel=%s ram=1G zero-page=%s", kernels[k], zero_page);
            assert_expected(trace, choices, &expected);
        }
    }
}
END_TEST

/*
 * After the fork the child reads all and writes the same pages.
 *
 * Where page tables were copied, a page that the parent has written is shared
 * and copied by the child's write, and one that it has only read is shared or
 * the zero page: no fault to read either.  Where the fork skipped a VMA that
 * has no anon identity (nothing was written, no frame was taken), the child
 * begins with nothing.
 */
static struct expected
expect_fork(const char *zero_page, const char *fork, uint64_t written)
{
    struct expected expected = expect_read_then_write(zero_page, written);
    bool has_identity = written > 0 || expected.fresh > 0;

    if (!has_identity && strcmp(fork, "skip-unfaulted") == 0)
        return times(expected, 2);
    expected.copies = written;
    expected.faults += written;
    expected.frames += written;
    return expected;
}

START_TEST(a_fork_copies_the_tables_of_a_vma_that_was_only_read_or_not)
{
    static const char *const forks[] = {"copy-all", "skip-unfaulted"};
    const char *fork = forks[_i % 2];
    const char *zero_page = zero_pages[_i / 2];

    for (size_t i = 0; i < G_N_ELEMENTS(fractions); i++) {
        const struct trace *trace = sparse_trace(fractions[i], "--fork");
        struct expected expected =
            expect_fork(zero_page, fork, pages_written(fractions[i]));

        for (size_t k = 0; k < G_N_ELEMENTS(kernels); k++) {
            g_autofree char *choices =
                g_strdup_printf("kernel=%s ram=1G zero-page=%s fork=%s",
                                kernels[k], zero_page, fork);
            assert_expected(trace, choices, &expected);
        }
    }
}
END_TEST

/* The tables themselves, before the child touches anything. */
START_TEST(a_fork_allocates_tables_only_for_what_it_copies)
{
    const struct trace *trace = trace_of_lines("1 start\n"
                                               "1 mmap A 64M rw- anon,private\n"
                                               "1 r A 64M\n"
                                               "1 fork 2");
    uint64_t one =
        value_of(result_after(trace, "kernel=6.18", 3), "end.pagetable_bytes");
    const json_t *skipped = result_of(trace, "kernel=6.18 fork=skip-unfaulted");
    const json_t *copied = result_of(trace, "kernel=6.18 fork=copy-all");

    ck_assert_uint_ge(one, PAGES / 512 * 4096);
    ck_assert_uint_eq(value_of(skipped, "end.pagetable_bytes"), one);
    ck_assert_uint_eq(value_of(copied, "end.pagetable_bytes"), 2 * one);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("must_hold/sparse");
    TCase *tcase = tcase_create("sparse");

    tcase_add_checked_fixture(tcase, runs_setup, runs_teardown);
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, a_zero_page_saves_a_frame_and_costs_a_fault, 0,
                        20);
    tcase_add_loop_test(
        tcase, a_fork_copies_the_tables_of_a_vma_that_was_only_read_or_not, 0,
        8);
    tcase_add_test(tcase, a_fork_allocates_tables_only_for_what_it_copies);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
