/*
 * Random operations reach everything that the tables of `vmsim verify` know,
 * and agree with this host: twenty seeds, twice every theme of the programs.
 *
 * Elsewhere than on 6.18, or without root, that is skipped, and the test says
 * so.  A hundred seeds, each cell at least 50 times: docs/verify.md.
 */
#include "tests/run_suite.h"
#include "tests/sim/program.h"

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static bool
is_asked_here(void)
{
    struct utsname names;

    return uname(&names) == 0 && strcmp(names.machine, "x86_64") == 0 &&
           strncmp(names.release, "6.18.", 5) == 0 && geteuid() == 0;
}

/* The number that stands right before the words. */
static double
number_before(const char *text, const char *words)
{
    const char *at = strstr(text, words);

    ck_assert_msg(at, "%s: not in\n%s", words, text);
    while (at > text && (g_ascii_isdigit(at[-1]) || at[-1] == '.'))
        at--;
    return g_ascii_strtod(at, NULL);
}

START_TEST(random_operations_reach_everything_and_agree)
{
    if (!is_asked_here()) {
        printf("# verify --random: not carried out: this is no 6.18 on x86-64, "
               "or not root\n");
        return;
    }
    enter_folder();
    struct outcome outcome =
        run_vmsim("verify", "--random", "1000", "--seed", "1-20", NULL);
    ck_assert_msg(outcome.status == 0, "%s", end_of(outcome.err));
    ck_assert_double_ge(number_before(outcome.out, " events, no difference"),
                        20000);
    ck_assert_ptr_null(strstr(outcome.out, "below 50: 0 "));
    ck_assert_ptr_null(strstr(outcome.out, "what no cell is for"));
    ck_assert_double_ge(number_before(outcome.out, " % of them present before"),
                        30);
    outcome_clear(&outcome);
    leave_folder();
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("verified");
    TCase *tcase = tcase_create("random");

    tcase_set_timeout(tcase, 240);
    tcase_add_test(tcase, random_operations_reach_everything_and_agree);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
