/*
 * The page allocator: which zone serves whom, what happens when none does, and
 * a long random life under every era.
 */
#include "tests/mm/frames.h"
#include "tests/run_suite.h"

#include <check.h>

static unsigned
zone_index(struct machine *machine, pfn_t pfn)
{
    return (unsigned)(zone_of(machine, pfn) - machine->zones);
}

START_TEST(user_memory_starts_in_highmem_and_the_kernels_below)
{
    static const struct {
        enum page_state state;
        bool highpte;
        unsigned zone;
    } rows[] = {
        {PAGE_ANON, false, 2},     {PAGE_FILE, false, 2},
        {PAGE_HOG, false, 2},      {PAGE_PAGETABLE, false, 1},
        {PAGE_PAGETABLE, true, 2}, {PAGE_SLAB, true, 1},
        {PAGE_TASK, true, 1},
    };
    struct machine_config config = kernel_fixture_2_6_22(&arch_i386, GIB);

    config.highpte = rows[_i].highpte;
    struct machine *machine = frames_create(&config, 0);
    pfn_t pfn = page_alloc(machine, 0, rows[_i].state, 0);
    ck_assert_uint_eq(zone_index(machine, pfn), rows[_i].zone);
    ck_assert_uint_eq(page_state(page_of(machine, pfn)), rows[_i].state);
    frames_destroy(machine);
}
END_TEST

/* Take single frames until a request falls back to the zone below `zone`. */
static uint64_t
frames_until_fallback(struct machine *machine, unsigned zone)
{
    uint64_t count = 0;

    while (zone_index(machine, page_alloc(machine, 0, PAGE_ANON, 0)) >= zone)
        count++;
    return count;
}

START_TEST(a_zone_at_its_low_mark_passes_requests_to_the_next)
{
    struct machine_config config = kernel_fixtures[_i](&arch_i386, GIB);
    struct machine *machine = frames_create(&config, 0);
    struct zone *highmem = &machine->zones[2];

    frames_until_fallback(machine, 2);
    ck_assert_uint_le(highmem->free_pages, highmem->watermark_low + 1);
    ck_assert_uint_ge(highmem->free_pages + highmem->pcp_batch * 32,
                      highmem->watermark_low);
    ck_assert_uint_eq(frames_script()->wake_count, 0);

    /* Normal stops for user memory at its mark and its reserve, or at the sum
     * of the marks so far; kswapd wakes when DMA has stopped as well. */
    frames_until_fallback(machine, 1);
    struct zone *normal = &machine->zones[1];
    uint64_t kept = normal->watermark_low + normal->lowmem_reserve[2];
    if (_i <= 1)
        kept += highmem->watermark_low;
    ck_assert_uint_le(normal->free_pages, kept + 1);
    ck_assert_uint_ge(normal->free_pages + normal->pcp_batch * 32, kept);
    frames_validate(machine);
    frames_destroy(machine);
}
END_TEST

