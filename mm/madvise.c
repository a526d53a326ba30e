/*
 * madvise: a walk over the VMAs of a range, and what each advice does there.
 *
 * The walk acts on every mapped part and reports a hole with -ENOMEM at the
 * end, as the kernel does; the first other error stops it.  Advice that only
 * changes flags goes through vma_modify_flags(); a split that is refused is
 * -EAGAIN here, -ENOMEM everywhere else.
 *
 * Source: mm/madvise.c of 2.6.22, 4.5, 6.1 and 6.18.
 *
 * Not modelled: HUGEPAGE and COLLAPSE beyond their flags, KSM, ageing by COLD;
 * PAGEOUT leaves anonymous pages in use alone (no swap).
 */
#include "mm/madvise.h"

#include "mm/anon.h"
#include "mm/aspace.h"
#include "mm/file.h"
#include "mm/lru.h"
#include "mm/machine.h"
#include "mm/mapping.h"
#include "mm/purge.h"
#include "mm/reclaim.h"
#include "mm/tlb.h"

#include <errno.h>

/* Acts on [start, end) of one VMA; *next: where the walk goes on. */
typedef int64_t (*advice_fn)(struct vma *vma, uint64_t start, uint64_t end,
                             enum advice advice);

static int64_t
walk(struct mm *mm, uint64_t start, uint64_t end, advice_fn act,
     enum advice advice)
{
    struct vma *vma = vma_find(mm, start);
    int64_t hole = 0;

    while (start < end) {
        if (!vma)
            return -ENOMEM;
        if (vma->start > start) {
            hole = -ENOMEM;
            start = vma->start;
            continue;
        }
        uint64_t stop = MIN(vma->end, end);
        int64_t error = act(vma, start, stop, advice);

        if (error)
            return error;
        start = stop;
        if (start < end)
            vma = vma_find(mm, start);
    }
    return hole;
}

/* Arguments as every advice checks them; *end is set.  1: nothing to do. */
static int64_t
check_range(uint64_t start, uint64_t length, uint64_t *end)
{
    uint64_t rounded = page_ceil(length);

    if (start & ~PAGE_MASK)
        return -EINVAL;
    if (length && !rounded)
        return -EINVAL;
    *end = start + rounded;
    if (*end < start)
        return -EINVAL;
    return *end == start;
}

static int64_t
advise(struct mm *mm, uint64_t start, uint64_t length, advice_fn act,
       enum advice advice)
{
    uint64_t end;
    int64_t checked = check_range(start, length, &end);

    if (checked)
        return checked < 0 ? checked : 0;
    return walk(mm, start, end, act, advice);
}

/* ---- giving pages up ---- */

static int64_t
dontneed(struct vma *vma, uint64_t start, uint64_t end, enum advice advice)
{
    if ((vma->flags & VM_LOCKED) && advice != ADVICE_DONTNEED_LOCKED)
        return -EINVAL;
    if (vma->flags & VM_SPECIAL)
        return -EINVAL;
    vma->mm->machine->counters.purge_discarded_pages +=
        zap_vma_range(vma, start, end, ZAP_DONTNEED);
    return 0;
}

int64_t
mm_madvise_dontneed(struct mm *mm, uint64_t start, uint64_t length)
{
    mm->machine->counters.purge_call_count++;
    return advise(mm, start, length, dontneed, ADVICE_DONTNEED);
}

/* Mark one page lazily freed; false: it was passed over.  That reclaim found it
 * written to is for its only user to forget. */
static bool
free_lazily(struct machine *machine, pte_t *pte)
{
    const uint32_t forgotten = PAGE_ACTIVE | PAGE_REFERENCED | PAGE_DIRTY;
    struct page *page = page_of(machine, pte_pfn(*pte));

    if ((page->flags & PAGE_DIRTY) && page->map_count > 1)
        return false;
    *pte &= ~(PTE_DIRTY | PTE_ACCESSED);
    if (page->flags & PAGE_UNEVICTABLE)  // another process has locked it
        page->flags &= ~(uint32_t)PAGE_DIRTY;
    if (page->flags & (PAGE_LAZY | PAGE_UNEVICTABLE))
        return true;
    lru_remove(machine, page);
    page->flags = (page->flags & ~forgotten) | PAGE_LAZY;
    lru_link_head(machine, page, LRU_LAZY);
    return true;
}

