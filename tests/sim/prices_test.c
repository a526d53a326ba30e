/*
 * Pricing: nothing is lost between the costs and their total.
 */
#include <check.h>
#include <stdlib.h>

#include "sim/prices.h"
#include "tests/run_suite.h"

static uint64_t
sum_of_costs(const struct simulated_time *time)
{
    uint64_t sum = 0;

    for (int i = 0; i < COST_COUNT; i++)
        sum += time->cost[i];
    return sum;
}

START_TEST(a_run_of_nothing_takes_no_time)
{
    uint64_t charges[CHARGE_COUNT] = {0}, prices[CHARGE_COUNT] = {0};
    struct simulated_time time = price_run(charges, prices, 0, 0);

    ck_assert_uint_eq(time.elapsed, 0);
    ck_assert_uint_eq(sum_of_costs(&time), 0);
}
END_TEST

START_TEST(charges_of_one_cost_are_added)
{
    uint64_t charges[CHARGE_COUNT] = {0}, prices[CHARGE_COUNT] = {0};

    charges[CHARGE_clear_page_warm] = 3;
    charges[CHARGE_clear_page_cold] = 2;
    prices[CHARGE_clear_page_warm] = 36000;
    prices[CHARGE_clear_page_cold] = 147000;
    struct simulated_time time = price_run(charges, prices, 700, 30);
    ck_assert_uint_eq(time.cost[COST_clear_page], 3 * 36 + 2 * 147);
    ck_assert_uint_eq(time.cost[COST_kwork], 30);
    ck_assert_uint_eq(time.cost[COST_work], 700);
    ck_assert_uint_eq(time.user, 700);
    ck_assert_uint_eq(time.system, 3 * 36 + 2 * 147 + 30);
    ck_assert_uint_eq(time.elapsed, time.user + time.system);
}
END_TEST

START_TEST(rounding_happens_once)
{
    uint64_t charges[CHARGE_COUNT], prices[CHARGE_COUNT], sum = 0;

    for (int i = 0; i < CHARGE_COUNT; i++) {
        charges[i] = (uint64_t)i + 1;
        prices[i] = 400;  // each cost alone would round to something else
        sum += charges[i] * prices[i];
    }
    struct simulated_time time = price_run(charges, prices, 5, 0);
    ck_assert_uint_eq(time.system, (sum + 500) / 1000);
    ck_assert_uint_eq(sum_of_costs(&time), time.user + time.system);
}
END_TEST

START_TEST(sums_beyond_64_bits_of_picoseconds_are_exact)
{
    uint64_t charges[CHARGE_COUNT] = {0}, prices[CHARGE_COUNT] = {0};

    charges[CHARGE_disk_seek] = UINT64_C(10000000000);
    prices[CHARGE_disk_seek] = UINT64_C(12700000000);
    struct simulated_time time = price_run(charges, prices, 0, 0);
    ck_assert_uint_eq(time.system, UINT64_C(127000000000000000));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("sim/prices");
    TCase *tcase = tcase_create("prices");

    tcase_add_test(tcase, a_run_of_nothing_takes_no_time);
    tcase_add_test(tcase, charges_of_one_cost_are_added);
    tcase_add_test(tcase, rounding_happens_once);
    tcase_add_test(tcase, sums_beyond_64_bits_of_picoseconds_are_exact);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
