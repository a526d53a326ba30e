/*
 * Who may have lines, and what a name means to whom.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/run_suite.h"
#include "tests/traces/loaded.h"

/* The line above which `A` was bound that the last event's address means; 0:
 * the trace is refused because nothing binds it. */
static uint64_t
line_of_meaning(const char *lines)
{
    char *message = NULL;
    g_autofree char *text = g_strconcat("#vmtrace 1\n", lines, NULL);
    struct trace *trace = load_bytes(text, strlen(text), &message);
    if (!trace) {
        ck_assert_msg(strstr(message, "region bound above"), "%s", message);
        g_free(message);
        return 0;
    }
    uint32_t binding = last_event(trace)->address.binding;
    uint64_t line = 0;
    for (unsigned i = 0; i < trace->events->len; i++) {
        if (trace_detail(trace, event_at(trace, i))->binds == binding)
            line = trace_event_line(trace, i);
    }
    trace_free(trace);
    return line;
}

#define MMAP_A(task) task " mmap A 4K rw- anon\n"

static const struct {
    const char *why, *lines;
    uint64_t line;
} meanings[] = {
    {"a use means the latest binding above it",
     "1 start\n" MMAP_A("1") MMAP_A("1") "1 r A 4K", 4},
    {"threads share names, the new one sees the old",
     "1 start\n" MMAP_A("1") "1 thread 2\n2 r A 4K", 3},
    {"threads share names, the old one sees the new",
     "1 start\n1 thread 2\n" MMAP_A("2") "1 r A 4K", 4},
    {"a fork copies the names", "1 start\n" MMAP_A("1") "1 fork 2\n2 r A 4K",
     3},
    {"what a child binds, its parent does not see",
     "1 start\n" MMAP_A("1") "1 fork 2\n" MMAP_A("2") "1 r A 4K", 3},
    {"what a parent binds after the fork, its child does not see",
     "1 start\n1 fork 2\n" MMAP_A("1") "2 r A 4K", 0},
    {"a grandchild has the names of both",
     "1 start\n" MMAP_A("1") "1 fork 2\n2 fork 3\n3 r A 4K", 3},
    {"a vfork child uses its parent's names",
     "1 start\n" MMAP_A("1") "1 vfork 2\n2 r A 4K", 3},
    {"what a vfork child binds, its parent sees",
     "1 start\n1 vfork 2\n" MMAP_A("2") "2 exit\n1 r A 4K", 4},
    {"what a parent binds, its vfork child sees",
     "1 start\n1 vfork 2\n" MMAP_A("1") "2 r A 4K", 4},
    {"exec empties the names", "1 start\n" MMAP_A("1") "1 exec x\n1 r A 4K", 0},
    {"exec of a vfork child leaves its parent's names",
     "1 start\n" MMAP_A("1") "1 vfork 2\n2 exec x\n1 r A 4K", 3},
    {"exec of a vfork child empties its own",
     "1 start\n" MMAP_A("1") "1 vfork 2\n2 exec x\n2 r A 4K", 0},
    {"a vfork child keeps the names when its parent execs",
     "1 start\n" MMAP_A("1") "1 vfork 2\n1 exec x\n2 r A 4K", 3},
    {"names outlive the thread that bound them",
     "1 start\n1 thread 2\n" MMAP_A("2") "2 exit\n1 r A 4K", 4},
    {"a new process has no names", "1 start\n" MMAP_A("1") "2 start\n2 r A 4K",
     0},
    {"an id that is used again has no names",
     "1 start\n" MMAP_A("1") "1 exit\n1 start\n1 r A 4K", 0},
    {"mremap of the whole region binds its name",
     "1 start\n" MMAP_A("1") "1 mremap A 4K 8K\n1 r A 4K", 4},
    {"mremap at A+0 binds A",
     "1 start\n" MMAP_A("1") "1 mremap A+0 4K 8K\n"
                             "1 r A 4K",
     4},
    {"mremap further up binds nothing",
     "1 start\n" MMAP_A("1") "1 mremap A+4K 4K 8K\n1 r A 4K", 3},
    {"mremap from the end may begin at the base: the run knows",
     "1 start\n" MMAP_A("1") "1 mremap A-4K 4K 8K\n1 r A 4K", 4},
    {"mremap with as= leaves the old name",
     "1 start\n" MMAP_A("1") "1 mremap A 4K 8K as=B\n1 r A 4K", 3},
    {"mremap with as= binds the new name",
     "1 start\n" MMAP_A("1") "1 mremap A 4K 8K as=B\n1 r B 4K", 4},
    {"a call that failed when recorded binds all the same",
     "1 start\n" MMAP_A("1") MMAP_A("1") "1 mmap A 4K rw- anon = ENOMEM\n"
                                         "1 r A 4K",
     5},
};

