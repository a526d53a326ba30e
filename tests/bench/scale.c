/*
 * How cost grows: time and host memory over touched pages, VMAs, processes and
 * events, each doubled again and again.
 *
 * The slope is that of a line through the points on log-log paper (1.00: twice
 * as many take twice as long).  Slopes are printed, not judged: they are as
 * noisy as the host.  `limit loop` is the time of a sequential fault.
 */
#include "growth.h"
#include "measure.h"
#include "pages.h"

#include "mm/host_memory.h"

#include <stdio.h>

static void
report(const struct measure *measure, const struct growth *growth)
{
    struct host_memory *memory = host_memory_create();
    double total_ns[GROWTH_DOUBLINGS_MAX + 1];
    double limit_ns = pages_limit_fault_ns();
    double slope = growth_measure(growth, growth->largest, GROWTH_DOUBLINGS_MAX,
                                  memory, total_ns);

    for (unsigned i = 0; i <= GROWTH_DOUBLINGS_MAX; i++) {
        uint32_t count = growth->largest >> (GROWTH_DOUBLINGS_MAX - i);

        measure_print(measure,
                      &(struct measure_result){.name = growth->name,
                                               .unit = growth->unit,
                                               .size = count,
                                               .ns = total_ns[i] / count,
                                               .limit_ns = limit_ns});
    }
    if (measure->is_json)
        printf("{\"name\":\"%s\",\"slope\":%.3f}\n", growth->name, slope);
    else
        printf("%-28s slope %.2f\n", growth->name, slope);
    fflush(stdout);
    host_memory_destroy(memory);
}

int
main(int argc, char **argv)
{
    struct measure measure = measure_begin(argc, argv);

    for (size_t i = 0; i < GROWTH_COUNT; i++)
        if (measure_wants(&measure, growths[i].name))
            report(&measure, &growths[i]);
    return 0;
}
