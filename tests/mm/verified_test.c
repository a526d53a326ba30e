/*
 * Rules of 6.18 that random programs found: `vmsim verify --random` on 6.18.44
 * showed a difference, its minimal trace became a test here.  So did what
 * recordings showed.
 */
#include "eras.h"

#include "mm/anon.h"
#include "mm/file.h"
#include "tests/run_suite.h"

#include <check.h>
#include <errno.h>

#define PAGES(n) ((uint64_t)(n) << PAGE_SHIFT)
#define PLACE    UINT64_C(0x10000000)

static struct machine *machine;
static struct task *task;

static void
set_up(void)
{
    struct machine_config config =
        era_config(KERNEL_FIXTURE_COUNT - 1, &arch_x86_64, 64 * MIB);

    config.policy.rmap = &rmap_anon_vma_chain;
    config.kernel.calls = UINT64_MAX;
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

static void
map_at(uint64_t page, uint64_t pages, uint32_t prot, uint32_t flags,
       struct file *file, uint64_t pgoff)
{
    struct call call = {.kind = CALL_MMAP,
                        .addr = PLACE + PAGES(page),
                        .length = PAGES(pages),
                        .prot = prot,
                        .flags = flags | MM_FIXED,
                        .file = file,
                        .pgoff = pgoff};

    ck_assert_int_eq(run_call(machine, task, &call), (int64_t)call.addr);
}

static int64_t
advise(uint64_t page, uint64_t pages, enum advice advice)
{
    return run_call(machine, task,
                    &(struct call){.kind = CALL_MADVISE,
                                   .addr = PLACE + PAGES(page),
                                   .length = PAGES(pages),
                                   .advice = advice});
}

static int64_t
remap_pages(uint64_t page, uint64_t pages, uint64_t pgoff)
{
    return run_call(machine, task,
                    &(struct call){.kind = CALL_REMAP_FILE_PAGES,
                                   .addr = PLACE + PAGES(page),
                                   .length = PAGES(pages),
                                   .pgoff = pgoff});
}

START_TEST(remap_file_pages_takes_one_mapping_and_populates_it)
{
    struct file *file = file_create(machine, PAGES(64), false, false);

    map_at(0, 4, VM_READ, MM_SHARED, file, 0);
    ck_assert_int_eq(remap_pages(2, 4, 0), -EINVAL);
    map_at(4, 4, VM_READ, MM_SHARED, file, 40);
    ck_assert_int_eq(remap_pages(2, 4, 20), 0);
    ck_assert_uint_gt(machine->counters.populate_fault_count, 0);
    ck_assert_uint_eq(task->mm->rss_pages[RSS_FILE], 4);
}
END_TEST

/* What mmap brings in of four pages. */
static uint64_t
populated(uint32_t version, uint32_t calls, uint32_t flags)
{
    uint64_t before = machine->counters.populate_fault_count;

    machine->kernel.version = version;
    machine->kernel.calls = calls;
    map_at(0, 4, VM_READ | VM_WRITE, flags, NULL, 0);
    return machine->counters.populate_fault_count - before;
}

START_TEST(mmap_populates_private_memory_since_2_6_23)
{
    ck_assert_uint_eq(populated(2006023, 0, MM_POPULATE), 4);
    ck_assert_uint_eq(populated(2006022, UINT32_MAX, MM_POPULATE), 0);
    ck_assert_uint_eq(populated(2006022, UINT32_MAX, MM_POPULATE | MM_SHARED),
                      4);
    ck_assert_uint_eq(populated(2004021, 0, MM_POPULATE | MM_SHARED), 0);
    ck_assert_uint_eq(populated(2004021, 0, MM_LOCKED), 4);
}
END_TEST

START_TEST(remap_file_pages_came_with_2_5_46)
{
    struct file *file = file_create(machine, PAGES(64), false, false);

    map_at(0, 4, VM_READ, MM_SHARED, file, 0);
    uint32_t map_count = task->mm->map_count;
    machine->kernel.calls = 0;
    ck_assert_int_eq(remap_pages(1, 2, 20), -ENOSYS);
    ck_assert_uint_eq(task->mm->map_count, map_count);
}
END_TEST

START_TEST(remap_file_pages_refuses_what_is_not_one_mapping_of_a_file)
{
    struct file *file = file_create(machine, PAGES(64), false, false);
    struct file *other = file_create(machine, PAGES(64), false, false);

    map_at(0, 4, VM_READ, MM_SHARED, file, 0);
    map_at(5, 4, VM_READ, MM_SHARED, file, 20);
    ck_assert_int_eq(remap_pages(2, 4, 30), -EINVAL);  // a hole
    ck_assert_int_eq(remap_pages(4, 1, 30), -EINVAL);
    map_at(4, 1, VM_READ, MM_SHARED, other, 10);
    ck_assert_int_eq(remap_pages(2, 3, 30), -EINVAL);  // two files
    map_at(4, 1, VM_READ | VM_WRITE, MM_SHARED, file, 10);
    ck_assert_int_eq(remap_pages(2, 3, 30), -EINVAL);  // two protections
    map_at(4, 1, VM_READ, MM_SHARED, file, 10);
    ck_assert_int_eq(remap_pages(2, 3, 30), 0);
    ck_assert_int_eq(remap_pages(2, 8, 30), -EINVAL);  // the end
    ck_assert_int_eq(remap_pages(2, 0, 30), -EINVAL);
    ck_assert_int_eq(remap_pages(2, 3, UINT64_MAX), -EINVAL);
    ck_assert_int_eq(remap_pages(2, UINT64_MAX >> PAGE_SHIFT, 0), -EINVAL);
    map_at(12, 1, VM_READ, 0, file, 0);
    ck_assert_int_eq(remap_pages(12, 1, 30), -EINVAL);  // private
}
END_TEST

START_TEST(mergeable_passes_shared_mappings_over)
{
    map_at(0, 4, VM_READ, MM_SHARED, NULL, 0);
    uint32_t count = task->mm->map_count;
    ck_assert_int_eq(advise(1, 1, ADVICE_MERGEABLE), 0);
    ck_assert_uint_eq(task->mm->map_count, count);
}
END_TEST

/* A split too many is -ENOMEM to all other calls. */
START_TEST(advice_that_must_split_beyond_the_limit_says_eagain)
{
    map_at(0, 4, VM_READ | VM_WRITE, 0, NULL, 0);
    machine->config.max_map_count = task->mm->map_count;
    ck_assert_int_eq(advise(1, 1, ADVICE_DONTFORK), -EAGAIN);
    ck_assert_int_eq(advise(0, 4, ADVICE_DONTFORK), 0);
    machine->config.max_map_count = task->mm->map_count + 2;
    ck_assert_int_eq(advise(1, 1, ADVICE_DOFORK), 0);
}
END_TEST

static bool
is_lazy(uint64_t page)
{
    pte_t pte = entry_at(task, PLACE + PAGES(page));

    return page_of(machine, pte_pfn(pte))->flags & PAGE_LAZY;
}

/* Page 0 is written to again before reclaim looks at it, page 1 never was lazy;
 * both are shared with a child then. */
START_TEST(a_shared_page_that_reclaim_found_written_is_not_freed_lazily)
{
    map_at(0, 2, VM_READ | VM_WRITE, 0, NULL, 0);
    touch(task, TOUCH_WRITE, PLACE, PAGES(2));
    advise(0, 1, ADVICE_FREE);
    touch(task, TOUCH_WRITE, PLACE, PAGES(1));
    advise(0, 2, ADVICE_PAGEOUT);
    struct task *child = fork_task(task, 0);
    advise(0, 2, ADVICE_FREE);
    ck_assert(!is_lazy(0));
    ck_assert(is_lazy(1));

    run_call(machine, child, &(struct call){.kind = CALL_EXIT});
    advise(0, 2, ADVICE_FREE);
    ck_assert(is_lazy(0));
}
END_TEST

START_TEST(populate_read_wants_memory_that_may_be_read)
{
    map_at(0, 4, VM_WRITE, 0, NULL, 0);
    ck_assert_int_eq(advise(0, 4, ADVICE_POPULATE_READ), -EINVAL);
    ck_assert_int_eq(advise(0, 4, ADVICE_POPULATE_WRITE), 0);
}
END_TEST

START_TEST(fork_makes_directories_where_the_parent_has_them)
{
    map_at(0, 1, VM_READ | VM_WRITE, 0, NULL, 0);
    touch(task, TOUCH_WRITE, PLACE, PAGES(1));
    advise(0, 1, ADVICE_DONTNEED);  // an identity, but no page and no leaf
    map_at(512, 1, VM_READ, 0, NULL, 0);
    touch(task, TOUCH_READ, PLACE + PAGES(512), PAGES(1));
    struct task *child = fork_task(task, 0);
    ck_assert_ptr_null(pagetable_leaf(child->mm, PLACE + PAGES(512)));
    ck_assert_uint_eq(child->mm->pagetable.page_count,
                      pagetable_leaf(task->mm, PLACE) ? 3 : 2);
}
END_TEST

START_TEST(a_fault_beyond_the_file_leaves_directories_and_an_identity)
{
    struct file *file = file_create(machine, PAGES(2), false, false);

    map_at(0, 4, VM_READ | VM_WRITE, MM_SHARED, file, 0);
    touch(task, TOUCH_WRITE, PLACE + PAGES(3), PAGES(1));
    ck_assert_uint_eq(machine->counters.fault_bus_count, 1);
    ck_assert_uint_eq(task->mm->pagetable.page_count, 2);
    map_at(8, 4, VM_READ | VM_WRITE, 0, file, 0);
    touch(task, TOUCH_WRITE, PLACE + PAGES(11), PAGES(1));
    ck_assert_uint_eq(machine->counters.fault_bus_count, 2);
    ck_assert_ptr_nonnull(vma_find_quiet(task->mm, PLACE + PAGES(8))->family);
}
END_TEST

/* |f0|f1|  beyond  : a read beyond maps what is cached around, but begins no
 * table with the last page of the file. */
START_TEST(the_last_page_of_a_file_begins_no_table)
{
    struct file *file = file_create(machine, PAGES(2), false, false);
    struct file *shmem = file_create(machine, PAGES(2), true, false);
    struct mm *mm = task->mm;

    map_at(0, 4, VM_READ, MM_SHARED, file, 1);
    touch(task, TOUCH_READ, PLACE + PAGES(2), PAGES(1));
    ck_assert_ptr_null(pagetable_leaf(mm, PLACE));
    map_at(8, 4, VM_READ, MM_SHARED, file, 0);
    touch(task, TOUCH_READ, PLACE + PAGES(11), PAGES(1));
    ck_assert_uint_eq(mm->rss_pages[RSS_FILE], 2);
    touch(task, TOUCH_READ, PLACE + PAGES(2), PAGES(1));
    ck_assert_uint_eq(mm->rss_pages[RSS_FILE], 3);  // there is a table now

    map_at(1024, 2, VM_READ, MM_SHARED, shmem, 0);
    touch(task, TOUCH_READ, PLACE + PAGES(1024), PAGES(2));
    map_at(2048, 4, VM_READ, MM_SHARED, shmem, 1);
    touch(task, TOUCH_READ, PLACE + PAGES(2050), PAGES(1));
    ck_assert_ptr_nonnull(pagetable_leaf(mm, PLACE + PAGES(2048)));
}
END_TEST

START_TEST(a_move_makes_the_second_level_where_the_source_has_a_third)
{
    const uint64_t far = UINT64_C(1) << 40;

    map_at(0, 1, VM_READ, 0, NULL, 0);
    touch(task, TOUCH_READ, PLACE, PAGES(1));
    map_at(512, 1, VM_READ, 0, NULL, 0);  // no leaf
    ck_assert_int_eq(
        run_call(machine, task,
                 &(struct call){.kind = CALL_MREMAP,
                                .addr = PLACE + PAGES(512),
                                .length = PAGES(1),
                                .new_length = PAGES(1),
                                .new_addr = far,
                                .flags = MREMAP_CAN_MOVE | MREMAP_TO_FIXED}),
        (int64_t)far);
    ck_assert_uint_eq(task->mm->pagetable.page_count, 4);
}
END_TEST

START_TEST(cold_refuses_locked_memory)
{
    map_at(0, 4, VM_READ | VM_WRITE, MM_LOCKED, NULL, 0);
    ck_assert_int_eq(advise(0, 4, ADVICE_COLD), -EINVAL);
}
END_TEST

START_TEST(mprotect_populates_locked_memory_that_was_not_writable)
{
    const struct mm_counters *counters = &machine->counters;
    struct call call = {.kind = CALL_MPROTECT,
                        .addr = PLACE,
                        .length = PAGES(4),
                        .prot = VM_WRITE};

    map_at(0, 4, VM_READ | VM_WRITE, MM_LOCKED, NULL, 0);
    fork_task(task, 0);
    uint64_t before = counters->populate_fault_count;
    run_call(machine, task, &call);
    ck_assert_uint_eq(counters->populate_fault_count, before);
    call.prot = VM_READ;
    run_call(machine, task, &call);
    call.prot = VM_READ | VM_WRITE;
    run_call(machine, task, &call);
    ck_assert_uint_eq(counters->populate_fault_count, before + 4);
}
END_TEST

START_TEST(populate_ends_at_a_page_that_is_refused)
{
    map_at(0, 8, VM_READ | VM_WRITE, 0, NULL, 0);
    advise(2, 1, ADVICE_GUARD_INSTALL);
    ck_assert_int_eq(advise(0, 8, ADVICE_POPULATE_READ), -EFAULT);
    ck_assert_uint_eq(machine->counters.populate_fault_count, 2);
    ck_assert_int_eq(memory_call(task, CALL_MLOCK, PLACE + PAGES(2), PAGES(4)),
                     -ENOMEM);
    ck_assert_uint_eq(machine->counters.populate_fault_count, 2);
}
END_TEST

START_TEST(mmap_that_is_refused_leaves_its_cuts)
{
    map_at(0, 4, VM_READ | VM_WRITE, 0, NULL, 0);
    uint32_t count = task->mm->map_count;
    task->mm->rlimit_as = PAGES(64);
    ck_assert_int_eq(run_call(machine, task,
                              &(struct call){.kind = CALL_MMAP,
                                             .addr = PLACE + PAGES(2),
                                             .length = PAGES(64),
                                             .prot = VM_READ,
                                             .flags = MM_FIXED}),
                     -ENOMEM);
    ck_assert_uint_eq(task->mm->map_count, count + 1);
}
END_TEST

START_TEST(pages_around_a_fault_on_shmem_are_writable)
{
    map_at(0, 8, VM_READ | VM_WRITE, MM_SHARED, NULL, 0);
    touch(task, TOUCH_WRITE, PLACE, PAGES(8));
    task = fork_task(task, 0);  // has none of the pages
    touch(task, TOUCH_READ, PLACE + PAGES(4), PAGES(1));
    uint64_t before = machine->counters.fault_count;
    touch(task, TOUCH_WRITE, PLACE, PAGES(8));
    ck_assert_uint_eq(machine->counters.fault_count, before);
}
END_TEST

START_TEST(a_read_beyond_the_file_maps_what_is_cached_around)
{
    struct file *file = file_create(machine, PAGES(2), false, false);

    map_at(0, 4, VM_READ, MM_SHARED, file, 0);
    touch(task, TOUCH_READ, PLACE + PAGES(3), PAGES(1));
    ck_assert_uint_eq(machine->counters.fault_bus_count, 1);
    ck_assert_uint_eq(task->mm->rss_pages[RSS_FILE], 2);
}
END_TEST

/* The first of two pages is touched; pages of parent and of child. */
static void
special_is(uint32_t flags, uint64_t in_parent, uint64_t in_child)
{
    struct file *file = file_create(machine, PAGES(2), false, false);

    map_at(0, 2, VM_READ, MM_EXEC_IMAGE | MM_SPECIAL | flags, file, 0);
    touch(task, TOUCH_READ, PLACE, PAGES(1));
    ck_assert_uint_eq(task->mm->rss_pages[RSS_FILE], in_parent);
    struct task *child = fork_task(task, 0);
    ck_assert_uint_eq(child->mm->rss_pages[RSS_FILE], in_child);
}

START_TEST(vdso_comes_page_by_page_and_again_after_fork)
{
    special_is(0, 1, 0);
}
END_TEST

START_TEST(vvar_comes_page_by_page_and_with_fork)
{
    special_is(MM_RAW, 1, 1);
}
END_TEST

START_TEST(locked_pages_left_behind_by_dontunmap_count_for_good)
{
    map_at(0, 4, VM_READ | VM_WRITE, MM_LOCKED, NULL, 0);
    ck_assert_int_eq(
        run_call(machine, task,
                 &(struct call){.kind = CALL_MREMAP,
                                .addr = PLACE,
                                .length = PAGES(1),
                                .new_length = PAGES(1),
                                .flags = MREMAP_CAN_MOVE | MREMAP_KEEP_OLD}),
        (int64_t)task->mm->last->prev->start);
    ck_assert_uint_eq(task->mm->locked_pages, 4 + 1);
    run_call(machine, task,
             &(struct call){.kind = CALL_MUNMAP,
                            .addr = task->mm->last->prev->start,
                            .length = PAGES(1)});
    run_call(
        machine, task,
        &(struct call){.kind = CALL_MUNMAP, .addr = PLACE, .length = PAGES(4)});
    ck_assert_uint_eq(task->mm->locked_pages, 4);
    task = fork_task(task, 0);
    ck_assert_uint_eq(task->mm->locked_pages, 0);
}
END_TEST

START_TEST(mremap_does_not_shrink_what_reaches_beyond_user_space)
{
    uint64_t end = machine->arch->task_size;

    ck_assert_int_eq(run_call(machine, task,
                              &(struct call){.kind = CALL_MREMAP,
                                             .addr = end - PAGES(2),
                                             .length = PAGES(3),
                                             .new_length = PAGES(1)}),
                     -EINVAL);
}
END_TEST

START_TEST(the_heap_does_not_extend_what_lies_below_it)
{
    uint64_t brk = task->mm->brk_start;

    run_call(machine, task,
             &(struct call){.kind = CALL_MMAP,
                            .addr = brk - PAGES(2),
                            .length = PAGES(2),
                            .prot = VM_READ | VM_WRITE,
                            .flags = MM_FIXED});
    memory_call(task, CALL_BRK, 0, PAGES(2));
    ck_assert_uint_eq(vma_find_quiet(task->mm, brk)->start, brk);
    memory_call(task, CALL_BRK, 0, PAGES(4));
    ck_assert_uint_eq(vma_find_quiet(task->mm, brk)->end, brk + PAGES(4));
}
END_TEST

START_TEST(a_hint_for_a_large_file_wants_room_to_align_it)
{
    struct file *file = file_create(machine, PAGES(1024), false, false);
    struct call call = {.kind = CALL_MMAP,
                        .addr = PLACE,
                        .length = PAGES(512),
                        .prot = VM_READ,
                        .file = file};

    map_at(600, 1, VM_READ, 0, NULL, 0);
    ck_assert_int_ne(run_call(machine, task, &call), (int64_t)PLACE);
    call.file = NULL;
    ck_assert_int_eq(run_call(machine, task, &call), (int64_t)PLACE);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("verified");
    TCase *rules = tcase_create("rules");

    tcase_add_checked_fixture(rules, set_up, tear_down);
    tcase_add_test(rules, remap_file_pages_takes_one_mapping_and_populates_it);
    tcase_add_test(rules, remap_file_pages_came_with_2_5_46);
    tcase_add_test(rules, mmap_populates_private_memory_since_2_6_23);
    tcase_add_test(rules, advice_that_must_split_beyond_the_limit_says_eagain);
    tcase_add_test(rules,
                   remap_file_pages_refuses_what_is_not_one_mapping_of_a_file);
    tcase_add_test(rules, mergeable_passes_shared_mappings_over);
    tcase_add_test(
        rules, a_shared_page_that_reclaim_found_written_is_not_freed_lazily);
    tcase_add_test(rules, populate_read_wants_memory_that_may_be_read);
    tcase_add_test(rules, fork_makes_directories_where_the_parent_has_them);
    tcase_add_test(rules,
                   a_fault_beyond_the_file_leaves_directories_and_an_identity);
    tcase_add_test(rules, the_last_page_of_a_file_begins_no_table);
    tcase_add_test(rules,
                   a_move_makes_the_second_level_where_the_source_has_a_third);
    tcase_add_test(rules, cold_refuses_locked_memory);
    tcase_add_test(rules,
                   mprotect_populates_locked_memory_that_was_not_writable);
    tcase_add_test(rules, populate_ends_at_a_page_that_is_refused);
    tcase_add_test(rules, mmap_that_is_refused_leaves_its_cuts);
    tcase_add_test(rules, pages_around_a_fault_on_shmem_are_writable);
    tcase_add_test(rules, a_read_beyond_the_file_maps_what_is_cached_around);
    tcase_add_test(rules, vdso_comes_page_by_page_and_again_after_fork);
    tcase_add_test(rules, vvar_comes_page_by_page_and_with_fork);
    tcase_add_test(rules, locked_pages_left_behind_by_dontunmap_count_for_good);
    tcase_add_test(rules,
                   mremap_does_not_shrink_what_reaches_beyond_user_space);
    tcase_add_test(rules, the_heap_does_not_extend_what_lies_below_it);
    tcase_add_test(rules, a_hint_for_a_large_file_wants_room_to_align_it);
    suite_add_tcase(suite, rules);
    return run_suite(suite);
}