START_TEST(a_name_means_what_its_address_space_says)
{
    ck_assert_msg(line_of_meaning(meanings[_i].lines) == meanings[_i].line,
                  "%s: line %u", meanings[_i].why,
                  (unsigned)line_of_meaning(meanings[_i].lines));
}
END_TEST

START_TEST(a_binding_knows_what_the_name_meant_before)
{
    struct trace *trace = load_lines("1 start\n" MMAP_A("1") MMAP_A(
        "1") "1 fork 2\n" MMAP_A("2") "1 mremap A 4K 8K\n"
                                      "1 mremap A 4K 8K as=B");
    ck_assert_uint_eq(trace_detail(trace, event_at(trace, 1))->binds,
                      TRACE_BINDING_FIRST);
    ck_assert_uint_eq(trace_detail(trace, event_at(trace, 1))->rebinds,
                      TRACE_NONE);
    ck_assert_uint_eq(trace_detail(trace, event_at(trace, 2))->rebinds,
                      TRACE_BINDING_FIRST);
    ck_assert_uint_eq(trace_detail(trace, event_at(trace, 3))->binds,
                      TRACE_NONE);
    ck_assert_uint_eq(trace_detail(trace, event_at(trace, 4))->rebinds,
                      trace_detail(trace, event_at(trace, 2))->binds);
    ck_assert_uint_eq(trace_detail(trace, event_at(trace, 5))->rebinds,
                      trace_detail(trace, event_at(trace, 2))->binds);
    ck_assert_uint_eq(event_at(trace, 6)->address.binding,
                      trace_detail(trace, event_at(trace, 5))->binds);
    ck_assert_uint_eq(trace_detail(trace, event_at(trace, 6))->rebinds,
                      TRACE_NONE);
    ck_assert_uint_eq(trace->bindings->len, TRACE_BINDING_FIRST + 5);
    trace_free(trace);
}
END_TEST

START_TEST(heap_and_stack_exist_from_the_start_and_mremap_binds_neither)
{
    struct trace *trace =
        load_lines("1 start\n1 r heap 4K\n1 r stack-4K 4K\n1 r 0x1000 4K\n"
                   "1 exec x\n1 r stack 4K\n1 mremap heap 4K 8K");
    ck_assert_uint_eq(event_at(trace, 1)->address.binding, TRACE_BINDING_HEAP);
    ck_assert_uint_eq(event_at(trace, 2)->address.binding, TRACE_BINDING_STACK);
    ck_assert(event_at(trace, 2)->address.from_end);
    ck_assert_uint_eq(event_at(trace, 2)->address.offset, 4096);
    ck_assert_uint_eq(event_at(trace, 3)->address.binding,
                      TRACE_BINDING_ABSOLUTE);
    ck_assert_uint_eq(event_at(trace, 3)->address.offset, 0x1000);
    ck_assert_uint_eq(event_at(trace, 5)->address.binding, TRACE_BINDING_STACK);
    ck_assert_uint_eq(trace_detail(trace, event_at(trace, 6))->binds,
                      TRACE_NONE);
    trace_free(trace);
}
END_TEST

START_TEST(ids_are_reusable_and_each_life_is_a_task)
{
    struct trace *trace = load_lines("1 start\n1 fork 2\n2 exit\n1 wait 2\n"
                                     "1 thread 2\n1 wait 2\n2 work 1");
    ck_assert_uint_eq(trace->tasks->len, 3);
    ck_assert_uint_eq(event_at(trace, 1)->object, 1);
    ck_assert_uint_eq(event_at(trace, 3)->object, 1);
    ck_assert_uint_eq(event_at(trace, 4)->object, 2);
    ck_assert_uint_eq(event_at(trace, 5)->object, 2);
    ck_assert_uint_eq(event_at(trace, 6)->task, 2);
    const struct trace_task *tasks = (const void *)trace->tasks->data;
    ck_assert_uint_eq(tasks[0].parent, TRACE_NONE);
    ck_assert_uint_eq(tasks[1].parent, 0);
    ck_assert(!tasks[1].is_thread);
    ck_assert(tasks[2].is_thread);
    ck_assert_uint_eq(tasks[2].id, 2);
    trace_free(trace);
}
END_TEST

