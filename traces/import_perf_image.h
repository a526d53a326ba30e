/*
 * What exec maps: the executable, its interpreter, the stack, the vdso.
 *
 * No call names these mappings; the kernel reports them one by one between the
 * new comm and the end of the exec.
 */
#pragma once

#include "traces/import_perf_state.h"

struct perf_image_map {
    uint64_t start, end, offset;  // bytes
    uint32_t name_index;
    const char *name;
    uint8_t prot;
    bool is_anon, is_stack;
};

struct perf_image {
    GArray *maps;  // struct perf_image_map, as exec made them
    uint64_t mmap_base, brk, stack_top;  // 0: not known
    uint32_t old_tid;                    // of the thread that called exec
};

/* `index` is the image's PERF_IMAGE record. */
struct perf_image *perf_image_new(const struct perf_recording *recording,
                                  uint32_t index);
void perf_image_free(struct perf_image *image);

/* A `file` line for every file that the recording maps. */
void perf_image_write_files(struct import *import);
