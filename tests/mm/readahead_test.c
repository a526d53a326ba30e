/*
 * Which pages of a file on disk a fault brings into memory, as on 6.18 with
 * windows of 32 pages.  Every rule was seen on 6.18.44 by the tracepoints of
 * read-ahead and by mincore(); random programs keep comparing them.
 */
#include "eras.h"

#include "mm/file.h"
#include "tests/run_suite.h"

#include <check.h>

#define PAGES(n) ((uint64_t)(n) << PAGE_SHIFT)
#define PLACE    UINT64_C(0x10000000)

static struct machine *machine;
static struct task *task;
static struct file *file;

/* Of a file system with large folios, or without. */
static void
start(uint32_t version, bool large_folios)
{
    struct machine_config config =
        era_config(KERNEL_FIXTURE_COUNT - 1, &arch_x86_64, 256 * MIB);

    config.kernel.version = version;
    config.kernel.calls = UINT64_MAX;
    config.kernel.fault_around_pages = 16;
    config.large_folios = large_folios;
    machine = machine_create(&config);
    task = start_task(machine, 0);
}

static void
set_up(void)
{
    start(6018000, false);
}

static void
set_up_large(void)
{
    start(6018000, true);
}

static void
tear_down(void)
{
    machine_validate(machine);
    exit_all_tasks(machine);
    machine_destroy(machine);
}

static void
map_part(uint64_t place, uint64_t pgoff, uint64_t pages, uint32_t prot,
         uint32_t flags)
{
    struct call call = {.kind = CALL_MMAP,
                        .addr = PLACE + PAGES(place),
                        .length = PAGES(pages),
                        .pgoff = pgoff,
                        .prot = prot,
                        .flags = MM_FIXED | flags,
                        .file = file};

    ck_assert_int_eq(run_call(machine, task, &call), (int64_t)call.addr);
}

/* A file of which nothing is in memory, all of it at PLACE. */
static void
map_cold(uint64_t pages)
{
    file = file_create(machine, PAGES(pages), false, /* is_cold = */ true);
    map_part(0, 0, pages, VM_READ | VM_WRITE, MM_SHARED);
}

static void
advise(uint64_t page, uint64_t pages, enum advice advice)
{
    ck_assert_int_eq(run_call(machine, task,
                              &(struct call){.kind = CALL_MADVISE,
                                             .addr = PLACE + PAGES(page),
                                             .length = PAGES(pages),
                                             .advice = advice}),
                     0);
}

static void
read_page(uint64_t page)
{
    touch(task, TOUCH_READ, PLACE + PAGES(page), PAGES(1));
}

static void
write_page(uint64_t page)
{
    touch(task, TOUCH_WRITE, PLACE + PAGES(page), PAGES(1));
}

static bool
is_mapped(uint64_t page)
{
    return entry_at(task, PLACE + PAGES(page)) != PTE_NONE;
}

/* "0-31 40-40": the pages in memory. */
static void
ck_assert_cached(const char *expected)
{
    g_autoptr(GString) found = g_string_new(NULL);

    for (uint64_t page = 0; page < file_size_pages(file); page++) {
        uint64_t first = page;

        while (file_page_is_cached(file, page))
            page++;
        if (page > first)
            g_string_append_printf(found, "%s%u-%u", found->len ? " " : "",
                                   (unsigned)first, (unsigned)page - 1);
    }
    ck_assert_str_eq(found->str, expected);
}

/* Is the page the sign to read on? */
static bool
is_sign(uint64_t page)
{
    pfn_t pfn = file_lookup(file, page);

    return folio_head(page_of(machine, pfn))->flags & PAGE_READAHEAD;
}

static unsigned
order_of(uint64_t page)
{
    return page_order(page_of(machine, file_lookup(file, page)));
}

START_TEST(a_miss_reads_around_and_marks_the_last_quarter)
{
    map_cold(200);
    read_page(100);
    ck_assert_cached("84-115");
    for (uint64_t page = 84; page < 116; page++)
        ck_assert_int_eq(is_sign(page), page == 108);
    ck_assert_uint_eq(machine->counters.fault_major_count, 1);
    ck_assert_uint_eq(machine->charges[CHARGE_disk_read_page], 32);
    ck_assert_uint_eq(machine->charges[CHARGE_disk_seek], 1);
}
END_TEST

