/*
 * Replaying decoded events neither allocates nor hashes, and reads a file block
 * by block.
 *
 * The functions that would do so are this program's own here: they count and
 * pass the call on.
 */
#include "tests/must_hold/runs.h"
#include "tests/run_suite.h"

#include "mm/machine.h"
#include "traces/trace_writer.h"

#include <dlfcn.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CYCLES 20000

static struct {
    bool is_on;
    uint64_t allocations, lookups, reads;
} counted;

static void
count(uint64_t *what)
{
    *what += counted.is_on;
}

/* A sanitizer has an allocator of its own. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t number, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);

void *
malloc(size_t bytes)
{
    count(&counted.allocations);
    return __libc_malloc(bytes);
}

void *
calloc(size_t number, size_t bytes)
{
    count(&counted.allocations);
    return __libc_calloc(number, bytes);
}

void *
realloc(void *old, size_t bytes)
{
    count(&counted.allocations);
    return __libc_realloc(old, bytes);
}
#endif

gpointer
g_hash_table_lookup(GHashTable *table, gconstpointer key)
{
    static gpointer (*next)(GHashTable *, gconstpointer);

    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "g_hash_table_lookup");
    count(&counted.lookups);
    return next(table, key);
}

ssize_t
read(int file, void *buffer, size_t bytes)
{
    count(&counted.reads);
    return syscall(SYS_read, file, buffer, bytes);
}

ssize_t
pread(int file, void *buffer, size_t bytes, off_t at)
{
    count(&counted.reads);
    return syscall(SYS_pread64, file, buffer, bytes, at);
}

/* Reads, writes, faults and calls, again and again: `body` is one cycle, in
 * which %u is a number. */
static const char *
write_cycles(const char *name, const char *body)
{
    const char *path = path_of(name);
    struct trace_writer *writer = trace_writer_open(path, NULL);
    uint32_t page = 1;

    MUST(writer, "%s cannot be written", path);
    trace_writer_line(writer, "0 file f 256M disk cached");
    trace_writer_line(writer, "1 start");
    trace_writer_line(writer, "1 mmap S 256M rw- shared file=f");
    trace_writer_line(writer, "1 r S+0 256M");
    trace_writer_line(writer, "1 mmap P 256M rw- private file=f");
    trace_writer_line(writer, "1 r P+0 256M");
    trace_writer_line(writer, "1 mmap A 256M rw- anon,private");
    trace_writer_line(writer, "1 w A+0 256M");
    for (unsigned i = 0; i < CYCLES; i++) {
        g_auto(GStrv) lines = g_strsplit(body, ";", -1);

        page = page * 1103515245 % 65521;
        for (char **line = lines; *line; line++)
            trace_writer_line(writer, "1 %s+%uK 4K%s", *line, page * 4,
                              g_str_has_prefix(*line, "madvise") ? " dontneed"
                                                                 : "");
    }
    MUST(trace_writer_close(writer, NULL), "%s cannot be written", path);
    return path;
}

/* What the second half of the trace does. */
static void
count_second_half(const struct trace *trace)
{
    struct setup setup = setup_of("kernel=2.6.22 ram=1G");
    struct replay *replay = replay_open(trace, &setup, NULL);

    replay_run(replay, trace->event_count / 2, UINT64_MAX);
    counted.allocations = counted.lookups = counted.reads = 0;
    counted.is_on = true;
    replay_run(replay, UINT64_MAX, UINT64_MAX);
    counted.is_on = false;
    MUST(replay->next_event == trace->event_count, "not all was replayed");
    MUST(replay->machine->counters.event_skipped_count == 0, "events skipped");
    replay_close(replay);
}

static const char *const bodies[] = {
    "r A;w A",        // present pages
    "madvise A;w A",  // fresh ones
    "madvise A;r A",  // the zero page
    "madvise A;r A;w A;x A",
    "madvise S;r S;w S",  // pages of a file
    "madvise P;w P",      // copies of them
};

START_TEST(events_in_memory_are_replayed_without_allocation_or_hash)
{
    const char *path = write_cycles("t.trace", bodies[_i]);

    count_second_half(trace_of_file(path));
    ck_assert_uint_eq(counted.allocations, 0);
    ck_assert_uint_eq(counted.lookups, 0);
    ck_assert_uint_eq(counted.reads, 0);
}
END_TEST

START_TEST(a_binary_trace_is_streamed_without_allocation_or_hash)
{
    const char *path = write_cycles("t.vmt", bodies[_i]);
    struct trace *trace = trace_open(path, NULL);

    MUST(trace, "%s cannot be read", path);
    count_second_half(trace);
    ck_assert_uint_eq(counted.allocations, 0);
    ck_assert_uint_eq(counted.lookups, 0);
    ck_assert_uint_le(counted.reads, trace->event_count / 4096 + 1);
    trace_free(trace);
}
END_TEST

/* The counters count. */
START_TEST(what_allocates_and_hashes_is_noticed)
{
    g_autoptr(GHashTable) table = g_hash_table_new(NULL, NULL);

    counted.is_on = true;
    g_free(g_malloc(100));
    g_hash_table_lookup(table, "");
    counted.is_on = false;
    ck_assert_uint_eq(counted.lookups, 1);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    ck_assert_uint_eq(counted.allocations, 1);
#endif
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("must_hold/hot_path");
    TCase *tcase = tcase_create("hot path");

    tcase_add_checked_fixture(tcase, runs_setup, runs_teardown);
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(
        tcase, events_in_memory_are_replayed_without_allocation_or_hash, 0,
        G_N_ELEMENTS(bodies));
    tcase_add_loop_test(tcase,
                        a_binary_trace_is_streamed_without_allocation_or_hash,
                        0, G_N_ELEMENTS(bodies));
    tcase_add_test(tcase, what_allocates_and_hashes_is_noticed);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
