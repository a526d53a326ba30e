/*
 * mremap: growing, shrinking, moving, keeping; its errors.
 */
#include "tests/mm/picture.h"
#include "tests/run_suite.h"

#include <check.h>
#include <errno.h>

enum {
    STAY = 0,
    MOVE = MREMAP_CAN_MOVE,
    FIXED = MREMAP_CAN_MOVE | MREMAP_TO_FIXED,
    KEEP = MREMAP_CAN_MOVE | MREMAP_TO_FIXED | MREMAP_KEEP_OLD,
};

static struct scene scene;

static void
setup(void)
{
    struct machine_config config = scene_config(kernel_fixture_6_18);

    scene = scene_create(&config);
}

static void
teardown(void)
{
    scene_destroy(&scene);
}

/* mremap of pages; the result as a page of the arena, or -errno. */
static int64_t
remap(uint64_t page, uint64_t old_pages, uint64_t new_pages, uint32_t flags,
      uint64_t target)
{
    int64_t result =
        mm_mremap(scene.mm, arena_page(page), pages_to_bytes(old_pages),
                  pages_to_bytes(new_pages), flags, arena_page(target));

    return result < 0 ? result : (result - (int64_t)ARENA) >> PAGE_SHIFT;
}

/* Those that stay in the arena; all were compared with a 6.18 kernel. */
static const struct {
    const char *script;
    uint64_t page, old_pages, new_pages;
    uint32_t flags;
    uint64_t target;
    int64_t result;
    const char *picture;
} rows[] = {
    /* in place */
    {"m0+2w", 0, 2, 4, STAY, 0, 0, "wwww"},
    {"m0+4w", 2, 2, 4, STAY, 0, 2, "wwwwww"},
    {"m0+2w m4+2w", 0, 2, 4, STAY, 0, 0, "wwwwww"},
    {"m0+2w m4+2r", 0, 2, 4, STAY, 0, 0, "wwww|rr"},
    {"m0+2w m4+2w t0+1 t4+1", 0, 2, 4, STAY, 0, 0, "WWWW|WW"},
    {"m0+2w m4+2w t4+1", 0, 2, 4, STAY, 0, 0, "WWWWWW"},
    {"m0+2w m3+2w", 0, 2, 4, STAY, 0, -ENOMEM, "ww.ww"},
    {"m0+4w", 0, 2, 4, STAY, 0, -ENOMEM, "wwww"},
    {"m0+4w", 0, 4, 4, STAY, 0, 0, "wwww"},
    {"m0+2w", 0, 8, 8, STAY, 0, 0, "ww"},
    /* shrinking may reach over VMAs and holes */
    {"m0+4w", 0, 4, 1, STAY, 0, 0, "w"},
    {"m0+4w", 1, 2, 1, STAY, 0, 1, "ww.w"},
    {"m0+2w m3+2r", 0, 4, 1, STAY, 0, 0, "w...r"},
    /* moving */
    {"m0+4w", 0, 4, 4, FIXED, 8, 8, "........wwww"},
    {"m0+4w", 1, 2, 2, FIXED, 8, 8, "w..w....ww"},
    {"m0+4w m8+4r", 0, 2, 2, FIXED, 9, 9, "..ww....r|ww|r"},
    {"m0+4w", 0, 2, 4, FIXED, 8, 8, "..ww....wwww"},
    {"m0+4w", 0, 4, 2, FIXED, 8, 8, "........ww"},
    {"m0+4w", 3, 1, 1, FIXED, 4, 4, "www.w"},
    {"m0+4w", 1, 1, 1, FIXED, 4, 4, "w.www"},
    {"m0+4w t0+4", 1, 1, 1, FIXED, 4, 4, "W.WW|W"},
    /* several VMAs at once, holes kept */
    {"m0+2w m3+2r", 0, 5, 5, FIXED, 8, 8, "........ww.rr"},
    {"m0+2w m3+2r", 1, 3, 3, FIXED, 8, 8, "w...r...w.r"},
    {"m1+2w m4+2r", 0, 5, 5, FIXED, 8, -EFAULT, ".ww.rr"},
    {"m0+2w m2+2r", 0, 4, 6, FIXED, 8, -EFAULT, "ww|rr"},
    /* the old place stays, without an identity if all of it went */
    {"m0+4w t0+4", 0, 4, 4, KEEP, 8, 8, "wwww....WWWW"},
    {"m0+4w t0+4", 0, 2, 2, KEEP, 8, 8, "WWWW....WW"},
    {"m0+4w", 0, 4, 4, KEEP, 8, 8, "wwww....wwww"},
    {"m0+4w", 0, 2, 2, KEEP, 4, 4, "wwwwww"},
    /* refused */
    {"m0+4w", 0, 4, 0, MOVE, 0, -EINVAL, "wwww"},
    {"m0+4w", 0, 0, 4, MOVE, 0, -EINVAL, "wwww"},
    {"m0+4w", 0, 4, 4, FIXED, 2, -EINVAL, "wwww"},
    {"m0+4w", 0, 4, 4, MREMAP_TO_FIXED, 8, -EINVAL, "wwww"},
    {"m0+4w", 0, 4, 6, KEEP, 8, -EINVAL, "wwww"},
    {"m1+4w", 0, 1, 2, MOVE, 0, -EFAULT, ".wwww"},
    {"m0+2w", 0, 4, 6, MOVE, 0, -EFAULT, "ww"},
};

