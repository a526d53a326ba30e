/*
 * Architectures: page-table geometry, address-space limits, zones.
 */
#pragma once

#include "mm/types.h"

#define PT_LEVELS_MAX  4
#define ZONE_COUNT_MAX 3

struct arch {
    const char *name;       // "i386", "i386-pae", "x86-64"
    bool is_64bit;
    unsigned level_count;   // page-table levels, the leaf included
    unsigned level_bits[PT_LEVELS_MAX];  // from the root down; leaf last
    uint32_t pte_bytes;     // simulated size of one entry
    uint32_t pgd_pages;     // frames of the root; 0: smaller than a page
    uint32_t pgd_bytes;     // if pgd_pages is 0: its slab size
    uint32_t pmd_prealloc;  // PMD pages that come with the PGD (PAE: 3)
    uint64_t task_size;     // end of user addresses
    uint64_t stack_top;     // end of the stack area
    uint64_t unmapped_base; // TASK_UNMAPPED_BASE
    uint64_t brk_default;   // heap start of a process without layout keys
    uint32_t long_bytes;    // sizeof(long) of the simulated kernel
    struct {
        const char *name;
        uint64_t end_bytes;  // UINT64_MAX: to the end of RAM
        bool is_highmem;
        uint32_t since;      // kernel.version that has it; 0: all
    } zones[ZONE_COUNT_MAX];
    unsigned zone_count;
};

extern const struct arch arch_i386;
extern const struct arch arch_i386_pae;
extern const struct arch arch_x86_64;

const struct arch *arch_find(const char *name);
