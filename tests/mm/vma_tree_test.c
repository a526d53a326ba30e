/*
 * The VMA trees against a walk over their own list, the shape of the red-black
 * one against the textbook, how well filled the nodes of the other are, and
 * every invariant of mm/vma.h against a corrupted tree.
 */
#include "tests/mm/bare_mm.h"
#include "tests/run_suite.h"

#include "mm/vma_walk.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define PAGES(n) ((uint64_t)(n)*PAGE_BYTES)

static uint64_t
listed_gap(const struct vma *vma)
{
    uint64_t gap_start = vma->prev ? vma->prev->end : 0;

    return MAX(vma_start_gap(vma), gap_start) - gap_start;
}

static void
check_queries(const struct bare_mm *bare, const struct vma *from,
              const struct vma *to, uint64_t length)
{
    uint64_t largest = 0;
    uint32_t rank = 0;
    const struct vma *fit;

    for (const struct vma *vma = bare->mm->first; vma != from; vma = vma->next)
        rank++;
    ck_assert_uint_eq(vma_tree_rank(from), rank);

    for (const struct vma *vma = from; vma != to->next; vma = vma->next)
        largest = MAX(largest, listed_gap(vma));
    ck_assert_uint_eq(vma_tree_max_gap(from, to), largest);

    for (fit = from; fit && listed_gap(fit) < length;)
        fit = fit->next;
    ck_assert_ptr_eq(vma_tree_next_gap(from, length), fit);
    for (fit = to; fit && listed_gap(fit) < length;)
        fit = fit->prev;
    ck_assert_ptr_eq(vma_tree_prev_gap(to, length), fit);
}

static void
check_lookup(const struct bare_mm *bare, uint64_t addr)
{
    const struct vma *expected = bare->mm->first;

    while (expected && expected->end <= addr)
        expected = expected->next;
    ck_assert_ptr_eq(vma_find_quiet(bare->mm, addr), expected);
    ck_assert_ptr_eq(vma_find(bare->mm, addr), expected);

    if (expected && expected->start >= addr + PAGES(3))
        expected = NULL;
    ck_assert_ptr_eq(vma_intersect(bare->mm, addr, addr + PAGES(3)), expected);
}

static struct vma *
any_vma(const struct bare_mm *bare, uint64_t *seed)
{
    uint64_t index = test_random_below(seed, bare->mm->map_count);
    struct vma *vma = bare->mm->first;

    while (index-- > 0)
        vma = vma->next;
    return vma;
}

/* Map up to 7 pages at a random place, if it is free. */
static void
map_somewhere(struct bare_mm *bare, uint64_t *seed)
{
    uint64_t start = PAGES(1 + test_random_below(seed, 4000));
    uint64_t end = start + PAGES(1 + test_random_below(seed, 7));
    struct vma *vma;

    if (vma_intersect(bare->mm, start, end))
        return;
    vma = bare_mm_map(bare, start, end);
    if (test_random_below(seed, 4) == 0) {
        vma->flags = VM_GROWSDOWN;
        vma->gap_below_bytes = (uint32_t)PAGES(test_random_below(seed, 3));
        vma_tree_gap_changed(vma);
    }
}

/* New ends anywhere between the neighbours. */
static void
resize_somehow(struct bare_mm *bare, uint64_t *seed)
{
    struct vma *vma = any_vma(bare, seed);
    uint64_t low = vma->prev ? vma->prev->end : 0;
    uint64_t high = vma->next ? vma->next->start : PAGES(4100);
    uint64_t pages = bytes_to_pages(high - low);
    uint64_t start = low + PAGES(test_random_below(seed, pages));
    uint64_t end =
        start +
        PAGES(1 + test_random_below(seed, bytes_to_pages(high - start)));

    bare_mm_stock(bare);
    vma_tree_resize(bare->mm, vma, start, end);
}

/* What is kept beside the B+tree: the red-black tree, nothing, the red-black
 * tree with its gaps and instead of the B+tree, the same beside it, the maple
 * tree for lookups, and instead of the B+tree. */
static const struct {
    const struct gap_ops *gap;
    enum vma_index_policy vma_index;
} kept[] = {
    {&gap_linear, VMA_INDEX_RBTREE}, {&gap_linear, VMA_INDEX_LIST},
    {&gap_rb_gap, VMA_INDEX_RBTREE}, {&gap_rb_gap, VMA_INDEX_LIST},
    {&gap_linear, VMA_INDEX_MAPLE},  {&gap_maple, VMA_INDEX_MAPLE},
};

