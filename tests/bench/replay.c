/*
 * 50 million single-page accesses by zipf over a million present pages, read
 * from a binary trace: decoding included, beside the limit loop's random touch;
 * median of five.
 */
#include "accesses.h"
#include "measure.h"
#include "pages.h"

#include <stdio.h>
#include <stdlib.h>

#include <glib/gstdio.h>

#define ACCESSES 50000000

static void
die(const GError *error)
{
    fprintf(stderr, "%s\n", error->message);
    exit(EXIT_FAILURE);
}

static void
report(const struct measure *measure, const char *name, const char *path)
{
    static const struct subject touches = {.what = TOUCH_PRESENT,
                                           .order = SHUFFLED};
    g_autofree uint32_t *pages = order_new(SHUFFLED, PAGES, 1);
    g_autofree uint32_t *frames = order_new(ASCENDING, PAGES, 2);
    double simulated[MEASURE_ROUNDS], limit[MEASURE_ROUNDS];
    GError *error = NULL;

    for (unsigned i = 0; i < MEASURE_ROUNDS; i++) {
        limit[i] = pages_limit_ns(&touches, pages, frames);
        simulated[i] = accesses_ns(path, &error);
        if (error)
            die(error);
    }
    measure_print(measure,
                  &(struct measure_result){.name = name,
                                           .unit = "event",
                                           .size = ACCESSES,
                                           .ns = measure_median(simulated),
                                           .limit_ns = measure_median(limit)});
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name, *file;
    } forms[] = {{"replay zipf 0.99, .vmt", "t.vmt"},
                 {"replay zipf 0.99, .vmt.zst", "t.vmt.zst"}};
    struct measure measure = measure_begin(argc, argv);
    GError *error = NULL;
    g_autofree char *folder = g_dir_make_tmp("vmsim-replay-XXXXXX", &error);

    if (!folder)
        die(error);
    for (size_t i = 0; i < G_N_ELEMENTS(forms); i++) {
        g_autofree char *path = g_build_filename(folder, forms[i].file, NULL);

        if (!measure_wants(&measure, forms[i].name))
            continue;
        if (!accesses_write(path, ACCESSES, &error))
            die(error);
        report(&measure, forms[i].name, path);
        g_unlink(path);
    }
    g_rmdir(folder);
    return 0;
}
