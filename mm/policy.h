/*
 * Policy axes: the decisions that can be swept.
 *
 * Axes that own state are tables of functions, one file per value (rmap_*,
 * gap_*, purge_*).  The others are predicates, one function each from facts to
 * an answer, in the file named after the axis.  No axis reads another.
 *
 * policy_axes[] is the one list of axes and values: options, presets, results
 * and `vmsim list policies` are made from it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct rmap_ops;
struct gap_ops;
struct purge_ops;

enum zero_page_policy {
    ZERO_PAGE_RESERVED,
    ZERO_PAGE_REFCOUNTED,
    ZERO_PAGE_NONE,
    ZERO_PAGE_SPECIAL,
};
enum clear_policy { CLEAR_ON_ALLOC, CLEAR_NOZERO, CLEAR_NEVER };
enum layout_policy { LAYOUT_BOTTOM_UP, LAYOUT_TOP_DOWN };
enum vma_index_policy { VMA_INDEX_LIST, VMA_INDEX_RBTREE, VMA_INDEX_MAPLE };
enum merge_policy {
    MERGE_MMAP_ONLY,   // 2.4.21
    MERGE_OFF,         // 2.6.5-aa1
    MERGE_FLAGS,       // 2.6.2
    MERGE_LINEAR,      // 2.6.7
    MERGE_SINGULAR,    // 3.0
    MERGE_FORK_CHILD,  // 6.18
};
enum guard_policy { GUARD_MPROTECT, GUARD_GAP, GUARD_INSTALL, GUARD_NONE };
enum fork_policy { FORK_COPY_ALL, FORK_SKIP_UNFAULTED };
enum cow_policy { COW_PAGE_COUNT, COW_MAPCOUNT, COW_EXCLUSIVE };

/* One value on every axis. */
struct policy {
    enum zero_page_policy zero_page;
    enum clear_policy clear;
    const struct rmap_ops *rmap;
    const struct gap_ops *gap;
    enum layout_policy layout;
    enum vma_index_policy vma_index;
    enum merge_policy merge;
    enum guard_policy guard;
    const struct purge_ops *purge;
    enum fork_policy fork;
    enum cow_policy cow;
};

struct policy_value {
    const char *name;
    const char *meaning;
    const char *nearest;  // NULL: built; else the value that stands in for it
};

struct policy_axis {
    const char *name;
    const char *meaning;
    const struct policy_value *values;  // ends with a NULL name
    /* Set the axis to its value of that index (a built one). */
    void (*set)(struct policy *policy, size_t value);
    /* Index of the value that is set. */
    size_t (*get)(const struct policy *policy);
};

/* In the order of reports; ends with a NULL name. */
extern const struct policy_axis policy_axes[];

const struct policy_axis *policy_axis_find(const char *name);
/* Index of the value, or -1. */
int policy_value_find(const struct policy_axis *axis, const char *name);

/* Pairs of values that make no sense together; ends with a NULL reason. */
struct policy_refused_pair {
    const char *axis, *value;
    const char *other_axis, *other_value;
    const char *reason;
};
extern const struct policy_refused_pair policy_refused_pairs[];

/* NULL if the combination makes sense, else a sentence that says why not. */
const char *policy_refusal(const struct policy *policy);
