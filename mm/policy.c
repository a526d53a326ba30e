/*
 * The list of policy axes with all their values, and the pairs that make no
 * sense.
 *
 * A value with a `nearest` is known but not built; a preset that wants it runs
 * with the nearest built one and says so.  Axes whose every value stands in
 * for one built behaviour are listed so that results name them.
 */
#include "mm/policy.h"

#include "mm/gap.h"
#include "mm/purge.h"
#include "mm/rmap.h"

#include <string.h>

static const struct policy_value zero_page_values[] = {
    {"reserved", "one Reserved page, no accounting (2.4 to 2.6.14)", NULL},
    {"refcounted", "counted and file-mapped per PTE (2.6.15 to 2.6.23)", NULL},
    {"none", "read faults allocate and clear (2.6.24 to 2.6.31)", NULL},
    {"special", "special PTE, no accounting (2.6.32 on)", NULL},
    {NULL, NULL, NULL},
};

static const struct policy_value clear_values[] = {
    {"on-alloc", "every page is cleared when it is handed out", NULL},
    {"nozero", "MAP_NOZERO: uncleared to the uid that last owned the page",
     NULL},
    {"on-free", "init_on_free: cleared when freed (5.3)", "on-alloc"},
    {"prezero", "an idle scrubber keeps a pool of zeroed pages", "on-alloc"},
    {"never", "nothing is cleared: unsafe, shows that leaks are counted", NULL},
    {NULL, NULL, NULL},
};

static const struct policy_value rmap_values[] = {
    {"none", "reclaim scans page tables (2.4)", "pte-chain"},
    {"pte-chain", "every page lists its PTEs (2.5.27 to 2.6.6)", NULL},
    {"anonmm", "every page names its mm family (2.6.7-rc1)", "anon-vma"},
    {"anon-vma", "every page names the VMAs of its origin (2.6.7 to 2.6.33)",
     NULL},
    {"anon-vma-chain", "a family per process, chained (2.6.34 on)", NULL},
    {NULL, NULL, NULL},
};

static const struct policy_value gap_values[] = {
    {"linear", "first fit, walking the VMAs (2.4)", NULL},
    {"first-hole", "free_area_cache of 2.5.46: starts at the first hole",
     "area-cache"},
    {"area-cache", "free_area_cache of 2.5.74: starts after the last mapping",
     NULL},
    {"hole-size", "with cached_hole_size (2.6.13 to 3.7)", NULL},
    {"free-tree", "a tree of the free ranges", "rb-gap"},
    {"rb-gap", "largest gap of each subtree (3.8 to 6.0)", NULL},
    {"maple", "gaps in the maple tree (6.1 on)", NULL},
    {NULL, NULL, NULL},
};

static const struct policy_value layout_values[] = {
    {"bottom-up", "mappings grow up from TASK_UNMAPPED_BASE", NULL},
    {"top-down", "mappings grow down from below the stack", NULL},
    {NULL, NULL, NULL},
};

static const struct policy_value vma_index_values[] = {
    {"list", "along the list, after a one-entry cache", NULL},
    {"rbtree", "red-black tree, after a one-entry cache (2.4 to 6.0)", NULL},
    {"maple", "maple tree, no cache (6.1 on)", NULL},
    {NULL, NULL, NULL},
};

static const struct policy_value merge_values[] = {
    {"mmap-only", "mmap and brk extend an anonymous neighbour (2.4.21)", NULL},
    {"off", "only mmap and brk merge (2.6.5-aa1)", NULL},
    {"flags", "adjacent with equal flags (2.6.2)", NULL},
    {"linear", "also linear page offsets and anon_vma (2.6.7)", NULL},
    {"singular", "also never-forked neighbours (3.0)", NULL},
    {"fork-child", "any but a fork child's (6.18)", NULL},
    {NULL, NULL, NULL},
};

static const struct policy_value guard_values[] = {
    {"mprotect", "a PROT_NONE page: two VMAs more per stack", NULL},
    {"gap", "nothing mapped, the room is kept free", NULL},
    {"install", "MADV_GUARD_INSTALL: a marker in the page table", NULL},
    {"none", "no guard", NULL},
    {NULL, NULL, NULL},
};

