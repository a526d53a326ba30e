/*
 * What the program itself takes, beside what it simulates: a start, a tiny
 * sweep, and one with very many cells.
 *
 * CPU time of children, the least of a few, because others may be at work on
 * this host; the bounds are those that are promised, several times what was
 * measured.
 */
#include <check.h>
#include <glib/gstdio.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/run_suite.h"
#include "tests/sim/program.h"

#ifdef __SANITIZE_ADDRESS__
enum { IS_BARE = 0 };  // a sanitizer has its own time and memory
#else
enum { IS_BARE = 1 };
#endif

enum { ATTEMPTS = 5, MS = 1000, MIB = 1024 };  // us, KiB

/* Of all children so far: CPU time, and the most that one had in memory. */
static struct rusage
usage_of_children(void)
{
    struct rusage usage;

    ck_assert_int_eq(getrusage(RUSAGE_CHILDREN, &usage), 0);
    return usage;
}

static int64_t
cpu_us(void)
{
    struct rusage usage = usage_of_children();

    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000) +
           usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

static void
write_trace(void)
{
    write_file("a", "#vmtrace 1\n"
                    "1 start\n"
                    "1 mmap A 64K rw- anon,private\n"
                    "1 w A 64K\n"
                    "1 purge A 64K\n"
                    "1 reuse A 64K\n"
                    "1 w A 64K\n"
                    "1 r A 4K\n"
                    "1 munmap A 64K\n"
                    "1 work 100\n"
                    "1 exit\n");
}

static void
assert_well(struct outcome outcome)
{
    ck_assert_msg(outcome.status == 0, "%s", outcome.err);
    outcome_clear(&outcome);
}

START_TEST(a_replay_starts_within_10_ms_and_10_mb)
{
    int64_t least = INT64_MAX;

    write_trace();
    for (unsigned i = 0; i < ATTEMPTS; i++) {
        int64_t before = cpu_us();
        assert_well(run_vmsim("replay", "a", NULL));
        least = MIN(least, cpu_us() - before);
    }
    ck_assert_int_lt(least, 10 * MS);
    ck_assert_int_lt(usage_of_children().ru_maxrss, 10 * MIB);
}
END_TEST

/* Ten events under thirty policies. */
START_TEST(a_tiny_sweep_ends_within_100_ms)
{
    int64_t least = INT64_MAX;

    write_trace();
    for (unsigned i = 0; i < ATTEMPTS; i++) {
        int64_t before = cpu_us();
        assert_well(run_vmsim("sweep", "a", "--kernel=2.6.7,2.6.22,6.18",
                              "--policy=purge=ignore,dontneed",
                              "--cpus=1,2,3,4,5", "-o", "r.jsonl", NULL));
        least = MIN(least, cpu_us() - before);
    }
    ck_assert_int_lt(least, 100 * MS);
}
END_TEST

/* A result of 20 KiB each, by its timeline. */
static void
sweep_cells(const char *ram)
{
    g_autofree char *option = g_strconcat("--ram=", ram, NULL);

    assert_well(run_vmsim("sweep", "a", "-j2", "--kernel=2.6.22",
                          "--timeline=1", "--policy=gap=linear,rb-gap", option,
                          "-o", "r.jsonl", NULL));
}

START_TEST(memory_does_not_grow_with_cells)
{
    enum { SIZES = 200, EVENTS = 200 };
    g_autoptr(GString) sizes = g_string_new("512M");
    g_autoptr(GString) trace = g_string_new("#vmtrace 1\n1 start\n");

    for (unsigned i = 0; i < EVENTS; i++)
        g_string_append(trace, "1 work 5\n");
    write_file("a", trace->str);
    for (unsigned i = 1; i < SIZES; i++)
        g_string_append_printf(sizes, ",%uM", 512 + i);
    sweep_cells("512M,1G");
    long few = usage_of_children().ru_maxrss;
    sweep_cells(sizes->str);
    ck_assert_int_lt(usage_of_children().ru_maxrss, few + 2 * MIB);
    g_autofree char *results = read_file("r.jsonl");
    ck_assert_uint_gt(strlen(results), 2 * SIZES * 10 * MIB);
}
END_TEST

