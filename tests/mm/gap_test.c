/*
 * The gap axis: the worked example of each kernel's search, the cost of each
 * as VMAs become more, and 100 000 random calls against literal walks.
 */
#include "tests/mm/bare_mm.h"
#include "tests/mm/gap_model.h"
#include "tests/run_suite.h"

#include <check.h>
#include <inttypes.h>
#include <time.h>

#define KIB UINT64_C(1024)
#define MIB (KIB * KIB)

static struct bare_mm
gap_mm(const struct arch *arch, const struct gap_ops *policy, bool top_down)
{
    struct bare_mm bare = bare_mm_create(arch);
    uint64_t room = MIN(128 * MIB, arch->task_size / 16);

    bare_mm_set_gap(&bare, policy);
    bare.mm->top_down = top_down;
    bare.mm->mmap_base = arch->task_size - room;
    gap_exec(bare.mm);
    return bare;
}

static uint64_t
search(struct bare_mm *bare, uint64_t length)
{
    struct gap_request request = {length, PAGE_BYTES, 0, bare->mm->top_down};

    return gap_search(bare->mm, &request);
}

static uint64_t
map(struct bare_mm *bare, uint64_t length)
{
    uint64_t addr = search(bare, length);

    if (addr != GAP_NONE)
        bare_mm_map(bare, addr, addr + length);
    return addr;
}

/* Take [start, end) out of the VMA; it may be cut in two. */
static void
unmap_piece(struct bare_mm *bare, struct vma *vma, uint64_t start, uint64_t end)
{
    uint64_t old_end = vma->end;

    if (vma->start < start) {
        vma_tree_resize(bare->mm, vma, vma->start, start);
        if (end < old_end)
            bare_mm_map(bare, end, old_end);
    } else if (end < old_end) {
        vma_tree_resize(bare->mm, vma, end, old_end);
    } else {
        bare_mm_unmap(bare, vma);
    }
    gap_unmapped_piece(bare->mm, start, end);
}

/* munmap, with the notices that the policies are promised. */
static void
unmap(struct bare_mm *bare, uint64_t start, uint64_t end)
{
    struct vma *vma = vma_find_quiet(bare->mm, start);
    struct vma *next;

    for (; vma && vma->start < end; vma = next) {
        next = vma->next;
        unmap_piece(bare, vma, MAX(start, vma->start), MIN(end, vma->end));
    }
    next = vma_find_quiet(bare->mm, end);
    gap_unmapped(bare->mm, next ? next->prev : bare->mm->last, next);
}

/* Map 8 MiB three times, unmap the first, then map 4 KiB and 8 MiB twice,
 * between a program's text and its stack. */
static const struct {
    const struct gap_ops *policy;
    bool top_down;
    uint64_t cache_after_unmap;
    uint64_t addr[4];
    struct gap_state state;
} examples[] = {
    /* clang-format off */
    {&gap_linear, false, 0,
     {0x40000000, 0x41800000, 0x40001000, 0x42000000}, {0, 0}},
    {&gap_rb_gap, false, 0,
     {0x40000000, 0x41800000, 0x40001000, 0x42000000}, {0, 0}},
    {&gap_maple, false, 0,
     {0x40000000, 0x41800000, 0x40001000, 0x42000000}, {0, 0}},
    {&gap_area_cache, false, 0x40000000,
     {0x40000000, 0x41800000, 0x42000000, 0x42001000}, {0x42801000, 0}},
    /* The text lies below the base, so the cache is not lowered. */
    {&gap_hole_size, false, 0x41800000,
     {0x41800000, 0x41801000, 0x42001000, 0x42002000}, {0x42802000, 0}},

    {&gap_linear, true, 0,
     {0xB7FFF000, 0xB6000000, 0xB7FFE000, 0xB5800000}, {0, 0}},
    {&gap_rb_gap, true, 0,
     {0xB7FFF000, 0xB6000000, 0xB7FFE000, 0xB5800000}, {0, 0}},
    {&gap_maple, true, 0,
     {0xB7FFF000, 0xB6000000, 0xB7FFE000, 0xB5800000}, {0, 0}},
    {&gap_area_cache, true, 0xB8000000,
     {0xB7FFF000, 0xB6000000, 0xB5FFF000, 0xB57FF000}, {0xB57FF000, 0}},
    {&gap_hole_size, true, 0xB8000000,
     {0xB7FFF000, 0xB6000000, 0xB7FFE000, 0xB5800000}, {0xB5800000, 0x7FE000}},
    /* clang-format on */
};

