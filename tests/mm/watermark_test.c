/*
 * Watermarks of each era, and what a walk of the zonelist makes of them.  The
 * numbers are worked out from the kernels' formulas, not from ours.
 */
#include "mm/page_alloc_private.h"
#include "tests/mm/frames.h"
#include "tests/run_suite.h"

#include <check.h>

static struct machine *
one_zone(enum watermark_form form, uint64_t ram_bytes)
{
    struct machine_config config =
        kernel_fixture_2_6_22(&frames_arch_one_zone, ram_bytes);

    config.kernel.watermark = form;
    if (form == WATERMARK_2_6_2)
        config.kernel.min_free_max_kib = 16384;
    if (form == WATERMARK_4_6)
        config.kernel.min_free_max_kib = 262144;
    return frames_create(&config, 0);
}

static void
assert_marks(const struct zone *zone, uint64_t min, uint64_t low, uint64_t high)
{
    ck_assert_uint_eq(zone->watermark_min, min);
    ck_assert_uint_eq(zone->watermark_low, low);
    ck_assert_uint_eq(zone->watermark_high, high);
}

START_TEST(marks_of_a_single_zone_follow_the_era)
{
    static const struct {
        enum watermark_form form;
        uint64_t ram_bytes, min, low, high;
    } rows[] = {
        {WATERMARK_2_4, 16 * MIB, 32, 64, 96},
        {WATERMARK_2_4, 64 * MIB, 128, 256, 384},
        {WATERMARK_2_4, 4 * MIB, 20, 40, 60},
        {WATERMARK_2_4, 128 * MIB, 255, 510, 765},
        {WATERMARK_2_4, 1024 * MIB, 255, 510, 765},
        {WATERMARK_2_6_2, 1024 * MIB, 256, 512, 768},
        {WATERMARK_2_6_2, 4096 * MIB, 512, 1024, 1536},
        {WATERMARK_2_6_11, 1024 * MIB, 1024, 1280, 1536},
        {WATERMARK_2_6_11, 4096 * MIB, 2048, 2560, 3072},
        {WATERMARK_2_6_20, 1024 * MIB, 1024, 1280, 1536},
        {WATERMARK_2_6_20, 4096 * MIB, 2048, 2560, 3072},
        {WATERMARK_4_6, 1024 * MIB, 1024, 1286, 1548},
        {WATERMARK_4_6, 4096 * MIB, 2048, 3096, 4144},
    };
    struct machine *machine = one_zone(rows[_i].form, rows[_i].ram_bytes);

    assert_marks(&machine->zones[0], rows[_i].min, rows[_i].low, rows[_i].high);
    frames_destroy(machine);
}
END_TEST

START_TEST(min_free_kbytes_is_a_square_root_with_two_clamps)
{
    static const struct {
        uint64_t ram_mib, kib_2_6_2, kib_later;
    } rows[] = {
        {4, 128, 256},      {16, 128, 512},      {64, 256, 1024},
        {256, 512, 2048},   {512, 724, 2896},    {896, 957, 3831},
        {2048, 1448, 5792}, {8192, 2896, 11585}, {16384, 4096, 16384},
    };
    uint64_t ram_bytes = rows[_i].ram_mib * MIB;
    struct machine *old = one_zone(WATERMARK_2_6_2, ram_bytes);
    struct machine *new = one_zone(WATERMARK_2_6_20, ram_bytes);

    ck_assert_uint_eq(old->zones[0].watermark_min, rows[_i].kib_2_6_2 / 4);
    ck_assert_uint_eq(new->zones[0].watermark_min, rows[_i].kib_later / 4);
    frames_destroy(old);
    frames_destroy(new);
}
END_TEST

START_TEST(the_preset_caps_min_free_kbytes)
{
    /* 512 GiB: isqrt(2^33) = 92681 KiB, capped at 64 MiB by older kernels. */
    struct machine *capped = one_zone(WATERMARK_2_6_20, 512 * GIB);
    struct machine *free = one_zone(WATERMARK_4_6, 512 * GIB);

    ck_assert_uint_eq(capped->zones[0].watermark_min, 65536 / 4);
    ck_assert_uint_eq(free->zones[0].watermark_min, 92681 / 4);
    frames_destroy(capped);
    frames_destroy(free);
}
END_TEST

