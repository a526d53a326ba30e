/*
 * snapshot: a server that forks to save its memory while it goes on writing.
 *
 * In each round a child reads everything once and exits; meanwhile the parent
 * writes pages at random, each of which is copied the first time.  When the
 * child has gone the parent writes them once more, which costs a fault without
 * a copy where the kernel can tell that nobody shares the page any longer.
 *
 * Redis saves its data like this (BGSAVE).
 */
#include "workloads/random.h"
#include "workloads/workload_private.h"

/* The child's reading and the parent's writing take turns this often. */
enum { TURNS = 64 };

static const struct workload_option snapshot_options[] = {
    {.name = "size",
     .kind = WORKLOAD_SIZE,
     .fallback = "64M",
     .help = "memory of the server",
     .min = TURNS * WORKLOAD_PAGE_BYTES,
     .max = UINT64_C(1) << 40},
    {.name = "write-fraction",
     .kind = WORKLOAD_FRACTION,
     .fallback = "0.1",
     .help = "writes per page of memory while a child lives",
     .max = WORKLOAD_FRACTION_ONE},
    {.name = "rounds",
     .kind = WORKLOAD_COUNT,
     .fallback = "4",
     .help = "snapshots, one after the other",
     .max = 1000000},
    {.name = "seed",
     .kind = WORKLOAD_COUNT,
     .fallback = "1",
     .help = "chooses the pages that are written",
     .max = UINT64_MAX},
    {0},
};

struct snapshot {
    struct trace_writer *out;
    uint64_t pages;
    uint64_t writes;  // per round
};

static void
write_pages(const struct snapshot *snapshot, struct random *random,
            uint64_t count)
{
    for (; count > 0; count--) {
        g_autofree char *offset = workload_size_text(
            random_below(random, snapshot->pages) * WORKLOAD_PAGE_BYTES);
        workload_line(snapshot->out, 1, "w data+%s 4K", offset);
    }
}

static void
snapshot_round(const struct snapshot *snapshot, uint64_t child,
               struct random *random)
{
    struct random same = *random;

    workload_line(snapshot->out, 1, "fork %" PRIu64, child);
    for (uint64_t turn = 0; turn < TURNS; turn++) {
        uint64_t first = snapshot->pages * turn / TURNS;
        uint64_t end = snapshot->pages * (turn + 1) / TURNS;
        g_autofree char *from = workload_size_text(first * WORKLOAD_PAGE_BYTES);
        g_autofree char *length =
            workload_size_text((end - first) * WORKLOAD_PAGE_BYTES);
        workload_line(snapshot->out, child, "r data+%s %s", from, length);
        write_pages(snapshot, random,
                    snapshot->writes * (turn + 1) / TURNS -
                        snapshot->writes * turn / TURNS);
    }
    workload_line(snapshot->out, child, "exit");
    workload_line(snapshot->out, 1, "wait %" PRIu64, child);
    write_pages(snapshot, &same, snapshot->writes);
    workload_line(snapshot->out, 1, "mark snapshot");
}

static void
snapshot_generate(const struct workload_values *values,
                  struct trace_writer *out)
{
    uint64_t bytes = workload_value(values, "size");
    uint64_t rounds = workload_value(values, "rounds");
    struct random random = {workload_value(values, "seed")};
    g_autofree char *size = workload_size_text(bytes);
    struct snapshot snapshot = {
        .out = out,
        .pages = bytes / WORKLOAD_PAGE_BYTES,
    };
    snapshot.writes =
        (snapshot.pages * workload_value(values, "write-fraction") +
         WORKLOAD_FRACTION_ONE / 2) /
        WORKLOAD_FRACTION_ONE;

    workload_line(out, 1, "start comm=snapshot");
    workload_line(out, 1, "mmap data %s rw- anon,private", size);
    workload_line(out, 1, "w data %s", size);
    for (uint64_t round = 0; round < rounds; round++)
        snapshot_round(&snapshot, 2 + round, &random);
}

const struct workload workload_snapshot = {
    .name = "snapshot",
    .summary = "A server writes while a forked child saves its memory",
    .options = snapshot_options,
    .generate = snapshot_generate,
};
