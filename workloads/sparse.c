/*
 * sparse: a big table that is read once from end to end and then written here
 * and there.  The question is what an untouched page costs to read: a frame,
 * or only an entry that names the shared zero page and a second fault when
 * the page is written after all.
 */
#include "workloads/random.h"
#include "workloads/workload_private.h"

static const struct workload_option sparse_options[] = {
    {.name = "size",
     .kind = WORKLOAD_SIZE,
     .fallback = "64M",
     .help = "length of the table",
     .min = WORKLOAD_PAGE_BYTES,
     .max = UINT64_C(1) << 40},
    {.name = "write-fraction",
     .kind = WORKLOAD_FRACTION,
     .fallback = "0.1",
     .help = "share of the pages that are written, evenly spaced",
     .max = WORKLOAD_FRACTION_ONE},
    {.name = "shuffle",
     .kind = WORKLOAD_FLAG,
     .help = "write the same pages in random order"},
    {.name = "seed",
     .kind = WORKLOAD_COUNT,
     .fallback = "1",
     .help = "chooses the order of --shuffle",
     .max = UINT64_MAX},
    {.name = "processes",
     .kind = WORKLOAD_COUNT,
     .fallback = "1",
     .help = "processes that do this, each with a table of its own",
     .min = 1,
     .max = 100000},
    {.name = "fork",
     .kind = WORKLOAD_FLAG,
     .help = "then each forks a child that does the same to its copy"},
    {.name = "nozero",
     .kind = WORKLOAD_FLAG,
     .help = "map the table with the nozero flag"},
    {0},
};

struct sparse {
    struct trace_writer *out;
    char *size;      // as text
    uint64_t count;  // pages to write
    uint32_t *page;  // their numbers in the order of writing
};

static void
sparse_init(struct sparse *sparse, const struct workload_values *values,
            struct trace_writer *out)
{
    uint64_t size = workload_value(values, "size");
    uint64_t pages = round_up(size, WORKLOAD_PAGE_BYTES) / WORKLOAD_PAGE_BYTES;
    uint64_t fraction = workload_value(values, "write-fraction");

    sparse->out = out;
    sparse->size = workload_size_text(size);
    sparse->count =
        (pages * fraction + WORKLOAD_FRACTION_ONE / 2) / WORKLOAD_FRACTION_ONE;
    sparse->page = g_new(uint32_t, sparse->count);
    for (uint64_t i = 0; i < sparse->count; i++)
        sparse->page[i] = (uint32_t)(i * pages / sparse->count);
}

static void
sparse_finish(struct sparse *sparse)
{
    g_free(sparse->size);
    g_free(sparse->page);
}

static void
shuffle(uint32_t *page, uint64_t count, uint64_t seed)
{
    struct random random = {seed};

    for (uint64_t left = count; left > 1; left--) {
        uint64_t other = random_below(&random, left);
        uint32_t kept = page[left - 1];
        page[left - 1] = page[other];
        page[other] = kept;
    }
}

static void
read_table(const struct sparse *sparse, uint64_t task)
{
    workload_line(sparse->out, task, "r table %s", sparse->size);
}

/* One line for each run of neighbours. */
static void
write_pages(const struct sparse *sparse, uint64_t task)
{
    uint64_t end;

    for (uint64_t i = 0; i < sparse->count; i = end) {
        end = i + 1;
        while (end < sparse->count &&
               sparse->page[end] == sparse->page[end - 1] + 1)
            end++;

        uint64_t offset = (uint64_t)sparse->page[i] * WORKLOAD_PAGE_BYTES;
        g_autofree char *from = workload_size_text(offset);
        g_autofree char *length =
            workload_size_text((end - i) * WORKLOAD_PAGE_BYTES);
        workload_line(sparse->out, task, "w table+%s %s", from, length);
    }
}

static void
sparse_generate(const struct workload_values *values, struct trace_writer *out)
{
    uint64_t processes = workload_value(values, "processes");
    const char *nozero = workload_value(values, "nozero") ? ",nozero" : "";
    struct sparse sparse;

    sparse_init(&sparse, values, out);
    if (workload_value(values, "shuffle"))
        shuffle(sparse.page, sparse.count, workload_value(values, "seed"));

    for (uint64_t task = 1; task <= processes; task++) {
        workload_line(out, task, "start comm=sparse");
        workload_line(out, task, "mmap table %s rw- anon,private%s",
                      sparse.size, nozero);
        read_table(&sparse, task);
    }
    for (uint64_t task = 1; task <= processes; task++)
        write_pages(&sparse, task);

    for (uint64_t task = 1; task <= processes && workload_value(values, "fork");
         task++) {
        uint64_t child = processes + task;
        workload_line(out, task, "fork %" PRIu64, child);
        read_table(&sparse, child);
        write_pages(&sparse, child);
    }
    sparse_finish(&sparse);
}

const struct workload workload_sparse = {
    .name = "sparse",
    .summary = "A table that is read once and then written here and there",
    .options = sparse_options,
    .generate = sparse_generate,
};
