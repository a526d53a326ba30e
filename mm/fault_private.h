/*
 * What the files of the fault handler share.  Not for use outside mm/fault*.c.
 *
 * What is called for every page or run is inline: the library is compiled file
 * by file.
 */
#pragma once

#include "mm/aspace.h"
#include "mm/fault.h"
#include "mm/machine.h"
#include "mm/zero_page.h"

/* ---- bookkeeping ---- */

/* fault.c: the driver wants outcomes in address order. */
void fault_report_run(struct touch *touch, enum touch_outcome outcome,
                      uint64_t pages);
/* fault.c: a content model sees reads; writes leave their tag. */
void fault_pass_content(struct touch *touch, const struct leaf *leaf,
                        uint64_t addr, uint32_t count);
/* fault.c: the next pages are refused. */
void fault_refused(struct touch *touch, enum touch_outcome outcome,
                   uint64_t pages);

/* `pages` faults of the case that `counter` counts. */
static inline void
note_exceptions(struct mm *mm, uint64_t *counter, uint64_t pages)
{
    struct machine *machine = mm->machine;

    machine->counters.fault_count += pages;
    *counter += pages;
    charge(machine, CHARGE_fault, pages);
    charge(machine, CHARGE_exception, pages);
    charge(machine, CHARGE_mmap_lock_pair, pages);
    charge(machine, CHARGE_vma_lookup_step, pages * mm->maple.lookup_steps);
}

/* The same where a PTE was looked at under its lock, exception or not. */
static inline void
note_faults(struct touch *touch, uint64_t *counter, uint64_t pages)
{
    struct machine *machine = touch->machine;

    charge(machine, CHARGE_pte_lock_pair, pages);
    if (!touch->gup) {
        note_exceptions(touch->mm, counter, pages);
        return;
    }
    machine->counters.populate_fault_count += pages;
    charge(machine, CHARGE_fault, pages);
}

/* A fetch that must not be goes on with an exception more once it has its
 * page. */
static inline void
note_outcome(struct touch *touch, enum touch_outcome outcome, uint64_t pages)
{
    struct mm_counters *counters = &touch->machine->counters;

    if (touch->is_bad_fetch && outcome < OUTCOME_SEGV) {
        note_exceptions(touch->mm, &counters->fault_segv_count, pages);
        outcome = OUTCOME_SEGV;
    }
    if (!touch->gup)
        counters->touch_count += pages;
    touch->outcome_pages[outcome] += pages;
    if (touch->report.runs)
        fault_report_run(touch, outcome, pages);
}

static inline void
touch_content(struct touch *touch, const struct leaf *leaf, uint64_t addr,
              uint32_t count)
{
    if (touch->machine->config.track_content && !touch->is_bad_fetch)
        fault_pass_content(touch, leaf, addr, count);
}

/* The run at `addr` is over: on to what the stride says. */
static inline void
advance(struct touch *touch, uint64_t pages)
{
    uint64_t from =
        touch->stride == PAGE_BYTES ? page_floor(touch->next) : touch->next;
    uint64_t step, next;

    touch->next = __builtin_mul_overflow(touch->stride, pages, &step) ||
                          __builtin_add_overflow(from, step, &next)
                      ? touch->end
                      : next;
}

static inline void
end_for_want_of_memory(struct touch *touch)
{
    touch->no_memory = true;
    touch->next = touch->end;
}

/* ---- entries ---- */

static inline bool
vma_permits(const struct machine *machine, const struct vma *vma,
            enum touch_access access)
{
    if (access == TOUCH_WRITE)
        return vma->flags & VM_WRITE;
    /* Without NX what can be read can be executed. */
    if (access == TOUCH_EXEC && machine->has_nx)
        return vma->flags & VM_EXEC;
    return vma->flags & VM_ACCESS;
}

static inline enum fault_kind
classify(const struct machine *machine, const struct vma *vma, pte_t pte,
         enum touch_access access)
{
    bool write = access == TOUCH_WRITE;

    if (pte & PTE_PRESENT) {
        if (!write || (pte & PTE_WRITE))
            return FAULT_HIT;
        if (pte & PTE_ZERO)
            return FAULT_ZERO_BREAK;
        return vma->flags & VM_SHARED ? FAULT_MKWRITE : FAULT_WRITE_PROTECTED;
    }
    if (pte & PTE_GUARD)
        return FAULT_GUARD;
    if (pte & PTE_PURGED)
        return FAULT_PURGED;
    if (vma->file)
        return write && !(vma->flags & VM_SHARED) ? FAULT_FILE_COPY
                                                  : FAULT_FILE_MAP;
    return !write && zero_page_may_use(machine) ? FAULT_ZERO_MAP : FAULT_FRESH;
}

