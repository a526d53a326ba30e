/*
 * mmap, munmap, brk, the stack, mlock, overcommit and the layout.
 */
#include "tests/mm/picture.h"

#include "mm/file.h"
#include "mm/page_alloc.h"
#include "mm/rmap.h"
#include "tests/run_suite.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define RW (VM_READ | VM_WRITE)

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

/* Private anonymous memory, rw. */
static int64_t
map_in(struct mm *mm, uint64_t addr, uint64_t length, uint32_t flags)
{
    struct mmap_args args = {
        .addr = addr, .length = length, .prot = RW, .flags = flags};

    return mm_mmap(mm, &args);
}

static int64_t
map(uint64_t addr, uint64_t length, uint32_t flags)
{
    return map_in(scene.mm, addr, length, flags);
}

/* ---- where ---- */

START_TEST(without_a_hint_the_highest_room_is_taken)
{
    uint64_t base = scene.mm->mmap_base;

    ck_assert_int_eq(map(0, PAGE_BYTES, 0), (int64_t)(base - PAGE_BYTES));
    ck_assert_int_eq(map(0, 1, 0), (int64_t)(base - 2 * PAGE_BYTES));
}
END_TEST

START_TEST(lengths_of_whole_huge_pages_are_aligned)
{
    uint64_t huge = 2 * MIB;

    map(0, PAGE_BYTES, 0);
    ck_assert_uint_ne((uint64_t)map(0, huge, MM_SHARED) % huge, 0);
    ck_assert_uint_ne((uint64_t)map(0, huge + PAGE_BYTES, 0) % huge, 0);
    ck_assert_uint_eq((uint64_t)map(0, huge, 0) % huge, 0);
    ck_assert_uint_eq((uint64_t)map(0, 2 * huge, 0) % huge, 0);
}
END_TEST

START_TEST(a_hint_is_taken_if_the_room_is_free)
{
    uint64_t top = scene.mm->mmap_base - PAGE_BYTES;

    ck_assert_int_eq(map(ARENA, PAGE_BYTES, 0), ARENA);
    ck_assert_int_eq(map(ARENA, PAGE_BYTES, 0), (int64_t)top);
    ck_assert_int_eq(map(arena_page(4) + 77, PAGE_BYTES, 0),
                     (int64_t)arena_page(4));
    ck_assert_int_eq(map(1, PAGE_BYTES, 0), (int64_t)(top - PAGE_BYTES));
    ck_assert_int_eq(map(4 * KIB, PAGE_BYTES, 0), 64 * KIB);
    ck_assert_uint_eq(scene.machine->counters.gap_search_count, 2);
}
END_TEST

START_TEST(old_kernels_round_a_hint_up)
{
    struct machine_config config = scene_config(kernel_fixture_2_6_22);
    struct scene old = scene_create(&config);

    ck_assert_int_eq(map_in(old.mm, arena_page(4) + 77, PAGE_BYTES, 0),
                     (int64_t)arena_page(5));
    scene_destroy(&old);
}
END_TEST

START_TEST(a_hint_too_near_below_a_stack_is_not_taken)
{
    uint64_t gap = 256 * PAGE_BYTES;

    map(ARENA + 4 * MIB, PAGE_BYTES, MM_FIXED | MM_GROWSDOWN);
    ck_assert_int_ne(map(ARENA + 4 * MIB - gap, PAGE_BYTES, 0),
                     (int64_t)(ARENA + 4 * MIB - gap));
    ck_assert_int_eq(map(ARENA + 4 * MIB - gap - PAGE_BYTES, PAGE_BYTES, 0),
                     (int64_t)(ARENA + 4 * MIB - gap - PAGE_BYTES));
}
END_TEST

START_TEST(fixed_replaces_and_noreplace_refuses)
{
    scene_run(&scene, "m0+4r");
    ck_assert_int_eq(map(arena_page(3), PAGE_BYTES, MM_FIXED_NOREPLACE),
                     -EEXIST);
    scene_looks(&scene, "refused", "rrrr");
    ck_assert_int_eq(map(arena_page(3), 2 * PAGE_BYTES, MM_FIXED),
                     (int64_t)arena_page(3));
    scene_looks(&scene, "replaced", "rrr|ww");
    ck_assert_int_eq(map(arena_page(5), PAGE_BYTES, MM_FIXED_NOREPLACE),
                     (int64_t)arena_page(5));
    scene_looks(&scene, "free", "rrr|www");

    scene.machine->kernel.calls = 0;
    ck_assert_int_gt(map(ARENA, PAGE_BYTES, MM_FIXED_NOREPLACE), 0);
    scene_looks(&scene, "a hint to kernels without it", "rrr|www");
}
END_TEST

/* ---- refused ---- */