START_TEST(the_window_begins_and_ends_with_the_file)
{
    map_cold(40);
    read_page(3);
    ck_assert_cached("0-31");
    read_page(39);
    ck_assert_cached("0-39");
    /* The last quarter is counted from the end. */
    for (uint64_t page = 25; page < 40; page++)
        ck_assert_int_eq(is_sign(page), page == 32);
}
END_TEST

START_TEST(a_fault_that_read_maps_its_neighbours_but_not_the_sign)
{
    map_cold(200);
    read_page(100);
    for (uint64_t page = 96; page < 112; page++)
        ck_assert_int_eq(is_mapped(page), page != 108);
    ck_assert_uint_eq(machine->counters.fault_around_pages, 14);
}
END_TEST

START_TEST(the_sign_starts_the_next_window)
{
    map_cold(200);
    read_page(10);
    read_page(24);
    ck_assert_cached("0-63");
    ck_assert(is_sign(32) && !is_sign(24));
    ck_assert_uint_eq(machine->counters.fault_major_count, 1);
    ck_assert_uint_eq(machine->charges[CHARGE_disk_seek], 2);
    read_page(32);
    ck_assert_cached("0-95");
}
END_TEST

START_TEST(windows_behind_a_sign_end_at_a_multiple_of_four)
{
    map_cold(200);
    read_page(21);
    ck_assert_cached("5-36");
    read_page(29);
    ck_assert_cached("5-67");
    ck_assert(is_sign(37));
}
END_TEST

START_TEST(a_sign_of_another_window_reads_on_where_memory_ends)
{
    map_cold(200);
    read_page(20);
    read_page(150);
    read_page(28);
    ck_assert_cached("4-67 134-165");
}
END_TEST

START_TEST(a_sign_with_too_much_in_memory_behind_it_reads_nothing)
{
    map_cold(200);
    read_page(16);
    ck_assert(is_sign(24));
    advise(32, 40, ADVICE_WILLNEED);
    read_page(150);
    read_page(24);
    ck_assert_cached("0-71 134-165");
    ck_assert(!is_sign(24));
}
END_TEST

START_TEST(what_is_in_memory_is_left_out_of_a_window)
{
    map_cold(100);
    read_page(16);
    write_page(30);
    advise(0, 32, ADVICE_PAGEOUT);
    ck_assert_cached("0-15 24-24 30-30");
    uint64_t read_pages = machine->charges[CHARGE_disk_read_page];

    read_page(16);
    ck_assert_cached("0-31");
    ck_assert_uint_eq(machine->charges[CHARGE_disk_read_page], read_pages + 14);
}
END_TEST

START_TEST(executable_mappings_read_from_the_page_on_without_a_sign)
{
    map_cold(200);
    map_part(0, 0, 110, VM_READ | VM_EXEC, MM_SHARED);
    read_page(40);
    ck_assert_cached("40-71");
    read_page(100);
    ck_assert_cached("40-71 100-109");
    for (uint64_t page = 40; page < 72; page++)
        ck_assert(!is_sign(page));
}
END_TEST

START_TEST(random_mappings_read_single_pages)
{
    map_cold(200);
    advise(0, 200, ADVICE_RANDOM);
    read_page(40);
    ck_assert_cached("40-40");
    ck_assert_uint_eq(machine->counters.fault_major_count, 1);
    /* Executable ones all the same as ever. */
    map_part(0, 0, 200, VM_READ | VM_EXEC, MM_SHARED);
    advise(0, 200, ADVICE_RANDOM);
    read_page(100);
    ck_assert_cached("40-40 100-131");
}
END_TEST

START_TEST(random_mappings_pass_signs_by)
{
    map_cold(200);
    read_page(16);
    advise(0, 200, ADVICE_RANDOM);
    read_page(24);
    ck_assert_cached("0-31");
    ck_assert(is_sign(24));
}
END_TEST

