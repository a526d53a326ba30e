/*
 * What the generators write: their first lines, how many lines of each kind,
 * and that a reader accepts all of it.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/run_suite.h"
#include "tests/workloads/generated.h"
#include "traces/trace.h"

/* Small commands that between them reach every line a generator can write. */
static const char *const commands[] = {
    "ebizzy --records 9 --chunks 3",
    "ebizzy --records 9 --nozero --work 1000",
    "ebizzy --records 9 --chunks 3 --allocator glibc-static",
    "ebizzy --records 9 --chunks 9 --allocator glibc-static --chunk-size 100K",
    "ebizzy --records 9 --chunks 3 --allocator glibc-dynamic",
    "ebizzy --records 9 --chunks 3 --allocator glibc-dynamic --chunk-size 33M",
    "ebizzy --records 9 --chunks 20 --allocator jemalloc",
    "ebizzy --records 9 --chunks 2 --allocator jemalloc --chunk-size 9M",
    "ebizzy --records 0 --threads 1 --chunks 1 --chunk-size 8",
    "nptl-stacks --threads 50",
    "nptl-stacks --threads 5 --guard-size 0",
    "nptl-stacks --threads 0",
    "fork-tree --levels 0",
    "fork-tree --levels 5",
    "fork-tree --levels 5 --slice 10",
    "fork-tree --levels 0 --slice 10",
    "sparse --write-fraction 0",
    "sparse --write-fraction 0.37 --size 1000000",
    "sparse --shuffle --processes 2 --fork --nozero --size 1M",
    "users --size 64K",
    "kernel-build --units 6",
    "kernel-build --units 3 --jobs 5 --nozero",
    "kernel-build --units 0",
    "snapshot --size 1M",
    "snapshot --size 1000000 --write-fraction 0",
    "brk-pingpong --rounds 5",
    "brk-pingpong --rounds 5 --nozero --first 1 --second 100K",
};

START_TEST(a_reader_accepts_every_line)
{
    struct generated generated;
    g_autoptr(GError) error = NULL;

    generated_make(&generated, commands[_i]);
    struct trace *trace = trace_load(generated.path, &error);
    ck_assert_msg(trace, "%s", error ? error->message : "");
    ck_assert_uint_eq(trace->events->len, g_strv_length(generated.lines) - 2);
    ck_assert_int_eq(trace->touches, TRACE_TOUCHES_ACCESSES);
    trace_free(trace);
    generated_free(&generated);
}
END_TEST

static void
check_lines(const char *command, const char *const *expected)
{
    struct generated generated;

    generated_make(&generated, command);
    for (size_t i = 0; expected[i]; i++) {
        ck_assert_uint_lt(i + 2, g_strv_length(generated.lines));
        ck_assert_str_eq(generated.lines[i + 2], expected[i]);
    }
    generated_free(&generated);
}

START_TEST(stacks_carry_their_guard_and_end_in_reverse)
{
    static const char *const expected[] = {
        "1 start comm=nptl-stacks",
        "1 mmap S1 1M rw- anon,private,stack",
        "1 guard S1 4K",
        "1 thread 2",
        "2 w S1-8K 8K",
        "2 mmap S2 1M rw- anon,private,stack",
        "2 guard S2 4K",
        "2 thread 3",
        "3 w S2-8K 8K",
        "3 mark all-alive",
        "3 exit",
        "2 munmap S2 1M",
        "2 exit",
        "1 munmap S1 1M",
        NULL,
    };
    struct generated generated;

    check_lines("nptl-stacks --threads 2", expected);

    generated_make(&generated, "nptl-stacks --guard-size 0");
    ck_assert_uint_eq(generated_count(&generated, "guard"), 0);
    ck_assert_uint_eq(generated_count(&generated, "mmap"), 1000);
    ck_assert_uint_eq(generated_count(&generated, "thread"), 1000);
    ck_assert_uint_eq(generated_count(&generated, "munmap"), 1000);
    generated_free(&generated);
}
END_TEST

