/*
 * The buddy allocator: which block, which half, which end of the list, and
 * that what a frame remembers survives.
 */
#include "tests/mm/frames.h"
#include "tests/run_suite.h"

#include <check.h>

/* 16 MiB in one zone, everything taken frame by frame. */
static struct machine *
machine_all_taken(kernel_fixture fixture)
{
    struct machine_config config = fixture(&frames_arch_one_zone, 16 * MIB);
    struct machine *machine = frames_create(&config, 0);
    struct zone *zone = &machine->zones[0];
    g_autofree pfn_t *pfns = g_new(pfn_t, machine->ram_pages);

    ck_assert_uint_eq(
        buddy_alloc_run(machine, zone, (uint32_t)machine->ram_pages, pfns),
        machine->ram_pages);
    for (uint32_t pfn = 0; pfn < machine->ram_pages; pfn++)
        machine->pages[pfn].flags = PAGE_ANON;
    machine->counters = (struct mm_counters){0};
    return machine;
}

static void
free_frame(struct machine *machine, uint32_t pfn)
{
    buddy_free(machine, &machine->zones[0], (pfn_t){pfn}, 0);
}

static uint32_t
take(struct machine *machine, unsigned order)
{
    pfn_t pfn = buddy_alloc(machine, &machine->zones[0], order);

    for (uint32_t i = 0; !pfn_is_none(pfn) && i < 1u << order; i++)
        machine->pages[pfn.v + i].flags = PAGE_ANON;
    return pfn.v;
}

static void
assert_single_block(struct machine *machine, unsigned order, uint32_t pfn)
{
    const struct free_area *area = &machine->zones[0].free_area[order];

    ck_assert_uint_eq(area->count, 1);
    ck_assert_uint_eq(area->head, pfn);
    ck_assert_uint_eq(area->tail, pfn);
}

START_TEST(a_split_hands_out_the_half_of_its_era)
{
    /*
     *   frame  8  9  10 11 12 13 14 15
     *   2.6.2  [   order 2  ][ o1 ][14][*]
     *   2.6.11 [*][9][ o1 ][   order 2   ]
     */
    static const struct {
        kernel_fixture fixture;
        uint32_t taken, order0, order1, order2;
    } eras[] = {
        {kernel_fixture_2_4_21, 15, 14, 12, 8},
        {kernel_fixture_2_6_2, 15, 14, 12, 8},
        {kernel_fixture_2_6_22, 8, 9, 10, 12},
        {kernel_fixture_6_18, 8, 9, 10, 12},
    };
    struct machine *machine = machine_all_taken(eras[_i].fixture);

    buddy_free(machine, &machine->zones[0], (pfn_t){8}, 3);
    ck_assert_uint_eq(take(machine, 0), eras[_i].taken);
    assert_single_block(machine, 0, eras[_i].order0);
    assert_single_block(machine, 1, eras[_i].order1);
    assert_single_block(machine, 2, eras[_i].order2);
    ck_assert_uint_eq(machine->counters.buddy_split_count, 3);
    zone_validate(machine);

    free_frame(machine, eras[_i].taken);
    assert_single_block(machine, 3, 8);
    ck_assert_uint_eq(machine->counters.buddy_merge_count, 3);
    ck_assert_uint_eq(machine->zones[0].free_pages, 8);
    zone_validate(machine);
    frames_destroy(machine);
}
END_TEST

START_TEST(the_block_freed_last_is_handed_out_first)
{
    struct machine *machine = machine_all_taken(kernel_fixtures[_i]);

    free_frame(machine, 100);
    free_frame(machine, 200);
    free_frame(machine, 300);
    ck_assert_uint_eq(take(machine, 0), 300);
    ck_assert_uint_eq(take(machine, 0), 200);
    free_frame(machine, 400);
    ck_assert_uint_eq(take(machine, 0), 400);
    ck_assert_uint_eq(take(machine, 0), 100);
    ck_assert_uint_eq(take(machine, 0), UINT32_MAX);
    frames_destroy(machine);
}
END_TEST

