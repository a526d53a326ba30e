/*
 * Goal: every VMA has the anon identity that its kernel would have given it,
 * and what does not fit together is named.
 *
 * Method: small families of processes, drawn as "chain of families (own)".
 */
#include "tests/mm/world.h"
#include "tests/run_suite.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define BASE UINT64_C(0x10000000)

static struct machine *
machine_of(enum anon_fork_form form)
{
    struct machine_config config = world_config(
        form == ANON_FORK_INHERIT ? &rmap_anon_vma : &rmap_anon_vma_chain,
        form);

    return machine_create(&config);
}

/* A process with one VMA of eight pages, the first of them written. */
static struct mm *
first_process(struct machine *machine)
{
    struct mm *mm = mm_create(machine);

    world_fault(world_vma(mm, BASE, 8), BASE);
    return mm;
}

static uint32_t
chain_sum(const struct machine *machine)
{
    uint32_t sum = 0;

    for (const struct mm *mm = machine->mms; mm; mm = mm->next)
        for (const struct vma *vma = mm->first; vma; vma = vma->next)
            sum += vma->family ? anon_listed_count(vma) : 0;
    return sum;
}

static uint32_t
family_count(const struct machine *machine)
{
    uint32_t count = 0;

    for (uint32_t id = 1; id < machine->families->len; id++)
        count += anon_family_of(machine, id) != NULL;
    return count;
}

START_TEST(a_vma_has_no_identity_before_it_is_prepared)
{
    struct machine *machine = machine_of(ANON_FORK_CLONE);
    struct vma *vma = world_vma(mm_create(machine), BASE, 8);

    ck_assert_ptr_null(vma->family);
    ck_assert_uint_eq(vma->anon_depth, 0);
    ck_assert(anon_prepare(vma));
    struct anon_family *family = vma->family;
    ck_assert_ptr_eq(family->root, family);
    ck_assert_ptr_eq(family->parent, family);
    ck_assert_uint_eq(family->child_count, 1);
    ck_assert_uint_eq(family->active_count, 1);
    ck_assert_uint_eq(vma->anon_depth, 1);
    ck_assert(anon_prepare(vma));
    ck_assert_ptr_eq(vma->family, family);
    anon_validate(machine);
    world_destroy(machine);
}
END_TEST

START_TEST(a_fork_of_an_unprepared_vma_gives_no_identity)
{
    struct machine *machine = machine_of(ANON_FORK_NUM_CHILDREN);
    struct mm *mm = mm_create(machine);

    world_vma(mm, BASE, 8);
    ck_assert_ptr_null(world_fork(mm)->first->family);
    world_destroy(machine);
}
END_TEST

START_TEST(inheriting_forks_share_one_family)
{
    struct machine *machine = machine_of(ANON_FORK_INHERIT);
    struct mm *mm = first_process(machine);
    struct mm *child = world_fork(mm);
    struct mm *grandchild = world_fork(child);
    struct anon_family *family = mm->first->family;

    ck_assert_ptr_eq(grandchild->first->family, family);
    ck_assert_ptr_null(grandchild->first->chain);
    ck_assert_uint_eq(child->first->anon_depth, 2);
    ck_assert_uint_eq(grandchild->first->anon_depth, 3);
    ck_assert_uint_eq(family->vma_count, 3);
    ck_assert_uint_eq(family->active_count, 3);
    world_exit(mm);
    anon_validate(machine);
    ck_assert_uint_eq(family->vma_count, 2);
    world_destroy(machine);
}
END_TEST

START_TEST(a_line_of_forks_has_chains_of_one_more_each)
{
    struct machine *machine = machine_of(ANON_FORK_NUM_CHILDREN);
    struct mm *mm = first_process(machine);

    for (uint32_t depth = 1; depth <= 20; depth++) {
        mm = world_fork(mm);
        ck_assert_uint_eq(anon_listed_count(mm->first), depth + 1);
        ck_assert_uint_eq(mm->first->anon_depth, depth + 1);
        ck_assert_uint_eq(chain_sum(machine), (depth + 1) * (depth + 2) / 2);
    }
    anon_validate(machine);
    world_destroy(machine);
}
END_TEST