static uint64_t
free_leaf_lazily(struct machine *machine, struct leaf *leaf, uint32_t index,
                 uint32_t end)
{
    uint64_t pages = 0;

    for (; index < end; index++) {
        if (pte_class(leaf->pte[index]) != PTE_CLASS_ANON)
            continue;
        pages += free_lazily(machine, &leaf->pte[index]);
    }
    charge(machine, CHARGE_pte_update, pages);
    return pages;
}

static int64_t
lazy_free(struct vma *vma, uint64_t start, uint64_t end, enum advice advice)
{
    struct mm *mm = vma->mm;
    const struct arch *arch = mm->pagetable.arch;
    uint64_t span = leaf_span_bytes(arch), pages = 0;
    struct leaf *leaf;

    (void)advice;
    if (!vma_is_anon(vma) || (vma->flags & (VM_LOCKED | VM_SPECIAL)))
        return -EINVAL;
    lru_drain(mm->machine, mm->machine->cpu);
    for (uint64_t at = start; (leaf = pagetable_next_leaf(mm, at, end));) {
        uint64_t first = MAX(at, leaf->base);
        uint64_t last = MIN(end, leaf->base + span);
        uint32_t index = leaf_index(arch, first);

        at = leaf->base + span;
        pages +=
            free_leaf_lazily(mm->machine, leaf, index,
                             index + (uint32_t)bytes_to_pages(last - first));
    }
    if (pages)
        tlb_flush(mm, pages);
    return 0;
}

int64_t
mm_madvise_free(struct mm *mm, uint64_t start, uint64_t length)
{
    struct machine *machine = mm->machine;

    machine->counters.purge_call_count++;
    /* The first form needed a swap slot per page: without swap it is
     * DONTNEED. */
    if (machine->kernel.madv_free == MADV_FREE_4_5 &&
        machine->config.swap_bytes <= machine->gauge[GAUGE_swap_bytes])
        return advise(mm, start, length, dontneed, ADVICE_DONTNEED);
    return advise(mm, start, length, lazy_free, ADVICE_FREE);
}

static int64_t
pageout(struct vma *vma, uint64_t start, uint64_t end, enum advice advice)
{
    (void)advice;
    if (vma->flags & (VM_LOCKED | VM_SPECIAL))
        return -EINVAL;
    reclaim_pageout(vma, start, end);
    return 0;
}

/* Files are read up to what one request and one window take; others would come
 * from swap. */
static int64_t
willneed(struct vma *vma, uint64_t start, uint64_t end, enum advice advice)
{
    (void)advice;
    if (vma->file && !vma->file->is_shmem && !(vma->flags & VM_SPECIAL))
        readahead_force(vma->file, vma->mm->machine->cpu, vma_index(vma, start),
                        bytes_to_pages(end - start));
    return 0;
}

/* ---- guards ---- */

static void
mark_guard(struct machine *machine, struct leaf *leaf, uint32_t index)
{
    if (leaf->pte[index] != PTE_NONE)
        return;
    leaf->pte[index] = PTE_GUARD;
    leaf->used_count++;
    charge(machine, CHARGE_pte_update, 1);
}

static int64_t
guard_install(struct vma *vma, uint64_t start, uint64_t end, enum advice advice)
{
    struct mm *mm = vma->mm;
    struct machine *machine = mm->machine;

    (void)advice;
    if ((vma->flags & (VM_LOCKED | VM_SPECIAL)) ||
        (vma->file && !KERNEL_HAS(&machine->kernel, GUARD_FILE)))
        return -EINVAL;
    /* So that fork copies the table with the markers; files go by the flag. */
    if (vma_is_anon(vma) && !anon_prepare(vma))
        return -ENOMEM;
    vma->flags |= VM_MAYBE_GUARD;
    zap_vma_range(vma, start, end, ZAP_GUARD);
    for (uint64_t addr = start; addr < end; addr += PAGE_BYTES) {
        struct leaf *leaf = pagetable_leaf_alloc(mm, addr);

        if (!leaf)
            return -ENOMEM;
        mark_guard(machine, leaf, leaf_index(machine->arch, addr));
    }
    return 0;
}

