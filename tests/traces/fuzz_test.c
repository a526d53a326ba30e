/*
 * Whatever the bytes, a trace loads or is refused with a place; what loads
 * survives writing and reading.  Seeded: every run tries the same bytes.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/run_suite.h"
#include "tests/traces/loaded.h"
#include "tests/traces/random.h"

static const char *const seeds[] = {
    "0 file lib%20x 64K shmem,cold",
    "0 expect fault_count 12",
    "0 hog 2G",
    "@5+10/2 4 start uid=1000 comm=x mmap-base=0x7f00 rlimit-stack=8M",
    "1 mmap B 512K rw- anon,private,nozero at=A+4K fixed = 0x1000 "
    "vma=0x1-0x2",
    "2 map C 4K r-x at=0x400000 private file=prog,off=8K",
    "1 munmap A-4K 0x1000 = EINVAL",
    "1 mremap A 64K 1M maymove as=D",
    "1 madvise A 64K populate-write",
    "1 brk 132K nozero",
    "1 vrange A 64K volatile,partial",
    "1 remap_file_pages A+8K 4K 3",
    "1 w A 64K stride=8K kernel = fresh*12,hit*4",
    "1 fork 4",
    "1 vfork 5",
    "1 thread 6",
    "2 exec a%20b stack=0x10",
    "2 exit-group",
    "1 wait 2 = ECHILD",
    "1 setuid 33",
    "1 barrier go 8",
    "1 mark \xc3\xa9 # comment",
    "#touches faults 6.18",
};

static const char *const pieces[] = {
    " ",
    ",",
    "=",
    "#",
    "%",
    "%00",
    "@",
    "/",
    "+",
    "-",
    "*",
    "0x",
    "99999999999999999999",
    "K",
    "T",
    "\t",
    "\r",
    "\x7f",
    "\xff",
    "\xc3",
    "heap",
    "stack",
    "A",
    "B",
    "anon",
    "at=",
    "as=",
    "file=",
    "fixed",
    "0",
    "1",
    "18446744073709551615",
    "= 0",
    "\n",
    "rw-",
    "volatile",
    "1 exit\n",
    "2 exec x\n",
    "1 fork 9\n",
};

/* Insert a piece, remove, repeat or change bytes. */
static void
mutate(GString *text, uint64_t *state)
{
    gssize at = (gssize)random_below(state, (uint32_t)text->len + 1);
    gssize length = (gssize)random_below(state, 6);
    length = MIN(length, (gssize)text->len - at);
    g_autofree char *part = g_strndup(text->str + at, (gsize)length);
    switch (random_below(state, 4)) {
    case 0:
        g_string_insert(text, at,
                        pieces[random_below(state, G_N_ELEMENTS(pieces))]);
        break;
    case 1:
        g_string_erase(text, at, length);
        break;
    case 2:
        g_string_insert_len(text, at, part, (gssize)strlen(part));
        break;
    default:
        if (length > 0)
            text->str[at] = (char)next_random(state);
    }
}

static void
check_outcome(struct trace *trace, char *message)
{
    if (!trace) {
        ck_assert_msg(g_str_has_prefix(message, "t.trace:") &&
                          strstr(message, ": expected ") &&
                          strstr(message, ", found "),
                      "%s", message);
        ck_assert_ptr_null(strchr(message, '\n'));
        ck_assert(g_utf8_validate(message, -1, NULL));
        g_free(message);
        return;
    }
    g_autoptr(GString) again = g_string_new(NULL);
    if (trace->touches == TRACE_TOUCHES_FAULTS)
        g_string_append_printf(again, "#touches faults %s\n",
                               trace->touches_kernel);
    for (unsigned i = 0; i < trace->comments->len; i++)
        g_string_append_printf(
            again, "%s\n", (const char *)g_ptr_array_index(trace->comments, i));
    for (unsigned i = 0; i < trace->events->len; i++) {
        trace_format_event(trace, event_at(trace, i), again);
        g_string_append_c(again, '\n');
    }
    struct trace *second = load_lines(again->str);
    assert_equal_traces(trace, second);
    trace_free(second);
    trace_free(trace);
}

static void
try_mutated_lines(uint64_t seed)
{
    char *message = NULL;
    uint64_t state = seed;
    g_autoptr(GString) lines = g_string_new(NULL);
    unsigned line_count = 1 + random_below(&state, 4);
    for (unsigned i = 0; i < line_count; i++)
        g_string_append_printf(
            lines, "%s\n", seeds[random_below(&state, G_N_ELEMENTS(seeds))]);
    for (unsigned i = random_below(&state, 4); i > 0; i--)
        mutate(lines, &state);
    g_autoptr(GString) text =
        g_string_new("#vmtrace 1\n1 start\n1 mmap A 64K rw- anon\n1 fork 2\n");
    g_string_append_len(text, lines->str, (gssize)lines->len);
    struct trace *trace = load_bytes(text->str, text->len, &message);
    check_outcome(trace, message);
}

