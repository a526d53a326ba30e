/*
 * What a simulated fault and a simulated touch cost on the host, beside the
 * limit loop in the same run; median of five.
 *
 * The machines of the rounds share their host memory, as the runs of a sweep
 * do; "first run" has to get it from the host.  "aged" means that the free
 * list was shuffled before, by faulting in random order and dropping all.
 */
#include "limit.h"
#include "measure.h"

#include "../mm/eras.h"

#include "mm/file.h"
#include "mm/host_memory.h"

#include <math.h>

#define PAGES LIMIT_PAGES
#define BYTES ((uint64_t)PAGES << PAGE_SHIFT)
#define AHEAD 16  // as far as the replay loop looks

enum order { ASCENDING, SHUFFLED, ZIPF };

static uint32_t *
shuffled_new(uint64_t seed)
{
    uint32_t *order = g_new(uint32_t, PAGES);

    for (uint32_t i = 0; i < PAGES; i++)
        order[i] = i;
    for (uint32_t i = PAGES - 1; i > 0; i--) {
        uint32_t other = (uint32_t)(measure_random(&seed) % (i + 1));
        uint32_t kept = order[i];

        order[i] = order[other];
        order[other] = kept;
    }
    return order;
}

/* The k-th most frequent page has weight k^-0.99; which page is chance. */
static uint32_t *
zipf_new(void)
{
    g_autofree uint32_t *page_of_rank = shuffled_new(3);
    g_autofree double *sum = g_new(double, PAGES + 1);
    uint32_t *order = g_new(uint32_t, PAGES);
    uint64_t seed = 4;

    sum[0] = 0;
    for (uint32_t k = 0; k < PAGES; k++)
        sum[k + 1] = sum[k] + pow(k + 1, -0.99);
    for (uint32_t i = 0; i < PAGES; i++) {
        double at = (double)(measure_random(&seed) >> 11) * 0x1p-53;
        uint32_t low = 0, high = PAGES;

        while (high - low > 1) {
            uint32_t middle = (low + high) / 2;
            *(sum[middle] <= at * sum[PAGES] ? &low : &high) = middle;
        }
        order[i] = page_of_rank[low];
    }
    return order;
}

static uint32_t *
order_new(enum order order, uint64_t seed)
{
    if (order == ZIPF)
        return zipf_new();
    if (order == SHUFFLED)
        return shuffled_new(seed);
    uint32_t *pages = g_new(uint32_t, PAGES);

    for (uint32_t i = 0; i < PAGES; i++)
        pages[i] = i;
    return pages;
}

/* ---- the simulator ---- */

struct bench {
    struct machine *machine;
    struct task *task;
    uint64_t base;
};

enum what {
    FAULT_ANON,
    FAULT_COW,
    FAULT_ZERO_PAGE,
    FAULT_FILE_PAGE,
    TOUCH_PRESENT,
};

struct subject {
    const char *name;
    enum what what;
    enum order order;
    bool is_aged, is_first_run;
};

static struct bench
bench_new(const struct subject *subject, struct host_memory *memory)
{
    struct machine_config config =
        era_config(3, &arch_x86_64, UINT64_C(12) << 30);
    struct bench bench;

    config.track_content = false;
    config.host_memory = subject->is_first_run ? NULL : memory;
    bench.machine = machine_create(&config);
    bench.task = start_task(bench.machine, 0);
    if (subject->what != FAULT_FILE_PAGE) {
        bench.base = map_anon(bench.task, BYTES);
        return bench;
    }
    struct call map = {
        .kind = CALL_MMAP,
        .length = BYTES,
        .prot = VM_READ,
        .flags = MM_SHARED,
        .file = file_create(bench.machine, BYTES, false, false),
    };
    bench.base = (uint64_t)run_call(bench.machine, bench.task, &map);
    return bench;
}

/* One by one as the replay loop does it, or all in one range. */
static void
touch_pages(const struct bench *bench, const uint32_t *pages, bool in_one_run,
            enum touch_access access)
{
    struct task *task = bench->task;

