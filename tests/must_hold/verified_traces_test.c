/*
 * Whole traces on the host's kernel, compared after every event: the committed
 * recordings, and small traces of all workloads.
 *
 * Elsewhere than on 6.18 as root nothing is carried out, and the test says so.
 * A difference must come back to count: other work of the host may disturb a
 * run, but not every run.
 */
#include "tests/must_hold/runs.h"

#include "sim/verify.h"
#include "sim/verify_shrink.h"
#include "tests/run_suite.h"

#include <stdio.h>
#include <string.h>

#define RUN_COUNT_MAX 3

/* What differs from what is simulated with these policies; NULL: nothing. */
static char *
difference_of(const struct trace *trace, const GArray *policies,
              struct setup *setup)
{
    const struct verify_wishes wishes = {0};
    char *difference = NULL;
    bool is_exact;

    MUST(verify_setup(setup, runs_catalog(), policies, &is_exact, NULL),
         "no setup imitates this host");
    for (int run = 0; run < RUN_COUNT_MAX; run++) {
        struct verify_result result;
        GError *error = NULL;
        MUST(verify_trace(trace, setup, &wishes, &result, &error), "%s: %s",
             trace->path, error->message);
        g_free(difference);
        difference = result.differs
                         ? g_strdup_printf("event %zu: %s", result.event + 1,
                                           result.difference)
                         : NULL;
        verify_result_clear(&result);
        if (!difference)
            break;
    }
    return difference;
}

static GArray *
no_policies(void)
{
    return g_array_new(FALSE, FALSE, sizeof(struct setup_choice));
}

static void
agrees(const struct trace *trace)
{
    g_autoptr(GArray) none = no_policies();
    struct setup setup;
    g_autofree char *difference = difference_of(trace, none, &setup);

    MUST(!difference, "%s: %s", trace->path, difference);
}

static bool
is_skipped(void)
{
    const char *obstacle = verify_obstacle();

    if (obstacle)
        printf("# not carried out: %s\n", obstacle);
    return obstacle != NULL;
}

START_TEST(a_recording_agrees_with_the_host_at_every_event)
{
    if (!is_skipped())
        agrees(trace_of_file(committed_recordings()[_i]));
}
END_TEST

static const char *const workloads[] = {
    "ebizzy --threads 2 --records 60",
    "ebizzy --threads 2 --records 60 --allocator glibc-static",
    "ebizzy --threads 2 --records 60 --allocator glibc-dynamic",
    "ebizzy --threads 2 --records 60 --allocator jemalloc",
    "nptl-stacks --threads 40",
    "fork-tree --size 2M --levels 3",
    "sparse --size 4M --write-fraction 0.3",
    "users --uids 3 --size 1M --rounds 2",
    "brk-pingpong --rounds 40",
    "kernel-build --units 2 --jobs 2",
    "snapshot --size 1M --rounds 2",
};

START_TEST(a_workload_agrees_with_the_host_at_every_event)
{
    if (!is_skipped())
        agrees(trace_of_workload(workloads[_i]));
}
END_TEST

/* What programs seldom do. */
static const char *const odd_programs[] = {
    "1 start rlimit-stack=64K\n"
    "1 mmap S 256K rw- anon,private,growsdown at=0x20000000\n"
    "1 w 0x1ff00000 2M\n",
    "1 start\n"
    "1 mmap A 4K r-- anon,private off=1\n"
    "1 mmap A 0 r-- anon,private off=1\n"
    "1 mmap A 4K r-- private,file=F off=4097\n"
    "1 mmap A 4K r-- private,file=F off=4K\n",
};

START_TEST(odd_programs_agree_with_the_host)
{
    if (!is_skipped())
        agrees(trace_of_lines(odd_programs[_i]));
}
END_TEST

/* The simulation is made wrong; what shows it must be short, and differ again
 * when it is carried out as a trace of its own. */
