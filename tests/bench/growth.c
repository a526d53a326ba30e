/*
 * See growth.h.
 */
#include "growth.h"

#include "measure.h"
#include "pages.h"

#include <math.h>

#define GIB (UINT64_C(1) << 30)

static struct machine *
machine_new(int era, struct host_memory *memory)
{
    struct machine_config config = era_config(era, &arch_x86_64, 64 * GIB);

    config.track_content = false;
    config.max_map_count = UINT32_MAX;
    config.host_memory = memory;
    return machine_create(&config);
}

/* Map `count` VMAs that do not merge, and unmap them by exit. */
static void
use_vmas(struct machine *machine, uint32_t count)
{
    struct task *task = start_task(machine, 0);

    for (uint32_t i = 0; i < count; i++)
        run_call(
            machine, task,
            &(struct call){.kind = CALL_MMAP,
                           .length = PAGE_BYTES,
                           .prot = VM_READ | (i % 2 ? VM_EXEC : VM_WRITE)});
    run_call(machine, task, &(struct call){.kind = CALL_EXIT});
}

/* `count` processes alive at once, each with a page of its own. */
static void
use_processes(struct machine *machine, uint32_t count)
{
    struct task *parent = start_task(machine, 0);
    uint64_t base = map_anon(parent, PAGE_BYTES);

    touch(parent, TOUCH_WRITE, base, PAGE_BYTES);
    for (uint32_t i = 0; i < count; i++)
        touch(fork_task(parent, 0), TOUCH_WRITE, base, PAGE_BYTES);
}

static void
use_pages(struct machine *machine, uint32_t count)
{
    struct task *task = start_task(machine, 0);
    uint64_t bytes = pages_to_bytes(count);

    touch(task, TOUCH_WRITE, map_anon(task, bytes), bytes);
    run_call(machine, task, &(struct call){.kind = CALL_EXIT});
}

/* Fault at random, so that no event is like the one before it. */
static void
use_events(struct machine *machine, uint32_t count)
{
    struct task *task = start_task(machine, 0);
    uint64_t base = map_anon(task, PAGE_SPACE), seed = 1;

    for (uint32_t i = 0; i < count; i++) {
        uint64_t addr =
            base + pages_to_bytes(measure_random(&seed) % (1 << 12));

        if (!touch_one(task, addr, TOUCH_WRITE))
            touch(task, TOUCH_WRITE, addr, PAGE_BYTES);
    }
}

const struct growth growths[GROWTH_COUNT] = {
    {"touched pages", "page", use_pages, 1 << 22, 1 << 20, GROWTH_ERA_2_6_32},
    {"VMAs", "VMA", use_vmas, 1 << 20, 1 << 18, GROWTH_ERA_2_6_32},
    {"VMAs of 6.18", "VMA", use_vmas, 1 << 20, 1 << 18, GROWTH_ERA_6_18},
    {"processes", "process", use_processes, 10240, 10240, GROWTH_ERA_2_6_32},
    {"events", "event", use_events, 1 << 25, 1 << 23, GROWTH_ERA_2_6_32},
};

static double
growth_ns(const struct growth *growth, uint32_t count,
          struct host_memory *memory)
{
    double start = measure_now_ns();
    struct machine *machine = machine_new(growth->era, memory);

    growth->use(machine, count);
    machine_destroy(machine);
    return measure_now_ns() - start;
}

double
growth_measure(const struct growth *growth, uint32_t largest,
               unsigned doublings, struct host_memory *memory,
               double *median_ns)
{
    double ns[GROWTH_DOUBLINGS_MAX + 1][MEASURE_ROUNDS];
    double round_ns[GROWTH_DOUBLINGS_MAX + 1], slopes[MEASURE_ROUNDS];

    for (unsigned round = 0; round < MEASURE_ROUNDS; round++) {
        for (unsigned i = 0; i <= doublings; i++)
            ns[i][round] = round_ns[i] =
                growth_ns(growth, largest >> (doublings - i), memory);
        slopes[round] = growth_slope(&round_ns[doublings - GROWTH_DOUBLINGS]);
    }
    for (unsigned i = 0; i <= doublings; i++)
        median_ns[i] = measure_median(ns[i]);
    return measure_median(slopes);
}

double
growth_slope(const double *ns)
{
    const unsigned count = GROWTH_DOUBLINGS + 1;
    double mean_x = (count - 1) / 2.0, mean_y = 0, xy = 0, xx = 0;

    for (unsigned i = 0; i < count; i++)
        mean_y += log2(ns[i]) / count;
    for (unsigned i = 0; i < count; i++) {
        xy += (i - mean_x) * (log2(ns[i]) - mean_y);
        xx += (i - mean_x) * (i - mean_x);
    }
    return xy / xx;
}
