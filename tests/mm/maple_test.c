/*
 * The maple tree: shapes as the kernel makes them, lookups' and forks' share,
 * nodes as memory, and every invariant of mm/maple.h against a broken tree.
 *
 * Node counts and heights of `shapes` are those that lib/maple_tree.c of 6.18,
 * built for user space, has after the same stores.
 */
#include "eras.h"
#include "invariant.h"

#include "mm/task.h"
#include "tests/mm/bare_mm.h"
#include "tests/run_suite.h"

#include <check.h>
#include <signal.h>

#define PAGES(n) ((uint64_t)(n)*PAGE_BYTES)

static struct bare_mm
maple_mm(const struct arch *arch)
{
    struct bare_mm bare = bare_mm_create(arch);

    bare.machine->policy.vma_index = VMA_INDEX_MAPLE;
    bare_mm_set_gap(&bare, &gap_maple);
    return bare;
}

/* ---- shapes ---- */

/* VMAs of one page: `stride` apart, upwards, downwards, or from both ends. */
static const struct {
    uint32_t count, stride;
    int direction;  // 1: up, -1: down, 0: either end in turn
    uint32_t node_count;
    uint16_t height;
} shapes[] = {
    /* clang-format off */
    {1, 1, 1, 1, 1}, {14, 1, 1, 1, 1}, {15, 1, 1, 3, 2},
    {1000, 1, 1, 76, 3}, {1000, 2, 1, 143, 4},
    {1000, 1, -1, 76, 3}, {1000, 2, -1, 162, 4},
    {1000, 1, 0, 78, 3}, {1000, 2, 0, 156, 4},
    {60000, 1, -1, 4503, 5}, {60000, 2, -1, 9646, 6},
    /* clang-format on */
};

static void
map_shape(struct bare_mm *bare, uint32_t count, uint32_t stride, int direction)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t place = direction > 0 ? i : count - 1 - i;

        if (direction == 0)
            place = i % 2 ? count - 1 - i / 2 : i / 2;
        uint64_t start = PAGES(1000 + (uint64_t)place * stride);

        bare_mm_map(bare, start, start + PAGE_BYTES);
    }
}

START_TEST(a_tree_has_the_nodes_that_the_kernel_gives_it)
{
    struct bare_mm bare = maple_mm(&arch_x86_64);

    map_shape(&bare, shapes[_i].count, shapes[_i].stride, shapes[_i].direction);
    maple_validate(bare.mm);
    ck_assert_uint_eq(bare.mm->maple.node_count, shapes[_i].node_count);
    ck_assert_uint_eq(bare.mm->maple.height, shapes[_i].height);
    bare_mm_destroy(&bare);
}
END_TEST

static struct vma *
any_vma(const struct bare_mm *bare, uint64_t *seed)
{
    uint64_t rank = test_random_below(seed, bare->mm->map_count);
    struct vma *vma = bare->mm->first;

    while (rank-- > 0)
        vma = vma->next;
    return vma;
}

static void
map_somewhere(struct bare_mm *bare, uint64_t *seed)
{
    uint64_t start = PAGES(1 + test_random_below(seed, 6000));
    const struct vma *above = vma_find_quiet(bare->mm, start);
    uint64_t end = start + PAGES(1 + test_random_below(seed, 12));

    if (above && above->start <= start)
        return;
    bare_mm_map(bare, start, above ? MIN(end, above->start) : end);
}

static void
cut_somewhere(struct bare_mm *bare, struct vma *vma, uint64_t *seed)
{
    uint64_t pages = vma_pages(vma), cut;
    struct vma *part;

    if (pages < 2)
        return;
    cut = vma->start + PAGES(1 + test_random_below(seed, pages - 1));
    part = g_new0(struct vma, 1);
    part->mm = bare->mm;
    part->start = test_random_below(seed, 2) ? vma->start : cut;
    part->end = part->start == cut ? vma->end : cut;
    bare_mm_stock(bare);
    vma_tree_cut(bare->mm, vma, part);
}

