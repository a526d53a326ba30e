/*
 * The merge axis: which neighbours become one, era by era.
 *
 * The rows are the rules of the comment of mm/merge.c, each by an example; the
 * last column was compared with a Linux 6.18 kernel.
 */
#include "tests/mm/picture.h"

#include "mm/rmap.h"
#include "tests/run_suite.h"

#include <check.h>

/* The columns: an era's merge rule with a reverse map of that era.  2.4 had
 * none; chains of PTEs ask as little of a VMA. */
static const struct {
    enum merge_policy merge;
    const struct rmap_ops *rmap;
} columns[] = {
    {MERGE_MMAP_ONLY, &rmap_pte_chain},
    {MERGE_OFF, &rmap_anon_vma},
    {MERGE_FLAGS, &rmap_pte_chain},
    {MERGE_LINEAR, &rmap_anon_vma},
    {MERGE_SINGULAR, &rmap_anon_vma_chain},
    {MERGE_FORK_CHILD, &rmap_anon_vma_chain},
};
#define COLUMN_COUNT ((int)G_N_ELEMENTS(columns))

/* clang-format off */
static const struct {
    const char *script;
    const char *pictures[6];
} rows[] = {
    /* mmap beside its equals */
    {"m0+2w m2+2w",
     {"wwww", "wwww", "wwww", "wwww", "wwww", "wwww"}},
    {"m2+2w m0+2w",
     {"ww|ww", "wwww", "wwww", "wwww", "wwww", "wwww"}},
    {"m0+1w m2+1w m1+1w",
     {"ww|w", "www", "www", "www", "www", "www"}},
    /* other access bits never join */
    {"m0+2w m2+2r",
     {"ww|rr", "ww|rr", "ww|rr", "ww|rr", "ww|rr", "ww|rr"}},
    /* mprotect there and back: the upper half, the lower half, the middle */
    {"m0+4w p2+2r p2+2w",
     {"ww|ww", "ww|ww", "wwww", "wwww", "wwww", "wwww"}},
    {"m0+4w p0+2r p0+2w",
     {"ww|ww", "ww|ww", "ww|ww", "wwww", "wwww", "wwww"}},
    {"m0+3w p1+1r p1+1w",
     {"w|w|w", "w|w|w", "ww|w", "www", "www", "www"}},
    /* mprotect of a part moves the border */
    {"m0+4w p2+2r p2+1w",
     {"ww|w|r", "ww|w|r", "www|r", "www|r", "www|r", "www|r"}},
    {"m0+4w p2+2r p1+1r",
     {"w|r|rr", "w|r|rr", "w|r|rr", "w|rrr", "w|rrr", "w|rrr"}},
    /* mlock and madvise */
    {"m0+4w l2+2 L2+2",
     {"ww|WW", "ww|WW", "WWWW", "WWWW", "ww|WW", "WWWW"}},
    {"m0+4w d2+2 D2+2",
     {"ww|ww", "ww|ww", "ww|ww", "wwww", "wwww", "wwww"}},
    /* files: where the file goes on as the memory does */
    {"f0+2r f2+2r",
     {"rr|rr", "rr|rr", "rrrr", "rrrr", "rrrr", "rrrr"}},
    {"f0+2r f8+2r v8>2+2",
     {"rr|rr", "rr|rr", "rr|rr", "rr|rr", "rr|rr", "rr|rr"}},
    {"f0+4r p2+2- p2+2r",
     {"rr|rr", "rr|rr", "rr|rr", "rrrr", "rrrr", "rrrr"}},
    /* a new range beside a written one, on both sides of it */
    {"m0+2w t0+2 m2+2w",
     {"WWWW", "WWWW", "WWWW", "WWWW", "WWWW", "WWWW"}},
    {"m2+2w t2+2 m0+2w",
     {"ww|WW", "WWWW", "WWWW", "WWWW", "WWWW", "WWWW"}},
    /* between two that were written apart: the lower one */
    {"m0+2w m3+2w t0+2 t3+2 m2+1w",
     {"WWW|WW", "WWW|WW", "WWWWW", "WWW|WW", "WWW|WW", "WWW|WW"}},
    /* a written range beside one that never was, above and below; noreserve,
     * because an accounted one that was written to stays accounted */
    {"n0+4w p2+2r t0+2 p0+2r",
     {"RR|rr", "RR|rr", "RR|rr", "RRRR", "RR|rr", "RRRR"}},
    {"n0+4w p0+2r t2+2 p2+2r",
     {"rr|RR", "rr|RR", "RRRR", "RRRR", "rr|RR", "RRRR"}},
    /* in a child of fork, what it inherited stays alone */
    {"m0+2w t0+2 F m2+2w",
     {"WWWW", "WWWW", "WWWW", "WWWW", "WW|ww", "WW|ww"}},
    {"n0+4w p2+2r t0+2 F p0+2r",
     {"RR|rr", "RR|rr", "RR|rr", "RRRR", "RR|rr", "RR|rr"}},
    {"m0+4w t0+4 p2+2r F p2+2w",
     {"WW|WW", "WW|WW", "WWWW", "WWWW", "WW|WW", "WW|WW"}},
    /* mremap: what was never written joins at its new place */
    {"m0+2w m8+2w v8>2+2",
     {"ww|ww", "ww|ww", "wwww", "wwww", "wwww", "wwww"}},
    {"m4+2w m8+2w v8>2+2",
     {"..ww|ww", "..ww|ww", "..wwww", "..wwww", "..wwww", "..wwww"}},
    {"m0+2w m4+2w m8+2w v8>2+2",
     {"ww|ww|ww", "ww|ww|ww", "wwwwww", "wwwwww", "wwwwww", "wwwwww"}},
    /* what was written keeps its pgoff, and joins when it comes back */
    {"m0+2w m8+2w t8+2 v8>2+2",
     {"ww|WW", "ww|WW", "WWWW", "ww|WW", "ww|WW", "ww|WW"}},
    {"m0+4w t0+4 v2>8+2 v8>2+2",
     {"WW|WW", "WW|WW", "WWWW", "WWWW", "WWWW", "WWWW"}},
};
/* clang-format on */

