/*
 * The limit loop; frozen, so that ratios to it can be compared over time.
 */
#include "limit.h"

#include <stdlib.h>

void
limit_init(struct limit *limit, const uint32_t *free_order)
{
    limit->frames = calloc(LIMIT_PAGES, sizeof(struct limit_frame));
    limit->directory = calloc(LIMIT_PAGES / LIMIT_LEAF, sizeof(uint64_t *));
    for (uint32_t i = 0; i < LIMIT_PAGES / LIMIT_LEAF; i++)
        limit->directory[i] = calloc(LIMIT_LEAF, sizeof(uint64_t));
    for (uint32_t i = 0; i + 1 < LIMIT_PAGES; i++)
        limit->frames[free_order[i]].next = free_order[i + 1];
    limit->free_head = free_order[0];
}

void
limit_finish(struct limit *limit)
{
    for (uint32_t i = 0; i < LIMIT_PAGES / LIMIT_LEAF; i++)
        free(limit->directory[i]);
    free(limit->directory);
    free(limit->frames);
}

void
limit_fault(struct limit *limit, const uint32_t *pages, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t pfn = limit->free_head, page = pages[i];
        struct limit_frame *frame = &limit->frames[pfn];

        limit->free_head = frame->next;
        *frame = (struct limit_frame){2, 1, pfn, page, 3, 4, page};
        limit->directory[page / LIMIT_LEAF][page % LIMIT_LEAF] =
            LIMIT_PRESENT | pfn;
    }
}

uint32_t
limit_touch(struct limit *limit, const uint32_t *pages, uint32_t count)
{
    uint32_t present = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t page = pages[i];
        uint64_t *pte = &limit->directory[page / LIMIT_LEAF][page % LIMIT_LEAF];

        if (*pte & LIMIT_PRESENT) {
            *pte |= LIMIT_TOUCHED;
            present++;
        }
    }
    return present;
}