START_TEST(every_zone_at_its_low_mark_wakes_kswapd_and_min_stops_the_user)
{
    struct machine_config config =
        kernel_fixtures[_i](&frames_arch_one_zone, 128 * MIB);
    struct machine *machine = frames_create(&config, 10);
    struct zone *zone = &machine->zones[0];
    g_autofree pfn_t *pfns = g_new(pfn_t, machine->ram_pages);
    uint32_t had = 0;

    while (!machine->kswapd_wanted)
        had += page_alloc_run(machine, 0, PAGE_ANON, 1, pfns + had);
    ck_assert_uint_le(zone->free_pages, zone->watermark_low + 1);
    /* The newest kernel's refills may jump from one mark to the other. */
    if (machine->kernel.pcp != PCP_AUTO)
        ck_assert_uint_eq(frames_script()->reclaim_count, 0);

    had += page_alloc_run(machine, 0, PAGE_ANON, (uint32_t)machine->ram_pages,
                          pfns + had);
    ck_assert_uint_gt(frames_script()->reclaim_count, 0);
    ck_assert_uint_le(zone->free_pages, zone->watermark_min + 1);
    ck_assert_uint_eq(machine->gauge[GAUGE_anon_bytes], had * PAGE_BYTES);
    ck_assert_uint_eq(machine->counters.page_alloc_count, had);
    ck_assert(pfn_is_none(page_alloc(machine, 0, PAGE_ANON, 0)));
    frames_validate(machine);

    /* Everything back: one block of the highest order after the other. */
    for (uint32_t i = 0; i < had; i++)
        page_free(machine, 0, pfns[i], 0, 0);
    pcp_drain(machine, 0);
    ck_assert_uint_eq(zone->free_pages, zone->managed_pages);
    ck_assert_uint_eq(machine->gauge[GAUGE_anon_bytes], 0);
    ck_assert_uint_eq(zone->free_area[1].count, 1);  // frames 10 and 11
    ck_assert(!pfn_is_none(page_alloc(machine, 0, PAGE_ANON, 9)));
    frames_validate(machine);
    frames_destroy(machine);
}
END_TEST

/* Nothing left but what the script gives back. */
static struct machine *
machine_exhausted(kernel_fixture fixture)
{
    struct machine_config config = fixture(&frames_arch_one_zone, 128 * MIB);
    struct machine *machine = frames_create(&config, 0);
    struct frames_script *script = frames_script();
    g_autofree pfn_t *pfns = g_new(pfn_t, machine->ram_pages);
    uint32_t had = page_alloc_run(machine, 0, PAGE_ANON,
                                  (uint32_t)machine->ram_pages, pfns);

    for (uint32_t i = 0; i < 1000; i++) {
        script->reclaimable[i] = pfns[i];
        script->victim[i] = pfns[had - 1 - i];
    }
    script->reclaim_count = 0;
    return machine;
}

START_TEST(direct_reclaim_helps_before_anybody_is_killed)
{
    struct machine *machine = machine_exhausted(kernel_fixtures[_i]);
    struct frames_script *script = frames_script();

    script->reclaimable_count = script->victim_count = 1000;
    script->reclaim_cluster = 32;
    for (unsigned i = 0; i < 300; i++)
        ck_assert(!pfn_is_none(page_alloc(machine, 0, PAGE_ANON, 0)));
    ck_assert_uint_gt(script->reclaim_count, 0);
    ck_assert_uint_eq(script->kill_count, 0);
    frames_validate(machine);
    frames_destroy(machine);
}
END_TEST

START_TEST(a_kill_is_the_last_resort_and_the_request_goes_on)
{
    struct machine *machine = machine_exhausted(kernel_fixtures[_i]);
    struct frames_script *script = frames_script();

    script->victim_count = 1000;
    ck_assert(!pfn_is_none(page_alloc(machine, 0, PAGE_ANON, 0)));
    ck_assert_uint_eq(script->kill_count, 1);
    frames_validate(machine);
    frames_destroy(machine);
}
END_TEST

START_TEST(nobody_is_killed_for_a_large_block)
{
    struct machine *machine = machine_exhausted(kernel_fixtures[_i]);
    struct frames_script *script = frames_script();

    script->victim_count = 1000;
    ck_assert(pfn_is_none(page_alloc(machine, 0, PAGE_ANON, 4)));
    ck_assert_uint_eq(script->kill_count, 0);
    ck_assert(pfn_is_none(page_alloc(machine, 0, PAGE_ANON, 30)));
    frames_destroy(machine);
}
END_TEST