START_TEST(marks_are_shared_out_by_size_and_capped_in_highmem)
{
    /* 1 GiB i386: DMA 4096, Normal 225280, HighMem 32768 pages; lowmem is
     * 917504 KiB: 957 KiB = 239 pages, or 3831 KiB = 957 pages. */
    struct machine_config config = kernel_fixture_2_6_2(&arch_i386, GIB);
    struct machine *machine = frames_create(&config, 0);

    assert_marks(&machine->zones[0], 4, 8, 12);
    assert_marks(&machine->zones[1], 234, 468, 702);
    assert_marks(&machine->zones[2], 32, 64, 96);
    frames_destroy(machine);

    config = kernel_fixture_2_6_22(&arch_i386, GIB);
    machine = frames_create(&config, 0);
    assert_marks(&machine->zones[0], 17, 21, 25);
    assert_marks(&machine->zones[1], 939, 939 + 234, 939 + 469);
    /* HighMem's own share is 957 * 32768 / 229376 = 136. */
    assert_marks(&machine->zones[2], 32, 32 + 34, 32 + 68);
    frames_destroy(machine);
}
END_TEST

START_TEST(marks_of_newer_kernels_leave_reserved_frames_out)
{
    struct machine_config config =
        kernel_fixture_6_18(&frames_arch_one_zone, GIB + 256 * MIB);
    struct machine *machine = frames_create(&config, 256 * MIB / PAGE_BYTES);

    assert_marks(&machine->zones[0], 1024, 1286, 1548);
    frames_destroy(machine);
}
END_TEST

START_TEST(lower_zones_keep_a_reserve_from_requests_that_prefer_higher_ones)
{
    /* 2 GiB i386: 4096, 225280, 294912 pages. */
    struct machine_config config = kernel_fixture_2_6_22(&arch_i386, 2 * GIB);
    struct machine *machine = frames_create(&config, 0);
    const struct zone *zones = machine->zones;

    ck_assert_uint_eq(zones[0].lowmem_reserve[0], 0);
    ck_assert_uint_eq(zones[0].lowmem_reserve[1], 225280 / 256);
    ck_assert_uint_eq(zones[0].lowmem_reserve[2], (225280 + 294912) / 256);
    ck_assert_uint_eq(zones[1].lowmem_reserve[1], 0);
    ck_assert_uint_eq(zones[1].lowmem_reserve[2], 294912 / 32);
    ck_assert_uint_eq(zones[2].lowmem_reserve[2], 0);
    frames_destroy(machine);

    config = kernel_fixture_2_6_2(&arch_i386, 2 * GIB);
    machine = frames_create(&config, 0);
    ck_assert_uint_eq(machine->zones[0].lowmem_reserve[2], 0);
    frames_destroy(machine);
}
END_TEST

static bool
allows(enum alloc_form form, unsigned order, const struct zone *zone)
{
    struct watermark_pass pass = {
        .form = form, .mark = WATERMARK_MIN, .order = order};

    return watermark_pass_allows(&pass, zone);
}

START_TEST(a_request_of_high_order_needs_large_blocks)
{
    struct zone zone = {.free_pages = 1030, .watermark_min = 1024};

    ck_assert(allows(ALLOC_2_6_11, 0, &zone));
    zone.free_pages = 1024;
    ck_assert(!allows(ALLOC_2_6_11, 0, &zone));

    zone.free_pages = 1035;
    zone.free_area[3].count = 1;
    ck_assert(allows(ALLOC_2_6_11, 3, &zone));
    zone.free_area[0].count = 1028;
    ck_assert(!allows(ALLOC_2_6_11, 3, &zone));
    /* From 4.4 on the one block suffices, and is needed. */
    ck_assert(allows(ALLOC_4_4, 3, &zone));
    zone.free_area[3].count = 0;
    ck_assert(!allows(ALLOC_4_4, 3, &zone));
    zone.virgin_end = 1024;
    ck_assert(allows(ALLOC_4_4, 3, &zone));
}
END_TEST