START_TEST(ranges_move_as_drawn)
{
    scene_run(&scene, rows[_i].script);
    int64_t result = remap(rows[_i].page, rows[_i].old_pages,
                           rows[_i].new_pages, rows[_i].flags, rows[_i].target);

    ck_assert_msg(result == rows[_i].result, "%s: %d", rows[_i].script,
                  (int)result);
    scene_looks(&scene, rows[_i].script, rows[_i].picture);
}
END_TEST

START_TEST(addresses_off_a_page_are_refused)
{
    scene_run(&scene, "m0+4w");
    ck_assert_int_eq(
        mm_mremap(scene.mm, ARENA + 1, PAGE_BYTES, PAGE_BYTES, MOVE, 0),
        -EINVAL);
    ck_assert_int_eq(mm_mremap(scene.mm, ARENA, PAGE_BYTES, PAGE_BYTES, FIXED,
                               arena_page(8) + 1),
                     -EINVAL);
    ck_assert_int_eq(mm_mremap(scene.mm, ARENA, PAGE_BYTES, PAGE_BYTES, FIXED,
                               scene.machine->arch->task_size),
                     -EINVAL);
    ck_assert_int_eq(
        mm_mremap(scene.mm, ARENA, PAGE_BYTES, UINT64_MAX, MOVE, 0), -EINVAL);
}
END_TEST

START_TEST(growth_that_does_not_fit_moves_pages_without_faults)
{
    const struct mm_counters *counters = &scene.machine->counters;

    scene_run(&scene, "m0+2w m2+2r t0+2");
    uint64_t fault_count = counters->fault_count;
    int64_t addr =
        mm_mremap(scene.mm, ARENA, 2 * PAGE_BYTES, 4 * PAGE_BYTES, MOVE, 0);
    ck_assert_int_gt(addr, 0);
    scene_looks(&scene, "moved away", "..rr");
    ck_assert_uint_eq(scene.mm->rss_pages[RSS_ANON], 2);
    struct vma *vma = vma_find_quiet(scene.mm, (uint64_t)addr);
    ck_assert_uint_eq(vma->pgoff, bytes_to_pages(ARENA));
    ck_assert_uint_eq(counters->fault_count, fault_count);
    ck_assert_uint_eq(scene.mm->total_pages, 6);
    ck_assert_uint_eq(scene.mm->accounted_pages, 4);
}
END_TEST

START_TEST(what_was_never_written_takes_its_new_pgoff)
{
    scene_run(&scene, "m0+2w v0>8+2");
    ck_assert_uint_eq(scene.mm->first->pgoff, bytes_to_pages(arena_page(8)));
    scene_run(&scene, "t8+1 v8>16+2");
    ck_assert_uint_eq(scene.mm->first->pgoff, bytes_to_pages(arena_page(8)));
    scene_run(&scene, "f30+2r v30>40+2");
    ck_assert_uint_eq(scene.mm->last->pgoff, 30);
}
END_TEST

START_TEST(length_zero_maps_shared_memory_twice)
{
    struct mmap_args args = {.addr = ARENA,
                             .length = 4 * PAGE_BYTES,
                             .prot = VM_READ | VM_WRITE,
                             .flags = MM_FIXED | MM_SHARED};

    mm_mmap(scene.mm, &args);
    ck_assert_int_eq(remap(0, 0, 4, STAY, 0), -ENOMEM);
    ck_assert_int_eq(remap(0, 0, 4, FIXED, 8), 8);
    scene_looks(&scene, "twice", "wwww....wwww");
    ck_assert_ptr_eq(scene.mm->first->file, scene.mm->last->file);
}
END_TEST