START_TEST(a_file_is_mapped_up_to_the_largest_offset)
{
    struct mmap_args args = {
        .length = PAGE_BYTES,
        .pgoff = bytes_to_pages(INT64_MAX - PAGE_BYTES),
        .file = scene.file,
    };

    ck_assert_int_gt(mm_mmap(scene.mm, &args), 0);
    args.pgoff++;
    ck_assert_int_eq(mm_mmap(scene.mm, &args), -EOVERFLOW);
    scene.machine->kernel.version = 4005000;  // which did not look
    ck_assert_int_gt(mm_mmap(scene.mm, &args), 0);
}
END_TEST

START_TEST(arguments_that_make_no_sense_are_refused)
{
    uint64_t task_size = scene.machine->arch->task_size;
    struct mmap_args file = {
        .length = PAGE_BYTES, .pgoff = UINT64_MAX, .file = scene.file};

    ck_assert_int_eq(map(0, 0, 0), -EINVAL);
    ck_assert_int_eq(map(0, UINT64_MAX, 0), -ENOMEM);
    ck_assert_int_eq(map(0, task_size + PAGE_BYTES, 0), -ENOMEM);
    ck_assert_int_eq(map(ARENA + 1, PAGE_BYTES, MM_FIXED), -EINVAL);
    ck_assert_int_eq(map(task_size, PAGE_BYTES, MM_FIXED), -ENOMEM);
    ck_assert_int_eq(map(UINT64_MAX, PAGE_BYTES, MM_FIXED), -ENOMEM);
    ck_assert_int_eq(map(0, PAGE_BYTES, MM_SHARED | MM_GROWSDOWN), -EINVAL);
    ck_assert_int_eq(mm_mmap(scene.mm, &file), -EOVERFLOW);
    file.pgoff = bytes_to_pages(INT64_MAX - PAGE_BYTES) + 1;
    ck_assert_int_eq(mm_mmap(scene.mm, &file), -EOVERFLOW);
    file.pgoff = 0;
    file.pgoff_rest = 1;
    ck_assert_int_eq(mm_mmap(scene.mm, &file), -EINVAL);
    file.file = NULL;
    ck_assert_int_eq(mm_mmap(scene.mm, &file), -EINVAL);
    ck_assert_uint_eq(scene.mm->map_count, 0);

    ck_assert_int_eq(mm_munmap(scene.mm, ARENA + 1, PAGE_BYTES), -EINVAL);
    ck_assert_int_eq(mm_munmap(scene.mm, ARENA, 0), -EINVAL);
    ck_assert_int_eq(mm_munmap(scene.mm, task_size, PAGE_BYTES), -EINVAL);
    ck_assert_int_eq(mm_munmap(scene.mm, ARENA, UINT64_MAX), -EINVAL);
    ck_assert_int_eq(mm_munmap(scene.mm, ARENA, PAGE_BYTES), 0);
}
END_TEST

START_TEST(rlimit_as_counts_what_a_fixed_mapping_replaces)
{
    scene_run(&scene, "m0+4w");
    scene.mm->rlimit_as = 5 * PAGE_BYTES;
    ck_assert_int_eq(map(0, 2 * PAGE_BYTES, 0), -ENOMEM);
    ck_assert_int_eq(map(arena_page(1), 5 * PAGE_BYTES, MM_FIXED), -ENOMEM);
    /* 6.12 and later cut what they would replace before they refuse. */
    scene_looks(&scene, "refused", "w|www");
    ck_assert_int_eq(map(arena_page(1), 4 * PAGE_BYTES, MM_FIXED),
                     (int64_t)arena_page(1));
    ck_assert_uint_eq(scene.mm->total_pages, 5);
    ck_assert_uint_eq(scene.mm->accounted_pages, 5);
}
END_TEST

START_TEST(locking_needs_the_right_and_the_room)
{
    struct mm *mm = scene.mm;

    scene_run(&scene, "m0+8w");
    mm->uid_holder = machine_holder_of(scene.machine, 1000);
    mm->rlimit_memlock = 0;
    ck_assert_int_eq(map(0, PAGE_BYTES, MM_LOCKED), -EPERM);
    ck_assert_int_eq(mm_mlock(mm, ARENA, PAGE_BYTES), -EPERM);
    mm->rlimit_memlock = 2 * PAGE_BYTES;
    ck_assert_int_eq(map(0, 3 * PAGE_BYTES, MM_LOCKED), -EAGAIN);
    ck_assert_int_eq(mm_mlock(mm, ARENA, 3 * PAGE_BYTES), -ENOMEM);
    ck_assert_int_eq(mm_mlock(mm, ARENA + 100, PAGE_BYTES), 0);
    ck_assert_uint_eq(mm->locked_pages, 2);
    ck_assert_int_eq(mm_mlock(mm, ARENA, 2 * PAGE_BYTES), 0);
    ck_assert_int_eq(mm_munlock(mm, arena_page(1), 4 * PAGE_BYTES), 0);
    ck_assert_uint_eq(mm->locked_pages, 1);
    scene_looks(&scene, "locked apart", "w|wwwwwww");
    mm->uid_holder = machine_holder_of(scene.machine, 0);
    ck_assert_int_eq(mm_mlock(mm, arena_page(4), 8 * PAGE_BYTES), -ENOMEM);
    ck_assert_uint_eq(mm->locked_pages, 5);
    ck_assert_int_eq(mm_munlock(mm, ARENA, UINT64_MAX - ARENA), -EINVAL);
}
END_TEST

