/*
 * sparse: every page is read once, and the fraction asked for is written once,
 * whatever the order.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/run_suite.h"
#include "tests/workloads/generated.h"
#include "workloads/random.h"

enum { PAGES = 256 };  // of a table of 1M

static uint64_t
size_value(const char *text)
{
    char *end;
    uint64_t value = g_ascii_strtoull(text, &end, 10);
    return *end == 'K' ? value << 10 : *end == 'M' ? value << 20 : value;
}

/* How often each page of the table is written by `task`; returns the lines. */
static unsigned
count_writes(const struct generated *generated, const char *task,
             unsigned writes[PAGES])
{
    g_autofree char *prefix = g_strdup_printf("%s w table+", task);
    unsigned line_count = 0;

    memset(writes, 0, PAGES * sizeof(writes[0]));
    for (char **line = generated->lines; *line; line++) {
        if (!g_str_has_prefix(*line, prefix))
            continue;
        uint64_t first = size_value(*line + strlen(prefix)) / 4096;
        uint64_t count = size_value(strrchr(*line, ' ') + 1) / 4096;
        ck_assert_uint_le(first + count, PAGES);
        for (uint64_t page = first; page < first + count; page++)
            writes[page]++;
        line_count++;
    }
    return line_count;
}

static unsigned
sum(const unsigned writes[PAGES])
{
    unsigned total = 0;

    for (unsigned i = 0; i < PAGES; i++) {
        ck_assert_uint_le(writes[i], 1);
        total += writes[i];
    }
    return total;
}

static const struct {
    const char *fraction;
    unsigned pages, lines;
} fractions[] = {
    {"0", 0, 0},       {"0.01", 3, 3},        {"0.25", 64, 64},
    {"0.5", 128, 128}, {"0.75", 192, 64},     {"0.998", 255, 1},
    {"1", 256, 1},     {"0.001953125", 1, 1},  // half a page rounds up
};

START_TEST(a_fraction_of_the_pages_is_written_evenly_spaced)
{
    struct generated generated;
    unsigned writes[PAGES];
    g_autofree char *command = g_strdup_printf(
        "sparse --size 1M --write-fraction %s", fractions[_i].fraction);

    generated_make(&generated, command);
    ck_assert_uint_eq(generated_count(&generated, "r table 1M"), 1);
    ck_assert_uint_eq(count_writes(&generated, "1", writes),
                      fractions[_i].lines);
    ck_assert_uint_eq(sum(writes), fractions[_i].pages);
    for (unsigned i = 0; i < 8; i++) {  // each eighth has its share, or one off
        unsigned part = 0;
        for (unsigned j = 0; j < PAGES / 8; j++)
            part += writes[i * PAGES / 8 + j];
        ck_assert_uint_le(part, fractions[_i].pages / 8 + 1);
        ck_assert_uint_ge(part + 1, fractions[_i].pages / 8);
    }
    generated_free(&generated);
}
END_TEST

START_TEST(chance_is_the_published_splitmix64)
{
    struct random random = {1234567};

    ck_assert_uint_eq(random_next(&random), UINT64_C(6457827717110365317));
    ck_assert_uint_eq(random_next(&random), UINT64_C(3203168211198807973));
    for (unsigned i = 0; i < 1000; i++)
        ck_assert_uint_lt(random_below(&random, 3), 3);
}
END_TEST

START_TEST(shuffling_changes_the_order_and_nothing_else)
{
    struct generated straight, shuffled, other;
    unsigned plain[PAGES], mixed[PAGES];

    generated_make(&straight, "sparse --size 1M --write-fraction 0.3");
    generated_make(&shuffled,
                   "sparse --size 1M --write-fraction 0.3 --shuffle");
    generated_make(&other,
                   "sparse --size 1M --write-fraction 0.3 --shuffle --seed 2");

    count_writes(&straight, "1", plain);
    ck_assert_uint_eq(count_writes(&shuffled, "1", mixed), 77);
    ck_assert_mem_eq(plain, mixed, sizeof(plain));
    ck_assert(!g_strv_equal((const char *const *)straight.lines + 2,
                            (const char *const *)shuffled.lines + 2));
    ck_assert(!g_strv_equal((const char *const *)other.lines + 2,
                            (const char *const *)shuffled.lines + 2));
    count_writes(&other, "1", mixed);
    ck_assert_mem_eq(plain, mixed, sizeof(plain));
    generated_free(&straight);
    generated_free(&shuffled);
    generated_free(&other);
}
END_TEST

START_TEST(processes_and_their_children_do_the_same)
{
    struct generated generated;
    unsigned writes[PAGES];

    generated_make(&generated, "sparse --size 1M --processes 2 --fork "
                               "--write-fraction 0.125");
    ck_assert_uint_eq(generated_count(&generated, "start"), 2);
    ck_assert_uint_eq(generated_count(&generated, "fork"), 2);
    ck_assert_uint_eq(generated_count(&generated, "r table 1M"), 4);
    for (const char *task = "1234"; *task; task++) {
        char name[] = {*task, '\0'};
        ck_assert_uint_eq(count_writes(&generated, name, writes), 32);
        ck_assert_uint_eq(sum(writes), 32);
    }
    generated_free(&generated);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("sparse");
    TCase *tests = tcase_create("sparse");

    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, a_fraction_of_the_pages_is_written_evenly_spaced,
                        0, G_N_ELEMENTS(fractions));
    tcase_add_test(tests, chance_is_the_published_splitmix64);
    tcase_add_test(tests, shuffling_changes_the_order_and_nothing_else);
    tcase_add_test(tests, processes_and_their_children_do_the_same);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
