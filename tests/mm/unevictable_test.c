/*
 * Locked pages: which of them reclaim and MADV_FREE leave alone.  Every rule
 * was seen on 6.18.44, with the bits 18 and 33 of /proc/kpageflags.
 */
#include "eras.h"

#include "mm/file.h"
#include "mm/lru.h"
#include "mm/reclaim.h"
#include "tests/run_suite.h"

#include <check.h>

#define PAGES(n) ((uint64_t)(n) << PAGE_SHIFT)
#define PLACE    UINT64_C(0x10000000)

static struct machine *machine;
static struct task *task;

static void
begin(int era)
{
    struct machine_config config = era_config(era, &arch_x86_64, 64 * MIB);

    config.kernel.calls = UINT64_MAX;
    machine = machine_create(&config);
    task = start_task(machine, 0);
}

static void
set_up(void)
{
    begin(KERNEL_FIXTURE_COUNT - 1);
}

static void
drain(void)
{
    for (unsigned cpu = 0; cpu < machine->config.cpu_count; cpu++)
        lru_drain(machine, cpu);
}

static void
tear_down(void)
{
    machine_validate(machine);
    exit_all_tasks(machine);
    drain();
    ck_assert_uint_eq(machine->mlocked_count, 0);
    machine_destroy(machine);
}

static void
map_at(uint64_t page, uint64_t pages, uint32_t flags, struct file *file)
{
    struct call call = {.kind = CALL_MMAP,
                        .addr = PLACE + PAGES(page),
                        .length = PAGES(pages),
                        .prot = VM_READ | VM_WRITE,
                        .flags = flags | MM_FIXED,
                        .file = file};

    ck_assert_int_eq(run_call(machine, task, &call), (int64_t)call.addr);
}

static void
advise(struct task *who, uint64_t page, uint64_t pages, enum advice advice)
{
    struct call call = {.kind = CALL_MADVISE,
                        .addr = PLACE + PAGES(page),
                        .length = PAGES(pages),
                        .advice = advice};

    ck_assert_int_eq(run_call(machine, who, &call), 0);
}

static void
lock(struct task *who, uint64_t page, uint64_t pages)
{
    ck_assert_int_eq(
        memory_call(who, CALL_MLOCK, PLACE + PAGES(page), PAGES(pages)), 0);
}

static void
unlock(struct task *who, uint64_t page, uint64_t pages)
{
    ck_assert_int_eq(
        memory_call(who, CALL_MUNLOCK, PLACE + PAGES(page), PAGES(pages)), 0);
}

static const struct page *
page_at(uint64_t page)
{
    pte_t pte = entry_at(task, PLACE + PAGES(page));

    drain();
    return page_of(machine, pte_pfn(pte));
}

/* PG_mlocked and PG_unevictable go together once nothing waits. */
static bool
is_locked(uint64_t page)
{
    uint32_t flags = page_at(page)->flags & (PAGE_MLOCKED | PAGE_UNEVICTABLE);

    ck_assert(flags == 0 || flags == (PAGE_MLOCKED | PAGE_UNEVICTABLE));
    return flags;
}

static bool
is_lazy(uint64_t page)
{
    return page_at(page)->flags & PAGE_LAZY;
}

/* Pages 0 and 1 written by the task and shared with its child. */
static struct task *
share_two_pages(void)
{
    map_at(0, 2, 0, NULL);
    touch(task, TOUCH_WRITE, PLACE, PAGES(2));
    return fork_task(task, 0);
}

START_TEST(free_passes_over_what_another_process_has_locked)
{
    struct task *child = share_two_pages();

    run_call(machine, child, &(struct call){.kind = CALL_EXIT});
    lock(task, 0, 1);
    child = fork_task(task, 0);
    advise(child, 0, 2, ADVICE_FREE);
    ck_assert(!is_lazy(0));
    ck_assert(is_lazy(1));
    unlock(task, 0, 1);
    advise(child, 0, 2, ADVICE_FREE);
    ck_assert(is_lazy(0));
}
END_TEST

START_TEST(a_page_is_locked_until_the_last_one_unlocks_it)
{
    share_two_pages();
    lock(task, 0, 1);
    struct task *child = fork_task(task, 0);
    /* The child reads only: its lock does not copy. */
    ck_assert_int_eq(run_call(machine, child,
                              &(struct call){.kind = CALL_MPROTECT,
                                             .addr = PLACE,
                                             .length = PAGES(1),
                                             .prot = VM_READ}),
                     0);
    lock(child, 0, 1);
    unlock(task, 0, 1);
    ck_assert(is_locked(0));
    run_call(machine, child, &(struct call){.kind = CALL_EXIT});
    ck_assert(!is_locked(0));
}
END_TEST

START_TEST(pages_that_come_into_locked_memory_are_locked)
{
    struct file *file = file_create(machine, PAGES(4), false, false);

    map_at(0, 4, MM_LOCKED, NULL);
    map_at(4, 4, MM_SHARED | MM_LOCKED, file);
    for (uint64_t page = 0; page < 8; page++)
        ck_assert(is_locked(page));
    ck_assert_uint_eq(machine->mlocked_count, 8);
    memory_call(task, CALL_MUNMAP, PLACE + PAGES(2), PAGES(4));
    drain();
    ck_assert_uint_eq(machine->mlocked_count, 4);
}
END_TEST