static struct bare_mm
mm_that_keeps(int trees)
{
    struct bare_mm bare = bare_mm_create(&arch_i386);

    bare.machine->policy.vma_index = kept[trees].vma_index;
    bare_mm_set_gap(&bare, kept[trees].gap);
    return bare;
}

START_TEST(answers_equal_those_of_a_walk_over_the_list)
{
    struct bare_mm bare = mm_that_keeps(_i);
    uint64_t seed = (uint64_t)_i;

    bare.machine->kernel.stack_gap_pages = 8;
    for (unsigned step = 0; step < 10000; step++) {
        uint64_t dice = test_random_below(&seed, 10);

        if (bare.mm->map_count == 0 || dice < 5)
            map_somewhere(&bare, &seed);
        else if (dice < 8)
            resize_somehow(&bare, &seed);
        else
            bare_mm_unmap(&bare, any_vma(&bare, &seed));
        vma_tree_validate(bare.mm);
        check_lookup(&bare, PAGES(test_random_below(&seed, 4100)));
        if (bare.mm->map_count > 0 && vma_btree_is_kept(bare.mm)) {
            struct vma *one = any_vma(&bare, &seed);
            struct vma *other = any_vma(&bare, &seed);
            bool in_order = one->start <= other->start;

            check_queries(&bare, in_order ? one : other, in_order ? other : one,
                          PAGES(test_random_below(&seed, 80)));
        }
    }
    bare_mm_destroy(&bare);
}
END_TEST

static unsigned
leaf_count(const struct vma_node *node, unsigned height)
{
    unsigned count = 0;

    if (height == 1)
        return 1;
    for (unsigned i = 0; i < node->count; i++)
        count += leaf_count(node->child[i], height - 1);
    return count;
}

/* Where VMAs go one after the other, a page each and one between them, and how
 * many lie below and above from the start. */
static const struct {
    bool goes_down;
    unsigned below, above;
} runs[] = {
    {false, 0, 0}, {true, 0, 0},   {false, 3, 1}, {true, 5, 1},
    {true, 5, 2},  {false, 3, 16}, {true, 16, 3},
};

START_TEST(runs_of_mappings_leave_well_filled_nodes_behind)
{
    struct bare_mm bare = mm_that_keeps(1);
    unsigned count = 4096;

    for (unsigned i = 0; i < runs[_i].below; i++)
        bare_mm_map(&bare, PAGES(2 + 2 * i), PAGES(3 + 2 * i));
    for (unsigned i = 0; i < runs[_i].above; i++)
        bare_mm_map(&bare, PAGES(100000 + 2 * i), PAGES(100001 + 2 * i));
    for (uint64_t i = 0; i < count; i++) {
        uint64_t at = 1000 + 2 * (runs[_i].goes_down ? count - i : i);

        bare_mm_map(&bare, PAGES(at), PAGES(at + 1));
        vma_tree_btree(bare.mm);
    }
    vma_tree_validate(bare.mm);
    ck_assert_uint_le(leaf_count(bare.mm->btree.root, bare.mm->btree.height),
                      count / VMA_NODE_SLOTS * 3 / 2);
    bare_mm_destroy(&bare);
}
END_TEST

/* As a child has them at fork. */
static void
append(struct bare_mm *bare, uint64_t start)
{
    struct vma *vma = g_new0(struct vma, 1);

    vma->mm = bare->mm;
    vma->start = start;
    vma->end = start + PAGE_BYTES;
    vma_tree_append(bare->mm, vma);
}

START_TEST(the_btree_is_made_when_it_is_first_asked)
{
    struct bare_mm bare = mm_that_keeps(1);
    const struct vma_btree *btree = &bare.mm->btree;

    for (unsigned i = 1; i <= 100; i++)
        append(&bare, PAGES(2 * i));
    vma_tree_validate(bare.mm);
    ck_assert_ptr_null(btree->root);
    check_lookup(&bare, PAGES(77));
    ck_assert_ptr_nonnull(btree->root);
    append(&bare, PAGES(300));
    bare_mm_unmap(&bare, bare.mm->first);
    vma_tree_validate(bare.mm);
    bare_mm_destroy(&bare);
}
END_TEST

