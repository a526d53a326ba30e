/*
 * Rewriting: which events change, and into what.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/run_suite.h"
#include "tests/traces/loaded.h"
#include "traces/trace_rewrite.h"

/* Rewrite the lines and compare the events as canonical text. */
static void
assert_rewrites(unsigned rules, const char *lines, const char *header,
                const char *expected)
{
    struct trace *trace = load_lines(lines);
    g_autoptr(GString) text = g_string_new(NULL);
    trace_rewrite(trace, rules);
    for (guint i = 0; i < trace->events->len; i++) {
        trace_format_event(trace, event_at(trace, i), text);
        g_string_append_c(text, '\n');
    }
    ck_assert_str_eq(trace->rewrite, header);
    ck_assert_str_eq(text->str, expected);
    ck_assert_uint_eq(trace->event_count, trace->events->len);
    trace_free(trace);
}

#define START                                                                  \
    "1 start\n"                                                                \
    "1 mmap A 64K rw- anon,private\n"

START_TEST(what_is_given_up_is_purged_and_reused_before_its_next_touch)
{
    assert_rewrites(TRACE_RULE_PURGE,
                    START "1 w A 64K\n"
                          "1 madvise A+16K 16K dontneed = 0\n"
                          "1 w A 16K\n"
                          "@9/1 1 w A+24K 4K kernel = fresh\n"
                          "1 w A+16K 8K",
                    "purge",
                    START "1 w A 64K\n"
                          "1 purge A+16K 16K = 0\n"
                          "1 w A 16K\n"
                          "@9/1 1 reuse A+16K 16K\n"
                          "@9/1 1 w A+24K 4K kernel = fresh\n"
                          "1 w A+16K 8K\n");
}
END_TEST

START_TEST(only_private_anonymous_memory_is_purged)
{
    static const char lines[] = START "1 mmap S 64K rw- anon,shared\n"
                                      "1 mmap F 64K rw- private file=f\n"
                                      "1 madvise S 4K dontneed\n"
                                      "1 madvise F 4K dontneed\n"
                                      "1 madvise A 4K cold\n"
                                      "1 madvise A 4K free = EINVAL\n"
                                      "1 munmap A 4K\n"
                                      "1 madvise A 8K dontneed\n";
    g_autofree char *without_end = g_strndup(lines, strlen(lines) - 1);

    assert_rewrites(TRACE_RULE_PURGE, without_end, "purge", lines);
}
END_TEST

START_TEST(a_rewritten_free_is_remembered)
{
    assert_rewrites(TRACE_RULE_PURGE | TRACE_RULE_GUARD,
                    START "1 madvise A 4K free", "purge:free,guard",
                    START "1 purge A 4K\n");
}
END_TEST

START_TEST(a_purge_lives_on_in_forked_children_and_ends_with_its_mapping)
{
    assert_rewrites(TRACE_RULE_PURGE,
                    START "1 madvise A 4K dontneed\n"
                          "1 madvise A+8K 4K dontneed\n"
                          "1 fork 2\n"
                          "1 munmap A+8K 4K\n"
                          "1 mmap A 64K rw- anon,private,fixed at=A\n"
                          "1 w A 64K\n"
                          "2 r A 64K",
                    "purge",
                    START "1 purge A 4K\n"
                          "1 purge A+8K 4K\n"
                          "1 fork 2\n"
                          "1 munmap A+8K 4K\n"
                          "1 mmap A 64K rw- anon,private,fixed at=A\n"
                          "1 w A 64K\n"
                          "2 reuse A 4K\n"
                          "2 reuse A+8K 4K\n"
                          "2 r A 64K\n");
}
END_TEST

START_TEST(heap_and_stack_can_be_purged)
{
    assert_rewrites(TRACE_RULE_PURGE,
                    "1 start\n"
                    "1 brk 64K\n"
                    "1 madvise heap+4K 8K dontneed\n"
                    "1 madvise stack-64K 8K dontneed\n"
                    "1 w heap+8K 4K\n"
                    "1 w stack-60K 4K",
                    "purge",
                    "1 start\n"
                    "1 brk 64K\n"
                    "1 purge heap+4K 8K\n"
                    "1 purge stack-64K 8K\n"
                    "1 reuse heap+4K 8K\n"
                    "1 w heap+8K 4K\n"
                    "1 reuse stack-64K 8K\n"
                    "1 w stack-60K 4K\n");
}
END_TEST

START_TEST(every_way_to_a_guarded_stack_becomes_a_guard)
{
    assert_rewrites(TRACE_RULE_GUARD,
                    "1 start\n"
                    "1 mmap S 64K rw- anon,private,stack\n"
                    "1 mprotect S 4K ---\n"
                    "1 mmap T 68K --- anon,private,stack\n"
                    "1 work 5\n"
                    "1 mprotect T+4K 64K rw-\n"
                    "1 mmap U 64K rw- anon,private,stack\n"
                    "1 madvise U 8K guard-install = 0\n"
                    "1 mmap V 64K --- anon,private\n"
                    "1 mprotect V+4K 60K rw-",
                    "guard",
                    "1 start\n"
                    "1 mmap S 64K rw- anon,private,stack\n"
                    "1 guard S 4K\n"
                    "1 mmap T 68K rw- anon,private,stack\n"
                    "1 work 5\n"
                    "1 guard T 4K\n"
                    "1 mmap U 64K rw- anon,private,stack\n"
                    "1 guard U 8K = 0\n"
                    "1 mmap V 64K --- anon,private\n"
                    "1 mprotect V+4K 60K rw-\n");
}
END_TEST

START_TEST(nozero_asks_for_private_anonymous_memory_uncleared)
{
    assert_rewrites(TRACE_RULE_NOZERO,
                    "#rewrite guard\n"
                    "1 start\n"
                    "1 mmap A 4K rw- anon,private\n"
                    "1 mmap S 4K rw- anon,shared\n"
                    "1 mmap F 4K rw- private file=f\n"
                    "1 brk 4K",
                    "guard,nozero",
                    "1 start\n"
                    "1 mmap A 4K rw- anon,private,nozero\n"
                    "1 mmap S 4K rw- anon,shared\n"
                    "1 mmap F 4K rw- private file=f\n"
                    "1 brk 4K nozero\n");
}
END_TEST

START_TEST(rules_are_words_with_commas)
{
    const char *unknown = NULL;

    ck_assert_uint_eq(trace_rules_parse("nozero,purge", &unknown),
                      TRACE_RULE_NOZERO | TRACE_RULE_PURGE);
    ck_assert_uint_eq(trace_rules_parse("guard", &unknown), TRACE_RULE_GUARD);
    ck_assert_uint_eq(trace_rules_parse("guard,zero", &unknown), 0);
    ck_assert_str_eq(unknown, "zero");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("rewrite");
    TCase *tests = tcase_create("rewrite");

    tcase_add_test(tests,
                   what_is_given_up_is_purged_and_reused_before_its_next_touch);
    tcase_add_test(tests, only_private_anonymous_memory_is_purged);
    tcase_add_test(tests, a_rewritten_free_is_remembered);
    tcase_add_test(
        tests, a_purge_lives_on_in_forked_children_and_ends_with_its_mapping);
    tcase_add_test(tests, heap_and_stack_can_be_purged);
    tcase_add_test(tests, every_way_to_a_guarded_stack_becomes_a_guard);
    tcase_add_test(tests, nozero_asks_for_private_anonymous_memory_uncleared);
    tcase_add_test(tests, rules_are_words_with_commas);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
