/*
 * Slab caches: how many objects a slab holds, when its frames come and go, and
 * which slab serves the next request.
 */
#include "tests/mm/frames.h"
#include "tests/mm/invariant.h"
#include "tests/run_suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct machine *
machine_with_cache(uint32_t object_bytes, size_t host_bytes)
{
    struct machine_config config =
        kernel_fixture_6_18(&frames_arch_one_zone, 64 * MIB);
    struct machine *machine = frames_create(&config, 0);

    slab_cache_init(&machine->slabs[SLAB_VMA], object_bytes, host_bytes);
    return machine;
}

static void
machine_finish(struct machine *machine)
{
    slab_cache_finish(machine, SLAB_VMA);
    frames_destroy(machine);
}

START_TEST(the_order_is_the_smallest_that_wastes_an_eighth_at_most)
{
    static const struct {
        uint32_t object_bytes, order, count;
    } rows[] = {
        {12, 0, 341},     {32, 0, 128},  {176, 0, 23},  {192, 0, 21},
        {1408, 2, 11},    {1700, 2, 9},  {3000, 2, 5},  {4096, 0, 1},
        {9792, 3, 3},     {17000, 3, 1}, {40000, 4, 1}, {4194304, 10, 1},
        {4194305, 10, 0},
    };
    struct slab_cache cache;

    slab_cache_init(&cache, rows[_i].object_bytes, 8);
    ck_assert_uint_eq(cache.order, rows[_i].order);
    ck_assert_uint_eq(cache.object_count_max, rows[_i].count);
}
END_TEST

START_TEST(frames_come_with_the_first_object_and_go_with_the_last)
{
    struct machine *machine = machine_with_cache(1024, 40);
    uint64_t *objects[9];

    for (unsigned i = 0; i < 9; i++) {
        objects[i] = slab_alloc(machine, SLAB_VMA);
        ck_assert_uint_eq(machine->gauge[GAUGE_slab_bytes],
                          (i / 4 + 1) * PAGE_BYTES);
        slab_validate(machine);
    }
    ck_assert_uint_eq(machine->slabs[SLAB_VMA].live_count, 9);
    slab_free(machine, SLAB_VMA, objects[8]);
    ck_assert_uint_eq(machine->gauge[GAUGE_slab_bytes], 2 * PAGE_BYTES);
    for (unsigned i = 0; i < 8; i++) {
        ck_assert_uint_eq(machine->gauge[GAUGE_slab_bytes],
                          i < 4 ? 2 * PAGE_BYTES : PAGE_BYTES);
        slab_free(machine, SLAB_VMA, objects[i]);
        frames_validate(machine);
    }
    ck_assert_uint_eq(machine->gauge[GAUGE_slab_bytes], 0);
    ck_assert_uint_eq(machine->counters.page_alloc_count, 3);
    ck_assert_uint_eq(machine->counters.page_free_count, 3);
    machine_finish(machine);
}
END_TEST

START_TEST(an_object_is_zeroed_whoever_had_it_before)
{
    struct machine *machine = machine_with_cache(100, 41);
    void *keep = slab_alloc(machine, SLAB_VMA);
    char *object = slab_alloc(machine, SLAB_VMA);
    static const char zeroes[41];

    ck_assert_mem_eq(object, zeroes, 41);
    memset(object, 0xaa, 41);
    slab_free(machine, SLAB_VMA, object);
    ck_assert_ptr_eq(slab_alloc(machine, SLAB_VMA), object);
    ck_assert_mem_eq(object, zeroes, 41);
    ck_assert_ptr_ne(keep, object);
    machine_finish(machine);
}
END_TEST

START_TEST(the_slab_freed_into_last_serves_next)
{
    struct machine *machine = machine_with_cache(1024, 8);
    void *objects[12];

    for (unsigned i = 0; i < 12; i++)
        objects[i] = slab_alloc(machine, SLAB_VMA);
    slab_free(machine, SLAB_VMA, objects[1]);
    slab_free(machine, SLAB_VMA, objects[9]);
    slab_free(machine, SLAB_VMA, objects[5]);
    ck_assert_ptr_eq(slab_alloc(machine, SLAB_VMA), objects[5]);
    ck_assert_ptr_eq(slab_alloc(machine, SLAB_VMA), objects[9]);
    ck_assert_ptr_eq(slab_alloc(machine, SLAB_VMA), objects[1]);
    machine_finish(machine);
}
END_TEST