/* ---- the limit of VMAs ---- */

START_TEST(one_mapping_more_than_the_limit_fits)
{
    scene.machine->config.max_map_count = 2;
    ck_assert_int_gt(scene_run(&scene, "m0+4w m5+4r m10+4w"), 0);
    ck_assert_int_eq(scene_run(&scene, "m20+4r"), -ENOMEM);
    scene_looks(&scene, "three", "wwww.rrrr.wwww");
    /* A hole in one VMA needs one more; the end of one goes at any time. */
    ck_assert_int_eq(scene_run(&scene, "u1+2"), -ENOMEM);
    ck_assert_int_eq(scene_run(&scene, "u0+1 u7+5"), 0);
    scene_looks(&scene, "ends gone", ".www.rr.....ww");
}
END_TEST

START_TEST(old_munmap_needs_room_for_every_cut)
{
    struct machine_config config = scene_config(kernel_fixture_2_6_22);
    struct scene old = scene_create(&config);

    scene_run(&old, "m0+4w");
    old.machine->config.max_map_count = 1;
    ck_assert_int_eq(scene_run(&old, "u0+1"), -ENOMEM);
    ck_assert_int_eq(scene_run(&old, "u3+1"), -ENOMEM);
    scene_looks(&old, "refused", "wwww");
    ck_assert_int_eq(scene_run(&old, "u0+4"), 0);
    scene_destroy(&old);
}
END_TEST

/* Stacks of one program with 25 VMAs of its own: two each. */
START_TEST(the_32753rd_stack_cannot_have_its_guard)
{
    struct mm *mm = scene.mm;
    uint64_t stack_bytes = 8 * MIB + PAGE_BYTES, stack_count = 0;
    int64_t addr, error = 0;

    for (uint64_t i = 0; i < 25; i++)
        map(ARENA + i * 2 * PAGE_BYTES, PAGE_BYTES, MM_FIXED);
    while (!error) {
        struct mmap_args args = {.length = stack_bytes, .flags = MM_STACK};

        addr = mm_mmap(mm, &args);
        ck_assert_int_gt(addr, 0);
        stack_count++;
        error = mm_mprotect(mm, (uint64_t)addr + PAGE_BYTES, 8 * MIB, RW);
    }
    ck_assert_int_eq(error, -ENOMEM);
    ck_assert_uint_eq(stack_count, 32753);
}
END_TEST

/* ---- munmap ---- */

static const struct {
    const char *script, *picture;
} unmaps[] = {
    {"m0+6w u0+6", ""},
    {"m0+6w u2+2", "ww..ww"},
    {"m0+2w m4+2w m8+2w u1+8", "w........w"},
    {"m0+2w m4+2w u0+8", ""},
    {"m0+2w u4+2", "ww"},
    {"m0+2w m2+2r m4+2w u1+4", "w....w"},
};

START_TEST(any_range_can_be_unmapped)
{
    ck_assert_int_eq(scene_run(&scene, unmaps[_i].script), 0);
    scene_looks(&scene, unmaps[_i].script, unmaps[_i].picture);
    ck_assert_uint_eq(scene.machine->gauge[GAUGE_vma_count],
                      scene.mm->map_count);
}
END_TEST

START_TEST(page_tables_go_when_no_neighbour_needs_them)
{
    struct pagetable *tables = &scene.mm->pagetable;

    scene_run(&scene, "m0+2w m4+2w t0+1 t4+1");
    ck_assert_uint_eq(tables->page_count, 3);
    scene_run(&scene, "u0+2");
    ck_assert_uint_eq(tables->page_count, 3);
    scene_run(&scene, "u4+2");
    ck_assert_uint_eq(tables->page_count, 0);
    ck_assert_uint_eq(scene.machine->gauge[GAUGE_anon_bytes], 0);
}
END_TEST

