/*
 * Per-CPU lists: their sizes, and the refills and drains of each era.
 */
#include "tests/mm/frames.h"
#include "tests/run_suite.h"

#include <check.h>

static struct machine *
one_zone(kernel_fixture fixture, enum pcp_form form, uint64_t ram_bytes)
{
    struct machine_config config = fixture(&frames_arch_one_zone, ram_bytes);

    config.kernel.pcp = form;
    return frames_create(&config, 0);
}

START_TEST(sizes_follow_the_era)
{
    static const struct {
        uint64_t ram_mib;
        uint32_t batch_2_6_2, batch_2_6_20, high_2_6_20, batch_5_14;
    } rows[] = {
        {16, 1, 1, 0, 1},       {32, 2, 1, 6, 1},
        {64, 4, 3, 18, 3},      {128, 8, 7, 42, 7},
        {256, 16, 15, 90, 15},  {512, 16, 31, 186, 31},
        {880, 16, 31, 186, 63}, {65536, 16, 31, 186, 63},
    };
    uint64_t ram_bytes = rows[_i].ram_mib * MIB;
    struct machine *machine =
        one_zone(kernel_fixture_2_6_2, PCP_LOW_MARK, ram_bytes);
    struct zone *zone = &machine->zones[0];

    ck_assert_uint_eq(zone->pcp_batch, rows[_i].batch_2_6_2);
    ck_assert_uint_eq(zone->pcp_low, 2 * rows[_i].batch_2_6_2);
    ck_assert_uint_eq(zone->pcp_high, 6 * rows[_i].batch_2_6_2);
    frames_destroy(machine);

    for (enum pcp_form form = PCP_HOT_COLD; form <= PCP_SINGLE; form++) {
        machine = one_zone(kernel_fixture_2_6_22, form, ram_bytes);
        zone = &machine->zones[0];
        ck_assert_uint_eq(zone->pcp_batch, rows[_i].batch_2_6_20);
        ck_assert_uint_eq(zone->pcp_low, 0);
        ck_assert_uint_eq(zone->pcp_high, rows[_i].high_2_6_20);
        frames_destroy(machine);
    }
    machine = one_zone(kernel_fixture_6_18, PCP_HIGH_ORDER, ram_bytes);
    ck_assert_uint_eq(machine->zones[0].pcp_batch, rows[_i].batch_5_14);
    frames_destroy(machine);
}
END_TEST

START_TEST(high_of_newer_kernels_is_the_low_watermark_over_the_cpus)
{
    struct machine_config config =
        kernel_fixture_6_18(&frames_arch_one_zone, 4 * GIB);

    config.cpu_count = 4;
    struct machine *machine = frames_create(&config, 0);
    ck_assert_uint_eq(machine->zones[0].pcp_high, 3096 / 4);
    ck_assert_uint_eq(machine->zones[0].pcp_high_max, 1048576 / 8 / 4);
    frames_destroy(machine);

    config.cpu_count = 32;
    machine = frames_create(&config, 0);
    ck_assert_uint_eq(machine->zones[0].pcp_high, 4 * 63);
    frames_destroy(machine);
}
END_TEST

/* Frames on the list after each of a row of operations: '+' allocates the next
 * frame, '-' frees the oldest one that is held. */
static void
assert_counts(struct machine *machine, const char *operations,
              const uint32_t *counts)
{
    pfn_t held[64];
    unsigned oldest = 0, newest = 0;

    for (unsigned i = 0; operations[i]; i++) {
        if (operations[i] == '+')
            held[newest++] = page_alloc(machine, 0, PAGE_ANON, 0);
        else
            page_free(machine, 0, held[oldest++], 0, 0);
        ck_assert_msg(machine->zones[0].pcp[0].page_count == counts[i],
                      "after operation %u: %u frames, not %u", i,
                      machine->zones[0].pcp[0].page_count, counts[i]);
        frames_validate(machine);
    }
}

START_TEST(low_mark_lists_refill_at_2b_and_drain_at_6b)
{
    /* 32 MiB: b 2, low 4, high 12. */
    static const uint32_t counts[] = {
        1, 2, 3, 4, 5, 4,  5,  4,  5,  4,  5,  4,    // floats from 2b to 3b
        5, 6, 7, 8, 9, 10, 11, 12, 11, 12, 11, 12};  // drains first, then adds
    struct machine *machine =
        one_zone(kernel_fixture_2_6_2, PCP_LOW_MARK, 32 * MIB);

    assert_counts(machine, "++++++++++++------------", counts);
    ck_assert_uint_eq(machine->charges[CHARGE_buddy_page], 16 + 4);
    frames_destroy(machine);
}
END_TEST

START_TEST(later_lists_refill_when_empty_and_drain_at_6b)
{
    /* 64 MiB: b 3, high 18. */
    static const uint32_t counts[] = {
        2, 1, 0, 2, 1, 0, 2, 1, 0,  2,  1,  0,  2,  1,  0,  2,  1,  0,  2,  1,
        2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 15, 16, 17, 15};
    struct machine *machine = one_zone(
        kernel_fixture_2_6_22, _i ? PCP_SINGLE : PCP_HOT_COLD, 64 * MIB);

    assert_counts(machine, "++++++++++++++++++++--------------------", counts);
    ck_assert_uint_eq(machine->charges[CHARGE_buddy_page], 21 + 6);
    frames_destroy(machine);
}
END_TEST

