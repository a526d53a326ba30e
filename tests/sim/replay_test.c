/*
 * From events to calls: names, death, clocks, CPUs and --check.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/run_suite.h"
#include "tests/sim/program.h"

static json_t *
replay_text(const char *text)
{
    write_file("t", text);
    return replay_result("t", NULL);
}

static json_int_t
counter(const json_t *result, const char *name)
{
    return json_integer_value(
        json_object_get(json_object_get(result, "counters"), name));
}

START_TEST(touches_of_a_region_count_as_the_table_says)
{
    json_t *result = replay_text("#vmtrace 1\n"
                                 "1 start\n"
                                 "1 mmap A 8K rw- anon,private\n"
                                 "1 r A 8K\n"
                                 "1 w A 8K\n"
                                 "1 w A 8K\n"
                                 "1 fork 2\n"
                                 "2 w A 4K\n"
                                 "1 w A 4K\n"
                                 "1 r 0x1000 4K\n");

    ck_assert_int_eq(counter(result, "fault_zero_map_count"), 2);
    ck_assert_int_eq(counter(result, "fault_zero_break_count"), 2);
    ck_assert_int_eq(counter(result, "fault_cow_copy_count"), 1);
    ck_assert_int_eq(counter(result, "fault_cow_reuse_count"), 1);
    ck_assert_int_eq(counter(result, "fault_segv_count"), 1);
    ck_assert_int_eq(counter(result, "fault_count"), 7);
    ck_assert_int_eq(counter(result, "touch_count"), 9);
    ck_assert_int_eq(counter(result, "clear_page_count"), 2);
    json_decref(result);
}
END_TEST

START_TEST(a_name_means_its_latest_successful_binding)
{
    /* B fails and keeps the first meaning; the second C is another place. */
    json_t *result = replay_text("#vmtrace 1\n"
                                 "1 start\n"
                                 "1 mmap B 4K rw- anon,private\n"
                                 "1 mmap B 0 rw- anon,private\n"
                                 "1 w B 4K\n"
                                 "1 mmap C 4K rw- anon,private\n"
                                 "1 w C 4K\n"
                                 "1 mmap C 4K rw- anon,private\n"
                                 "1 w C 4K\n"
                                 "1 w C 4K\n");

    ck_assert_int_eq(counter(result, "event_failed_count"), 1);
    ck_assert_int_eq(counter(result, "fault_fresh_count"), 3);
    ck_assert_int_eq(counter(result, "event_skipped_count"), 0);
    json_decref(result);
}
END_TEST

START_TEST(mremap_rebinds_its_name_or_binds_another)
{
    json_t *result = replay_text("#vmtrace 1\n"
                                 "1 start\n"
                                 "1 mmap A 4K rw- anon,private\n"
                                 "1 mmap W 4K rw- anon,private\n"
                                 "1 w A 4K\n"
                                 "1 mremap A 4K 64K maymove\n"
                                 "1 w A 4K\n"
                                 "1 w A-4K 4K\n"
                                 "1 mremap A 64K 128K maymove as=B\n"
                                 "1 w B-4K 4K\n"
                                 "1 r B 4K\n");

    ck_assert_int_eq(counter(result, "event_failed_count"), 0);
    ck_assert_int_eq(counter(result, "fault_fresh_count"), 3);
    ck_assert_int_eq(counter(result, "fault_segv_count"), 0);
    json_decref(result);
}
END_TEST

/* Blocked from growing, A must move. */
START_TEST(mremap_rebinds_the_name_whose_base_its_range_begins_at)
{
    static const struct {
        const char *range;
        int refused;
    } cases[] = {{"A 64K", 0},
                 {"A+0 64K", 0},
                 {"A-64K 64K", 0},
                 {"A+4K 60K", 2},
                 {"A-60K 60K", 2}};

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strconcat("#vmtrace 1\n"
                                            "1 start\n"
                                            "1 mmap W 4K r-- anon,private\n"
                                            "1 mmap A 64K rw- anon,private\n"
                                            "1 mremap ",
                                            cases[i].range,
                                            " 128K maymove\n"
                                            "1 w A 4K\n"
                                            "1 w A+120K 8K\n",
                                            NULL);
        json_t *result = replay_text(text);
        ck_assert_int_eq(counter(result, "fault_segv_count"), cases[i].refused);
        json_decref(result);
    }
}
END_TEST

START_TEST(a_name_that_was_never_bound_skips_its_events)
{
    json_t *result = replay_text("#vmtrace 1\n"
                                 "1 start\n"
                                 "1 mmap A 0 rw- anon,private\n"
                                 "1 w A 4K\n"
                                 "1 munmap A 4K\n"
                                 "1 mmap B 4K rw- anon,private,fixed at=A\n"
                                 "1 w B 4K\n");

    ck_assert_int_eq(counter(result, "event_failed_count"), 1);
    ck_assert_int_eq(counter(result, "event_skipped_count"), 4);
    ck_assert_int_eq(counter(result, "touch_count"), 0);
    json_decref(result);
}
END_TEST

