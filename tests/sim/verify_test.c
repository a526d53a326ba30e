/*
 * verify: the host's kernel is asked where it can be.
 *
 * On 6.18 as root random programs must agree with the simulation event by
 * event; elsewhere that is skipped, and the test says so.  What can be told
 * anywhere -- random programs are traces and depend on their seed alone, the
 * shrinker keeps what matters -- is tested anywhere.
 */
#include "program.h"

#include "sim/verify.h"
#include "sim/verify_random.h"
#include "sim/verify_shrink.h"
#include "tests/run_suite.h"
#include "traces/trace.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

START_TEST(random_programs_are_traces_and_depend_on_their_seed_alone)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        const struct random_request request = {.seed = seed,
                                               .event_count = 300,
                                               .can_change_uid = true,
                                               .ram_bytes = 1 << 30};
        g_autoptr(GPtrArray) one = random_program(&request);
        g_autoptr(GPtrArray) same = random_program(&request);
        g_autoptr(GError) error = NULL;
        struct trace *trace = lines_load(one, &error);
        ck_assert_msg(trace, "%s", error ? error->message : "");
        ck_assert_uint_ge(trace->events->len, 300);
        trace_free(trace);
        ck_assert_uint_eq(one->len, same->len);
        for (guint i = 0; i < one->len; i++)
            ck_assert_str_eq(one->pdata[i], same->pdata[i]);
    }
}
END_TEST

START_TEST(two_thousand_random_operations_agree_with_the_host)
{
    static const char *const seeds[] = {"1", "2", "3", "4"};
    const char *reason = verify_obstacle();

    if (reason) {
        printf("# verify --random: not carried out: %s\n", reason);
        return;
    }
    enter_folder();
    for (size_t i = 0; i < G_N_ELEMENTS(seeds); i++) {
        struct outcome outcome =
            run_vmsim("verify", "--random", "500", "--seed", seeds[i], NULL);
        ck_assert_msg(outcome.status == 0, "%s", end_of(outcome.err));
        ck_assert_ptr_nonnull(strstr(outcome.out, "no difference"));
        outcome_clear(&outcome);
    }
    leave_folder();
}
END_TEST

/* Fork, copy-on-write, stack growth, heap and a file, by hand. */
START_TEST(a_small_trace_agrees_with_the_host)
{
    const char *reason = verify_obstacle();

    if (reason) {
        printf("# verify TRACE: not carried out: %s\n", reason);
        return;
    }
    enter_folder();
    write_file("small.vmt", "#vmtrace 1\n"
                            "0 file F 64K disk cached\n"
                            "1 start\n"
                            "1 mmap A 64K rw- anon,private\n"
                            "1 mmap B 64K rw- private,file=F\n"
                            "1 w A 8K\n"
                            "1 r A+8K 8K\n"
                            "1 r B 4K\n"
                            "1 w B+8K 4K kernel\n"
                            "1 brk 8K\n"
                            "1 w heap+4K 4K\n"
                            "1 w stack-200K 4K\n"
                            "1 fork 2\n"
                            "2 w A 8K\n"
                            "1 w A 4K\n"
                            "2 exit\n"
                            "1 munmap A+4K 4K\n"
                            "1 r A+4K 4K\n"
                            "1 mmap C 64K rwx anon,private\n"
                            "1 x C 4K stride=4095\n"
                            "1 w C+8K 4K stride=4095 kernel\n"
                            "3 start\n"
                            "3 mmap B 1M rw- anon,shared\n"
                            "3 w B 4M\n"
                            "3 fork 4\n"
                            "1 exit\n");
    struct outcome outcome = run_vmsim("verify", "small.vmt", NULL);
    ck_assert_msg(outcome.status == 0, "%s", end_of(outcome.err));
    outcome_clear(&outcome);
    leave_folder();
}
END_TEST

/* Nobody is told of a difference that the comparing itself makes. */
START_TEST(what_reaches_the_code_of_a_worker_is_refused)
{
    static const char *const lines[] = {
        "1 munmap 0x10000 4K",
        "1 munmap 0x0 1G",
        "1 munmap 0x1000 127T",
        "1 mmap B 4K rw- anon,private at=0x1000",
        "1 mmap B 8K rw- anon,private,fixed at=0xf000",
        "1 mremap A 4K 4K maymove fixed at=0x10000",
        "1 mremap 0x10000 4K 8K maymove as=B",
        "1 r 0x10fff 1",
        "1 r 0x0 128K",
        "1 w 0x10000 4K kernel",
    };
    static const char *const spared[] = {
        "1 mmap B 4K rw- anon,private,fixed at=0x11000",
        "1 mmap B 4K rw- anon,private,fixed at=0xf000",
        "1 r 0xf000 4K",
        "1 mremap A 4K 4K maymove fixed at=0x11000",
        "1 brk 1M",
        "1 w 0xfffffffffffff000 64K stride=0xffffffffffffffff",
    };

    if (verify_obstacle())
        return;
    enter_folder();
    for (size_t i = 0; i < G_N_ELEMENTS(lines) + G_N_ELEMENTS(spared); i++) {
        bool is_refused = i < G_N_ELEMENTS(lines);
        const char *line =
            is_refused ? lines[i] : spared[i - G_N_ELEMENTS(lines)];
        g_autofree char *text = g_strdup_printf(
            "#vmtrace 1\n1 start\n1 mmap A 4K rw- anon,private\n%s\n", line);
        write_file("t", text);
        struct outcome outcome = run_vmsim("verify", "t", NULL);
        ck_assert_msg(outcome.status == is_refused, "%s: %s", line,
                      end_of(outcome.err));
        ck_assert_msg(!is_refused ||
                          strstr(outcome.err, "event 3 reaches addresses "
                                              "where verify has code"),
                      "%s: %s", line, end_of(outcome.err));
        outcome_clear(&outcome);
    }
    leave_folder();
}
END_TEST

START_TEST(verify_wants_one_trace_or_a_count)
{
    enter_folder();
    struct outcome outcome = run_vmsim("verify", NULL);
    ck_assert_int_eq(outcome.status, 2);
    outcome_clear(&outcome);
    static const char *const wrong[][2] = {
        {"many", "1"}, {"9", "2-1"}, {"9", "1-"}, {"9", "1-4294967296"}};
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        outcome = run_vmsim("verify", "--random", wrong[i][0], "--seed",
                            wrong[i][1], NULL);
        ck_assert_int_eq(outcome.status, 2);
        outcome_clear(&outcome);
    }
    leave_folder();
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("verify");
    TCase *host = tcase_create("host");

    tcase_set_timeout(host, 120);
    tcase_add_test(host,
                   random_programs_are_traces_and_depend_on_their_seed_alone);
    tcase_add_test(host, two_thousand_random_operations_agree_with_the_host);
    tcase_add_test(host, a_small_trace_agrees_with_the_host);
    tcase_add_test(host, what_reaches_the_code_of_a_worker_is_refused);
    tcase_add_test(host, verify_wants_one_trace_or_a_count);
    suite_add_tcase(suite, host);
    return run_suite(suite);
}