START_TEST(the_smallest_sufficient_block_is_taken)
{
    struct machine *machine = machine_all_taken(kernel_fixture_6_18);
    struct zone *zone = &machine->zones[0];

    buddy_free(machine, zone, (pfn_t){1024}, 6);
    buddy_free(machine, zone, (pfn_t){64}, 2);
    buddy_free(machine, zone, (pfn_t){512}, 4);
    ck_assert_uint_eq(take(machine, 3), 512);
    ck_assert_uint_eq(take(machine, 2), 64);
    ck_assert_uint_eq(take(machine, 5), 1024);
    frames_destroy(machine);
}
END_TEST

START_TEST(a_block_whose_parent_may_merge_soon_goes_to_the_tail)
{
    /*
     *   frame  0    1    2    3
     *         free used [ free ]     0's parent [0,2) has a free buddy [2,4)
     */
    bool has_rule = _i == KERNEL_FIXTURE_COUNT - 1;
    struct machine *machine = machine_all_taken(kernel_fixtures[_i]);
    struct zone *zone = &machine->zones[0];

    buddy_free(machine, zone, (pfn_t){2}, 1);
    free_frame(machine, 100);
    free_frame(machine, 0);
    ck_assert_uint_eq(take(machine, 0), has_rule ? 100 : 0);

    /* The parent's buddy is in use: the head, in every era. */
    free_frame(machine, 200);
    free_frame(machine, 8);
    ck_assert_uint_eq(take(machine, 0), 8);
    frames_destroy(machine);
}
END_TEST

START_TEST(the_tail_rule_ends_below_the_two_highest_orders)
{
    /* Order 8 at 0 with [512,1024) free: tail.  Order 9 at 0 with [1024,2048)
     * free, which is of the highest order: head. */
    struct machine *machine = machine_all_taken(kernel_fixture_6_18);
    struct zone *zone = &machine->zones[0];

    buddy_free(machine, zone, (pfn_t){512}, 9);
    buddy_free(machine, zone, (pfn_t){2048}, 8);
    buddy_free(machine, zone, (pfn_t){0}, 8);
    ck_assert_uint_eq(zone->free_area[8].head, 2048);
    ck_assert_uint_eq(zone->free_area[8].tail, 0);
    frames_destroy(machine);

    machine = machine_all_taken(kernel_fixture_6_18);
    zone = &machine->zones[0];
    buddy_free(machine, zone, (pfn_t){1024}, 10);
    buddy_free(machine, zone, (pfn_t){2048}, 9);
    buddy_free(machine, zone, (pfn_t){0}, 9);
    ck_assert_uint_eq(zone->free_area[9].head, 0);
    frames_destroy(machine);
}
END_TEST

START_TEST(what_a_frame_remembers_survives_split_and_merge)
{
    struct machine *machine = machine_all_taken(kernel_fixtures[_i]);
    struct zone *zone = &machine->zones[0];
    uint64_t seed = 1;

    for (uint32_t pfn = 0; pfn < 2048; pfn++) {
        struct page *page = &machine->pages[pfn];
        page->map_count = HOLDER_FIRST_UID + pfn;
        page->holder = (uint16_t)(pfn * 7);
        page->tag = pfn * 13;
        free_frame(machine, pfn);
    }
    for (unsigned round = 0; round < 2000; round++) {
        unsigned order = (unsigned)(frames_random(&seed) % 8);
        buddy_free(machine, zone, buddy_alloc(machine, zone, order), order);
    }
    uint32_t kept_count = 0;
    for (uint32_t pfn = 0; pfn < 2048; pfn++) {
        const struct page *page = &machine->pages[pfn];
        kept_count += page->map_count == HOLDER_FIRST_UID + pfn &&
                      page->holder == (uint16_t)(pfn * 7) &&
                      page->tag == pfn * 13;
    }
    ck_assert_uint_eq(kept_count, 2048);
    frames_destroy(machine);
}
END_TEST