START_TEST(lines_of_a_child_that_never_came_to_be_are_skipped)
{
    /* Mode 2 refuses the fork: the parent's memory is too much twice. */
    write_file("t", "#vmtrace 1\n"
                    "1 start\n"
                    "1 mmap A 300M rw- anon,private\n"
                    "1 w A 4K\n"
                    "1 fork 2\n"
                    "2 w A 4K\n"
                    "2 fork 3\n"
                    "3 w A 4K\n"
                    "3 exit\n"
                    "2 exit\n"
                    "1 wait 2\n"
                    "1 w A+4K 4K\n");
    json_t *result = replay_result("t", "--ram=1G", "--sysctl",
                                   "vm.overcommit_memory=2", NULL);

    ck_assert_int_eq(counter(result, "event_failed_count"), 1);
    ck_assert_int_eq(counter(result, "event_skipped_count"), 5);
    ck_assert_int_eq(counter(result, "fault_fresh_count"), 2);
    json_decref(result);
}
END_TEST

START_TEST(lines_of_a_killed_task_are_skipped)
{
    write_file("t", "#vmtrace 1\n"
                    "1 start\n"
                    "1 mmap A 60M rw- anon,private\n"
                    "1 mmap B 60M rw- anon,private\n"
                    "1 w A 60M\n"
                    "1 w B 60M\n"
                    "1 w A 4K\n"
                    "1 exit\n");
    json_t *result = replay_result("t", "--ram=128M", NULL);

    ck_assert_int_eq(counter(result, "oom_kill_count"), 1);
    ck_assert_int_eq(counter(result, "event_skipped_count"), 2);
    ck_assert_int_eq(integer_at(result, "end.task_count"), 0);
    json_decref(result);
}
END_TEST

START_TEST(a_touch_beyond_the_last_address_ends)
{
    json_t *result = replay_text("#vmtrace 1\n"
                                 "1 start\n"
                                 "1 w 0xffffffffffff0000 2M\n"
                                 "1 w 0xffffffffffff0000 64K\n"
                                 "1 w 0xfffffffffffff000 1\n"
                                 "1 w 0xfffffffffffffff0 8\n");

    ck_assert_int_eq(counter(result, "fault_segv_count"), 30);
    json_decref(result);
}
END_TEST

/* One by one this would take until tomorrow. */
START_TEST(strided_touches_of_all_addresses_are_refused_at_once)
{
    json_t *result = replay_text("#vmtrace 1\n"
                                 "1 start\n"
                                 "1 w 0x0 0xffffffffffffffff stride=2M\n"
                                 "1 w stack-8K 0xffffffffffffffff stride=8K\n");
    json_int_t all =
        (INT64_C(1) << 43) + (json_int_t)((UINT64_C(0xfffffffffffff000) -
                                           UINT64_C(0x7fffffffd000) + 8191) /
                                          8192);

    ck_assert_int_eq(counter(result, "touch_count"), all);
    ck_assert_int_eq(counter(result, "fault_fresh_count"), 4 + 1);  // stack
    ck_assert_int_eq(counter(result, "fault_segv_count"), all - 5);
    json_decref(result);
}
END_TEST

/* 256 pages of a hole, at once or each on a line of its own. */
START_TEST(a_range_costs_what_its_pages_cost)
{
    static const char *const indexes[] = {"list", "rbtree", "maple"};
    static const char begin[] = "#vmtrace 1\n1 start\n"
                                "1 mmap A 64K rw- anon,private\n"
                                "1 w A-4K 4K\n";
    g_autoptr(GString) pages = g_string_new(begin);
    g_autofree char *range = g_strconcat(begin, "1 w A+64K 1M\n", NULL);

    for (unsigned i = 0; i < 256; i++)
        g_string_append_printf(pages, "1 w A+%uK 4K\n", 64 + 4 * i);
    write_file("range", range);
    write_file("pages", pages->str);
    for (size_t i = 0; i < G_N_ELEMENTS(indexes); i++) {
        g_autofree char *policy = g_strconcat("vma-index=", indexes[i], NULL);
        json_t *one = replay_result("range", "--kernel", "2.6.22", "--policy",
                                    policy, NULL);
        json_t *many = replay_result("pages", "--kernel", "2.6.22", "--policy",
                                     policy, NULL);
        ck_assert_int_eq(counter(one, "fault_segv_count"), 256);
        ck_assert(json_equal(json_object_get(one, "counters"),
                             json_object_get(many, "counters")));
        ck_assert_msg(json_equal(json_object_get(one, "time_ns"),
                                 json_object_get(many, "time_ns")),
                      "%s: %d and %d ns", indexes[i],
                      (int)integer_at(one, "time_ns.elapsed"),
                      (int)integer_at(many, "time_ns.elapsed"));
        json_decref(one);
        json_decref(many);
    }
}
END_TEST