START_TEST(few_vmas_are_found_without_a_btree)
{
    struct bare_mm bare = mm_that_keeps(0);

    for (unsigned i = 8; i >= 1; i--) {
        bare_mm_map(&bare, PAGES(2 * i), PAGES(2 * i + 1));
        for (unsigned page = 1; page < 20; page++)
            check_lookup(&bare, PAGES(page));
    }
    ck_assert_ptr_null(bare.mm->btree.root);
    check_queries(&bare, bare.mm->first, bare.mm->last, PAGES(1));
    ck_assert_ptr_nonnull(bare.mm->btree.root);
    bare_mm_destroy(&bare);
}
END_TEST

START_TEST(the_shape_is_that_of_the_textbook)
{
    /*
     *     ascending 1..6:   2            4 removed:   2
     *                     /   \                     /   \
     *                    1     4 red               1     5 red
     *                         / \                       / \
     *                        3   5                     3   6
     *                             \ 6 red
     */
    struct bare_mm bare = bare_mm_create(&arch_i386);
    struct vma *vma[7];

    for (unsigned i = 1; i <= 6; i++)
        vma[i] = bare_mm_map(&bare, PAGES(i), PAGES(i + 1));
    ck_assert_ptr_eq(bare.mm->rb_root, vma[2]);
    ck_assert_ptr_eq(vma[2]->left, vma[1]);
    ck_assert_ptr_eq(vma[2]->right, vma[4]);
    ck_assert_ptr_eq(vma[4]->left, vma[3]);
    ck_assert_ptr_eq(vma[4]->right, vma[5]);
    ck_assert_ptr_eq(vma[5]->right, vma[6]);
    ck_assert(vma[4]->is_red && vma[6]->is_red && !vma[5]->is_red);

    bare_mm_unmap(&bare, vma[4]);
    ck_assert_ptr_eq(vma[2]->right, vma[5]);
    ck_assert_ptr_eq(vma[5]->left, vma[3]);
    ck_assert_ptr_eq(vma[5]->right, vma[6]);
    ck_assert(vma[5]->is_red && !vma[6]->is_red && !vma[3]->is_red);
    bare_mm_destroy(&bare);
}
END_TEST

START_TEST(a_lookup_charges_the_nodes_that_it_visits)
{
    struct bare_mm bare = bare_mm_create(&arch_i386);
    const uint64_t *steps = &bare.machine->charges[CHARGE_vma_lookup_step];
    struct vma *low = bare_mm_map(&bare, PAGES(1), PAGES(2));
    struct vma *root = bare_mm_map(&bare, PAGES(3), PAGES(4));
    struct vma *high = bare_mm_map(&bare, PAGES(5), PAGES(6));

    ck_assert_ptr_eq(vma_find(bare.mm, PAGES(3)), root);
    ck_assert_uint_eq(*steps, 1);
    ck_assert_ptr_eq(vma_find(bare.mm, PAGES(4) - 1), root);  // cached
    ck_assert_uint_eq(*steps, 1);
    ck_assert_ptr_eq(vma_find(bare.mm, PAGES(4)), high);  // not inside
    ck_assert_uint_eq(*steps, 3);
    ck_assert_ptr_eq(vma_find(bare.mm, PAGES(4)), high);
    ck_assert_uint_eq(*steps, 5);
    ck_assert_ptr_null(vma_find(bare.mm, PAGES(6)));
    ck_assert_uint_eq(*steps, 7);
    ck_assert_ptr_eq(vma_find_quiet(bare.mm, PAGES(1)), low);
    ck_assert_uint_eq(*steps, 7);
    bare_mm_destroy(&bare);
}
END_TEST

START_TEST(a_removed_vma_is_not_found_in_the_cache)
{
    struct bare_mm bare = bare_mm_create(&arch_i386);
    struct vma *low = bare_mm_map(&bare, PAGES(1), PAGES(2));

    bare_mm_map(&bare, PAGES(3), PAGES(4));
    ck_assert_ptr_eq(vma_find(bare.mm, PAGES(1)), low);
    ck_assert_ptr_eq(bare.mm->vma_cache, low);
    bare_mm_unmap(&bare, low);
    ck_assert_ptr_null(bare.mm->vma_cache);
    ck_assert_uint_eq(vma_find(bare.mm, PAGES(1))->start, PAGES(3));
    bare_mm_destroy(&bare);
}
END_TEST

