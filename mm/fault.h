/*
 * Touching memory: the page-fault handler and the walk that calls it.
 *
 * A touch works through its range in runs of pages of one kind.  A run that
 * needs frames takes two steps, touch_prepare() and touch_commit(); every
 * other run is finished by touch_prepare() alone.
 */
#pragma once

#include "mm/pagetable.h"

#include <glib.h>

struct machine;
struct mm;
struct task;
struct vma;

#define FAULT_RUN_MAX 64

enum touch_access { TOUCH_READ, TOUCH_WRITE, TOUCH_EXEC };

/* Same order as enum trace_outcome. */
enum touch_outcome {
    OUTCOME_HIT,
    OUTCOME_ZERO,
    OUTCOME_FRESH,
    OUTCOME_COPY,
    OUTCOME_REUSE,
    OUTCOME_FILE,
    OUTCOME_SWAP,
    OUTCOME_SEGV,
    OUTCOME_BUS,
    OUTCOME_COUNT,
};

struct touch_run {
    enum touch_outcome outcome;
    uint64_t pages;
};

/* What a PTE and an access ask for; see the table in fault.c. */
enum fault_kind {
    FAULT_HIT,
    FAULT_FRESH,
    FAULT_ZERO_MAP,
    FAULT_ZERO_BREAK,
    FAULT_WRITE_PROTECTED,
    FAULT_COPY,
    FAULT_FILE_MAP,
    FAULT_FILE_COPY,
    FAULT_MKWRITE,
    FAULT_GUARD,
    FAULT_PURGED,
};

/* Frames in hand between prepare and commit. */
struct fault_work {
    enum fault_kind kind;
    struct vma *vma;
    uint64_t addr;
    uint32_t count;  // 0: nothing is pending
    bool is_major;
    pfn_t pfns[FAULT_RUN_MAX];
    pte_t expected[FAULT_RUN_MAX];  // what the PTEs were (copies)
};

/* What the driver wants to be told of a touch; all may be NULL. */
struct touch_report {
    GArray *runs;  // struct touch_run: outcomes in address order
    /* Content of every page read. */
    void (*observe)(void *data, uint64_t addr, uint32_t tag);
    void *observe_data;
};

/* Which of its first tries a fault that starts over knows of
 * (FAULT_FLAG_TRIED): it reads no more, and counts as major. */
enum touch_memory {
    REMEMBERS_READ,     // that its page had to be read: a program's own
    REMEMBERS_ALL,      // also that others were: the kernel's, madvise's
    REMEMBERS_NOTHING,  // mmap's and mlock's
};

struct touch {
    struct machine *machine;
    struct mm *mm;
    unsigned cpu;
    uint64_t next, end;  // bytes still to be touched
    uint64_t stride;     // bytes from touch to touch; PAGE_BYTES: every page
    enum touch_access access;
    bool gup;           // no exception
    enum touch_memory memory;
    bool ends_refused;  // a page that is refused ends it
    bool is_bad_fetch;  // of the current page: mapped, but not granted
    bool no_memory;     // it ended because a frame could not be had
    uint32_t tag;       // content that a write leaves
    struct touch_report report;
    uint64_t outcome_pages[OUTCOME_COUNT];
    struct fault_work work;  // last: its array is never cleared
};

/* Touch [start, start + length): every page that the range meets.  Leaves
 * touch.report and touch.outcome_pages as they are. */
void touch_begin(struct touch *touch, struct mm *mm, uint64_t start,
                 uint64_t length, enum touch_access access);

/*
 * The shortest way for the most frequent events, a touch of one page: it is
 * mapped as the access wants it, or an anonymous page nobody used yet for which
 * everything is at hand.  Counts what touching it the long way would; false:
 * nothing was done.
 */
bool touch_one(struct task *task, uint64_t addr, enum touch_access access);

/* A touch of addr will follow soon: let its page-table entry come closer.
 * Changes nothing. */
void touch_expect(struct mm *mm, uint64_t addr);

/* One run of at most max_pages.  Afterwards either touch.work is pending and
 * touch_commit() must follow, or touch.next has moved on. */
void touch_prepare(struct touch *touch, uint32_t max_pages);
void touch_commit(struct touch *touch);
/* Give frames in hand back: the touch ends before its commit. */
void touch_abandon(struct touch *touch);

static inline bool
touch_is_pending(const struct touch *touch)
{
    return touch->work.count > 0;
}

static inline bool
touch_is_done(const struct touch *touch)
{
    return touch->next >= touch->end && touch->work.count == 0;
}
