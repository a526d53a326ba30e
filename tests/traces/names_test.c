/*
 * The persistent name table against plain arrays: many copies, random binds.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "tests/run_suite.h"
#include "tests/traces/random.h"
#include "traces/trace_names.h"

enum { TABLES = 20, NAMES = 5000, STEPS = 20000 };

START_TEST(copies_change_independently)
{
    struct trace_names tables[TABLES] = {0};
    uint32_t(*model)[NAMES] = g_malloc(sizeof(uint32_t[TABLES][NAMES]));
    uint64_t state = 1;
    memset(model, 0xff, sizeof(uint32_t[TABLES][NAMES]));

    for (uint32_t step = 0; step < STEPS; step++) {
        uint32_t source = random_below(&state, TABLES);
        uint32_t target = random_below(&state, TABLES);
        uint32_t name = random_below(&state, NAMES);
        if (step % 50 == 0 && source != target) {
            trace_names_clear(&tables[target]);
            tables[target] = trace_names_copy(&tables[source]);
            memcpy(model[target], model[source], sizeof(model[0]));
        } else {
            trace_names_set(&tables[source], name, step);
            model[source][name] = step;
        }
    }
    for (unsigned i = 0; i < TABLES; i++) {
        for (uint32_t name = 0; name < NAMES; name++)
            ck_assert_uint_eq(trace_names_get(&tables[i], name),
                              model[i][name]);
        trace_names_clear(&tables[i]);
    }
    g_free(model);
}
END_TEST

START_TEST(the_largest_name_can_be_bound)
{
    struct trace_names names = {.root = NULL};
    ck_assert_uint_eq(trace_names_get(&names, 0), UINT32_MAX);
    trace_names_set(&names, 0, 1);
    ck_assert_uint_eq(trace_names_get(&names, UINT32_MAX - 1), UINT32_MAX);
    trace_names_set(&names, UINT32_MAX - 1, 2);
    ck_assert_uint_eq(trace_names_get(&names, UINT32_MAX - 1), 2);
    ck_assert_uint_eq(trace_names_get(&names, 0), 1);
    ck_assert_uint_eq(trace_names_get(&names, 64), UINT32_MAX);
    trace_names_clear(&names);
    ck_assert_uint_eq(trace_names_get(&names, 0), UINT32_MAX);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("names");
    TCase *tests = tcase_create("names");

    tcase_add_test(tests, copies_change_independently);
    tcase_add_test(tests, the_largest_name_can_be_bound);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
