/*
 * What --check says: kinds of results, races, differences in words, totals.
 * Single results are compared in replay_test.c.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/run_suite.h"
#include "tests/sim/program.h"

/* The object `check` of a run of the lines, which come out with `status`. */
static json_t *
check_of(const char *lines, int status)
{
    g_autofree char *text = g_strconcat("#vmtrace 1\n", lines, NULL);

    write_file("t", text);
    struct outcome outcome =
        run_vmsim("replay", "t", "--check", "--format=json", NULL);
    ck_assert_msg(outcome.status == status, "%d: %s", outcome.status,
                  outcome.err);
    json_t *result = json_loads(outcome.out, 0, NULL);
    json_t *check = json_incref(json_object_get(result, "check"));
    json_decref(result);
    outcome_clear(&outcome);
    return check;
}

/* ---- races ---- */

#define THREADS                                                                \
    "1 start\n"                                                                \
    "1 mmap A 64K rw- anon,private\n"                                          \
    "1 thread 2\n"
#define FORKED                                                                 \
    "1 start\n"                                                                \
    "1 mmap A 64K rw- anon,private\n"                                          \
    "1 w A 64K\n"                                                              \
    "1 fork 2\n"

static const struct {
    const char *what, *lines;
    int mismatch_count, raced_count;
} races[] = {
    {"two faults at once",
     THREADS "@100+50/0 1 w A 4K = fresh\n"
             "@120+50/1 2 w A 4K = fresh\n",
     0, 1},
    {"the first one lost",
     THREADS "@100+50/0 1 w A 4K = hit\n"
             "@120+50/1 2 w A 4K = fresh\n",
     0, 2},
    {"they began together",
     THREADS "@100/0 1 w A 4K = fresh\n"
             "@100/1 2 w A 4K = fresh\n",
     0, 1},
    {"one after the other",
     THREADS "@100+50/0 1 w A 4K = fresh\n"
             "@150+50/1 2 w A 4K = fresh\n",
     1, 0},
    {"without times",
     THREADS "1 w A 4K = fresh\n"
             "2 w A 4K = fresh\n",
     1, 0},
    {"the same task",
     THREADS "@100+50/0 1 w A 4K = fresh\n"
             "@120+50/0 1 w A 4K = fresh\n",
     1, 0},
    {"neighbouring pages",
     THREADS "@100+50/0 1 w A 4K = fresh\n"
             "@120+50/1 2 w A+4K 4K = copy\n",
     1, 0},
    {"a page of several",
     THREADS "@100+50/0 1 w A+8K 4K = fresh\n"
             "@120+50/1 2 w A 16K = fresh\n",
     0, 1},
    {"a page of several, and another one",
     THREADS "@100+50/0 1 w A+8K 4K = fresh\n"
             "@120+50/1 2 w A 16K = fresh*3,copy*1\n",
     1, 0},
    {"other processes",
     "1 start\n1 mmap A 64K rw- anon,private\n"
     "2 start\n2 mmap A 64K rw- anon,private\n"
     "@100+50/0 1 w A 4K = fresh\n"
     "@120+50/1 2 w A 4K = copy\n",
     1, 0},
    {"both sides of a fork copy",
     FORKED "@100+50/0 1 w A 4K = copy\n"
            "@120+50/1 2 w A 4K = copy\n",
     0, 1},
    {"the child has a new image",
     FORKED "2 exec other\n"
            "2 mmap A 64K rw- anon,private\n"
            "@100+50/0 1 w A 4K = copy\n"
            "@120+50/1 2 w A 4K = copy\n",
     2, 0},
    {"a call that takes the page away",
     THREADS "@100/0 1 w A 64K = fresh\n"
             "@200+100/0 1 munmap A 64K = 0\n"
             "@290+10/1 2 w A 4K = hit\n",
     0, 1},
    {"a call that was over",
     THREADS "@100/0 1 w A 64K = fresh\n"
             "@200+100/0 1 munmap A 64K = 0\n"
             "@300+10/1 2 w A 4K = hit\n",
     1, 0},
    {"a process that is on its way out",
     FORKED "@100/1 2 exit\n"
            "@150+10/0 1 w A 4K = copy\n"
            "@120+100/0 1 wait 2 = 0\n",
     0, 1},
    {"a process that was waited for",
     FORKED "@100/1 2 exit\n"
            "@120+100/0 1 wait 2 = 0\n"
            "@250+10/0 1 w A 4K = copy\n",
     1, 0},
    {"a process that nobody waits for",
     FORKED "@100/1 2 exit\n"
            "@150+10/0 1 w A 4K = copy\n",
     1, 0},
    {"a thread that ends takes nothing",
     THREADS "1 w A 4K\n"
             "@100/1 2 exit\n"
             "@150+10/0 1 w A 4K = copy\n"
             "@120+100/0 1 wait 2 = 0\n",
     1, 0},
};