START_TEST(the_kernel_grows_a_stack_for_itself_until_6_4)
{
    static const struct {
        const char *kernel;
        int faults;
    } rows[] = {{"2.6.2", 2}, {"6.4", 2}, {"6.18", 0}};

    write_file("t", "#vmtrace 1\n1 start\n1 w stack-256K 8K gup\n");
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        json_t *result = replay_result("t", "--kernel", rows[i].kernel, NULL);
        ck_assert_int_eq(counter(result, "populate_fault_count"),
                         rows[i].faults);
        ck_assert_int_eq(counter(result, "fault_count"), 0);
        json_decref(result);
    }
}
END_TEST

/* A touch above the mappings, from their gap on, prepares the stack, so that a
 * fork copies its tables: two that hold none.  Measured on 6.18. */
START_TEST(a_stack_that_may_not_grow_has_been_prepared)
{
    json_t *in_gap = replay_text("#vmtrace 1\n"
                                 "1 start\n"
                                 "1 mmap B 1M rw- anon,shared\n"
                                 "1 w B 2M\n"
                                 "1 fork 2\n");
    json_t *beyond = replay_text("#vmtrace 1\n"
                                 "1 start\n"
                                 "1 mmap B 1M rw- anon,shared\n"
                                 "1 w B 2052K\n"
                                 "1 fork 2\n");

    ck_assert_int_eq(counter(in_gap, "pagetable_alloc_count"), 3);
    ck_assert_int_eq(counter(beyond, "pagetable_alloc_count"), 3 + 2);
    json_decref(in_gap);
    json_decref(beyond);
}
END_TEST

/* What a stride finds is what single touches at its places find. */
/* It was mapped so: the limit is of growing. */
START_TEST(a_stack_longer_than_its_limit_is_touched_in_full)
{
    json_t *result =
        replay_text("#vmtrace 1\n"
                    "1 start rlimit-stack=64K\n"
                    "1 mmap S 256K rw- anon,private,growsdown at=0x20000000\n"
                    "1 w 0x1ff00000 2M\n");

    ck_assert_int_eq(counter(result, "fault_segv_count"), 512 - 64);
    ck_assert_int_eq(counter(result, "fault_fresh_count"), 64);
    json_decref(result);
}
END_TEST

START_TEST(a_stride_meets_what_lies_at_its_places)
{
    static const char *const beginning = "#vmtrace 1\n"
                                         "1 start\n"
                                         "1 mmap A 256K rw- anon,private\n"
                                         "1 w A 40K\n"
                                         "1 mprotect A+64K 36K r--\n"
                                         "1 munmap A+128K 52K\n";
    g_autoptr(GString) single = g_string_new(beginning);
    g_autofree char *strided =
        g_strconcat(beginning, "1 w A+1 300K stride=5000\n", NULL);

    for (unsigned at = 1; at < 1 + 300 * 1024; at += 5000)
        g_string_append_printf(single, "1 w A+%u 1\n", at);
    json_t *a = replay_text(strided);
    json_t *b = replay_text(single->str);
    ck_assert_int_gt(counter(a, "fault_segv_count"), 20);
    ck_assert(json_equal(json_object_get(a, "counters"),
                         json_object_get(b, "counters")));
    json_decref(a);
    json_decref(b);
}
END_TEST

START_TEST(remapping_all_of_shared_memory_keeps_its_file)
{
    json_t *result = replay_text("#vmtrace 1\n"
                                 "1 start\n"
                                 "1 mmap A 8K rw- anon,shared\n"
                                 "1 w A 8K\n"
                                 "1 remap_file_pages A 8K 1\n"
                                 "1 r A 4K\n"
                                 "1 munmap A 8K\n");

    ck_assert_int_eq(counter(result, "event_failed_count"), 0);
    ck_assert_int_eq(counter(result, "clear_page_shmem_count"), 2);
    ck_assert_int_eq(integer_at(result, "end.file_bytes"), 0);
    json_decref(result);
}
END_TEST

START_TEST(heap_and_stack_always_exist)
{
    json_t *result = replay_text("#vmtrace 1\n"
                                 "1 start\n"
                                 "1 w stack-4K 4K\n"
                                 "1 w stack-1M 4K\n"
                                 "1 w heap 4K\n"
                                 "1 brk 132K\n"
                                 "1 w heap 132K\n"
                                 "1 w heap-4K 4K\n");

    ck_assert_int_eq(counter(result, "fault_segv_count"), 1);
    ck_assert_int_eq(counter(result, "fault_fresh_count"), 2 + 33);
    json_decref(result);
}
END_TEST

