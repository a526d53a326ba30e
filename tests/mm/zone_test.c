/*
 * The layout of zones, and that zone_validate() names the invariant that a
 * corrupted zone breaks.
 */
#include "tests/mm/frames.h"
#include "tests/mm/invariant.h"
#include "tests/run_suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static void
assert_zone(const struct zone *zone, const char *name, uint64_t start_mib,
            uint64_t end_mib)
{
    ck_assert_str_eq(zone->name, name);
    ck_assert_uint_eq(zone->start, start_mib * MIB / PAGE_BYTES);
    ck_assert_uint_eq(zone->end, end_mib * MIB / PAGE_BYTES);
    ck_assert_uint_eq(zone->present_pages, zone->end - zone->start);
}

START_TEST(zones_follow_the_architecture)
{
    struct machine_config config = kernel_fixture_2_6_22(&arch_i386, GIB);
    struct machine *machine = frames_create(&config, 0);

    ck_assert_uint_eq(machine->zone_count, 3);
    assert_zone(&machine->zones[0], "DMA", 0, 16);
    assert_zone(&machine->zones[1], "Normal", 16, 896);
    assert_zone(&machine->zones[2], "HighMem", 896, 1024);
    ck_assert(machine->zones[2].is_highmem);
    ck_assert_ptr_eq(zone_of(machine, (pfn_t){4095}), &machine->zones[0]);
    ck_assert_ptr_eq(zone_of(machine, (pfn_t){4096}), &machine->zones[1]);
    ck_assert_ptr_eq(zone_of(machine, (pfn_t){262143}), &machine->zones[2]);
    frames_destroy(machine);

    config = kernel_fixture_2_6_22(&arch_x86_64, 8 * GIB);
    machine = frames_create(&config, 0);
    ck_assert_uint_eq(machine->zone_count, 3);
    assert_zone(&machine->zones[1], "DMA32", 16, 4096);
    assert_zone(&machine->zones[2], "Normal", 4096, 8192);
    frames_destroy(machine);
}
END_TEST

START_TEST(there_is_no_dma32_before_2_6_15)
{
    struct machine_config config = kernel_fixture_2_6_2(&arch_x86_64, 8 * GIB);
    struct machine *machine = frames_create(&config, 0);

    ck_assert_uint_eq(machine->zone_count, 2);
    assert_zone(&machine->zones[1], "Normal", 16, 8192);
    frames_destroy(machine);
}
END_TEST

START_TEST(a_zone_that_ram_does_not_reach_does_not_exist)
{
    struct machine_config config = kernel_fixture_2_6_22(&arch_i386, 64 * MIB);
    struct machine *machine = frames_create(&config, 0);

    ck_assert_uint_eq(machine->zone_count, 2);
    assert_zone(&machine->zones[1], "Normal", 16, 64);
    frames_destroy(machine);
}
END_TEST

START_TEST(reserved_frames_lie_in_the_highest_lowmem_zone_that_holds_them)
{
    struct machine_config config = kernel_fixture_2_6_22(&arch_i386, 2 * GIB);
    struct machine *machine = frames_create(&config, 5001);
    struct zone *normal = &machine->zones[1];

    ck_assert_uint_eq(machine->reserved_start, 4096);
    ck_assert_uint_eq(normal->managed_pages, normal->present_pages - 5001);
    ck_assert_uint_eq(normal->free_pages, normal->managed_pages);
    /* 9097 is odd: frames up to the next block of 1024 are listed. */
    ck_assert_uint_eq(normal->virgin, 9216);
    ck_assert_uint_eq(normal->free_area[0].head, 9097);
    frames_validate(machine);
    frames_destroy(machine);

    /* 20 MiB: Normal has 1024 frames, DMA holds 1100. */
    config.ram_bytes = 20 * MIB;
    machine = frames_create(&config, 1100);
    ck_assert_uint_eq(machine->reserved_start, 0);
    ck_assert_uint_eq(machine->zones[0].managed_pages, 4096 - 1100);
    ck_assert_uint_eq(machine->zones[1].managed_pages, 1024);
    frames_destroy(machine);
}
END_TEST

START_TEST(reserved_frames_that_no_zone_holds_are_spread_downward)
{
    struct machine_config config = kernel_fixture_2_6_22(&arch_i386, 20 * MIB);
    struct machine *machine = frames_create(&config, 5000);

    ck_assert_uint_eq(machine->zones[1].managed_pages, 0);
    ck_assert_uint_eq(machine->zones[0].managed_pages, 5120 - 5000);
    frames_validate(machine);
    frames_destroy(machine);

    config = kernel_fixture_2_6_22(&arch_i386_pae, 2 * GIB);
    machine = frames_create(&config, 230000);
    ck_assert_uint_eq(machine->zones[0].managed_pages, 0);
    ck_assert_uint_eq(machine->zones[1].managed_pages, 0);
    ck_assert_uint_eq(machine->zones[2].managed_pages, 294912 - 624);
    frames_validate(machine);
    frames_destroy(machine);
}
END_TEST

