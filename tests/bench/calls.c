/*
 * What calls cost on the host: mapping among many VMAs under every gap policy,
 * fork and exit of 1 GiB, giving memory up and using it again.
 *
 * Bottom-up: the caching policies' walks down have no shortcut to the number
 * of their steps (mm/gap_area_cache.c) and cost the host what they count.
 */
#include "measure.h"

#include "../mm/eras.h"

#include "mm/host_memory.h"

#define GIB        (UINT64_C(1) << 30)
#define PAIR_COUNT 5000

static struct machine *
machine_new(const struct gap_ops *gap, const struct purge_ops *purge,
            struct host_memory *memory)
{
    struct machine_config config = era_config(3, &arch_x86_64, 64 * GIB);

    config.track_content = false;
    config.policy.gap = gap;
    config.policy.purge = purge;
    config.policy.layout = LAYOUT_BOTTOM_UP;
    config.max_map_count = UINT32_MAX;
    config.host_memory = memory;
    return machine_create(&config);
}

/* Neighbours that do not merge: every other one may be executed. */
static uint64_t
map_odd(struct task *task, uint64_t i)
{
    struct call map = {.kind = CALL_MMAP,
                       .length = (1 + i % 3) * PAGE_BYTES,
                       .prot = VM_READ | (i % 2 ? VM_EXEC : VM_WRITE)};

    return (uint64_t)run_call(task->machine, task, &map);
}

/* Time of one mmap and one munmap among `vma_count` VMAs; addresses go round,
 * so that holes open everywhere. */
static double
pair_ns(const struct gap_ops *gap, uint32_t vma_count,
        struct host_memory *memory)
{
    struct machine *machine = machine_new(gap, &purge_dontneed, memory);
    struct task *task = start_task(machine, 0);
    g_autofree uint64_t *addrs = g_new(uint64_t, vma_count);
    uint64_t seed = 1;

    for (uint32_t i = 0; i < vma_count; i++)
        addrs[i] = map_odd(task, i);
    double start = measure_now_ns();
    for (uint32_t i = 0; i < PAIR_COUNT; i++) {
        uint32_t victim = (uint32_t)(measure_random(&seed) % vma_count);

        memory_call(task, CALL_MUNMAP, addrs[victim],
                    (1 + victim % 3) * PAGE_BYTES);
        addrs[victim] = map_odd(task, victim);
    }
    double elapsed = measure_now_ns() - start;
    machine_destroy(machine);
    return elapsed / PAIR_COUNT;
}

static void
report_pairs(struct host_memory *memory, const struct measure *measure)
{
    static const uint32_t vma_counts[] = {10, 1000, 1000000};

    for (size_t g = 0; gap_policies[g]; g++)
        for (size_t i = 0; i < G_N_ELEMENTS(vma_counts); i++) {
            g_autofree char *name =
                g_strdup_printf("mmap+munmap, %s", gap_policies[g]->name);

            measure_print(measure, &(struct measure_result){
                                       .name = name,
                                       .unit = "pair",
                                       .size = vma_counts[i],
                                       .ns = pair_ns(gap_policies[g],
                                                     vma_counts[i], memory)});
        }
}

/* Fork a process of 1 GiB and end the child, then the parent. */
static void
report_process(struct host_memory *memory, const struct measure *measure)
{
    double fork_ns[MEASURE_ROUNDS], child_ns[MEASURE_ROUNDS];
    double exit_ns[MEASURE_ROUNDS];
    double pages = (double)(GIB >> PAGE_SHIFT);

    for (unsigned i = 0; i < MEASURE_ROUNDS; i++) {
        struct machine *machine =
            machine_new(&gap_rb_gap, &purge_dontneed, memory);
        struct task *task = start_task(machine, 0);

        touch(task, TOUCH_WRITE, map_anon(task, GIB), GIB);
        double start = measure_now_ns();
        struct task *child = fork_task(task, 0);
        double forked = measure_now_ns();
        run_call(machine, child, &(struct call){.kind = CALL_EXIT});
        double ended = measure_now_ns();
        run_call(machine, task, &(struct call){.kind = CALL_EXIT});
        fork_ns[i] = (forked - start) / pages;
        child_ns[i] = (ended - forked) / pages;
        exit_ns[i] = (measure_now_ns() - ended) / pages;
        machine_destroy(machine);
    }
    struct measure_result results[] = {
        {"fork of 1 GiB", "page", (uint64_t)pages, measure_median(fork_ns), 0},
        {"exit, all shared", "page", (uint64_t)pages, measure_median(child_ns),
         0},
        {"exit, all freed", "page", (uint64_t)pages, measure_median(exit_ns),
         0},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(results); i++)
        measure_print(measure, &results[i]);
}

/* Write 1 MiB, give it up, take it back, again and again. */
static void
report_purge(const struct purge_ops *purge, struct host_memory *memory,
             const struct measure *measure)
{
    enum { CYCLE_COUNT = 1000, PAGE_COUNT = 256 };
    struct machine *machine = machine_new(&gap_rb_gap, purge, memory);
    struct task *task = start_task(machine, 0);
    uint64_t length = pages_to_bytes(PAGE_COUNT);
    uint64_t base = map_anon(task, length);
    g_autofree char *name =
        g_strdup_printf("purge+reuse+write, %s", purge->name);

    double start = measure_now_ns();
    for (unsigned i = 0; i < CYCLE_COUNT; i++) {
        touch(task, TOUCH_WRITE, base, length);
        memory_call(task, CALL_PURGE, base, length);
        memory_call(task, CALL_REUSE, base, length);
    }
    double elapsed = measure_now_ns() - start;
    machine_destroy(machine);
    measure_print(measure, &(struct measure_result){
                               .name = name,
                               .unit = "page",
                               .size = PAGE_COUNT,
                               .ns = elapsed / CYCLE_COUNT / PAGE_COUNT});
}

int
main(int argc, char **argv)
{
    static const struct purge_ops *const purges[] = {
        &purge_ignore, &purge_dontneed, &purge_free, &purge_vrange_full};
    struct measure measure = measure_begin(argc, argv);
    struct host_memory *memory = host_memory_create();

    report_pairs(memory, &measure);
    report_process(memory, &measure);
    for (size_t i = 0; i < G_N_ELEMENTS(purges); i++)
        report_purge(purges[i], memory, &measure);
    host_memory_destroy(memory);
    return 0;
}
