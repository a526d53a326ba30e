/*
 * mlock and munlock: which VMAs are locked.  Faulting the pages in is the
 * caller's (mm/operation.c).
 *
 *   EPERM   no right to lock anything (RLIMIT_MEMLOCK 0)
 *   ENOMEM  above RLIMIT_MEMLOCK, a hole in the range, too many VMAs
 *   EINVAL  the range wraps around
 *
 * What lies before a hole keeps its new state.  Source: 6.18 do_mlock(),
 * apply_vma_lock_flags().
 *
 * Pages that are there already are locked with the VMA (mm/unevictable.h):
 * 6.18 mlock_vma_pages_range().
 *
 * Not modelled: mlockall, MLOCK_ONFAULT.
 */
#include "mm/aspace_private.h"
#include "mm/lru.h"
#include "mm/machine.h"
#include "mm/mapping.h"
#include "mm/unevictable.h"

#include <errno.h>

static void
lock_pages(struct mm *mm, uint64_t start, uint64_t end, bool locked)
{
    struct machine *machine = mm->machine;
    struct leaf *leaf;

    if (!unevictable_is_known(machine))
        return;
    lru_drain(machine, machine->cpu);
    for (uint64_t at = start; (leaf = pagetable_next_leaf(mm, at, end));) {
        uint64_t first = MAX(at, leaf->base);

        at = leaf->base + leaf_span_bytes(machine->arch);
        mapping_mlock_run(machine, leaf, leaf_index(machine->arch, first),
                          (uint32_t)bytes_to_pages(MIN(end, at) - first),
                          locked);
    }
    lru_drain(machine, machine->cpu);
}

/* Lock or unlock [start, end) of the VMA; *result covers it afterwards. */
static int
set_locked(struct vma *vma, uint64_t start, uint64_t end, bool locked,
           struct vma **result)
{
    struct mm *mm = vma->mm;
    uint32_t flags = vma->flags & ~(uint32_t)VM_LOCKED;

    if (locked)
        flags |= VM_LOCKED;
    *result = vma;
    if (flags == vma->flags || (vma->flags & VM_SPECIAL))
        return 0;

    int error =
        vma_modify_flags(vma, start, end, flags, MERGE_BY_MLOCK, result);
    if (error)
        return error;
    if (locked)
        mm->locked_pages += bytes_to_pages(end - start);
    else
        mm->locked_pages -= bytes_to_pages(end - start);
    lock_pages(mm, start, end, locked);
    return 0;
}

static int64_t
set_locked_range(struct mm *mm, uint64_t start, uint64_t end, bool locked)
{
    struct vma *vma;

    if (end < start)
        return -EINVAL;
    if (end == start)
        return 0;
    vma = vma_find(mm, start);
    for (uint64_t at = start; at < end; at = vma->end, vma = vma->next) {
        if (!vma || vma->start > at)
            return -ENOMEM;
        int error = set_locked(vma, at, MIN(end, vma->end), locked, &vma);
        if (error)
            return error;
    }
    return 0;
}

/* Pages of the range that are locked already: not counted twice. */
static uint64_t
locked_pages_in(const struct mm *mm, uint64_t start, uint64_t end)
{
    uint64_t pages = 0;

    for (const struct vma *vma = vma_intersect(mm, start, end);
         vma && vma->start < end; vma = vma->next)
        if (vma->flags & VM_LOCKED)
            pages +=
                bytes_to_pages(MIN(end, vma->end) - MAX(start, vma->start));
    return pages;
}

int64_t
mm_mlock(struct mm *mm, uint64_t start, uint64_t length)
{
    uint64_t first = page_floor(start);
    uint64_t bytes = page_ceil(length + (start - first));
    uint64_t wanted_pages = mm->locked_pages + bytes_to_pages(bytes);
    uint64_t limit_pages = bytes_to_pages(mm->rlimit_memlock);

    if (!mm_may_lock(mm))
        return -EPERM;
    if (wanted_pages > limit_pages && !mm_is_root(mm)) {
        wanted_pages -= locked_pages_in(mm, first, first + bytes);
        if (wanted_pages > limit_pages)
            return -ENOMEM;
    }
    return set_locked_range(mm, first, first + bytes, true);
}

int64_t
mm_munlock(struct mm *mm, uint64_t start, uint64_t length)
{
    uint64_t first = page_floor(start);
    uint64_t bytes = page_ceil(length + (start - first));

    return set_locked_range(mm, first, first + bytes, false);
}
