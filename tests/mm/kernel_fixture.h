/*
 * Machines of five eras for the tests of mm/, written out by hand: what a
 * preset file says is a test of sim/, what the rules do with it one of mm/.
 *
 * Only the axes without functions are set; a test that needs more than frames
 * sets policy.rmap, policy.gap and policy.purge itself.
 */
#pragma once

#include "mm/machine.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

/* What all eras share. */
static inline struct machine_config
kernel_fixture_base(const char *name, uint32_t version, const struct arch *arch,
                    uint64_t ram_bytes)
{
    struct machine_config config = {
        .arch = arch,
        .kernel =
            {
                .version = version,
                .order_count = 11,
                .max_map_count = 65536,
                .lru_batch_pages = 14,
                .zap_batch_pages = 500,
            },
        .ram_bytes = ram_bytes,
        .kernel_image_bytes = 2 * MIB,
        .cpu_count = 1,
        .l1_line_bytes = 64,
        .overcommit_ratio = 50,
        .max_map_count = 65536,
        .read_ahead_kb = 128,
        .max_sectors_kb = 1280,
    };
    g_strlcpy(config.kernel.name, name, sizeof(config.kernel.name));
    return config;
}

static inline struct machine_config
kernel_fixture_2_4_21(const struct arch *arch, uint64_t ram_bytes)
{
    struct machine_config config =
        kernel_fixture_base("2.4.21", 2004021, arch, ram_bytes);
    struct kernel *kernel = &config.kernel;

    kernel->order_count = 10;
    kernel->split_returns_high = true;
    kernel->pcp = PCP_NONE;
    kernel->watermark = WATERMARK_2_4;
    kernel->alloc = ALLOC_2_4;
    kernel->lru_batch_pages = 0;
    kernel->pagetable_free = PT_FREE_PGD_SPAN;
    kernel->sizes32 = (struct kernel_sizes){44, 68, 0, 0, 384, 1700, 8192};
    kernel->sizes64 = (struct kernel_sizes){88, 128, 0, 0, 768, 3400, 16384};
    config.policy.zero_page = ZERO_PAGE_RESERVED;
    config.policy.merge = MERGE_MMAP_ONLY;
    config.policy.fork = FORK_COPY_ALL;
    config.policy.cow = COW_PAGE_COUNT;
    return config;
}

static inline struct machine_config
kernel_fixture_2_6_2(const struct arch *arch, uint64_t ram_bytes)
{
    struct machine_config config =
        kernel_fixture_base("2.6.2", 2006002, arch, ram_bytes);
    struct kernel *kernel = &config.kernel;

    kernel->split_returns_high = true;
    kernel->pcp = PCP_LOW_MARK;
    kernel->watermark = WATERMARK_2_6_2;
    kernel->alloc = ALLOC_2_6_2;
    kernel->min_free_max_kib = 16384;
    kernel->lru_batch_pages = 16;
    kernel->new_anon_active = true;
    kernel->pagetable_free = PT_FREE_PGD_SPAN;
    kernel->sizes32 = (struct kernel_sizes){40, 64, 12, 0, 512, 1700, 8192};
    kernel->sizes64 = (struct kernel_sizes){80, 128, 24, 0, 832, 3400, 16384};
    config.policy.zero_page = ZERO_PAGE_RESERVED;
    config.policy.merge = MERGE_FLAGS;
    config.policy.fork = FORK_COPY_ALL;
    config.policy.cow = COW_PAGE_COUNT;
    return config;
}