START_TEST(users_take_turns_and_each_turn_recycles_its_own_frames)
{
    static const char *const expected[] = {
        "1 start uid=1000 comm=users",
        "1 mmap first 64K rw- anon,private,nozero",
        "1 w first 64K",
        "1 r first 64K",
        "1 munmap first 64K",
        "1 mmap second 64K rw- anon,private,nozero",
        "1 w second 64K",
        "1 w second 64K",
        "1 mark turn",
        "1 exit",
        "2 start uid=1001 comm=users",
        NULL,
    };
    struct generated generated;

    check_lines("users --size 64K", expected);

    generated_make(&generated, "users --uids 3 --rounds 5 --size 64K");
    ck_assert_uint_eq(generated_count(&generated, "start uid=1000"), 5);
    ck_assert_uint_eq(generated_count(&generated, "start uid=1002"), 5);
    ck_assert_uint_eq(generated_count(&generated, "exit"), 15);
    ck_assert_uint_eq(generated_peak(&generated), 1);
    generated_free(&generated);
}
END_TEST

START_TEST(a_heap_grows_once_and_is_trimmed_twice_per_round)
{
    static const char *const expected[] = {
        "1 start uid=1000 comm=brk-pingpong",
        "1 brk 132K",
        "1 w heap 4K",
        "1 w heap+672 120000",
        "1 brk 344K",
        "1 w heap+120688 100000",
        "1 brk 248K",
        "1 brk 132K",
        "1 mark round",
        "1 w heap+672 120000",
        NULL,
    };
    struct generated generated;

    check_lines("brk-pingpong", expected);

    generated_make(&generated, "brk-pingpong --rounds 100");
    ck_assert_uint_eq(generated_count(&generated, "brk"), 301);
    ck_assert_uint_eq(generated_count(&generated, "mark round"), 100);
    generated_free(&generated);

    generated_make(&generated, "brk-pingpong --rounds 10 --nozero");
    ck_assert_uint_eq(generated_count(&generated, "brk 132K nozero"), 11);
    generated_free(&generated);
}
END_TEST

/* Pages that lines of one kind name, `event` being all before the size. */
static uint64_t
sum_pages(const struct generated *generated, const char *event)
{
    uint64_t kib = 0;

    for (char **line = generated->lines; *line; line++) {
        char *found = strstr(*line, event);
        if (found)
            kib += g_ascii_strtoull(strrchr(found, ' ') + 1, NULL, 10);
    }
    return kib / 4;
}

START_TEST(a_build_compiles_each_unit_in_a_process_of_usual_size)
{
    struct generated generated;

    generated_make(&generated, "kernel-build --units 100 --jobs 8");
    ck_assert_uint_eq(generated_count(&generated, "vfork"), 100);
    ck_assert_uint_eq(generated_count(&generated, "exec cc1"), 100);
    ck_assert_uint_eq(generated_count(&generated, "exit"), 100);
    ck_assert_uint_eq(generated_count(&generated, "mark unit"), 100);
    uint64_t pages =
        sum_pages(&generated, " w heap+") + sum_pages(&generated, " w pool ");
    ck_assert_uint_gt(pages, 100 * 4000);
    ck_assert_uint_lt(pages, 100 * 6000);
    generated_free(&generated);
}
END_TEST

START_TEST(a_snapshot_is_read_whole_and_the_same_pages_written_twice)
{
    struct generated generated;

    generated_make(&generated, "snapshot --size 1M --write-fraction 0.125 "
                               "--rounds 3");
    ck_assert_uint_eq(generated_count(&generated, "fork"), 3);
    ck_assert_uint_eq(sum_pages(&generated, " r data+"), 3 * 256);
    ck_assert_uint_eq(sum_pages(&generated, " w data+"), 3 * 2 * 32);

    uint64_t during = 0, after = 0;  // sums of what was written
    bool child_lives = false;
    for (char **line = generated.lines; *line; line++) {
        if (strstr(*line, " fork "))
            child_lives = true;
        else if (g_str_has_suffix(*line, " exit"))
            child_lives = false;
        else if (g_str_has_prefix(*line, "1 w data+"))
            *(child_lives ? &during : &after) += g_str_hash(*line);
    }
    ck_assert_uint_gt(during, 0);
    ck_assert_uint_eq(during, after);
    generated_free(&generated);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("generators");
    TCase *tests = tcase_create("generators");

    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, a_reader_accepts_every_line, 0,
                        G_N_ELEMENTS(commands));
    tcase_add_test(tests, stacks_carry_their_guard_and_end_in_reverse);
    tcase_add_test(tests,
                   users_take_turns_and_each_turn_recycles_its_own_frames);
    tcase_add_test(tests, a_heap_grows_once_and_is_trimmed_twice_per_round);
    tcase_add_test(tests,
                   a_build_compiles_each_unit_in_a_process_of_usual_size);
    tcase_add_test(tests,
                   a_snapshot_is_read_whole_and_the_same_pages_written_twice);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