START_TEST(user_time_is_work_and_kernel_time_contains_kwork)
{
    json_t *result = replay_text("#vmtrace 1\n"
                                 "1 start\n"
                                 "1 work 1500\n"
                                 "1 kwork 900\n"
                                 "1 sleep 5000\n"
                                 "1 mark unit%20one\n"
                                 "1 mark unit%20one\n");

    ck_assert_int_eq(integer_at(result, "time_ns.user"), 1500);
    ck_assert_int_eq(integer_at(result, "time_ns.kwork"), 900);
    ck_assert_int_eq(integer_at(result, "marks.unit one.count"), 2);
    ck_assert_int_eq(integer_at(result, "time_ns.elapsed"),
                     integer_at(result, "time_ns.user") +
                         integer_at(result, "time_ns.system"));
    json_decref(result);
}
END_TEST

static json_t *
last_row(const json_t *result)
{
    const json_t *rows =
        json_object_get(json_object_get(result, "timeline"), "rows");

    return json_array_get(rows, json_array_size(rows) - 1);
}

START_TEST(without_times_the_clock_is_work_calls_and_pages)
{
    write_file("t", "#vmtrace 1\n"
                    "1 start\n"
                    "1 work 500\n"
                    "1 mmap A 16K rw- anon,private\n"
                    "1 w A 16K\n"
                    "1 sleep 77\n");
    json_t *result = replay_result("t", "--timeline=2", NULL);
    const json_t *rows =
        json_object_get(json_object_get(result, "timeline"), "rows");

    ck_assert_uint_eq(json_array_size(rows), 4);  // after 0, 2, 4 and 5 events
    ck_assert_int_eq(json_integer_value(json_array_get(last_row(result), 0)),
                     5);
    ck_assert_int_eq(json_integer_value(json_array_get(last_row(result), 1)),
                     500 + 1000 + 4000);
    json_decref(result);
}
END_TEST

START_TEST(clocks_stop_before_they_overflow)
{
    static const char *const texts[] = {
        "#vmtrace 1\n"
        "1 start\n"
        "1 work 0xffffffffffffffff\n"
        "1 kwork 0xffffffffffffffff\n"
        "1 work 5\n"
        "1 mmap A 4K rw- anon\n",
        "#vmtrace 1\n"
        "@5 1 start\n"
        "@0xffffffffffffffff 1 work 0xffffffffffffffff\n"
        "@0xffffffffffffffff 1 kwork 1\n"
        "@7 1 mmap A 4K rw- anon\n",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        write_file("t", texts[i]);
        json_t *result = replay_result("t", "--timeline", "1ms", NULL);
        json_int_t user = integer_at(result, "time_ns.user");
        ck_assert_int_eq(user, INT64_C(1) << 61);
        ck_assert_int_eq(integer_at(result, "time_ns.elapsed"),
                         user + integer_at(result, "time_ns.system"));
        ck_assert_int_eq(counter(result, "syscall_count"), 1);
        json_decref(result);
    }
}
END_TEST

START_TEST(recorded_times_are_the_clock)
{
    write_file("t", "#vmtrace 1\n"
                    "@100 1 start\n"
                    "@3000000 1 mmap A 16K rw- anon,private\n"
                    "@9000000 1 w A 16K\n");
    json_t *result = replay_result("t", "--timeline=1ms", NULL);

    ck_assert_int_eq(json_integer_value(json_array_get(last_row(result), 1)),
                     9000000);
    json_decref(result);
}
END_TEST

START_TEST(removing_all_results_changes_no_counter)
{
    json_t *with = replay_text("#vmtrace 1\n"
                               "1 start\n"
                               "1 mmap A 16K rw- anon,private = ENOMEM\n"
                               "1 w A 16K = hit\n");
    json_t *without = replay_text("#vmtrace 1\n"
                                  "1 start\n"
                                  "1 mmap A 16K rw- anon,private\n"
                                  "1 w A 16K\n");

    ck_assert(json_equal(json_object_get(with, "counters"),
                         json_object_get(without, "counters")));
    json_decref(with);
    json_decref(without);
}
END_TEST

/* The kernel's variables have no frames that a fault could find again. */
START_TEST(a_fork_copies_what_maps_the_kernels_variables)
{
    static const struct {
        const char *kernel;
        int mismatch_count;
    } kernels[] = {{"6.18", 0}, {"2.6.2", 1}};  // which copies all tables

    write_file("t", "#vmtrace 1\n"
                    "0 file [vdso] 8K disk cached\n"
                    "0 file [vvar] 16K disk cached\n"
                    "1 start\n"
                    "1 map V 8K r-x private,file=[vdso] at=0x7ffff7fc8000\n"
                    "1 map W 16K r-- private,file=[vvar] at=0x7ffff7fc2000\n"
                    "1 r V 4K = file\n"
                    "1 r W 4K = file\n"
                    "1 fork 2\n"
                    "2 r W 4K = hit\n"
                    "2 r V 4K = file\n");
    for (size_t i = 0; i < G_N_ELEMENTS(kernels); i++) {
        struct outcome outcome =
            run_vmsim("replay", "t", "--check", "--format=json", "--kernel",
                      kernels[i].kernel, NULL);
        json_t *result = json_loads(outcome.out, 0, NULL);
        ck_assert_int_eq(integer_at(result, "check.mismatch_count"),
                         kernels[i].mismatch_count);
        json_decref(result);
        outcome_clear(&outcome);
    }
}
END_TEST