START_TEST(differences_that_a_race_explains_are_counted_apart)
{
    int mismatch_count = races[_i].mismatch_count;
    json_t *check = check_of(races[_i].lines, mismatch_count > 0);

    ck_assert_msg(integer_at(check, "mismatch_count") == mismatch_count &&
                      integer_at(check, "raced_count") == races[_i].raced_count,
                  "%s: %d differ, %d raced", races[_i].what,
                  (int)integer_at(check, "mismatch_count"),
                  (int)integer_at(check, "raced_count"));
    ck_assert_int_eq(json_is_null(json_object_get(check, "first")),
                     mismatch_count == 0);
    json_decref(check);
}
END_TEST

/* Of very many accesses, near and far ones.  Line i of thread 1 is at page i
 * of its own memory, and A is touched by both `distance` lines apart. */
START_TEST(a_race_is_found_among_many_accesses)
{
    g_autoptr(GString) lines =
        g_string_new("1 start\n1 mmap A 64K rw- anon,private\n"
                     "1 mmap B 64M rw- anon,private\n1 thread 2\n"
                     "@1000+9000/0 1 w A 4K = fresh\n");

    for (int i = 0; i < _i * 200; i++)
        g_string_append_printf(lines, "@%d+1/1 2 w B+%dK 4K = fresh\n",
                               1100 + i, 4 * i);
    g_string_append(lines, "@9500+1/1 2 w A 4K = fresh\n");
    for (int i = 3000; i < 7000; i++)
        g_string_append_printf(lines, "@%d+1/1 2 w B+%dK 4K = fresh\n",
                               10000 + i, 4 * i);
    json_t *check = check_of(lines->str, 0);
    ck_assert_int_eq(integer_at(check, "raced_count"), 1);
    json_decref(check);
}
END_TEST

/* ---- kinds ---- */

START_TEST(results_are_counted_by_kind_and_touches_by_page)
{
    json_t *check = check_of("1 start\n"
                             "1 mmap A 64K rw- anon,private = 0x1000\n"
                             "1 w A 16K = fresh\n"
                             "1 w A 16K = hit*3,copy*1\n"
                             "1 munmap A+1 4K = EINVAL\n"
                             "1 mprotect A 4K r-- = 0\n"
                             "1 mprotect A 4K rw- = ENOMEM\n"
                             "0 expect syscall_count 4\n",
                             1);
    static const struct {
        const char *kind;
        int compared, differ;
    } kinds[] = {
        {"address", 1, 0}, {"fresh", 4, 0}, {"hit", 3, 0},
        {"copy", 1, 1},    {"errno", 2, 1}, {"success", 1, 0},
        {"expect", 1, 0},  {"vma", 0, 0},   {"zero", 0, 0},
    };

    ck_assert_int_eq(integer_at(check, "compared_count"), 7);
    ck_assert_int_eq(integer_at(check, "mismatch_count"), 2);
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        const json_t *kind =
            json_object_get(json_object_get(check, "kinds"), kinds[i].kind);
        ck_assert_int_eq(integer_at(kind, "compared_count"), kinds[i].compared);
        ck_assert_int_eq(integer_at(kind, "mismatch_count"), kinds[i].differ);
        ck_assert_int_eq(integer_at(kind, "raced_count"), 0);
    }
    json_decref(check);
}
END_TEST

/* ---- differences ---- */

START_TEST(a_difference_shows_the_page_and_the_mappings_around_it)
{
    json_t *check = check_of("1 start stack=0x7ffffffff000\n"
                             "1 mmap A 16K rw- anon,private,fixed at=0x100000\n"
                             "1 mmap B 16K r-- anon,private,fixed at=0x200000\n"
                             "1 mmap C 16K rw- anon,private,fixed at=0x300000\n"
                             "1 mmap D 16K r-- anon,private,fixed at=0x400000\n"
                             "1 mmap E 16K rw- anon,private,fixed at=0x500000\n"
                             "1 w C+4K 4K = zero\n",
                             1);
    const json_t *difference =
        json_array_get(json_object_get(check, "differences"), 0);
    const json_t *vmas = json_object_get(difference, "vmas");
    const char *pte = json_string_value(json_object_get(difference, "pte"));

    ck_assert_int_eq(integer_at(difference, "line"), 8);
    ck_assert_int_eq(integer_at(difference, "vma_count"), 6);
    ck_assert_int_eq((int)json_array_size(vmas), 5);
    ck_assert(g_str_has_prefix(json_string_value(json_array_get(vmas, 2)),
                               "00300000-00304000 rw-p "));
    ck_assert_msg(g_str_has_prefix(pte, "0x301000 before: none, nor a page "
                                        "table; after: present,anon,write"),
                  "%s", pte);
    json_decref(check);
}
END_TEST

