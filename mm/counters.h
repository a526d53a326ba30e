/*
 * Everything the simulator measures, declared once.
 *
 * The lists are X-macros so that the struct, the JSON keys, the columns and
 * `vmsim list counters` cannot drift apart: adding a line here adds it
 * everywhere.  mm/ only ever increments; it never prints.
 *
 * A counter's class says what a differential test may demand: STATE must be
 * equal under every rmap and gap variant, COST may differ.
 */
#pragma once

#include <stdint.h>

/* clang-format off */
#define MM_COUNTERS(X)                                                         \
    X(fault_count, STATE, "completed page-fault exceptions of touches")        \
    X(fault_major_count, STATE, "faults that had to read from a disk")         \
    X(fault_fresh_count, STATE, "faults that installed a new anonymous frame") \
    X(fault_zero_map_count, STATE, "read faults satisfied by the zero page")   \
    X(fault_zero_break_count, STATE, "write faults over the zero page")        \
    X(fault_cow_copy_count, STATE, "write faults that copied a page")          \
    X(fault_cow_reuse_count, STATE, "write faults that kept the page")         \
    X(fault_file_count, STATE, "faults that mapped page cache or shmem")       \
    X(fault_swap_in_count, STATE, "faults on a swap entry")                    \
    X(fault_segv_count, STATE, "touches refused: SIGSEGV, or EFAULT in a call")\
    X(fault_bus_count, STATE, "touches refused: SIGBUS")                       \
    X(fault_spurious_count, STATE, "exceptions that found the work done")      \
    X(populate_fault_count, STATE, "faults without an exception")              \
    X(touch_count, STATE, "page touches carried out")                          \
    X(clear_page_count, STATE, "4 KiB units of user memory cleared")           \
    X(clear_page_background_count, STATE, "of them by the scrubber")           \
    X(clear_page_skipped_count, STATE, "handed to a user without clearing")    \
    X(clear_page_shmem_count, STATE, "of clears: shared anonymous and shmem")  \
    X(clear_page_kernel_count, STATE, "pages cleared for the kernel itself")   \
    X(copy_page_count, STATE, "pages copied")                                  \
    X(leak_page_count, STATE, "frames handed over with someone else's bytes")  \
    X(page_alloc_count, COST, "blocks handed out by the page allocator")       \
    X(page_free_count, COST, "blocks given back to the page allocator")        \
    X(buddy_split_count, COST, "halvings of a free block")                     \
    X(buddy_merge_count, COST, "joins of two free buddies")                    \
    X(gap_search_count, STATE, "searches for an unmapped area")                \
    X(gap_probe_count, COST, "VMAs or tree nodes examined by them")            \
    X(vma_split_count, COST, "VMAs cut in two")                                \
    X(vma_merge_count, COST, "VMA boundaries removed or never made")           \
    X(rmap_walk_count, COST, "reverse-map walks begun")                        \
    X(rmap_visit_count, COST, "chain entries or candidates examined by them")  \
    X(rmap_miss_count, COST, "of them, without a PTE to the page")             \
    X(pagetable_alloc_count, COST, "page-table pages allocated")               \
    X(pagetable_free_count, COST, "page-table pages freed")                    \
    X(fault_around_pages, STATE, "neighbours mapped by file read faults")      \
    X(syscall_count, STATE, "system calls")                                    \
    X(purge_call_count, STATE, "calls that give pages up")                     \
    X(reuse_call_count, STATE, "vrange novolatile calls")                      \
    X(purge_discarded_pages, STATE, "pages given up by purge calls, whenever") \
    X(purge_lazy_pages, STATE, "of them, later, by reclaim")                   \
    X(reclaim_scanned_pages, COST, "pages judged by reclaim")                  \
    X(reclaim_freed_pages, COST, "pages freed by reclaim")                     \
    X(swap_out_pages, COST, "pages written to swap")                           \
    X(swap_in_pages, COST, "pages read from swap, read-ahead included")        \
    X(oom_kill_count, STATE, "processes killed for want of memory")            \
    X(tlb_flush_count, COST, "flushes of an address space, local ones too")    \
    X(tlb_ipi_count, COST, "CPUs interrupted to flush")                        \
    X(lock_wait_count, COST, "waits for a lock; 0 under the recorded schedule")\
    X(event_failed_count, STATE, "calls that returned an errno")               \
    X(event_skipped_count, STATE, "events without a task or region to act on")

/*
 * What a step is charged for: primitive, the cost it is reported under, and
 * meaning.  A machine's price list gives picoseconds for each.
 */