static void
assert_well_within(uint64_t bytes, const char *command, const char *trace,
                   const char *ram, const char *option)
{
    struct limits limits = {.address_bytes = bytes};

    /* Or malloc reserves 64 MiB of it for a thread, and twice that for an
     * instant, which with two threads is now too much and now not. */
    g_setenv("MALLOC_ARENA_MAX", "1", TRUE);
    assert_well(run_vmsim_within(&limits, command, trace, ram, option, "-o",
                                 "r.jsonl", NULL));
}

/* In memory its events would take 64 bytes each, 10 if kept for the runs of a
 * sweep.  Address space is limited, so that whatever is asked for counts. */
START_TEST(a_trace_larger_than_memory_is_streamed)
{
    static const char *const forms[] = {"t.vmt", "t.vmt.zst"};
    enum { EVENTS = 6 * 400000, REPLAY = 32 << 20, SWEEP = 128 << 20 };

    assert_well(run_vmsim("gen", "brk-pingpong", "--rounds=400000", "-o",
                          "t.vmt", NULL));
    assert_well(run_vmsim("convert", "t.vmt", "-o", "t.vmt.zst", NULL));
    for (size_t i = 0; i < G_N_ELEMENTS(forms); i++) {
        assert_well_within(REPLAY, "replay", forms[i], "--ram=64M",
                           "--format=json");
        g_autofree char *text = read_file("r.jsonl");
        json_t *result = json_loads(text, 0, NULL);
        ck_assert_int_gt(integer_at(result, "trace.event_count"), EVENTS);
        json_decref(result);
    }
    ck_assert_int_gt(EVENTS * 64, 4 * REPLAY);
    assert_well_within(SWEEP, "sweep", "t.vmt", "--ram=64M,65M,66M", "-j2");
    ck_assert_int_gt(EVENTS * 64, SWEEP);
}
END_TEST

/* The frames alone take 480 MiB. */
START_TEST(memory_that_the_host_does_not_grant_is_told_in_a_line)
{
    static const char *const commands[] = {"replay", "sweep"};
    struct limits limits = {.address_bytes = 256 << 20};

    write_file("t", "#vmtrace 1\n1 start\n"
                    "1 mmap A 60G rw- anon,private\n1 w A 60G\n");
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        struct outcome outcome =
            run_vmsim_within(&limits, commands[i], "t", "--ram=64G", NULL);
        const char *line = strstr(outcome.err, "vmsim: out of memory: ");
        ck_assert_msg(outcome.status == 1 && line &&
                          strchr(line, '\n') == line + strlen(line) - 1,
                      "%s: %d, %s", commands[i], outcome.status, outcome.err);
        outcome_clear(&outcome);
    }
}
END_TEST

/* A recording: touches of 64 MiB by two threads, with times and CPUs.  It goes
 * to the file as it is made: what this process has in memory its children have
 * at first. */
static void
write_recording(const char *name, unsigned events)
{
    FILE *file = fopen(in_folder(name), "w");
    uint32_t random = 1;
    uint64_t ns = 1000;

    ck_assert_ptr_nonnull(file);
    fputs("#vmtrace 1\n@0 1 start\n@10 1 mmap A 64M rw- anon,private\n"
          "@20 1 thread 2\n",
          file);
    for (unsigned i = 0; i < events; i++) {
        random = random * 1664525 + 1013904223;
        ns += 1000 + random % 8192;
        fprintf(file, "@%" PRIu64 "+%u/%u %u w A+%uK 4K\n", ns,
                100 + random % 512, random >> 31, 1 + (random >> 31),
                random >> 18 << 2);
    }
    ck_assert_int_eq(fclose(file), 0);
}