static struct machine_config
config_of_column(int column)
{
    struct machine_config config = scene_config(kernel_fixture_6_18);

    config.policy.merge = columns[column].merge;
    config.policy.rmap = columns[column].rmap;
    config.kernel.anon_borrows_neighbour = false;
    if (columns[column].rmap != &rmap_anon_vma_chain)
        config.kernel.anon_fork = ANON_FORK_INHERIT;
    return config;
}

START_TEST(neighbours_merge_as_their_era_says)
{
    struct machine_config config = config_of_column(_i % COLUMN_COUNT);
    struct scene scene = scene_create(&config);
    const char *script = rows[_i / COLUMN_COUNT].script;

    scene_run(&scene, script);
    scene_looks(&scene, script,
                rows[_i / COLUMN_COUNT].pictures[_i % COLUMN_COUNT]);
    mm_validate(scene.mm);
    scene_destroy(&scene);
}
END_TEST

/* merge=flags under a reverse map that finds pages by their place in a VMA. */
START_TEST(flags_ask_for_place_and_identity_where_rmap_needs_them)
{
    struct machine_config config = config_of_column(2);
    static const char *const cases[][2] = {
        {"m0+2w m3+2w t0+2 t3+2 m2+1w", "WWW|WW"},
        {"m0+2w m8+2w t8+2 v8>2+2", "ww|WW"},
        {"m0+2w t0+2 m2+2w", "WWWW"},
    };

    config.policy.rmap = &rmap_anon_vma;
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct scene scene = scene_create(&config);

        scene_run(&scene, cases[i][0]);
        scene_looks(&scene, cases[i][0], cases[i][1]);
        scene_destroy(&scene);
    }
}
END_TEST

/* Splits and merges that a script's last call counts. */
static const struct {
    const char *before, *call;
    uint64_t split_count, merge_count;
} counts[] = {
    {"m0+2w", "m4+2w", 0, 0},         // apart
    {"m0+2w", "m2+2w", 0, 1},         // extends the VMA below
    {"m2+2w", "m0+2w", 0, 1},         // extends the VMA above
    {"m0+1w m2+1w", "m1+1w", 0, 2},   // bridges
    {"m0+4w", "p0+4r", 0, 0},         // all of it
    {"m0+4w", "p2+2r", 1, 0},         // one end
    {"m0+4w", "p1+2r", 2, 0},         // the middle
    {"m0+4w p1+2r", "p1+2w", 0, 2},   // and back
    {"m0+4w p2+2r", "p2+1w", 0, 1},   // the border moves
    {"m0+4w", "u1+2", 2, 0},          // a hole
    {"m0+4w", "u0+2", 1, 0},          // one end goes
    {"m0+4w", "u0+4", 0, 0},          // all goes
    {"m0+4w", "m1+2w", 2, 2},         // replaced by its equal
    {"m0+2w m8+2w", "v8>2+2", 0, 1},  // moves to a neighbour
    {"m0+2w m8+4w", "v8>2+2", 1, 1},  // a part of it does
};