/* One line each that agrees or does not, below a region A of 16K. */
static const struct {
    const char *line;
    const char *expected, *found;  // NULL: agrees
} checked[] = {
    {"1 w A 16K = fresh", NULL, NULL},
    {"1 w A 16K = fresh*4", NULL, NULL},
    {"1 w A 16K = fresh*1,fresh*3", NULL, NULL},
    {"1 w A 16K = fresh*3", "fresh*3", "fresh*4"},
    {"1 w A 16K = fresh*3,hit*1", "fresh*3,hit*1", "fresh*4"},
    {"1 r A 16K = hit", "hit", "zero*4"},
    {"1 munmap A 16K = 0", NULL, NULL},
    {"1 munmap A 16K = EINVAL", "EINVAL", "0x0"},
    {"1 munmap A+1 16K = EINVAL", NULL, NULL},
    {"1 munmap A+1 16K = 0", "0", "EINVAL"},
    {"1 mmap B 4K rw- anon,private,fixed at=0x10000 = 0x10000", NULL, NULL},
    {"1 mmap B 4K rw- anon,private,fixed at=0x10000 = 0x20000", "0x20000",
     "0x10000"},
    {"1 mmap B 4K rw- anon,private = 0x1234000", NULL, NULL},
    {"0 expect fault_count 0", NULL, NULL},
    {"0 expect syscall_count 7", "7", "1"},
};

START_TEST(check_compares_what_can_be_compared)
{
    g_autofree char *text = g_strdup_printf("#vmtrace 1\n"
                                            "1 start\n"
                                            "1 mmap A 16K rw- anon,private\n"
                                            "%s\n",
                                            checked[_i].line);
    write_file("t", text);
    struct outcome outcome =
        run_vmsim("replay", "t", "--check", "--format=json", NULL);
    json_t *result = json_loads(outcome.out, 0, NULL);
    const json_t *first =
        json_object_get(json_object_get(result, "check"), "first");

    ck_assert_int_eq(outcome.status, checked[_i].expected ? 1 : 0);
    ck_assert_int_eq(integer_at(result, "check.compared_count"), 1);
    ck_assert_int_eq(integer_at(result, "check.mismatch_count"),
                     checked[_i].expected ? 1 : 0);
    if (checked[_i].expected) {
        ck_assert_str_eq(json_string_value(json_object_get(first, "expected")),
                         checked[_i].expected);
        ck_assert_str_eq(json_string_value(json_object_get(first, "found")),
                         checked[_i].found);
        ck_assert_int_eq(integer_at(first, "line"), 4);
        ck_assert_int_eq(integer_at(first, "event"), 3);
    } else {
        ck_assert(json_is_null(first));
    }
    json_decref(result);
    outcome_clear(&outcome);
}
END_TEST

START_TEST(addresses_are_compared_under_the_recorded_rules_alone)
{
    write_file("t", "#vmtrace 1\n"
                    "#touches faults 6.18.44\n"
                    "1 start mmap-base=0x7ffff7fff000\n"
                    "1 mmap A 16K rw- anon,private = 0x7ffff7ffb000\n"
                    "1 mmap B 16K rw- anon,private = 0x5000\n");
    struct outcome same =
        run_vmsim("replay", "t", "--check", "--format=json", NULL);
    struct outcome other = run_vmsim("replay", "t", "--check", "--policy",
                                     "layout=bottom-up", NULL);
    json_t *result = json_loads(same.out, 0, NULL);

    ck_assert_int_eq(same.status, 1);
    ck_assert_int_eq(integer_at(result, "check.first.line"), 5);
    ck_assert_int_eq(other.status, 0);
    json_decref(result);
    outcome_clear(&same);
    outcome_clear(&other);
}
END_TEST

