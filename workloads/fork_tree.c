/*
 * fork-tree: Andrea Arcangeli's benchmark of reverse mapping (2.6.5-rc1-aa1).
 *
 * The root writes a region.  Then, level by level, every process forks and
 * both it and its child read the whole region.  Nothing is ever copied; what
 * is measured is what it takes to map the same pages into 2^levels processes.
 *
 * Two orders of lines:
 *
 *   without --slice   one level after the other; all processes live to the
 *                     end of the trace
 *   with --slice      as four CPUs with one queue would have run it; a process
 *                     that has done its last level waits for its children and
 *                     exits
 *
 * The second is a small discrete-event simulation.  A running process holds a
 * CPU until its slice ends (then it goes to the tail of the queue), it waits,
 * or it exits.  A new child takes its parent's CPU for the rest of the slice
 * and the parent goes to the tail.  CPUs are looked at in ascending order, and
 * a free one takes the head of the queue at once.  How many processes coexist
 * depends on the length of the slice: early leaves exit while others still
 * fork.
 *
 * The times order lines and price nothing; none is written to the trace.
 */
#include "workloads/workload_private.h"

enum { CPU_COUNT = 4 };

/* What 512 MiB take, in ns; other sizes in proportion. */
#define REFERENCE_BYTES (UINT64_C(512) << 20)
#define FORK_NS         UINT64_C(100000000)
#define SWEEP_NS        UINT64_C(85000000)
#define EXIT_NS         UINT64_C(73000000)

static const struct workload_option fork_tree_options[] = {
    {.name = "size",
     .kind = WORKLOAD_SIZE,
     .fallback = "64M",
     .help = "length of the region",
     .min = WORKLOAD_PAGE_BYTES,
     .max = UINT64_C(1) << 36},
    {.name = "levels",
     .kind = WORKLOAD_COUNT,
     .fallback = "5",
     .help = "times that every process forks",
     .max = 20},
    {.name = "slice",
     .kind = WORKLOAD_MS,
     .help = "order the lines as four CPUs with such slices would",
     .min = 1000000,
     .max = UINT64_C(1000000000000)},
    {0},
};

static void
write_root(struct trace_writer *out, const char *size)
{
    workload_line(out, 1, "start comm=fork-tree");
    workload_line(out, 1, "mmap A %s rw- anon,private", size);
    workload_line(out, 1, "w A %s", size);
}

static void
write_exit(struct trace_writer *out, uint64_t task, uint64_t child_count)
{
    for (; child_count > 0; child_count--)
        workload_line(out, task, "wait");
    workload_line(out, task, "exit");
}

/* Children are numbered so that process p forks p + 2^level, and therefore
 * took part in every level from the number of bits of p - 1 on. */
static void
write_levels(struct trace_writer *out, const char *size, uint64_t levels)
{
    for (uint64_t level = 0; level < levels; level++) {
        uint64_t parents = UINT64_C(1) << level;
        for (uint64_t task = 1; task <= parents; task++) {
            workload_line(out, task, "fork %" PRIu64, task + parents);
            workload_line(out, task, "r A %s", size);
            workload_line(out, task + parents, "r A %s", size);
        }
    }
}

enum activity { FORKING, SWEEPING, WAITING, EXITING };

struct process {
    uint64_t left_ns;      // of the activity
    uint32_t parent;       // index; the root is its own
    uint32_t child_count;  // ever
    uint32_t alive_count;  // children that have not exited
    uint8_t level;         // the next to fork at
    uint8_t activity;
};

struct cpu {
    int64_t process;  // index, or -1: idle
    uint64_t slice_left_ns;
};

struct schedule {
    struct trace_writer *out;
    const char *size;
    uint64_t levels, slice_ns;
    uint64_t fork_ns, sweep_ns, exit_ns;
    GArray *processes;  // struct process; index i is task i + 1
    GQueue *queue;      // indices, those that could run
    struct cpu cpu[CPU_COUNT];
};

static struct process *
process_at(struct schedule *schedule, int64_t index)
{
    return &g_array_index(schedule->processes, struct process, index);
}

static void
enqueue(struct schedule *schedule, int64_t index)
{
    g_queue_push_tail(schedule->queue, GSIZE_TO_POINTER(index));
}

/* Begin what comes after a sweep: the next fork, or the end. */
static void
begin_next(struct schedule *schedule, struct process *process)
{
    if (process->level < schedule->levels) {
        process->activity = FORKING;
        process->left_ns = schedule->fork_ns;
    } else if (process->alive_count > 0) {
        process->activity = WAITING;
    } else {
        process->activity = EXITING;
        process->left_ns = schedule->exit_ns;
    }
}

static void
finish_fork(struct schedule *schedule, struct cpu *cpu)
{
    uint32_t parent = (uint32_t)cpu->process;
    uint32_t child = schedule->processes->len;
    struct process *process = process_at(schedule, parent);

    workload_line(schedule->out, parent + 1, "fork %" PRIu32, child + 1);
    process->level++;
    process->child_count++;
    process->alive_count++;
    process->activity = SWEEPING;
    process->left_ns = schedule->sweep_ns;

    struct process born = {
        .left_ns = schedule->sweep_ns,
        .parent = parent,
        .level = process->level,
        .activity = SWEEPING,
    };
    g_array_append_val(schedule->processes, born);
    enqueue(schedule, parent);
    cpu->process = child;
    if (cpu->slice_left_ns == 0)
        cpu->slice_left_ns = schedule->slice_ns;
}