static const struct {
    const char *lines, *message;
} refused[] = {
    {"1 start\n1 thread 2\n2 exit-group\n1 work 1",
     "t.trace:5:1: expected a task that has not exited, found \"1\""},
    {"1 start\n1 thread 2\n1 thread 3\n2 exec x\n2 work 1\n1 work 1",
     "t.trace:7:1: expected a task that has not exited, found \"1\""},
    {"1 start\n1 thread 2\n1 thread 3\n1 exec x\n3 work 1",
     "t.trace:6:1: expected a task that has not exited, found \"3\""},
    {"1 start\n1 fork 2\n1 exit\n2 work 1\n1 work 1",
     "t.trace:6:1: expected a task that has not exited, found \"1\""},
    {"1 start\n1 thread 2\n1 start",
     "t.trace:4:1: expected the id of no living task, found \"1\""},
    {"1 start\n1 vfork 2\n1 vfork 2",
     "t.trace:4:9: expected the id of no living task, found \"2\""},
};

START_TEST(a_task_without_life_has_no_lines)
{
    g_autofree char *found = refuse_lines(refused[_i].lines);
    ck_assert_str_eq(found, refused[_i].message);
}
END_TEST

START_TEST(a_server_may_fork_ten_thousand_times_with_a_thousand_names)
{
    g_autoptr(GString) lines = g_string_new("1 start\n");
    for (unsigned i = 0; i < 1000; i++)
        g_string_append_printf(lines, "1 mmap r%u 4K rw- anon\n", i);
    for (unsigned i = 2; i < 10002; i++)
        g_string_append_printf(lines,
                               "1 fork %u\n%u mmap r%u 4K rw- anon\n"
                               "%u r r%u 4K\n",
                               i, i, i % 1000, i, (i + 1) % 1000);
    struct trace *trace = load_lines(lines->str);
    /* The child's own name is new, the others are the parent's. */
    ck_assert_uint_eq(last_event(trace)->address.binding,
                      TRACE_BINDING_FIRST + 2);
    ck_assert_uint_eq(trace->tasks->len, 10001);
    trace_free(trace);
}
END_TEST

START_TEST(an_undeclared_file_is_as_long_as_the_trace_maps_it)
{
    struct trace *trace =
        load_lines("0 file F 1K shmem cold\n1 start\n1 mmap A 8K r-- file=F\n"
                   "1 mmap B 5000 r-- file=G\n1 mmap C 4K r-- file=G,off=16K\n"
                   "1 mmap D 4K r-- file=G,off=0xfffffffffffff000\n"
                   "1 mmap E 4K r-- anon,off=1M");
    const struct trace_file *files = (const void *)trace->files->data;
    ck_assert_uint_eq(trace->files->len, 2);
    ck_assert_str_eq(trace_string(trace, files[0].name), "F");
    ck_assert_uint_eq(files[0].size_bytes, 1024);
    ck_assert(files[0].is_declared && files[0].is_shmem && files[0].is_cold);
    ck_assert_str_eq(trace_string(trace, files[1].name), "G");
    ck_assert_uint_eq(files[1].size_bytes, 20480);
    ck_assert(!files[1].is_declared && !files[1].is_shmem && !files[1].is_cold);
    ck_assert_uint_eq(event_at(trace, 4)->object, 1);
    trace_free(trace);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("tasks");
    TCase *tests = tcase_create("tasks");

    tcase_add_loop_test(tests, a_name_means_what_its_address_space_says, 0,
                        G_N_ELEMENTS(meanings));
    tcase_add_test(tests, a_binding_knows_what_the_name_meant_before);
    tcase_add_test(
        tests, heap_and_stack_exist_from_the_start_and_mremap_binds_neither);
    tcase_add_test(tests, ids_are_reusable_and_each_life_is_a_task);
    tcase_add_loop_test(tests, a_task_without_life_has_no_lines, 0,
                        G_N_ELEMENTS(refused));
    tcase_add_test(tests,
                   a_server_may_fork_ten_thousand_times_with_a_thousand_names);
    tcase_add_test(tests, an_undeclared_file_is_as_long_as_the_trace_maps_it);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