START_TEST(the_reserve_counts_only_against_zones_below_the_preferred_one)
{
    struct zone zone = {.free_pages = 1030,
                        .watermark_min = 1000,
                        .lowmem_reserve = {0, 0, 100}};
    struct watermark_pass pass = {.form = ALLOC_2_6_11, .preferred = 0};

    ck_assert(watermark_pass_allows(&pass, &zone));
    pass.preferred = 2;
    ck_assert(!watermark_pass_allows(&pass, &zone));
    zone.free_pages = 1101;
    ck_assert(watermark_pass_allows(&pass, &zone));
}
END_TEST

START_TEST(old_walks_demand_more_of_every_further_zone)
{
    /* The second zone needs 2^order + its own mark + the first one's. */
    struct zone first = {.watermark_low = 500};
    struct zone second = {.watermark_low = 100};
    struct watermark_pass pass = {.form = _i ? ALLOC_2_6_2 : ALLOC_2_4,
                                  .mark = WATERMARK_LOW,
                                  .order = 2};
    uint64_t enough = 4 + 500 + 100 + (_i ? 0 : 1);

    first.free_pages = 503;
    second.free_pages = enough - 1;
    ck_assert(!watermark_pass_allows(&pass, &first));
    ck_assert(!watermark_pass_allows(&pass, &second));

    pass.sum_pages = 0;
    second.free_pages = enough;
    ck_assert(!watermark_pass_allows(&pass, &first));
    ck_assert(watermark_pass_allows(&pass, &second));
}
END_TEST

/* What page_alloc_anon_at_hand() compares with is where the walk's answer
 * changes. */
START_TEST(enough_for_one_is_where_a_walk_begins_to_allow)
{
    struct machine_config config =
        kernel_fixtures[_i / 2](_i % 2 ? &arch_x86_64 : &arch_i386, 2 * GIB);
    struct machine *machine = frames_create(&config, 1000);

    for (unsigned i = 0; i < machine->zone_count; i++) {
        struct zone zone = machine->zones[i];
        struct watermark_pass pass = {.form = machine->kernel.alloc,
                                      .mark = WATERMARK_LOW,
                                      .preferred = i};

        ck_assert_uint_gt(zone.enough_for_one, 0);
        zone.free_pages = zone.enough_for_one;
        ck_assert(watermark_pass_allows(&pass, &zone));
        pass.sum_pages = 0;
        zone.free_pages--;
        ck_assert(!watermark_pass_allows(&pass, &zone));
    }
    frames_destroy(machine);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("watermark");
    TCase *tcase = tcase_create("rules");

    tcase_add_loop_test(tcase, marks_of_a_single_zone_follow_the_era, 0, 13);
    tcase_add_loop_test(tcase, min_free_kbytes_is_a_square_root_with_two_clamps,
                        0, 9);
    tcase_add_test(tcase, the_preset_caps_min_free_kbytes);
    tcase_add_test(tcase, marks_are_shared_out_by_size_and_capped_in_highmem);
    tcase_add_test(tcase, marks_of_newer_kernels_leave_reserved_frames_out);
    tcase_add_test(
        tcase,
        lower_zones_keep_a_reserve_from_requests_that_prefer_higher_ones);
    tcase_add_test(tcase, a_request_of_high_order_needs_large_blocks);
    tcase_add_test(
        tcase, the_reserve_counts_only_against_zones_below_the_preferred_one);
    tcase_add_loop_test(tcase, old_walks_demand_more_of_every_further_zone, 0,
                        2);
    tcase_add_loop_test(tcase, enough_for_one_is_where_a_walk_begins_to_allow,
                        0, 2 * KERNEL_FIXTURE_COUNT);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