START_TEST(frames_of_a_slab_belong_to_the_kernel)
{
    struct machine *machine = machine_with_cache(9792, 8);
    pfn_t used = page_alloc(machine, 0, PAGE_ANON, 3);

    for (uint32_t i = 0; i < 8; i++)
        machine->pages[used.v + i].holder = HOLDER_FIRST_UID;
    page_free(machine, 0, used, 3, HOLDER_FIRST_UID);
    void *object = slab_alloc(machine, SLAB_VMA);
    for (uint32_t i = 0; i < 8; i++) {
        const struct page *page = &machine->pages[used.v + i];
        ck_assert_uint_eq(page_state(page), PAGE_SLAB);
        ck_assert_uint_eq(page->holder, HOLDER_KERNEL);
        ck_assert_uint_eq(page->map_count, 0);
    }
    slab_free(machine, SLAB_VMA, object);
    ck_assert_uint_eq(machine->pages[used.v].holder, HOLDER_KERNEL);
    ck_assert_uint_eq(machine->pages[used.v].map_count, 0);
    machine_finish(machine);
}
END_TEST

START_TEST(no_frame_means_no_object_and_no_change)
{
    struct machine *machine = machine_with_cache(2048, 8);
    g_autofree pfn_t *pfns = g_new(pfn_t, machine->ram_pages);
    uint32_t count = 0;

    page_alloc_run(machine, 0, PAGE_ANON, (uint32_t)machine->ram_pages, pfns);
    ck_assert_ptr_null(slab_alloc(machine, SLAB_VMA));
    ck_assert_uint_eq(machine->slabs[SLAB_VMA].live_count, 0);
    frames_validate(machine);

    for (unsigned i = 0; i < 32; i++)
        page_free(machine, 0, pfns[i], 0, 0);
    pcp_drain(machine, 0);
    while (slab_alloc(machine, SLAB_VMA))
        count++;
    ck_assert_uint_gt(count, 2);
    ck_assert_uint_eq(count % 2, 0);
    frames_validate(machine);
    machine_finish(machine);

    machine = machine_with_cache(4194305, 8);
    ck_assert_ptr_null(slab_alloc(machine, SLAB_VMA));
    machine_finish(machine);
}
END_TEST

START_TEST(a_random_life_keeps_every_invariant)
{
    struct machine *machine = machine_with_cache(200, 24);
    void *objects[1000];
    uint32_t count = 0;
    uint64_t seed = 9;

    for (unsigned step = 0; step < 20000; step++) {
        /* Waves of growing and shrinking. */
        if (count && (count == 1000 || frames_random(&seed) % 100 <
                                           (step / 2000 % 2 ? 70 : 30))) {
            uint32_t k = (uint32_t)(frames_random(&seed) % count);
            slab_free(machine, SLAB_VMA, objects[k]);
            objects[k] = objects[--count];
        } else {
            objects[count++] = slab_alloc(machine, SLAB_VMA);
        }
        if (step % 32 == 0)
            slab_validate(machine);
    }
    ck_assert_uint_eq(machine->slabs[SLAB_VMA].live_count, count);
    while (count)
        slab_free(machine, SLAB_VMA, objects[--count]);
    ck_assert_uint_eq(machine->gauge[GAUGE_slab_bytes], 0);
    frames_validate(machine);
    machine_finish(machine);
}
END_TEST

START_TEST(a_broken_invariant_is_named)
{
    static char *const names[] = {"S1: ", "S1: ", "S2: ", "S3: ", "S4: "};
    struct machine *machine = machine_with_cache(1024, 8);
    struct slab_cache *cache = &machine->slabs[SLAB_VMA];

    slab_alloc(machine, SLAB_VMA);
    slab_validate(machine);
    expect_invariant(names[_i]);
    for (uint32_t pfn = 0; pfn < machine->ram_pages; pfn++) {
        struct page *page = &machine->pages[pfn];
        if (page_state(page) == PAGE_SLAB && _i == 0)
            page->flags = PAGE_ANON;
        if (page_state(page) == PAGE_SLAB && _i == 1)
            page->home = SLAB_MM;
    }
    if (_i == 2) {
        cache->full = cache->partial;
        cache->partial = NULL;
    }
    if (_i == 3)
        cache->live_count++;
    if (_i == 4)
        machine->gauge[GAUGE_slab_bytes] += PAGE_BYTES;
    slab_validate(machine);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("slab");
    TCase *tcase = tcase_create("rules");

    tcase_add_loop_test(
        tcase, the_order_is_the_smallest_that_wastes_an_eighth_at_most, 0, 13);
    tcase_add_test(tcase,
                   frames_come_with_the_first_object_and_go_with_the_last);
    tcase_add_test(tcase, an_object_is_zeroed_whoever_had_it_before);
    tcase_add_test(tcase, the_slab_freed_into_last_serves_next);
    tcase_add_test(tcase, frames_of_a_slab_belong_to_the_kernel);
    tcase_add_test(tcase, no_frame_means_no_object_and_no_change);
    tcase_add_test(tcase, a_random_life_keeps_every_invariant);
    suite_add_tcase(suite, tcase);

    TCase *broken = tcase_create("broken");
    tcase_set_tags(broken, "aborts");
    tcase_add_loop_test_raise_signal(broken, a_broken_invariant_is_named,
                                     SIGABRT, 0, 5);
    suite_add_tcase(suite, broken);
    return run_suite(suite);
}
