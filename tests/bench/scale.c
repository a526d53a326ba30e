/*
 * How cost grows: time and host memory over touched pages, VMAs, processes and
 * events, each doubled again and again.
 *
 * The slope is that of a line through the points on log-log paper (1.00: twice
 * as many take twice as long).  Slopes are printed, not judged: they are as
 * noisy as the host.  `limit loop` is the time of a sequential fault.
 */
#include "measure.h"
#include "pages.h"

#include "mm/host_memory.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define GIB          (UINT64_C(1) << 30)
#define DOUBLINGS    7
#define SLOPE_POINTS 3  // doublings that the slope is taken over: the largest

enum { ERA_2_6_32 = 3, ERA_6_18 = 4 };  // of era_config()

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

struct growth {
    const char *name, *unit;
    void (*use)(struct machine *machine, uint32_t count);
    uint32_t largest;
    int era;
};

/* Time of all of `count`, from the making of the machine to its end. */
static double
median_ns(const struct growth *growth, uint32_t count,
          struct host_memory *memory)
{
    double ns[MEASURE_ROUNDS];

    for (unsigned i = 0; i < MEASURE_ROUNDS; i++) {
        double start = measure_now_ns();
        struct machine *machine = machine_new(growth->era, memory);

        growth->use(machine, count);
        machine_destroy(machine);
        ns[i] = measure_now_ns() - start;
    }
    return measure_median(ns);
}

/* Of a line through the points by least squares, on log-log paper. */
static double
slope_of(const double *ns, unsigned count)
{
    double mean_x = (count - 1) / 2.0, mean_y = 0, xy = 0, xx = 0;

    for (unsigned i = 0; i < count; i++)
        mean_y += log2(ns[i]) / count;
    for (unsigned i = 0; i < count; i++) {
        xy += (i - mean_x) * (log2(ns[i]) - mean_y);
        xx += (i - mean_x) * (i - mean_x);
    }
    return xy / xx;
}

static void
report(const struct measure *measure, const struct growth *growth)
{
    struct host_memory *memory = host_memory_create();
    double total_ns[DOUBLINGS + 1], limit_ns = pages_limit_fault_ns();

    for (unsigned i = 0; i <= DOUBLINGS; i++) {
        uint32_t count = growth->largest >> (DOUBLINGS - i);

        total_ns[i] = median_ns(growth, count, memory);
        measure_print(measure,
                      &(struct measure_result){.name = growth->name,
                                               .unit = growth->unit,
                                               .size = count,
                                               .ns = total_ns[i] / count,
                                               .limit_ns = limit_ns});
    }
    double slope =
        slope_of(&total_ns[DOUBLINGS - SLOPE_POINTS], SLOPE_POINTS + 1);
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
    static const struct growth growths[] = {
        {"touched pages", "page", use_pages, 1 << 22, ERA_2_6_32},
        {"VMAs", "VMA", use_vmas, 1 << 20, ERA_2_6_32},
        {"VMAs of 6.18", "VMA", use_vmas, 1 << 20, ERA_6_18},
        {"processes", "process", use_processes, 10240, ERA_2_6_32},
        {"events", "event", use_events, 1 << 25, ERA_2_6_32},
    };
    struct measure measure = measure_begin(argc, argv);

    for (size_t i = 0; i < G_N_ELEMENTS(growths); i++)
        if (measure_wants(&measure, growths[i].name))
            report(&measure, &growths[i]);
    return 0;
}