START_TEST(a_failing_allocation_changes_nothing)
{
    struct machine *machine = scene.machine;
    struct mm *mm = scene.mm = mm_create(machine);
    GArray *taken = g_array_new(FALSE, FALSE, sizeof(pfn_t));
    uint64_t addr = ARENA + GIB;
    pfn_t pfn;

    task_exit(scene.task);  // so that there is nobody to kill
    map(ARENA, 8 * PAGE_BYTES, MM_FIXED);
    while (!pfn_is_none(pfn = page_alloc(machine, 0, PAGE_HOG, 0)))
        g_array_append_val(taken, pfn);
    while (map(addr, PAGE_BYTES, MM_FIXED) > 0)  // to the end of the slab
        addr += 2 * PAGE_BYTES;
    uint64_t total_pages = mm->total_pages;

    ck_assert_int_eq(mm_mprotect(mm, arena_page(2), 2 * PAGE_BYTES, VM_READ),
                     -ENOMEM);
    ck_assert_int_eq(mm_munmap(mm, arena_page(2), 2 * PAGE_BYTES), -ENOMEM);
    ck_assert_int_eq(map(arena_page(2), 2 * PAGE_BYTES, MM_FIXED), -ENOMEM);
    ck_assert_int_eq(map(arena_page(20), PAGE_BYTES, MM_FIXED), -ENOMEM);
    ck_assert_int_eq(
        mm_mremap(mm, ARENA, PAGE_BYTES, 4 * PAGE_BYTES, MREMAP_CAN_MOVE, 0),
        -ENOMEM);
    scene_looks(&scene, "as before", "wwwwwwww");
    ck_assert_uint_eq(mm->total_pages, total_pages);
    mm_validate(mm);
    for (unsigned i = 0; i < taken->len; i++)
        page_free(machine, 0, g_array_index(taken, pfn_t, i), 0, 0);
    g_array_free(taken, TRUE);
    mm_destroy(mm);
}
END_TEST

/* ---- flags ---- */

static uint32_t
flags_of_mapping(uint32_t flags)
{
    uint64_t addr = (uint64_t)map(0, PAGE_BYTES, flags);

    return vma_find_quiet(scene.mm, addr)->flags;
}

START_TEST(mmap_flags_become_vma_flags)
{
    const uint32_t plain =
        RW | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_ACCOUNT;

    ck_assert_uint_eq(flags_of_mapping(0), plain);
    ck_assert_uint_eq(flags_of_mapping(MM_NOZERO), plain);
    ck_assert_uint_eq(flags_of_mapping(MM_STACK), plain | VM_NOHUGEPAGE);
    ck_assert_uint_eq(flags_of_mapping(MM_LOCKED), plain | VM_LOCKED);
    ck_assert_uint_eq(flags_of_mapping(MM_GROWSDOWN), plain | VM_GROWSDOWN);
    ck_assert_uint_eq(flags_of_mapping(MM_SHARED),
                      (plain | VM_SHARED) & ~(uint32_t)VM_ACCOUNT);
    ck_assert_uint_eq(flags_of_mapping(MM_NORESERVE),
                      (plain | VM_NORESERVE) & ~(uint32_t)VM_ACCOUNT);
    scene.machine->config.overcommit_memory = 2;
    ck_assert_uint_eq(flags_of_mapping(MM_NORESERVE), plain);
}
END_TEST

START_TEST(nozero_is_for_anonymous_memory_where_the_policy_knows_it)
{
    struct mmap_args file = {.length = PAGE_BYTES,
                             .prot = VM_READ,
                             .flags = MM_NOZERO,
                             .file = scene.file};

    ck_assert_int_gt(mm_mmap(scene.mm, &file), 0);
    scene.machine->policy.clear = CLEAR_NOZERO;
    ck_assert_int_eq(mm_mmap(scene.mm, &file), -EINVAL);
    ck_assert(flags_of_mapping(MM_NOZERO) & VM_NOZERO);
    ck_assert_int_eq(mm_brk(scene.mm, PAGE_BYTES, true), 0);
    ck_assert(vma_find_quiet(scene.mm, scene.mm->brk_start)->flags & VM_NOZERO);
}
END_TEST

START_TEST(shared_anonymous_memory_has_a_file_as_long_as_it_is_mapped)
{
    uint64_t file_count = scene.machine->files->len;
    uint64_t addr = (uint64_t)map(0, 4 * PAGE_BYTES, MM_SHARED);
    struct file *file = vma_find_quiet(scene.mm, addr)->file;

    ck_assert(file->is_anon_shared);
    ck_assert_uint_eq(file->size_bytes, 4 * PAGE_BYTES);
    mm_munmap(scene.mm, addr, PAGE_BYTES);
    ck_assert_uint_eq(file->vma_count, 1);
    mm_munmap(scene.mm, addr, 4 * PAGE_BYTES);
    ck_assert_ptr_null(scene.machine->files->pdata[file_count]);
}
END_TEST

START_TEST(an_image_is_placed_without_being_counted)
{
    struct mm_counters before;

    scene_run(&scene, "m0+4w");
    before = scene.machine->counters;
    ck_assert_int_eq(map(arena_page(4), PAGE_BYTES, MM_EXEC_IMAGE),
                     (int64_t)arena_page(4));
    ck_assert_int_eq(map(arena_page(8), PAGE_BYTES, MM_EXEC_IMAGE | MM_STACK),
                     (int64_t)arena_page(8));
    scene_looks(&scene, "image", "wwwww...w");
    ck_assert_uint_eq(scene.machine->counters.vma_merge_count,
                      before.vma_merge_count);
    ck_assert_uint_eq(scene.machine->counters.gap_search_count,
                      before.gap_search_count);
    ck_assert(!(scene.mm->last->flags & VM_NOHUGEPAGE));
}
END_TEST