static inline struct machine_config
kernel_fixture_2_6_22(const struct arch *arch, uint64_t ram_bytes)
{
    struct machine_config config =
        kernel_fixture_base("2.6.22", 2006022, arch, ram_bytes);
    struct kernel *kernel = &config.kernel;

    kernel->pcp = PCP_HOT_COLD;
    kernel->watermark = WATERMARK_2_6_20;
    kernel->alloc = ALLOC_2_6_11;
    kernel->min_free_max_kib = 65536;
    kernel->new_anon_active = true;
    kernel->pagetable_free = PT_FREE_FLOOR_CEILING;
    kernel->anon_borrows_neighbour = true;
    kernel->overcommit = OVERCOMMIT_2_6_22;
    kernel->oom = OOM_2_6_2;
    kernel->sizes32 = (struct kernel_sizes){32, 84, 12, 0, 512, 1700, 8192};
    kernel->sizes64 = (struct kernel_sizes){56, 168, 24, 0, 832, 3400, 8192};
    config.policy.zero_page = ZERO_PAGE_REFCOUNTED;
    config.policy.merge = MERGE_LINEAR;
    config.policy.fork = FORK_SKIP_UNFAULTED;
    config.policy.cow = COW_MAPCOUNT;
    return config;
}

static inline struct machine_config
kernel_fixture_2_6_32(const struct arch *arch, uint64_t ram_bytes)
{
    struct machine_config config = kernel_fixture_2_6_22(arch, ram_bytes);
    struct kernel *kernel = &config.kernel;

    g_strlcpy(kernel->name, "2.6.32", sizeof(kernel->name));
    kernel->version = 2006032;
    kernel->pcp = PCP_SINGLE;
    kernel->max_map_count = config.max_map_count = 65530;
    kernel->oom = OOM_2_6_24;
    config.policy.zero_page = ZERO_PAGE_SPECIAL;
    config.policy.layout = LAYOUT_TOP_DOWN;
    return config;
}

static inline struct machine_config
kernel_fixture_6_18(const struct arch *arch, uint64_t ram_bytes)
{
    struct machine_config config =
        kernel_fixture_base("6.18", 6018000, arch, ram_bytes);
    struct kernel *kernel = &config.kernel;

    kernel->buddy_tail_rule = true;
    kernel->pcp = PCP_AUTO;
    kernel->watermark = WATERMARK_4_6;
    kernel->alloc = ALLOC_4_4;
    kernel->min_free_max_kib = 262144;
    kernel->lru_batch_pages = 31;
    kernel->max_map_count = config.max_map_count = 65530;
    kernel->stack_gap_pages = 256;
    kernel->mmap_huge_align = true;
    kernel->mprotect_keeps_write = true;
    kernel->pagetable_free = PT_FREE_FLOOR_CEILING;
    kernel->pagetable_reclaim = true;
    kernel->mremap_moves_tables = true;
    kernel->anon_fork = ANON_FORK_NUM_CHILDREN;
    kernel->anon_borrows_neighbour = true;
    kernel->madv_free = MADV_FREE_4_12;
    kernel->overcommit = OVERCOMMIT_5_2;
    kernel->oom = OOM_6_1;
    kernel->fault_around_pages = 16;
    kernel->stack_map_nohugepage = true;
    kernel->sizes32 = (struct kernel_sizes){32, 112, 44, 32, 640, 3000, 8192};
    kernel->sizes64 =
        (struct kernel_sizes){64, 192, 104, 64, 1408, 9792, 16384};
    config.policy.zero_page = ZERO_PAGE_SPECIAL;
    config.policy.layout = LAYOUT_TOP_DOWN;
    config.policy.merge = MERGE_FORK_CHILD;
    config.policy.guard = GUARD_INSTALL;
    config.policy.fork = FORK_SKIP_UNFAULTED;
    config.policy.cow = COW_EXCLUSIVE;
    return config;
}

typedef struct machine_config (*kernel_fixture)(const struct arch *arch,
                                                uint64_t ram_bytes);

/* Oldest first; for loop tests. */
static const kernel_fixture kernel_fixtures[] = {
    kernel_fixture_2_4_21, kernel_fixture_2_6_2, kernel_fixture_2_6_22,
    kernel_fixture_2_6_32, kernel_fixture_6_18,
};
#define KERNEL_FIXTURE_COUNT ((int)G_N_ELEMENTS(kernel_fixtures))
