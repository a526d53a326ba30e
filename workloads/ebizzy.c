/*
 * ebizzy 0.3: threads that copy a chunk into newly allocated memory.
 *
 * The main thread allocates and fills some chunks and starts the workers.  A
 * record is: allocate a block, copy a chunk into it, search the copy, free it.
 * Whether that costs a single fault is up to the allocator:
 *
 *                  to get the block         to give it back    faults (512K)
 *   mmap           mmap                     munmap             128
 *   glibc-static   mmap of 4K more          munmap             129
 *   glibc-dynamic  the same once in all, then the thread's own heap       0
 *   jemalloc       reuse (a fixed run)      purge              as the purge
 *                                                              policy says
 *
 * glibc's rows hold for chunks of 128K and more (and its dynamic one up to
 * 32M); smaller ones come from heaps under both.
 *
 * The random generator of ebizzy 0.3 is broken and always returns 0, so every
 * record copies chunk 0; the trace does the same.
 *
 * Not modelled: the search touches only pages that the copy just wrote; it is
 * not written.  Lines of the threads are round robin.  A region's alignment
 * is the simulated kernel's choice: allocators that need an aligned region
 * trim a larger one by amounts that depend on where it lies, which a trace of
 * names cannot say.  The trace maps what is left (jemalloc), or keeps the
 * lower half (a glibc heap).
 */
#include "workloads/ptmalloc.h"
#include "workloads/workload_private.h"

#define MIB(count) (UINT64_C(count) << 20)

/* A worker's stack as glibc >= 2.27 makes it: the guard is added. */
#define STACK_BYTES (MIB(8) + WORKLOAD_PAGE_BYTES)

/* glibc gives a thread's arena 64 MiB, cut out of twice as much, the beginning
 * of it usable; the arena's own data lie before the first block. */
#define ARENA_FIRST_BYTES   (UINT64_C(132) << 10)
#define ARENA_BLOCK_OFFSET  UINT64_C(0xb70)
#define ARENA_TOP_BYTES_MIN 32

/* jemalloc 3.3: chunks of 4 MiB that begin with their page map. */
#define JE_CHUNK_BYTES  MIB(4)
#define JE_HEADER_BYTES UINT64_C(0x6000)

enum allocator { MMAP, GLIBC_STATIC, GLIBC_DYNAMIC, JEMALLOC };

static const char *const allocators[] = {
    [MMAP] = "mmap",
    [GLIBC_STATIC] = "glibc-static",
    [GLIBC_DYNAMIC] = "glibc-dynamic",
    [JEMALLOC] = "jemalloc",
    NULL,
};

static const struct workload_option ebizzy_options[] = {
    {.name = "threads",
     .kind = WORKLOAD_COUNT,
     .fallback = "4",
     .help = "worker threads",
     .min = 1,
     .max = 100000},
    {.name = "records",
     .kind = WORKLOAD_COUNT,
     .fallback = "1000",
     .help = "records of all threads together, round robin",
     .max = UINT64_C(1000000000000)},
    {.name = "chunks",
     .kind = WORKLOAD_COUNT,
     .fallback = "10",
     .help = "chunks that the main thread allocates and fills",
     .min = 1,
     .max = 1000000},
    {.name = "chunk-size",
     .kind = WORKLOAD_SIZE,
     .fallback = "512K",
     .help = "length of a chunk and of a copy",
     .min = 8,
     .max = UINT64_C(1) << 40},
    {.name = "allocator",
     .kind = WORKLOAD_CHOICE,
     .fallback = "mmap",
     .help = "ebizzy -m, glibc <= 2.4, glibc >= 2.22, jemalloc 3.3",
     .choices = allocators},
    {.name = "nozero",
     .kind = WORKLOAD_FLAG,
     .help = "ask for memory that need not be cleared (ebizzy -N)"},
    {.name = "uid",
     .kind = WORKLOAD_COUNT,
     .fallback = "1000",
     .help = "user that runs it",
     .max = WORKLOAD_UID_MAX},
    {.name = "work",
     .kind = WORKLOAD_COUNT,
     .fallback = "0",
     .help = "user CPU time of a record, in ns",
     .max = UINT64_C(1000000000000)},
    {0},
};

struct ebizzy {
    struct trace_writer *out;
    enum allocator allocator;
    uint64_t threads, records, chunks, chunk_bytes, work_ns;
    char *chunk_size;       // chunk_bytes as text
    const char *map_flags;  // of every mapping for data
    const char *brk_flags;
    char *source;              // address of chunk 0
    bool threshold_is_raised;  // glibc-dynamic: an own mapping was freed
    uint64_t *arena_bytes;     // glibc: usable length of each worker's heap
    struct ptmalloc_heap heap;
    uint64_t main_chunk_count;  // jemalloc: chunks of the main thread's arena
    uint64_t main_chunk_used;   // bytes of the last one
};