/* The most that any child so far has had in memory, after each command has read
 * that many events in each form. */
static long
read_recording(unsigned events)
{
    write_recording("t", events);
    assert_well(run_vmsim("convert", "t", "-o", "t.vmt", NULL));
    assert_well(run_vmsim("convert", "t.vmt", "-o", "t.zst", NULL));
    for (const char *const *form =
             (const char *const[]){"t", "t.vmt", "t.zst", NULL};
         *form; form++) {
        assert_well(run_vmsim("info", *form, NULL));
        assert_well(run_vmsim("replay", *form, NULL));
    }
    return usage_of_children().ru_maxrss;
}

/* Kept at one byte per event it would be too much. */
START_TEST(memory_does_not_grow_with_the_length_of_a_recording)
{
    enum { FEW = 300000, MANY = 6 * FEW };
    long few = read_recording(FEW);

    ck_assert_int_lt(read_recording(MANY), few + (MANY - FEW) / 1024);
}
END_TEST

/* Bytes that a sweep reads, of whatever files. */
static uint64_t
bytes_read_by_sweep(const char *jobs, const char *ram)
{
    char *argv[] = {
        getenv("VMSIM"), (char *)"sweep", (char *)"t.vmt",   (char *)jobs,
        (char *)ram,     (char *)"-o",    (char *)"r.jsonl", NULL};
    g_autofree char *text = NULL;
    siginfo_t info;
    GPid child;

    ck_assert(
        g_spawn_async(in_folder("."), argv, NULL,
                      G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDERR_TO_DEV_NULL,
                      NULL, NULL, &child, NULL));
    ck_assert_int_eq(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
    g_autofree char *path = g_strdup_printf("/proc/%d/io", (int)child);
    ck_assert(g_file_get_contents(path, &text, NULL, NULL));
    ck_assert_int_eq(waitid(P_PID, (id_t)child, &info, WEXITED), 0);
    ck_assert_int_eq(info.si_code, CLD_EXITED);
    ck_assert_int_eq(info.si_status, 0);
    const char *count = strstr(text, "rchar: ");
    ck_assert_ptr_nonnull(count);
    return g_ascii_strtoull(count + strlen("rchar: "), NULL, 10);
}

START_TEST(a_sweep_reads_its_trace_once_for_all_runs)
{
    static const char *const jobs[] = {"-j1", "-j3"};
    GStatBuf file;

    write_recording("t", 200000);
    assert_well(run_vmsim("convert", "t", "-o", "t.vmt", NULL));
    ck_assert_int_eq(g_stat(in_folder("t.vmt"), &file), 0);
    uint64_t once = bytes_read_by_sweep("-j1", "--ram=2G");
    ck_assert_uint_ge(once, (uint64_t)file.st_size);
    uint64_t all =
        bytes_read_by_sweep(jobs[_i], "--ram=2G,3G,4G,5G,6G,7G,8G,9G");
    ck_assert_uint_lt(all, once + (uint64_t)file.st_size / 2);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("sim/footprint");
    TCase *tcase = tcase_create("footprint");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, enter_folder, leave_folder);
    tcase_add_loop_test(tcase, a_sweep_reads_its_trace_once_for_all_runs, 0, 2);
    if (IS_BARE) {
        tcase_add_test(tcase, a_replay_starts_within_10_ms_and_10_mb);
        tcase_add_test(tcase, a_tiny_sweep_ends_within_100_ms);
        tcase_add_test(tcase, memory_does_not_grow_with_cells);
        tcase_add_test(tcase, a_trace_larger_than_memory_is_streamed);
        tcase_add_test(tcase,
                       memory_that_the_host_does_not_grant_is_told_in_a_line);
        tcase_add_test(tcase,
                       memory_does_not_grow_with_the_length_of_a_recording);
    }
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