static const struct policy_value purge_values[] = {
    {"ignore", "the allocator keeps its memory", NULL},
    {"dontneed", "madvise(MADV_DONTNEED)", NULL},
    {"free", "madvise(MADV_FREE)", NULL},
    {"vrange-full", "vrange: a victim range loses all its pages", NULL},
    {"vrange-partial", "vrange: as many pages as reclaim asks for",
     "vrange-full"},
    {NULL, NULL, NULL},
};

static const struct policy_value fork_values[] = {
    {"copy-all", "every page table is copied (to 2.6.14)", NULL},
    {"skip-unfaulted", "only what a fault could not bring back (2.6.15)", NULL},
    {"share-tables", "page tables shared copy-on-write", "skip-unfaulted"},
    {NULL, NULL, NULL},
};

static const struct policy_value cow_values[] = {
    {"page-count", "kept if page_count is 1 (to 2.6.12)", NULL},
    {"mapcount", "kept if mapped once (2.6.13 to 5.18)", NULL},
    {"exclusive", "kept if marked exclusive (5.19 on)", NULL},
    {NULL, NULL, NULL},
};

static const struct policy_value thp_values[] = {
    {"never", "no transparent huge pages", NULL},
    {"madvise", "where MADV_HUGEPAGE asks for them", "never"},
    {"always", "wherever an aligned range fits", "never"},
    {NULL, NULL, NULL},
};

static const struct policy_value locks_values[] = {
    {"mmap-sem", "faults take mmap_sem for reading", NULL},
    {"per-vma", "faults take the VMA's lock (6.4 on)", "mmap-sem"},
    {NULL, NULL, NULL},
};

static const struct policy_value reclaim_values[] = {
    {"virtual-scan", "page tables are scanned (2.4)", "discard"},
    {"lru-2.6", "active and inactive lists (2.6)", "discard"},
    {"lru-split", "lists for anon and file (2.6.28 on)", "discard"},
    {"discard", "lazily freed, volatile and clean file pages only; no swap",
     NULL},
    {NULL, NULL, NULL},
};

/* Predicates: the value's index is not the enum where a value is not built,
 * so each axis maps by a table. */