static bool
same_list(const struct machine *a, const struct machine *b, unsigned order)
{
    uint32_t pa = a->zones[0].free_area[order].head;
    uint32_t pb = b->zones[0].free_area[order].head;

    while (pa != UINT32_MAX && pa == pb) {
        pa = a->pages[pa].next;
        pb = b->pages[pb].next;
    }
    return pa == pb;
}

static void
assert_same_state(const struct machine *a, const struct machine *b)
{
    ck_assert_uint_eq(a->zones[0].free_pages, b->zones[0].free_pages);
    ck_assert_uint_eq(a->zones[0].virgin, b->zones[0].virgin);
    ck_assert_uint_eq(a->counters.buddy_split_count,
                      b->counters.buddy_split_count);
    for (unsigned order = 0; order < ORDER_COUNT_MAX; order++)
        ck_assert(same_list(a, b, order));
}

/* Take as many frames one by one as the run did: are they the same? */
static bool
singles_give(struct machine *machine, const pfn_t *pfns, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (buddy_alloc(machine, &machine->zones[0], 0).v != pfns[i].v)
            return false;
    return true;
}

START_TEST(a_run_of_frames_is_what_single_allocations_give)
{
    struct machine_config config =
        kernel_fixtures[_i](&frames_arch_one_zone, 12 * MIB);
    struct machine *run = frames_create(&config, 3);
    struct machine *single = frames_create(&config, 3);
    g_autofree pfn_t *pfns = g_new(pfn_t, run->ram_pages);
    uint32_t had = 0, count, got;
    uint64_t seed = 5;

    do {
        count = 1 + (uint32_t)(frames_random(&seed) % 300);
        got = buddy_alloc_run(run, &run->zones[0], count, pfns + had);
        ck_assert(singles_give(single, pfns + had, got));
        had += got;
        assert_same_state(run, single);
        for (uint32_t i = 0; i < count / 3; i++) {
            uint32_t k = (uint32_t)(frames_random(&seed) % had);
            buddy_free(run, &run->zones[0], pfns[k], 0);
            buddy_free(single, &single->zones[0], pfns[k], 0);
            pfns[k] = pfns[--had];
        }
    } while (got == count);
    frames_destroy(run);
    frames_destroy(single);
}
END_TEST

START_TEST(memory_never_used_is_taken_in_ascending_blocks)
{
    struct machine_config config =
        kernel_fixture_6_18(&frames_arch_one_zone, 64 * GIB);
    struct machine *machine = frames_create(&config, 1024);
    struct zone *zone = &machine->zones[0];

    g_autofree pfn_t *pfns = g_new(pfn_t, 3000);

    for (uint32_t i = 0; i < 3000; i++)
        pfns[i].v = 1024 + i;
    ck_assert(singles_give(machine, pfns, 3000));
    ck_assert_uint_eq(zone->virgin, 4 * 1024);
    frames_destroy(machine);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("buddy");
    TCase *tcase = tcase_create("rules");

    tcase_add_loop_test(tcase, a_split_hands_out_the_half_of_its_era, 0, 4);
    tcase_add_loop_test(tcase, the_block_freed_last_is_handed_out_first, 0,
                        KERNEL_FIXTURE_COUNT);
    tcase_add_test(tcase, the_smallest_sufficient_block_is_taken);
    tcase_add_loop_test(tcase,
                        a_block_whose_parent_may_merge_soon_goes_to_the_tail, 0,
                        KERNEL_FIXTURE_COUNT);
    tcase_add_test(tcase, the_tail_rule_ends_below_the_two_highest_orders);
    tcase_add_loop_test(tcase, what_a_frame_remembers_survives_split_and_merge,
                        0, KERNEL_FIXTURE_COUNT);
    tcase_add_loop_test(tcase, a_run_of_frames_is_what_single_allocations_give,
                        0, KERNEL_FIXTURE_COUNT);
    tcase_add_test(tcase, memory_never_used_is_taken_in_ascending_blocks);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
