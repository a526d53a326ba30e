/*
 * The page fault handler.
 *
 * What happens is decided by the PTE, the access and the kind of mapping:
 *
 *   PTE         access  private anonymous     private file     shared
 *   none        read    zero page, or fresh   map file page    map file page
 *   none        write   fresh                 copy file page   map file page
 *   zero page   write   fresh (cleared)       -                -
 *   read-only   write   reuse or copy         copy             make writable
 *   guard       any     SIGSEGV
 *   purged      any     SIGBUS, or as none once it is not volatile any more
 *   fits        any     no fault
 *
 * A fetch where nothing may be executed is a read that ends in SIGSEGV: two
 * exceptions, or one if the page was there.
 *
 * classify() is that table, dispatch() calls who answers it: fault_anon.c,
 * fault_cow.c, fault_file.c.  Policies are asked in one place each: the zero
 * page in classify(), clearing in fault_prepare_fresh(), copy-on-write in
 * fault_write_protected().
 *
 * touch_prepare() finds the next run of pages with one answer; kinds that need
 * frames allocate them and stop there, for touch_commit() of fault_commit.c.
 * Runs never cross a leaf, so a fault run costs one lookup of the VMA and of
 * the page table.
 *
 * Not modelled: huge pages, swap, userfaultfd, protection keys.
 */
#include "mm/fault_private.h"
#include "mm/mapping.h"
#include "mm/vrange.h"

#define GUP_KEEPS_STACK_VERSION 6005000  // recalled; 6.18 measured

void
touch_begin(struct touch *touch, struct mm *mm, uint64_t start, uint64_t length,
            enum touch_access access)
{
    touch->machine = mm->machine;
    touch->mm = mm;
    touch->cpu = mm->machine->cpu;
    touch->next = start;
    touch->end = PAGE_MASK;  // the last page of 2^64 is nobody's
    if (start < PAGE_MASK && length < PAGE_MASK - start)
        touch->end = start + length;
    touch->stride = PAGE_BYTES;
    touch->access = access;
    touch->gup = false;
    touch->memory = REMEMBERS_READ;
    touch->ends_refused = false;
    touch->is_bad_fetch = false;
    touch->no_memory = false;
    touch->tag = 0;
    touch->work.count = 0;
    mm->cpu_mask |= UINT64_C(1) << touch->cpu;
}

/* ---- bookkeeping ---- */

void
fault_report_run(struct touch *touch, enum touch_outcome outcome,
                 uint64_t pages)
{
    GArray *runs = touch->report.runs;
    if (runs->len) {
        struct touch_run *last =
            &g_array_index(runs, struct touch_run, runs->len - 1);

        if (last->outcome == outcome) {
            last->pages += pages;
            return;
        }
    }
    struct touch_run run = {outcome, pages};
    g_array_append_val(runs, run);
}

static void
note_refused(struct touch *touch, enum touch_outcome outcome, uint64_t pages)
{
    struct mm_counters *counters = &touch->machine->counters;

    if (!touch->gup)
        note_exceptions(touch->mm,
                        outcome == OUTCOME_BUS ? &counters->fault_bus_count
                                               : &counters->fault_segv_count,
                        pages);
    note_outcome(touch, outcome, pages);
}

void
fault_pass_content(struct touch *touch, const struct leaf *leaf, uint64_t addr,
                   uint32_t count)
{
    struct machine *machine = touch->machine;
    uint32_t index = leaf_index(machine->arch, addr);

    for (uint32_t i = 0; i < count; i++, addr += PAGE_BYTES) {
        pte_t pte = leaf->pte[index + i];
        uint32_t tag = 0;

        if (!(pte & PTE_ZERO)) {
            struct page *page = page_of(machine, pte_pfn(pte));

            if (touch->access == TOUCH_WRITE)
                page->tag = touch->tag;
            tag = page->tag;
        }
        if (touch->access != TOUCH_WRITE && touch->report.observe)
            touch->report.observe(touch->report.observe_data, addr, tag);
    }
}

/* The next pages are refused. */
void
fault_refused(struct touch *touch, enum touch_outcome outcome, uint64_t pages)
{
    note_refused(touch, outcome, pages);
    advance(touch, pages);
    if (touch->ends_refused)
        touch->next = touch->end;
}

/* ---- looking up ---- */

/* get_user_pages() takes a stack as it is, from 6.5 on. */
static bool
may_grow_stack(const struct touch *touch, const struct vma *vma)
{
    return (vma->flags & VM_GROWSDOWN) &&
           !(touch->gup &&
             touch->machine->kernel.version >= GUP_KEEPS_STACK_VERSION);
}