START_TEST(a_stack_and_a_guard_keep_room_below_themselves)
{
    struct bare_mm bare = bare_mm_create(&arch_i386);
    struct vma *vma = bare_mm_map(&bare, PAGES(300), PAGES(301));

    ck_assert_uint_eq(vma_start_gap(vma), PAGES(300));
    vma->flags = VM_GROWSDOWN;
    ck_assert_uint_eq(vma_start_gap(vma), PAGES(300));  // before 4.12
    bare.machine->kernel.stack_gap_pages = 256;
    ck_assert_uint_eq(vma_start_gap(vma), PAGES(44));
    vma->gap_below_bytes = (uint32_t)PAGES(4);
    ck_assert_uint_eq(vma_start_gap(vma), PAGES(40));
    vma_tree_gap_changed(vma);
    vma_tree_validate(bare.mm);
    ck_assert_uint_eq(vma_tree_max_gap(vma, vma), PAGES(40));

    vma_tree_resize(bare.mm, vma, PAGES(100), PAGES(301));
    ck_assert_uint_eq(vma_start_gap(vma), 0);  // not below address 0
    vma_tree_validate(bare.mm);
    bare_mm_destroy(&bare);
}
END_TEST

static void
break_alignment(struct mm *mm)
{
    mm->last->end++;
}

static void
break_order(struct mm *mm)
{
    mm->first->end = mm->first->next->end;
}

static void
break_emptiness(struct mm *mm)
{
    mm->last->end = mm->last->start;
}

static void
break_list(struct mm *mm)
{
    mm->last->prev = mm->first;
}

static void
break_tree(struct mm *mm)
{
    struct vma *left = mm->rb_root->left;

    mm->rb_root->left = mm->rb_root->right;
    mm->rb_root->right = left;
}

static void
break_parent(struct mm *mm)
{
    mm->last->parent = mm->rb_root;
}

static void
break_red(struct mm *mm)
{
    mm->rb_root->is_red = true;
}

static void
break_black_height(struct mm *mm)
{
    mm->rb_root->left->is_red = !mm->rb_root->left->is_red;
}

static void
break_subtree_gap(struct mm *mm)
{
    mm->rb_root->subtree_gap += PAGE_BYTES;
}

static void
break_count_of_leaf(struct mm *mm)
{
    mm->btree.root->vma_count[0]--;
}

static void
break_gap_of_leaf(struct mm *mm)
{
    mm->btree.root->gap[0] += PAGE_BYTES;
}

static void
break_end_of_leaf(struct mm *mm)
{
    mm->btree.root->end[0] += PAGE_BYTES;
}

static void
break_room(struct mm *mm)
{
    mm->first->gap_below_bytes = PAGE_BYTES;
}

static void
break_order_in_leaf(struct mm *mm)
{
    struct vma_node *leaf = mm->btree.root->child[0];
    struct vma *vma = leaf->vma[0];

    leaf->vma[0] = leaf->vma[1];
    leaf->vma[1] = vma;
}

static void
break_map_count(struct mm *mm)
{
    mm->map_count++;
}

static void
break_map_count_downwards(struct mm *mm)
{
    mm->map_count--;
}

static const struct {
    const char *invariant;
    void (*corrupt)(struct mm *mm);
} corruptions[] = {
    {"V1", break_alignment},   {"V1", break_order},
    {"V1", break_emptiness},   {"V2", break_list},
    {"V2", break_tree},        {"V2", break_parent},
    {"V3", break_red},         {"V3", break_black_height},
    {"V4", break_subtree_gap}, {"V4", break_count_of_leaf},
    {"V4", break_gap_of_leaf}, {"V4", break_end_of_leaf},
    {"V4", break_room},        {"V2", break_order_in_leaf},
    {"V5", break_map_count},   {"V5", break_map_count_downwards},
};

/* Leaves without the signal that the test waits for unless the message names
 * the invariant. */
static void
demand_name(const gchar *domain, GLogLevelFlags level, const gchar *message,
            gpointer name)
{
    (void)domain;
    (void)level;
    if (!strstr(message, name))
        _exit(EXIT_FAILURE);
}