/* A VMA takes over the next one, or a part of it, or gives a part away. */
static void
merge_somehow(struct bare_mm *bare, struct vma *vma, uint64_t *seed)
{
    struct vma *next = vma->next;
    uint64_t pages;

    if (!next || next->start != vma->end)
        return;
    pages = bytes_to_pages(next->end - vma->start);
    if (test_random_below(seed, 2)) {
        uint64_t end = next->end;

        vma_tree_remove_merged(bare->mm, next);
        g_free(next);
        vma_tree_resize(bare->mm, vma, vma->start, end);
    } else {
        uint64_t border =
            vma->start + PAGES(1 + test_random_below(seed, pages - 1));

        if (border != vma->end)
            vma_tree_move_border(bare->mm, vma, border);
    }
}

/* All VMAs of a range, in one store as munmap does it. */
static void
unmap_many(struct bare_mm *bare, struct vma *vma, uint64_t *seed)
{
    uint64_t end = vma->start + PAGES(test_random_below(seed, 1500));
    struct vma *last = vma, *next;

    while (last->next && last->next->end <= end)
        last = last->next;
    end = last->end;
    maple_store(bare->mm, vma->start, end - 1, NULL);
    for (; vma && vma->end <= end; vma = next) {
        next = vma->next;
        bare_mm_unmap(bare, vma);
    }
}

START_TEST(a_tree_stays_whole_through_random_changes)
{
    struct bare_mm bare = maple_mm(_i % 2 ? &arch_i386 : &arch_x86_64);
    uint64_t seed = (uint64_t)_i;

    for (unsigned step = 0; step < 20000; step++) {
        uint64_t dice = test_random_below(&seed, 1000);

        if (bare.mm->map_count == 0 || dice < 600)
            map_somewhere(&bare, &seed);
        else if (dice < 800)
            bare_mm_unmap(&bare, any_vma(&bare, &seed));
        else if (dice < 900)
            cut_somewhere(&bare, any_vma(&bare, &seed), &seed);
        else if (dice < 995)
            merge_somehow(&bare, any_vma(&bare, &seed), &seed);
        else
            unmap_many(&bare, any_vma(&bare, &seed), &seed);
        maple_validate(bare.mm);
    }
    ck_assert_uint_ge(bare.mm->maple.height, 2);
    while (bare.mm->first)
        bare_mm_unmap(&bare, bare.mm->first);
    ck_assert_ptr_null(bare.mm->maple.root);
    ck_assert_uint_eq(bare.mm->maple.node_count, 0);
    bare_mm_destroy(&bare);
}
END_TEST

/* ---- what depends on it ---- */

static struct machine *
maple_machine(const struct gap_ops *gap, enum vma_index_policy vma_index,
              uint64_t ram_bytes)
{
    struct machine_config config = era_config(4, &arch_x86_64, ram_bytes);

    config.policy.gap = gap;
    config.policy.vma_index = vma_index;
    return machine_create(&config);
}

/* A VMA that does not merge with the one mapped before. */
static int64_t
map_odd(struct task *task, uint32_t i)
{
    return run_call(
        task->machine, task,
        &(struct call){.kind = CALL_MMAP,
                       .length = PAGE_BYTES,
                       .prot = VM_READ | (i % 2 ? VM_EXEC : VM_WRITE)});
}

static uint64_t
map_many(struct task *task, uint32_t count)
{
    int64_t addr = 0;

    for (uint32_t i = 0; i < count; i++)
        addr = map_odd(task, i);
    return (uint64_t)addr;
}

/* Steps of the searches for the first mappings of a process. */
static uint64_t
first_steps(struct machine *machine)
{
    uint64_t before = machine->counters.gap_probe_count;

    map_many(start_task(machine, 0), 3);
    return machine->counters.gap_probe_count - before;
}

/* Its memory is that of the process before, whose tree was higher. */
START_TEST(a_new_process_finds_no_trail_of_another)
{
    struct machine *machine =
        maple_machine(&gap_maple, VMA_INDEX_MAPLE, 64 * MIB);
    uint64_t steps = first_steps(machine);

    exit_all_tasks(machine);
    map_many(start_task(machine, 0), 500);
    exit_all_tasks(machine);
    ck_assert_uint_eq(first_steps(machine), steps);
    machine_destroy(machine);
}
END_TEST