static int64_t
guard_remove(struct vma *vma, uint64_t start, uint64_t end, enum advice advice)
{
    struct mm *mm = vma->mm;
    const struct arch *arch = mm->pagetable.arch;
    struct leaf *leaf;

    (void)advice;
    if ((vma->flags & VM_SPECIAL) ||
        (vma->file && !KERNEL_HAS(&mm->machine->kernel, GUARD_FILE)))
        return -EINVAL;
    for (uint64_t at = start; (leaf = pagetable_next_leaf(mm, at, end));) {
        uint64_t last = MIN(end, leaf->base + leaf_span_bytes(arch));

        for (uint64_t addr = MAX(at, leaf->base); addr < last;
             addr += PAGE_BYTES) {
            uint32_t index = leaf_index(arch, addr);

            if (leaf->pte[index] & PTE_GUARD)
                mapping_clear_run(mm, leaf, index, 1);
        }
        at = leaf->base + leaf_span_bytes(arch);
    }
    return 0;
}

int64_t
mm_guard_install(struct mm *mm, uint64_t start, uint64_t length)
{
    return advise(mm, start, length, guard_install, ADVICE_GUARD_INSTALL);
}

/* ---- flags ---- */

struct flag_change {
    uint32_t set, clear;
};

static struct flag_change
flag_change_of(enum advice advice)
{
    switch ((int)advice) {
    case ADVICE_NORMAL:
        return (struct flag_change){0, VM_RAND_READ | VM_SEQ_READ};
    case ADVICE_RANDOM:
        return (struct flag_change){VM_RAND_READ, VM_SEQ_READ};
    case ADVICE_SEQUENTIAL:
        return (struct flag_change){VM_SEQ_READ, VM_RAND_READ};
    case ADVICE_DONTFORK:
        return (struct flag_change){VM_DONTCOPY, 0};
    case ADVICE_DOFORK:
        return (struct flag_change){0, VM_DONTCOPY};
    case ADVICE_WIPEONFORK:
        return (struct flag_change){VM_WIPEONFORK, 0};
    case ADVICE_KEEPONFORK:
        return (struct flag_change){0, VM_WIPEONFORK};
    case ADVICE_HUGEPAGE:
        return (struct flag_change){VM_HUGEPAGE, VM_NOHUGEPAGE};
    case ADVICE_NOHUGEPAGE:
        return (struct flag_change){VM_NOHUGEPAGE, VM_HUGEPAGE};
    case ADVICE_MERGEABLE:
        return (struct flag_change){VM_MERGEABLE, 0};
    case ADVICE_UNMERGEABLE:
        return (struct flag_change){0, VM_MERGEABLE};
    default:
        return (struct flag_change){0, 0};
    }
}

static int64_t
change_flags(struct vma *vma, uint64_t start, uint64_t end, enum advice advice)
{
    struct flag_change change = flag_change_of(advice);
    uint32_t flags = (vma->flags & ~change.clear) | change.set;

    if ((vma->flags & VM_SPECIAL) && advice == ADVICE_DOFORK)
        return -EINVAL;
    if (advice == ADVICE_WIPEONFORK && (vma->file || (vma->flags & VM_SHARED)))
        return -EINVAL;
    if (advice == ADVICE_MERGEABLE && (vma->flags & (VM_SHARED | VM_SPECIAL)))
        return 0;
    if (flags == vma->flags)
        return 0;
    int error =
        vma_modify_flags(vma, start, end, flags, MERGE_BY_MADVISE, &vma);
    return error == -ENOMEM ? -EAGAIN : error;
}

static int64_t
nothing(struct vma *vma, uint64_t start, uint64_t end, enum advice advice)
{
    (void)vma;
    (void)start;
    (void)end;
    (void)advice;
    return 0;
}