/* Enough for an inner node; all trees. */
static struct bare_mm
forty_vmas(void)
{
    struct bare_mm bare = mm_that_keeps(3);

    for (unsigned i = 1; i <= 40; i++)
        bare_mm_map(&bare, PAGES(4 * i), PAGES(4 * i + 2));
    ck_assert_ptr_nonnull(vma_tree_btree(bare.mm)->root->child[0]);
    return bare;
}

START_TEST(validation_names_the_broken_invariant)
{
    struct bare_mm bare = forty_vmas();

    vma_tree_validate(bare.mm);
    g_log_set_default_handler(demand_name, (gpointer)corruptions[_i].invariant);
    corruptions[_i].corrupt(bare.mm);
    vma_tree_validate(bare.mm);
}
END_TEST

/* Pairs of pages between pairs of free ones; walks for five pages remember how
 * they go through nodes.  Then a VMA grows that nobody is told of; its leaf has
 * other gaps that are as large as the one it loses. */
START_TEST(validation_names_a_way_that_is_no_more)
{
    struct bare_mm bare = mm_that_keeps(1);
    unsigned count = 600;

    for (unsigned i = 1; i <= count; i++)
        bare_mm_map(&bare, PAGES(4 * i), PAGES(4 * i + 2));

    const struct vma_btree *btree = vma_tree_btree(bare.mm);
    struct vma_node *leaf = btree->root->child[1]->child[1];
    struct vma_walk walk = {.length = PAGES(5), .end = PAGES(4 * count)};

    ck_assert_uint_eq(btree->height, 3);
    ck_assert(!vma_walk_down(btree, &walk));
    ck_assert_uint_eq(walk.step_count, count - 1);
    vma_tree_validate(bare.mm);
    g_log_set_default_handler(demand_name, (gpointer) "V6");
    leaf->vma[3]->start -= PAGE_BYTES;
    leaf->floor[3] -= PAGE_BYTES;
    vma_tree_validate(bare.mm);
}
END_TEST

START_TEST(an_overlapping_vma_is_a_programming_error)
{
    struct bare_mm bare = forty_vmas();

    g_log_set_default_handler(demand_name, (gpointer) "start");
    bare_mm_map(&bare, PAGES(5), PAGES(7));
}
END_TEST

START_TEST(resizing_over_a_neighbour_is_a_programming_error)
{
    struct bare_mm bare = forty_vmas();

    g_log_set_default_handler(demand_name, (gpointer) "start");
    vma_tree_resize(bare.mm, bare.mm->first, PAGES(4), PAGES(9));
}
END_TEST

static Suite *
vma_tree_suite(void)
{
    Suite *suite = suite_create("vma_tree");
    TCase *queries = tcase_create("queries");
    TCase *misuse = tcase_create("misuse");

    tcase_add_loop_test(queries, answers_equal_those_of_a_walk_over_the_list, 0,
                        G_N_ELEMENTS(kept));
    tcase_add_loop_test(queries,
                        runs_of_mappings_leave_well_filled_nodes_behind, 0,
                        G_N_ELEMENTS(runs));
    tcase_add_test(queries, the_btree_is_made_when_it_is_first_asked);
    tcase_add_test(queries, few_vmas_are_found_without_a_btree);
    tcase_add_test(queries, the_shape_is_that_of_the_textbook);
    tcase_add_test(queries, a_lookup_charges_the_nodes_that_it_visits);
    tcase_add_test(queries, a_removed_vma_is_not_found_in_the_cache);
    tcase_add_test(queries, a_stack_and_a_guard_keep_room_below_themselves);
    tcase_set_timeout(queries, 120);
    suite_add_tcase(suite, queries);

    tcase_set_tags(misuse, "aborts");
    tcase_add_loop_test_raise_signal(misuse,
                                     validation_names_the_broken_invariant,
                                     SIGABRT, 0, G_N_ELEMENTS(corruptions));
    tcase_add_test_raise_signal(misuse, validation_names_a_way_that_is_no_more,
                                SIGABRT);
    tcase_add_test_raise_signal(
        misuse, an_overlapping_vma_is_a_programming_error, SIGABRT);
    tcase_add_test_raise_signal(
        misuse, resizing_over_a_neighbour_is_a_programming_error, SIGABRT);
    suite_add_tcase(suite, misuse);
    return suite;
}

int
main(void)
{
    return run_suite(vma_tree_suite());
}