START_TEST(sequential_mappings_read_ahead_of_the_page)
{
    map_cold(200);
    advise(0, 200, ADVICE_SEQUENTIAL);
    read_page(100);
    ck_assert_cached("100-131");
    for (uint64_t page = 100; page < 132; page++)
        ck_assert(!is_sign(page));
    read_page(0);
    ck_assert_cached("0-31 100-131");
    ck_assert(is_sign(16));
}
END_TEST

START_TEST(willneed_reads_what_one_request_takes)
{
    map_cold(1000);
    advise(10, 900, ADVICE_WILLNEED);
    ck_assert_cached("10-329");  // max_sectors_kb 1280
    for (uint64_t page = 10; page < 330; page++)
        ck_assert(!is_sign(page));
    ck_assert_uint_eq(machine->counters.fault_count, 0);
    advise(990, 10, ADVICE_WILLNEED);
    ck_assert_cached("10-329 990-999");
}
END_TEST

/* Writes of a private mapping find no pages for others. */
START_TEST(after_a_hundred_misses_windows_are_given_up)
{
    map_cold(7000);
    map_part(0, 0, 7000, VM_READ | VM_WRITE, 0);
    for (uint64_t miss = 0; miss < 100; miss++)
        write_page(20 + 32 * miss);
    uint64_t read_pages = machine->charges[CHARGE_disk_read_page];

    ck_assert_uint_gt(read_pages, 3000);
    write_page(6000);
    ck_assert_uint_eq(machine->charges[CHARGE_disk_read_page], read_pages + 1);
    /* Found pages, and those around them, speak for windows again. */
    read_page(40);
    write_page(6500);
    ck_assert_uint_eq(machine->charges[CHARGE_disk_read_page], read_pages + 33);
}
END_TEST

START_TEST(without_read_ahead_single_pages_are_read)
{
    machine->config.read_ahead_kb = 0;
    map_cold(100);
    read_page(50);
    read_page(51);
    ck_assert_cached("50-51");
    ck_assert_uint_eq(machine->counters.fault_major_count, 2);
}
END_TEST

START_TEST(a_sign_makes_the_kernels_own_access_major)
{
    map_cold(100);
    read_page(16);
    struct call call = touch_call(TOUCH_READ, PLACE + PAGES(24), PAGES(1), 1);

    call.from_kernel = true;
    run_call(machine, task, &call);
    ck_assert_uint_eq(machine->counters.fault_major_count, 2);
}
END_TEST

START_TEST(populate_counts_no_major_faults)
{
    map_cold(100);
    advise(0, 100, ADVICE_POPULATE_READ);
    ck_assert_cached("0-99");
    ck_assert_uint_eq(machine->counters.fault_major_count, 0);
    ck_assert_uint_gt(machine->counters.populate_fault_count, 0);
}
END_TEST

START_TEST(before_6_18_windows_have_signs_but_fewer_rules)
{
    tear_down();
    start(6001000, /* large_folios = */ true);
    map_cold(300);
    map_part(0, 0, 300, VM_READ | VM_EXEC, MM_SHARED);
    read_page(21);
    ck_assert_cached("5-36");
    ck_assert(is_sign(29));
    read_page(29);
    ck_assert_cached("5-68");
    ck_assert_uint_eq(order_of(40), 0);
    advise(0, 300, ADVICE_HUGEPAGE);
    read_page(200);
    ck_assert_cached("5-68 184-215");
}
END_TEST

/* Half of what is free, the device's window, one request. */
START_TEST(what_willneed_reads_at_once_became_less_and_more_again)
{
    static const struct {
        uint32_t version;
        unsigned pages;
    } rules[] = {{3008000, 1000}, {4005000, 32}, {6001000, 320}};

    for (size_t i = 0; i < G_N_ELEMENTS(rules); i++) {
        tear_down();
        start(rules[i].version, false);
        map_cold(1000);
        advise(0, 1000, ADVICE_WILLNEED);
        ck_assert_uint_eq(file->cached_pages, rules[i].pages);
    }
}
END_TEST

/* ---- large folios ---- */

