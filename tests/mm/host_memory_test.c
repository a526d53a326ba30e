/*
 * Host memory that machines share: nothing of one shows in the next; and the
 * short way of a single touch against the long one.
 */
#include "eras.h"

#include "mm/host_memory.h"
#include "tests/run_suite.h"

#include <check.h>
#include <string.h>
#include <sys/mman.h>

#define PAGES 3000

/* A workload that splits, merges, ages and frees; what it counted. */
static struct mm_counters
counted(int era, struct host_memory *memory, bool one_by_one)
{
    struct machine_config config =
        era_config(era, &arch_x86_64, UINT64_C(256) << 20);
    struct mm_counters counters;

    config.track_content = false;
    config.host_memory = memory;
    struct machine *machine = machine_create(&config);
    struct task *task = start_task(machine, 0);
    uint64_t base = map_anon(task, pages_to_bytes(PAGES));

    for (uint64_t i = 0; i < 2 * PAGES; i++) {
        uint64_t addr = base + pages_to_bytes(i * 7919 % PAGES);
        enum touch_access access = i % 3 ? TOUCH_WRITE : TOUCH_READ;

        if (!one_by_one || !touch_one(task, addr, access))
            touch(task, access, addr, PAGE_BYTES);
    }
    memory_call(fork_task(task, 1), CALL_EXIT, 0, 0);
    machine_validate(machine);
    counters = machine->counters;
    machine_destroy(machine);
    return counters;
}

static void
assert_same(struct mm_counters a, struct mm_counters b)
{
    ck_assert_mem_eq(&a, &b, sizeof(a));
}

START_TEST(a_machine_in_used_host_memory_counts_as_in_new)
{
    struct host_memory *memory = host_memory_create();

    for (int era = 0; era < KERNEL_FIXTURE_COUNT; era++) {
        assert_same(counted(era, NULL, true), counted(era, memory, true));
        assert_same(counted(era, NULL, true), counted(era, memory, true));
    }
    host_memory_destroy(memory);
}
END_TEST

START_TEST(touching_one_page_the_short_way_counts_as_the_long_way)
{
    for (int era = 0; era < KERNEL_FIXTURE_COUNT; era++)
        assert_same(counted(era, NULL, true), counted(era, NULL, false));
}
END_TEST

/* A family of three writes what it shares: ranges at once, or page by page. */
static struct machine *
shared_and_written(int era, enum cow_policy cow, bool one_by_one)
{
    struct machine_config config =
        era_config(era, &arch_x86_64, UINT64_C(256) << 20);
    uint64_t seed = 1;

    config.policy.cow = cow;
    struct machine *machine = machine_create(&config);
    struct task *tasks[3] = {start_task(machine, 0)};
    uint64_t base = map_anon(tasks[0], pages_to_bytes(PAGES));

    touch(tasks[0], TOUCH_WRITE, base, pages_to_bytes(PAGES / 2));
    tasks[1] = fork_task(tasks[0], 1);
    tasks[2] = fork_task(tasks[1], 0);
    for (int i = 0; i < 60; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t first = (seed >> 33) % PAGES, count = (seed >> 20) % 400;
        struct task *task = tasks[(seed >> 50) % 3];
        enum touch_access access = seed >> 60 ? TOUCH_WRITE : TOUCH_READ;

        count = MIN(count, PAGES - first);
        for (uint64_t k = 0; one_by_one && k < count; k++)
            touch(task, access, base + pages_to_bytes(first + k), PAGE_BYTES);
        if (!one_by_one)
            touch(task, access, base + pages_to_bytes(first),
                  pages_to_bytes(count));
    }
    machine_validate(machine);
    return machine;
}

START_TEST(copying_a_run_counts_and_charges_as_copying_its_pages)
{
    static const enum cow_policy cows[] = {COW_PAGE_COUNT, COW_MAPCOUNT,
                                           COW_EXCLUSIVE};
    int era = _i / (int)G_N_ELEMENTS(cows);
    enum cow_policy cow = cows[_i % (int)G_N_ELEMENTS(cows)];
    struct machine *run = shared_and_written(era, cow, false);
    struct machine *pages = shared_and_written(era, cow, true);

    assert_same(run->counters, pages->counters);
    ck_assert_uint_gt(run->counters.fault_cow_copy_count, PAGES / 4);
    /* A run looks its VMA up once. */
    run->charges[CHARGE_vma_lookup_step] =
        pages->charges[CHARGE_vma_lookup_step] = 0;
    for (int i = 0; i < CHARGE_COUNT; i++)
        ck_assert_msg(run->charges[i] == pages->charges[i], "charge %d", i);
    ck_assert_mem_eq(run->peak, pages->peak, sizeof(run->peak));
    machine_destroy(run);
    machine_destroy(pages);
}
END_TEST