/* Ageing is not modelled, but who may ask for it is. */
static int64_t
cold(struct vma *vma, uint64_t start, uint64_t end, enum advice advice)
{
    (void)start;
    (void)end;
    (void)advice;
    return vma->flags & (VM_LOCKED | VM_SPECIAL) ? -EINVAL : 0;
}

static int64_t
collapse(struct vma *vma, uint64_t start, uint64_t end, enum advice advice)
{
    (void)vma;
    (void)start;
    (void)end;
    (void)advice;
    return -EINVAL;
}

/* Which kernels know it; NULL advice_fn: populate, the caller's work. */
static bool
is_known(const struct kernel *kernel, enum advice advice)
{
    switch (advice) {
    case ADVICE_NORMAL:
    case ADVICE_RANDOM:
    case ADVICE_SEQUENTIAL:
    case ADVICE_WILLNEED:
    case ADVICE_DONTNEED:
        return true;
    case ADVICE_FREE:
        return KERNEL_HAS(kernel, MADV_FREE);
    case ADVICE_COLD:
        return KERNEL_HAS(kernel, MADV_COLD);
    case ADVICE_PAGEOUT:
        return KERNEL_HAS(kernel, MADV_PAGEOUT);
    case ADVICE_HUGEPAGE:
    case ADVICE_NOHUGEPAGE:
        return KERNEL_HAS(kernel, MADV_HUGEPAGE);
    case ADVICE_DONTFORK:
    case ADVICE_DOFORK:
        return KERNEL_HAS(kernel, MADV_DONTFORK);
    case ADVICE_WIPEONFORK:
    case ADVICE_KEEPONFORK:
        return KERNEL_HAS(kernel, MADV_WIPEONFORK);
    case ADVICE_POPULATE_READ:
    case ADVICE_POPULATE_WRITE:
        return KERNEL_HAS(kernel, MADV_POPULATE);
    case ADVICE_GUARD_INSTALL:
    case ADVICE_GUARD_REMOVE:
        return KERNEL_HAS(kernel, MADV_GUARD);
    case ADVICE_DONTNEED_LOCKED:
        return KERNEL_HAS(kernel, MADV_DONTNEED_LOCKED);
    case ADVICE_MERGEABLE:
    case ADVICE_UNMERGEABLE:
        return KERNEL_HAS(kernel, MADV_MERGEABLE);
    case ADVICE_COLLAPSE:
        return KERNEL_HAS(kernel, MADV_COLLAPSE);
    }
    return false;
}

/* An axis value that makes its call brings the call with it. */
static bool
axis_provides(const struct machine *machine, enum advice advice)
{
    if (advice == ADVICE_GUARD_INSTALL || advice == ADVICE_GUARD_REMOVE)
        return guard_uses_markers(machine);
    return advice == ADVICE_FREE && machine->policy.purge->uses_madv_free;
}

static advice_fn
action_of(enum advice advice)
{
    switch ((int)advice) {
    case ADVICE_DONTNEED_LOCKED:
        return dontneed;
    case ADVICE_PAGEOUT:
        return pageout;
    case ADVICE_GUARD_INSTALL:
        return guard_install;
    case ADVICE_GUARD_REMOVE:
        return guard_remove;
    case ADVICE_COLD:
        return cold;
    case ADVICE_WILLNEED:
        return willneed;
    case ADVICE_POPULATE_READ:
    case ADVICE_POPULATE_WRITE:
        return nothing;
    case ADVICE_COLLAPSE:
        return collapse;
    default:
        return change_flags;
    }
}

int64_t
mm_madvise(struct mm *mm, uint64_t start, uint64_t length, enum advice advice)
{
    struct machine *machine = mm->machine;

    if (!is_known(&machine->kernel, advice) && !axis_provides(machine, advice))
        return -EINVAL;
    if (advice == ADVICE_DONTNEED)
        return mm_madvise_dontneed(mm, start, length);
    if (advice == ADVICE_FREE)
        return mm_madvise_free(mm, start, length);
    machine->counters.purge_call_count += advice == ADVICE_DONTNEED_LOCKED;
    return advise(mm, start, length, action_of(advice), advice);
}