START_TEST(a_star_of_forks_has_chains_of_two)
{
    struct machine *machine = machine_of(ANON_FORK_DEGREE);
    struct mm *mm = first_process(machine);

    for (uint32_t n = 1; n <= 100; n++) {
        struct vma *child = world_fork(mm)->first;

        ck_assert_uint_eq(chain_sum(machine), 1 + 2 * n);
        ck_assert_ptr_eq(child->family->parent, mm->first->family);
        ck_assert_ptr_eq(child->family->root, mm->first->family);
        ck_assert_uint_eq(mm->first->family->child_count, 1 + n);
    }
    anon_validate(machine);
    world_destroy(machine);
}
END_TEST

/* fork, the parent exits, repeat: a daemon that hands over to its child. */
static uint32_t
families_after_hand_overs(enum anon_fork_form form)
{
    struct machine *machine = machine_of(form);
    struct mm *mm = first_process(machine);

    for (int i = 0; i < 50; i++) {
        struct mm *child = world_fork(mm);

        world_exit(mm);
        mm = child;
        world_unmap(mm, BASE);  // a write: the page becomes the child's
        world_fault(mm->first, BASE);
        anon_validate(machine);
    }
    uint32_t count = family_count(machine);
    world_destroy(machine);
    return count;
}

START_TEST(only_reuse_bounds_the_families_of_a_line_that_dies_out)
{
    ck_assert_uint_eq(families_after_hand_overs(ANON_FORK_INHERIT), 1);
    ck_assert_uint_eq(families_after_hand_overs(ANON_FORK_CLONE), 51);
    ck_assert_uint_eq(families_after_hand_overs(ANON_FORK_DEGREE), 3);
    ck_assert_uint_eq(families_after_hand_overs(ANON_FORK_NUM_CHILDREN), 3);
}
END_TEST

/*
 * A: R (R) -> B: R F (F) -> C: R F G (G); B exits, so nobody's own is F, and
 * G is its only child.  C's child may have F, under both rules; a second one
 * finds F in use.
 */
START_TEST(a_fork_adopts_the_eldest_ancestor_that_nobody_uses)
{
    enum anon_fork_form form =
        _i == 0 ? ANON_FORK_DEGREE : ANON_FORK_NUM_CHILDREN;
    struct machine *machine = machine_of(form);
    struct mm *a = first_process(machine);
    struct mm *b = world_fork(a);
    struct anon_family *f = b->first->family;
    struct mm *c = world_fork(b);
    struct anon_family *g = c->first->family;

    ck_assert_uint_eq(f->child_count, 1);
    world_exit(b);
    ck_assert_uint_eq(f->active_count, 0);

    struct mm *d = world_fork(c);
    ck_assert_ptr_eq(d->first->family, f);
    ck_assert_ptr_eq(d->first->chain, c->first->chain);
    ck_assert_uint_eq(d->first->anon_depth, 4);
    ck_assert_uint_eq(f->active_count, 1);

    struct mm *e = world_fork(c);
    ck_assert_ptr_ne(e->first->family, f);
    ck_assert_ptr_eq(e->first->family->parent, g);
    ck_assert_uint_eq(anon_listed_count(e->first), 4);
    anon_validate(machine);
    world_destroy(machine);
}
END_TEST