/* ---- brk ---- */

START_TEST(the_heap_grows_and_shrinks)
{
    struct mm *mm = scene.mm;
    struct mm_counters *counters = &scene.machine->counters;

    ck_assert_int_eq(mm_brk(mm, 132 * KIB, false), 0);
    ck_assert_uint_eq(counters->vma_merge_count, 0);
    ck_assert_int_eq(mm_brk(mm, 264 * KIB + 1, false), 0);
    ck_assert_uint_eq(counters->vma_merge_count, 1);
    ck_assert_uint_eq(mm->map_count, 1);
    ck_assert_uint_eq(mm->brk, mm->brk_start + 264 * KIB + 1);
    ck_assert_uint_eq(mm->total_pages, 67);
    ck_assert_int_eq(mm_brk(mm, 267 * KIB, false), 0);
    ck_assert_uint_eq(mm->total_pages, 67);
    ck_assert_int_eq(mm_brk(mm, PAGE_BYTES, false), 0);
    ck_assert_uint_eq(mm->total_pages, 1);
    ck_assert_int_eq(mm_brk(mm, 0, false), 0);
    ck_assert_uint_eq(mm->map_count, 0);
    ck_assert_int_eq(mm_brk(mm, UINT64_MAX, false), -ENOMEM);
}
END_TEST

START_TEST(the_heap_may_reach_the_end_of_user_space)
{
    struct mm *mm = scene.mm;
    uint64_t room = scene.machine->arch->task_size - mm->brk_start;

    scene.machine->config.overcommit_memory = 1;
    ck_assert_int_eq(mm_brk(mm, room + 1, false), -ENOMEM);
    ck_assert_int_eq(mm_brk(mm, room, false), 0);
}
END_TEST

START_TEST(a_page_stays_free_above_the_heap)
{
    struct mm *mm = scene.mm;

    map(mm->brk_start + 10 * PAGE_BYTES, PAGE_BYTES, MM_FIXED);
    ck_assert_int_eq(mm_brk(mm, 10 * PAGE_BYTES, false), -ENOMEM);
    ck_assert_uint_eq(mm->brk, mm->brk_start);
    ck_assert_int_eq(mm_brk(mm, 9 * PAGE_BYTES, false), 0);
    mm_munmap(mm, mm->brk_start, 9 * PAGE_BYTES);
    ck_assert_int_eq(mm_brk(mm, 0, false), -ENOMEM);
}
END_TEST

/* ---- the stack ---- */

START_TEST(the_first_stack_is_132_kib_and_grows_to_the_page)
{
    struct mm *mm = scene.mm;
    uint64_t start = mm->stack_top - 132 * KIB;

    ck_assert_int_eq(mm_map_stack(mm, mm->stack_top), 0);
    ck_assert_uint_eq(mm->first->start, start);
    ck_assert_uint_eq(mm->first->end, mm->stack_top);
    ck_assert(mm_grow_stack(mm, mm->first, start - 3 * PAGE_BYTES - 5));
    ck_assert_uint_eq(mm->first->start, start - 4 * PAGE_BYTES);
    ck_assert_uint_eq(mm->first->pgoff, bytes_to_pages(mm->first->start));
    ck_assert_uint_eq(mm->accounted_pages, 37);
    ck_assert(
        !mm_grow_stack(mm, mm->first, mm->stack_top - 8 * MIB - PAGE_BYTES));
    ck_assert(mm_grow_stack(mm, mm->first, mm->stack_top - 8 * MIB));
    mm->rlimit_stack = 16 * MIB;
    mm->rlimit_as = 9 * MIB;
    ck_assert(
        !mm_grow_stack(mm, mm->first, mm->stack_top - 9 * MIB - PAGE_BYTES));
    ck_assert(mm_grow_stack(mm, mm->first, mm->stack_top - 9 * MIB));
    ck_assert_uint_eq(scene.machine->counters.vma_merge_count, 0);
}
END_TEST

START_TEST(a_stack_keeps_its_distance_to_what_is_accessible)
{
    struct mm *mm = scene.mm;
    uint64_t top = ARENA + 16 * MIB, gap = 256 * PAGE_BYTES;
    struct vma *stack;

    scene_run(&scene, "m0+4w");
    map(top, PAGE_BYTES, MM_FIXED | MM_GROWSDOWN);
    mm->rlimit_stack = UINT64_MAX;
    stack = mm->last;
    ck_assert(!mm_grow_stack(mm, stack, arena_page(4) + gap - PAGE_BYTES));
    ck_assert(mm_grow_stack(mm, stack, arena_page(4) + gap));
    scene_run(&scene, "p0+4-");
    ck_assert(mm_grow_stack(mm, stack, arena_page(4) + PAGE_BYTES));
    ck_assert(!mm_grow_stack(mm, mm->first, ARENA - PAGE_BYTES));
}
END_TEST

