/*
 * brk-pingpong: a heap that grows and is trimmed in every round.
 *
 * A program that allocates and frees two blocks below glibc's mmap threshold
 * moves the end of its heap three times per round: the second allocation does
 * not fit and grows the heap, each of the two frees leaves enough at the top
 * to trim it.  So every page beyond the first 132 KiB is cleared, used once
 * and given back, round after round.
 *
 * Not modelled: the arena's bins; the two blocks always border on the top.
 */
#include "workloads/ptmalloc.h"
#include "workloads/workload_private.h"

static const struct workload_option brk_pingpong_options[] = {
    {.name = "rounds",
     .kind = WORKLOAD_COUNT,
     .fallback = "1000",
     .help = "allocate both blocks, fill them, free both",
     .max = 1000000000},
    {.name = "first",
     .kind = WORKLOAD_SIZE,
     .fallback = "120000",
     .help = "size of the block allocated first and freed last",
     .min = 1,
     .max = PTMALLOC_MMAP_THRESHOLD - 1},
    {.name = "second",
     .kind = WORKLOAD_SIZE,
     .fallback = "100000",
     .help = "size of the block allocated last and freed first",
     .min = 1,
     .max = PTMALLOC_MMAP_THRESHOLD - 1},
    {.name = "nozero",
     .kind = WORKLOAD_FLAG,
     .help = "grow the heap by brk2, without clearing"},
    {.name = "uid",
     .kind = WORKLOAD_COUNT,
     .fallback = "1000",
     .help = "user that runs it",
     .max = WORKLOAD_UID_MAX},
    {0},
};

/* Tell the kernel when the heap's length is no longer `length`. */
static void
write_brk(struct trace_writer *out, const struct ptmalloc_heap *heap,
          uint64_t length, const char *nozero)
{
    if (heap->length_bytes == length)
        return;
    g_autofree char *size = workload_size_text(heap->length_bytes);
    workload_line(out, 1, "brk %s%s", size, nozero);
}

static void
allocate_and_fill(struct trace_writer *out, struct ptmalloc_heap *heap,
                  uint64_t size, const char *nozero)
{
    uint64_t length = heap->length_bytes;
    uint64_t offset = ptmalloc_heap_allocate(heap, size);

    write_brk(out, heap, length, nozero);
    workload_line(out, 1, "w heap+%" PRIu64 " %" PRIu64, offset, size);
}

static void
release(struct trace_writer *out, struct ptmalloc_heap *heap, uint64_t size,
        const char *nozero)
{
    uint64_t length = heap->length_bytes;

    ptmalloc_heap_release_last(heap, size);
    write_brk(out, heap, length, nozero);
}

static void
brk_pingpong_generate(const struct workload_values *values,
                      struct trace_writer *out)
{
    uint64_t first = workload_value(values, "first");
    uint64_t second = workload_value(values, "second");
    const char *nozero = workload_value(values, "nozero") ? " nozero" : "";
    struct ptmalloc_heap heap;

    workload_line(out, 1, "start uid=%" PRIu64 " comm=brk-pingpong",
                  workload_value(values, "uid"));
    ptmalloc_heap_init(&heap);
    write_brk(out, &heap, 0, nozero);
    workload_line(out, 1, "w heap 4K");  // the allocator's own first block
    for (uint64_t i = workload_value(values, "rounds"); i > 0; i--) {
        allocate_and_fill(out, &heap, first, nozero);
        allocate_and_fill(out, &heap, second, nozero);
        release(out, &heap, second, nozero);
        release(out, &heap, first, nozero);
        workload_line(out, 1, "mark round");
    }
}

const struct workload workload_brk_pingpong = {
    .name = "brk-pingpong",
    .summary = "A heap that brk grows once and trims twice in every round",
    .options = brk_pingpong_options,
    .generate = brk_pingpong_generate,
};
