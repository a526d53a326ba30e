/*
 * The simulated machine: one struct owns everything mutable of a run, so runs
 * go in parallel and a run is a function of its inputs.
 */
#pragma once

#include "mm/arch.h"
#include "mm/check.h"
#include "mm/counters.h"
#include "mm/kernel.h"
#include "mm/maple.h"
#include "mm/merge.h"
#include "mm/page.h"
#include "mm/policy.h"
#include "mm/slab.h"
#include "mm/zone.h"

#include <glib.h>

struct mm;
struct host_memory;
struct file;
struct task;
struct leaf;
struct pieces;
struct anon_family;
struct operation;

#define CPU_COUNT_MAX 64

/* What a machine is made of; copied at creation. */
struct machine_config {
    const struct arch *arch;
    struct kernel kernel;
    struct policy policy;
    uint64_t ram_bytes;
    uint64_t kernel_image_bytes;
    uint64_t swap_bytes;
    uint32_t cpu_count;      // 1..CPU_COUNT_MAX
    uint32_t l1_line_bytes;  // pte_chain block size
    bool highpte;            // page tables may lie in HighMem

    /* sysctls and knobs */
    uint32_t overcommit_memory;  // 0, 1, 2
    uint32_t overcommit_ratio;   // percent
    uint32_t max_map_count;
    bool nozero_race_fix;     // credential changes lose the owner
    uint32_t read_ahead_kb;   // of files on disk, 0: none
    uint32_t max_sectors_kb;  // largest request to the disk
    bool large_folios;        // the file system can read several pages as one
    bool track_content;       // keep page.tag up to date on every write

    struct host_memory *host_memory;  // shared with other runs; NULL: its own
};

/* Lists of frames in use; drawn from by reclaim. */
enum lru_list {
    LRU_ANON,  // anonymous pages
    LRU_FILE,  // page cache of files on disk
    LRU_SHMEM,
    LRU_LAZY,  // lazily freed anonymous pages
    LRU_LIST_COUNT
};

struct lru {
    uint32_t head, tail;  // pfn, UINT32_MAX: empty; head is the most recent
    uint64_t count;
};

/* Pages on their way to the LRU lists (PAGEVEC). */
struct lru_batch {
    uint32_t count;
    pfn_t pfns[32];
};

struct machine {
    struct machine_config config;
    const struct arch *arch;    // config.arch
    struct kernel kernel;       // config.kernel
    struct policy policy;       // config.policy
    struct kernel_sizes sizes;  // of kernel, for arch
    bool has_nx;                // entries can forbid to execute

    uint64_t ram_pages;
    uint64_t reserved_pages;
    uint32_t reserved_start;          // first reserved pfn
    struct page *pages;               // ram_pages records, reserved lazily
    struct host_memory *host_memory;  // of the records and pieces
    struct zone zones[ZONE_COUNT_MAX];
    unsigned zone_count;

    struct slab_cache slabs[SLAB_KIND_COUNT];
    struct maple_node *maple_spare;  // linked by maple_node.parent
    uint32_t maple_spare_count;
    struct maple_trail maple_trail;
    struct lru lru[LRU_LIST_COUNT];
    struct lru_batch *lru_batches;      // one per CPU
    struct mlock_batch *mlock_batches;  // the same
    uint64_t mlocked_count;             // frames with PAGE_MLOCKED