START_TEST(a_root_and_a_parent_of_two_are_never_adopted)
{
    struct machine *machine = machine_of(ANON_FORK_NUM_CHILDREN);
    struct mm *a = first_process(machine);
    struct anon_family *root = a->first->family;
    struct mm *b = world_fork(a);
    struct mm *c = world_fork(b);
    struct mm *c2 = world_fork(b);

    world_exit(a);
    world_exit(b);
    struct mm *d = world_fork(c);
    ck_assert_uint_eq(root->active_count, 0);
    ck_assert_uint_eq(root->child_count, 2);
    ck_assert_ptr_eq(d->first->family->parent, c->first->family);
    anon_validate(machine);
    world_exit(c2);
    world_destroy(machine);
}
END_TEST

/*
 * The leaf of a line was abandoned by its VMAs' death while an adopter's chain
 * still lists it: active 0, no children.  DEGREE takes an ancestor that one
 * child still has; NUM_CHILDREN does too, but never one in use.
 */
START_TEST(degree_counts_a_vma_and_a_child_alike)
{
    struct machine *machine = machine_of(ANON_FORK_DEGREE);
    struct mm *a = first_process(machine);
    struct mm *b = world_fork(a);
    struct mm *c = world_fork(b);
    struct anon_family *f = b->first->family, *g = c->first->family;

    world_exit(b);
    struct mm *d = world_fork(c);  // adopts f: one child, one VMA
    ck_assert_ptr_eq(d->first->family, f);
    world_exit(c);  // g: no child, no VMA, still listed by d

    /* d's child finds f its parent's own and takes g. */
    ck_assert_ptr_eq(world_fork(d)->first->family, g);
    /* The next one: g has one VMA and no child, degree 1, so it is taken
     * again, which NUM_CHILDREN repaired. */
    ck_assert_ptr_eq(world_fork(d)->first->family, g);
    ck_assert_uint_eq(g->active_count, 2);
    ck_assert_ptr_ne(world_fork(d)->first->family, g);
    anon_validate(machine);
    world_destroy(machine);
}
END_TEST

START_TEST(an_adopted_family_in_use_is_not_taken_twice)
{
    struct machine *machine = machine_of(ANON_FORK_NUM_CHILDREN);
    struct mm *a = first_process(machine);
    struct mm *b = world_fork(a);
    struct mm *c = world_fork(b);
    struct anon_family *g = c->first->family;

    world_exit(b);
    struct mm *d = world_fork(c);
    world_exit(c);
    ck_assert_ptr_eq(world_fork(d)->first->family, g);
    ck_assert_ptr_ne(world_fork(d)->first->family, g);
    anon_validate(machine);
    world_destroy(machine);
}
END_TEST

/* Three VMAs in a row: below, middle, above; the outer two are prepared one
 * by one with families of their own. */
struct row {
    struct machine *machine;
    struct vma *below, *middle, *above;
};

static struct row
row_create(enum anon_fork_form form, bool borrows)
{
    struct machine_config config = world_config(&rmap_anon_vma, form);
    config.kernel.anon_borrows_neighbour = borrows;
    struct row row = {.machine = machine_create(&config)};
    struct mm *mm = mm_create(row.machine);

    row.below = world_vma(mm, BASE, 4);
    row.above = world_vma(mm, BASE + 8 * PAGE_BYTES, 4);
    ck_assert(anon_prepare(row.below));
    ck_assert(anon_prepare(row.above));
    ck_assert_ptr_ne(row.below->family, row.above->family);
    row.middle = world_vma(mm, BASE + 4 * PAGE_BYTES, 4);
    return row;
}

static void
expect_lender(struct row *row, const struct vma *lender)
{
    ck_assert(anon_prepare(row->middle));
    if (lender)
        ck_assert_ptr_eq(row->middle->family, lender->family);
    ck_assert_int_eq(row->middle->family == row->below->family,
                     lender == row->below);
    ck_assert_int_eq(row->middle->family == row->above->family,
                     lender == row->above);
    anon_validate(row->machine);
    world_destroy(row->machine);
}

START_TEST(a_new_identity_is_borrowed_from_the_next_vma_first)
{
    struct row row = row_create(ANON_FORK_INHERIT, true);
    expect_lender(&row, row.above);
}
END_TEST

