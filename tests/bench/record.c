/*
 * What recording does to a program that does nothing but fault: how much longer
 * a fault takes, and whether perf keeps up with them.
 *
 * This program runs itself, alone and under `vmsim record`, and takes what it
 * says about its own faults, so that starting and importing do not count.  It
 * needs what record needs.
 */
#include "measure.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define FAULT_COUNT  600000
#define ROUND_PAGES  2048
#define PAGE_BYTES   4096
#define SLOWDOWN_MAX 2.5
#define SKIPPED      77  // as meson knows it

/* Of the clock on the wall: the recorder's interrupts count, too. */
static double
now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Take pages and give them back; says what a fault took. */
static int
fault(void)
{
    size_t length = ROUND_PAGES * PAGE_BYTES;
    double start = now_ns();

    for (unsigned done = 0; done < FAULT_COUNT; done += ROUND_PAGES) {
        char *pages = mmap(NULL, length, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (pages == MAP_FAILED)
            return 1;
        madvise(pages, length, MADV_NOHUGEPAGE);
        for (size_t at = 0; at < length; at += PAGE_BYTES)
            ((volatile char *)pages)[at] = 1;
        munmap(pages, length);
    }
    printf("%.1f\n", (now_ns() - start) / FAULT_COUNT);
    return 0;
}

/* What the faults of a run took; ends the benchmark if it could not be run,
 * which is no failure where perf may not be used. */
static double
run(char **argv)
{
    g_autofree char *out = NULL, *err = NULL;
    g_autoptr(GError) error = NULL;
    int status;

    if (g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out,
                     &err, &status, &error) &&
        g_spawn_check_wait_status(status, &error))
        return g_ascii_strtod(out, NULL);
    fprintf(stderr, "%s: %s\n%s", argv[0], error->message, err ? err : "");
    bool may_not = err && (strstr(err, "needs root or CAP_PERFMON") ||
                           strstr(err, "is not installed"));
    exit(may_not ? SKIPPED : 1);
}

int
main(int argc, char **argv)
{
    double alone[MEASURE_ROUNDS], recorded[MEASURE_ROUNDS];
    g_autofree char *folder = NULL, *trace = NULL;

    if (argc == 2 && strcmp(argv[1], "--fault") == 0)
        return fault();
    if (argc != 2) {
        fprintf(stderr, "usage: %s VMSIM\n", argv[0]);
        return 2;
    }
    folder = g_dir_make_tmp("vmsim-bench-XXXXXX", NULL);
    trace = g_build_filename(folder, "t.vmt", NULL);
    char *faults[] = {argv[0], (char *)"--fault", NULL};
    char *record[] = {argv[1],           (char *)"record",
                      (char *)"--with",  (char *)"perf",
                      (char *)"-o",      trace,
                      (char *)"--",      argv[0],
                      (char *)"--fault", NULL};
    for (int i = 0; i < MEASURE_ROUNDS; i++) {
        alone[i] = run(faults);
        recorded[i] = run(record);
    }
    g_unlink(trace);
    g_rmdir(folder);
    double before = measure_median(alone), after = measure_median(recorded);
    printf("a fault alone    %8.0f ns\n"
           "a fault recorded %8.0f ns, %.0f a second, none lost\n"
           "slowdown         %8.2f (at most %.1f)\n",
           before, after, 1e9 / after, after / before, SLOWDOWN_MAX);
    return after / before <= SLOWDOWN_MAX ? 0 : 1;
}
