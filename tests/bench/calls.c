/*
 * What calls cost on the host: mapping among many VMAs under every gap policy,
 * fork and exit of 1 GiB, giving memory up and using it again.  `limit loop` is
 * the time of a sequential fault in the same run.
 */
#include "measure.h"
#include "pages.h"

#include "mm/host_memory.h"

#define GIB           (UINT64_C(1) << 30)
#define PAIR_COUNT    5000
#define PAIRS_AT_ONCE 20   // between looks at the clock
#define PAIRS_NS      1e9  // enough of them, however slow

static struct machine *
machine_new(const struct gap_ops *gap, enum layout_policy layout,
            const struct purge_ops *purge, struct host_memory *memory)
{
    struct machine_config config = pages_config();

    config.ram_bytes = 64 * GIB;
    config.policy.gap = gap;
    config.policy.purge = purge;
    config.policy.layout = layout;
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

/* A munmap and an mmap; addresses go round, so that holes open everywhere. */
static void
map_another(struct task *task, uint64_t *addrs, uint32_t vma_count,
            uint64_t *seed)
{
    uint32_t victim = (uint32_t)(measure_random(seed) % vma_count);

    memory_call(task, CALL_MUNMAP, addrs[victim],
                (1 + victim % 3) * PAGE_BYTES);
    addrs[victim] = map_odd(task, victim);
}

/* Time of such a pair among `vma_count` VMAs.  The first ones are not timed:
 * one of them makes the tree that look-ups go by. */
static double
pair_ns(const struct gap_ops *gap, enum layout_policy layout,
        uint32_t vma_count, struct host_memory *memory)
{
    struct machine *machine = machine_new(gap, layout, &purge_dontneed, memory);
    struct task *task = start_task(machine, 0);
    g_autofree uint64_t *addrs = g_new(uint64_t, vma_count);
    double start, elapsed = 0;
    uint64_t seed = 1;
    uint32_t done = 0;

    for (uint32_t i = 0; i < vma_count; i++)
        addrs[i] = map_odd(task, i);
    for (unsigned i = 0; i < PAIRS_AT_ONCE; i++)
        map_another(task, addrs, vma_count, &seed);
    start = measure_now_ns();
    for (; done < PAIR_COUNT && elapsed < PAIRS_NS; done++) {
        map_another(task, addrs, vma_count, &seed);
        if (done % PAIRS_AT_ONCE == PAIRS_AT_ONCE - 1)
            elapsed = measure_now_ns() - start;
    }
    machine_destroy(machine);
    return elapsed / done;
}

/* What the results of one run share. */
struct report {
    struct measure measure;
    struct host_memory *memory;
    double limit_ns;
};

static void
print(const struct report *report, const char *name, const char *unit,
      uint64_t size, double ns)
{
    measure_print(
        &report->measure,
        &(struct measure_result){name, unit, size, ns, report->limit_ns});
}

static void
report_pairs(const struct report *report, const struct gap_ops *gap,
             enum layout_policy layout)
{
    static const uint32_t vma_counts[] = {10, 1000, 1000000};
    g_autofree char *name =
        g_strdup_printf("mmap+munmap, %s %s", gap->name,
                        layout == LAYOUT_BOTTOM_UP ? "up" : "down");

    if (!measure_wants(&report->measure, name))
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(vma_counts); i++)
        print(report, name, "pair", vma_counts[i],
              pair_ns(gap, layout, vma_counts[i], report->memory));
}

/* Fork a process of 1 GiB and end the child, then the parent. */
static void
report_process(const struct report *report)
{
    double fork_ns[MEASURE_ROUNDS], child_ns[MEASURE_ROUNDS];
    double exit_ns[MEASURE_ROUNDS];
    uint64_t pages = GIB >> PAGE_SHIFT;

    for (unsigned i = 0; i < MEASURE_ROUNDS; i++) {
        struct machine *machine = machine_new(&gap_rb_gap, LAYOUT_BOTTOM_UP,
                                              &purge_dontneed, report->memory);
        struct task *task = start_task(machine, 0);

        touch(task, TOUCH_WRITE, map_anon(task, GIB), GIB);
        double start = measure_now_ns();
        struct task *child = fork_task(task, 0);
        double forked = measure_now_ns();
        run_call(machine, child, &(struct call){.kind = CALL_EXIT});
        double ended = measure_now_ns();
        run_call(machine, task, &(struct call){.kind = CALL_EXIT});
        fork_ns[i] = (forked - start) / (double)pages;
        child_ns[i] = (ended - forked) / (double)pages;
        exit_ns[i] = (measure_now_ns() - ended) / (double)pages;
        machine_destroy(machine);
    }
    print(report, "fork of 1 GiB", "page", pages, measure_median(fork_ns));
    print(report, "exit, all shared", "page", pages, measure_median(child_ns));
    print(report, "exit, all freed", "page", pages, measure_median(exit_ns));
}

/* Write 1 MiB, give it up, take it back, again and again. */
static void
report_purge(const struct report *report, const struct purge_ops *purge)
{
    enum { CYCLE_COUNT = 1000, PAGE_COUNT = 256 };
    struct machine *machine =
        machine_new(&gap_rb_gap, LAYOUT_BOTTOM_UP, purge, report->memory);
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
    print(report, name, "page", PAGE_COUNT, elapsed / CYCLE_COUNT / PAGE_COUNT);
}

int
main(int argc, char **argv)
{
    static const struct purge_ops *const purges[] = {
        &purge_ignore, &purge_dontneed, &purge_free, &purge_vrange_full};
    struct report report = {
        .measure = measure_begin(argc, argv),
        .memory = host_memory_create(),
        .limit_ns = pages_limit_fault_ns(),
    };

    for (size_t g = 0; gap_policies[g]; g++) {
        report_pairs(&report, gap_policies[g], LAYOUT_BOTTOM_UP);
        report_pairs(&report, gap_policies[g], LAYOUT_TOP_DOWN);
    }
    if (measure_wants(&report.measure, "fork exit"))
        report_process(&report);
    for (size_t i = 0; i < G_N_ELEMENTS(purges); i++)
        if (measure_wants(&report.measure, "purge"))
            report_purge(&report, purges[i]);
    host_memory_destroy(report.memory);
    return 0;
}
