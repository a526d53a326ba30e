/*
 * Deep checks: what walks whole structures after every event changes no result,
 * and is not in the program.
 *
 * vmsim-deep is the same program with every deep check on.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/run_suite.h"
#include "tests/sim/program.h"

#define KERNELS "--kernel=2.4.21,2.6.7,2.6.22-nozero,3.9-vrange,6.18"

/* Sweeps: the arguments of each, NULL-terminated. */
static const char *const sweeps[][8] = {
    {"touches", KERNELS, "--policy=rmap=pte-chain,anon-vma"},
    {"pressure", KERNELS, "--ram=64M"},
    {"ebizzy", KERNELS, "--policy=gap=linear,area-cache,hole-size,rb-gap"},
    {"jemalloc", KERNELS, "--policy=purge=ignore,dontneed,free,vrange-full"},
    {"fork-tree", KERNELS, "--policy=cow=page-count,mapcount,exclusive"},
    {"stacks", KERNELS, "--policy=guard=mprotect,gap,none"},
    {"users", KERNELS, "--policy=clear=on-alloc,nozero,never"},
};

static const struct {
    const char *name;
    const char *arguments[8];
} generated[] = {
    {"ebizzy",
     {"ebizzy", "--threads=2", "--records=2", "--chunks=4",
      "--chunk-size=64K"}},
    {"jemalloc",
     {"ebizzy", "--threads=2", "--records=2", "--chunks=4", "--chunk-size=64K",
      "--allocator=jemalloc"}},
    {"fork-tree", {"fork-tree", "--size=512K", "--levels=3"}},
    {"stacks", {"nptl-stacks", "--threads=6"}},
    {"users", {"users", "--uids=2", "--size=128K", "--rounds=2"}},
};

static void
assert_well(struct outcome outcome)
{
    ck_assert_msg(outcome.status == 0, "%s", outcome.err);
    outcome_clear(&outcome);
}

static void
setup(void)
{
    enter_folder();
    write_file("touches", "#vmtrace 1\n"
                          "0 file F 64K\n"
                          "1 start\n"
                          "1 mmap A 256K rw- anon,private\n"
                          "1 mmap B 64K rw- private file=F\n"
                          "1 r A 128K\n"
                          "1 w A+64K 128K stride=8K\n"
                          "1 w B 32K\n"
                          "1 fork 2\n"
                          "2 w A 64K\n"
                          "1 mprotect A+16K 32K r--\n"
                          "1 w A 64K\n"
                          "1 mremap A+128K 64K 128K maymove as=C\n"
                          "1 w C 128K\n"
                          "2 exit\n"
                          "1 madvise C 64K dontneed\n"
                          "1 munmap A 64K\n"
                          "1 brk 132K\n"
                          "1 w heap 132K\n");
    write_file("pressure", "#vmtrace 1\n"
                           "0 file G 4M\n"
                           "1 start\n"
                           "1 mmap F 4M r-- private file=G\n"
                           "1 r F 4M\n"
                           "0 hog 20M\n"
                           "1 mmap A 4M rw- anon,private\n"
                           "1 w A 256K\n"
                           "1 madvise A 64K free\n"
                           "1 w A+256K 3M\n"
                           "2 start\n"
                           "2 mmap B 8M rw- anon,private\n"
                           "2 w B 8M\n"
                           "1 w A 64K\n");
    for (size_t i = 0; i < G_N_ELEMENTS(generated); i++) {
        const char *const *words = generated[i].arguments;
        assert_well(run_vmsim("gen", words[0], "-o", generated[i].name,
                              words[1], words[2], words[3], words[4], words[5],
                              NULL));
    }
}

static struct outcome
sweep(const char *program, const char *const *words)
{
    struct limits limits = {.program = program};

    return run_vmsim_within(&limits, "sweep", words[0], words[1], words[2],
                            NULL);
}

START_TEST(deep_checks_change_no_result)
{
    struct outcome plain = sweep(NULL, sweeps[_i]);
    struct outcome deep = sweep(getenv("VMSIM_DEEP"), sweeps[_i]);

    ck_assert_msg(plain.status == 0, "%s", plain.err);
    ck_assert_msg(deep.status == 0, "%s", deep.err);
    ck_assert_ptr_nonnull(strstr(plain.out, "\"counters\""));
    ck_assert_str_eq(plain.out, deep.out);
    outcome_clear(&plain);
    outcome_clear(&deep);
}
END_TEST

/* Runs out of memory, so that reclaim and the killer have been at work. */
START_TEST(the_trace_of_pressure_is_one)
{
    json_t *result =
        replay_result("pressure", "--ram=64M", "--kernel=6.18", NULL);

    ck_assert_int_gt(integer_at(result, "counters.reclaim_scanned_pages"), 0);
    ck_assert_int_gt(integer_at(result, "counters.oom_kill_count"), 0);
    json_decref(result);
}
END_TEST

static char *
symbols_of(const char *program)
{
    const char *argv[] = {"nm", program, NULL};
    char *out = NULL;

    ck_assert(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL,
                           NULL, &out, NULL, NULL, NULL));
    return out;
}

START_TEST(the_program_has_no_deep_check_in_it)
{
    g_autofree char *plain = symbols_of(getenv("VMSIM"));
    g_autofree char *deep = symbols_of(getenv("VMSIM_DEEP"));

    ck_assert_ptr_nonnull(strstr(plain, " machine_create\n"));
    ck_assert_ptr_null(strstr(plain, " machine_validate\n"));
    ck_assert_ptr_nonnull(strstr(deep, " machine_validate\n"));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("sim/deep");
    TCase *tcase = tcase_create("deep");

    tcase_set_timeout(tcase, 100);
    tcase_add_checked_fixture(tcase, setup, leave_folder);
    tcase_add_loop_test(tcase, deep_checks_change_no_result, 0,
                        G_N_ELEMENTS(sweeps));
    tcase_add_test(tcase, the_trace_of_pressure_is_one);
    if (!DEEP_CHECKS)
        tcase_add_test(tcase, the_program_has_no_deep_check_in_it);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