START_TEST(splits_and_merges_are_counted)
{
    struct machine_config config = scene_config(kernel_fixture_6_18);
    struct scene scene = scene_create(&config);
    const struct mm_counters *counters = &scene.machine->counters;

    scene_run(&scene, counts[_i].before);
    uint64_t split_count = counters->vma_split_count;
    uint64_t merge_count = counters->vma_merge_count;
    scene_run(&scene, counts[_i].call);
    ck_assert_uint_eq(counters->vma_split_count - split_count,
                      counts[_i].split_count);
    ck_assert_uint_eq(counters->vma_merge_count - merge_count,
                      counts[_i].merge_count);
    scene_destroy(&scene);
}
END_TEST

/* What a script's last call adds to the tally, once. */
static const struct {
    const char *before, *call;
    enum merge_caller caller;
    enum merge_shape shape;  // MERGE_SHAPE_COUNT: joins nothing
    enum merge_verdict verdict;
} tallies[] = {
    {"m0+1w m2+1w", "m1+1w", MERGE_BY_MMAP, MERGE_NEW_BRIDGES, MERGE_FITS_BARE},
    {"m0+2w", "m2+2w", MERGE_BY_MMAP, MERGE_NEW_TO_BELOW, MERGE_FITS_BARE},
    {"m2+2w", "m0+2w", MERGE_BY_MMAP, MERGE_NEW_TO_ABOVE, MERGE_FITS_BARE},
    {"m0+4w p2+2r", "p1+1r", MERGE_BY_MPROTECT, MERGE_TAIL_TO_ABOVE,
     MERGE_FITS_BARE},
    {"m0+4w p2+2r", "p2+1w", MERGE_BY_MPROTECT, MERGE_HEAD_TO_BELOW,
     MERGE_FITS_BARE},
    {"m0+3w p1+1r", "p1+1w", MERGE_BY_MPROTECT, MERGE_WHOLE_BRIDGES,
     MERGE_FITS_BARE},
    {"m0+4w l2+2", "L2+2", MERGE_BY_MLOCK, MERGE_WHOLE_TO_BELOW,
     MERGE_FITS_RANGE_HAS},
    {"m0+4w d0+2", "D0+2", MERGE_BY_MADVISE, MERGE_WHOLE_TO_ABOVE,
     MERGE_FITS_BARE},
    {"m0+2w m8+2w", "v8>2+2", MERGE_BY_MREMAP, MERGE_NEW_TO_BELOW,
     MERGE_FITS_BARE},
    {"m0+2w t0+2", "m2+2w", MERGE_BY_MMAP, MERGE_NEW_TO_BELOW,
     MERGE_FITS_NEIGHBOUR_HAS},
    {"m0+4w t0+4 p2+2r", "p2+2w", MERGE_BY_MPROTECT, MERGE_WHOLE_TO_BELOW,
     MERGE_FITS_SAME},
    {"n0+4w p2+2r t0+2", "p0+2r", MERGE_BY_MPROTECT, MERGE_WHOLE_TO_ABOVE,
     MERGE_FITS_RANGE_HAS},
    {"m0+2w t0+2 m3+2w t3+2", "m2+1w", MERGE_BY_MMAP, MERGE_NEW_TO_BELOW,
     MERGE_REFUSED_BRIDGE},
    {"m0+2w", "m2+2r", MERGE_BY_MMAP, MERGE_SHAPE_COUNT, MERGE_REFUSED_FLAGS},
    {"f0+2r", "m2+2r", MERGE_BY_MMAP, MERGE_SHAPE_COUNT, MERGE_REFUSED_FILE},
    {"m0+2w m8+2w t8+2", "v8>2+2", MERGE_BY_MREMAP, MERGE_SHAPE_COUNT,
     MERGE_REFUSED_PGOFF},
    {"m0+2w t0+2 F", "m2+2w", MERGE_BY_MMAP, MERGE_SHAPE_COUNT,
     MERGE_REFUSED_FORKED},
    {"m0+2w m3+2w t0+2 t3+2 m2+1w p3+2r", "p3+2w", MERGE_BY_MPROTECT,
     MERGE_SHAPE_COUNT, MERGE_REFUSED_OTHER_FAMILY},
};