START_TEST(every_policy_places_the_worked_example)
{
    bool top_down = examples[_i].top_down;
    struct bare_mm bare = gap_mm(&arch_i386, examples[_i].policy, top_down);
    uint64_t first = top_down ? 0xB7800000 : 0x40000000;
    uint64_t second = top_down ? 0xB7000000 : 0x40800000;
    uint64_t third = top_down ? 0xB6800000 : 0x41000000;

    bare_mm_map(&bare, 0x08048000, 0x08100000);
    bare_mm_map(&bare, 0xBFFDF000, 0xC0000000);
    ck_assert_uint_eq(map(&bare, 8 * MIB), first);
    ck_assert_uint_eq(map(&bare, 8 * MIB), second);
    ck_assert_uint_eq(map(&bare, 8 * MIB), third);

    unmap(&bare, first, first + 8 * MIB);
    ck_assert_uint_eq(bare.mm->gap.cache, examples[_i].cache_after_unmap);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_uint_eq(map(&bare, i % 2 ? 8 * MIB : 4 * KIB),
                          examples[_i].addr[i]);
    ck_assert_uint_eq(bare.mm->gap.cache, examples[_i].state.cache);
    ck_assert_uint_eq(bare.mm->gap.hole, examples[_i].state.hole);
    ck_assert_uint_eq(bare.machine->counters.gap_search_count, 7);
    bare_mm_destroy(&bare);
}
END_TEST

static uint64_t
log2_ceil(uint64_t count)
{
    uint64_t log = 0;

    while ((UINT64_C(1) << log) < count)
        log++;
    return log;
}

/* Index: policy, then layout. */
START_TEST(the_next_search_costs_what_its_kernel_paid)
{
    const struct gap_ops *policy = gap_policies[_i / 2];
    struct bare_mm bare = gap_mm(&arch_x86_64, policy, _i % 2);
    const struct mm_counters *counters = &bare.machine->counters;

    bare_mm_map(&bare, arch_x86_64.stack_top - MIB, arch_x86_64.stack_top);
    for (uint64_t n = 0; n < 3000; n++) {
        uint64_t before = counters->gap_probe_count, probes;

        map(&bare, MIB);
        probes = counters->gap_probe_count - before;
        if (policy == &gap_linear)
            ck_assert_uint_eq(probes, n);
        else if (policy == &gap_rb_gap)
            ck_assert_uint_le(probes, 1 + 4 * log2_ceil(n + 1));
        else if (policy == &gap_maple)
            ck_assert_uint_le(probes, 1 + log2_ceil(n + 2));
        else
            ck_assert_uint_eq(probes, 0);
    }
    ck_assert_uint_eq(counters->gap_search_count, 3000);
    ck_assert_uint_eq(counters->gap_probe_count,
                      bare.machine->charges[CHARGE_gap_step]);
    bare_mm_destroy(&bare);
}
END_TEST

static double
seconds_for_stacks(const struct gap_ops *policy)
{
    struct bare_mm bare = gap_mm(&arch_x86_64, policy, false);
    clock_t begin = clock();
    double seconds;

    for (unsigned i = 0; i < 20000; i++) {
        uint64_t stack = map(&bare, MIB);

        unmap(&bare, stack, stack + 4 * KIB);  // the guard: a VMA of its own
        bare_mm_map(&bare, stack, stack + 4 * KIB);
    }
    seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
    bare_mm_destroy(&bare);
    return seconds;
}

START_TEST(twenty_thousand_stacks_cost_probes_and_not_host_time)
{
    double rb_gap = seconds_for_stacks(&gap_rb_gap);
    double linear = seconds_for_stacks(&gap_linear);

    /* Walking over them would be 400 million steps, a second or more. */
    ck_assert_double_lt(linear, 5 * rb_gap + 0.05);
}
END_TEST

/* Searches for two pages from the top, where every VMA and every hole is one
 * page, until below them all. */
static double
seconds_for_searches(const struct gap_ops *policy, uint64_t *probe_count)
{
    enum { VMA_COUNT = 200000, SEARCH_COUNT = 1000 };
    struct bare_mm bare = gap_mm(&arch_x86_64, policy, true);
    clock_t begin;

    for (unsigned i = 0; i < VMA_COUNT; i++)
        map(&bare, PAGE_BYTES);
    *probe_count = bare.machine->counters.gap_probe_count;
    begin = clock();
    for (unsigned i = 0; i < SEARCH_COUNT; i++) {
        uint64_t hole = bare.mm->mmap_base - (1 + i % 100) * PAGE_BYTES;

        unmap(&bare, hole, hole + PAGE_BYTES);
        uint64_t addr = map(&bare, 2 * PAGE_BYTES);

        unmap(&bare, addr, addr + 2 * PAGE_BYTES);
        bare_mm_map(&bare, hole, hole + PAGE_BYTES);
    }
    double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;

    *probe_count = bare.machine->counters.gap_probe_count - *probe_count;
    bare_mm_destroy(&bare);
    return seconds;
}