static const char *const touches[] = {
    "1 w A+4K 4K",
    "1 r A-12345678K 4K",
    "2 x stack-4K 8192 = zero",
    "@5+10/2 1 w heap+123456789 4K = fresh",
    "@12345678901234 2 r A 1T",
    "2 w a_name.of_many_letters_1+1G 4K = copy",
    "1 w a_name.of_23_letters__1 4K",
    "1 mmap a_name.of_23_letters__1 4K rw- anon",
    "1 r A.1+18446744073709551615 4K",
    "1 w A+4K 4K = fresh*2,hit*3",
    "1 mmap A 64K rw- anon",
    "1 mmap A.1 64K rw- anon",
    "2 mmap a_name.of_many_letters_1 64K rw- anon",
    "2 mremap A 64K 1M",
    "2 exec x",
    "2 exit",
    "1 fork 2",
    "1 vfork 2",
};

/* A blank before it makes any line one that is not read at once. */
static struct trace *
load_indented(const GString *text, char **message)
{
    g_autoptr(GString) indented = g_string_new(NULL);
    for (size_t i = 0; i < text->len; i++) {
        g_string_append_c(indented, text->str[i]);
        if (text->str[i] == '\n')
            g_string_append_c(indented, ' ');
    }
    return load_bytes(indented->str, indented->len, message);
}

/* The message as it would be had the line no blank before it. */
static char *
without_indent(const char *message)
{
    unsigned line, column;
    int length;
    ck_assert_int_eq(
        sscanf(message, "t.trace:%u:%u%n", &line, &column, &length), 2);
    return g_strdup_printf("t.trace:%u:%u%s", line, column - 1,
                           message + length);
}

static void
try_touches(uint64_t seed)
{
    char *message = NULL, *indented_message = NULL;
    uint64_t state = seed;
    g_autoptr(GString) lines = g_string_new(NULL);
    g_autofree char *blanks = g_strnfill(200, ' ');
    for (unsigned i = 2 + random_below(&state, 12); i > 0; i--)
        g_string_append_printf(
            lines, "%s\n",
            touches[random_below(&state, G_N_ELEMENTS(touches))]);
    for (unsigned i = random_below(&state, 3); i > 0; i--)
        mutate(lines, &state);
    g_string_prepend(lines,
                     "#vmtrace 1\n1 start\n1 mmap A 64K rw- anon\n1 fork 2\n");
    g_string_append_printf(lines, "\n%s\n", blanks);
    struct trace *fast = load_bytes(lines->str, lines->len, &message);
    struct trace *slow = load_indented(lines, &indented_message);
    ck_assert_msg(!fast == !slow, "%s\n%s%s", lines->str, fast ? "" : message,
                  slow ? "" : indented_message);
    if (fast)
        assert_equal_traces(fast, slow);
    for (uint64_t i = 0; fast && i < fast->event_count; i++)
        ck_assert_uint_eq(trace_event_line(fast, i), trace_event_line(slow, i));
    g_autofree char *expected = fast ? NULL : without_indent(indented_message);
    ck_assert_pstr_eq(message, expected);
    g_free(message);
    g_free(indented_message);
    trace_free(fast);
    trace_free(slow);
}

enum { BATCHES = 8, SEEDS_PER_BATCH = 1000 };

START_TEST(touches_read_at_once_are_what_each_line_says)
{
    for (unsigned i = 0; i < SEEDS_PER_BATCH; i++)
        try_touches(i);
}
END_TEST

START_TEST(a_mutated_trace_loads_or_is_refused)
{
    for (unsigned i = 0; i < SEEDS_PER_BATCH; i++)
        try_mutated_lines((uint64_t)_i * SEEDS_PER_BATCH + i);
}
END_TEST

START_TEST(random_bytes_behind_the_first_line_are_refused)
{
    uint64_t state = 42;
    for (unsigned round = 0; round < 500; round++) {
        char *message = NULL;
        g_autoptr(GString) text = g_string_new("#vmtrace 1\n");
        for (unsigned i = random_below(&state, 200); i > 0; i--)
            g_string_append_c(text, (char)next_random(&state));
        g_string_append(text, "\n?\n");
        ck_assert_ptr_null(load_bytes(text->str, text->len, &message));
        check_outcome(NULL, message);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("fuzz");
    TCase *tests = tcase_create("fuzz");

    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, a_mutated_trace_loads_or_is_refused, 0, BATCHES);
    tcase_add_test(tests, touches_read_at_once_are_what_each_line_says);
    tcase_add_test(tests, random_bytes_behind_the_first_line_are_refused);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