START_TEST(what_a_range_joins_and_why_not_is_tallied)
{
    struct machine_config config = scene_config(kernel_fixture_6_18);
    struct scene scene = scene_create(&config);
    const struct merge_tally *tally = &scene.machine->merges;

    scene_run(&scene, tallies[_i].before);
    struct merge_tally before = *tally;
    scene_run(&scene, tallies[_i].call);
    for (int caller = 0; caller < MERGE_CALLER_COUNT; caller++)
        for (int shape = 0; shape < MERGE_SHAPE_COUNT; shape++)
            ck_assert_uint_eq(tally->shapes[caller][shape] -
                                  before.shapes[caller][shape],
                              caller == (int)tallies[_i].caller &&
                                  shape == (int)tallies[_i].shape);
    ck_assert_uint_ge(tally->verdicts[tallies[_i].verdict] -
                          before.verdicts[tallies[_i].verdict],
                      1);
    scene_destroy(&scene);
}
END_TEST

START_TEST(a_guard_flag_does_not_part_neighbours_and_stays)
{
    struct machine_config config = scene_config(kernel_fixture_6_18);
    struct scene scene = scene_create(&config);

    scene_run(&scene, "m0+2w g0+1 m2+2w");
    scene_looks(&scene, "below", "WWWW");
    ck_assert(scene.mm->first->flags & VM_MAYBE_GUARD);
    scene_run(&scene, "m9+1w g9+1 m8+1w");
    scene_looks(&scene, "above", "WWWW....WW");
    ck_assert(scene.mm->last->flags & VM_MAYBE_GUARD);
    scene_destroy(&scene);
}
END_TEST

START_TEST(room_kept_below_a_vma_keeps_the_one_below_apart)
{
    struct machine_config config = scene_config(kernel_fixture_6_18);
    struct scene scene = scene_create(&config);

    scene_run(&scene, "m2+2w");
    scene.mm->first->gap_below_bytes = PAGE_BYTES;
    vma_tree_gap_changed(scene.mm->first);
    scene_run(&scene, "m0+2w");
    scene_looks(&scene, "new below", "ww|ww");
    scene_run(&scene, "m4+2r p2+2r");
    scene_looks(&scene, "joins above", "ww|rrrr");
    ck_assert_uint_eq(scene.mm->last->gap_below_bytes, PAGE_BYTES);
    scene_run(&scene, "p2+4w");
    scene_looks(&scene, "equal again", "ww|wwww");
    scene_run(&scene, "p3+1r");
    ck_assert_uint_eq(scene.mm->first->next->gap_below_bytes, PAGE_BYTES);
    ck_assert_uint_eq(scene.mm->last->gap_below_bytes, 0);
    scene_destroy(&scene);
}
END_TEST

START_TEST(special_mappings_stay_alone)
{
    struct machine_config config = scene_config(kernel_fixture_6_18);
    struct scene scene = scene_create(&config);

    for (uint64_t page = 0; page < 2; page++) {
        struct mmap_args args = {.addr = arena_page(page),
                                 .length = PAGE_BYTES,
                                 .prot = VM_READ,
                                 .flags = MM_EXEC_IMAGE | MM_SPECIAL};

        ck_assert_int_eq(mm_mmap(scene.mm, &args), (int64_t)arena_page(page));
    }
    scene_looks(&scene, "vvar, vdso", "r|r");
    scene_destroy(&scene);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("merge");
    TCase *tcase = tcase_create("merge");

    tcase_add_loop_test(tcase, neighbours_merge_as_their_era_says, 0,
                        (int)G_N_ELEMENTS(rows) * COLUMN_COUNT);
    tcase_add_test(tcase,
                   flags_ask_for_place_and_identity_where_rmap_needs_them);
    tcase_add_loop_test(tcase, splits_and_merges_are_counted, 0,
                        (int)G_N_ELEMENTS(counts));
    tcase_add_loop_test(tcase, what_a_range_joins_and_why_not_is_tallied, 0,
                        (int)G_N_ELEMENTS(tallies));
    tcase_add_test(tcase, a_guard_flag_does_not_part_neighbours_and_stays);
    tcase_add_test(tcase, room_kept_below_a_vma_keeps_the_one_below_apart);
    tcase_add_test(tcase, special_mappings_stay_alone);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
