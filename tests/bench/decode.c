/*
 * What it costs to read a trace of single-page accesses, by the form it has:
 * CPU time, digests and checksums included, of every thread.
 *
 * Each form's name is followed by its bytes per event; the median of five
 * stands beside the limit loop's random touch.  `fetched` is binary with all
 * events brought into memory, as a sweep does; the others are read by a cursor.
 */
#include "measure.h"
#include "pages.h"

#include "traces/trace.h"
#include "traces/trace_copy.h"

#include <stdio.h>
#include <stdlib.h>

#include <glib/gstdio.h>

#define EVENTS 4000000

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
        uint64_t random = measure_random(&state);
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
    double start = measure_now_ns();
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
    double elapsed = measure_now_ns() - start;
    double ns = elapsed / (double)trace->event_count;
    trace_free(trace);
    return ns;
}

static uint64_t
report(const struct measure *measure, const char *name, const char *path,
       bool is_fetched, double limit_ns)
{
    double ns[MEASURE_ROUNDS];
    uint64_t sum = 0;
    GStatBuf file;

    for (unsigned i = 0; i < MEASURE_ROUNDS; i++)
        ns[i] = read_ns(path, is_fetched, &sum);
    g_stat(path, &file);
    g_autofree char *form =
        g_strdup_printf("read %s, %.2f B", name, (double)file.st_size / EVENTS);
    measure_print(measure, &(struct measure_result){.name = form,
                                                    .unit = "event",
                                                    .size = EVENTS,
                                                    .ns = measure_median(ns),
                                                    .limit_ns = limit_ns});
    return sum;
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name, *file;
        bool is_fetched;
    } forms[] = {
        {"text", "t", false},       {"text .zst", "t.zst", false},
        {".vmt", "t.vmt", false},   {".vmt.zst", "t.vmt.zst", false},
        {"fetched", "t.vmt", true},
    };
    struct measure measure = measure_begin(argc, argv);
    double limit_ns = pages_limit_touch_ns();
    GError *error = NULL;
    g_autofree char *folder = g_dir_make_tmp("vmsim-decode-XXXXXX", &error);
    uint64_t sums[G_N_ELEMENTS(forms)];

    if (!folder)
        die(error);
    g_autofree char *text = g_build_filename(folder, "t", NULL);
    write_trace(text);
    for (size_t i = 0; i < G_N_ELEMENTS(forms); i++) {
        g_autofree char *path = g_build_filename(folder, forms[i].file, NULL);
        if (i > 0 && !forms[i].is_fetched)
            convert(text, path);
        sums[i] = report(&measure, forms[i].name, path, forms[i].is_fetched,
                         limit_ns);
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
