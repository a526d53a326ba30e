/*
 * What a kernel version fixes besides the policy axes.
 *
 * These are facts of a release, read from a preset file by sim/; mm/ consults
 * them where the rule applies and nowhere else.  Sources: the preset files.
 */
#pragma once

#include "mm/types.h"

enum pcp_form {
    PCP_NONE,       // 2.4: straight to buddy
    PCP_LOW_MARK,   // 2.6.2: hot/cold, refill at low, drain before adding
    PCP_HOT_COLD,   // 2.6.20: refill when empty, drain after adding
    PCP_SINGLE,     // 2.6.32: one list, as before
    PCP_HIGH_ORDER, // 5.14: orders 0..3 too, high from the low watermark
    PCP_AUTO,       // 6.7: that, and high and batch follow the load
};

enum watermark_form {
    WATERMARK_2_4,    // P/128 clamped to 20..255; x2, x3
    WATERMARK_2_6_2,  // isqrt(lowmem kB); x2, x3
    WATERMARK_2_6_11, // isqrt(16 lowmem kB); 5/4, 6/4 of min
    WATERMARK_2_6_20, // min + t/4, min + t/2
    WATERMARK_4_6,    // delta = max(t/4, P/1000)
};

enum alloc_form {
    ALLOC_2_4,     // running sum of low marks, strict
    ALLOC_2_6_2,   // incremental min
    ALLOC_2_6_11,  // lowmem_reserve and zone_watermark_ok with order loop
    ALLOC_4_4,     // order > 0 needs one free block of that order
};

enum pagetable_free_form {
    PT_FREE_PGD_SPAN,      // 2.4, 2.6.2: only whole PGD entries
    PT_FREE_FLOOR_CEILING, // 2.6.11+: a table no other VMA needs
};

/* What a child's VMA gets at fork when the parent's has an anon identity. */
enum anon_fork_form {
    ANON_FORK_INHERIT,      // to 2.6.33: the same anon_vma
    ANON_FORK_CLONE,        // 2.6.34: parent's chain and one of its own
    ANON_FORK_DEGREE,       // 4.0: may adopt an ancestor with degree < 2
    ANON_FORK_NUM_CHILDREN, // 6.1: num_children < 2, no active VMA
};

enum madv_free_form { MADV_FREE_NONE, MADV_FREE_4_5, MADV_FREE_4_12 };
enum overcommit_form { OVERCOMMIT_2_6_2, OVERCOMMIT_2_6_22, OVERCOMMIT_5_2 };
enum oom_form {
    OOM_2_6_2,
    OOM_2_6_24,
    OOM_2_6_38,
    OOM_3_8,
    OOM_4_10,
    OOM_6_1
};

/* Calls that a kernel may lack; enum kernel_call bits in kernel.calls. */
/* clang-format off */
#define KERNEL_CALLS(X)                                                        \
    X(BRK2, "brk2") X(VRANGE, "vrange")                                        \
    X(FIXED_NOREPLACE, "fixed-noreplace") X(MREMAP_FIXED, "mremap-fixed")      \
    X(DONTUNMAP, "mremap-dontunmap") X(REMAP_FILE_PAGES, "remap_file_pages")   \
    X(MADV_FREE, "madvise-free") X(MADV_DONTFORK, "madvise-dontfork")          \
    X(MADV_WIPEONFORK, "madvise-wipeonfork") X(MADV_COLD, "madvise-cold")      \
    X(MADV_PAGEOUT, "madvise-pageout") X(MADV_HUGEPAGE, "madvise-hugepage")    \
    X(MADV_POPULATE, "madvise-populate") X(MADV_GUARD, "madvise-guard")        \
    X(MADV_DONTNEED_LOCKED, "madvise-dontneed-locked")                         \
    X(MADV_MERGEABLE, "madvise-mergeable") X(MADV_COLLAPSE, "madvise-collapse")\
    X(GUARD_FILE, "guard-file")
/* clang-format on */

enum kernel_call {
#define KERNEL_CALL_ENUM(name, word) KERNEL_CALL_##name##_BIT,
    KERNEL_CALLS(KERNEL_CALL_ENUM)
#undef KERNEL_CALL_ENUM
        KERNEL_CALL_COUNT
};
#define KERNEL_HAS(kernel, call)                                               \
    (((kernel)->calls >> KERNEL_CALL_##call##_BIT) & 1)

/* Simulated sizes of kernel objects in bytes, for one architecture. */
struct kernel_sizes {
    uint32_t page, vma, anon_vma, anon_vma_chain, mm, task;
    uint32_t kernel_stack;  // bytes; whole pages
};

struct kernel {
    char name[32];
    uint32_t version;  // major * 1000000 + minor * 1000 + patch
    uint64_t calls;    // bit k: enum kernel_call

    /* Page allocator. */
    uint32_t order_count;       // 10 to 2.4, 11 later
    bool split_returns_high;    // to 2.6.7 the upper half is handed out
    bool buddy_tail_rule;       // 2.6.35
    enum pcp_form pcp;
    enum watermark_form watermark;
    enum alloc_form alloc;
    uint32_t min_free_max_kib;  // upper clamp of min_free_kbytes
    uint32_t lru_batch_pages;   // PAGEVEC_SIZE; 0: no batch
    bool new_anon_active;       // new anonymous pages on the active list

    /* Address spaces. */
    uint32_t max_map_count;
    uint32_t stack_gap_pages;       // vm_start_gap of VM_GROWSDOWN
    bool mmap_huge_align;           // 2 MiB multiples start 2 MiB-aligned
    bool mprotect_keeps_write;      // 6.0: exclusive pages regain write
    enum pagetable_free_form pagetable_free;
    bool pagetable_reclaim;         // DONTNEED frees emptied PTE tables
    bool mremap_moves_tables;       // 5.11: a whole PTE table is moved
    enum anon_fork_form anon_fork;
    bool anon_borrows_neighbour;    // find_mergeable_anon_vma, 2.6.7
    enum madv_free_form madv_free;
    enum overcommit_form overcommit;
    enum oom_form oom;
    uint32_t fault_around_pages;    // 0 or 16
    uint32_t zap_batch_pages;       // mmu_gather: pages per TLB flush
    bool stack_map_nohugepage;      // MAP_STACK sets VM_NOHUGEPAGE
    uint64_t brk_default;           // heap start of a process without keys,
                                    // 0: the architecture's

    struct kernel_sizes sizes32, sizes64;
};
