/*
 * What the simulated kernel has where a result differs.
 */
#pragma once

#include "mm/page.h"
#include "mm/pagetable.h"
#include "sim/check_report.h"
#include "sim/replay.h"

/* A page-table entry and the frame that it maps. */
struct check_page {
    uint64_t address;  // of the page
    bool has_table;
    pte_t pte;
    struct page page;  // if the entry maps a frame
};

void check_page_look(struct check_page *page, struct mm *mm, uint64_t address);

/* Fill in the difference's mappings around an address as the event has left
 * them, and the state of its page after it and, if that is what `before` is of,
 * before it.  `mm` NULL: there is none. */
void check_explain(struct check_difference *difference,
                   const struct replay *replay, struct mm *mm, uint64_t address,
                   const struct check_page *before);