/* The VMA of addr, grown down to it if it is a stack; NULL: none. */
static struct vma *
touch_vma(struct touch *touch, uint64_t addr)
{
    struct vma *vma = vma_find_cached(touch->mm, addr);

    if (!vma || vma->start <= addr)
        return vma;
    if (may_grow_stack(touch, vma) && mm_grow_stack(touch->mm, vma, addr))
        return vma;
    return NULL;
}

/*
 * A fetch that the VMA does not permit.  The processor asks for an absent page
 * as for a read, and any page that may be accessed in some way is brought in
 * for it; only the second try tells that it must not be executed.
 */
static bool
maps_bad_fetch(const struct touch *touch, const struct vma *vma)
{
    return vma && touch->access == TOUCH_EXEC && (vma->flags & VM_ACCESS);
}

/* Pages from addr on that the range meets below `limit`. */
static uint32_t
pages_before(const struct touch *touch, uint64_t addr, uint64_t limit,
             uint32_t max_pages)
{
    if (touch->stride != PAGE_BYTES)
        return 1;
    uint64_t end =
        MIN(page_ceil(touch->end) ? page_ceil(touch->end) : ~(PAGE_BYTES - 1),
            limit);
    return (uint32_t)MIN(bytes_to_pages(end - addr), max_pages);
}

/* The same for touches that are all refused, whatever lies between them. */
static uint32_t
refused_before(const struct touch *touch, uint64_t addr, uint64_t limit,
               uint32_t max_pages)
{
    if (touch->stride == PAGE_BYTES)
        return pages_before(touch, addr, limit, max_pages);
    uint64_t last = MIN(touch->end, limit) - 1;
    return (uint32_t)MIN((last - touch->next) / touch->stride, max_pages - 1) +
           1;
}

/* A stack did not grow down to addr: up to where the answer may be another, or
 * where the same answer gives the stack its anon identity. */
static uint64_t
stack_reach(const struct mm *mm, const struct vma *stack, uint64_t addr)
{
    uint64_t limit = MIN(mm->rlimit_stack, stack->end);
    uint64_t reach = page_floor(stack->end - limit);
    uint64_t floor = mm_stack_floor(stack);

    if (floor > addr)
        reach = MIN(reach, floor);
    reach = MIN(reach, stack->start);  // it may be longer than the limit
    return MAX(reach, addr + PAGE_BYTES);
}

/* Nothing is mapped at addr, or not for this access: refuse all pages up to
 * where that may change.  To find that out took `step_count` steps, and takes
 * them again for each page of a hole, which no cache holds. */
static void
refuse(struct touch *touch, uint64_t addr, const struct vma *vma,
       uint32_t max_pages, uint64_t step_count)
{
    uint64_t limit = touch->mm->pagetable.arch->task_size;

    if (vma) {
        limit = vma->end;
    } else {
        const struct vma *above = vma_find_quiet(touch->mm, addr);

        if (above)
            limit = above->flags & VM_GROWSDOWN
                        ? stack_reach(touch->mm, above, addr)
                        : above->start;
    }
    if (limit <= addr)
        limit = addr + PAGE_BYTES;
    uint32_t pages = refused_before(touch, addr, limit, max_pages);

    if (!vma)
        charge(touch->machine, CHARGE_vma_lookup_step,
               (pages - 1) * step_count);
    fault_refused(touch, OUTCOME_SEGV, pages);
}

/* ---- one step ---- */

/* The entries from addr on that fit, at most max_pages. */
static void
hit(struct touch *touch, struct leaf *leaf, uint64_t addr, uint32_t max_pages)
{
    pte_t *pte = &leaf->pte[leaf_index(touch->machine->arch, addr)];
    bool write = touch->access == TOUCH_WRITE;
    uint64_t fits = PTE_PRESENT | (write ? PTE_WRITE : 0);
    uint64_t want = PTE_ACCESSED | (write ? PTE_DIRTY : 0);
    uint32_t count = 0;

    for (; count < max_pages && (pte[count] & fits) == fits; count++)
        pte[count] |= want;
    touch_content(touch, leaf, addr, count);
    note_outcome(touch, OUTCOME_HIT, count);
    advance(touch, count);
}

/* Pages are there that must not be executed: the kernel sees that at once. */
static void
refuse_present(struct touch *touch, const struct leaf *leaf, uint64_t addr,
               uint32_t max_pages)
{
    const pte_t *pte = &leaf->pte[leaf_index(touch->machine->arch, addr)];
    uint32_t count = 1;

    while (count < max_pages && (pte[count] & PTE_PRESENT))
        count++;
    fault_refused(touch, OUTCOME_SEGV, count);
}