START_TEST(a_locked_page_that_is_copied_leaves_the_copy_locked)
{
    map_at(0, 1, MM_LOCKED, NULL);
    struct task *child = fork_task(task, 0);
    touch(task, TOUCH_WRITE, PLACE, PAGES(1));
    ck_assert_uint_eq(machine->counters.fault_cow_copy_count, 1);
    ck_assert(is_locked(0));
    task = child;
    ck_assert(!is_locked(0));
}
END_TEST

/* Part of locked memory moves away and leaves the rest of its VMA unlocked, but
 * nobody tells the pages. */
START_TEST(pages_left_behind_by_dontunmap_stay_locked)
{
    map_at(0, 4, MM_LOCKED, NULL);
    struct call call = {.kind = CALL_MREMAP,
                        .addr = PLACE,
                        .length = PAGES(1),
                        .new_length = PAGES(1),
                        .flags = MREMAP_CAN_MOVE | MREMAP_KEEP_OLD};
    ck_assert_int_gt(run_call(machine, task, &call), 0);
    advise(task, 1, 3, ADVICE_FREE);
    ck_assert(is_locked(1) && !is_lazy(1));

    lock(task, 2, 1);  // once more
    unlock(task, 2, 1);
    ck_assert(is_locked(2));

    advise(task, 3, 1, ADVICE_PAGEOUT);  // forgets how often
    ck_assert(is_locked(3));
    lock(task, 3, 1);
    unlock(task, 3, 1);
    ck_assert(!is_locked(3));
}
END_TEST

/* The new mapping marks the page while the old one's end waits in the batch;
 * what waits comes later, and clears the mark. */
START_TEST(a_page_unlocked_and_locked_in_one_batch_is_not_locked)
{
    struct file *file = file_create(machine, PAGES(4), true, false);

    map_at(0, 4, MM_SHARED | MM_LOCKED, file);
    ck_assert(is_locked(0));
    ck_assert_int_eq(run_call(machine, task,
                              &(struct call){.kind = CALL_REMAP_FILE_PAGES,
                                             .addr = PLACE,
                                             .length = PAGES(4)}),
                     0);
    ck_assert(!is_locked(0));
}
END_TEST

START_TEST(reclaim_locks_what_was_forgotten)
{
    struct file *file = file_create(machine, PAGES(4), false, false);

    map_at(0, 4, MM_SHARED | MM_LOCKED, file);
    run_call(machine, task,
             &(struct call){.kind = CALL_REMAP_FILE_PAGES,
                            .addr = PLACE,
                            .length = PAGES(4)});
    ck_assert(!is_locked(0));
    reclaim_direct(machine, 0, PAGE_ANON, 0);
    ck_assert_uint_eq(task->mm->rss_pages[RSS_FILE], 4);
    ck_assert(is_locked(0));
    uint64_t scanned = machine->counters.reclaim_scanned_pages;
    reclaim_direct(machine, 0, PAGE_ANON, 0);
    ck_assert_uint_eq(machine->counters.reclaim_scanned_pages, scanned);
}
END_TEST

/* A page on its way to a list when it is locked is not counted: whoever
 * unlocks it is the last one. */
START_TEST(a_page_locked_before_it_came_to_its_list_is_unlocked_at_once)
{
    struct file *file = file_create(machine, PAGES(1), true, false);

    map_at(0, 1, MM_SHARED, file);
    task->cpu = 1;
    touch(task, TOUCH_READ, PLACE, PAGES(1));  // waits in CPU 1's batch
    task->cpu = 0;
    lock(task, 0, 1);
    ck_assert(is_locked(0));
    ck_assert_uint_eq(page_at(0)->next, 0);
    struct task *child = fork_task(task, 0);
    touch(child, TOUCH_READ, PLACE, PAGES(1));
    lock(child, 0, 1);
    unlock(child, 0, 1);
    ck_assert(!is_locked(0));
}
END_TEST

START_TEST(before_2_6_28_locked_pages_are_where_others_are)
{
    begin(1);
    map_at(0, 4, MM_LOCKED, NULL);
    map_at(4, 4, 0, NULL);
    lock(task, 4, 4);
    unlock(task, 4, 4);
    ck_assert_uint_eq(machine->mlocked_count, 0);
    ck_assert(!is_locked(0));
    tear_down();
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("unevictable");
    TCase *rules = tcase_create("rules"), *eras = tcase_create("eras");

    tcase_add_checked_fixture(rules, set_up, tear_down);
    tcase_add_test(rules, free_passes_over_what_another_process_has_locked);
    tcase_add_test(rules, a_page_is_locked_until_the_last_one_unlocks_it);
    tcase_add_test(rules, pages_that_come_into_locked_memory_are_locked);
    tcase_add_test(rules, a_locked_page_that_is_copied_leaves_the_copy_locked);
    tcase_add_test(rules, pages_left_behind_by_dontunmap_stay_locked);
    tcase_add_test(rules,
                   a_page_unlocked_and_locked_in_one_batch_is_not_locked);
    tcase_add_test(rules, reclaim_locks_what_was_forgotten);
    tcase_add_test(
        rules, a_page_locked_before_it_came_to_its_list_is_unlocked_at_once);
    suite_add_tcase(suite, rules);
    tcase_add_test(eras, before_2_6_28_locked_pages_are_where_others_are);
    suite_add_tcase(suite, eras);
    return run_suite(suite);
}
