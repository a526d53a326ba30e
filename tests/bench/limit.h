/*
 * The limit loop: the least a page fault and a touch can cost in host memory
 * traffic, with the simulator's data sizes and nothing of its rules.
 */
#pragma once

#include <stdint.h>

#define LIMIT_PAGES   (1u << 20)  // 4 GiB simulated
#define LIMIT_LEAF    512
#define LIMIT_PRESENT (UINT64_C(1) << 32)
#define LIMIT_TOUCHED (UINT64_C(3) << 34)

struct limit_frame {
    uint32_t flags, map_count, next, prev, tag, home;
    uint64_t index;
};

struct limit {
    struct limit_frame *frames;
    uint64_t **directory;  // leaves of LIMIT_LEAF entries
    uint32_t free_head;
};

/* free_order: the free list links these frames in turn. */
void limit_init(struct limit *limit, const uint32_t *free_order);
void limit_finish(struct limit *limit);
/* Fault the pages in the order given: pop, write the record, store the PTE. */
void limit_fault(struct limit *limit, const uint32_t *pages, uint32_t count);
/* Touch present pages: load, branch, or, store.  Returns how many were. */
uint32_t limit_touch(struct limit *limit, const uint32_t *pages,
                     uint32_t count);