/* A vrange marker: SIGBUS while the range is volatile and purged; after that
 * the page is as untouched. */
static void
purged(struct touch *touch, struct leaf *leaf, uint64_t addr)
{
    const struct vrange *range =
        vrange_find(touch->mm, addr, addr + PAGE_BYTES);

    if (range && range->purged) {
        fault_refused(touch, OUTCOME_BUS, 1);
        return;
    }
    mapping_clear_run(touch->mm, leaf, leaf_index(touch->machine->arch, addr),
                      1);
}

/* Entries of the leaf at addr that ask for the same, answered. */
static void
dispatch(struct touch *touch, struct vma *vma, struct leaf *leaf, uint64_t addr,
         uint32_t max_pages)
{
    const struct arch *arch = touch->machine->arch;
    uint32_t index = leaf_index(arch, addr);
    uint32_t max_fresh = MIN(max_pages, FAULT_RUN_MAX);
    pte_t pte = leaf ? leaf->pte[index] : PTE_NONE;
    enum fault_kind kind = classify(touch->machine, vma, pte, touch->access);

    switch (kind) {
    case FAULT_HIT:
        if (touch->is_bad_fetch)
            refuse_present(touch, leaf, addr, max_pages);
        else
            hit(touch, leaf, addr, max_pages);
        return;
    case FAULT_ZERO_MAP:
        fault_map_zero(touch, addr,
                       leaf ? none_run(leaf, index, max_pages) : max_pages);
        return;
    case FAULT_FRESH:
        fault_prepare_fresh(touch, vma, addr,
                            leaf ? none_run(leaf, index, max_fresh) : max_fresh,
                            kind);
        return;
    case FAULT_ZERO_BREAK:
        fault_prepare_fresh(touch, vma, addr, zero_run(leaf, index, max_fresh),
                            kind);
        return;
    case FAULT_WRITE_PROTECTED:
    case FAULT_COPY:
        fault_write_protected(touch, vma, leaf, addr, max_fresh);
        return;
    case FAULT_FILE_MAP:
        fault_map_file(touch, vma, leaf, addr, max_pages);
        return;
    case FAULT_FILE_COPY:
        fault_prepare_file_copy(touch, vma, addr, max_fresh);
        return;
    case FAULT_MKWRITE:
        fault_make_writable(touch, leaf, addr, max_pages);
        return;
    case FAULT_GUARD:
        fault_refused(touch, OUTCOME_SEGV, 1);
        return;
    case FAULT_PURGED:
        purged(touch, leaf, addr);
        return;
    }
}

void
touch_prepare(struct touch *touch, uint32_t max_pages)
{
    const struct arch *arch = touch->machine->arch;
    uint64_t addr = page_floor(touch->next);

    mm_assert(!touch_is_pending(touch));
    if (touch->next >= touch->end)
        return;
    if (addr >= arch->task_size) {
        uint32_t pages = refused_before(touch, addr, UINT64_MAX, max_pages);

        fault_refused(touch, OUTCOME_SEGV, pages);
        return;
    }
    uint64_t *lookups = &touch->machine->charges[CHARGE_vma_lookup_step];
    uint64_t lookups_before = *lookups;
    uint64_t hits_before = touch->outcome_pages[OUTCOME_HIT];
    struct vma *vma = touch_vma(touch, addr);
    bool is_permitted = vma && vma_permits(touch->machine, vma, touch->access);
    touch->is_bad_fetch = !is_permitted && maps_bad_fetch(touch, vma);
    if (!is_permitted && !touch->is_bad_fetch) {
        refuse(touch, addr, vma, max_pages, *lookups - lookups_before);
        return;
    }
    struct leaf *leaf = pagetable_leaf(touch->mm, addr);
    uint64_t span = leaf_span_bytes(arch);
    uint64_t limit = MIN(vma->end, (addr & ~(span - 1)) + span);

    dispatch(touch, vma, leaf, addr,
             pages_before(touch, addr, limit, max_pages));
    if (touch->outcome_pages[OUTCOME_HIT] > hits_before)
        *lookups = lookups_before;  // no exception: nobody looked anything up
}

/* Not inline: the compiler takes a function that only prefetches for one that
 * does nothing. */
void
touch_expect(struct mm *mm, uint64_t addr)
{
    struct leaf *leaf = pagetable_recent_leaf(&mm->pagetable, addr);

    if (leaf)
        __builtin_prefetch(leaf_pte(&mm->pagetable, leaf, addr),
                           /* for writing */ 1);
}
