/*
 * What direct reclaim takes of the page cache, and what a process gives up by
 * MADV_PAGEOUT: which pages leave memory, which only leave its page table, and
 * what the next touch of them is.
 *
 *   page of a file     clean                  dirty
 *   mapped once        leaves memory          loses its entry, stays
 *   mapped by others   stays as it is         stays as it is
 *
 * And what reclaim takes from under a fault.
 */
#include "eras.h"

#include "mm/file.h"
#include "mm/page_alloc.h"
#include "mm/reclaim.h"
#include "tests/run_suite.h"

#include <check.h>

#define PAGES(n)   ((uint64_t)(n) << PAGE_SHIFT)
#define PLACE      UINT64_C(0x10000000)
#define FILE_PAGES 64

static struct machine *machine;
static struct task *task;

static void
set_up(void)
{
    struct machine_config config =
        era_config(KERNEL_FIXTURE_COUNT - 1, &arch_x86_64, 64 * MIB);

    config.kernel.calls = UINT64_MAX;
    config.kernel.fault_around_pages = 16;
    machine = machine_create(&config);
    task = start_task(machine, 0);
}

static void
tear_down(void)
{
    machine_validate(machine);
    exit_all_tasks(machine);
    machine_destroy(machine);
}

/* All of a file at PLACE, on disk or not. */
static struct file *
map_whole(bool is_shmem, uint32_t sharing)
{
    struct file *file = file_create(machine, PAGES(FILE_PAGES), is_shmem,
                                    /* is_cold = */ false);
    struct call call = {.kind = CALL_MMAP,
                        .addr = PLACE,
                        .length = PAGES(FILE_PAGES),
                        .prot = VM_READ | VM_WRITE,
                        .flags = MM_FIXED | sharing,
                        .file = file};

    ck_assert_int_eq(run_call(machine, task, &call), PLACE);
    return file;
}

static void
page_out(uint64_t page, uint64_t count)
{
    struct call call = {.kind = CALL_MADVISE,
                        .addr = PLACE + PAGES(page),
                        .length = PAGES(count),
                        .advice = ADVICE_PAGEOUT};

    ck_assert_int_eq(run_call(machine, task, &call), 0);
}

static void
touch_page(enum touch_access access, uint64_t page)
{
    touch(task, access, PLACE + PAGES(page), PAGES(1));
}

static bool
is_mapped(uint64_t page)
{
    return entry_at(task, PLACE + PAGES(page)) != PTE_NONE;
}

START_TEST(a_clean_page_leaves_memory_and_is_read_again)
{
    struct file *file = map_whole(false, MM_SHARED);
    uint64_t free_pages, frames = file->cached_pages;

    touch_page(TOUCH_READ, 20);
    ck_assert(is_mapped(20) && is_mapped(21));
    free_pages = machine->counters.page_free_count;
    page_out(20, 1);
    ck_assert(!is_mapped(20) && is_mapped(21));
    ck_assert(!file_page_is_cached(file, 20) && file_page_is_cached(file, 21));
    ck_assert_uint_eq(file->cached_pages, frames - 1);
    ck_assert_uint_eq(machine->counters.page_free_count, free_pages + 1);
    ck_assert_uint_eq(machine->counters.reclaim_scanned_pages, 1);
    ck_assert_uint_eq(machine->counters.reclaim_freed_pages, 1);
    touch_page(TOUCH_READ, 20);
    ck_assert_uint_eq(machine->counters.fault_major_count, 1);
    ck_assert_uint_eq(machine->charges[CHARGE_disk_read_page], 1);
    ck_assert(is_mapped(20));
}
END_TEST

START_TEST(other_pages_of_the_file_are_not_read_again)
{
    struct file *file = map_whole(false, MM_SHARED);

    touch_page(TOUCH_READ, 0);
    page_out(0, FILE_PAGES);
    for (uint64_t page = 0; page < FILE_PAGES; page++)
        ck_assert_int_eq(file_page_is_cached(file, page), page >= 16);
    touch_page(TOUCH_READ, 40);
    ck_assert_uint_eq(machine->counters.fault_major_count, 0);
}
END_TEST

START_TEST(after_a_read_from_disk_the_neighbours_are_mapped_as_well)
{
    map_whole(false, MM_SHARED);
    touch_page(TOUCH_READ, 0);
    page_out(0, 16);
    touch_page(TOUCH_READ, 3);
    for (uint64_t page = 0; page < 16; page++)
        ck_assert(is_mapped(page));
}
END_TEST

