/*
 * Directories of page tables against a plain array of as many entries.
 */
#include "mm/directory.h"
#include "mm/host_memory.h"
#include "mm/pieces.h"
#include "tests/mm/invariant.h"
#include "tests/run_suite.h"

#include <check.h>
#include <glib.h>
#include <signal.h>
#include <string.h>

#define ENTRIES_MAX 1024

static struct host_memory *host;
static struct pieces *pieces;
static struct directory *directory;
static void *plain[ENTRIES_MAX];
static uint32_t entry_count;

static void
setup(void)
{
    host = host_memory_create();
    pieces = pieces_create(host, /* are_zeroed = */ true);
    directory = directory_create(pieces, PFN_NONE);
    memset(plain, 0, sizeof(plain));
    entry_count = 512;
}

static void
teardown(void)
{
    pieces_destroy(pieces);
    host_memory_destroy(host);
}

static void
add(uint32_t entry)
{
    plain[entry] = &plain[entry];
    directory_add(pieces, directory, entry, plain[entry], entry_count);
}

static void
drop(uint32_t entry)
{
    plain[entry] = NULL;
    directory_remove(pieces, directory, entry);
}

static void
looks_like_the_array(void)
{
    uint32_t next = UINT32_MAX, used_count = 0;

    directory_validate(directory, entry_count);
    for (uint32_t i = entry_count; i-- > 0;) {
        if (plain[i]) {
            next = i;
            used_count++;
        }
        ck_assert_ptr_eq(directory_child(directory, i), plain[i]);
        ck_assert_uint_eq(directory_next(directory, i), next);
    }
    ck_assert_uint_eq(directory->used_count, used_count);
    ck_assert_ptr_null(directory_child(directory, entry_count));
    ck_assert_ptr_null(directory_child(directory, UINT32_MAX));
    ck_assert_uint_eq(directory_next(directory, entry_count), UINT32_MAX);
}

/* In the directory itself: no memory of its own. */
static bool
is_one_line(void)
{
    return directory->slots == directory->near;
}

START_TEST(a_directory_is_one_cache_line)
{
    ck_assert_uint_eq(sizeof(struct directory), PIECE_LINE_BYTES);
    ck_assert_uint_eq((uintptr_t)directory % PIECE_LINE_BYTES, 0);
    looks_like_the_array();
}
END_TEST

START_TEST(children_near_each_other_need_no_memory_of_their_own)
{
    static const uint32_t entries[] = {300, 303, 299, 302, 301};

    for (size_t i = 0; i < G_N_ELEMENTS(entries); i++) {
        add(entries[i]);
        looks_like_the_array();
        ck_assert(is_one_line());
    }
    add(304);
    looks_like_the_array();
    ck_assert(!is_one_line());
}
END_TEST

/* Where the first child is, and where the others come. */
static const struct {
    uint32_t first, then;
} places[] = {{0, 511},   {511, 0},   {0, 7},     {0, 8},     {511, 504},
              {511, 503}, {255, 256}, {256, 255}, {100, 400}, {400, 100}};

START_TEST(the_window_widens_to_either_side)
{
    add(places[_i].first);
    add(places[_i].then);
    looks_like_the_array();
    for (uint32_t i = 0; i < entry_count; i++)
        if (!plain[i])
            add(i);
    looks_like_the_array();
}
END_TEST

START_TEST(without_children_a_directory_is_as_new)
{
    add(0);
    add(511);
    drop(0);
    looks_like_the_array();
    ck_assert(!is_one_line());
    drop(511);
    looks_like_the_array();
    ck_assert(is_one_line());
    ck_assert_uint_eq(directory->count, 0);
    add(200);
    looks_like_the_array();
    ck_assert(is_one_line());
}
END_TEST

START_TEST(given_back_slots_are_the_next_ones)
{
    void **slots;

    add(100);
    add(163);  // 64 slots
    slots = directory->slots;
    drop(163);
    drop(100);
    add(400);
    add(463);
    ck_assert_ptr_eq(directory->slots, slots);
    looks_like_the_array();
}
END_TEST

static uint32_t
random_below(uint64_t *seed, uint32_t below)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*seed >> 33) % below);
}