START_TEST(a_stack_grows_no_further_than_can_be_promised)
{
    struct mm *mm = scene.mm;
    struct machine_config *config = &scene.machine->config;

    ck_assert_int_eq(mm_map_stack(mm, mm->stack_top), 0);
    uint64_t start = mm->first->start, pages = mm->accounted_pages;
    config->overcommit_memory = 2;
    config->overcommit_ratio = 0;
    ck_assert(!mm_grow_stack(mm, mm->first, start - PAGE_BYTES));
    ck_assert_uint_eq(mm->first->start, start);
    ck_assert_uint_eq(mm->accounted_pages, pages);
    config->overcommit_ratio = 50;
    ck_assert(mm_grow_stack(mm, mm->first, start - PAGE_BYTES));
    ck_assert_uint_eq(mm->accounted_pages, pages + 1);
}
END_TEST

/* ---- overcommit ---- */

START_TEST(overcommit_guesses_refuses_nothing_or_is_strict)
{
    struct machine_config *config = &scene.machine->config;
    uint64_t ram_bytes = pages_to_bytes(scene.machine->ram_pages -
                                        scene.machine->reserved_pages);

    config->overcommit_memory = 0;
    ck_assert_int_eq(map(0, ram_bytes + PAGE_BYTES, 0), -ENOMEM);
    ck_assert_int_gt(map(0, ram_bytes, 0), 0);
    ck_assert_int_gt(map(0, ram_bytes, 0), 0);  // each request by itself
    config->overcommit_memory = 1;
    ck_assert_int_gt(map(0, 100 * ram_bytes, 0), 0);
    config->overcommit_memory = 2;
    config->overcommit_ratio = 50;
    ck_assert_int_eq(map(0, PAGE_BYTES, 0), -ENOMEM);
    ck_assert_int_eq(map(0, PAGE_BYTES, MM_NORESERVE), -ENOMEM);
}
END_TEST

START_TEST(shared_memory_is_on_the_books_as_long_as_any_of_it_is_mapped)
{
    struct machine *machine = scene.machine;
    uint64_t before = machine->committed_pages;
    uint64_t ram_bytes =
        pages_to_bytes(machine->ram_pages - machine->reserved_pages);
    int64_t addr = map(0, 8 * PAGE_BYTES, MM_SHARED);

    ck_assert_int_gt(addr, 0);
    ck_assert_uint_eq(machine->committed_pages, before + 8);
    mm_munmap(scene.mm, (uint64_t)addr, 7 * PAGE_BYTES);
    ck_assert_uint_eq(machine->committed_pages, before + 8);
    mm_munmap(scene.mm, (uint64_t)addr + 7 * PAGE_BYTES, PAGE_BYTES);
    ck_assert_uint_eq(machine->committed_pages, before);

    machine->config.overcommit_memory = 0;
    ck_assert_int_eq(map(0, ram_bytes + PAGE_BYTES, MM_SHARED), -ENOMEM);
    ck_assert_int_gt(map(0, ram_bytes + PAGE_BYTES, MM_SHARED | MM_NORESERVE),
                     0);
    ck_assert_uint_eq(machine->committed_pages, before);
}
END_TEST

/* What one mapping may ask for, at most, in pages: found by halving. */
static uint64_t
largest_request(struct mm *mm)
{
    uint64_t fits = 0, too_much = UINT64_C(1) << 32;

    while (too_much - fits > 1) {
        uint64_t pages = fits + (too_much - fits) / 2;

        if (mm_account(mm, pages)) {
            mm_unaccount(mm, pages);
            fits = pages;
        } else {
            too_much = pages;
        }
    }
    return fits;
}

START_TEST(the_strict_limit_is_a_share_of_ram_and_all_swap)
{
    struct machine_config config = scene_config(kernel_fixtures[_i]);

    config.swap_bytes = 64 * MIB;
    config.overcommit_memory = 2;
    struct scene era = scene_create(&config);
    uint64_t usable = era.machine->ram_pages - era.machine->reserved_pages;
    uint64_t limit = usable / 2 + 16384;
    uint64_t user_limit = limit;

    if (config.kernel.overcommit == OVERCOMMIT_2_6_22)
        user_limit = usable / 2 - usable / 2 / 32 + 16384;
    if (config.kernel.overcommit == OVERCOMMIT_5_2)
        user_limit -= 2048;
    ck_assert_uint_eq(largest_request(era.mm), limit - 1);
    era.mm->uid_holder = machine_holder_of(era.machine, 1000);
    ck_assert_uint_eq(largest_request(era.mm), user_limit - 1);
    scene_destroy(&era);
}
END_TEST

