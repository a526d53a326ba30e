/*
 * kernel-build: make runs compilers, several at a time, all of one user.
 *
 * What a compiler (gcc 12's cc1 at -O2) asks of the VM, from a recording of 23
 * files: 3490 to 10715 anonymous pages, 4340 in the median, nearly all written
 * once and kept until exit; about 45 copied pages of its own image; the heap
 * grows by brk in steps of 132 to 200 KiB, and between them the garbage
 * collector maps 16 KiB at a time.  So almost every fault clears a page that
 * a process of the same user gave back a moment ago.
 *
 * Not modelled: the driver, the assembler and the shell, which clear less than
 * a tenth as much; reading sources; the dynamic linker.
 */
#include "workloads/random.h"
#include "workloads/workload_private.h"

static const struct workload_option kernel_build_options[] = {
    {.name = "units",
     .kind = WORKLOAD_COUNT,
     .fallback = "40",
     .help = "files to compile",
     .max = 10000000},
    {.name = "jobs",
     .kind = WORKLOAD_COUNT,
     .fallback = "4",
     .help = "compilers at a time",
     .min = 1,
     .max = 100000},
    {.name = "uid",
     .kind = WORKLOAD_COUNT,
     .fallback = "1000",
     .help = "user that runs it",
     .max = WORKLOAD_UID_MAX},
    {.name = "nozero",
     .kind = WORKLOAD_FLAG,
     .help = "ask for memory that need not be cleared"},
    {.name = "seed",
     .kind = WORKLOAD_COUNT,
     .fallback = "1",
     .help = "chooses the size of each compiler",
     .max = UINT64_MAX},
    {0},
};

enum {
    PAGES_MIN = 3490,
    PAGES_MEDIAN = 4340,
    PAGES_MAX = 10715,
    HEAP_STEP_PAGES_MIN = 33,  // 132 KiB
    HEAP_STEP_PAGES_MAX = 50,  // 200 KiB
    POOLS_PER_HEAP_STEP = 4,
};

struct build {
    struct trace_writer *out;
    struct random random;
    const char *map_flags, *brk_flags;
    uint64_t units_left;
    uint64_t task_last;
};

struct compiler {
    uint64_t task;  // 0: none runs in this job
    uint64_t pages_left;
    uint64_t heap_pages;
    uint64_t step;
};

/* Half of the compilers lie evenly below the median; above it, they thin out
 * with the cube of the distance. */
static uint64_t
draw_pages(struct random *random)
{
    enum { ONE = 1024 };
    uint64_t u = random_below(random, ONE);

    if (random_below(random, 2) == 0)
        return PAGES_MIN + (PAGES_MEDIAN - PAGES_MIN) * u / ONE;
    return PAGES_MEDIAN +
           (PAGES_MAX - PAGES_MEDIAN) * u * u * u / ONE / ONE / ONE;
}

static void
compiler_start(struct build *build, struct compiler *compiler)
{
    *compiler = (struct compiler){
        .task = ++build->task_last,
        .pages_left = draw_pages(&build->random),
    };
    build->units_left--;

    workload_line(build->out, 1, "vfork %" PRIu64, compiler->task);
    workload_line(build->out, compiler->task, "exec cc1");
    workload_line(build->out, compiler->task,
                  "mmap text 24M r-x private file=cc1");
    workload_line(build->out, compiler->task,
                  "mmap data 256K rw- private file=cc1 off=24M");
    workload_line(build->out, compiler->task, "x text 12M stride=32K");
    workload_line(build->out, compiler->task, "w data 180K");
    workload_line(build->out, compiler->task, "w stack-64K 64K");
}

static void
compiler_grow_heap(struct build *build, struct compiler *compiler)
{
    uint64_t pages = HEAP_STEP_PAGES_MIN +
                     random_below(&build->random, HEAP_STEP_PAGES_MAX -
                                                      HEAP_STEP_PAGES_MIN + 1);
    g_autofree char *from =
        workload_size_text(compiler->heap_pages * WORKLOAD_PAGE_BYTES);
    g_autofree char *growth = workload_size_text(pages * WORKLOAD_PAGE_BYTES);

    compiler->heap_pages += pages;
    compiler->pages_left -= MIN(pages, compiler->pages_left);
    g_autofree char *length =
        workload_size_text(compiler->heap_pages * WORKLOAD_PAGE_BYTES);
    workload_line(build->out, compiler->task, "brk %s%s", length,
                  build->brk_flags);
    workload_line(build->out, compiler->task, "w heap+%s %s", from, growth);
}

static void
compiler_map_pool(struct build *build, struct compiler *compiler)
{
    compiler->pages_left -= MIN(4, compiler->pages_left);
    workload_line(build->out, compiler->task, "mmap pool 16K rw- %s",
                  build->map_flags);
    workload_line(build->out, compiler->task, "w pool 16K");
}

/* One allocation of a job's compiler, or its end and the next one's start. */
static void
compiler_step(struct build *build, struct compiler *compiler)
{
    if (compiler->task != 0 && compiler->pages_left == 0) {
        workload_line(build->out, compiler->task, "exit");
        workload_line(build->out, 1, "wait %" PRIu64, compiler->task);
        workload_line(build->out, 1, "mark unit");
        compiler->task = 0;
    }
    if (compiler->task == 0) {
        if (build->units_left > 0)
            compiler_start(build, compiler);
    } else if (compiler->step++ % (POOLS_PER_HEAP_STEP + 1) == 0) {
        compiler_grow_heap(build, compiler);
    } else {
        compiler_map_pool(build, compiler);
    }
}

static void
kernel_build_generate(const struct workload_values *values,
                      struct trace_writer *out)
{
    uint64_t jobs = workload_value(values, "jobs");
    bool is_nozero = workload_value(values, "nozero");
    g_autofree struct compiler *compiler = g_new0(struct compiler, jobs);
    struct build build = {
        .out = out,
        .random = {workload_value(values, "seed")},
        .map_flags = is_nozero ? "anon,private,nozero" : "anon,private",
        .brk_flags = is_nozero ? " nozero" : "",
        .units_left = workload_value(values, "units"),
        .task_last = 1,
    };
    bool is_busy = true;

    workload_line(out, 1, "start uid=%" PRIu64 " comm=make",
                  workload_value(values, "uid"));
    while (is_busy) {
        is_busy = false;
        for (uint64_t i = 0; i < jobs; i++) {
            compiler_step(&build, &compiler[i]);
            is_busy |= compiler[i].task != 0;
        }
    }
}

const struct workload workload_kernel_build = {
    .name = "kernel-build",
    .summary = "make runs compilers of one user, several at a time",
    .options = kernel_build_options,
    .generate = kernel_build_generate,
};
