/*
 * Which runs of a recording are lower bounds, and why; small traces.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/run_suite.h"
#include "tests/sim/program.h"

#define FAULTS "#vmtrace 1\n#touches faults 6.18.44\n"

static const struct {
    const char *trace, *argument;
    const char *reason;  // NULL: exact
} runs[] = {
    {"#vmtrace 1\n1 start\n", "--kernel=6.18", NULL},
    {"#vmtrace 1\n#touches filtered\n1 start\n", "--kernel=6.18",
     "the trace holds a selection of the touches"},

    /* What madvise free left, the program may have written again. */
    {FAULTS "#rewrite purge\n1 start\n1 mmap A 8K rw- anon\n1 w A 8K\n"
            "1 purge A 8K\n",
     "--policy=purge=dontneed", NULL},
    {FAULTS "#rewrite purge:free\n1 start\n1 mmap A 8K rw- anon\n1 w A 8K\n"
            "1 purge A 8K\n",
     "--policy=purge=dontneed",
     "event 4 (1 purge A 8K): a purge took pages that the recorded run kept"},
    {FAULTS "#rewrite purge:free\n1 start\n1 mmap A 8K rw- anon\n1 w A 8K\n"
            "1 purge A 8K\n",
     "--policy=purge=vrange-full", NULL},
    {FAULTS "#rewrite purge:free\n1 start\n1 mmap A 8K rw- anon\n"
            "1 purge A 8K\n",
     "--policy=purge=dontneed", NULL},

    /* The recorded kernel had no zero page: a write behind the read is not in
     * the trace. */
    {"#vmtrace 1\n#touches faults 2.6.24\n1 start\n1 mmap A 4K rw- anon\n"
     "1 r A 4K = fresh\n",
     "--kernel=6.18",
     "event 3 (1 r A 4K = fresh): the zero page is mapped where the recorded "
     "run had a page of its own"},
    {FAULTS "1 start\n1 mmap A 4K rw- anon\n1 r A 4K = zero\n",
     "--policy=zero-page=none", NULL},

    /* Fault-around came with 3.15. */
    {FAULTS "1 start\n1 mmap F 64K r-- file=f\n1 r F 4K = file\n",
     "--kernel=6.18", NULL},
    {FAULTS "1 start\n1 mmap F 64K r-- file=f\n1 r F 4K = file\n",
     "--kernel=2.6.24",
     "event 3 (1 r F 4K = file): one page of a file is mapped where the "
     "recorded kernel mapped those around it, too"},
    {"#vmtrace 1\n#touches faults 2.6.32\n1 start\n1 mmap F 64K r-- file=f\n"
     "1 r F 4K = file\n",
     "--kernel=2.6.24", NULL},
};

START_TEST(a_run_is_exact_or_says_what_broke_it)
{
    write_file("t", runs[_i].trace);
    json_t *result = replay_result("t", runs[_i].argument, NULL);
    const char *validity =
        json_string_value(json_object_get(result, "validity"));
    const char *reason =
        json_string_value(json_object_get(result, "validity_reason"));

    ck_assert_str_eq(validity, runs[_i].reason ? "lower-bound" : "exact");
    ck_assert_msg(g_strcmp0(reason, runs[_i].reason) == 0, "%s", reason);
    json_decref(result);
}
END_TEST

START_TEST(tables_mark_a_lower_bound)
{
    write_file("t", "#vmtrace 1\n#touches filtered\n1 start\n");
    struct outcome outcome = run_vmsim("replay", "t", NULL);

    ck_assert_int_eq(outcome.status, 0);
    ck_assert_ptr_nonnull(
        strstr(outcome.out,
               ">= a lower bound: the trace holds a selection of the touches"));
    outcome_clear(&outcome);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("sim/validity");
    TCase *tests = tcase_create("validity");

    tcase_add_checked_fixture(tests, enter_folder, leave_folder);
    tcase_add_loop_test(tests, a_run_is_exact_or_says_what_broke_it, 0,
                        G_N_ELEMENTS(runs));
    tcase_add_test(tests, tables_mark_a_lower_bound);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