/* What is kept back for the kernel. */
static uint64_t
reserve_pages(const struct machine *machine)
{
    uint64_t pages = 0;

    for (unsigned i = 0; i < machine->zone_count; i++) {
        const struct zone *zone = &machine->zones[i];
        uint64_t lowmem = 0;

        for (unsigned j = i; j < machine->zone_count; j++)
            lowmem = MAX(lowmem, zone->lowmem_reserve[j]);
        pages += MIN(lowmem + zone->watermark_high, zone->managed_pages);
    }
    return pages;
}

START_TEST(the_guess_is_what_could_be_made_free)
{
    struct machine_config config = scene_config(kernel_fixtures[_i]);

    config.swap_bytes = 64 * MIB;
    config.overcommit_memory = 0;
    struct scene era = scene_create(&config);
    uint64_t swap = 16384, free = page_alloc_free_pages(era.machine);
    uint64_t usable = era.machine->ram_pages - era.machine->reserved_pages;
    uint64_t root = swap + free - 1, user = root - (swap + free) / 32;

    if (config.kernel.overcommit == OVERCOMMIT_2_6_22) {
        free -= reserve_pages(era.machine);
        root = swap + free - 1;
        user = root - swap / 32 - free / 32;
    }
    if (config.kernel.overcommit == OVERCOMMIT_5_2)
        root = user = usable + swap;
    ck_assert_uint_eq(largest_request(era.mm), root);
    era.mm->uid_holder = machine_holder_of(era.machine, 1000);
    ck_assert_uint_eq(largest_request(era.mm), user);
    scene_destroy(&era);
}
END_TEST

/* ---- the layout ---- */

START_TEST(mmap_base_leaves_room_for_the_stack)
{
    static const struct {
        kernel_fixture kernel;
        const struct arch *arch;
        uint64_t rlimit_stack, mmap_base;
        bool top_down;
    } cases[] = {
        {kernel_fixture_6_18, &arch_x86_64, 0, 0x7ffff7fff000, true},
        {kernel_fixture_6_18, &arch_x86_64, 128 * MIB, 0x7ffff7eff000, true},
        {kernel_fixture_6_18, &arch_x86_64, UINT64_MAX, 0x155555556000, true},
        {kernel_fixture_2_6_32, &arch_i386, 8 * MIB, 0xb8000000, true},
        {kernel_fixture_2_6_32, &arch_i386, 256 * MIB, 0xb0000000, true},
        {kernel_fixture_2_6_32, &arch_i386, 3 * GIB, 0x20000000, true},
        {kernel_fixture_2_6_22, &arch_i386, 8 * MIB, 0x40000000, false},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct machine_config config = cases[i].kernel(cases[i].arch, 64 * MIB);
        struct exec_layout layout = {.rlimit_stack = cases[i].rlimit_stack};

        config.policy.rmap = &rmap_anon_vma_chain;
        config.policy.gap = &gap_rb_gap;
        struct machine *machine = machine_create(&config);
        struct mm *mm = mm_create(machine);

        mm_set_layout(mm, &layout);
        ck_assert_uint_eq(mm->mmap_base, cases[i].mmap_base);
        ck_assert_int_eq(mm->top_down, cases[i].top_down);
        mm_destroy(mm);
        machine_destroy(machine);
    }
}
END_TEST

START_TEST(the_keys_of_a_layout_win)
{
    struct exec_layout layout = {
        .mmap_base = 0x7ffff0000000,
        .brk = 0x555500000000,
        .stack_top = 0x7fffffff0000,
        .rlimit_as = 3 * MIB,
        .has_rlimit_as = true,
        .has_rlimit_memlock = true,
    };

    mm_set_layout(scene.mm, &layout);
    ck_assert_uint_eq(scene.mm->mmap_base, layout.mmap_base);
    ck_assert_uint_eq(scene.mm->brk_start, layout.brk);
    ck_assert_uint_eq(scene.mm->brk, layout.brk);
    ck_assert_uint_eq(scene.mm->stack_top, layout.stack_top);
    ck_assert_uint_eq(scene.mm->rlimit_as, layout.rlimit_as);
    ck_assert_uint_eq(scene.mm->rlimit_memlock, 0);
}
END_TEST

START_TEST(a_stack_is_whole_and_within_user_space)
{
    static const struct {
        uint64_t key, top;
    } cases[] = {
        {1, 0x7ffffffff000},          {0x21000, 0x7ffffffff000},
        {0x21001, 0x22000},           {0x7fffffffe123, 0x7ffffffff000},
        {UINT64_MAX, 0x7ffffffff000},
    };
    struct exec_layout layout = {.stack_top = cases[_i].key};

    mm_set_layout(scene.mm, &layout);
    ck_assert_uint_eq(scene.mm->stack_top, cases[_i].top);
}
END_TEST

/* ---- invariants ---- */

