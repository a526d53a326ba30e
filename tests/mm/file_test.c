/*
 * Files: what is in memory, what is read from disk, and how much at once.
 */
#include "eras.h"

#include "mm/file.h"
#include "tests/run_suite.h"

#include <check.h>

#define PAGES(n) ((uint64_t)(n) << PAGE_SHIFT)
#define PLACE    UINT64_C(0x10000000)

static struct machine *machine;
static struct task *task;

static void
start_machine(int era)
{
    struct machine_config config = era_config(era, &arch_x86_64, 64 * MIB);

    machine = machine_create(&config);
    task = start_task(machine, 0);
}

static void
set_up(void)
{
    start_machine(KERNEL_FIXTURE_COUNT - 1);
}

static void
tear_down(void)
{
    machine_validate(machine);
    run_call(machine, task, &(struct call){.kind = CALL_EXIT_GROUP});
    machine_destroy(machine);
}

/* A file that begins at PLACE. */
static struct file *
mapped_file(uint64_t pages, bool is_cold)
{
    struct file *file = file_create(machine, PAGES(pages), false, is_cold);
    struct call call = {.kind = CALL_MMAP,
                        .addr = PLACE,
                        .length = PAGES(pages),
                        .prot = VM_READ | VM_WRITE,
                        .flags = MM_FIXED | MM_SHARED,
                        .file = file};

    ck_assert_int_eq(run_call(machine, task, &call), PLACE);
    return file;
}

static void
read_page(uint64_t page)
{
    touch(task, TOUCH_READ, PLACE + PAGES(page), PAGES(1));
}

static void
drop_page(struct file *file, uint64_t page)
{
    file_drop_folio(machine, 0, page_of(machine, file_lookup(file, page)));
}

/* As a fault has it. */
static enum file_get
get_page(struct file *file, uint64_t page)
{
    struct vma vma = {.mm = task->mm, .file = file};
    pfn_t pfn;

    return file_get_page(&vma, 0, page, /* is_tried = */ false, &pfn);
}

/* Are just [from, to) of the file in memory? */
static void
ck_assert_cached(const struct file *file, uint64_t from, uint64_t to)
{
    ck_assert_uint_eq(file->cached_pages, to - from);
    for (uint64_t page = from; page < to; page++)
        ck_assert(!pfn_is_none(file_lookup(file, page)));
}

/* The machine of an era, with a cold file. */
static struct file *
cold_file_of(int era, uint64_t pages)
{
    tear_down();
    start_machine(era);
    return mapped_file(pages, true);
}

START_TEST(kernel_2_4_reads_an_aligned_window)
{
    struct file *file = cold_file_of(0, 100);

    read_page(40);
    ck_assert_cached(file, 32, 64);
    ck_assert_uint_eq(machine->charges[CHARGE_disk_seek], 1);
    ck_assert_uint_eq(machine->charges[CHARGE_disk_read_page], 32);
    ck_assert_uint_eq(machine->counters.fault_major_count, 1);
    read_page(63);
    ck_assert_uint_eq(machine->counters.fault_major_count, 1);
    read_page(64);
    ck_assert_cached(file, 32, 96);
    ck_assert_uint_eq(machine->counters.fault_major_count, 2);
}
END_TEST

START_TEST(kernels_2_6_read_around_the_page_without_a_sign)
{
    struct file *file = cold_file_of(2, 200);

    read_page(100);
    ck_assert_cached(file, 84, 116);
    for (uint64_t page = 84; page < 116; page++)
        read_page(page);
    ck_assert_cached(file, 84, 116);
    read_page(116);
    ck_assert_cached(file, 84, 132);
}
END_TEST

START_TEST(the_window_ends_with_the_file)
{
    struct file *file = cold_file_of(0, 37);

    read_page(36);
    ck_assert_cached(file, 32, 37);
    ck_assert_uint_eq(machine->charges[CHARGE_disk_read_page], 5);
}
END_TEST

START_TEST(what_is_in_memory_is_not_read_with_its_window)
{
    struct file *file = mapped_file(32, true);

    read_page(0);
    memory_call(task, CALL_MUNMAP, PLACE, PAGES(32));
    drop_page(file, 7);
    ck_assert_uint_eq(file->cached_pages, 31);
    ck_assert_int_eq(get_page(file, 7), FILE_GET_MAJOR);
    ck_assert_uint_eq(machine->charges[CHARGE_disk_read_page], 33);
    ck_assert_cached(file, 0, 32);
}
END_TEST

