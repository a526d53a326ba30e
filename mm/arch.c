/*
 * The three architectures: i386, i386 with PAE, x86-64 with 4 levels.
 *
 * Geometry and limits: include/asm-i386/page.h and processor.h of 2.6,
 * arch/x86/include/asm of later kernels.  5-level tables are not modelled.
 */
#include "mm/arch.h"

#include <stddef.h>
#include <string.h>

#define MIB (UINT64_C(1) << 20)

const struct arch arch_i386 = {
    .name = "i386",
    .level_count = 2,
    .level_bits = {10, 10},
    .pte_bytes = 4,
    .pgd_pages = 1,
    .task_size = 0xC0000000,
    .stack_top = 0xC0000000,
    .unmapped_base = 0x40000000,
    .brk_default = 0x0804c000,
    .long_bytes = 4,
    .zones = {{.name = "DMA", .end_bytes = 16 * MIB},
              {.name = "Normal", .end_bytes = 896 * MIB},
              {.name = "HighMem", .end_bytes = UINT64_MAX, .is_highmem = true}},
    .zone_count = 3,
};

const struct arch arch_i386_pae = {
    .name = "i386-pae",
    .level_count = 3,
    .level_bits = {2, 9, 9},
    .pte_bytes = 8,
    .pgd_bytes = 32,
    .pmd_prealloc = 3,
    .task_size = 0xC0000000,
    .stack_top = 0xC0000000,
    .unmapped_base = 0x40000000,
    .brk_default = 0x0804c000,
    .long_bytes = 4,
    .zones = {{.name = "DMA", .end_bytes = 16 * MIB},
              {.name = "Normal", .end_bytes = 896 * MIB},
              {.name = "HighMem", .end_bytes = UINT64_MAX, .is_highmem = true}},
    .zone_count = 3,
};

const struct arch arch_x86_64 = {
    .name = "x86-64",
    .is_64bit = true,
    .level_count = 4,
    .level_bits = {9, 9, 9, 9},
    .pte_bytes = 8,
    .pgd_pages = 1,
    .task_size = 0x7ffffffff000,
    .stack_top = 0x7ffffffff000,
    .unmapped_base = 0x2aaaaaaab000,
    .brk_default = 0x555555559000,
    .long_bytes = 8,
    .zones = {{.name = "DMA", .end_bytes = 16 * MIB},
              {.name = "DMA32", .end_bytes = 4096 * MIB, .since = 2006015},
              {.name = "Normal", .end_bytes = UINT64_MAX}},
    .zone_count = 3,
};

const struct arch *
arch_find(const char *name)
{
    static const struct arch *const all[] = {&arch_i386, &arch_i386_pae,
                                             &arch_x86_64};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    return NULL;
}