START_TEST(every_size_of_ram_is_laid_out_whole)
{
    struct machine_config config =
        kernel_fixtures[_i](&frames_arch_one_zone, 0);

    for (uint32_t pages = 1; pages < 20000; pages += 997) {
        config.ram_bytes = pages * PAGE_BYTES;
        struct machine *machine = frames_create(&config, pages / 3);
        ck_assert_uint_eq(machine->zones[0].free_pages, pages - pages / 3);
        frames_validate(machine);
        frames_destroy(machine);
    }
}
END_TEST

/* Something of everything: used frames, free blocks, per-CPU lists, virgin. */
static struct machine *
machine_in_use(void)
{
    struct machine_config config =
        kernel_fixture_2_6_22(&frames_arch_one_zone, 64 * MIB);
    struct machine *machine = frames_create(&config, 100);
    pfn_t pfns[500];

    ck_assert_uint_eq(page_alloc_run(machine, 0, PAGE_ANON, 500, pfns), 500);
    for (unsigned i = 0; i < 500; i += 2)
        page_free(machine, 0, pfns[i], 0, 0);
    frames_validate(machine);
    return machine;
}

START_TEST(z1_a_block_with_another_order_is_noticed)
{
    struct machine *machine = machine_in_use();
    struct zone *zone = &machine->zones[0];

    expect_invariant("Z1: ");
    machine->pages[zone->free_area[0].head].flags += 1u << PAGE_ORDER_SHIFT;
    zone_validate(machine);
}
END_TEST

START_TEST(z1_a_free_frame_in_no_block_is_noticed)
{
    struct machine *machine = machine_in_use();

    expect_invariant("Z1: ");
    for (uint32_t pfn = 0; pfn < machine->ram_pages; pfn++)
        if (page_state(&machine->pages[pfn]) == PAGE_ANON) {
            machine->pages[pfn].flags = PAGE_FREE;
            break;
        }
    zone_validate(machine);
}
END_TEST

START_TEST(z2_two_free_buddies_are_noticed)
{
    struct machine *machine = machine_in_use();
    struct zone *zone = &machine->zones[0];
    uint32_t pfn = zone->free_area[0].head;

    expect_invariant("Z2: ");
    machine->pages[pfn ^ 1].flags = machine->pages[pfn].flags;
    zone_validate(machine);
}
END_TEST

START_TEST(z3_a_wrong_count_of_blocks_is_noticed)
{
    struct machine *machine = machine_in_use();

    expect_invariant("Z3: ");
    machine->zones[0].free_area[0].count++;
    zone_validate(machine);
}
END_TEST

START_TEST(z4_a_wrong_sum_of_free_pages_is_noticed)
{
    struct machine *machine = machine_in_use();

    expect_invariant("Z4: ");
    machine->zones[0].free_pages--;
    zone_validate(machine);
}
END_TEST

START_TEST(z5_a_frame_in_use_on_a_per_cpu_list_is_noticed)
{
    struct machine *machine = machine_in_use();
    struct pcp_list *list = &machine->zones[0].pcp[0].lists[0];

    expect_invariant("Z5: ");
    machine->pages[list->slots[list->bottom]].flags = PAGE_ANON;
    zone_validate(machine);
}
END_TEST

START_TEST(z5_a_frame_listed_twice_is_noticed)
{
    struct machine *machine = machine_in_use();
    struct pcp_list *list = &machine->zones[0].pcp[0].lists[0];
    uint32_t mask = list->capacity - 1;

    expect_invariant("Z5: ");
    list->slots[(list->bottom + list->count++) & mask] =
        list->slots[list->bottom];
    machine->zones[0].pcp[0].page_count++;
    zone_validate(machine);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("zone");
    TCase *layout = tcase_create("layout");

    tcase_add_test(layout, zones_follow_the_architecture);
    tcase_add_test(layout, there_is_no_dma32_before_2_6_15);
    tcase_add_test(layout, a_zone_that_ram_does_not_reach_does_not_exist);
    tcase_add_test(
        layout, reserved_frames_lie_in_the_highest_lowmem_zone_that_holds_them);
    tcase_add_test(layout,
                   reserved_frames_that_no_zone_holds_are_spread_downward);
    tcase_add_loop_test(layout, every_size_of_ram_is_laid_out_whole, 0,
                        KERNEL_FIXTURE_COUNT);
    suite_add_tcase(suite, layout);

    TCase *broken = tcase_create("broken");
    tcase_set_tags(broken, "aborts");
    const TTest *tests[] = {
        z1_a_block_with_another_order_is_noticed,
        z1_a_free_frame_in_no_block_is_noticed,
        z2_two_free_buddies_are_noticed,
        z3_a_wrong_count_of_blocks_is_noticed,
        z4_a_wrong_sum_of_free_pages_is_noticed,
        z5_a_frame_in_use_on_a_per_cpu_list_is_noticed,
        z5_a_frame_listed_twice_is_noticed,
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(tests); i++)
        tcase_add_test_raise_signal(broken, tests[i], SIGABRT);
    suite_add_tcase(suite, broken);
    return run_suite(suite);
}
