/*
 * ebizzy: per allocator, what the process does before the first record, and
 * what every record of the steady state asks of the kernel.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/run_suite.h"
#include "tests/workloads/generated.h"

/* The lines from one `mark record` to the next, joined by "; ". */
static char *
record_text(const struct generated *generated, unsigned record)
{
    GString *text = g_string_new(NULL);
    unsigned marks = 0;
    char **line = generated->lines;

    for (; *line && marks <= record; line++) {
        if (marks == record)
            g_string_append_printf(text, "%s%s", text->len > 0 ? "; " : "",
                                   *line);
        if (g_str_has_suffix(*line, " mark record"))
            marks++;
    }
    return g_string_free(text, FALSE);
}

static const struct {
    const char *command;
    unsigned record;  // records before it
    const char *text;
} records[] = {
    {"ebizzy --threads 2", 2,
     "2 mmap dst0 512K rw- anon,private; 2 r chunk0 512K; 2 w dst0 512K; "
     "2 munmap dst0 512K; 2 mark record"},
    {"ebizzy --threads 2 --nozero --chunk-size 516K", 3,
     "3 mmap dst1 516K rw- anon,private,nozero; 3 r chunk0 516K; "
     "3 w dst1 516K; 3 munmap dst1 516K; 3 mark record"},
    {"ebizzy --threads 2 --allocator glibc-static", 2,
     "2 mmap dst0 516K rw- anon,private; 2 r chunk0+16 512K; "
     "2 w dst0+16 512K; 2 munmap dst0 516K; 2 mark record"},
    {"ebizzy --threads 2 --allocator glibc-static --chunk-size 64K", 2,
     "2 r heap+768 64K; 2 w arena0+2928 64K; 2 mark record"},
    {"ebizzy --threads 2 --allocator glibc-dynamic --work 7", 3,
     "3 r chunk0+16 512K; 3 w arena1+2928 512K; 3 work 7; 3 mark record"},
    {"ebizzy --threads 2 --allocator glibc-dynamic --chunk-size 32M", 2,
     "2 mmap dst0 32772K rw- anon,private; 2 r chunk0+16 32M; "
     "2 w dst0+16 32M; 2 munmap dst0 32772K; 2 mark record"},
    {"ebizzy --threads 2 --allocator jemalloc", 2,
     "2 reuse arena0+24K 512K; 2 r main0+28K 512K; 2 w arena0+24K 512K; "
     "2 purge arena0+24K 512K; 2 mark record"},
    {"ebizzy --threads 2 --allocator jemalloc --chunk-size 4M", 2,
     "2 reuse arena0+0 4M; 2 r main1+0 4M; 2 w arena0+0 4M; "
     "2 purge arena0+0 4M; 2 mark record"},
};

START_TEST(a_record_asks_what_the_allocator_asks)
{
    struct generated generated;

    generated_make(&generated, records[_i].command);
    g_autofree char *text = record_text(&generated, records[_i].record);
    ck_assert_str_eq(text, records[_i].text);
    generated_free(&generated);
}
END_TEST

START_TEST(only_the_first_record_of_dynamic_glibc_maps)
{
    struct generated generated;
    generated_make(&generated, "ebizzy --threads 2 --allocator glibc-dynamic");

    g_autofree char *grown = record_text(&generated, 2);
    ck_assert_str_eq(grown,
                     "2 mprotect arena0+132K 384K rw-; 2 r chunk0+16 512K; "
                     "2 w arena0+2928 512K; 2 mark record");
    ck_assert_uint_eq(generated_count(&generated, "mmap dst0"), 1);
    ck_assert_uint_eq(generated_count(&generated, "mmap dst1"), 0);
    ck_assert_uint_eq(generated_count(&generated, "mprotect arena0+132K"), 1);
    ck_assert_uint_eq(generated_count(&generated, "mprotect arena1+132K"), 1);
    generated_free(&generated);
}
END_TEST

START_TEST(the_process_allocates_fills_and_starts_its_threads)
{
    static const char *const expected[] = {
        "1 start uid=33 comm=ebizzy",
        "1 mmap table 16 rw- anon,private,nozero",
        "1 mmap chunk0 512K rw- anon,private,nozero",
        "1 mmap chunk1 512K rw- anon,private,nozero",
        "1 w table 16",
        "1 w chunk0 512K",
        "1 w chunk1 512K",
        "1 mmap stack0 8196K rw- anon,private,stack",
        "1 guard stack0 4K",
        "1 thread 2",
        "2 w stack0-8K 8K",
        "2 exit",
    };
    struct generated generated;

    generated_make(&generated, "ebizzy --uid 33 --chunks 2 --threads 1 "
                               "--records 0 --nozero");
    ck_assert_uint_eq(g_strv_length(generated.lines),
                      2 + G_N_ELEMENTS(expected));
    for (size_t i = 0; i < G_N_ELEMENTS(expected); i++)
        ck_assert_str_eq(generated.lines[i + 2], expected[i]);
    generated_free(&generated);
}
END_TEST

START_TEST(records_are_shared_round_robin)
{
    struct generated generated;

    generated_make(&generated, "ebizzy --threads 3 --records 100");
    ck_assert_uint_eq(generated_count(&generated, "mark record"), 100);
    ck_assert_uint_eq(generated_count(&generated, "mmap dst0"), 34);
    ck_assert_uint_eq(generated_count(&generated, "mmap dst1"), 33);
    ck_assert_uint_eq(generated_count(&generated, "mmap dst2"), 33);
    ck_assert_uint_eq(generated_count(&generated, "thread"), 3);
    ck_assert_uint_eq(generated_count(&generated, "exit"), 3);
    generated_free(&generated);
}
END_TEST

START_TEST(jemalloc_purges_once_per_record_and_packs_its_chunks)
{
    struct generated generated;

    generated_make(&generated,
                   "ebizzy --threads 4 --records 100 --allocator jemalloc");
    ck_assert_uint_eq(generated_count(&generated, "reuse"), 100);
    ck_assert_uint_eq(generated_count(&generated, "purge"), 100);
    ck_assert_uint_eq(generated_count(&generated, "munmap"), 0);
    /* The table and 7 chunks fit beside a header of 24K, then 3 more. */
    ck_assert_uint_eq(generated_count(&generated, "w main0+3100K 512K"), 1);
    ck_assert_uint_eq(generated_count(&generated, "w main1+24K 512K"), 1);
    ck_assert_uint_eq(generated_count(&generated, "mmap main0 4M"), 1);
    ck_assert_uint_eq(generated_count(&generated, "mmap main1 4M"), 1);
    ck_assert_uint_eq(generated_count(&generated, "mmap main2 4M"), 0);
    generated_free(&generated);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("ebizzy");
    TCase *tests = tcase_create("ebizzy");

    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, a_record_asks_what_the_allocator_asks, 0,
                        G_N_ELEMENTS(records));
    tcase_add_test(tests, only_the_first_record_of_dynamic_glibc_maps);
    tcase_add_test(tests, the_process_allocates_fills_and_starts_its_threads);
    tcase_add_test(tests, records_are_shared_round_robin);
    tcase_add_test(tests, jemalloc_purges_once_per_record_and_packs_its_chunks);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
