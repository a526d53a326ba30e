/*
 * Flushes: page by page or all at once, and the CPUs that must hear of it.
 */
#include "tests/mm/picture.h"

#include "mm/tlb.h"
#include "tests/run_suite.h"

#include <check.h>

static struct scene scene;

static void
setup(void)
{
    struct machine_config config = scene_config(kernel_fixture_6_18);

    config.cpu_count = 4;
    scene = scene_create(&config);
}

static void
teardown(void)
{
    scene_destroy(&scene);
}

START_TEST(more_than_33_pages_are_flushed_at_once)
{
    const uint64_t *charges = scene.machine->charges;

    tlb_flush(scene.mm, 33);
    ck_assert_uint_eq(charges[CHARGE_tlb_flush_page], 33);
    ck_assert_uint_eq(charges[CHARGE_tlb_flush_all], 0);
    tlb_flush(scene.mm, 34);
    ck_assert_uint_eq(charges[CHARGE_tlb_flush_page], 33);
    ck_assert_uint_eq(charges[CHARGE_tlb_flush_all], 1);
    ck_assert_uint_eq(scene.machine->counters.tlb_flush_count, 2);
}
END_TEST

START_TEST(each_other_cpu_of_the_process_is_interrupted)
{
    const uint64_t *charges = scene.machine->charges;

    scene.mm->cpu_mask = UINT64_C(1) << scene.machine->cpu;
    tlb_flush(scene.mm, 1);
    ck_assert_uint_eq(scene.machine->counters.tlb_ipi_count, 0);
    ck_assert_uint_eq(charges[CHARGE_tlb_ipi_first], 0);
    scene.mm->cpu_mask = 0xf;
    tlb_flush(scene.mm, 1);
    ck_assert_uint_eq(scene.machine->counters.tlb_ipi_count, 3);
    ck_assert_uint_eq(charges[CHARGE_tlb_ipi_first], 1);
    ck_assert_uint_eq(charges[CHARGE_tlb_ipi_more], 2);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("tlb");
    TCase *tcase = tcase_create("tlb");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, more_than_33_pages_are_flushed_at_once);
    tcase_add_test(tcase, each_other_cpu_of_the_process_is_interrupted);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