/* Bit 48 is not in the index of any table. */
START_TEST(a_place_beyond_user_space_has_no_page)
{
    json_t *check = check_of("1 start\n"
                             "1 mmap A 4K rw- anon at=0x10000 fixed\n"
                             "1 w A 4K\n"
                             "1 w 0x1000000010000 4K = hit\n",
                             1);
    const json_t *first =
        json_array_get(json_object_get(check, "differences"), 0);
    const char *pte = json_string_value(json_object_get(first, "pte"));

    ck_assert_msg(strstr(pte, "before: none, nor a page table"), "%s", pte);
    json_decref(check);
}
END_TEST

START_TEST(a_mapping_is_one_line_whatever_its_file_is_called)
{
    json_t *check = check_of("1 start\n"
                             "1 mmap A 4K r-- private file=a%FFb%0Ac\n"
                             "1 r A 4K = zero\n",
                             1);
    const json_t *vmas = json_object_get(
        json_array_get(json_object_get(check, "differences"), 0), "vmas");

    ck_assert_int_eq((int)json_array_size(vmas), 2);
    ck_assert(g_str_has_suffix(json_string_value(json_array_get(vmas, 0)),
                               " a\\xffb\\012c"));
    json_decref(check);
}
END_TEST

START_TEST(the_first_ten_differences_are_shown_in_order)
{
    g_autoptr(GString) lines =
        g_string_new("1 start\n1 mmap A 1M rw- anon,private\n1 thread 2\n");

    for (int i = 0; i < 50; i++)  // every other one waits for its neighbours
        g_string_append_printf(lines, "%s1 w A+%dK 4K = copy\n",
                               i % 2 ? "" : "@5+1/0 ", 4 * i);
    json_t *check = check_of(lines->str, 1);
    const json_t *differences = json_object_get(check, "differences");

    ck_assert_int_eq(integer_at(check, "mismatch_count"), 50);
    ck_assert_int_eq((int)json_array_size(differences), 10);
    for (size_t i = 0; i < 10; i++)
        ck_assert_int_eq(integer_at(json_array_get(differences, i), "event"),
                         4 + (int)i);
    ck_assert_int_eq(integer_at(check, "first.event"), 4);
    json_decref(check);
}
END_TEST

START_TEST(the_table_says_all_of_it)
{
    static const char *const words[] = {
        "check: 2 results compared, 1 differ, 0 raced\n",
        "recorded result                         compared",
        "total                                   recorded",
        "clears                                         7",
        "first difference: line 7: 1 w A 4K = copy: recorded copy, found hit*1",
        "    page 0x",
        "    around it, of 2 mappings:\n",
    };

    write_file("t", "#vmtrace 1\n"
                    "# recorded: faults=1 clears=7 copies=0\n"
                    "1 start\n"
                    "1 mmap A 64K rw- anon,private\n"
                    "1 w A 4K = fresh\n"
                    "# nothing\n"
                    "1 w A 4K = copy\n");
    struct outcome outcome = run_vmsim("replay", "t", "--check", NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
        ck_assert_msg(strstr(outcome.out, words[i]), "%s is not in\n%s",
                      words[i], outcome.out);
    ck_assert_int_eq(outcome.status, 1);
    outcome_clear(&outcome);
}
END_TEST

START_TEST(totals_stand_beside_those_of_the_recording)
{
    json_t *check = check_of("# recorded: faults=4 clears=5 pagetable_pages=9\n"
                             "1 start\n"
                             "1 mmap A 64K rw- anon,private\n"
                             "1 w A 16K = fresh\n",
                             0);

    ck_assert_int_eq(integer_at(check, "totals.faults.recorded"), 4);
    ck_assert_int_eq(integer_at(check, "totals.faults.found"), 4);
    ck_assert_int_eq(integer_at(check, "totals.clears.recorded"), 5);
    ck_assert_int_eq(integer_at(check, "totals.clears.found"), 4);
    ck_assert_int_eq(integer_at(check, "totals.pagetable_pages.recorded"), 9);
    ck_assert(json_is_null(json_object_get(
        json_object_get(json_object_get(check, "totals"), "copies"),
        "recorded")));
    json_decref(check);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("sim/check");
    TCase *tests = tcase_create("check");

    tcase_add_checked_fixture(tests, enter_folder, leave_folder);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests,
                        differences_that_a_race_explains_are_counted_apart, 0,
                        G_N_ELEMENTS(races));
    tcase_add_loop_test(tests, a_race_is_found_among_many_accesses, 0, 6);
    tcase_add_test(tests, results_are_counted_by_kind_and_touches_by_page);
    tcase_add_test(tests,
                   a_difference_shows_the_page_and_the_mappings_around_it);
    tcase_add_test(tests, a_mapping_is_one_line_whatever_its_file_is_called);
    tcase_add_test(tests, the_first_ten_differences_are_shown_in_order);
    tcase_add_test(tests, the_table_says_all_of_it);
    tcase_add_test(tests, totals_stand_beside_those_of_the_recording);
    tcase_add_test(tests, a_place_beyond_user_space_has_no_page);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
