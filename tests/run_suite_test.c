/*
 * What tests have to say is said, however long it is.
 */
#include "tests/run_suite.h"

#include <stdio.h>
#include <string.h>

enum { MESSAGE_BYTES = 8000 };

START_TEST(fails_with_a_long_message)
{
    char message[MESSAGE_BYTES + 1];

    memset(message, 'x', MESSAGE_BYTES);
    message[MESSAGE_BYTES] = '\0';
    ck_abort_msg("%s", message);
}
END_TEST

/* Another runner, whose failure is wanted. */
START_TEST(a_long_message_is_no_end_without_one)
{
    Suite *suite = suite_create("inner");
    TCase *tcase = tcase_create("inner");

    tcase_add_test(tcase, fails_with_a_long_message);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    unsetenv("CK_TAP_LOG_FILE_NAME");
    srunner_run_all(runner, CK_SILENT);
    ck_assert_int_eq(srunner_ntests_failed(runner), 1);
    TestResult **failures = srunner_failures(runner);
    ck_assert_uint_eq(strlen(tr_msg(failures[0])), MESSAGE_BYTES);
    free(failures);
    srunner_free(runner);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("run_suite");
    TCase *tcase = tcase_create("messages");

    tcase_add_test(tcase, a_long_message_is_no_end_without_one);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