START_TEST(a_dirty_page_only_loses_its_entry)
{
    struct file *file = map_whole(false, MM_SHARED);

    touch_page(TOUCH_WRITE, 5);
    page_out(5, 1);
    ck_assert(!is_mapped(5));
    ck_assert(file_page_is_cached(file, 5));
    ck_assert_uint_eq(machine->counters.reclaim_freed_pages, 0);
    touch_page(TOUCH_READ, 5);
    ck_assert(is_mapped(5));
    ck_assert_uint_eq(machine->counters.fault_major_count, 0);
}
END_TEST

START_TEST(a_page_that_is_to_go_once_written_is_not_mapped_along)
{
    map_whole(false, MM_SHARED);
    touch_page(TOUCH_WRITE, 5);
    page_out(5, 1);
    touch_page(TOUCH_READ, 4);
    ck_assert(is_mapped(6) && !is_mapped(5));
    /* A fault of its own takes the mark away. */
    touch_page(TOUCH_READ, 5);
    memory_call(task, CALL_MUNMAP, PLACE, PAGES(FILE_PAGES));
    ck_assert_int_eq(run_call(machine, task,
                              &(struct call){.kind = CALL_MMAP,
                                             .addr = PLACE,
                                             .length = PAGES(FILE_PAGES),
                                             .prot = VM_READ,
                                             .flags = MM_FIXED | MM_SHARED,
                                             .file = machine->files->pdata[0]}),
                     PLACE);
    touch_page(TOUCH_READ, 4);
    ck_assert(is_mapped(5));
}
END_TEST

START_TEST(a_page_that_somebody_else_maps_stays)
{
    struct file *file = map_whole(false, MM_SHARED);
    struct task *child = fork_task(task, 0);

    touch_page(TOUCH_READ, 0);
    touch(child, TOUCH_WRITE, PLACE, PAGES(1));
    page_out(0, 2);
    ck_assert(is_mapped(0) && file_page_is_cached(file, 0));
    ck_assert(!is_mapped(1) && !file_page_is_cached(file, 1));
    run_call(machine, child, &(struct call){.kind = CALL_EXIT_GROUP});
    page_out(0, 2);
    ck_assert(!is_mapped(0) && file_page_is_cached(file, 0));
}
END_TEST

START_TEST(a_page_in_another_cpus_batch_stays)
{
    struct file *file = map_whole(true, MM_SHARED);
    struct task *other = thread_task(task, 1);

    touch(other, TOUCH_READ, PLACE, PAGES(1));
    touch_page(TOUCH_READ, 1);
    page_out(0, 2);
    ck_assert(is_mapped(0) && file_page_is_cached(file, 0));
    ck_assert(!is_mapped(1) && !file_page_is_cached(file, 1));
}
END_TEST

START_TEST(shared_memory_leaves_only_where_nobody_wrote)
{
    struct file *file = map_whole(true, MM_SHARED);

    touch_page(TOUCH_READ, 0);
    touch_page(TOUCH_READ, 1);
    touch_page(TOUCH_WRITE, 1);  // writable already: no fault tells of it
    touch_page(TOUCH_WRITE, 2);
    page_out(0, 3);
    for (uint64_t page = 0; page < 3; page++) {
        ck_assert(!is_mapped(page));
        ck_assert_int_eq(file_page_is_cached(file, page), page > 0);
    }
    touch_page(TOUCH_READ, 1);
    ck_assert(is_mapped(2));
    ck_assert_uint_eq(machine->counters.clear_page_shmem_count, 3);
    touch_page(TOUCH_READ, 0);
    ck_assert_uint_eq(machine->counters.clear_page_shmem_count, 4);
    ck_assert_uint_eq(machine->counters.fault_major_count, 0);
}
END_TEST

START_TEST(private_copies_stay)
{
    struct file *file = map_whole(false, 0);

    touch_page(TOUCH_WRITE, 0);
    touch_page(TOUCH_READ, 1);
    page_out(0, 2);
    ck_assert(is_mapped(0) && file_page_is_cached(file, 0));
    ck_assert(!is_mapped(1) && !file_page_is_cached(file, 1));
}
END_TEST

/* Frames that nobody else gets, up to `count` of them, as long as none need to
 * be reclaimed for the next. */
static GArray *
take_frames(guint count)
{
    GArray *pfns = g_array_new(FALSE, FALSE, sizeof(pfn_t));

    while (pfns->len < count && !machine->counters.reclaim_scanned_pages) {
        pfn_t pfn = page_alloc(machine, 0, PAGE_HOG, 0);

        g_array_append_val(pfns, pfn);
    }
    return pfns;
}

