/*
 * Page tables: which leaf covers an address, against a list of all leaves,
 * while tables come and go; what fork copies; what is left without memory.
 */
#include "tests/mm/world.h"
#include "tests/run_suite.h"

#include <check.h>
#include <glib.h>
#include <string.h>

#define PLACES 96

static const struct arch *const archs[] = {&arch_i386, &arch_i386_pae,
                                           &arch_x86_64};

static const struct arch *arch;
static struct machine *machine;
static struct mm *mm;
static uint64_t places[PLACES];     // ascending, one per span of a leaf
static struct leaf *plain[PLACES];  // what the tables should say

static uint64_t
random_next(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 20;
}

static int
by_address(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

/* Two thirds in a few clusters, the rest anywhere. */
static void
choose_places(void)
{
    uint64_t seed = 7, span = leaf_span_bytes(arch);

    for (size_t i = 0; i < PLACES; i++) {
        uint64_t where =
            arch->task_size / 4 * (i % 4) + random_next(&seed) % 40 * span;

        if (i % 3 == 0)
            where = random_next(&seed) % (arch->task_size / span) * span;
        places[i] = where / span * span;
    }
    qsort(places, PLACES, sizeof(places[0]), by_address);
    memset(plain, 0, sizeof(plain));
}

static void
setup_arch(const struct arch *with)
{
    struct machine_config config =
        world_config(&rmap_anon_vma, ANON_FORK_INHERIT);

    arch = config.arch = with;
    machine = machine_create(&config);
    mm = mm_create(machine);
    choose_places();
}

static void
teardown(void)
{
    uint64_t freed = machine->counters.pagetable_free_count;
    uint64_t left = mm->pagetable.page_count;

    mm_destroy(mm);
    ck_assert_uint_eq(machine->counters.pagetable_free_count, freed + left);
    world_destroy(machine);
}

static void
looks_like_the_list(void)
{
    mm_validate(mm);
    for (size_t i = 0; i < PLACES; i++)
        ck_assert_ptr_eq(pagetable_leaf(mm, places[i] + PAGE_BYTES), plain[i]);
    mm_validate(mm);
    for (size_t i = 0; i < PLACES; i++) {
        struct leaf *next = NULL;

        for (size_t k = i; k < PLACES && !next; k++)
            next = plain[k];
        ck_assert_ptr_eq(pagetable_next_leaf(mm, places[i], arch->task_size),
                         next);
        ck_assert_ptr_eq(pagetable_next_leaf(mm, places[i], places[i] + 1),
                         plain[i]);
    }
}

/* The same place may have been chosen more than once. */
static void
note_leaf(uint64_t place, struct leaf *leaf)
{
    for (size_t i = 0; i < PLACES; i++)
        if (places[i] == place)
            plain[i] = leaf;
}

static void
free_tables_of(size_t from, size_t to)
{
    uint64_t span = leaf_span_bytes(arch);
    uint64_t start = places[from], end = places[to] + span;

    /* Nothing is mapped anywhere else in the span of the tables. */
    pagetable_free_range(mm, start, end, start, end);
    for (size_t i = from; i <= to; i++)
        note_leaf(places[i], NULL);
}

START_TEST(lookups_agree_with_a_list_of_the_leaves)
{
    uint64_t seed = 3;

    setup_arch(archs[_i]);
    for (int round = 0; round < 400; round++) {
        size_t i = random_next(&seed) % PLACES;
        size_t k = i + random_next(&seed) % 8;
        unsigned what = random_next(&seed) % 8;

        if (what < 5) {
            struct leaf *leaf = pagetable_leaf_alloc(mm, places[i]);

            ck_assert_uint_eq(leaf->base, places[i]);
            note_leaf(places[i], leaf);
        } else if (what < 7 && plain[i]) {
            pagetable_free_leaf_if_empty(mm, plain[i]);
            note_leaf(places[i], NULL);
        } else {
            free_tables_of(i, MIN(k, PLACES - 1));
        }
        /* Remembered windows are part of what is compared. */
        pagetable_leaf(mm, places[random_next(&seed) % PLACES]);
        if (round % 10 == 0)
            looks_like_the_list();
    }
    looks_like_the_list();
    teardown();
}
END_TEST

START_TEST(fork_has_the_shape_of_its_parent)
{
    setup_arch(archs[_i]);
    for (size_t i = 0; i < PLACES; i += 2)
        note_leaf(places[i], pagetable_leaf_alloc(mm, places[i]));
    struct mm *child = mm_create(machine);
    uint64_t allocated = machine->counters.pagetable_alloc_count;

    allocated -= child->pagetable.page_count;
    ck_assert(pagetable_copy_shape(child, mm, 0, arch->task_size));
    ck_assert_uint_eq(child->pagetable.page_count, mm->pagetable.page_count);
    ck_assert_uint_eq(machine->counters.pagetable_alloc_count - allocated,
                      mm->pagetable.page_count);
    for (size_t i = 0; i < PLACES; i++) {
        struct leaf *leaf = pagetable_leaf(child, places[i]);

        ck_assert_int_eq(leaf != NULL, plain[i] != NULL);
        ck_assert(!leaf || (leaf != plain[i] && leaf->base == places[i]));
    }
    mm_validate(child);
    mm_destroy(child);
    looks_like_the_list();
    teardown();
}
END_TEST

/* A part of the parent's span: whatever lies in it, and nothing beside it. */
START_TEST(fork_copies_the_shape_of_a_range)
{
    setup_arch(archs[_i]);
    for (size_t i = 0; i < PLACES; i++)
        note_leaf(places[i], pagetable_leaf_alloc(mm, places[i]));
    for (size_t from = 0; from < PLACES; from += 7) {
        size_t to = MIN(from + 13, PLACES - 1);
        struct mm *child = mm_create(machine);

        ck_assert(
            pagetable_copy_shape(child, mm, places[from] + 1, places[to] + 1));
        for (size_t i = 0; i < PLACES; i++)
            ck_assert_int_eq(pagetable_leaf(child, places[i]) != NULL,
                             places[i] >= places[from] &&
                                 places[i] <= places[to]);
        mm_validate(child);
        mm_destroy(child);
    }
    teardown();
}
END_TEST

/* Each level in turn is what there is no frame for. */
START_TEST(without_memory_the_tables_are_as_they_were)
{
    setup_arch(archs[_i]);
    unsigned preallocated = arch->pmd_prealloc;
    unsigned needed = arch->level_count - (preallocated ? 2 : 1);

    for (unsigned frames = 0; frames < needed; frames++) {
        struct mm *poor = mm_create(machine);
        GArray *taken = world_exhaust(machine);

        for (unsigned i = 0; i < frames; i++) {
            page_free(machine, 0, g_array_index(taken, pfn_t, taken->len - 1),
                      0, 0);
            g_array_set_size(taken, taken->len - 1);
        }
        ck_assert_ptr_null(pagetable_leaf_alloc(poor, places[5]));
        ck_assert_ptr_null(pagetable_leaf(poor, places[5]));
        ck_assert_ptr_null(pagetable_next_leaf(poor, 0, arch->task_size));
        ck_assert_uint_eq(poor->pagetable.page_count, preallocated + frames);
        mm_validate(poor);
        world_relieve(machine, taken);
        ck_assert_ptr_nonnull(pagetable_leaf_alloc(poor, places[5]));
        ck_assert_uint_eq(poor->pagetable.page_count, preallocated + needed);
        mm_validate(poor);
        mm_destroy(poor);
    }
    teardown();
}
END_TEST

/* A child that is cut off in the middle goes as a whole. */
START_TEST(a_fork_without_memory_leaves_nothing_behind)
{
    setup_arch(archs[_i]);
    for (size_t i = 0; i < PLACES; i++)
        note_leaf(places[i], pagetable_leaf_alloc(mm, places[i]));
    for (unsigned frames = 0; frames < mm->pagetable.page_count; frames += 5) {
        struct mm *child = mm_create(machine);
        GArray *taken = world_exhaust(machine);
        uint64_t free_bytes = machine->gauge[GAUGE_free_bytes];

        for (unsigned i = 0; i < frames; i++) {
            page_free(machine, 0, g_array_index(taken, pfn_t, taken->len - 1),
                      0, 0);
            g_array_set_size(taken, taken->len - 1);
        }
        bool copied = pagetable_copy_shape(child, mm, 0, arch->task_size);
        ck_assert_int_eq(copied, frames + arch->pmd_prealloc >=
                                     mm->pagetable.page_count);
        mm_validate(child);
        mm_destroy(child);
        ck_assert_uint_ge(machine->gauge[GAUGE_free_bytes],
                          free_bytes + pages_to_bytes(frames));
        world_relieve(machine, taken);
    }
    looks_like_the_list();
    teardown();
}
END_TEST

/* The page that a table was freed under is found no more, though the lookup
 * before it remembered where. */
START_TEST(what_a_lookup_remembers_goes_with_the_directory)
{
    setup_arch(&arch_x86_64);
    uint64_t span = leaf_span_bytes(arch), base = UINT64_C(10) << 30;

    pagetable_leaf_alloc(mm, base);
    ck_assert_ptr_nonnull(pagetable_leaf(mm, base));
    ck_assert_ptr_nonnull(pagetable_recent_leaf(&mm->pagetable, base));
    pagetable_free_range(mm, base, base + span, 0, arch->task_size);
    ck_assert_uint_eq(mm->pagetable.page_count, 0);
    ck_assert_ptr_null(pagetable_recent_leaf(&mm->pagetable, base));
    ck_assert_ptr_null(pagetable_leaf(mm, base));
    mm_validate(mm);
    teardown();
}
END_TEST

/* Addresses that differ from a leaf's in bits above those that lead to it. */
START_TEST(a_remembered_window_has_no_leaf_for_another_address)
{
    setup_arch(&arch_x86_64);
    uint64_t base = UINT64_C(10) << 30;

    pagetable_leaf_alloc(mm, base);
    ck_assert_ptr_nonnull(pagetable_leaf(mm, base));
    for (unsigned bit = arch->level_bits[3] + PAGE_SHIFT; bit < 64; bit++)
        ck_assert_ptr_null(
            pagetable_recent_leaf(&mm->pagetable, base ^ UINT64_C(1) << bit));
    teardown();
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("pagetable");
    TCase *tests = tcase_create("pagetable");
    int all = G_N_ELEMENTS(archs);

    tcase_add_loop_test(tests, lookups_agree_with_a_list_of_the_leaves, 0, all);
    tcase_add_loop_test(tests, fork_has_the_shape_of_its_parent, 0, all);
    tcase_add_loop_test(tests, fork_copies_the_shape_of_a_range, 0, all);
    tcase_add_loop_test(tests, without_memory_the_tables_are_as_they_were, 0,
                        all);
    tcase_add_loop_test(tests, a_fork_without_memory_leaves_nothing_behind, 0,
                        all);
    tcase_add_test(tests, what_a_lookup_remembers_goes_with_the_directory);
    tcase_add_test(tests, a_remembered_window_has_no_leaf_for_another_address);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