    if (in_one_run) {
        touch(task, access, bench->base, BYTES);
        return;
    }
    for (uint32_t i = 0; i < PAGES; i++) {
        uint64_t addr = bench->base + pages_to_bytes(pages[i]);

        if (i + AHEAD < PAGES)
            touch_expect(task->mm,
                         bench->base + pages_to_bytes(pages[i + AHEAD]));
        if (!touch_one(task, addr, access))
            touch(task, access, addr, PAGE_BYTES);
    }
}

/* Bring the machine to where the measured touches begin. */
static void
prepare(const struct subject *subject, const struct bench *bench,
        const uint32_t *pages)
{
    if (subject->is_aged) {
        touch_pages(bench, pages, false, TOUCH_WRITE);
        run_call(bench->machine, bench->task,
                 &(struct call){.kind = CALL_MADVISE,
                                .addr = bench->base,
                                .length = BYTES,
                                .advice = ADVICE_DONTNEED});
    }
    if (subject->what == FAULT_COW || subject->what == TOUCH_PRESENT)
        touch_pages(bench, pages, true, TOUCH_WRITE);
    if (subject->what == FAULT_COW)
        fork_task(bench->task, 0);
}

static double
simulator_ns(const struct subject *subject, const uint32_t *pages,
             struct host_memory *memory)
{
    bool reads =
        subject->what == FAULT_ZERO_PAGE || subject->what == FAULT_FILE_PAGE;
    struct bench bench = bench_new(subject, memory);

    prepare(subject, &bench, pages);
    double start = measure_now_ns();
    touch_pages(&bench, pages, subject->order == ASCENDING,
                reads ? TOUCH_READ : TOUCH_WRITE);
    double elapsed = measure_now_ns() - start;
    machine_destroy(bench.machine);
    return elapsed / PAGES;
}

static double
limit_ns(const struct subject *subject, const uint32_t *pages,
         const uint32_t *frames)
{
    g_autofree uint32_t *all = order_new(ASCENDING, 0);
    bool is_touch = subject->what == TOUCH_PRESENT;
    struct limit limit;

    limit_init(&limit, frames);
    if (is_touch)
        limit_fault(&limit, all, PAGES);
    double start = measure_now_ns();
    if (is_touch)
        limit_touch(&limit, pages, PAGES);
    else
        limit_fault(&limit, pages, PAGES);
    double elapsed = measure_now_ns() - start;
    limit_finish(&limit);
    return elapsed / PAGES;
}

static void
report(const struct subject *subject, struct host_memory *memory,
       const struct measure *measure)
{
    double simulated[MEASURE_ROUNDS], limit[MEASURE_ROUNDS];
    g_autofree uint32_t *pages = order_new(subject->order, 1);
    g_autofree uint32_t *frames =
        order_new(subject->is_aged ? SHUFFLED : ASCENDING, 2);

    for (unsigned i = 0; i < MEASURE_ROUNDS; i++) {
        limit[i] = limit_ns(subject, pages, frames);
        simulated[i] = simulator_ns(subject, pages, memory);
    }
    measure_print(measure,
                  &(struct measure_result){.name = subject->name,
                                           .unit = "page",
                                           .size = PAGES,
                                           .ns = measure_median(simulated),
                                           .limit_ns = measure_median(limit)});
}

int
main(int argc, char **argv)
{
    static const struct subject subjects[] = {
        {.name = "fault sequential"},
        {.name = "fault sequential, first run", .is_first_run = true},
        {.name = "fault random fresh", .order = SHUFFLED},
        {.name = "fault random aged", .order = SHUFFLED, .is_aged = true},
        {.name = "fault copy-on-write", .what = FAULT_COW},
        {.name = "fault zero page", .what = FAULT_ZERO_PAGE},
        {.name = "fault file", .what = FAULT_FILE_PAGE},
        {.name = "touch run", .what = TOUCH_PRESENT},
        {.name = "touch random", .what = TOUCH_PRESENT, .order = SHUFFLED},
        {.name = "touch zipf 0.99", .what = TOUCH_PRESENT, .order = ZIPF},
    };
    struct measure measure = measure_begin(argc, argv);
    struct host_memory *memory = host_memory_create();

    for (size_t i = 0; i < G_N_ELEMENTS(subjects); i++)
        if (measure_wants(&measure, subjects[i].name))
            report(&subjects[i], memory, &measure);
    host_memory_destroy(memory);
    return 0;
}