START_TEST(every_free_of_a_tiny_zone_drains)
{
    static const uint32_t counts[] = {0, 0, 0, 0, 0, 0};
    struct machine *machine =
        one_zone(kernel_fixture_2_6_22, PCP_HOT_COLD, 16 * MIB);

    assert_counts(machine, "+++---", counts);
    frames_destroy(machine);
}
END_TEST

START_TEST(there_are_no_lists_in_2_4)
{
    struct machine *machine =
        one_zone(kernel_fixture_2_4_21, PCP_NONE, 64 * MIB);
    uint64_t free_pages = machine->zones[0].free_pages;
    pfn_t pfn = page_alloc(machine, 0, PAGE_ANON, 0);

    ck_assert_uint_eq(machine->zones[0].free_pages, free_pages - 1);
    page_free(machine, 0, pfn, 0, 0);
    ck_assert_uint_eq(machine->zones[0].free_pages, free_pages);
    ck_assert_ptr_null(machine->zones[0].pcp);
    ck_assert_uint_eq(machine->charges[CHARGE_buddy_page], 0);
    frames_destroy(machine);
}
END_TEST

START_TEST(the_frame_freed_last_is_reused_first_and_is_hot)
{
    struct machine *machine =
        one_zone(kernel_fixtures[_i + 1],
                 kernel_fixtures[_i + 1](&frames_arch_one_zone, MIB).kernel.pcp,
                 256 * MIB);
    pfn_t a = page_alloc(machine, 0, PAGE_ANON, 0);
    pfn_t b = page_alloc(machine, 0, PAGE_ANON, 0);

    ck_assert(!(page_of(machine, a)->flags & PAGE_HOT));
    page_free(machine, 0, a, 0, 0);
    page_free(machine, 0, b, 0, 0);
    ck_assert_uint_eq(page_alloc(machine, 0, PAGE_FILE, 0).v, b.v);
    ck_assert_uint_eq(page_of(machine, b)->flags, PAGE_FILE | PAGE_HOT);
    ck_assert_uint_eq(page_alloc(machine, 0, PAGE_ANON, 0).v, a.v);
    ck_assert(page_of(machine, a)->flags & PAGE_HOT);
    pfn_t c = page_alloc(machine, 0, PAGE_ANON, 0);
    ck_assert_uint_eq(page_of(machine, c)->flags, PAGE_ANON);
    frames_destroy(machine);
}
END_TEST

START_TEST(frames_that_went_back_to_buddy_are_cold)
{
    struct machine *machine =
        one_zone(kernel_fixture_2_6_22, PCP_HOT_COLD, 256 * MIB);
    pfn_t pfn = page_alloc(machine, 0, PAGE_ANON, 0);

    page_free(machine, 0, pfn, 0, 7);
    pcp_drain(machine, 0);
    ck_assert_uint_eq(machine->zones[0].pcp[0].page_count, 0);
    ck_assert_uint_eq(machine->zones[0].free_pages, machine->ram_pages);
    frames_validate(machine);
    ck_assert_uint_eq(page_alloc(machine, 0, PAGE_ANON, 0).v, pfn.v);
    ck_assert_uint_eq(page_of(machine, pfn)->flags, PAGE_ANON);
    ck_assert_uint_eq(page_of(machine, pfn)->map_count, 7);
    frames_destroy(machine);
}
END_TEST

START_TEST(cpus_have_lists_of_their_own)
{
    struct machine_config config =
        kernel_fixture_2_6_22(&frames_arch_one_zone, 256 * MIB);

    config.cpu_count = 2;
    struct machine *machine = frames_create(&config, 0);
    pfn_t pfn = page_alloc(machine, 0, PAGE_ANON, 0);
    page_free(machine, 1, pfn, 0, 0);
    ck_assert_uint_eq(machine->zones[0].pcp[0].page_count, 14);
    ck_assert_uint_eq(machine->zones[0].pcp[1].page_count, 1);
    ck_assert_uint_ne(page_alloc(machine, 0, PAGE_ANON, 0).v, pfn.v);
    ck_assert_uint_eq(page_alloc(machine, 1, PAGE_ANON, 0).v, pfn.v);
    frames_destroy(machine);
}
END_TEST

START_TEST(newer_lists_hold_blocks_up_to_order_3)
{
    struct machine *machine =
        one_zone(kernel_fixture_6_18, PCP_HIGH_ORDER, GIB);
    struct pcp *pcp = &machine->zones[0].pcp[0];

    /* b 63: 63, 31, 15, 7 blocks at a time, and at least 2. */
    for (unsigned order = 0; order < 4; order++) {
        pfn_t pfn = page_alloc(machine, 0, PAGE_ANON, order);
        ck_assert_uint_eq(pcp->lists[order].count, (63u >> order) - 1);
        ck_assert_uint_eq(pfn.v % (1u << order), 0);
        frames_validate(machine);
        page_free(machine, 0, pfn, order, 0);
        ck_assert_uint_eq(pcp->lists[order].count, 63u >> order);
        frames_validate(machine);
    }
    uint64_t free_pages = machine->zones[0].free_pages;
    page_alloc(machine, 0, PAGE_ANON, 4);
    ck_assert_uint_eq(machine->zones[0].free_pages, free_pages - 16);
    frames_destroy(machine);
}
END_TEST