START_TEST(expect_of_no_counter_is_an_error_with_its_place)
{
    static const struct {
        const char *lines, *place, *found;
    } rows[] = {
        {"0 expect fautl_count 1\n", "2:10", "fautl_count"},
        {"0 expect fault_count 0\n \t0   expect\tx 1\n0 expect x 1\n", "3:14",
         "x"},
        {"@10/0 0 expect y%0A 1\n", "2:16", "y\\x0a"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text =
            g_strconcat("#vmtrace 1\n", rows[i].lines, NULL);
        g_autofree char *message =
            g_strdup_printf("t:%s: expected the name of a counter, found "
                            "\"%s\"\n",
                            rows[i].place, rows[i].found);
        write_file("t", text);
        struct outcome outcome = run_vmsim("replay", "t", "--check", NULL);
        ck_assert_int_eq(outcome.status, 1);
        ck_assert_msg(g_str_has_suffix(outcome.err, message), "%s",
                      outcome.err);
        outcome_clear(&outcome);
    }
}
END_TEST

/* In a binary trace it is that of the canonical text. */
START_TEST(expect_of_no_counter_has_a_place_in_a_binary_trace)
{
    write_file("t", "#vmtrace 1\n0    expect    x 1\n");
    struct outcome outcome = run_vmsim("convert", "t", "-o", "t.vmt", NULL);
    outcome_clear(&outcome);
    outcome = run_vmsim("replay", "t.vmt", "--check", NULL);

    ck_assert_int_eq(outcome.status, 1);
    ck_assert_msg(strstr(outcome.err, "t.vmt:2:10: expected the name"), "%s",
                  outcome.err);
    outcome_clear(&outcome);
}
END_TEST

START_TEST(the_state_after_n_events_is_that_of_the_first_n)
{
    static const char text[] = "#vmtrace 1\n"
                               "1 start\n"
                               "1 mmap A 64K rw- anon,private\n"
                               "1 w A+8K 16K\n"
                               "1 fork 2\n"
                               "2 w A+8K 4K\n"
                               "1 munmap A+4K 8K\n"
                               "2 exit\n";
    static const char *const kinds[] = {"maps",      "smaps",    "pagemap",
                                        "buddyinfo", "zoneinfo", "vmstat",
                                        "slabinfo"};
    g_auto(GStrv) lines = g_strsplit(text, "\n", 0);

    write_file("whole", text);
    for (unsigned n = 1; n <= 7; n++) {
        char *rest = lines[n + 1];
        lines[n + 1] = NULL;
        g_autofree char *part = g_strjoinv("\n", lines);
        lines[n + 1] = rest;
        g_autofree char *part_text = g_strconcat(part, "\n", NULL);
        write_file("part", part_text);
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
            g_autofree char *at = g_strdup_printf("%s@%u", kinds[i], n);
            struct outcome a =
                run_vmsim("replay", "whole", "--dump", at, "--output=r", NULL);
            struct outcome b = run_vmsim("replay", "part", "--dump", kinds[i],
                                         "--output=r", NULL);
            ck_assert_int_eq(a.status, 0);
            ck_assert_str_eq(a.out, b.out);
            ck_assert(a.out[0] != '\0');
            outcome_clear(&a);
            outcome_clear(&b);
        }
    }
}
END_TEST

START_TEST(maps_are_in_the_kernels_own_layout)
{
    write_file("t", "#vmtrace 1\n"
                    "7 start\n"
                    "7 mmap A 8K r-x private,fixed at=0x400000 "
                    "file=/lib/x off=4K\n"
                    "7 brk 8K\n"
                    "7 w heap 4K\n");
    struct outcome outcome = run_vmsim("replay", "t", "--dump", "maps:7=m",
                                       "--dump=pagemap=p", NULL);
    g_autofree char *maps = read_file("m");
    g_autofree char *pagemap = read_file("p");

    ck_assert_msg(outcome.status == 0, "%s", outcome.err);
    ck_assert(g_str_has_prefix(maps,
                               "# task 7\n"
                               "00400000-00402000 r-xp 00001000 00:01 1 "
                               "                                 /lib/x\n"));
    ck_assert_ptr_nonnull(strstr(maps, " 00:00 0 "));
    ck_assert_ptr_nonnull(strstr(maps, "[heap]\n"));
    ck_assert_ptr_nonnull(strstr(maps, "[stack]\n"));
    ck_assert_ptr_nonnull(strstr(pagemap, " present,anon,write,exclusive "));
    outcome_clear(&outcome);
}
END_TEST