/* All zeroes, whatever machines have done there. */
static void
assert_zeroes(const char *start, size_t bytes)
{
    ck_assert_int_eq(start[0], 0);
    ck_assert_int_eq(memcmp(start, start + 1, bytes - 1), 0);
}

START_TEST(records_and_chunks_come_back_as_zeroes)
{
    struct host_memory *memory = host_memory_create();
    size_t bytes = (size_t)bytes_to_pages(256 << 20) * sizeof(struct page);

    counted(3, memory, true);
    assert_zeroes(host_memory_get_records(memory, bytes), bytes);
    char *chunk = host_memory_get_chunk(memory, true);
    assert_zeroes(chunk, HOST_CHUNK_BYTES);
    host_memory_put_chunk(memory, chunk, true);
    host_memory_destroy(memory);
}
END_TEST

START_TEST(chunks_with_leavings_are_kept_apart_from_zeroes)
{
    struct host_memory *memory = host_memory_create();
    char *used = host_memory_get_chunk(memory, false);

    memset(used, 1, HOST_CHUNK_BYTES);
    host_memory_put_chunk(memory, used, false);
    for (size_t i = 0; i < 2 * 2 * MIB / HOST_CHUNK_BYTES; i++) {
        char *chunk = host_memory_get_chunk(memory, true);

        ck_assert_ptr_ne(chunk, used);
        assert_zeroes(chunk, HOST_CHUNK_BYTES);
    }
    ck_assert_ptr_eq(host_memory_get_chunk(memory, false), used);
    ck_assert_ptr_nonnull(host_memory_get_chunk(memory, false));
    host_memory_destroy(memory);
}
END_TEST

/* Stretches follow one another up to the limit, small ones first. */
START_TEST(records_are_backed_in_stretches_that_grow)
{
    struct host_memory *memory = host_memory_create();
    size_t bytes = (size_t)16 << 20, from = 12345, longest = 0;
    char *records = host_memory_get_records(memory, bytes);

    for (unsigned round = 0; round < 2; round++)
        for (size_t at = from; at < bytes;) {
            size_t end = host_memory_back_records(memory, at, bytes);

            ck_assert_uint_gt(end, at);
            ck_assert_uint_le(end, bytes);
            if (at - from < HOST_CHUNK_BYTES)
                ck_assert_uint_le(end - at, HOST_CHUNK_BYTES);
            longest = MAX(longest, end - at);
            at = end;
        }
    ck_assert_uint_gt(longest, HOST_CHUNK_BYTES);
    assert_zeroes(records, bytes);
    host_memory_destroy(memory);
}
END_TEST

/* As many chunks as a large machine wants; none meets another. */
START_TEST(chunks_are_distinct_and_aligned)
{
    enum { COUNT = 40 };
    struct host_memory *memory = host_memory_create();
    char *chunks[COUNT];

    for (int i = 0; i < COUNT; i++) {
        chunks[i] = host_memory_get_chunk(memory, true);
        ck_assert_uint_eq((uintptr_t)chunks[i] % 64, 0);
        memset(chunks[i], i + 1, HOST_CHUNK_BYTES);
    }
    for (int i = 0; i < COUNT; i++) {
        ck_assert_int_eq(chunks[i][0], i + 1);
        ck_assert_int_eq(chunks[i][HOST_CHUNK_BYTES - 1], i + 1);
    }
    host_memory_destroy(memory);
}
END_TEST

static bool
is_mapped(void *start)
{
    unsigned char resident;

    return mincore(start, 1, &resident) == 0;
}

START_TEST(what_no_machine_uses_goes_back_to_the_host)
{
    struct host_memory *memory = host_memory_create();
    void *first = host_memory_get_records(memory, HOST_CHUNK_BYTES);

    void *second = host_memory_get_records(memory, 64 * HOST_CHUNK_BYTES);
    void *chunk = host_memory_get_chunk(memory, true);

    ck_assert(is_mapped(second) && is_mapped(chunk));
    host_memory_destroy(memory);
    ck_assert(!is_mapped(first));
    ck_assert(!is_mapped(second));
    ck_assert(!is_mapped(chunk));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("host_memory");
    TCase *tests = tcase_create("host_memory");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_machine_in_used_host_memory_counts_as_in_new);
    tcase_add_test(tests,
                   touching_one_page_the_short_way_counts_as_the_long_way);
    tcase_add_loop_test(tests,
                        copying_a_run_counts_and_charges_as_copying_its_pages,
                        0, 3 * KERNEL_FIXTURE_COUNT);
    tcase_add_test(tests, records_and_chunks_come_back_as_zeroes);
    tcase_add_test(tests, chunks_with_leavings_are_kept_apart_from_zeroes);
    tcase_add_test(tests, records_are_backed_in_stretches_that_grow);
    tcase_add_test(tests, chunks_are_distinct_and_aligned);
    tcase_add_test(tests, what_no_machine_uses_goes_back_to_the_host);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