static void
corrupt_a1(struct mm *mm)
{
    vma_tree_resize(mm, mm->last, mm->last->start,
                    mm->machine->arch->task_size + PAGE_BYTES);
}

static void
corrupt_a2(struct mm *mm)
{
    mm->total_pages++;
}

static void
corrupt_a3(struct mm *mm)
{
    mm->locked_pages--;
}

static void
corrupt_a4(struct mm *mm)
{
    mm->first->flags &= ~(uint32_t)VM_ACCOUNT;
}

static void (*const corruptions[])(struct mm *mm) = {corrupt_a1, corrupt_a2,
                                                     corrupt_a3, corrupt_a4};

static void
expect_named(const char *domain, GLogLevelFlags level, const char *message,
             gpointer name)
{
    (void)domain;
    (void)level;
    if (!strstr(message, name))
        _exit(EXIT_FAILURE);
}

START_TEST(a_corruption_is_named)
{
    g_autofree char *name = g_strdup_printf("A%d:", _i + 1);

    scene_run(&scene, "m0+2w m4+2r l0+1");
    corruptions[_i](scene.mm);
    g_log_set_default_handler(expect_named, name);
    mm_validate(scene.mm);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("mmap");
    TCase *place = tcase_create("place"), *rest = tcase_create("rest");
    TCase *broken = tcase_create("broken");

    tcase_add_checked_fixture(place, setup, teardown);
    tcase_add_test(place, without_a_hint_the_highest_room_is_taken);
    tcase_add_test(place, lengths_of_whole_huge_pages_are_aligned);
    tcase_add_test(place, a_hint_is_taken_if_the_room_is_free);
    tcase_add_test(place, old_kernels_round_a_hint_up);
    tcase_add_test(place, a_hint_too_near_below_a_stack_is_not_taken);
    tcase_add_test(place, fixed_replaces_and_noreplace_refuses);
    tcase_add_test(place, a_file_is_mapped_up_to_the_largest_offset);
    tcase_add_test(place, arguments_that_make_no_sense_are_refused);
    tcase_add_test(place, rlimit_as_counts_what_a_fixed_mapping_replaces);
    tcase_add_test(place, locking_needs_the_right_and_the_room);
    suite_add_tcase(suite, place);

    tcase_add_checked_fixture(rest, setup, teardown);
    tcase_set_timeout(rest, 60);
    tcase_add_test(rest, one_mapping_more_than_the_limit_fits);
    tcase_add_test(rest, old_munmap_needs_room_for_every_cut);
    tcase_add_test(rest, the_32753rd_stack_cannot_have_its_guard);
    tcase_add_loop_test(rest, any_range_can_be_unmapped, 0,
                        (int)G_N_ELEMENTS(unmaps));
    tcase_add_test(rest, page_tables_go_when_no_neighbour_needs_them);
    tcase_add_test(rest, a_failing_allocation_changes_nothing);
    tcase_add_test(rest, mmap_flags_become_vma_flags);
    tcase_add_test(rest,
                   nozero_is_for_anonymous_memory_where_the_policy_knows_it);
    tcase_add_test(rest,
                   shared_anonymous_memory_has_a_file_as_long_as_it_is_mapped);
    tcase_add_test(rest, an_image_is_placed_without_being_counted);
    tcase_add_test(rest, the_heap_grows_and_shrinks);
    tcase_add_test(rest, the_heap_may_reach_the_end_of_user_space);
    tcase_add_test(rest, a_page_stays_free_above_the_heap);
    tcase_add_test(rest, the_first_stack_is_132_kib_and_grows_to_the_page);
    tcase_add_test(rest, a_stack_keeps_its_distance_to_what_is_accessible);
    tcase_add_test(rest, a_stack_grows_no_further_than_can_be_promised);
    tcase_add_test(rest, overcommit_guesses_refuses_nothing_or_is_strict);
    tcase_add_test(
        rest, shared_memory_is_on_the_books_as_long_as_any_of_it_is_mapped);
    tcase_add_loop_test(rest, the_strict_limit_is_a_share_of_ram_and_all_swap,
                        0, KERNEL_FIXTURE_COUNT);
    tcase_add_loop_test(rest, the_guess_is_what_could_be_made_free, 0,
                        KERNEL_FIXTURE_COUNT);
    tcase_add_test(rest, mmap_base_leaves_room_for_the_stack);
    tcase_add_test(rest, the_keys_of_a_layout_win);
    tcase_add_loop_test(rest, a_stack_is_whole_and_within_user_space, 0, 5);
    suite_add_tcase(suite, rest);

    tcase_add_checked_fixture(broken, setup, NULL);
    tcase_add_loop_test_raise_signal(broken, a_corruption_is_named, SIGABRT, 0,
                                     (int)G_N_ELEMENTS(corruptions));
    suite_add_tcase(suite, broken);
    return run_suite(suite);
}