/* Index: policy. */
START_TEST(walks_over_many_vmas_cost_probes_and_not_host_time)
{
    static const struct gap_ops *const walkers[] = {&gap_area_cache,
                                                    &gap_hole_size};
    uint64_t rb_gap_count, count;
    double rb_gap = seconds_for_searches(&gap_rb_gap, &rb_gap_count);
    double walker = seconds_for_searches(walkers[_i], &count);

    /* A step passes two VMAs; taken one by one they are half a second. */
    ck_assert_uint_gt(count, 90000000);
    ck_assert_uint_lt(rb_gap_count, 100000);
    ck_assert_double_lt(walker, 5 * rb_gap + 0.05);
}
END_TEST

/* A process that maps and unmaps at random, and its model. */
struct trial {
    struct bare_mm bare;
    const struct gap_model_ops *ops;
    struct gap_model model;
    GArray *vmas;  // struct model_vma
    uint64_t seed;
    uint64_t unit;          // bytes: a large mapping is up to 64 of them
    uint32_t fewest, most;  // VMAs
    bool is_dense;          // of a few pages each
    bool is_growing;
    uint32_t failed_count;
};

static void
trial_snapshot(struct trial *trial)
{
    g_array_set_size(trial->vmas, 0);
    for (const struct vma *vma = trial->bare.mm->first; vma; vma = vma->next) {
        struct model_vma copy = {vma->start, vma->end, vma_start_gap(vma)};

        g_array_append_val(trial->vmas, copy);
    }
    trial->model.vmas = (const struct model_vma *)(void *)trial->vmas->data;
    trial->model.count = trial->vmas->len;
    trial->model.root = trial->bare.mm->rb_root;
    trial->model.maple_root = trial->bare.mm->maple.root;
}

static uint64_t
trial_length(struct trial *trial)
{
    uint64_t *seed = &trial->seed;

    if (trial->is_dense)
        return PAGE_BYTES * (1 + test_random_below(seed, 4));
    if (test_random_below(seed, 500) == 0)
        return PAGE_BYTES *
               (1 + test_random_below(
                        seed, bytes_to_pages(trial->model.arch->task_size)));
    if (test_random_below(seed, 2) == 0)
        return PAGE_BYTES * (1 + test_random_below(seed, 64));
    return trial->unit *
           (1 +
            test_random_below(seed, UINT64_C(1) << test_random_below(seed, 7)));
}

static void
trial_map(struct trial *trial)
{
    struct bare_mm *bare = &trial->bare;
    uint64_t length = trial_length(trial), addr, expected;
    struct vma *vma;

    trial_snapshot(trial);
    expected = trial->ops->search(&trial->model, length, bare->mm->top_down);
    addr = search(bare, length);
    /* One branch: an assertion of Check is a system call. */
    if (addr != expected ||
        bare->machine->counters.gap_probe_count != trial->model.probe_count ||
        bare->mm->gap.cache != trial->model.state.cache ||
        bare->mm->gap.hole != trial->model.state.hole)
        ck_abort_msg("search %" PRIu64 " for %#" PRIx64 " bytes: at %#" PRIx64
                     ", expected %#" PRIx64 "; probes, cache or hole differ",
                     bare->machine->counters.gap_search_count, length, addr,
                     expected);
    if (addr == GAP_NONE) {
        trial->failed_count++;
        return;
    }
    vma = bare_mm_map(bare, addr, addr + length);
    if (test_random_below(&trial->seed, 16) == 0)
        vma->flags = VM_GROWSDOWN;
    if (test_random_below(&trial->seed, 16) == 0)
        vma->gap_below_bytes = 8 * PAGE_BYTES;
    vma_tree_gap_changed(vma);
}

static void
trial_unmap_range(struct trial *trial, uint64_t start, uint64_t end)
{
    const struct gap_model_ops *ops = trial->ops;
    struct gap_model *model = &trial->model;
    bool top_down = trial->bare.mm->top_down;

    trial_snapshot(trial);
    for (size_t i = 0; ops->unmap_piece && i < model->count; i++) {
        uint64_t piece_start = MAX(start, model->vmas[i].start);
        uint64_t piece_end = MIN(end, model->vmas[i].end);

        if (piece_start < piece_end)
            ops->unmap_piece(model, piece_start, piece_end, top_down);
    }
    unmap(&trial->bare, start, end);
    trial_snapshot(trial);
    if (ops->unmapped)
        ops->unmapped(model, start, end, top_down);
}

