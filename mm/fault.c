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
 * classify() is that table.  Policies are asked in one place each: the zero
 * page in classify(), clearing in prepare_fresh(), copy-on-write in
 * write_protected().
 *
 * touch_prepare() finds the next run of pages with one answer; kinds that need
 * frames allocate them and stop there.  touch_commit() looks at the PTEs again
 * -- another task may have been faster -- and installs the frames or gives
 * them back.  Runs never cross a leaf, so a fault run costs one lookup of the
 * VMA and of the page table.
 *
 * Not modelled: huge pages, swap, userfaultfd, protection keys.
 */
#include "mm/fault.h"

#include "mm/anon.h"
#include "mm/aspace.h"
#include "mm/clear.h"
#include "mm/cow.h"
#include "mm/file.h"
#include "mm/lru.h"
#include "mm/machine.h"
#include "mm/mapping.h"
#include "mm/page_alloc.h"
#include "mm/rmap.h"
#include "mm/task.h"
#include "mm/tlb.h"
#include "mm/vrange.h"
#include "mm/zero_page.h"

#define KEEPS_FILE_END_VERSION 6018000
#define LATE_LEAF_VERSION      4008000  // recalled; 6.18 measured

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
    touch->ends_refused = false;
    touch->no_memory = false;
    touch->tag = 0;
    touch->work.count = 0;
    mm->cpu_mask |= UINT64_C(1) << touch->cpu;
}

/* ---- bookkeeping ---- */