/* Entries of three directories: the top level of PAE, x86-64, i386. */
static const uint32_t entry_counts[] = {4, 512, 1024};

START_TEST(random_changes_leave_what_they_leave_in_an_array)
{
    uint64_t seed = (uint64_t)_i + 1;

    entry_count = entry_counts[_i];
    for (int round = 0; round < 60; round++) {
        uint32_t span = 1 + random_below(&seed, entry_count);
        uint32_t base = random_below(&seed, entry_count - span + 1);

        for (int i = 0; i < 30; i++) {
            uint32_t entry = base + random_below(&seed, span);

            if (!plain[entry])
                add(entry);
            else
                drop(entry);
        }
        looks_like_the_array();
        for (uint32_t i = 0; round % 3 == 0 && i < entry_count; i++)
            if (plain[i])
                drop(i);
    }
}
END_TEST

/* As pieces that are zeroed have to. */
START_TEST(memory_comes_back_as_zeroes)
{
    static const char zeroes[HOST_CHUNK_BYTES];

    for (uint32_t i = 0; i < entry_count; i += 3)
        add(entry_count - 1 - i);
    add(entry_count - 2);
    for (uint32_t i = 0; i < entry_count; i++)
        if (plain[i])
            drop(i);
    directory_destroy(pieces, directory);
    pieces_destroy(pieces);
    char *chunk = host_memory_get_chunk(host, /* is_zeroed = */ true);
    ck_assert_mem_eq(chunk, zeroes, HOST_CHUNK_BYTES);
    host_memory_put_chunk(host, chunk, /* is_zeroed = */ true);
    pieces = pieces_create(host, /* are_zeroed = */ true);
}
END_TEST

START_TEST(an_entry_takes_one_child)
{
    add(3);
    add(3);
}
END_TEST

START_TEST(an_entry_gives_no_child_twice)
{
    add(3);
    add(4);
    drop(3);
    drop(3);
}
END_TEST

START_TEST(a_directory_in_use_does_not_go)
{
    add(3);
    directory_destroy(pieces, directory);
}
END_TEST

static void
d1(void)
{
    directory->used_count++;
}

static void
d2(void)
{
    directory->first = 509;
}

static void
d3(void)
{
    directory->near[4] = directory;
}

static void
d4(void)
{
    directory->slots[1] = directory->slots[3] = NULL;
    directory->slots[0] = NULL;
    directory->used_count = 0;
}

static const struct {
    char *name;
    void (*corrupt)(void);
} corruptions[] = {{"D1: ", d1}, {"D2: ", d2}, {"D3: ", d3}, {"D4: ", d4}};

START_TEST(a_corruption_is_named)
{
    add(10);
    add(11);
    add(13);
    corruptions[_i].corrupt();
    expect_invariant(corruptions[_i].name);
    directory_validate(directory, entry_count);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("directory");
    TCase *tests = tcase_create("directory"), *misuse = tcase_create("misuse");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_directory_is_one_cache_line);
    tcase_add_test(tests, children_near_each_other_need_no_memory_of_their_own);
    tcase_add_loop_test(tests, the_window_widens_to_either_side, 0,
                        G_N_ELEMENTS(places));
    tcase_add_test(tests, without_children_a_directory_is_as_new);
    tcase_add_test(tests, given_back_slots_are_the_next_ones);
    tcase_add_loop_test(tests, random_changes_leave_what_they_leave_in_an_array,
                        0, G_N_ELEMENTS(entry_counts));
    tcase_add_test(tests, memory_comes_back_as_zeroes);
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(misuse, setup, teardown);
    tcase_add_test_raise_signal(misuse, an_entry_takes_one_child, SIGABRT);
    tcase_add_test_raise_signal(misuse, an_entry_gives_no_child_twice, SIGABRT);
    tcase_add_test_raise_signal(misuse, a_directory_in_use_does_not_go,
                                SIGABRT);
    tcase_add_loop_test_raise_signal(misuse, a_corruption_is_named, SIGABRT, 0,
                                     G_N_ELEMENTS(corruptions));
    tcase_set_tags(misuse, "aborts");
    suite_add_tcase(suite, misuse);
    return run_suite(suite);
}