/* All of a VMA, a part of it, or with what lies around it. */
static void
trial_unmap(struct trial *trial)
{
    uint64_t *seed = &trial->seed;
    uint64_t index = test_random_below(seed, trial->bare.mm->map_count);
    const struct vma *vma = trial->bare.mm->first;
    uint64_t start, end, dice = test_random_below(seed, 4);

    while (index-- > 0)
        vma = vma->next;
    start = vma->start;
    end = vma->end;
    if (dice == 0 || dice == 1)
        start += PAGE_BYTES * test_random_below(seed, vma_pages(vma));
    if (dice == 1 || dice == 2)
        end = start + PAGE_BYTES * (1 + test_random_below(
                                            seed, bytes_to_pages(end - start)));
    if (dice == 3)
        end += trial->unit * test_random_below(seed, trial->is_dense ? 4 : 64);
    trial_unmap_range(trial, start, MIN(end, trial->model.arch->task_size));
}

/* MAP_FIXED: anywhere that is free, searched areas or not. */
static void
trial_map_fixed(struct trial *trial)
{
    uint64_t limit = trial->model.arch->task_size;
    uint64_t start =
        PAGE_BYTES *
        (1 + test_random_below(&trial->seed, bytes_to_pages(limit) - 1));
    uint64_t end =
        start + PAGE_BYTES * (1 + test_random_below(&trial->seed, 63));

    if (end <= limit && !vma_intersect(trial->bare.mm, start, end))
        bare_mm_map(&trial->bare, start, end);
}

static void
trial_step(struct trial *trial)
{
    struct mm *mm = trial->bare.mm;
    uint64_t dice = test_random_below(&trial->seed, 1000);

    if (mm->map_count < trial->fewest)
        trial->is_growing = true;
    if (mm->map_count > trial->most)
        trial->is_growing = false;
    if (dice < 2) {
        dice == 0 ? gap_forked(mm, mm) : gap_exec(mm);
        trial->model.state = mm->gap;
    } else if (dice < 10) {
        trial_map_fixed(trial);
    } else if (mm->map_count == 0 || dice < (trial->is_growing ? 650 : 400)) {
        trial_map(trial);
    } else {
        trial_unmap(trial);
    }
}

static struct trial
trial_new(const struct arch *arch, const struct gap_model_ops *ops,
          bool top_down)
{
    struct trial trial = {
        .bare = gap_mm(arch, ops->policy, top_down),
        .ops = ops,
        .vmas = g_array_new(FALSE, FALSE, sizeof(struct model_vma)),
        .seed = 1,
        .unit = MAX(page_floor(arch->task_size / 8192), PAGE_BYTES),
        .fewest = 50,
        .most = 400,
    };

    /* A policy that asks all trees, not the red-black one alone. */
    if (ops->policy->needs_rbtree && ops->policy != &gap_rb_gap)
        trial.bare.machine->policy.vma_index = VMA_INDEX_LIST;
    trial.bare.machine->kernel.stack_gap_pages =
        (uint32_t)MIN(256, bytes_to_pages(arch->task_size) / 64);
    trial.model.arch = arch;
    trial.model.mmap_base = trial.bare.mm->mmap_base;
    trial.model.state = trial.bare.mm->gap;
    return trial;
}

static void
trial_finish(struct trial *trial)
{
    vma_tree_validate(trial->bare.mm);
    maple_validate(trial->bare.mm);
    g_array_unref(trial->vmas);
    bare_mm_destroy(&trial->bare);
}

static void
run_trial(const struct arch *arch, const struct gap_model_ops *ops,
          bool top_down)
{
    struct trial trial = trial_new(arch, ops, top_down);

    for (unsigned step = 0; step < 100000; step++)
        trial_step(&trial);
    ck_assert_uint_gt(trial.failed_count, 0);
    trial_finish(&trial);
}

/* So small that every search meets an end of it. */
static const struct arch arch_tiny = {
    .name = "tiny",
    .task_size = 256 * PAGE_BYTES,
    .unmapped_base = 64 * PAGE_BYTES,
};

static const struct arch *const trial_archs[] = {&arch_i386, &arch_x86_64,
                                                 &arch_tiny};

/* Index: architecture, then policy, then layout. */
START_TEST(a_random_process_is_placed_as_by_a_literal_walk)
{
    run_trial(trial_archs[_i / 2 / GAP_MODEL_COUNT],
              &gap_models[_i / 2 % GAP_MODEL_COUNT], _i % 2);
}
END_TEST