static void
note_outcome(struct touch *touch, enum touch_outcome outcome, uint64_t pages)
{
    if (!touch->gup)
        touch->machine->counters.touch_count += pages;
    touch->outcome_pages[outcome] += pages;
    if (!touch->report.runs)
        return;

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

/* `pages` faults of the case that `counter` counts. */
static void
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
static void
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

/* Let a content model see reads and leave the tags of writes. */
static void
touch_content(struct touch *touch, const struct leaf *leaf, uint64_t addr,
              uint32_t count)
{
    struct machine *machine = touch->machine;
    uint32_t index = leaf_index(machine->arch, addr);

    if (!machine->config.track_content)
        return;
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

/* The run at `addr` is over: on to what the stride says. */
static void
advance(struct touch *touch, uint64_t pages)
{
    uint64_t step =
        touch->stride == PAGE_BYTES ? pages_to_bytes(pages) : touch->stride;
    uint64_t from =
        touch->stride == PAGE_BYTES ? page_floor(touch->next) : touch->next;

    touch->next = from + step < from ? touch->end : from + step;
}

/* The next pages are refused. */
static void
pass_refused(struct touch *touch, enum touch_outcome outcome, uint64_t pages)
{
    note_refused(touch, outcome, pages);
    advance(touch, pages);
    if (touch->ends_refused)
        touch->next = touch->end;
}

static void
end_for_want_of_memory(struct touch *touch)
{
    touch->no_memory = true;
    touch->next = touch->end;
}

/* ---- looking up ---- */

static inline bool
vma_permits(const struct arch *arch, const struct vma *vma,
            enum touch_access access)
{
    if (access == TOUCH_WRITE)
        return vma->flags & VM_WRITE;
    /* Two-level i386 has no NX: what can be read can be executed. */
    if (access == TOUCH_EXEC && arch->level_count > 2)
        return vma->flags & VM_EXEC;
    return vma->flags & VM_ACCESS;
}

/* The VMA of addr, grown down to it if it is a stack; NULL: none. */
static struct vma *
touch_vma(struct touch *touch, uint64_t addr)
{
    struct vma *vma = vma_find_cached(touch->mm, addr);

    if (!vma || vma->start <= addr)
        return vma;
    if ((vma->flags & VM_GROWSDOWN) && mm_grow_stack(touch->mm, vma, addr))
        return vma;
    return NULL;
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

/* A stack did not grow down to addr: up to where the answer may be another. */
static uint64_t
stack_reach(const struct mm *mm, const struct vma *stack, uint64_t addr)
{
    uint64_t limit = MIN(mm->rlimit_stack, stack->end);

    return MAX(page_floor(stack->end - limit), addr + PAGE_BYTES);
}

/* Nothing is mapped at addr, or not for this access: refuse all pages up to
 * where that may change. */
static void
refuse(struct touch *touch, uint64_t addr, const struct vma *vma,
       uint32_t max_pages)
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
    uint32_t pages = pages_before(touch, addr, limit, max_pages);

    pass_refused(touch, OUTCOME_SEGV, pages);
}

static enum fault_kind
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
static uint32_t
none_run(const struct leaf *leaf, uint32_t index, uint32_t max)
{
    uint32_t count = 0;

    while (count < max && leaf->pte[index + count] == PTE_NONE)
        count++;
    return count;
}

static uint32_t
zero_run(const struct leaf *leaf, uint32_t index, uint32_t max)
{
    uint32_t count = 0;

    while (count < max && (leaf->pte[index + count] & PTE_ZERO))
        count++;
    return count;
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

static void
map_zero(struct touch *touch, uint64_t addr, uint32_t count)
{
    struct machine *machine = touch->machine;
    struct leaf *leaf = pagetable_leaf_alloc(touch->mm, addr);

    if (!leaf) {
        end_for_want_of_memory(touch);
        return;
    }
    uint32_t index = leaf_index(machine->arch, addr);
    for (uint32_t i = 0; i < count; i++)
        leaf->pte[index + i] = PTE_PRESENT | PTE_ZERO | PTE_ACCESSED;
    leaf->used_count += count;
    zero_page_map(touch->mm, count);
    charge(machine, CHARGE_pte_update, count);
    note_faults(touch, &machine->counters.fault_zero_map_count, count);
    touch_content(touch, leaf, addr, count);
    note_outcome(touch, OUTCOME_ZERO, count);
    advance(touch, count);
}

static void
reuse(struct touch *touch, struct vma *vma, struct leaf *leaf, uint64_t addr,
      struct page *page)
{
    struct machine *machine = touch->machine;
    pte_t *pte = &leaf->pte[leaf_index(machine->arch, addr)];

    /* Chain kernels move a page that is exclusively ours to our own family. */
    if (machine->kernel.anon_fork != ANON_FORK_INHERIT && vma->family)
        page->home = vma->family->id;
    *pte |= PTE_WRITE | PTE_DIRTY | PTE_ACCESSED;
    charge(machine, CHARGE_pte_update, 1);
    note_faults(touch, &machine->counters.fault_cow_reuse_count, 1);
    touch_content(touch, leaf, addr, 1);
    note_outcome(touch, OUTCOME_REUSE, 1);
    advance(touch, 1);
}

static void
make_writable(struct touch *touch, struct leaf *leaf, uint64_t addr)
{
    struct machine *machine = touch->machine;
    pte_t *pte = &leaf->pte[leaf_index(machine->arch, addr)];

    *pte |= PTE_WRITE | PTE_DIRTY | PTE_ACCESSED;
    page_of(machine, pte_pfn(*pte))->flags |= PAGE_DIRTY;
    charge(machine, CHARGE_pte_update, 1);
    note_faults(touch, &machine->counters.fault_file_count, 1);
    touch_content(touch, leaf, addr, 1);
    note_outcome(touch, OUTCOME_FILE, 1);
    advance(touch, 1);
}

/* ---- page cache ---- */

/* Map one page-cache page; false: no memory for its reverse mapping. */
static bool
map_file_page(struct vma *vma, struct leaf *leaf, uint64_t addr, pfn_t pfn,
              uint64_t bits)
{
    struct machine *machine = vma->mm->machine;
    uint32_t index = leaf_index(machine->arch, addr);

    leaf->pte[index] = pte_make(pfn, PTE_PRESENT | PTE_FILE | bits);
    leaf->used_count++;
    charge(machine, CHARGE_pte_update, 1);
    if (mapping_add_run(vma, leaf, index, 1) == 1)
        return true;
    leaf->pte[index] = PTE_NONE;
    leaf->used_count--;
    return false;
}

/* Shared shmem pages are writable at once: nobody waits for their dirtying. */
static uint64_t
read_bits(const struct vma *vma)
{
    bool is_writable = (vma->flags & VM_SHARED) && (vma->flags & VM_WRITE) &&
                       vma->file->is_shmem;

    return is_writable ? PTE_WRITE : 0;
}

/* From 6.18 on a table is not begun with the last page of a file, so that a
 * huge page never reaches beyond it: filemap_map_pages(), measured on 6.18.44.
 * shmem is not asked. */
static bool
begins_no_table(const struct vma *vma, uint64_t index)
{
    return vma->mm->machine->kernel.version >= KEEPS_FILE_END_VERSION &&
           !vma->file->is_shmem &&
           index + 1 == bytes_to_pages(page_ceil(vma->file->size_bytes));
}

/* Neighbours that are in the page cache already are mapped with the page (3.15
 * on, do_fault_around()); there may be no table yet.  Pages of vdso and vvar
 * are in no cache: each comes with a fault of its own. */
static void
fault_around(struct vma *vma, uint64_t addr)
{
    struct machine *machine = vma->mm->machine;
    const struct arch *arch = machine->arch;
    uint64_t window = pages_to_bytes(machine->kernel.fault_around_pages);
    uint64_t span = leaf_span_bytes(arch), base = addr & ~(span - 1);
    uint64_t from = MAX(addr & ~(window - 1), MAX(vma->start, base));
    uint64_t to = MIN(from + window, MIN(vma->end, base + span));
    struct leaf *leaf = pagetable_leaf(vma->mm, addr);

    if (window <= PAGE_BYTES || (vma->flags & VM_SPECIAL))
        return;
    for (uint64_t at = from; at < to; at += PAGE_BYTES) {
        uint64_t index = vma_index(vma, at);
        pfn_t pfn;

        if (at == addr ||
            (leaf && leaf->pte[leaf_index(arch, at)] != PTE_NONE) ||
            !file_page_is_cached(vma->file, index) ||
            file_get_page(vma->file, machine->cpu, index, &pfn) !=
                FILE_GET_MINOR)
            continue;
        if (!leaf && begins_no_table(vma, index))
            return;
        if (!leaf)
            leaf = pagetable_leaf_alloc(vma->mm, addr);
        if (!leaf || !map_file_page(vma, leaf, at, pfn, read_bits(vma)))
            return;
        machine->counters.fault_around_pages++;
    }
}

static uint64_t
file_pte_bits(const struct touch *touch, const struct vma *vma)
{
    bool is_shared_write =
        touch->access == TOUCH_WRITE && (vma->flags & VM_SHARED);

    return PTE_ACCESSED |
           (is_shared_write ? PTE_WRITE | PTE_DIRTY : read_bits(vma));
}

/* No such page: SIGBUS.  The fault has descended the page tables by then (only
 * the last one waits, from 4.8 on, until there is a page to map), and a read
 * has mapped what is cached around. */
static void
beyond_file(struct touch *touch, struct vma *vma, uint64_t addr)
{
    if (touch->access != TOUCH_WRITE)
        fault_around(vma, addr);
    if (touch->machine->kernel.version >= LATE_LEAF_VERSION
            ? !pagetable_directory_alloc(touch->mm, addr)
            : !pagetable_leaf_alloc(touch->mm, addr)) {
        end_for_want_of_memory(touch);
        return;
    }
    pass_refused(touch, OUTCOME_BUS, 1);
}

/* The page of a file, or the touch's end in SIGBUS or for want of memory. */
static bool
get_file_page(struct touch *touch, struct vma *vma, uint64_t addr, pfn_t *pfn,
              bool *is_major)
{
    switch (file_get_page(vma->file, touch->cpu, vma_index(vma, addr), pfn)) {
    case FILE_GET_MINOR:
        *is_major = false;
        return true;
    case FILE_GET_MAJOR:
        *is_major = true;
        return true;
    case FILE_GET_BEYOND:
        beyond_file(touch, vma, addr);
        return false;
    case FILE_GET_NOMEM:
        end_for_want_of_memory(touch);
        return false;
    }
    return false;
}

static void
map_file(struct touch *touch, struct vma *vma, uint64_t addr)
{
    struct machine *machine = touch->machine;
    bool is_major;
    pfn_t pfn;

    if (!get_file_page(touch, vma, addr, &pfn, &is_major))
        return;
    struct leaf *leaf = pagetable_leaf_alloc(touch->mm, addr);
    if (!leaf ||
        !map_file_page(vma, leaf, addr, pfn, file_pte_bits(touch, vma))) {
        end_for_want_of_memory(touch);
        return;
    }
    if (touch->access == TOUCH_WRITE)
        page_of(machine, pfn)->flags |= PAGE_DIRTY;
    else if (!is_major)
        fault_around(vma, addr);
    machine->counters.fault_major_count += is_major && !touch->gup;
    note_faults(touch, &machine->counters.fault_file_count, 1);
    touch_content(touch, leaf, addr, 1);
    note_outcome(touch, OUTCOME_FILE, 1);
    advance(touch, 1);
}

/* ---- prepare: frames in hand ---- */

static void
prepare_fresh(struct touch *touch, struct vma *vma, uint64_t addr,
              uint32_t count, enum fault_kind kind)
{
    struct fault_work *work = &touch->work;

    if (!pagetable_leaf_alloc(touch->mm, addr) || !anon_prepare(vma)) {
        end_for_want_of_memory(touch);
        return;
    }
    work->count = page_alloc_run(touch->machine, touch->cpu, PAGE_ANON, count,
                                 work->pfns);
    if (work->count == 0) {
        end_for_want_of_memory(touch);
        return;
    }
    work->kind = kind;
    work->vma = vma;
    work->addr = addr;
    work->is_major = false;
    clear_user_run(vma, work->pfns, work->count);
}

/* The frame gets the bytes of `source`, and with them who they belong to: what
 * a file holds to whoever may map it. */
static void
copy_page(struct touch *touch, pfn_t pfn, pfn_t source, enum fault_kind kind)
{
    struct machine *machine = touch->machine;
    struct page *copy = page_of(machine, pfn);
    const struct page *original = page_of(machine, source);
    uint16_t holder = touch->mm->uid_holder;
    bool is_own = kind == FAULT_FILE_COPY || original->holder == holder ||
                  original->holder == HOLDER_KERNEL;

    copy->tag = original->tag;
    copy->map_count = 0;
    copy->holder = is_own ? holder : HOLDER_MIXED;
    machine->counters.copy_page_count++;
    charge(machine, CHARGE_copy_page, 1);
}

/* A frame with the bytes of `source`; kind FAULT_COPY or FAULT_FILE_COPY. */
static void
prepare_copy(struct touch *touch, struct vma *vma, uint64_t addr, pfn_t source,
             enum fault_kind kind, bool is_major)
{
    struct machine *machine = touch->machine;
    struct fault_work *work = &touch->work;

    if (!anon_prepare(vma) ||
        page_alloc_run(machine, touch->cpu, PAGE_ANON, 1, work->pfns) == 0) {
        end_for_want_of_memory(touch);
        return;
    }
    copy_page(touch, work->pfns[0], source, kind);
    work->kind = kind;
    work->vma = vma;
    work->addr = addr;
    work->is_major = is_major;
    work->count = 1;
}

/* A write through the entry copies an anonymous page, whatever was done to
 * others before it. */
static bool
is_surely_copied(struct machine *machine, pte_t pte)
{
    const uint64_t kind = PTE_PRESENT | PTE_WRITE | PTE_ZERO | PTE_FILE;

    return (pte & kind) == PTE_PRESENT &&
           cow_must_copy(machine, page_of(machine, pte_pfn(pte)));
}

/* The first page of a run is to be copied; so are the entries behind it that
 * leave no choice, as far as frames are at hand.  Under schemes with state per
 * page it comes and goes page by page. */
static void
extend_copies(struct touch *touch, const struct leaf *leaf, uint32_t index,
              uint32_t max)
{
    struct machine *machine = touch->machine;
    struct fault_work *work = &touch->work;
    uint32_t count = 1;

    if (machine->policy.rmap->remove_run ||
        !is_surely_copied(machine, work->expected[0]))
        return;
    while (count < max && is_surely_copied(machine, leaf->pte[index + count])) {
        work->expected[count] = leaf->pte[index + count];
        count++;
    }
    work->count += page_alloc_run_at_hand(machine, touch->cpu, PAGE_ANON,
                                          count - 1, &work->pfns[1]);
    for (uint32_t i = 1; i < work->count; i++)
        copy_page(touch, work->pfns[i], pte_pfn(work->expected[i]), FAULT_COPY);
}

static void
write_protected(struct touch *touch, struct vma *vma, struct leaf *leaf,
                uint64_t addr, uint32_t max_pages)
{
    struct machine *machine = touch->machine;
    pte_t pte = leaf->pte[leaf_index(machine->arch, addr)];
    struct page *page = page_of(machine, pte_pfn(pte));

    if (!(pte & PTE_FILE) && cow_may_reuse(machine, page)) {
        reuse(touch, vma, leaf, addr, page);
        return;
    }
    touch->work.expected[0] = pte;
    prepare_copy(touch, vma, addr, pte_pfn(pte), FAULT_COPY, false);
    if (touch_is_pending(touch))
        extend_copies(touch, leaf, leaf_index(machine->arch, addr), max_pages);
}

static void
prepare_file_copy(struct touch *touch, struct vma *vma, uint64_t addr)
{
    bool is_major;
    pfn_t pfn;

    /* The identity comes first, even where there turns out to be no page. */
    if (!anon_prepare(vma)) {
        end_for_want_of_memory(touch);
        return;
    }
    if (!get_file_page(touch, vma, addr, &pfn, &is_major))
        return;
    if (!pagetable_leaf_alloc(touch->mm, addr)) {
        end_for_want_of_memory(touch);
        return;
    }
    touch->work.expected[0] = PTE_NONE;
    prepare_copy(touch, vma, addr, pfn, FAULT_FILE_COPY, is_major);
}

/* A vrange marker: SIGBUS while the range is volatile and purged; after that
 * the page is as untouched. */
static void
purged(struct touch *touch, struct leaf *leaf, uint64_t addr)
{
    const struct vrange *range =
        vrange_find(touch->mm, addr, addr + PAGE_BYTES);

    if (range && range->purged) {
        pass_refused(touch, OUTCOME_BUS, 1);
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
        hit(touch, leaf, addr, max_pages);
        return;
    case FAULT_ZERO_MAP:
        map_zero(touch, addr,
                 leaf ? none_run(leaf, index, max_pages) : max_pages);
        return;
    case FAULT_FRESH:
        prepare_fresh(touch, vma, addr,
                      leaf ? none_run(leaf, index, max_fresh) : max_fresh,
                      kind);
        return;
    case FAULT_ZERO_BREAK:
        prepare_fresh(touch, vma, addr, zero_run(leaf, index, max_fresh), kind);
        return;
    case FAULT_WRITE_PROTECTED:
    case FAULT_COPY:
        write_protected(touch, vma, leaf, addr, max_fresh);
        return;
    case FAULT_FILE_MAP:
        map_file(touch, vma, addr);
        return;
    case FAULT_FILE_COPY:
        prepare_file_copy(touch, vma, addr);
        return;
    case FAULT_MKWRITE:
        make_writable(touch, leaf, addr);
        return;
    case FAULT_GUARD:
        pass_refused(touch, OUTCOME_SEGV, 1);
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
        uint32_t pages = pages_before(touch, addr, UINT64_MAX, max_pages);

        pass_refused(touch, OUTCOME_SEGV, pages);
        return;
    }
    uint64_t *lookups = &touch->machine->charges[CHARGE_vma_lookup_step];
    uint64_t lookups_before = *lookups;
    uint64_t hits_before = touch->outcome_pages[OUTCOME_HIT];
    struct vma *vma = touch_vma(touch, addr);
    if (!vma || !vma_permits(arch, vma, touch->access)) {
        refuse(touch, addr, vma, max_pages);
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

/* ---- commit ---- */

/* Give frames in hand back: somebody else was faster, or no memory. */
static void
give_back(struct touch *touch, uint32_t first, uint32_t count)
{
    anon_frames_free(touch->mm, &touch->work.pfns[first], count);
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

/* Write the PTEs of new frames; the entries are none. */
static void
write_ptes(struct vma *vma, struct leaf *leaf, uint32_t index,
           const pfn_t *pfns, uint32_t count)
{
    struct page *pages = vma->mm->machine->pages;
    uint64_t bits = fresh_pte_bits(vma);
    uint64_t linear = vma_index(vma, leaf->base + pages_to_bytes(index));
    uint32_t family = vma->family->id;
    pte_t *pte = &leaf->pte[index];

    for (uint32_t i = 0; i < count; i++) {
        bring_home(&pages[pfns[i].v], family, linear + i);
        pte[i] = pte_make(pfns[i], bits);
    }
    leaf->used_count += count;
    charge(vma->mm->machine, CHARGE_pte_update, count);
}

/* Map new frames into entries that are none by now; how many could be. */
static uint32_t
install(struct vma *vma, unsigned cpu, struct leaf *leaf, uint32_t index,
        const pfn_t *pfns, uint32_t count)
{
    write_ptes(vma, leaf, index, pfns, count);
    uint32_t added = mapping_add_run(vma, leaf, index, count);
    for (uint32_t i = added; i < count; i++)
        leaf->pte[index + i] = PTE_NONE;
    leaf->used_count -= count - added;
    lru_add_run(vma->mm->machine, cpu, pfns, added, LRU_ANON);
    return added;
}

static void
note_spurious(struct touch *touch)
{
    if (!touch->gup) {
        touch->machine->counters.fault_spurious_count++;
        charge(touch->machine, CHARGE_exception, 1);
        charge(touch->machine, CHARGE_fault, 1);
        charge(touch->machine, CHARGE_vma_lookup_step,
               touch->mm->maple.lookup_steps);
    }
    note_outcome(touch, OUTCOME_HIT, 1);
}

/* How many entries of the run, of which the first is at `index`, are still what
 * prepare saw, from number i on. */
static uint32_t
unchanged_run(const struct fault_work *work, const struct leaf *leaf,
              uint32_t index, uint32_t i)
{
    uint32_t end = i;

    if (work->kind == FAULT_FRESH)
        return none_run(leaf, index + i, work->count - i);
    if (work->kind == FAULT_ZERO_BREAK)
        return zero_run(leaf, index + i, work->count - i);
    while (end < work->count && leaf->pte[index + end] == work->expected[end])
        end++;
    return end - i;
}

static uint64_t *
counter_of(struct touch *touch)
{
    struct mm_counters *counters = &touch->machine->counters;

    if (touch->work.kind == FAULT_FRESH)
        return &counters->fault_fresh_count;
    if (touch->work.kind == FAULT_ZERO_BREAK)
        return &counters->fault_zero_break_count;
    return &counters->fault_cow_copy_count;
}

/* Install a stretch of unchanged entries. */
static void
commit_stretch(struct touch *touch, struct leaf *leaf, uint32_t first,
               uint32_t count)
{
    struct machine *machine = touch->machine;
    struct fault_work *work = &touch->work;
    uint64_t addr = work->addr + pages_to_bytes(first);
    uint32_t index = leaf_index(machine->arch, addr);
    bool replaces = leaf->pte[index] != PTE_NONE;

    if (replaces)
        mapping_clear_run(touch->mm, leaf, index, count);
    uint32_t added =
        install(work->vma, touch->cpu, leaf, index, &work->pfns[first], count);

    if (added < count)
        give_back(touch, first + added, count - added);
    if (replaces)
        for (uint32_t i = 0; i < added; i++)
            tlb_flush(touch->mm, 1);
    machine->counters.fault_major_count += work->is_major && !touch->gup;
    note_faults(touch, counter_of(touch), added);
    touch_content(touch, leaf, addr, added);
    note_outcome(touch,
                 work->kind == FAULT_FRESH || work->kind == FAULT_ZERO_BREAK
                     ? OUTCOME_FRESH
                     : OUTCOME_COPY,
                 added);
    if (added < count)
        touch->no_memory = true;
}

void
touch_commit(struct touch *touch)
{
    struct fault_work *work = &touch->work;
    struct leaf *leaf = pagetable_leaf_alloc(touch->mm, work->addr);
    uint32_t index = leaf_index(touch->machine->arch, work->addr);
    uint32_t total = work->count;

    mm_assert(touch_is_pending(touch));
    if (!leaf) {
        touch_abandon(touch);
        end_for_want_of_memory(touch);
        return;
    }
    for (uint32_t i = 0; i < total && !touch->no_memory;) {
        uint32_t count = unchanged_run(work, leaf, index, i);

        if (count) {
            commit_stretch(touch, leaf, i, count);
            i += count;
        } else {
            give_back(touch, i, 1);
            note_spurious(touch);
            i++;
        }
    }
    work->count = 0;
    advance(touch, total);
    if (touch->no_memory)
        touch->next = touch->end;
}

void
touch_abandon(struct touch *touch)
{
    for (uint32_t i = 0; i < touch->work.count; i++)
        page_free(touch->machine, touch->cpu, touch->work.pfns[i], 0, 0);
    touch->work.count = 0;
}

/* ---- one page ---- */

/* The write of a page that nobody used yet.  What prepare_fresh() and
 * touch_commit() do, for a run of one. */
static bool
fresh_one(struct task *task, struct vma *vma, struct leaf *leaf, pte_t *pte,
          uint64_t addr)
{
    struct machine *machine = task->machine;
    pfn_t pfn;

    if (!vma->family || machine->policy.rmap->add_run ||
        !page_alloc_anon_at_hand(machine, task->cpu, &pfn))
        return false;
    machine->current = task;
    machine->cpu = task->cpu;
    clear_user_run(vma, &pfn, 1);
    bring_home(page_of(machine, pfn), vma->family->id, vma_index(vma, addr));
    *pte = pte_make(pfn, fresh_pte_bits(vma));
    leaf->used_count++;
    mapping_add_anon(machine, vma->mm, pfn);
    lru_add_one(machine, task->cpu, pfn, LRU_ANON);
    charge(machine, CHARGE_pte_update, 1);
    charge(machine, CHARGE_pte_lock_pair, 1);
    note_exceptions(task->mm, &machine->counters.fault_fresh_count, 1);
    return true;
}

bool
touch_one(struct task *task, uint64_t addr, enum touch_access access)
{
    struct mm *mm = task->mm;
    struct machine *machine = mm->machine;
    struct vma *vma = mm->vma_cache;
    bool write = access == TOUCH_WRITE;
    uint64_t fits = PTE_PRESENT | (write ? PTE_WRITE : 0);

    if (!vma || addr < vma->start || addr >= vma->end ||
        !vma_permits(machine->arch, vma, access) ||
        machine->config.track_content)
        return false;
    struct leaf *leaf = pagetable_recent_leaf(&mm->pagetable, addr);
    if (!leaf)
        return false;
    pte_t *pte = leaf_pte(&mm->pagetable, leaf, addr);
    if ((*pte & fits) == fits)
        *pte |= PTE_ACCESSED | (write ? PTE_DIRTY : 0);
    else if (classify(machine, vma, *pte, access) != FAULT_FRESH ||
             !fresh_one(task, vma, leaf, pte, addr))
        return false;
    mm->cpu_mask |= UINT64_C(1) << task->cpu;
    machine->counters.touch_count++;
    return true;
}