    struct vma *finger;  // where the latest look-up ended that costs
                         // the simulated kernel nothing, or NULL
    struct mm *mms;      // all address spaces, oldest first
    struct mm *mms_last;
    uint32_t mm_next_id;
    struct task *tasks;  // living tasks, oldest first
    struct task *tasks_last;
    const struct task *next_exit;  // if tasks exit in this order (mm/expect.h);
                                   // changes nothing
    uint32_t task_created_count;
    GPtrArray *files;              // struct file *, NULL where gone
    GPtrArray *leaves;             // struct leaf * by id, NULL where free
    GArray *free_leaf_ids;         // uint32_t
    struct pieces *leaf_pieces;    // zeroed
    struct pieces *table_pieces;   // zeroed: directories
    struct pieces *object_pieces;  // plain: slab objects, tasks
    struct pieces *node_pieces;    // plain: nodes of trees of VMAs, which lie
                                   // side by side for who walks over all
    GPtrArray *families;           // struct anon_family *; [0] is NULL
    GArray *free_family_ids;       // uint32_t
    GArray *uids;                  // uint64_t: holder code - FIRST_UID -> uid
    GHashTable *uid_codes;         // uid -> holder code
    void *rmap;                    // policy.rmap's own state
    struct vrange *vrange_lru_head, *vrange_lru_tail;

    uint64_t committed_pages;
    uint64_t zero_page_map_count;  // refcounted zero page
    uint64_t hog_pages;
    uint32_t hog_head;                // frames of the hog, linked by page.next
    uint64_t reclaimed_mapped_count;  // mapped pages that reclaim took
    bool kswapd_wanted;
    uint32_t reclaim_failures;  // direct reclaims in a row without progress

    unsigned cpu;          // carries out the current step
    struct task *current;  // for whom; NULL: a daemon or the driver
    uint64_t now_ns;       // functional clock, set by the driver

    struct mm_counters counters;
    struct merge_tally merges;  // for whoever asks what was exercised
    uint64_t charges[CHARGE_COUNT];
    uint64_t gauge[GAUGE_COUNT];
    uint64_t peak[GAUGE_COUNT];        // free_bytes: the smallest
    uint64_t peak_total[GAUGE_COUNT];  // all gauges when used frames were most
    bool
        peak_pending;  // free_bytes is at its minimum: snapshot before it grows

    struct receipt *receipt;  // NULL: the recorded driver wants none
};

struct machine *machine_create(const struct machine_config *config);
void machine_destroy(struct machine *machine);

/* Bring machine.peak_total up to date; before reading it. */
void machine_settle_peak(struct machine *machine);

/* Assert every numbered invariant of the simulated kernel (mm/validate.c). */
void machine_validate(struct machine *machine);

/* Run the daemons that want to run; the driver calls it between events. */
void machine_run_daemons(struct machine *machine);

/* Hold `bytes` of frames in a background task, until it is called with less
 * (mm/hog.c).  Takes what it can get. */
void machine_hog(struct machine *machine, uint64_t bytes);

/* Code of a uid, interned at first use. */
uint16_t machine_holder_of(struct machine *machine, uint64_t uid);

static inline struct page *
page_of(struct machine *machine, pfn_t pfn)
{
    return &machine->pages[pfn.v];
}

static inline pfn_t
pfn_of(const struct machine *machine, const struct page *page)
{
    return (pfn_t){(uint32_t)(page - machine->pages)};
}

static inline void
charge(struct machine *machine, enum mm_charge kind, uint64_t count)
{
    machine->charges[kind] += count;
}

/* Gauges move only through these two, so that peaks are exact. */
static inline void
gauge_add(struct machine *machine, enum mm_gauge gauge, uint64_t amount)
{
    machine->gauge[gauge] += amount;
    if (gauge != GAUGE_free_bytes &&
        machine->gauge[gauge] > machine->peak[gauge])
        machine->peak[gauge] = machine->gauge[gauge];
}

static inline void
gauge_sub(struct machine *machine, enum mm_gauge gauge, uint64_t amount)
{
    mm_assert(machine->gauge[gauge] >= amount);
    machine->gauge[gauge] -= amount;
}

/* The gauge that frames of that state count in; GAUGE_COUNT: not in use. */
enum mm_gauge page_state_gauge(enum page_state state);

/* Frames change hands: `gauge` is the kind that gains or loses them.  Used by
 * the page allocator alone. */
void gauge_frames_taken(struct machine *machine, enum page_state state,
                        uint64_t pages);
void gauge_frames_given(struct machine *machine, enum page_state state,
                        uint64_t pages);