START_TEST(lists_of_other_cpus_are_drained_before_a_kill_since_2_6_32)
{
    struct machine_config config =
        kernel_fixtures[_i](&frames_arch_one_zone, 128 * MIB);

    config.cpu_count = 2;
    struct machine *machine = frames_create(&config, 0);
    struct frames_script *script = frames_script();
    g_autofree pfn_t *pfns = g_new(pfn_t, machine->ram_pages);
    uint32_t had = page_alloc_run(machine, 0, PAGE_ANON,
                                  (uint32_t)machine->ram_pages, pfns);
    uint64_t missing =
        machine->zones[0].watermark_min + 1 - machine->zones[0].free_pages;
    for (uint32_t i = 0; i < missing + 30; i++)
        page_free(machine, 1, pfns[--had], 0, 0);
    script->victim[0] = pfns[--had];
    script->victim_count = 1;
    page_alloc(machine, 0, PAGE_ANON, 0);
    ck_assert_uint_eq(script->kill_count,
                      machine->kernel.pcp >= PCP_SINGLE ? 0 : 1);
    frames_destroy(machine);
}
END_TEST

START_TEST(a_frame_keeps_its_past_but_not_its_flags)
{
    struct machine_config config =
        kernel_fixtures[_i](&frames_arch_one_zone, 64 * MIB);
    struct machine *machine = frames_create(&config, 0);
    pfn_t pfn = page_alloc(machine, 0, PAGE_ANON, 0);
    struct page *page = page_of(machine, pfn);

    *page = (struct page){
        .flags = PAGE_ANON | PAGE_DIRTY | PAGE_ACTIVE, .tag = 3, .holder = 6};
    page_free(machine, 0, pfn, 0, HOLDER_FIRST_UID + 8);
    ck_assert_uint_eq(page_alloc(machine, 0, PAGE_FILE, 0).v, pfn.v);
    ck_assert_uint_eq(page->flags & ~(uint32_t)PAGE_HOT, PAGE_FILE);
    ck_assert_uint_eq(page->map_count, HOLDER_FIRST_UID + 8);
    ck_assert_uint_eq(page->tag, 3);
    ck_assert_uint_eq(page->holder, 6);
    frames_destroy(machine);
}
END_TEST

START_TEST(a_run_is_what_single_requests_give)
{
    struct machine_config config = kernel_fixtures[_i](&arch_i386, 160 * MIB);
    struct machine *run = frames_create(&config, 100);
    struct machine *single = frames_create(&config, 100);
    g_autofree pfn_t *pfns = g_new(pfn_t, run->ram_pages);
    uint32_t had = 0, count, got;
    uint64_t seed = 3;

    do {
        count = 1 + (uint32_t)(frames_random(&seed) % 1500);
        got = page_alloc_run(run, 0, PAGE_ANON, count, pfns + had);
        uint32_t same = 0;
        for (uint32_t i = 0; i < got; i++)
            same += page_alloc(single, 0, PAGE_ANON, 0).v == pfns[had + i].v;
        ck_assert_uint_eq(same, got);
        if (got < count)
            ck_assert(pfn_is_none(page_alloc(single, 0, PAGE_ANON, 0)));
        had += got;
        for (uint32_t i = 0; i < count / 2; i++) {
            uint32_t k = (uint32_t)(frames_random(&seed) % had);
            page_free(run, 0, pfns[k], 0, 0);
            page_free(single, 0, pfns[k], 0, 0);
            pfns[k] = pfns[--had];
        }
        ck_assert_mem_eq(&run->counters, &single->counters,
                         sizeof(run->counters));
        ck_assert_mem_eq(run->charges, single->charges, sizeof(run->charges));
        ck_assert_mem_eq(run->gauge, single->gauge, sizeof(run->gauge));
    } while (got == count);
    frames_validate(run);
    frames_destroy(run);
    frames_destroy(single);
}
END_TEST

struct held_block {
    pfn_t pfn;
    unsigned order;
    enum page_state state;
};

static enum page_state
random_state(uint64_t *seed)
{
    static const enum page_state states[] = {PAGE_ANON, PAGE_FILE,
                                             PAGE_PAGETABLE, PAGE_TASK};

    return states[frames_random(seed) % G_N_ELEMENTS(states)];
}

/* Allocations and frees of all kinds, more of the former the longer it goes on,
 * until memory runs out several times. */
