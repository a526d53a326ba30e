/*
 * See pages.h.
 */
#include "pages.h"

#include "measure.h"

#include "mm/file.h"

#define AHEAD 16  // as far as the replay loop looks

struct machine_config
pages_config(void)
{
    struct machine_config config =
        era_config(3, &arch_x86_64, UINT64_C(12) << 30);

    config.track_content = false;
    return config;
}

static bool
maps_file(enum what what)
{
    return what == FAULT_FILE_PAGE || what == FAULT_FILE_AROUND ||
           what == FAULT_FILE_COW || what == FAULT_SHMEM;
}

struct bench
bench_new(const struct subject *subject, struct host_memory *memory)
{
    struct machine_config config = pages_config();
    struct bench bench;

    config.host_memory = subject->is_first_run ? NULL : memory;
    config.kernel.fault_around_pages =
        subject->what == FAULT_FILE_AROUND ? 16 : 0;
    bench.machine = machine_create(&config);
    bench.task = start_task(bench.machine, 0);
    if (!maps_file(subject->what)) {
        bench.base = map_anon(bench.task, PAGE_SPACE);
        return bench;
    }
    struct call map = {
        .kind = CALL_MMAP,
        .length = PAGE_SPACE,
        .prot = VM_READ | VM_WRITE,
        .flags = subject->what == FAULT_FILE_COW ? 0 : MM_SHARED,
        .file = file_create(bench.machine, PAGE_SPACE,
                            subject->what == FAULT_SHMEM, false),
    };
    bench.base = (uint64_t)run_call(bench.machine, bench.task, &map);
    return bench;
}

void
bench_finish(struct bench *bench)
{
    machine_destroy(bench->machine);
}

void
bench_touch(const struct bench *bench, const uint32_t *pages, bool in_one_run,
            enum touch_access access)
{
    struct task *task = bench->task;

    if (in_one_run) {
        touch(task, access, bench->base, PAGE_SPACE);
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
        bench_touch(bench, pages, false, TOUCH_WRITE);
        run_call(bench->machine, bench->task,
                 &(struct call){.kind = CALL_MADVISE,
                                .addr = bench->base,
                                .length = PAGE_SPACE,
                                .advice = ADVICE_DONTNEED});
    }
    if (subject->what == FAULT_COW || subject->what == TOUCH_PRESENT)
        bench_touch(bench, pages, true, TOUCH_WRITE);
    if (subject->what == FAULT_COW)
        fork_task(bench->task, 0);
}

double
pages_simulator_ns(const struct subject *subject, const uint32_t *pages,
                   struct host_memory *memory)
{
    bool reads = subject->what == FAULT_ZERO_PAGE ||
                 subject->what == FAULT_FILE_PAGE ||
                 subject->what == FAULT_FILE_AROUND;
    struct bench bench = bench_new(subject, memory);

    prepare(subject, &bench, pages);
    double start = measure_now_ns();
    bench_touch(&bench, pages, subject->order == ASCENDING,
                reads ? TOUCH_READ : TOUCH_WRITE);
    double elapsed = measure_now_ns() - start;
    bench_finish(&bench);
    return elapsed / PAGES;
}

double
pages_limit_ns(const struct subject *subject, const uint32_t *pages,
               const uint32_t *frames)
{
    g_autofree uint32_t *all = order_new(ASCENDING, PAGES, 0);
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

/* The frames in order. */
static double
median_limit_ns(const struct subject *subject)
{
    g_autofree uint32_t *pages = order_new(subject->order, PAGES, 1);
    g_autofree uint32_t *frames = order_new(ASCENDING, PAGES, 2);
    double ns[MEASURE_ROUNDS];

    for (unsigned i = 0; i < MEASURE_ROUNDS; i++)
        ns[i] = pages_limit_ns(subject, pages, frames);
    return measure_median(ns);
}

double
pages_limit_fault_ns(void)
{
    return median_limit_ns(&(struct subject){.what = FAULT_ANON});
}

double
pages_limit_touch_ns(void)
{
    return median_limit_ns(
        &(struct subject){.what = TOUCH_PRESENT, .order = SHUFFLED});
}

void
pages_compare(const struct subject *subject, struct host_memory *memory,
              double *simulator_ns, double *limit_ns)
{
    double simulated[MEASURE_ROUNDS], limit[MEASURE_ROUNDS];
    g_autofree uint32_t *pages = order_new(subject->order, PAGES, 1);
    g_autofree uint32_t *frames =
        order_new(subject->is_aged ? SHUFFLED : ASCENDING, PAGES, 2);

    for (unsigned i = 0; i < MEASURE_ROUNDS; i++) {
        limit[i] = pages_limit_ns(subject, pages, frames);
        simulated[i] = pages_simulator_ns(subject, pages, memory);
    }
    *simulator_ns = measure_median(simulated);
    *limit_ns = measure_median(limit);
}
