/*
 * How cost grows: host memory and start-up of a terabyte machine, and the
 * slope of time over VMAs, processes and touched pages (1.00: proportional).
 *
 * Exits with 1 when memory or start-up is out of bounds; slopes are printed,
 * for they are as noisy as the host.
 */
#include "measure.h"

#include "../mm/eras.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define GIB            (UINT64_C(1) << 30)
#define TOUCHED        (16 * GIB)
#define HOST_BYTES_MAX (256 << 20)  // per 16 GiB touched
#define START_NS_MAX   1e7

static struct machine *
machine_new(uint64_t ram_bytes)
{
    struct machine_config config = era_config(3, &arch_x86_64, ram_bytes);

    config.track_content = false;
    config.max_map_count = UINT32_MAX;
    return machine_create(&config);
}

/* true: within bounds. */
static bool
terabyte_fits(void)
{
    uint64_t before = measure_resident_bytes();
    double start = measure_now_ns();
    struct machine *machine = machine_new(1024 * GIB);
    struct task *task = start_task(machine, 0);
    double started_ns = measure_now_ns() - start;

    touch(task, TOUCH_WRITE, map_anon(task, TOUCHED), TOUCHED);
    uint64_t host_bytes = measure_resident_bytes() - before;
    machine_destroy(machine);
    printf("1 TiB machine: start-up %.2f ms, host memory for 16 GiB touched "
           "%" PRIu64 " MiB\n",
           started_ns / 1e6, host_bytes >> 20);
    return started_ns < START_NS_MAX && host_bytes <= HOST_BYTES_MAX;
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

static double
median_ns(void (*use)(struct machine *machine, uint32_t count), uint32_t count)
{
    double ns[MEASURE_ROUNDS];

    for (unsigned i = 0; i < MEASURE_ROUNDS; i++) {
        double start = measure_now_ns();
        struct machine *machine = machine_new(64 * GIB);

        use(machine, count);
        machine_destroy(machine);
        ns[i] = measure_now_ns() - start;
    }
    return measure_median(ns);
}

int
main(void)
{
    static const struct {
        const char *name;
        void (*use)(struct machine *machine, uint32_t count);
        uint32_t count;
    } subjects[] = {
        {"VMAs", use_vmas, 500000},
        {"processes", use_processes, 5000},
        {"touched pages", use_pages, 1 << 20},
    };
    bool fits = terabyte_fits();

    for (size_t i = 0; i < G_N_ELEMENTS(subjects); i++) {
        double once = median_ns(subjects[i].use, subjects[i].count);
        double twice = median_ns(subjects[i].use, 2 * subjects[i].count);

        printf("%8" PRIu32 " %-14s %9.1f ns each, slope of doubling %.2f\n",
               2 * subjects[i].count, subjects[i].name,
               twice / (2 * subjects[i].count), log2(twice / once));
    }
    return fits ? 0 : 1;
}