/* How many entries from index on are none, or map the zero page. */
static inline uint32_t
none_run(const struct leaf *leaf, uint32_t index, uint32_t max)
{
    uint32_t count = 0;

    while (count < max && leaf->pte[index + count] == PTE_NONE)
        count++;
    return count;
}

static inline uint32_t
zero_run(const struct leaf *leaf, uint32_t index, uint32_t max)
{
    uint32_t count = 0;

    while (count < max && (leaf->pte[index + count] & PTE_ZERO))
        count++;
    return count;
}

static inline uint64_t
fresh_pte_bits(const struct vma *vma)
{
    return PTE_PRESENT | PTE_ACCESSED |
           (vma->flags & VM_WRITE ? PTE_WRITE | PTE_DIRTY : 0);
}

/* A frame becomes a page of that family. */
static inline void
bring_home(struct page *page, uint32_t family, uint64_t index)
{
    page->flags |= PAGE_EXCLUSIVE;
    page->home = family;
    page->index = index & ((UINT64_C(1) << 40) - 1);
}

/* ---- kinds of faults ---- */

/* fault_anon.c */
void fault_map_zero(struct touch *touch, uint64_t addr, uint32_t count);
/* kind FAULT_FRESH or FAULT_ZERO_BREAK */
void fault_prepare_fresh(struct touch *touch, struct vma *vma, uint64_t addr,
                         uint32_t count, enum fault_kind kind);

/* fault_cow.c */
void fault_write_protected(struct touch *touch, struct vma *vma,
                           struct leaf *leaf, uint64_t addr,
                           uint32_t max_pages);
/* A frame with the bytes of `source`; kind FAULT_COPY or FAULT_FILE_COPY. */
void fault_prepare_copy(struct touch *touch, struct vma *vma, uint64_t addr,
                        pfn_t source, enum fault_kind kind, bool is_major);
/* The same for the pages behind it, as far as frames are at hand. */
void fault_prepare_more_copies(struct touch *touch, const pfn_t *sources,
                               uint32_t count);

/* fault_file.c */
void fault_map_file(struct touch *touch, struct vma *vma, struct leaf *leaf,
                    uint64_t addr, uint32_t max_pages);
void fault_prepare_file_copy(struct touch *touch, struct vma *vma,
                             uint64_t addr, uint32_t max_pages);
void fault_make_writable(struct touch *touch, struct leaf *leaf, uint64_t addr,
                         uint32_t max_pages);
/* Shared shmem pages are writable at once: nobody waits for their dirtying. */
uint64_t fault_read_bits(const struct vma *vma);
/* Is a folio of `bytes`, to be mapped from `start` on, within its VMA and the
 * table of addr?  `start` may have wrapped around. */
bool fault_folio_fits(const struct vma *vma, uint64_t addr, uint64_t start,
                      uint64_t bytes);
/* Pages of the VMA's file from addr on that can be mapped as they lie in memory:
 * how many, at most max or FAULT_RUN_MAX. */
uint32_t fault_find_run(const struct vma *vma, uint64_t addr, uint32_t max,
                        pfn_t *pfns);
/* Map pages of the cache into entries that are none, all of one large folio or
 * each a folio; how many there was memory for in the reverse mapping.  A large
 * one is not locked yet: who knows whether all of it will be mapped. */
uint32_t fault_map_pages(struct vma *vma, struct leaf *leaf, uint32_t index,
                         const pfn_t *pfns, uint32_t count, uint64_t bits);
/* The same of pages side by side, in one folio. */
uint32_t fault_map_folio(struct vma *vma, struct leaf *leaf, uint32_t index,
                         pfn_t pfn, uint32_t count, uint64_t bits);

/* fault_around.c */
bool fault_maps_around(const struct vma *vma);
/* Pages from addr on to the end of what is mapped around it. */
uint32_t fault_around_left(const struct vma *vma, uint64_t addr);
/* There may be no table yet.  true: the page at addr is mapped, nothing is left
 * to do. */
bool fault_around(struct vma *vma, uint64_t addr);