/* 16 locked pages, 15 of them shared with a child. */
START_TEST(smaps_has_the_lines_of_a_kernel_of_today)
{
    write_file("t", "#vmtrace 1\n"
                    "7 start\n"
                    "7 mmap A 64K rw- anon,private\n"
                    "7 mlock A 64K\n"
                    "7 fork 8\n"
                    "8 w A 4K\n");
    struct outcome outcome =
        run_vmsim("replay", "t", "--dump", "smaps:7=m", NULL);
    g_autofree char *smaps = read_file("m");
    const char *block = "7ffff7fef000-7ffff7fff000 rw-p 00000000 00:00 0 \n"
                        "Size:                 64 kB\n"
                        "KernelPageSize:        4 kB\n"
                        "MMUPageSize:           4 kB\n"
                        "Rss:                  64 kB\n"
                        "Pss:                  34 kB\n"
                        "Pss_Dirty:            34 kB\n"
                        "Shared_Clean:          0 kB\n"
                        "Shared_Dirty:         60 kB\n"
                        "Private_Clean:         0 kB\n"
                        "Private_Dirty:         4 kB\n"
                        "Referenced:           64 kB\n"
                        "Anonymous:            64 kB\n"
                        "KSM:                   0 kB\n"
                        "LazyFree:              0 kB\n"
                        "AnonHugePages:         0 kB\n"
                        "ShmemPmdMapped:        0 kB\n"
                        "FilePmdMapped:         0 kB\n"
                        "Shared_Hugetlb:        0 kB\n"
                        "Private_Hugetlb:       0 kB\n"
                        "Swap:                  0 kB\n"
                        "SwapPss:               0 kB\n"
                        "Locked:               34 kB\n"
                        "THPeligible:           0\n"
                        "VmFlags: rd wr mr mw me lo ac \n";

    ck_assert_msg(outcome.status == 0, "%s", outcome.err);
    ck_assert_msg(strstr(smaps, block), "%s", smaps);
    outcome_clear(&outcome);
}
END_TEST

START_TEST(slabinfo_has_the_columns_of_the_kernel)
{
    write_file("t", "#vmtrace 1\n1 start\n1 mmap A 64K rw- anon,private\n");
    struct outcome outcome =
        run_vmsim("replay", "t", "--dump", "slabinfo=s", NULL);
    g_autofree char *slabinfo = read_file("s");
    const char *head = "slabinfo - version: 2.1\n"
                       "# name            <active_objs> <num_objs> <objsize> "
                       "<objperslab> <pagesperslab> : tunables <limit> "
                       "<batchcount> <sharedfactor> : slabdata "
                       "<active_slabs> <num_slabs> <sharedavail>\n"
                       "vm_area_struct         2     21    192   21    1 : "
                       "tunables    0    0    0 : slabdata      1      1      "
                       "0\n";

    ck_assert_msg(outcome.status == 0, "%s", outcome.err);
    ck_assert_msg(g_str_has_prefix(slabinfo, head), "%s", slabinfo);
    outcome_clear(&outcome);
}
END_TEST

START_TEST(a_dump_of_a_task_is_that_of_any_thread_that_lives)
{
    write_file("t", "#vmtrace 1\n1 start\n1 thread 2\n3 start\n3 exit\n");
    struct outcome first =
        run_vmsim("replay", "t", "--dump", "maps:1", "-o", "r", NULL);
    struct outcome second =
        run_vmsim("replay", "t", "--dump", "maps:2", "-o", "r", NULL);
    struct outcome dead =
        run_vmsim("replay", "t", "--dump", "maps:3", "-o", "r", NULL);
    struct outcome living =
        run_vmsim("replay", "t", "--dump", "maps:3@3", "-o", "r", NULL);

    ck_assert(g_str_has_prefix(second.out, "# task 2\n"));
    ck_assert_str_eq(first.out + strlen("# task 1"),
                     second.out + strlen("# task 2"));
    ck_assert_int_eq(living.status, 0);
    ck_assert_int_eq(dead.status, 1);
    ck_assert_msg(strstr(dead.err, "vmsim: --dump maps:3: no such task lives "
                                   "after event 4\n"),
                  "%s", dead.err);
    outcome_clear(&first);
    outcome_clear(&second);
    outcome_clear(&dead);
    outcome_clear(&living);
}
END_TEST

START_TEST(a_dump_adds_no_sample_to_the_timeline)
{
    write_file("t", "#vmtrace 1\n1 start\n1 work 7\n1 work 7\n1 work 7\n");
    json_t *alone = replay_result("t", "--timeline", "3", NULL);
    json_t *beside =
        replay_result("t", "--timeline", "3", "--dump", "maps@2=m", NULL);

    ck_assert(json_equal(alone, beside));
    json_decref(alone);
    json_decref(beside);
}
END_TEST

START_TEST(a_name_of_any_bytes_is_in_the_result)
{
    static const char name[] = "t\xff\x1b\n";
    static const char text[] = "#vmtrace 1\n"
                               "1 start\n"
                               "1 mark %ff%1b[1m%0a\n"
                               "1 mmap A 4K rw- file=%ff%0aname\n"
                               "1 r A 4K = zero\n";

    write_file(name, text);
    json_t *result = replay_result(name, NULL);
    struct outcome compared = run_vmsim("replay", name, "--check", NULL);
    struct outcome dumped = run_vmsim("replay", name, "--dump=maps", NULL);
    const json_t *trace = json_object_get(result, "trace");

    ck_assert_str_eq(json_string_value(json_object_get(trace, "path")),
                     "t\\xff\x1b\n");
    ck_assert_ptr_nonnull(
        json_object_get(json_object_get(result, "marks"), "\\xff\x1b[1m\n"));
    ck_assert_int_eq(compared.status, 1);
    ck_assert_msg(strstr(compared.out, "t\\xff\\x1b\\x0a: 4 events") &&
                      strstr(compared.out, "\\xff\\x1b[1m\\x0a  "),
                  "%s", compared.out);
    ck_assert_msg(strstr(compared.out, " \\xff\\012name\n"), "%s",
                  compared.out);
    ck_assert_msg(strstr(dumped.out, " \xff\\012name\n"), "%s", dumped.out);
    json_decref(result);
    outcome_clear(&compared);
    outcome_clear(&dumped);
}
END_TEST