/* Thousands of VMAs that are hardly larger than what is asked for, so that a
 * step of a walk passes several, and walks go the same ways again.  Index:
 * policy. */
START_TEST(a_dense_process_is_placed_as_by_a_literal_walk)
{
    struct trial trial = trial_new(&arch_i386, &gap_models[_i], true);

    trial.is_dense = true;
    trial.unit = PAGE_BYTES;
    trial.fewest = 2000;
    trial.most = 4000;
    for (unsigned step = 0; step < 12000; step++) {
        trial_step(&trial);
        if (step % 1000 == 0)
            vma_tree_validate(trial.bare.mm);
    }
    ck_assert_uint_gt(trial.bare.mm->map_count, 1000);
    trial_finish(&trial);
}
END_TEST

/* Every length, from fresh caches, among what is mapped. */
static void
every_length(struct trial *trial)
{
    struct mm *mm = trial->bare.mm;
    const struct arch *arch = trial->model.arch;

    trial_snapshot(trial);
    for (uint64_t length = PAGE_BYTES; length <= arch->task_size;
         length += PAGE_BYTES) {
        gap_exec(mm);
        trial->model.state = mm->gap;
        uint64_t expected =
            trial->ops->search(&trial->model, length, mm->top_down);
        if (search(&trial->bare, length) != expected ||
            mm->machine->counters.gap_probe_count != trial->model.probe_count)
            ck_abort_msg("%#" PRIx64 " bytes: expected %#" PRIx64
                         "; or probes differ",
                         length, expected);
    }
}

/* Index: policy, then layout. */
START_TEST(every_length_is_placed_around_one_mapping_as_by_a_literal_walk)
{
    struct trial trial = {
        .bare = gap_mm(&arch_tiny, gap_models[_i / 2].policy, _i % 2),
        .ops = &gap_models[_i / 2],
        .vmas = g_array_new(FALSE, FALSE, sizeof(struct model_vma)),
    };

    trial.model.arch = &arch_tiny;
    trial.model.mmap_base = trial.bare.mm->mmap_base;
    every_length(&trial);
    for (uint64_t at = PAGE_BYTES; at < arch_tiny.task_size; at += PAGE_BYTES) {
        struct vma *vma = bare_mm_map(&trial.bare, at, at + PAGE_BYTES);

        every_length(&trial);
        bare_mm_unmap(&trial.bare, vma);
    }
    g_array_unref(trial.vmas);
    bare_mm_destroy(&trial.bare);
}
END_TEST

/* linear, asking rb-gap as well. */
static uint64_t
search_both(struct mm *mm, const struct gap_request *request)
{
    uint64_t probe_count = mm->machine->counters.gap_probe_count;
    uint64_t addr = gap_rb_gap.search(mm, request);

    mm->machine->counters.gap_probe_count = probe_count;
    if (gap_linear.search(mm, request) != addr)
        ck_abort_msg("rb-gap differs: %#" PRIx64, addr);
    return addr;
}

/* Index: architecture, then layout. */
START_TEST(linear_and_rb_gap_find_the_same_addresses)
{
    const struct gap_ops both = {
        .name = "both", .needs_rbtree = true, .search = search_both};
    struct gap_model_ops ops = gap_models[0];

    ops.policy = &both;
    run_trial(trial_archs[_i / 2], &ops, _i % 2);
}
END_TEST

/* A hole of `hole_pages` where everything else is full, 2 MiB wanted. */
static uint64_t
search_huge(bool top_down, uint64_t hole_start, uint64_t hole_pages)
{
    struct bare_mm bare = gap_mm(&arch_x86_64, &gap_rb_gap, top_down);
    struct gap_request request = {2 * MIB, 2 * MIB, 0, top_down};
    uint64_t hole_end = hole_start + hole_pages * PAGE_BYTES, addr;

    bare_mm_map(&bare, PAGE_BYTES, hole_start);
    bare_mm_map(&bare, hole_end, arch_x86_64.task_size);
    addr = gap_search(bare.mm, &request);
    bare_mm_destroy(&bare);
    return addr;
}