START_TEST(drains_of_newer_lists_double_while_frees_go_on)
{
    /* 256 MiB: b 15, high max(640, 60) at one CPU. */
    struct machine *machine =
        one_zone(kernel_fixture_6_18, PCP_HIGH_ORDER, 256 * MIB);
    struct zone *zone = &machine->zones[0];
    struct pcp *pcp = &zone->pcp[0];
    pfn_t pfns[3000];
    uint32_t drained[8], count = 0;

    ck_assert_uint_eq(zone->watermark_low, zone->pcp_high);
    ck_assert_uint_eq(page_alloc_run(machine, 0, PAGE_ANON, 3000, pfns), 3000);
    for (unsigned i = 0; i < 3000 && count < 8; i++) {
        uint32_t before = pcp->page_count;
        page_free(machine, 0, pfns[i], 0, 0);
        if (pcp->page_count <= before)
            drained[count++] = before + 1 - pcp->page_count;
    }
    static const uint32_t expected[] = {15, 30, 60, 120, 240, 480};
    for (unsigned i = 0; i < G_N_ELEMENTS(expected); i++)
        ck_assert_uint_eq(drained[i], expected[i]);
    ck_assert_uint_eq(drained[6], zone->pcp_high - 15);
    page_alloc(machine, 0, PAGE_ANON, 0);
    ck_assert_uint_eq(pcp->free_factor, 3);
    frames_validate(machine);
    frames_destroy(machine);
}
END_TEST

START_TEST(refills_of_the_newest_lists_double_while_allocations_go_on)
{
    struct machine *machine = one_zone(kernel_fixture_6_18, PCP_AUTO, 4 * GIB);
    struct pcp *pcp = &machine->zones[0].pcp[0];
    uint32_t expected = 63;

    for (unsigned i = 0; i < 8; i++) {
        page_alloc(machine, 0, PAGE_ANON, 0);
        ck_assert_uint_eq(pcp->page_count, expected - 1);
        pfn_t pfns[2048];
        uint32_t rest = pcp->page_count;
        ck_assert_uint_eq(page_alloc_run(machine, 0, PAGE_ANON, rest, pfns),
                          rest);
        expected = MIN(2 * expected, 63 << 5);
    }
    frames_validate(machine);
    frames_destroy(machine);
}
END_TEST

START_TEST(room_on_the_newest_lists_follows_the_load)
{
    struct machine *machine = one_zone(kernel_fixture_6_18, PCP_AUTO, 4 * GIB);
    struct zone *zone = &machine->zones[0];
    struct pcp *pcp = &zone->pcp[0];
    g_autofree pfn_t *pfns = g_new(pfn_t, 200000);

    ck_assert_uint_eq(pcp->high, zone->pcp_high);
    ck_assert_uint_eq(page_alloc_run(machine, 0, PAGE_ANON, 200000, pfns),
                      200000);
    ck_assert_uint_eq(pcp->high, zone->pcp_high_max);
    for (unsigned i = 0; i < 200000; i++)
        page_free(machine, 0, pfns[i], 0, 0);
    ck_assert_uint_le(pcp->page_count, zone->pcp_high_max);
    ck_assert_uint_gt(pcp->page_count, zone->pcp_high);
    ck_assert_uint_eq(pcp->alloc_factor, 0);
    frames_validate(machine);
    frames_destroy(machine);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("pcp");
    TCase *tcase = tcase_create("rules");

    tcase_add_loop_test(tcase, sizes_follow_the_era, 0, 8);
    tcase_add_test(tcase,
                   high_of_newer_kernels_is_the_low_watermark_over_the_cpus);
    tcase_add_test(tcase, low_mark_lists_refill_at_2b_and_drain_at_6b);
    tcase_add_loop_test(tcase, later_lists_refill_when_empty_and_drain_at_6b, 0,
                        2);
    tcase_add_test(tcase, every_free_of_a_tiny_zone_drains);
    tcase_add_test(tcase, there_are_no_lists_in_2_4);
    tcase_add_loop_test(tcase, the_frame_freed_last_is_reused_first_and_is_hot,
                        0, KERNEL_FIXTURE_COUNT - 1);
    tcase_add_test(tcase, frames_that_went_back_to_buddy_are_cold);
    tcase_add_test(tcase, cpus_have_lists_of_their_own);
    tcase_add_test(tcase, newer_lists_hold_blocks_up_to_order_3);
    tcase_add_test(tcase, drains_of_newer_lists_double_while_frees_go_on);
    tcase_add_test(tcase,
                   refills_of_the_newest_lists_double_while_allocations_go_on);
    tcase_add_test(tcase, room_on_the_newest_lists_follows_the_load);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
