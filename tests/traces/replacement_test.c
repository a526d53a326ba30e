/*
 * A file that replaces another appears whole or not at all, and nothing stays
 * beside it.
 */
#include "traces/replacement.h"

#include <check.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "tests/run_suite.h"
#include "tests/traces/loaded.h"

static char *folder, *path;

static void
set_up(void)
{
    folder = make_folder();
    path = g_build_filename(folder, "r.jsonl", NULL);
}

static void
tear_down(void)
{
    remove_folder(folder);
    g_free(path);
}

/* The names in the folder, which the caller frees. */
static char *
list(void)
{
    g_autoptr(GString) names = g_string_new(NULL);
    GDir *dir = g_dir_open(folder, 0, NULL);
    const char *name;
    while ((name = g_dir_read_name(dir)))
        g_string_append_printf(names, "%s ", name);
    g_dir_close(dir);
    return g_string_free(g_steal_pointer(&names), FALSE);
}

static void
assert_list(const char *expected)
{
    g_autofree char *names = list();
    ck_assert_str_eq(names, expected);
}

static struct replacement
begin(const char *text)
{
    struct replacement file;
    ck_assert(replacement_open(&file, path));
    ck_assert_int_eq(write(file.fd, text, strlen(text)), (int)strlen(text));
    return file;
}

static void
assert_text(const char *expected)
{
    g_autofree char *text = NULL;
    ck_assert(g_file_get_contents(path, &text, NULL, NULL));
    ck_assert_str_eq(text, expected);
}

START_TEST(it_has_no_name_until_it_is_whole)
{
    struct replacement file = begin("old");
    assert_list("");
    ck_assert(replacement_appear(&file));
    file = begin("new");
    assert_list("r.jsonl ");
    assert_text("old");
    ck_assert(replacement_appear(&file));
    assert_list("r.jsonl ");
    assert_text("new");
}
END_TEST

START_TEST(what_is_dropped_leaves_nothing)
{
    struct replacement file = begin("text");
    replacement_drop(&file);
    assert_list("");
}
END_TEST

/* As a command that is killed between naming and renaming leaves it. */
START_TEST(what_was_left_under_the_name_goes)
{
    struct replacement file = begin("new");
    ck_assert(g_file_set_contents(file.temporary, "left", -1, NULL));
    ck_assert(replacement_appear(&file));
    assert_list("r.jsonl ");
    assert_text("new");
}
END_TEST

START_TEST(of_two_writers_the_last_to_end_wins)
{
    struct replacement first = begin("first"), second = begin("second");
    ck_assert_str_eq(first.temporary, second.temporary);
    ck_assert(replacement_appear(&second));
    assert_text("second");
    ck_assert(replacement_appear(&first));
    assert_text("first");
    assert_list("r.jsonl ");
}
END_TEST

enum { WRITERS = 4, ROUNDS = 200 };

static gpointer
write_again_and_again(gpointer text)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct replacement file;
        if (!replacement_open(&file, path))
            return g_strdup(g_strerror(errno));
        ssize_t written = write(file.fd, text, strlen(text));
        if (!replacement_appear(&file) || written < 0)
            return g_strdup(g_strerror(errno));
    }
    return NULL;
}

START_TEST(many_writers_at_once_all_succeed)
{
    GThread *threads[WRITERS];
    for (unsigned i = 0; i < WRITERS; i++)
        threads[i] = g_thread_new(NULL, write_again_and_again,
                                  (gpointer)(i % 2 ? "odd" : "even"));
    for (unsigned i = 0; i < WRITERS; i++)
        ck_assert_pstr_eq(g_thread_join(threads[i]), NULL);
    assert_list("r.jsonl ");
    g_autofree char *text = NULL;
    ck_assert(g_file_get_contents(path, &text, NULL, NULL));
    ck_assert(strcmp(text, "odd") == 0 || strcmp(text, "even") == 0);
}
END_TEST

START_TEST(a_folder_cannot_be_replaced_and_nothing_is_left)
{
    struct replacement file = begin("text");
    ck_assert_int_eq(g_mkdir(path, 0755), 0);
    ck_assert(!replacement_appear(&file));
    ck_assert_int_eq(errno, EISDIR);
    assert_list("r.jsonl ");
    ck_assert_int_eq(g_rmdir(path), 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("replacement");
    TCase *tests = tcase_create("replacement");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, it_has_no_name_until_it_is_whole);
    tcase_add_test(tests, what_is_dropped_leaves_nothing);
    tcase_add_test(tests, what_was_left_under_the_name_goes);
    tcase_add_test(tests, of_two_writers_the_last_to_end_wins);
    tcase_add_test(tests, many_writers_at_once_all_succeed);
    tcase_add_test(tests, a_folder_cannot_be_replaced_and_nothing_is_left);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