#define MAIN UINT64_C(1)

static uint64_t
worker_task(uint64_t worker)
{
    return MAIN + 1 + worker;
}

static void
write_map(struct ebizzy *ebizzy, uint64_t task, const char *name,
          uint64_t bytes)
{
    g_autofree char *size = workload_size_text(bytes);
    workload_line(ebizzy->out, task, "mmap %s %s rw- %s", name, size,
                  ebizzy->map_flags);
}

/* Whether glibc gives a block of this size a mapping of its own. */
static bool
glibc_maps(const struct ebizzy *ebizzy, uint64_t bytes)
{
    return bytes >= PTMALLOC_MMAP_THRESHOLD && !ebizzy->threshold_is_raised;
}

/* A region of jemalloc's for runs of `bytes`: its length, and where the first
 * run begins (blocks of a chunk or more get chunks of their own). */
static uint64_t
je_region_bytes(uint64_t bytes)
{
    return bytes <= JE_CHUNK_BYTES - JE_HEADER_BYTES
               ? JE_CHUNK_BYTES
               : round_up(bytes, JE_CHUNK_BYTES);
}

static uint64_t
je_run_offset(uint64_t bytes)
{
    return bytes <= JE_CHUNK_BYTES - JE_HEADER_BYTES ? JE_HEADER_BYTES : 0;
}

static void
je_map_region(struct ebizzy *ebizzy, uint64_t task, const char *name,
              uint64_t bytes)
{
    write_map(ebizzy, task, name, je_region_bytes(bytes));
    if (je_run_offset(bytes) > 0)
        workload_line(ebizzy->out, task, "w %s 24K", name);
}

/* The next run of the main thread's arena, which only ever grows. */
static char *
je_main_allocate(struct ebizzy *ebizzy, uint64_t bytes)
{
    uint64_t run_bytes = round_up(bytes, WORKLOAD_PAGE_BYTES);

    if (ebizzy->main_chunk_count == 0 ||
        ebizzy->main_chunk_used + run_bytes > JE_CHUNK_BYTES) {
        g_autofree char *name =
            g_strdup_printf("main%" PRIu64, ebizzy->main_chunk_count++);
        je_map_region(ebizzy, MAIN, name, run_bytes);
        ebizzy->main_chunk_used = je_run_offset(run_bytes);
    }
    g_autofree char *offset = workload_size_text(ebizzy->main_chunk_used);
    ebizzy->main_chunk_used += run_bytes;
    return g_strdup_printf("main%" PRIu64 "+%s", ebizzy->main_chunk_count - 1,
                           offset);
}

static void
write_brk(struct ebizzy *ebizzy)
{
    g_autofree char *size = workload_size_text(ebizzy->heap.length_bytes);
    workload_line(ebizzy->out, MAIN, "brk %s%s", size, ebizzy->brk_flags);
}

static char *
glibc_heap_allocate(struct ebizzy *ebizzy, uint64_t bytes)
{
    uint64_t length = ebizzy->heap.length_bytes;
    uint64_t offset = ptmalloc_heap_allocate(&ebizzy->heap, bytes);

    if (ebizzy->heap.length_bytes != length)
        write_brk(ebizzy);
    return g_strdup_printf("heap+%" PRIu64, offset);
}

/* Allocate in the main thread, whose blocks are never freed; the address of
 * the block.  `name` is for a mapping of its own. */
static char *
main_allocate(struct ebizzy *ebizzy, const char *name, uint64_t bytes)
{
    switch (ebizzy->allocator) {
    case MMAP:
        write_map(ebizzy, MAIN, name, bytes);
        return g_strdup(name);
    case JEMALLOC:
        return je_main_allocate(ebizzy, bytes);
    case GLIBC_STATIC:
    case GLIBC_DYNAMIC:
        if (!glibc_maps(ebizzy, bytes))
            return glibc_heap_allocate(ebizzy, bytes);
        write_map(ebizzy, MAIN, name, ptmalloc_mapped_bytes(bytes));
        return g_strdup_printf("%s+%d", name, PTMALLOC_MAPPED_OFFSET);
    }
    g_assert_not_reached();
}

static void
start_process(struct ebizzy *ebizzy, uint64_t uid)
{
    workload_line(ebizzy->out, MAIN, "start uid=%" PRIu64 " comm=ebizzy", uid);
    if (ebizzy->allocator == GLIBC_STATIC ||
        ebizzy->allocator == GLIBC_DYNAMIC) {
        ptmalloc_heap_init(&ebizzy->heap);
        write_brk(ebizzy);
        workload_line(ebizzy->out, MAIN, "w heap 4K");
    }
}