#define ENUM_AXIS(field, ...)                                                  \
    static const int field##_of_value[] = {__VA_ARGS__};                       \
    static void field##_set(struct policy *policy, size_t value)               \
    {                                                                          \
        policy->field = (__typeof__(policy->field))field##_of_value[value];    \
    }                                                                          \
    static size_t field##_get(const struct policy *policy)                     \
    {                                                                          \
        size_t value = 0;                                                      \
                                                                               \
        while (field##_of_value[value] != (int)policy->field)                  \
            value++;                                                           \
        return value;                                                          \
    }

#define UNBUILT (-1)

/* clang-format off */
ENUM_AXIS(zero_page, ZERO_PAGE_RESERVED, ZERO_PAGE_REFCOUNTED, ZERO_PAGE_NONE,
          ZERO_PAGE_SPECIAL)
ENUM_AXIS(clear, CLEAR_ON_ALLOC, CLEAR_NOZERO, UNBUILT, UNBUILT, CLEAR_NEVER)
ENUM_AXIS(layout, LAYOUT_BOTTOM_UP, LAYOUT_TOP_DOWN)
ENUM_AXIS(vma_index, VMA_INDEX_LIST, VMA_INDEX_RBTREE, VMA_INDEX_MAPLE)
ENUM_AXIS(merge, MERGE_MMAP_ONLY, MERGE_OFF, MERGE_FLAGS, MERGE_LINEAR,
          MERGE_SINGULAR, MERGE_FORK_CHILD)
ENUM_AXIS(guard, GUARD_MPROTECT, GUARD_GAP, GUARD_INSTALL, GUARD_NONE)
ENUM_AXIS(fork, FORK_COPY_ALL, FORK_SKIP_UNFAULTED, UNBUILT)
ENUM_AXIS(cow, COW_PAGE_COUNT, COW_MAPCOUNT, COW_EXCLUSIVE)
/* clang-format on */

/* Axes with a table of functions: found by name. */
#define OPS_AXIS(field, table)                                                 \
    static void field##_set(struct policy *policy, size_t value)               \
    {                                                                          \
        for (size_t i = 0; table[i]; i++)                                      \
            if (strcmp(table[i]->name, field##_values[value].name) == 0)       \
                policy->field = table[i];                                      \
    }                                                                          \
    static size_t field##_get(const struct policy *policy)                     \
    {                                                                          \
        size_t value = 0;                                                      \
                                                                               \
        while (strcmp(policy->field->name, field##_values[value].name) != 0)   \
            value++;                                                           \
        return value;                                                          \
    }

OPS_AXIS(rmap, rmap_schemes)
OPS_AXIS(gap, gap_policies)
OPS_AXIS(purge, purge_policies)

/* Axes with one built value: there is nothing to set. */
static void
set_nothing(struct policy *policy, size_t value)
{
    (void)policy;
    (void)value;
}

static size_t
get_first(const struct policy *policy)
{
    (void)policy;
    return 0;
}

static size_t
get_discard(const struct policy *policy)
{
    (void)policy;
    return 3;
}

const struct policy_axis policy_axes[] = {
    {"zero-page", "what a read fault of untouched memory maps",
     zero_page_values, zero_page_set, zero_page_get},
    {"clear", "when a page is cleared for a user", clear_values, clear_set,
     clear_get},
    {"rmap", "from a page to its PTEs", rmap_values, rmap_set, rmap_get},
    {"gap", "how an unmapped area is found", gap_values, gap_set, gap_get},
    {"layout", "in which direction mappings grow", layout_values, layout_set,
     layout_get},
    {"vma-index", "how a VMA is looked up", vma_index_values, vma_index_set,
     vma_index_get},
    {"merge", "when neighbouring VMAs become one", merge_values, merge_set,
     merge_get},
    {"guard", "how a guard page is made", guard_values, guard_set, guard_get},
    {"purge", "how an allocator gives pages up", purge_values, purge_set,
     purge_get},
    {"fork", "which page tables fork copies", fork_values, fork_set, fork_get},
    {"cow", "when a write-protected page is kept", cow_values, cow_set,
     cow_get},
    {"thp", "transparent huge pages", thp_values, set_nothing, get_first},
    {"locks", "what a fault locks", locks_values, set_nothing, get_first},
    {"reclaim", "what is taken back under pressure", reclaim_values,
     set_nothing, get_discard},
    {NULL, NULL, NULL, NULL, NULL},
};

const struct policy_axis *
policy_axis_find(const char *name)
{
    for (const struct policy_axis *axis = policy_axes; axis->name; axis++)
        if (strcmp(axis->name, name) == 0)
            return axis;
    return NULL;
}

int
policy_value_find(const struct policy_axis *axis, const char *name)
{
    for (int i = 0; axis->values[i].name; i++)
        if (strcmp(axis->values[i].name, name) == 0)
            return i;
    return -1;
}

const struct policy_refused_pair policy_refused_pairs[] = {
    {"rmap", "none", "reclaim", "lru-2.6",
     "without a reverse map nothing can unmap a page from a list"},
    {"rmap", "none", "reclaim", "lru-split",
     "without a reverse map nothing can unmap a page from a list"},
    {"rmap", "none", "purge", "vrange-full",
     "vrange must find every mapper of a page"},
    {"rmap", "none", "purge", "vrange-partial",
     "vrange must find every mapper of a page"},
    {"rmap", "none", "thp", "madvise", "THP needs an object-based rmap"},
    {"rmap", "none", "thp", "always", "THP needs an object-based rmap"},
    {"rmap", "pte-chain", "thp", "madvise",
     "a chain holds PTE addresses, a huge page has none"},
    {"rmap", "pte-chain", "thp", "always",
     "a chain holds PTE addresses, a huge page has none"},
    {"rmap", "anonmm", "thp", "madvise",
     "anonmm finds single PTEs, a huge page has none"},
    {"rmap", "anonmm", "thp", "always",
     "anonmm finds single PTEs, a huge page has none"},
    {"rmap", "pte-chain", "fork", "share-tables",
     "a shared page-table page has several owners, a chain names one"},
    {"gap", "first-hole", "layout", "top-down",
     "the first-hole cache was only ever defined bottom-up"},
    {NULL, NULL, NULL, NULL, NULL},
};

static bool
is_in_effect(const struct policy *policy, const char *axis_name,
             const char *value)
{
    const struct policy_axis *axis = policy_axis_find(axis_name);

    return strcmp(axis->values[axis->get(policy)].name, value) == 0;
}

const char *
policy_refusal(const struct policy *policy)
{
    for (const struct policy_refused_pair *pair = policy_refused_pairs;
         pair->reason; pair++)
        if (is_in_effect(policy, pair->axis, pair->value) &&
            is_in_effect(policy, pair->other_axis, pair->other_value))
            return pair->reason;
    return NULL;
}
