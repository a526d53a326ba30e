/*
 * What it costs to read a trace of single-page accesses, by the form it has:
 * CPU time, digests and checksums included, of every thread.
 *
 * Prints a table: bytes and ns per event, events per second; median of five.
 * `fetched` is binary with all events brought into memory, as a sweep does; the
 * others are read by a cursor.
 */
#include "traces/trace.h"
#include "traces/trace_copy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <glib/gstdio.h>

enum { EVENTS = 4000000, PAGES = 1 << 20, ROUNDS = 5 };

static double
now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static uint64_t
next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void
die(GError *error)
{
    fprintf(stderr, "%s\n", error->message);
    exit(EXIT_FAILURE);
}

/* Pages of 4 GiB, uniformly at random, one in three written. */
static void
write_trace(const char *path)
{
    GError *error = NULL;
    uint64_t state = 1;
    struct trace_writer *writer = trace_writer_open(path, &error);

    if (!writer)
        die(error);
    trace_writer_line(writer, "1 start");
    trace_writer_line(writer, "1 mmap A 4G rw- anon,private");
    for (unsigned i = 0; i < EVENTS; i++) {
        uint64_t random = next_random(&state);
        trace_writer_line(writer, "1 %c A+%uK 4K", random % 3 ? 'r' : 'w',
                          (unsigned)(random >> 32) % PAGES * 4);
    }
    if (!trace_writer_close(writer, &error))
        die(error);
}

static void
convert(const char *from, const char *to)
{
    GError *error = NULL;
    struct trace_writer *writer = trace_writer_open(to, &error);

    if (!writer || !trace_copy(from, writer, &error) ||
        !trace_writer_close(writer, &error))
        die(error);
}

/* Every event is looked at. */
static uint64_t
sum_events(const struct trace *window)
{
    uint64_t sum = 0;

    for (guint i = 0; i < window->events->len; i++)
        sum +=
            g_array_index(window->events, struct trace_event, i).address.offset;
    return sum;
}

static double
read_ns(const char *path, bool is_fetched, uint64_t *sum)
{
    GError *error = NULL;
    const struct trace *window;
    double start = now_ns();
    struct trace *trace = trace_open(path, &error);

    if (!trace || (is_fetched && !trace_fetch(trace, &error)))
        die(error);
    struct trace_cursor *cursor = trace_cursor_open(trace);
    *sum = 0;
    while ((window = trace_cursor_next(cursor, &error)))
        *sum += sum_events(window);
    if (error)
        die(error);
    trace_cursor_close(cursor);
    double elapsed = now_ns() - start;
    double ns = elapsed / (double)trace->event_count;
    trace_free(trace);
    return ns;
}

static int
compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static uint64_t
report(const char *name, const char *path, bool is_fetched)
{
    double ns[ROUNDS];
    uint64_t sum;
    GStatBuf file;

    for (unsigned i = 0; i < ROUNDS; i++)
        ns[i] = read_ns(path, is_fetched, &sum);
    qsort(ns, ROUNDS, sizeof(double), compare_doubles);
    g_stat(path, &file);
    printf("%-12s %8.2f B %8.1f ns %10.1f M/s\n", name,
           (double)file.st_size / EVENTS, ns[ROUNDS / 2], 1e3 / ns[ROUNDS / 2]);
    return sum;
}

int
main(void)
{
    static const struct {
        const char *name, *file;
        bool is_fetched;
    } forms[] = {
        {"text", "t", false},       {"text .zst", "t.zst", false},
        {".vmt", "t.vmt", false},   {".vmt.zst", "t.vmt.zst", false},
        {"fetched", "t.vmt", true},
    };
    GError *error = NULL;
    g_autofree char *folder = g_dir_make_tmp("vmsim-decode-XXXXXX", &error);
    uint64_t sums[G_N_ELEMENTS(forms)];

    if (!folder)
        die(error);
    g_autofree char *text = g_build_filename(folder, "t", NULL);
    write_trace(text);
    printf("%-12s %10s %11s %14s\n", "per event", "file", "CPU time", "events");
    for (size_t i = 0; i < G_N_ELEMENTS(forms); i++) {
        g_autofree char *path = g_build_filename(folder, forms[i].file, NULL);
        if (i > 0 && !forms[i].is_fetched)
            convert(text, path);
        sums[i] = report(forms[i].name, path, forms[i].is_fetched);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(forms); i++) {
        g_autofree char *path = g_build_filename(folder, forms[i].file, NULL);
        g_unlink(path);
        if (sums[i] != sums[0])
            die(g_error_new(TRACE_ERROR, TRACE_ERROR_IO, "%s says other events",
                            forms[i].name));
    }
    g_rmdir(folder);
    return 0;
}