#define MM_CHARGES(X)                                                          \
    X(exception, exception, "page-fault entry and exit")                       \
    X(fault, fault, "software path of a minimal fault")                        \
    X(syscall, syscall, "system call entry and exit")                          \
    X(clear_page_warm, clear_page, "clear of a page still in the L2 cache")    \
    X(clear_page_cold, clear_page, "clear of a page that comes from memory")   \
    X(copy_page, copy_page, "copy of a page")                                  \
    X(pte_update, pte, "PTE set or cleared")                                   \
    X(pagetable_page, pagetable, "page-table page allocated, linked, freed")   \
    X(vma_object, vma, "VMA object allocated and freed")                       \
    X(vma_modify, vma, "VMA inserted, removed, split or resized")              \
    X(vma_lookup_step, vma_lookup, "node examined by find_vma")                \
    X(gap_step, gap_search, "VMA or node examined by a gap search")            \
    X(page_alloc, page_alloc, "block taken from the page allocator")           \
    X(page_free, page_free, "block given back")                                \
    X(buddy_page, buddy, "page moved between per-CPU list and buddy")          \
    X(lru_add, lru, "page put on an LRU list")                                 \
    X(rmap_update, rmap, "reverse mapping added or removed, object-based")     \
    X(rmap_chain_update, rmap, "reverse mapping added or removed, pte-chain")  \
    X(rmap_walk_step, rmap_walk, "entry or candidate visited by a walk")       \
    X(zone_lock_pair, lock, "zone lock, uncontended")                          \
    X(lru_lock_pair, lock, "LRU lock, uncontended")                            \
    X(anon_lock_pair, lock, "anon_vma or chain lock, uncontended")             \
    X(pte_lock_pair, lock, "page-table lock, uncontended")                     \
    X(mmap_lock_pair, mmap_lock, "uncontended mmap_sem/mmap_lock pair")        \
    X(tlb_flush_all, tlb, "local flush of everything")                         \
    X(tlb_flush_page, tlb, "local flush of one page")                          \
    X(tlb_ipi_first, tlb_ipi, "shootdown: the first remote CPU")               \
    X(tlb_ipi_more, tlb_ipi, "shootdown: each further remote CPU")             \
    X(task_create, fork, "task and address-space objects set up, torn down")   \
    X(vrange_step, vrange, "interval-tree node visited by vrange")             \
    X(disk_read_page, disk, "page read from a disk, sequentially")             \
    X(disk_seek, disk, "seek before a read")

#define MM_COSTS(X)                                                            \
    X(exception) X(fault) X(syscall) X(clear_page) X(copy_page) X(pte)         \
    X(pagetable) X(vma) X(vma_lookup) X(gap_search) X(page_alloc)              \
    X(page_free) X(buddy) X(lru) X(rmap) X(rmap_walk) X(lock) X(mmap_lock)     \
    X(tlb) X(tlb_ipi) X(fork) X(vrange) X(disk) X(kwork)

/* Gauges of `peak` and `end`; bytes unless the name says count. */
#define MM_GAUGES(X)                                                           \
    X(anon_bytes, "frames of anonymous memory")                                \
    X(file_bytes, "frames of page cache and shmem")                            \
    X(resident_bytes, "sum of RSS as the kernel accounts it")                  \
    X(pagetable_bytes, "PTE, PMD and PUD pages, as VmPTE")                     \
    X(rmap_bytes, "live reverse-map objects x size")                           \
    X(vma_bytes, "live VMA objects x size")                                    \
    X(vma_count, "VMAs of all address spaces")                                 \
    X(task_bytes, "frames of kernel stacks and PGDs")                          \
    X(task_count, "tasks that have not exited")                                \
    X(slab_bytes, "frames of slab caches")                                     \
    X(free_bytes, "frames in buddy and per-CPU lists")                         \
    X(swap_bytes, "swap slots in use")
/* clang-format on */

struct mm_counters {
#define MM_COUNTER_FIELD(name, class, meaning) uint64_t name;
    MM_COUNTERS(MM_COUNTER_FIELD)
#undef MM_COUNTER_FIELD
};

enum mm_charge {
#define MM_CHARGE_ENUM(name, cost, meaning) CHARGE_##name,
    MM_CHARGES(MM_CHARGE_ENUM)
#undef MM_CHARGE_ENUM
        CHARGE_COUNT
};

enum mm_gauge {
#define MM_GAUGE_ENUM(name, meaning) GAUGE_##name,
    MM_GAUGES(MM_GAUGE_ENUM)
#undef MM_GAUGE_ENUM
        GAUGE_COUNT
};