static void
finish_sweep(struct schedule *schedule, struct cpu *cpu)
{
    struct process *process = process_at(schedule, cpu->process);

    workload_line(schedule->out, (uint64_t)cpu->process + 1, "r A %s",
                  schedule->size);
    begin_next(schedule, process);
    if (process->activity == WAITING) {
        cpu->process = -1;
    } else if (cpu->slice_left_ns == 0) {
        enqueue(schedule, cpu->process);
        cpu->process = -1;
    }
}

static void
finish_exit(struct schedule *schedule, struct cpu *cpu)
{
    struct process *process = process_at(schedule, cpu->process);
    struct process *parent = process_at(schedule, process->parent);

    write_exit(schedule->out, (uint64_t)cpu->process + 1, process->child_count);
    cpu->process = -1;
    if (parent == process)
        return;  // the root was the last
    parent->alive_count--;
    if (parent->activity == WAITING && parent->alive_count == 0) {
        begin_next(schedule, parent);
        enqueue(schedule, process->parent);
    }
}

/* What happens on a CPU now that its clock has advanced. */
static void
cpu_step(struct schedule *schedule, struct cpu *cpu)
{
    struct process *process = process_at(schedule, cpu->process);

    if (process->left_ns > 0) {
        if (cpu->slice_left_ns == 0) {
            enqueue(schedule, cpu->process);
            cpu->process = -1;
        }
    } else if (process->activity == FORKING) {
        finish_fork(schedule, cpu);
    } else if (process->activity == SWEEPING) {
        finish_sweep(schedule, cpu);
    } else {
        finish_exit(schedule, cpu);
    }
}

static void
fill_idle_cpus(struct schedule *schedule)
{
    for (unsigned i = 0; i < CPU_COUNT; i++) {
        struct cpu *cpu = &schedule->cpu[i];
        if (cpu->process < 0 && !g_queue_is_empty(schedule->queue)) {
            cpu->process =
                (int64_t)GPOINTER_TO_SIZE(g_queue_pop_head(schedule->queue));
            cpu->slice_left_ns = schedule->slice_ns;
        }
    }
}

/* Let time pass until the first CPU has something to do; false when none is
 * busy any more. */
static bool
advance(struct schedule *schedule)
{
    uint64_t ns = UINT64_MAX;

    for (unsigned i = 0; i < CPU_COUNT; i++) {
        const struct cpu *cpu = &schedule->cpu[i];
        if (cpu->process >= 0) {
            ns = MIN(ns, cpu->slice_left_ns);
            ns = MIN(ns, process_at(schedule, cpu->process)->left_ns);
        }
    }
    if (ns == UINT64_MAX)
        return false;
    for (unsigned i = 0; i < CPU_COUNT; i++) {
        struct cpu *cpu = &schedule->cpu[i];
        if (cpu->process >= 0) {
            cpu->slice_left_ns -= ns;
            process_at(schedule, cpu->process)->left_ns -= ns;
        }
    }
    return true;
}

static void
schedule_run(struct schedule *schedule)
{
    struct process root = {.activity = SWEEPING};

    begin_next(schedule, &root);
    g_array_append_val(schedule->processes, root);
    enqueue(schedule, 0);
    for (unsigned i = 0; i < CPU_COUNT; i++)
        schedule->cpu[i].process = -1;

    fill_idle_cpus(schedule);
    while (advance(schedule)) {
        for (unsigned i = 0; i < CPU_COUNT; i++) {
            if (schedule->cpu[i].process >= 0)
                cpu_step(schedule, &schedule->cpu[i]);
            fill_idle_cpus(schedule);
        }
    }
}

static void
write_schedule(struct trace_writer *out, const char *text,
               const struct workload_values *values)
{
    uint64_t size = workload_value(values, "size");
    struct schedule schedule = {
        .out = out,
        .size = text,
        .levels = workload_value(values, "levels"),
        .slice_ns = workload_value(values, "slice"),
        .fork_ns = FORK_NS * size / REFERENCE_BYTES,
        .sweep_ns = SWEEP_NS * size / REFERENCE_BYTES,
        .exit_ns = EXIT_NS * size / REFERENCE_BYTES,
        .processes = g_array_new(FALSE, FALSE, sizeof(struct process)),
        .queue = g_queue_new(),
    };

    schedule_run(&schedule);
    g_array_unref(schedule.processes);
    g_queue_free(schedule.queue);
}

static void
fork_tree_generate(const struct workload_values *values,
                   struct trace_writer *out)
{
    g_autofree char *size = workload_size_text(workload_value(values, "size"));

    write_root(out, size);
    if (workload_is_given(values, "slice"))
        write_schedule(out, size, values);
    else
        write_levels(out, size, workload_value(values, "levels"));
}

const struct workload workload_fork_tree = {
    .name = "fork-tree",
    .summary = "Every process forks, level by level, and all read one region",
    .options = fork_tree_options,
    .generate = fork_tree_generate,
};