START_TEST(a_kernel_without_borrowing_makes_a_family)
{
    struct row row = row_create(ANON_FORK_INHERIT, false);
    expect_lender(&row, NULL);
}
END_TEST

START_TEST(the_previous_vma_lends_where_the_next_differs)
{
    struct row row = row_create(ANON_FORK_CLONE, true);
    row.above->flags |= VM_ACCOUNT;
    expect_lender(&row, row.below);
}
END_TEST

START_TEST(access_and_guard_flags_do_not_hinder_borrowing)
{
    struct row row = row_create(ANON_FORK_CLONE, true);
    row.middle->flags &= ~(uint32_t)VM_WRITE;
    row.middle->flags |= VM_EXEC;
    row.above->flags |= VM_MAYBE_GUARD;
    expect_lender(&row, row.above);
}
END_TEST

START_TEST(nobody_lends_across_a_jump_of_the_page_index)
{
    struct row row = row_create(ANON_FORK_CLONE, true);
    row.middle->pgoff += 100;
    expect_lender(&row, NULL);
}
END_TEST

START_TEST(nobody_lends_across_a_hole)
{
    struct row row = row_create(ANON_FORK_CLONE, true);
    vma_tree_resize(row.middle->mm, row.middle, row.middle->start,
                    row.middle->end - PAGE_BYTES);
    row.middle->pgoff++;  // continues above, but for the hole
    expect_lender(&row, NULL);
}
END_TEST

START_TEST(nobody_lends_to_a_mapping_of_a_file)
{
    struct row row = row_create(ANON_FORK_CLONE, true);
    row.middle->file = file_create(row.machine, 1 << 20, false, false);
    rmap_file_link(row.middle);
    expect_lender(&row, NULL);
}
END_TEST

START_TEST(a_forked_identity_is_lent_only_before_2_6_34)
{
    bool inherits = _i == 0;
    struct machine *machine =
        machine_of(inherits ? ANON_FORK_INHERIT : ANON_FORK_CLONE);
    struct mm *child = world_fork(first_process(machine));
    struct vma *vma = world_vma(child, BASE + 8 * PAGE_BYTES, 4);

    ck_assert(anon_prepare(vma));
    ck_assert_int_eq(vma->family == child->first->family, inherits);
    ck_assert_uint_eq(vma->anon_depth, inherits ? 2 : 1);
    anon_validate(machine);
    world_destroy(machine);
}
END_TEST

START_TEST(split_parts_share_the_chain_until_they_fork)
{
    struct machine *machine = machine_of(ANON_FORK_NUM_CHILDREN);
    struct mm *mm = first_process(machine);
    struct vma *below = world_fork(mm)->first;
    struct vma *above = world_split(below, BASE + 4 * PAGE_BYTES);

    ck_assert_ptr_eq(above->family, below->family);
    ck_assert_ptr_eq(above->chain, below->chain);
    ck_assert_uint_eq(above->anon_depth, 2);
    ck_assert_uint_eq(below->family->active_count, 2);
    ck_assert_uint_eq(below->family->root->vma_count, 3);
    struct mm *child = world_fork(below->mm);
    ck_assert_ptr_ne(child->first->family, child->last->family);
    anon_validate(machine);
    world_drop(below);
    anon_validate(machine);
    world_destroy(machine);
}
END_TEST

START_TEST(families_go_with_the_last_vma_and_their_ids_come_back)
{
    struct machine *machine = machine_of(ANON_FORK_CLONE);
    struct mm *mm = first_process(machine);
    struct mm *child = world_fork(mm);
    struct mm *grandchild = world_fork(child);

    world_exit(mm);
    world_exit(child);
    ck_assert_uint_eq(family_count(machine), 3);
    world_exit(grandchild);
    ck_assert_uint_eq(family_count(machine), 0);
    ck_assert_uint_eq(machine->gauge[GAUGE_rmap_bytes], 0);
    first_process(machine);
    ck_assert_uint_eq(machine->families->len, 4);
    world_destroy(machine);
}
END_TEST

