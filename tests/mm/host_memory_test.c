/*
 * Host memory that machines share: nothing of one shows in the next; and the
 * short way of a single touch against the long one.
 */
#include "eras.h"

#include "mm/host_memory.h"
#include "tests/run_suite.h"

#include <check.h>
#include <string.h>

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

START_TEST(records_and_chunks_that_come_back_are_zeroes)
{
    struct host_memory *memory = host_memory_create();
    char *chunk = host_memory_get_chunk(memory);

    memset(chunk, 1, HOST_CHUNK_BYTES);
    host_memory_put_chunk(memory, chunk);
    chunk = host_memory_get_chunk(memory);
    for (size_t i = 0; i < HOST_CHUNK_BYTES; i++)
        ck_assert_int_eq(chunk[i], 0);
    host_memory_put_chunk(memory, chunk);

    counted(3, memory, true);
    size_t bytes = (size_t)bytes_to_pages(256 << 20) * sizeof(struct page);
    char *records = host_memory_get_records(memory, bytes);
    for (size_t i = 0; i < bytes; i++)
        ck_assert_int_eq(records[i], 0);
    host_memory_put_records(memory, records, bytes);
    host_memory_destroy(memory);
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
    tcase_add_test(tests, records_and_chunks_that_come_back_are_zeroes);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