START_TEST(windows_behind_signs_are_read_in_larger_and_larger_folios)
{
    map_cold(400);
    read_page(16);
    ck_assert_uint_eq(order_of(16), 0);
    read_page(24);
    ck_assert_uint_eq(order_of(32), 2);
    read_page(32);
    ck_assert_uint_eq(order_of(64), 4);
    ck_assert(is_sign(64) && is_sign(79) && !is_sign(80));
    read_page(64);
    ck_assert_uint_eq(order_of(96), 5);
    ck_assert_cached("0-127");
    ck_assert_uint_eq(file->cached_pages, 128);
}
END_TEST

START_TEST(a_large_folio_is_one_block)
{
    map_cold(400);
    read_page(16);
    uint64_t allocs = machine->counters.page_alloc_count;

    read_page(24);
    ck_assert_uint_eq(machine->counters.page_alloc_count, allocs + 8);
    for (uint64_t page = 33; page < 36; page++)
        ck_assert_uint_eq(file_lookup(file, page).v,
                          file_lookup(file, 32).v + page - 32);
}
END_TEST

START_TEST(a_large_folio_is_mapped_whole_beyond_the_window)
{
    map_cold(400);
    read_page(16);
    read_page(24);
    read_page(32);
    /* Pages 64-79 are one folio; mapped at 16 pages' border they are not. */
    map_part(0, 60, 100, VM_READ, MM_SHARED);
    read_page(4);  // 64, the sign
    for (uint64_t page = 0; page < 30; page++)
        ck_assert_int_eq(is_mapped(page), page < 20);
}
END_TEST

START_TEST(a_shared_write_maps_a_free_folio_whole_and_writable)
{
    map_cold(400);
    read_page(16);
    read_page(24);
    write_page(38);
    ck_assert_uint_eq(order_of(36), 2);
    for (uint64_t page = 36; page < 40; page++)
        ck_assert(is_mapped(page));
    uint64_t faults = machine->counters.fault_count;

    write_page(36);
    ck_assert_uint_eq(machine->counters.fault_count, faults);
}
END_TEST

START_TEST(a_large_folio_leaves_memory_whole)
{
    map_cold(400);
    read_page(16);
    read_page(24);
    read_page(40);
    uint64_t frees = machine->counters.page_free_count;

    advise(40, 4, ADVICE_PAGEOUT);
    ck_assert_uint_eq(machine->counters.page_free_count, frees + 1);
    ck_assert_uint_eq(machine->counters.reclaim_freed_pages, 4);
    ck_assert_cached("0-39 44-63");
}
END_TEST

START_TEST(a_part_of_a_large_folio_makes_it_fall_apart)
{
    map_cold(400);
    read_page(16);
    read_page(24);
    read_page(40);
    ck_assert(is_mapped(41));
    advise(41, 1, ADVICE_PAGEOUT);
    for (uint64_t page = 40; page < 44; page++) {
        ck_assert(!is_mapped(page));
        ck_assert_uint_eq(order_of(page), 0);
    }
    ck_assert_cached("0-63");
    read_page(40);
    ck_assert(is_mapped(41));
    advise(41, 1, ADVICE_PAGEOUT);
    ck_assert_cached("0-40 42-63");
}
END_TEST

START_TEST(a_dirty_or_shared_folio_does_not_fall_apart)
{
    map_cold(400);
    read_page(16);
    read_page(24);
    write_page(41);
    read_page(44);
    struct task *child = fork_task(task, 0);

    touch(child, TOUCH_READ, PLACE + PAGES(44), PAGES(1));
    advise(41, 1, ADVICE_PAGEOUT);
    advise(45, 1, ADVICE_PAGEOUT);
    ck_assert(is_mapped(41) && order_of(41) == 2);
    ck_assert(is_mapped(45) && order_of(45) == 2);
}
END_TEST

START_TEST(huge_mappings_read_two_huge_pages)
{
    map_cold(3000);
    advise(0, 3000, ADVICE_HUGEPAGE);
    read_page(600);
    ck_assert_cached("512-1535");
    ck_assert_uint_eq(order_of(600), 9);
    ck_assert(!is_sign(600) && is_sign(1024));
    advise(2000, 1000, ADVICE_RANDOM);
    read_page(2999);
    /* No folio reaches beyond the end. */
    ck_assert_cached("512-1535 2560-2999");
    ck_assert_uint_eq(order_of(2560), 8);
    ck_assert_uint_eq(order_of(2999), 3);
}
END_TEST