START_TEST(without_memory_a_vma_stays_without_identity)
{
    struct machine_config config =
        world_config(rmap_schemes[1 + _i], ANON_FORK_CLONE);
    struct machine *machine = machine_create(&config);
    struct vma *vma = world_vma(mm_create(machine), BASE, 4);
    GArray *hog = world_exhaust(machine);

    ck_assert(!anon_prepare(vma));
    ck_assert_ptr_null(vma->family);
    ck_assert_uint_eq(family_count(machine), 0);
    ck_assert_uint_eq(machine->gauge[GAUGE_rmap_bytes], 0);
    anon_validate(machine);
    world_relieve(machine, hog);
    ck_assert(anon_prepare(vma));
    anon_validate(machine);
    world_destroy(machine);
}
END_TEST

START_TEST(a_fork_without_memory_for_its_links_takes_nothing)
{
    struct machine *machine = machine_of(ANON_FORK_CLONE);
    struct mm *mm = first_process(machine), *other = mm_create(machine);
    struct vma *child = NULL;
    uint64_t bytes = 0;

    for (uint64_t i = 0; i < 200; i++)
        world_vma(other, BASE + 16 * i * PAGE_BYTES, 8);
    GArray *hog = world_exhaust(machine);
    for (child = other->first; child; child = child->next) {
        bytes = machine->gauge[GAUGE_rmap_bytes];
        if (!anon_fork(child, mm->first))
            break;
    }
    ck_assert_ptr_nonnull(child);
    ck_assert_ptr_ne(child, other->first);  // a slab had room for some
    ck_assert_ptr_null(child->family);
    ck_assert_ptr_null(child->chain);
    ck_assert_uint_eq(machine->gauge[GAUGE_rmap_bytes], bytes);
    ck_assert_uint_eq(family_count(machine), mm->first->family->child_count);
    anon_validate(machine);
    world_relieve(machine, hog);
    ck_assert(anon_fork(child, mm->first));
    anon_validate(machine);
    world_destroy(machine);
}
END_TEST

/* Corruptions: the log handler ends the test well only if the assertion that
 * failed names the invariant, and the signal is what the test expects. */
static void
expect_named(const char *domain, GLogLevelFlags level, const char *message,
             void *data)
{
    (void)domain;
    (void)level;
    if (!strstr(message, data))
        exit(EXIT_FAILURE);
}

static struct machine *
machine_to_corrupt(const char *invariant)
{
    struct machine *machine = machine_of(ANON_FORK_CLONE);

    world_fork(first_process(machine));
    anon_validate(machine);
    g_log_set_default_handler(expect_named, (void *)(uintptr_t)invariant);
    return machine;
}

START_TEST(validate_names_n1_if_a_depth_has_no_family)
{
    struct machine *machine = machine_to_corrupt("N1: ");

    world_vma(machine->mms, BASE + 64 * PAGE_BYTES, 1)->anon_depth = 1;
    anon_validate(machine);
}
END_TEST

START_TEST(validate_names_n2_if_a_listing_was_not_counted)
{
    struct machine *machine = machine_to_corrupt("N2: ");

    machine->mms->first->family->vma_count--;
    anon_validate(machine);
}
END_TEST

START_TEST(validate_names_n3_if_an_own_vma_was_not_counted)
{
    struct machine *machine = machine_to_corrupt("N3: ");

    machine->mms_last->first->family->active_count++;
    anon_validate(machine);
}
END_TEST

START_TEST(validate_names_n4_if_a_page_is_not_of_the_chain)
{
    struct machine *machine = machine_to_corrupt("N4: ");
    pte_t pte = world_pte(machine->mms, BASE);

    /* The child's family is no family of the parent's VMA. */
    page_of(machine, pte_pfn(pte))->home = machine->mms_last->first->family->id;
    anon_validate(machine);
}
END_TEST