START_TEST(a_huge_aligned_request_needs_one_alignment_more)
{
    uint64_t at = 0x7f0000000000;

    /* As measured on 6.18: 1024 pages hold an aligned area, 1023 are taken
     * for too few, and then no alignment is tried. */
    ck_assert_uint_eq(search_huge(true, at, 1024), at + 2 * MIB);
    ck_assert_uint_eq(search_huge(true, at + 4 * KIB, 1024), at + 2 * MIB);
    ck_assert_uint_eq(search_huge(true, at + 8 * KIB, 1025), at + 2 * MIB);
    ck_assert_uint_eq(search_huge(true, at + 4 * KIB, 1023),
                      at + 4 * KIB + 511 * PAGE_BYTES);
    ck_assert_uint_eq(search_huge(false, at, 1024), at);
    ck_assert_uint_eq(search_huge(false, at + 4 * KIB, 1024), at + 2 * MIB);
    ck_assert_uint_eq(search_huge(false, at + 4 * KIB, 1023), at + 4 * KIB);
    ck_assert_uint_eq(search_huge(false, at, 511), GAP_NONE);
}
END_TEST

START_TEST(every_policy_aligns_huge_requests)
{
    struct bare_mm bare = gap_mm(&arch_x86_64, gap_policies[_i / 2], _i % 2);
    struct gap_request request = {4 * MIB, 2 * MIB, 0, _i % 2};

    for (unsigned i = 0; i < 100; i++) {
        uint64_t addr = gap_search(bare.mm, &request);

        ck_assert_uint_eq(addr % (2 * MIB), 0);
        bare_mm_map(&bare, addr, addr + 4 * MIB);
        ck_assert_uint_ne(map(&bare, 12 * KIB), GAP_NONE);
    }
    bare_mm_destroy(&bare);
}
END_TEST

START_TEST(a_request_larger_than_the_address_space_finds_nothing)
{
    const struct gap_ops *policy = gap_policies[_i / 2];
    struct bare_mm bare = gap_mm(&arch_i386, policy, _i % 2);
    struct gap_request huge = {page_floor(UINT64_MAX), 2 * MIB, 0, _i % 2};

    ck_assert_uint_eq(search(&bare, arch_i386.task_size), GAP_NONE);
    ck_assert_uint_eq(search(&bare, arch_i386.task_size - 4 * KIB), GAP_NONE);
    ck_assert_uint_eq(gap_search(bare.mm, &huge), GAP_NONE);
    ck_assert_uint_eq(bare.machine->counters.gap_search_count, 3);
    bare_mm_destroy(&bare);
}
END_TEST

/* The last VMA ends where the address space does.  Index: policy, then layout.
 */
START_TEST(a_full_address_space_has_no_room)
{
    struct bare_mm bare =
        gap_mm(&arch_x86_64, gap_policies[_i / 2], /* top_down = */ _i % 2);
    uint64_t middle = page_floor(bare.mm->mmap_base / 2);

    bare_mm_map(&bare, PAGE_BYTES, middle);
    bare_mm_map(&bare, middle, arch_x86_64.task_size);
    ck_assert_uint_eq(search(&bare, PAGE_BYTES), GAP_NONE);
    bare_mm_destroy(&bare);
}
END_TEST

START_TEST(top_down_falls_back_to_what_lies_above_mmap_base)
{
    struct bare_mm bare = gap_mm(&arch_i386, gap_policies[_i], true);

    bare_mm_map(&bare, PAGE_BYTES, bare.mm->mmap_base);
    ck_assert_uint_eq(map(&bare, MIB), bare.mm->mmap_base);
    ck_assert_uint_eq(map(&bare, 128 * MIB), GAP_NONE);
    bare_mm_destroy(&bare);
}
END_TEST

/* Search, and once more with the trail of the searches before lost. */
static uint64_t
search_with_and_without_trail(struct bare_mm *bare, uint64_t length)
{
    const uint64_t *steps = &bare->machine->counters.gap_probe_count;
    struct maple_trail *trail = &bare->machine->maple_trail, followed;
    uint64_t start = *steps, addr = search(bare, length), taken;

    taken = *steps - start;
    followed = *trail;
    trail->mm = NULL;
    start = *steps;
    ck_assert_uint_eq(search(bare, length), addr);
    ck_assert_uint_eq(*steps - start, taken);
    ck_assert_ptr_eq(trail->leaf, followed.leaf);
    ck_assert_uint_eq(trail->arrival_count, followed.arrival_count);
    return addr;
}

/* Index: architecture, whose nodes are larger or smaller. */
START_TEST(a_search_in_the_maple_tree_counts_the_steps_that_its_trail_saves)
{
    struct bare_mm bare =
        gap_mm(_i ? &arch_i386 : &arch_x86_64, &gap_maple, true);
    const struct maple_trail *trail = &bare.machine->maple_trail;
    uint32_t followed_count = 0;
    uint64_t seed = 1;

    for (unsigned step = 0; step < 20000; step++) {
        uint64_t length = (1 + test_random_below(&seed, 3) / 2) * PAGE_BYTES;

        if (step % 1000 == 999)
            bare.mm->mmap_base -= 64 * PAGE_BYTES;
        uint64_t used = bare.mm->mmap_base - (step ? bare.mm->first->start : 0);
        uint64_t addr;

        if (step && test_random_below(&seed, 8) == 0) {
            addr = bare.mm->first->start + test_random_below(&seed, used);
            bare_mm_unmap(&bare, vma_find_quiet(bare.mm, addr));
        }
        followed_count += trail->mm && trail->length == length;
        addr = search_with_and_without_trail(&bare, length);
        bare_mm_map(&bare, addr, addr + length);
    }
    ck_assert_uint_gt(followed_count, 1000);
    bare_mm_destroy(&bare);
}
END_TEST