/* Four pages that left as one stand as one entry in the kernel's tree, whose
 * second to fourth are taken for pages where a walk begins there. */
START_TEST(the_end_of_memory_is_mistaken_where_a_folio_left)
{
    map_cold(700);
    map_part(0, 0, 700, VM_READ, MM_SHARED);
    for (uint64_t page = 532; page < 548; page++)
        read_page(page);
    read_page(573);
    read_page(577);
    ck_assert_cached("516-579");
    advise(576, 4, ADVICE_PAGEOUT);
    ck_assert_cached("516-575");
    /* Not the expected sign, so that the end of what is there is sought. */
    file->readahead.start = 300;
    read_page(548);
    ck_assert_cached("516-575 580-607");
}
END_TEST

/* Every page that reclaim needs goes with its folio. */
START_TEST(reclaim_takes_large_folios_whole)
{
    map_cold(4000);
    for (uint64_t page = 0; page < 4000; page++)
        read_page(page);
    memory_call(task, CALL_MUNMAP, PLACE, PAGES(4000));
    machine_hog(machine, 250 * MIB);
    ck_assert_uint_lt(file->cached_pages, 4000);
    machine_validate(machine);
    machine_hog(machine, 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("readahead");
    TCase *small = tcase_create("single pages");
    TCase *large = tcase_create("large folios");

    tcase_add_checked_fixture(small, set_up, tear_down);
    tcase_add_test(small, a_miss_reads_around_and_marks_the_last_quarter);
    tcase_add_test(small, the_window_begins_and_ends_with_the_file);
    tcase_add_test(small,
                   a_fault_that_read_maps_its_neighbours_but_not_the_sign);
    tcase_add_test(small, the_sign_starts_the_next_window);
    tcase_add_test(small, windows_behind_a_sign_end_at_a_multiple_of_four);
    tcase_add_test(small, a_sign_of_another_window_reads_on_where_memory_ends);
    tcase_add_test(small,
                   a_sign_with_too_much_in_memory_behind_it_reads_nothing);
    tcase_add_test(small, what_is_in_memory_is_left_out_of_a_window);
    tcase_add_test(small,
                   executable_mappings_read_from_the_page_on_without_a_sign);
    tcase_add_test(small, random_mappings_read_single_pages);
    tcase_add_test(small, random_mappings_pass_signs_by);
    tcase_add_test(small, sequential_mappings_read_ahead_of_the_page);
    tcase_add_test(small, willneed_reads_what_one_request_takes);
    tcase_add_test(small, after_a_hundred_misses_windows_are_given_up);
    tcase_add_test(small, without_read_ahead_single_pages_are_read);
    tcase_add_test(small, a_sign_makes_the_kernels_own_access_major);
    tcase_add_test(small, populate_counts_no_major_faults);
    tcase_add_test(small, before_6_18_windows_have_signs_but_fewer_rules);
    tcase_add_test(small,
                   what_willneed_reads_at_once_became_less_and_more_again);
    suite_add_tcase(suite, small);
    tcase_add_checked_fixture(large, set_up_large, tear_down);
    tcase_add_test(large,
                   windows_behind_signs_are_read_in_larger_and_larger_folios);
    tcase_add_test(large, a_large_folio_is_one_block);
    tcase_add_test(large, a_large_folio_is_mapped_whole_beyond_the_window);
    tcase_add_test(large, a_shared_write_maps_a_free_folio_whole_and_writable);
    tcase_add_test(large, a_large_folio_leaves_memory_whole);
    tcase_add_test(large, a_part_of_a_large_folio_makes_it_fall_apart);
    tcase_add_test(large, a_dirty_or_shared_folio_does_not_fall_apart);
    tcase_add_test(large, huge_mappings_read_two_huge_pages);
    tcase_add_test(large, the_end_of_memory_is_mistaken_where_a_folio_left);
    tcase_add_test(large, reclaim_takes_large_folios_whole);
    suite_add_tcase(suite, large);
    return run_suite(suite);
}