/* Index: 0 rb-gap, 1 maple; vma-index. */
START_TEST(either_axis_brings_the_tree)
{
    bool is_gap = _i % 2, is_index = _i / 2 == VMA_INDEX_MAPLE;
    struct machine *machine =
        maple_machine(is_gap ? &gap_maple : &gap_rb_gap,
                      (enum vma_index_policy)(_i / 2), 64 * MIB);
    struct task *task = start_task(machine, 0);
    const struct maple *maple = &task->mm->maple;

    map_many(task, 300);
    ck_assert_int_eq(maple->node_count > 0, is_gap || is_index);
    ck_assert_int_eq(machine->slabs[SLAB_MAPLE_NODE].live_count > 0,
                     is_gap || is_index);
    ck_assert_uint_eq(maple->lookup_steps, is_index ? maple->height : 0);
    machine_validate(machine);
    machine_destroy(machine);
}
END_TEST

START_TEST(a_lookup_visits_what_its_index_has)
{
    struct machine *machine =
        maple_machine(&gap_linear, (enum vma_index_policy)_i, 64 * MIB);
    struct task *task = start_task(machine, 0);
    uint64_t lowest = map_many(task, 301);  // read-write, below all others
    const uint64_t *steps = &machine->charges[CHARGE_vma_lookup_step];
    uint64_t before;

    task->mm->vma_cache = NULL;
    before = *steps;
    touch(task, TOUCH_WRITE, lowest, PAGE_BYTES);
    if (_i == VMA_INDEX_LIST)
        ck_assert_uint_eq(*steps - before, 1);  // it is the first
    if (_i == VMA_INDEX_RBTREE)
        ck_assert_uint_le(*steps - before, 16);
    if (_i == VMA_INDEX_MAPLE)
        ck_assert_uint_eq(*steps - before, task->mm->maple.height);

    before = *steps;
    ck_assert_ptr_eq(vma_find(task->mm, task->mm->last->start), task->mm->last);
    if (_i == VMA_INDEX_LIST)
        ck_assert_uint_eq(*steps - before, task->mm->map_count);
    if (_i == VMA_INDEX_MAPLE)
        ck_assert_uint_eq(*steps - before, task->mm->maple.height);
    machine_destroy(machine);
}
END_TEST

START_TEST(every_fault_of_a_run_pays_its_lookup_in_the_maple_tree)
{
    struct machine *machine =
        maple_machine(&gap_maple, VMA_INDEX_MAPLE, 64 * MIB);
    struct task *task = start_task(machine, 0);
    const uint64_t *steps = &machine->charges[CHARGE_vma_lookup_step];
    uint64_t addr, before;

    map_many(task, 100);
    addr = map_anon(task, PAGES(64));
    before = *steps;
    touch(task, TOUCH_WRITE, addr, PAGES(64));
    ck_assert_uint_eq(*steps - before, 64 * task->mm->maple.height);
    before = *steps;
    touch(task, TOUCH_WRITE, addr, PAGES(64));  // hits look nothing up
    ck_assert_uint_eq(*steps - before, 0);
    machine_destroy(machine);
}
END_TEST

static void
ck_assert_equal_trees(const struct maple_node *a, const struct maple_node *b)
{
    ck_assert_uint_eq(a->count, b->count);
    ck_assert_int_eq(a->is_leaf, b->is_leaf);
    for (unsigned i = 0; i < a->count; i++) {
        ck_assert_uint_eq(a->last[i], b->last[i]);
        if (!a->is_leaf)
            ck_assert_equal_trees(a->child[i], b->child[i]);
    }
}

START_TEST(fork_copies_the_tree_node_by_node)
{
    struct machine *machine =
        maple_machine(&gap_maple, VMA_INDEX_MAPLE, 64 * MIB);
    struct task *parent = start_task(machine, 0), *child;

    map_many(parent, 500);
    for (struct vma *vma = parent->mm->first; vma->next; vma = vma->next)
        mm_munmap(parent->mm, vma->next->start, PAGE_BYTES);
    child = fork_task(parent, 1);
    machine_validate(machine);
    ck_assert_uint_gt(child->mm->maple.height, 1);
    ck_assert_equal_trees(parent->mm->maple.root, child->mm->maple.root);

    parent->mm->first->flags |= VM_DONTCOPY;
    child = fork_task(parent, 2);
    ck_assert_uint_eq(child->mm->map_count, parent->mm->map_count - 1);
    machine_validate(machine);
    machine_destroy(machine);
}
END_TEST