START_TEST(before_6_0_growth_stays_beside_the_next)
{
    struct machine_config config = scene_config(kernel_fixture_2_6_32);
    struct scene old = scene_create(&config);

    scene_run(&old, "m0+2w m4+2w");
    mm_mremap(old.mm, ARENA, 2 * PAGE_BYTES, 4 * PAGE_BYTES, STAY, 0);
    scene_looks(&old, "grown", "wwww|ww");
    scene_destroy(&old);
}
END_TEST

/* Measured on 6.18: of a fork's child, it joins what was never written to. */
START_TEST(growth_joins_the_next_also_in_a_child)
{
    scene_run(&scene, "m0+2w t0+2 F m3+2w");
    ck_assert_int_eq(remap(0, 2, 3, STAY, 0), 0);
    scene_looks(&scene, "grown", "WWWWW");
}
END_TEST

START_TEST(before_6_17_one_vma_moves_at_a_time)
{
    struct machine_config config = scene_config(kernel_fixture_2_6_32);
    struct scene old = scene_create(&config);

    ck_assert_int_eq(scene_run(&old, "m0+2w m2+2r v0>8+4"), -EFAULT);
    scene_looks(&old, "refused", "ww|rr");
    scene_destroy(&old);
}
END_TEST

START_TEST(moves_need_headroom_below_the_limit_of_vmas)
{
    struct machine *machine = scene.machine;

    scene_run(&scene, "m0+4w m6+1r");
    machine->config.max_map_count = 7;  // 2 + 2 < 7 - 3 is wanted
    ck_assert_int_eq(remap(0, 4, 4, FIXED, 10), -ENOMEM);
    machine->config.max_map_count = 8;
    ck_assert_int_eq(remap(0, 4, 4, FIXED, 10), 10);
    machine->config.max_map_count = 5;  // 2 < 5 - 3 is wanted
    ck_assert_int_eq(remap(6, 1, 8, MOVE, 0), -ENOMEM);
    machine->config.max_map_count = 6;
    ck_assert_int_gt(remap(6, 1, 8, MOVE, 0), 0);
}
END_TEST

START_TEST(limits_refuse_growth)
{
    scene_run(&scene, "m0+2w l0+2");
    scene.mm->uid_holder = machine_holder_of(scene.machine, 1000);
    scene.mm->rlimit_memlock = 3 * PAGE_BYTES;
    ck_assert_int_eq(remap(0, 2, 4, STAY, 0), -EAGAIN);
    scene.mm->rlimit_as = 2 * PAGE_BYTES;
    ck_assert_int_eq(remap(0, 2, 3, STAY, 0), -ENOMEM);
    scene.mm->rlimit_as = 3 * PAGE_BYTES;
    ck_assert_int_eq(remap(0, 2, 3, STAY, 0), 0);
    ck_assert_uint_eq(scene.mm->locked_pages, 3);
}
END_TEST

START_TEST(a_locked_mapping_that_is_kept_is_unlocked)
{
    scene_run(&scene, "m0+4w l0+4");
    ck_assert_int_eq(remap(0, 4, 4, KEEP, 8), 8);
    ck_assert_uint_eq(scene.mm->locked_pages, 8);  // 6.18 forgets the old ones
    ck_assert(!(scene.mm->first->flags & VM_LOCKED));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("mremap");
    TCase *tcase = tcase_create("mremap");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, ranges_move_as_drawn, 0,
                        (int)G_N_ELEMENTS(rows));
    tcase_add_test(tcase, addresses_off_a_page_are_refused);
    tcase_add_test(tcase, growth_that_does_not_fit_moves_pages_without_faults);
    tcase_add_test(tcase, what_was_never_written_takes_its_new_pgoff);
    tcase_add_test(tcase, length_zero_maps_shared_memory_twice);
    tcase_add_test(tcase, before_6_0_growth_stays_beside_the_next);
    tcase_add_test(tcase, growth_joins_the_next_also_in_a_child);
    tcase_add_test(tcase, before_6_17_one_vma_moves_at_a_time);
    tcase_add_test(tcase, moves_need_headroom_below_the_limit_of_vmas);
    tcase_add_test(tcase, limits_refuse_growth);
    tcase_add_test(tcase, a_locked_mapping_that_is_kept_is_unlocked);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