/* Index: policy, then layout. */
START_TEST(nothing_is_placed_in_the_room_below_a_stack)
{
    struct bare_mm bare = gap_mm(&arch_i386, gap_policies[_i / 2], _i % 2);
    struct vma *stack = bare_mm_map(&bare, 0x90000000, 0x90010000);
    uint64_t addr;

    bare.machine->kernel.stack_gap_pages = 256;
    stack->flags = VM_GROWSDOWN;
    vma_tree_gap_changed(stack);
    while ((addr = map(&bare, 700 * KIB)) != GAP_NONE)
        ck_assert(addr + 700 * KIB <= 0x90000000 - MIB || addr >= 0x90010000);
    bare_mm_destroy(&bare);
}
END_TEST

/* As measured on 6.18: the free range below a stack is found first, and nothing
 * in the stack's room is looked at again.  rb-gap takes what lies between the
 * two VMAs in it. */
START_TEST(vmas_in_the_room_below_a_stack_leave_gaps_to_rb_gap_alone)
{
    static const struct gap_ops *const policies[] = {&gap_rb_gap, &gap_maple};

    for (unsigned i = 0; i < G_N_ELEMENTS(policies); i++) {
        struct bare_mm bare = gap_mm(&arch_x86_64, policies[i], true);
        uint64_t top = bare.mm->mmap_base, lower = top - 400 * KIB;
        uint64_t upper = top - 260 * KIB;
        struct vma *stack;

        bare.machine->kernel.stack_gap_pages = 256;
        stack = bare_mm_map(&bare, top - 4 * KIB, top);
        stack->flags = VM_GROWSDOWN;
        vma_tree_gap_changed(stack);
        bare_mm_map(&bare, upper, upper + 4 * KIB);
        bare_mm_map(&bare, lower, lower + 4 * KIB);
        ck_assert_uint_eq(map(&bare, 4 * KIB),
                          policies[i] == &gap_maple
                              ? top - 4 * KIB - MIB - 4 * KIB
                              : upper - 4 * KIB);
        bare_mm_destroy(&bare);
    }
}
END_TEST

START_TEST(fork_and_exec_reset_the_caches)
{
    static const struct {
        const struct gap_ops *policy;
        bool top_down;
        struct gap_state forked, execed;
    } resets[] = {
        {&gap_area_cache, false, {0x40000000, 0}, {0x40000000, 0}},
        {&gap_area_cache, true, {0xB8000000, 0}, {0xB8000000, 0}},
        {&gap_hole_size, false, {0x40000000, UINT64_MAX}, {0x40000000, 0}},
        {&gap_hole_size, true, {0xB8000000, UINT64_MAX}, {0xB8000000, 0}},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(resets); i++) {
        struct bare_mm bare =
            gap_mm(&arch_i386, resets[i].policy, resets[i].top_down);
        struct mm child = *bare.mm;

        map(&bare, MIB);
        gap_forked(&child, bare.mm);
        ck_assert_uint_eq(child.gap.cache, resets[i].forked.cache);
        ck_assert_uint_eq(child.gap.hole, resets[i].forked.hole);
        gap_exec(&child);
        ck_assert_uint_eq(child.gap.cache, resets[i].execed.cache);
        ck_assert_uint_eq(child.gap.hole, resets[i].execed.hole);
        bare_mm_destroy(&bare);
    }
}
END_TEST

START_TEST(hole_size_remembers_a_skipped_hole_on_i386_alone)
{
    for (unsigned is_64bit = 0; is_64bit < 2; is_64bit++) {
        const struct arch *arch = is_64bit ? &arch_x86_64 : &arch_i386;
        struct bare_mm bare = gap_mm(arch, &gap_hole_size, false);
        uint64_t base = arch->unmapped_base;

        for (unsigned i = 0; i < 3; i++)
            map(&bare, MIB);
        unmap(&bare, base + MIB, base + 2 * MIB);
        ck_assert_uint_eq(bare.mm->gap.cache, base + MIB);
        ck_assert_uint_eq(bare.mm->gap.hole, UINT64_MAX);
        ck_assert_uint_eq(map(&bare, 2 * MIB), base + 3 * MIB);
        ck_assert_uint_eq(map(&bare, MIB / 2),
                          is_64bit ? base + 5 * MIB : base + MIB);
        bare_mm_destroy(&bare);
    }
}
END_TEST