/* The table of chunks and the chunks, which are filled when all exist. */
static void
make_chunks(struct ebizzy *ebizzy)
{
    uint64_t table_bytes = ebizzy->chunks * 8;
    g_autofree char *table = main_allocate(ebizzy, "table", table_bytes);
    g_autoptr(GPtrArray) chunks = g_ptr_array_new_with_free_func(g_free);

    for (uint64_t i = 0; i < ebizzy->chunks; i++) {
        g_autofree char *name = g_strdup_printf("chunk%" PRIu64, i);
        g_ptr_array_add(chunks,
                        main_allocate(ebizzy, name, ebizzy->chunk_bytes));
    }
    workload_line(ebizzy->out, MAIN, "w %s %" PRIu64, table, table_bytes);
    for (guint i = 0; i < chunks->len; i++)
        workload_line(ebizzy->out, MAIN, "w %s %s",
                      (char *)g_ptr_array_index(chunks, i), ebizzy->chunk_size);
    ebizzy->source = g_strdup(g_ptr_array_index(chunks, 0));
}

/* glibc's arena of a worker. */
static void
glibc_make_arena(struct ebizzy *ebizzy, uint64_t worker)
{
    uint64_t task = worker_task(worker);

    workload_line(ebizzy->out, task,
                  "mmap arena%" PRIu64 " 128M --- %s,noreserve", worker,
                  ebizzy->map_flags);
    workload_line(ebizzy->out, task, "munmap arena%" PRIu64 "+64M 64M", worker);
    workload_line(ebizzy->out, task, "mprotect arena%" PRIu64 " 132K rw-",
                  worker);
    workload_line(ebizzy->out, task, "w arena%" PRIu64 " 4K", worker);
}

/* What a worker's allocator does to serve the first request. */
static void
make_arena(struct ebizzy *ebizzy, uint64_t worker)
{
    g_autofree char *name = g_strdup_printf("arena%" PRIu64, worker);

    switch (ebizzy->allocator) {
    case MMAP:
        break;
    case GLIBC_STATIC:
        if (!glibc_maps(ebizzy, ebizzy->chunk_bytes))
            glibc_make_arena(ebizzy, worker);
        break;
    case GLIBC_DYNAMIC:
        glibc_make_arena(ebizzy, worker);
        break;
    case JEMALLOC:
        je_map_region(ebizzy, worker_task(worker), name,
                      round_up(ebizzy->chunk_bytes, WORKLOAD_PAGE_BYTES));
        break;
    }
}

static void
start_worker(struct ebizzy *ebizzy, uint64_t worker)
{
    g_autofree char *size = workload_size_text(STACK_BYTES);

    workload_line(ebizzy->out, MAIN,
                  "mmap stack%" PRIu64 " %s rw- anon,private,stack", worker,
                  size);
    workload_line(ebizzy->out, MAIN, "guard stack%" PRIu64 " 4K", worker);
    workload_line(ebizzy->out, MAIN, "thread %" PRIu64, worker_task(worker));
    workload_line(ebizzy->out, worker_task(worker), "w stack%" PRIu64 "-8K 8K",
                  worker);
    make_arena(ebizzy, worker);
}

static void
copy_chunk(struct ebizzy *ebizzy, uint64_t task, const char *target)
{
    workload_line(ebizzy->out, task, "r %s %s", ebizzy->source,
                  ebizzy->chunk_size);
    workload_line(ebizzy->out, task, "w %s %s", target, ebizzy->chunk_size);
    if (ebizzy->work_ns > 0)
        workload_line(ebizzy->out, task, "work %" PRIu64, ebizzy->work_ns);
}

/* The copy lies `offset` bytes into a mapping of its own. */
static void
record_in_mapping(struct ebizzy *ebizzy, uint64_t worker, uint64_t bytes,
                  unsigned offset)
{
    uint64_t task = worker_task(worker);
    g_autofree char *name = g_strdup_printf("dst%" PRIu64, worker);
    g_autofree char *target =
        offset == 0 ? g_strdup(name) : g_strdup_printf("%s+%u", name, offset);
    g_autofree char *size = workload_size_text(bytes);

    write_map(ebizzy, task, name, bytes);
    copy_chunk(ebizzy, task, target);
    workload_line(ebizzy->out, task, "munmap %s %s", name, size);
}

/* The copy is the top block of the worker's arena, which grows for the first
 * and stays as long as it is: freeing the block leaves less than the trim
 * threshold, twice the size of the mapping that raised it. */