START_TEST(validate_names_n5_if_a_child_was_not_counted)
{
    struct machine *machine = machine_to_corrupt("N5: ");

    machine->mms->first->family->child_count = 1;
    anon_validate(machine);
}
END_TEST

static TCase *
identity_case(void)
{
    TCase *tcase = tcase_create("identity");

    tcase_add_test(tcase, a_vma_has_no_identity_before_it_is_prepared);
    tcase_add_test(tcase, split_parts_share_the_chain_until_they_fork);
    tcase_add_test(tcase,
                   families_go_with_the_last_vma_and_their_ids_come_back);
    tcase_add_loop_test(tcase, without_memory_a_vma_stays_without_identity, 0,
                        2);
    tcase_add_test(tcase, a_fork_without_memory_for_its_links_takes_nothing);
    return tcase;
}

static TCase *
fork_case(void)
{
    TCase *tcase = tcase_create("fork");

    tcase_add_test(tcase, a_fork_of_an_unprepared_vma_gives_no_identity);
    tcase_add_test(tcase, inheriting_forks_share_one_family);
    tcase_add_test(tcase, a_line_of_forks_has_chains_of_one_more_each);
    tcase_add_test(tcase, a_star_of_forks_has_chains_of_two);
    tcase_add_test(tcase,
                   only_reuse_bounds_the_families_of_a_line_that_dies_out);
    tcase_add_loop_test(
        tcase, a_fork_adopts_the_eldest_ancestor_that_nobody_uses, 0, 2);
    tcase_add_test(tcase, a_root_and_a_parent_of_two_are_never_adopted);
    tcase_add_test(tcase, degree_counts_a_vma_and_a_child_alike);
    tcase_add_test(tcase, an_adopted_family_in_use_is_not_taken_twice);
    return tcase;
}

static TCase *
borrow_case(void)
{
    TCase *tcase = tcase_create("borrowing");

    tcase_add_test(tcase, a_new_identity_is_borrowed_from_the_next_vma_first);
    tcase_add_test(tcase, a_kernel_without_borrowing_makes_a_family);
    tcase_add_test(tcase, the_previous_vma_lends_where_the_next_differs);
    tcase_add_test(tcase, access_and_guard_flags_do_not_hinder_borrowing);
    tcase_add_test(tcase, nobody_lends_across_a_jump_of_the_page_index);
    tcase_add_test(tcase, nobody_lends_across_a_hole);
    tcase_add_test(tcase, nobody_lends_to_a_mapping_of_a_file);
    tcase_add_loop_test(tcase, a_forked_identity_is_lent_only_before_2_6_34, 0,
                        2);
    return tcase;
}

static TCase *
invariant_case(void)
{
    TCase *tcase = tcase_create("invariants");
    const int abort_signal = SIGABRT;

    tcase_add_test_raise_signal(
        tcase, validate_names_n1_if_a_depth_has_no_family, abort_signal);
    tcase_add_test_raise_signal(
        tcase, validate_names_n2_if_a_listing_was_not_counted, abort_signal);
    tcase_add_test_raise_signal(
        tcase, validate_names_n3_if_an_own_vma_was_not_counted, abort_signal);
    tcase_add_test_raise_signal(
        tcase, validate_names_n4_if_a_page_is_not_of_the_chain, abort_signal);
    tcase_add_test_raise_signal(
        tcase, validate_names_n5_if_a_child_was_not_counted, abort_signal);
    return tcase;
}

int
main(void)
{
    Suite *suite = suite_create("anon");

    suite_add_tcase(suite, identity_case());
    suite_add_tcase(suite, fork_case());
    suite_add_tcase(suite, borrow_case());
    suite_add_tcase(suite, invariant_case());
    return run_suite(suite);
}