/* Fill the machine's frames with VMAs and their nodes. */
START_TEST(where_memory_ends_nothing_breaks)
{
    struct machine *machine =
        maple_machine(&gap_maple, VMA_INDEX_MAPLE, 16 * MIB);
    struct task *task = start_task(machine, 0);
    uint32_t count = 0;

    machine_hog(machine, machine->gauge[GAUGE_free_bytes] - MIB / 2);
    while (task->mm && map_odd(task, count) > 0)
        count++;
    ck_assert_uint_gt(count, 100);
    ck_assert_uint_lt(count, 10000);
    machine_validate(machine);
    machine_destroy(machine);
}
END_TEST

/* ---- invariants ---- */

static struct maple_node *
leaf_of(const struct bare_mm *bare)
{
    struct maple_node *node = bare->mm->maple.root;

    while (!node->is_leaf)
        node = node->child[0];
    return node;
}

static void
b1(struct bare_mm *bare)
{
    leaf_of(bare)->first++;
}

static void
b2(struct bare_mm *bare)
{
    leaf_of(bare)->vma[1] = NULL;
}

static void
b3(struct bare_mm *bare)
{
    leaf_of(bare)->slot++;
}

static void
b4(struct bare_mm *bare)
{
    bare->mm->maple.root->gap[0]++;
}

static void
b5(struct bare_mm *bare)
{
    bare->mm->maple.node_count++;
}

static const struct {
    char *name;
    void (*corrupt)(struct bare_mm *bare);
} corruptions[] = {
    {"B1: ", b1}, {"B2: ", b2}, {"B3: ", b3}, {"B4: ", b4}, {"B5: ", b5},
};

START_TEST(a_corruption_is_named)
{
    struct bare_mm bare = maple_mm(&arch_x86_64);

    map_shape(&bare, 100, 2, 1);
    maple_validate(bare.mm);
    corruptions[_i].corrupt(&bare);
    expect_invariant(corruptions[_i].name);
    maple_validate(bare.mm);
}
END_TEST

START_TEST(a_lost_node_is_named)
{
    struct machine *machine =
        maple_machine(&gap_maple, VMA_INDEX_MAPLE, 64 * MIB);

    start_task(machine, 0);
    machine->maple_spare = machine->maple_spare->parent;
    machine->maple_spare_count--;
    expect_invariant("B5: ");
    machine_validate(machine);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("maple");
    TCase *tree = tcase_create("tree"), *use = tcase_create("use");
    TCase *broken = tcase_create("broken");

    tcase_add_loop_test(tree, a_tree_has_the_nodes_that_the_kernel_gives_it, 0,
                        G_N_ELEMENTS(shapes));
    tcase_add_loop_test(tree, a_tree_stays_whole_through_random_changes, 0, 4);
    tcase_set_timeout(tree, 120);
    suite_add_tcase(suite, tree);

    tcase_add_loop_test(use, either_axis_brings_the_tree, 0, 6);
    tcase_add_loop_test(use, a_lookup_visits_what_its_index_has, 0, 3);
    tcase_add_test(use, every_fault_of_a_run_pays_its_lookup_in_the_maple_tree);
    tcase_add_test(use, a_new_process_finds_no_trail_of_another);
    tcase_add_test(use, fork_copies_the_tree_node_by_node);
    tcase_add_test(use, where_memory_ends_nothing_breaks);
    suite_add_tcase(suite, use);

    tcase_set_tags(broken, "aborts");
    tcase_add_loop_test_raise_signal(broken, a_corruption_is_named, SIGABRT, 0,
                                     G_N_ELEMENTS(corruptions));
    tcase_add_test_raise_signal(broken, a_lost_node_is_named, SIGABRT);
    suite_add_tcase(suite, broken);
    return run_suite(suite);
}