static void
record_in_glibc_arena(struct ebizzy *ebizzy, uint64_t worker)
{
    uint64_t task = worker_task(worker);
    uint64_t end = round_up(ARENA_BLOCK_OFFSET +
                                ptmalloc_chunk_bytes(ebizzy->chunk_bytes) +
                                ARENA_TOP_BYTES_MIN / 2,
                            WORKLOAD_PAGE_BYTES);
    g_autofree char *target = g_strdup_printf("arena%" PRIu64 "+%" PRIu64,
                                              worker, ARENA_BLOCK_OFFSET);

    if (end > ebizzy->arena_bytes[worker]) {
        g_autofree char *from = workload_size_text(ebizzy->arena_bytes[worker]);
        g_autofree char *growth =
            workload_size_text(end - ebizzy->arena_bytes[worker]);
        workload_line(ebizzy->out, task, "mprotect arena%" PRIu64 "+%s %s rw-",
                      worker, from, growth);
        ebizzy->arena_bytes[worker] = end;
    }
    copy_chunk(ebizzy, task, target);
}

static void
record_in_glibc(struct ebizzy *ebizzy, uint64_t worker)
{
    if (!glibc_maps(ebizzy, ebizzy->chunk_bytes)) {
        record_in_glibc_arena(ebizzy, worker);
        return;
    }
    uint64_t bytes = ptmalloc_mapped_bytes(ebizzy->chunk_bytes);
    record_in_mapping(ebizzy, worker, bytes, PTMALLOC_MAPPED_OFFSET);
    ebizzy->threshold_is_raised = ebizzy->allocator == GLIBC_DYNAMIC &&
                                  bytes <= PTMALLOC_MMAP_THRESHOLD_MAX;
}

/* The copy is always the same run of the worker's arena.  Nothing else is in
 * use there, so that each free leaves more dirty pages than the arena may
 * keep, and it gives up the whole run. */
static void
record_in_run(struct ebizzy *ebizzy, uint64_t worker)
{
    uint64_t task = worker_task(worker);
    uint64_t bytes = round_up(ebizzy->chunk_bytes, WORKLOAD_PAGE_BYTES);
    g_autofree char *offset = workload_size_text(je_run_offset(bytes));
    g_autofree char *run =
        g_strdup_printf("arena%" PRIu64 "+%s", worker, offset);
    g_autofree char *size = workload_size_text(bytes);

    workload_line(ebizzy->out, task, "reuse %s %s", run, size);
    copy_chunk(ebizzy, task, run);
    workload_line(ebizzy->out, task, "purge %s %s", run, size);
}

static void
write_record(struct ebizzy *ebizzy, uint64_t worker)
{
    switch (ebizzy->allocator) {
    case MMAP:
        record_in_mapping(ebizzy, worker, ebizzy->chunk_bytes, 0);
        break;
    case GLIBC_STATIC:
    case GLIBC_DYNAMIC:
        record_in_glibc(ebizzy, worker);
        break;
    case JEMALLOC:
        record_in_run(ebizzy, worker);
        break;
    }
    workload_line(ebizzy->out, worker_task(worker), "mark record");
}

static void
ebizzy_generate(const struct workload_values *values, struct trace_writer *out)
{
    bool is_nozero = workload_value(values, "nozero");
    struct ebizzy ebizzy = {
        .out = out,
        .allocator = (enum allocator)workload_value(values, "allocator"),
        .threads = workload_value(values, "threads"),
        .records = workload_value(values, "records"),
        .chunks = workload_value(values, "chunks"),
        .chunk_bytes = workload_value(values, "chunk-size"),
        .work_ns = workload_value(values, "work"),
        .map_flags = is_nozero ? "anon,private,nozero" : "anon,private",
        .brk_flags = is_nozero ? " nozero" : "",
    };
    ebizzy.chunk_size = workload_size_text(ebizzy.chunk_bytes);
    ebizzy.arena_bytes = g_new(uint64_t, ebizzy.threads);
    for (uint64_t i = 0; i < ebizzy.threads; i++)
        ebizzy.arena_bytes[i] = ARENA_FIRST_BYTES;

    start_process(&ebizzy, workload_value(values, "uid"));
    make_chunks(&ebizzy);
    for (uint64_t i = 0; i < ebizzy.threads; i++)
        start_worker(&ebizzy, i);
    for (uint64_t i = 0; i < ebizzy.records; i++)
        write_record(&ebizzy, i % ebizzy.threads);
    for (uint64_t i = 0; i < ebizzy.threads; i++)
        workload_line(out, worker_task(i), "exit");

    g_free(ebizzy.chunk_size);
    g_free(ebizzy.source);
    g_free(ebizzy.arena_bytes);
}

const struct workload workload_ebizzy = {
    .name = "ebizzy",
    .summary = "Threads that copy chunks into newly allocated memory",
    .options = ebizzy_options,
    .generate = ebizzy_generate,
};
