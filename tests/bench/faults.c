/*
 * What a simulated fault and a simulated touch cost on the host, beside the
 * limit loop in the same run.
 *
 * Prints a table: ns per page of the simulator, of the limit loop, the ratio;
 * median of five.  "aged" means that the free list was shuffled before, by
 * faulting in random order and exiting.
 */
#include "limit.h"

#include "../mm/eras.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PAGES  LIMIT_PAGES
#define ROUNDS 5
#define AHEAD  16  // as far as the replay loop looks

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

static uint32_t *
order_new(bool is_shuffled, uint64_t seed)
{
    uint32_t *order = g_new(uint32_t, PAGES);

    for (uint32_t i = 0; i < PAGES; i++)
        order[i] = i;
    for (uint32_t i = PAGES - 1; is_shuffled && i > 0; i--) {
        uint32_t other = (uint32_t)(next_random(&seed) % (i + 1));
        uint32_t kept = order[i];

        order[i] = order[other];
        order[other] = kept;
    }
    return order;
}

/* ---- the simulator ---- */

struct bench {
    struct machine *machine;
    struct task *task;
    uint64_t base;
};

static struct bench
bench_new(void)
{
    struct machine_config config =
        era_config(3, &arch_x86_64, UINT64_C(6) << 30);
    struct bench bench;

    config.track_content = false;
    config.policy.purge = &purge_dontneed;
    bench.machine = machine_create(&config);
    bench.task = start_task(bench.machine, 0);
    bench.base = map_anon(bench.task, (uint64_t)PAGES << PAGE_SHIFT);
    return bench;
}

/* As the replay loop does it. */
static void
touch_page(struct task *task, uint64_t addr)
{
    if (!touch_one(task, addr, TOUCH_WRITE))
        touch(task, TOUCH_WRITE, addr, PAGE_BYTES);
}

static void
touch_pages(const struct bench *bench, const uint32_t *pages, bool in_one_run)
{
    if (in_one_run) {
        touch(bench->task, TOUCH_WRITE, bench->base,
              (uint64_t)PAGES << PAGE_SHIFT);
        return;
    }
    for (uint32_t i = 0; i < PAGES; i++) {
        if (i + AHEAD < PAGES)
            touch_expect(bench->task->mm,
                         bench->base +
                             ((uint64_t)pages[i + AHEAD] << PAGE_SHIFT));
        touch_page(bench->task,
                   bench->base + ((uint64_t)pages[i] << PAGE_SHIFT));
    }
}

/* Leave the free lists in random order: fault at random, drop in sequence. */
static void
age(const struct bench *bench, const uint32_t *pages)
{
    touch_pages(bench, pages, false);
    run_call(bench->machine, bench->task,
             &(struct call){.kind = CALL_MADVISE,
                            .addr = bench->base,
                            .length = (uint64_t)PAGES << PAGE_SHIFT,
                            .advice = ADVICE_DONTNEED});
}

/* ---- one line of the table ---- */

struct measure {
    const char *name;
    bool is_touch, is_random, is_aged;
};

static double
simulator_ns(const struct measure *measure, const uint32_t *pages)
{
    struct bench bench = bench_new();

    if (measure->is_aged)
        age(&bench, pages);
    if (measure->is_touch)
        touch_pages(&bench, pages, true);
    double start = now_ns();
    touch_pages(&bench, pages, !measure->is_random);
    double elapsed = now_ns() - start;
    machine_destroy(bench.machine);
    return elapsed / PAGES;
}

static double
limit_ns(const struct measure *measure, const uint32_t *pages,
         const uint32_t *frames)
{
    struct limit limit;

    limit_init(&limit, frames);
    if (measure->is_touch)
        limit_fault(&limit, pages, PAGES);
    double start = now_ns();
    if (measure->is_touch)
        limit_touch(&limit, pages, PAGES);
    else
        limit_fault(&limit, pages, PAGES);
    double elapsed = now_ns() - start;
    limit_finish(&limit);
    return elapsed / PAGES;
}

static int
compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void
report(const struct measure *measure)
{
    double simulated[ROUNDS], limit[ROUNDS];
    uint32_t *pages = order_new(measure->is_random, 1);
    uint32_t *frames = order_new(measure->is_aged, 2);

    for (unsigned i = 0; i < ROUNDS; i++) {
        limit[i] = limit_ns(measure, pages, frames);
        simulated[i] = simulator_ns(measure, pages);
    }
    qsort(simulated, ROUNDS, sizeof(double), compare_doubles);
    qsort(limit, ROUNDS, sizeof(double), compare_doubles);
    double ns = simulated[ROUNDS / 2], least = limit[ROUNDS / 2];

    printf("%-24s %8.2f ns %8.2f ns %6.1fx  %8.1f M/s\n", measure->name, ns,
           least, ns / least, 1e3 / ns);
    g_free(pages);
    g_free(frames);
}

int
main(void)
{
    static const struct measure measures[] = {
        {.name = "fault sequential"},
        {.name = "fault random fresh", .is_random = true},
        {.name = "fault random aged", .is_random = true, .is_aged = true},
        {.name = "touch run", .is_touch = true},
        {.name = "touch random", .is_touch = true, .is_random = true},
    };

    printf("%-24s %11s %11s %7s  %12s\n", "per page", "simulator", "limit loop",
           "ratio", "simulator");
    for (size_t i = 0; i < G_N_ELEMENTS(measures); i++)
        report(&measures[i]);
    return 0;
}
