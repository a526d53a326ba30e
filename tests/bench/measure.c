/*
 * Clock, chance and output of the benchmarks.
 */
#include "measure.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double
measure_now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

uint64_t
measure_resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    uint64_t pages = 0;

    if (!file)
        return 0;
    if (fscanf(file, "%*u %" SCNu64, &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t
measure_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static int
compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double
measure_median(double *values)
{
    qsort(values, MEASURE_ROUNDS, sizeof(double), compare_doubles);
    return values[MEASURE_ROUNDS / 2];
}

struct measure
measure_begin(int argc, char **argv)
{
    struct measure measure = {0};

    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--json") == 0)
            measure.is_json = true;
        else
            measure.part = argv[i];
    if (!measure.is_json)
        printf("%-28s %9s %4s %12s %11s %7s\n", "", "size", "per", "simulator",
               "limit loop", "ratio");
    return measure;
}

bool
measure_wants(const struct measure *measure, const char *name)
{
    return !measure->part || strstr(name, measure->part);
}

void
measure_print(const struct measure *measure,
              const struct measure_result *result)
{
    bool has_limit = result->limit_ns > 0;

    if (measure->is_json) {
        printf("{\"name\":\"%s\",\"unit\":\"%s\",\"size\":%" PRIu64
               ",\"ns\":%.3f",
               result->name, result->unit, result->size, result->ns);
        if (has_limit)
            printf(",\"limit_ns\":%.3f,\"ratio\":%.3f", result->limit_ns,
                   result->ns / result->limit_ns);
        printf("}\n");
        return;
    }
    printf("%-28s %9" PRIu64 " %4s %9.2f ns", result->name, result->size,
           result->unit, result->ns);
    if (has_limit)
        printf(" %8.2f ns %6.1fx", result->limit_ns,
               result->ns / result->limit_ns);
    printf("\n");
    fflush(stdout);
}
