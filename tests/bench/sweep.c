/*
 * How a sweep's throughput grows with -j, against as many limit loops at once.
 *
 * The same cells run with -j1 and with -jN, the same loop in one thread and in
 * N; wall-clock time, median of five, all in turns.  What the host's caches and
 * its memory take away from N loops they take from N simulators too, so the
 * ratio of the two says what the program itself loses.
 *
 * argv: the program, then perhaps --json.
 */
#include "limit.h"
#include "measure.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <glib.h>
#include <glib/gstdio.h>

enum { CELLS = 8, TOUCHES = 4 << 20, JOBS_MAX = 64 };

static double
wall_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void
die(const char *why)
{
    fprintf(stderr, "bench-sweep: %s\n", why);
    exit(EXIT_FAILURE);
}

/* ---- the sweep ---- */

/* Every page of 4 GiB once, then touches at random. */
static void
write_text(const char *path)
{
    uint64_t state = 1;
    FILE *file = fopen(path, "w");

    if (!file)
        die("no trace");
    fprintf(file, "#vmtrace 1\n1 start\n1 mmap A 4G rw- anon,private\n"
                  "1 w A 4G\n");
    for (unsigned i = 0; i < TOUCHES; i++)
        fprintf(file, "1 w A+%" PRIu64 "K 4K\n",
                measure_random(&state) % LIMIT_PAGES * 4);
    if (fclose(file) != 0)
        die("no trace");
}

static void
run_program(const char *const *argv)
{
    int status;

    if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_STDERR_TO_DEV_NULL,
                      NULL, NULL, NULL, NULL, &status, NULL) ||
        status != 0)
        die("vmsim failed");
}

static double
time_sweep(const char *program, const char *trace, unsigned jobs)
{
    g_autofree char *output = g_strconcat(trace, ".jsonl", NULL);
    g_autofree char *jobs_option = g_strdup_printf("-j%u", jobs);
    const char *const argv[] = {
        program,
        "sweep",
        trace,
        "--kernel=2.6.7,2.6.22",
        "--policy=gap=linear,area-cache,hole-size,rb-gap",
        jobs_option,
        "-o",
        output,
        NULL};
    double start = wall_ns();

    run_program(argv);
    return wall_ns() - start;
}

/* ---- the limit loops ---- */

struct loop {
    uint32_t *pages, *touched;
    unsigned rounds;
};

static gpointer
run_loop(gpointer data)
{
    const struct loop *loop = data;

    for (unsigned i = 0; i < loop->rounds; i++) {
        struct limit limit;
        limit_init(&limit, loop->pages);
        limit_fault(&limit, loop->pages, LIMIT_PAGES - 1);
        limit_touch(&limit, loop->touched, TOUCHES);
        limit_finish(&limit);
    }
    return NULL;
}

/* CELLS loops by `jobs` threads. */
static double
time_loops(struct loop *loop, unsigned jobs)
{
    GThread *threads[JOBS_MAX];
    double start = wall_ns();

    loop->rounds = CELLS / jobs;
    for (unsigned i = 0; i < jobs; i++)
        threads[i] = g_thread_new("loop", run_loop, loop);
    for (unsigned i = 0; i < jobs; i++)
        g_thread_join(threads[i]);
    return wall_ns() - start;
}

static struct loop
make_loop(void)
{
    struct loop loop = {.pages = g_new(uint32_t, LIMIT_PAGES),
                        .touched = g_new(uint32_t, TOUCHES)};
    uint64_t state = 1;

    for (uint32_t i = 0; i < LIMIT_PAGES; i++)
        loop.pages[i] = i;
    for (uint32_t i = 0; i < TOUCHES; i++)
        loop.touched[i] = (uint32_t)(measure_random(&state) % LIMIT_PAGES);
    return loop;
}

/* ---- both ---- */

static void
compare(bool is_json, const char *program, const char *trace, struct loop *loop,
        unsigned jobs)
{
    double sweep_one[MEASURE_ROUNDS], sweep_many[MEASURE_ROUNDS];
    double loop_one[MEASURE_ROUNDS], loop_many[MEASURE_ROUNDS];

    for (unsigned i = 0; i < MEASURE_ROUNDS; i++) {
        sweep_one[i] = time_sweep(program, trace, 1);
        sweep_many[i] = time_sweep(program, trace, jobs);
        loop_one[i] = time_loops(loop, 1);
        loop_many[i] = time_loops(loop, jobs);
    }
    double sweep = measure_median(sweep_one) / measure_median(sweep_many);
    double limit = measure_median(loop_one) / measure_median(loop_many);
    if (is_json)
        printf("{\"name\":\"sweep scaling\",\"jobs\":%u,\"sweep\":%.3f,"
               "\"limit\":%.3f,\"ratio\":%.3f}\n",
               jobs, sweep, limit, sweep / limit);
    else
        printf("sweep scaling   -j%-3u %6.2fx %11.2fx %9.2f\n", jobs, sweep,
               limit, sweep / limit);
    fflush(stdout);
}

int
main(int argc, char **argv)
{
    GError *error = NULL;
    bool is_json = argc > 2 && strcmp(argv[2], "--json") == 0;
    g_autofree char *folder = g_dir_make_tmp("vmsim-bench-XXXXXX", &error);
    struct loop loop = make_loop();

    if (argc < 2 || !folder)
        die(error ? error->message : "expected the program as an argument");
    g_autofree char *text = g_build_filename(folder, "t", NULL);
    g_autofree char *trace = g_build_filename(folder, "t.vmt", NULL);
    g_autofree char *output = g_build_filename(folder, "t.vmt.jsonl", NULL);
    const char *const convert[] = {argv[1], "convert", text, "-o", trace, NULL};
    write_text(text);
    run_program(convert);
    if (!is_json)
        printf("%-15s %5s %6s %12s %9s\n", "throughput", "", "sweep",
               "limit loops", "ratio");
    for (unsigned jobs = 2; jobs <= CELLS && jobs <= g_get_num_processors();
         jobs *= 2)
        compare(is_json, argv[1], trace, &loop, jobs);
    g_unlink(text);
    g_unlink(trace);
    g_unlink(output);
    g_rmdir(folder);
    g_free(loop.pages);
    g_free(loop.touched);
    return 0;
}