START_TEST(a_warm_file_that_lost_a_page_must_be_read)
{
    struct file *file = mapped_file(32, false);

    read_page(7);
    ck_assert_uint_eq(machine->charges[CHARGE_disk_read_page], 0);
    ck_assert(file_page_is_cached(file, 31));
    ck_assert(!file_page_is_cached(file, 32));
    memory_call(task, CALL_MUNMAP, PLACE, PAGES(32));
    drop_page(file, 7);
    ck_assert(!file_page_is_cached(file, 7));
    ck_assert_int_eq(get_page(file, 7), FILE_GET_MAJOR);
    ck_assert_int_eq(get_page(file, 7), FILE_GET_MINOR);
    ck_assert_int_eq(get_page(file, 32), FILE_GET_BEYOND);
}
END_TEST

START_TEST(a_page_is_dirty_once_an_entry_that_was_written_goes)
{
    tear_down();
    start_machine(2);
    struct file *file = mapped_file(4, false);
    struct call protect = {
        .kind = CALL_MPROTECT, .addr = PLACE, .length = PAGES(4)};

    /* Before 6.0 mprotect makes shared pages writable by itself, so that no
     * fault tells of the write. */
    protect.prot = VM_READ;
    run_call(machine, task, &protect);
    touch(task, TOUCH_READ, PLACE, PAGES(4));
    protect.prot = VM_READ | VM_WRITE;
    run_call(machine, task, &protect);
    touch(task, TOUCH_WRITE, PLACE, PAGES(4));
    memory_call(task, CALL_MUNMAP, PLACE + PAGES(1), PAGES(2));
    for (uint64_t page = 0; page < 4; page++) {
        pfn_t pfn = file_lookup(file, page);
        bool is_dirty = page_of(machine, pfn)->flags & PAGE_DIRTY;

        ck_assert_int_eq(is_dirty, page == 1 || page == 2);
    }
}
END_TEST

/* Without a directory of all that lies before; a page beyond is no page. */
START_TEST(pages_far_into_a_file_are_found_again)
{
    static const uint64_t places[] = {0, UINT64_C(1) << 29, UINT64_C(1) << 38,
                                      (UINT64_C(1) << 40) - 4};
    struct file *file = file_create(machine, UINT64_MAX, false, _i == 1);

    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        struct call call = {.kind = CALL_MMAP,
                            .addr = PLACE + PAGES(8 * i),
                            .length = PAGES(8),
                            .prot = VM_READ,
                            .flags = MM_FIXED | MM_SHARED,
                            .pgoff = places[i] ? places[i] - 4 : 0,
                            .file = file};
        ck_assert_int_eq(run_call(machine, task, &call), (int64_t)call.addr);
        touch(task, TOUCH_READ, call.addr, PAGES(8));
        for (uint64_t page = call.pgoff; page < call.pgoff + 8; page++)
            ck_assert(!pfn_is_none(file_lookup(file, page)));
    }
    ck_assert_uint_eq(machine->counters.fault_bus_count, 0);
    struct call beyond = {.kind = CALL_MMAP,
                          .addr = PLACE,
                          .length = PAGES(1),
                          .prot = VM_READ,
                          .flags = MM_FIXED | MM_SHARED,
                          .pgoff = UINT64_C(1) << 40,
                          .file = file};
    ck_assert_int_eq(run_call(machine, task, &beyond), PLACE);
    touch(task, TOUCH_READ, PLACE, PAGES(1));
    ck_assert_uint_eq(machine->counters.fault_bus_count, 1);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("file");
    TCase *tcase = tcase_create("file");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, kernel_2_4_reads_an_aligned_window);
    tcase_add_test(tcase, kernels_2_6_read_around_the_page_without_a_sign);
    tcase_add_test(tcase, the_window_ends_with_the_file);
    tcase_add_test(tcase, what_is_in_memory_is_not_read_with_its_window);
    tcase_add_test(tcase, a_warm_file_that_lost_a_page_must_be_read);
    tcase_add_test(tcase, a_page_is_dirty_once_an_entry_that_was_written_goes);
    tcase_add_loop_test(tcase, pages_far_into_a_file_are_found_again, 0, 2);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
