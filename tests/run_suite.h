/*
 * The end of every test program: run the suite, tell meson.
 */
#pragma once

#include <check.h>
#include <stdlib.h>

static inline int
run_suite(Suite *suite)
{
    /* Check cuts messages at 8191 bytes, but a test that has one of more than
     * 4 KiB ends without it. */
    setenv("CK_MAX_MSG_SIZE", "16384", 0);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed_count = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed_count != 0;
}
