/*
 * The end of every test program: run the suite, tell meson.
 */
#pragma once

#include <check.h>

static inline int
run_suite(Suite *suite)
{
    SRunner *runner = srunner_create(suite);

    srunner_run_all(runner, CK_ENV);
    int failed_count = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed_count != 0;
}