START_TEST(a_difference_is_shrunk_to_the_lines_that_make_it)
{
    const struct setup_choice wrong = {SETUP_POLICY, "cow", "mapcount"};
    const struct trace *trace = trace_of_lines("1 start\n"
                                               "1 mmap A 64K rw- anon,private\n"
                                               "1 mmap B 64K rw- anon,private\n"
                                               "1 w A 64K\n"
                                               "1 r B 64K\n"
                                               "1 fork 2\n"
                                               "1 brk 64K\n"
                                               "1 munmap B 16K\n"
                                               "2 w A+4K 4K\n"
                                               "2 w heap 4K\n"
                                               "1 w A 64K\n"
                                               "2 exit\n");
    g_autoptr(GArray) policies = no_policies();
    struct verify_result result;
    struct setup setup;
    bool is_exact;

    if (is_skipped())
        return;
    g_array_append_val(policies, wrong);
    MUST(verify_setup(&setup, runs_catalog(), policies, &is_exact, NULL) &&
             !is_exact,
         "no setup imitates this host");
    MUST(verify_trace(trace, &setup, &(struct verify_wishes){0}, &result,
                      NULL) &&
             result.differs,
         "the host agrees with cow=mapcount");
    g_autoptr(GPtrArray) lines = lines_of_trace(trace);
    result.line = result.event + 2;  // the first line is no event
    shrink_lines(lines, &setup, &result);
    ck_assert_uint_le(lines->len, 7);
    ck_assert_str_eq(lines->pdata[0], "#vmtrace 1");
    MUST(g_str_has_prefix(result.difference, "page "), "%s", result.difference);
    verify_result_clear(&result);
    struct trace *minimal = lines_load(lines, NULL);
    g_autofree char *again = difference_of(minimal, policies, &setup);
    ck_assert_ptr_nonnull(again);
    agrees(minimal);
    trace_free(minimal);
}
END_TEST

START_TEST(what_would_harm_a_host_is_refused)
{
    static const char *const traces[][2] = {
        {"1 start\n0 hog 1G\n", "event 2: hog is not carried out on a host"},
        {"1 start\n1 fork 2\n1 ptrace 2\n", "event 3: ptrace"},
        {"1 start\n1 mmap A 64T rw- anon,private,noreserve\n1 w A 64T\n",
         "event 3: w may need more than a quarter"},
        {"0 file F 4G\n1 start\n1 mmap A 4K r-- private,file=F\n1 r A 4K\n",
         "larger than 1G"},
    };
    g_autoptr(GArray) none = no_policies();
    struct verify_result result;
    struct setup setup;
    bool is_exact;

    if (is_skipped())
        return;
    MUST(verify_setup(&setup, runs_catalog(), none, &is_exact, NULL) &&
             is_exact,
         "no setup imitates this host");
    for (size_t i = 0; i < G_N_ELEMENTS(traces); i++) {
        g_autoptr(GError) error = NULL;
        bool ok = verify_trace(trace_of_lines(traces[i][0]), &setup,
                               &(struct verify_wishes){0}, &result, &error);
        MUST(!ok && strstr(error->message, traces[i][1]), "%s: %s",
             traces[i][0], error ? error->message : "carried out");
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("verified_traces");
    TCase *tcase = tcase_create("traces");

    tcase_set_timeout(tcase, 240);
    tcase_add_checked_fixture(tcase, runs_setup, runs_teardown);
    tcase_add_loop_test(tcase, a_recording_agrees_with_the_host_at_every_event,
                        0, 4);
    tcase_add_loop_test(tcase, a_workload_agrees_with_the_host_at_every_event,
                        0, (int)G_N_ELEMENTS(workloads));
    tcase_add_loop_test(tcase, odd_programs_agree_with_the_host, 0,
                        (int)G_N_ELEMENTS(odd_programs));
    tcase_add_test(tcase, a_difference_is_shrunk_to_the_lines_that_make_it);
    tcase_add_test(tcase, what_would_harm_a_host_is_refused);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