static const struct {
    uint64_t length;
} bad_requests[] = {{0}, {PAGE_BYTES / 2}};

START_TEST(a_length_that_is_not_of_pages_is_a_programming_error)
{
    struct bare_mm bare = gap_mm(&arch_i386, &gap_linear, false);

    search(&bare, bad_requests[_i].length);
}
END_TEST

static uint64_t
search_nowhere(struct mm *mm, const struct gap_request *request)
{
    (void)request;
    return mm->first->start;
}

START_TEST(a_policy_that_finds_a_used_place_is_stopped)
{
    const struct gap_ops wrong = {.name = "wrong", .search = search_nowhere};
    struct bare_mm bare = gap_mm(&arch_i386, &wrong, false);

    bare_mm_map(&bare, 16 * PAGE_BYTES, 17 * PAGE_BYTES);
    search(&bare, PAGE_BYTES);
}
END_TEST

static Suite *
gap_suite(void)
{
    Suite *suite = suite_create("gap");
    TCase *contract = tcase_create("contract");
    TCase *forms = tcase_create("forms");
    TCase *misuse = tcase_create("misuse");
    int policy_count = 0;

    while (gap_policies[policy_count])
        policy_count++;

    tcase_add_loop_test(contract, the_next_search_costs_what_its_kernel_paid, 0,
                        2 * policy_count);
    tcase_add_loop_test(contract, every_policy_aligns_huge_requests, 0,
                        2 * policy_count);
    tcase_add_loop_test(contract,
                        a_request_larger_than_the_address_space_finds_nothing,
                        0, 2 * policy_count);
    tcase_add_loop_test(contract,
                        top_down_falls_back_to_what_lies_above_mmap_base, 0,
                        policy_count);
    tcase_add_loop_test(contract, a_full_address_space_has_no_room, 0,
                        2 * policy_count);
    tcase_add_loop_test(contract, nothing_is_placed_in_the_room_below_a_stack,
                        0, 2 * policy_count);
    tcase_add_loop_test(contract,
                        a_random_process_is_placed_as_by_a_literal_walk, 0,
                        2 * GAP_MODEL_COUNT * (int)G_N_ELEMENTS(trial_archs));
    tcase_add_loop_test(contract,
                        a_dense_process_is_placed_as_by_a_literal_walk, 0,
                        GAP_MODEL_COUNT);
    tcase_add_loop_test(
        contract,
        every_length_is_placed_around_one_mapping_as_by_a_literal_walk, 0,
        2 * GAP_MODEL_COUNT);
    tcase_set_timeout(contract, 300);
    suite_add_tcase(suite, contract);

    tcase_add_loop_test(forms, every_policy_places_the_worked_example, 0,
                        G_N_ELEMENTS(examples));
    tcase_add_loop_test(forms, linear_and_rb_gap_find_the_same_addresses, 0,
                        2 * (int)G_N_ELEMENTS(trial_archs));
    tcase_add_test(forms, twenty_thousand_stacks_cost_probes_and_not_host_time);
    tcase_add_loop_test(
        forms, walks_over_many_vmas_cost_probes_and_not_host_time, 0, 2);
    tcase_add_test(forms, a_huge_aligned_request_needs_one_alignment_more);
    tcase_add_test(forms,
                   vmas_in_the_room_below_a_stack_leave_gaps_to_rb_gap_alone);
    tcase_add_test(forms, fork_and_exec_reset_the_caches);
    tcase_add_test(forms, hole_size_remembers_a_skipped_hole_on_i386_alone);
    tcase_add_loop_test(
        forms, a_search_in_the_maple_tree_counts_the_steps_that_its_trail_saves,
        0, 2);
    tcase_set_timeout(forms, 300);
    suite_add_tcase(suite, forms);

    tcase_set_tags(misuse, "aborts");
    tcase_add_loop_test_raise_signal(
        misuse, a_length_that_is_not_of_pages_is_a_programming_error, SIGABRT,
        0, G_N_ELEMENTS(bad_requests));
    tcase_add_test_raise_signal(
        misuse, a_policy_that_finds_a_used_place_is_stopped, SIGABRT);
    suite_add_tcase(suite, misuse);
    return suite;
}

int
main(void)
{
    return run_suite(gap_suite());
}