START_TEST(a_random_life_keeps_every_invariant)
{
    struct machine_config config =
        kernel_fixtures[_i % KERNEL_FIXTURE_COUNT](&arch_i386, 18 * MIB);
    config.cpu_count = 3;
    struct machine *machine = frames_create(&config, 77);
    g_autofree struct held_block *held = g_new(struct held_block, 6000);
    uint32_t held_count = 0, failed_count = 0;
    uint64_t seed = (uint64_t)_i;

    for (unsigned step = 0; step < 6000; step++) {
        unsigned cpu = (unsigned)(frames_random(&seed) % 3);
        if (held_count && frames_random(&seed) % 100 < 30) {
            uint32_t k = (uint32_t)(frames_random(&seed) % held_count);
            ck_assert(page_state(page_of(machine, held[k].pfn)) ==
                      held[k].state);
            page_free(machine, cpu, held[k].pfn, held[k].order, 0);
            held[k] = held[--held_count];
        } else {
            struct held_block block = {.state = random_state(&seed)};
            if (frames_random(&seed) % 4 == 0)
                block.order = (unsigned)(frames_random(&seed) % 6);
            block.pfn = page_alloc(machine, cpu, block.state, block.order);
            if (pfn_is_none(block.pfn))
                failed_count++;
            else
                held[held_count++] = block;
        }
        if (step % 8 == 0)
            frames_validate(machine);
    }
    ck_assert_uint_gt(failed_count, 0);
    while (held_count--)
        page_free(machine, 0, held[held_count].pfn, held[held_count].order, 0);
    for (unsigned cpu = 0; cpu < 3; cpu++)
        pcp_drain(machine, cpu);
    frames_validate(machine);
    ck_assert_uint_eq(machine->gauge[GAUGE_free_bytes],
                      (machine->ram_pages - 77) * PAGE_BYTES);
    frames_destroy(machine);
}
END_TEST

START_TEST(freeing_a_free_frame_is_a_bug)
{
    struct machine_config config =
        kernel_fixture_6_18(&frames_arch_one_zone, 64 * MIB);
    struct machine *machine = frames_create(&config, 0);
    pfn_t pfn = page_alloc(machine, 0, PAGE_ANON, 0);

    page_free(machine, 0, pfn, 0, 0);
    page_free(machine, 0, pfn, 0, 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("page_alloc");
    TCase *tcase = tcase_create("rules");
    int eras = KERNEL_FIXTURE_COUNT;

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(
        tcase, user_memory_starts_in_highmem_and_the_kernels_below, 0, 7);
    tcase_add_loop_test(
        tcase, a_zone_at_its_low_mark_passes_requests_to_the_next, 0, eras);
    tcase_add_loop_test(
        tcase, every_zone_at_its_low_mark_wakes_kswapd_and_min_stops_the_user,
        0, eras);
    tcase_add_loop_test(tcase, direct_reclaim_helps_before_anybody_is_killed, 0,
                        eras);
    tcase_add_loop_test(
        tcase, a_kill_is_the_last_resort_and_the_request_goes_on, 0, eras);
    tcase_add_loop_test(tcase, nobody_is_killed_for_a_large_block, 0, eras);
    tcase_add_loop_test(
        tcase, lists_of_other_cpus_are_drained_before_a_kill_since_2_6_32, 1,
        eras);
    tcase_add_loop_test(tcase, a_frame_keeps_its_past_but_not_its_flags, 0,
                        eras);
    tcase_add_loop_test(tcase, a_run_is_what_single_requests_give, 0, eras);
    tcase_add_loop_test(tcase, a_random_life_keeps_every_invariant, 0,
                        2 * eras);
    suite_add_tcase(suite, tcase);

    TCase *misuse = tcase_create("misuse");
    tcase_set_tags(misuse, "aborts");
    tcase_add_test_raise_signal(misuse, freeing_a_free_frame_is_a_bug, SIGABRT);
    suite_add_tcase(suite, misuse);
    return run_suite(suite);
}