/* Sizes that overflow when they are rounded up to pages. */
START_TEST(nothing_is_too_large_for_a_hog_or_a_file)
{
    write_file("hog", "#vmtrace 1\n1 start\n0 hog 0xffffffffffffffff\n");
    write_file("file", "#vmtrace 1\n"
                       "0 file f 0xffffffffffffffff\n"
                       "1 start\n"
                       "1 mmap A 1M r-- private file=f\n"
                       "1 r A 1M\n");
    json_t *hog = replay_result("hog", "--ram", "256M", NULL);
    json_t *file = replay_result("file", "--kernel", "2.6.2", NULL);

    ck_assert_int_gt(integer_at(hog, "end.anon_bytes"), 128 << 20);
    ck_assert_int_eq(integer_at(hog, "counters.oom_kill_count"), 1);
    ck_assert_int_eq(integer_at(file, "counters.fault_bus_count"), 0);
    ck_assert_int_eq(integer_at(file, "counters.fault_file_count"), 256);
    json_decref(hog);
    json_decref(file);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("sim/replay");
    TCase *tcase = tcase_create("replay");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, enter_folder, leave_folder);
    tcase_add_test(tcase, touches_of_a_region_count_as_the_table_says);
    tcase_add_test(tcase, a_name_means_its_latest_successful_binding);
    tcase_add_test(tcase, mremap_rebinds_its_name_or_binds_another);
    tcase_add_test(tcase,
                   mremap_rebinds_the_name_whose_base_its_range_begins_at);
    tcase_add_test(tcase, a_name_that_was_never_bound_skips_its_events);
    tcase_add_test(tcase, lines_of_a_child_that_never_came_to_be_are_skipped);
    tcase_add_test(tcase, lines_of_a_killed_task_are_skipped);
    tcase_add_test(tcase, a_touch_beyond_the_last_address_ends);
    tcase_add_test(tcase, strided_touches_of_all_addresses_are_refused_at_once);
    tcase_add_test(tcase, a_range_costs_what_its_pages_cost);
    tcase_add_test(tcase, the_kernel_grows_a_stack_for_itself_until_6_4);
    tcase_add_test(tcase, a_stack_that_may_not_grow_has_been_prepared);
    tcase_add_test(tcase, a_stack_longer_than_its_limit_is_touched_in_full);
    tcase_add_test(tcase, a_stride_meets_what_lies_at_its_places);
    tcase_add_test(tcase, remapping_all_of_shared_memory_keeps_its_file);
    tcase_add_test(tcase, heap_and_stack_always_exist);
    tcase_add_test(tcase, user_time_is_work_and_kernel_time_contains_kwork);
    tcase_add_test(tcase, without_times_the_clock_is_work_calls_and_pages);
    tcase_add_test(tcase, clocks_stop_before_they_overflow);
    tcase_add_test(tcase, recorded_times_are_the_clock);
    tcase_add_test(tcase, removing_all_results_changes_no_counter);
    tcase_add_test(tcase, a_fork_copies_what_maps_the_kernels_variables);
    tcase_add_loop_test(tcase, check_compares_what_can_be_compared, 0,
                        G_N_ELEMENTS(checked));
    tcase_add_test(tcase,
                   addresses_are_compared_under_the_recorded_rules_alone);
    tcase_add_test(tcase, expect_of_no_counter_is_an_error_with_its_place);
    tcase_add_test(tcase, expect_of_no_counter_has_a_place_in_a_binary_trace);
    tcase_add_test(tcase, the_state_after_n_events_is_that_of_the_first_n);
    tcase_add_test(tcase, maps_are_in_the_kernels_own_layout);
    tcase_add_test(tcase, smaps_has_the_lines_of_a_kernel_of_today);
    tcase_add_test(tcase, slabinfo_has_the_columns_of_the_kernel);
    tcase_add_test(tcase, a_dump_of_a_task_is_that_of_any_thread_that_lives);
    tcase_add_test(tcase, a_dump_adds_no_sample_to_the_timeline);
    tcase_add_test(tcase, a_name_of_any_bytes_is_in_the_result);
    tcase_add_test(tcase, nothing_is_too_large_for_a_hog_or_a_file);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