static void
give_frames(GArray *pfns)
{
    for (guint i = 0; i < pfns->len; i++)
        page_free(machine, 0, g_array_index(pfns, pfn_t, i), 0, 0);
    g_array_free(pfns, TRUE);
}

START_TEST(memory_for_a_page_table_may_cost_the_page_that_it_is_for)
{
    uint32_t lost_count = 0;

    map_whole(false, MM_SHARED);
    GArray *pfns = take_frames(UINT32_MAX);
    guint enough = pfns->len;

    for (guint spare = 1; spare < 8; spare++) {
        give_frames(pfns);
        tear_down();
        set_up();
        struct file *file = map_whole(false, MM_SHARED);

        pfns = take_frames(enough - spare);
        touch_page(TOUCH_READ, 0);
        ck_assert_uint_eq(pte_pfn(entry_at(task, PLACE)).v,
                          file_lookup(file, 0).v);
        lost_count += machine->counters.fault_major_count > 0;
    }
    ck_assert_uint_gt(lost_count, 0);
    give_frames(pfns);
}
END_TEST

/* ---- direct reclaim ---- */

static void
assert_reclaims(uint64_t expected_pages)
{
    uint64_t pages = reclaim_direct(machine, 0, PAGE_ANON, 0);

    ck_assert_uint_eq(pages, expected_pages);
}

START_TEST(the_oldest_pages_of_the_cache_go_32_at_a_time)
{
    struct file *file = map_whole(false, MM_SHARED);

    assert_reclaims(32);
    for (uint64_t page = 0; page < FILE_PAGES; page++)
        ck_assert_int_eq(file_page_is_cached(file, page), page >= 32);
    assert_reclaims(32);
    assert_reclaims(0);
    ck_assert_uint_eq(file->cached_pages, 0);
}
END_TEST

/* What was mapped around a fault counts as used. */
START_TEST(a_mapped_page_that_was_used_goes_round_once)
{
    struct file *file = map_whole(false, MM_SHARED);

    touch_page(TOUCH_READ, 0);
    assert_reclaims(32);
    ck_assert_uint_eq(machine->counters.reclaim_scanned_pages, 16 + 32);
    for (uint64_t page = 0; page < FILE_PAGES; page++)
        ck_assert_int_eq(file_page_is_cached(file, page),
                         page < 16 || page >= 48);
    ck_assert(is_mapped(0));
    assert_reclaims(32);
    ck_assert(!is_mapped(0));
    ck_assert_uint_eq(file->cached_pages, 0);
}
END_TEST

START_TEST(a_dirty_page_that_nobody_maps_stays)
{
    struct file *file = map_whole(false, MM_SHARED);

    touch_page(TOUCH_WRITE, 3);
    memory_call(task, CALL_MUNMAP, PLACE, PAGES(FILE_PAGES));
    assert_reclaims(32);
    assert_reclaims(31);
    ck_assert_uint_eq(file->cached_pages, 1);
    ck_assert(file_page_is_cached(file, 3));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("reclaim");
    TCase *tcase = tcase_create("pageout");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, a_clean_page_leaves_memory_and_is_read_again);
    tcase_add_test(tcase, other_pages_of_the_file_are_not_read_again);
    tcase_add_test(tcase,
                   after_a_read_from_disk_the_neighbours_are_mapped_as_well);
    tcase_add_test(tcase, a_dirty_page_only_loses_its_entry);
    tcase_add_test(tcase,
                   a_page_that_is_to_go_once_written_is_not_mapped_along);
    tcase_add_test(tcase, a_page_that_somebody_else_maps_stays);
    tcase_add_test(tcase, a_page_in_another_cpus_batch_stays);
    tcase_add_test(tcase, shared_memory_leaves_only_where_nobody_wrote);
    tcase_add_test(tcase, private_copies_stay);
    tcase_add_test(tcase,
                   memory_for_a_page_table_may_cost_the_page_that_it_is_for);
    suite_add_tcase(suite, tcase);

    TCase *direct = tcase_create("direct");

    tcase_add_checked_fixture(direct, set_up, tear_down);
    tcase_add_test(direct, the_oldest_pages_of_the_cache_go_32_at_a_time);
    tcase_add_test(direct, a_mapped_page_that_was_used_goes_round_once);
    tcase_add_test(direct, a_dirty_page_that_nobody_maps_stays);
    suite_add_tcase(suite, direct);
    return run_suite(suite);
}
