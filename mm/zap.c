/*
 * Dropping what a range maps: munmap, exit, DONTNEED, room for guard markers.
 *
 * Works leaf by leaf and in runs of entries of one class.  Guard markers stay
 * unless the mapping itself goes (6.18 zap_pte_range() with and without
 * ZAP_FLAG_DROP_MARKER).
 *
 * Flushes are counted per call and per gathered batch (mmu_gather), not shared
 * between the VMAs of one munmap.
 */
#include "mm/aspace.h"
#include "mm/machine.h"
#include "mm/mapping.h"
#include "mm/tlb.h"

struct zapped {
    uint64_t anon_pages;
    uint64_t mapped_pages;  // needed a flush
};

static void
zap_leaf(struct mm *mm, struct leaf *leaf, uint32_t index, uint32_t end,
         enum zap_mode mode, struct zapped *zapped)
{
    charge(mm->machine, CHARGE_pte_lock_pair, 1);
    while (index < end && leaf->used_count) {
        enum pte_class class = pte_class(leaf->pte[index]);
        uint32_t count = pte_class_run(leaf, index, end - index);
        bool keep = class == PTE_CLASS_NONE ||
                    (class == PTE_CLASS_GUARD && mode != ZAP_UNMAP);

        if (class == PTE_CLASS_ANON)
            zapped->anon_pages += count;
        if (leaf->pte[index] & PTE_PRESENT)
            zapped->mapped_pages += count;
        if (!keep)
            mapping_clear_run(mm, leaf, index, count);
        index += count;
    }
}

static void
flush_zapped(struct mm *mm, uint64_t mapped_pages)
{
    uint64_t batch = mm->machine->kernel.zap_batch_pages;

    for (; batch && mapped_pages > batch; mapped_pages -= batch)
        tlb_flush(mm, batch);
    if (mapped_pages)
        tlb_flush(mm, mapped_pages);
}

uint64_t
zap_vma_range(struct vma *vma, uint64_t start, uint64_t end, enum zap_mode mode)
{
    struct mm *mm = vma->mm;
    const struct arch *arch = mm->pagetable.arch;
    uint64_t span = leaf_span_bytes(arch);
    struct zapped zapped = {0};
    struct leaf *leaf;

    mm_assert(start >= vma->start && end <= vma->end);
    for (uint64_t at = start; (leaf = pagetable_next_leaf(mm, at, end));) {
        uint64_t first = MAX(at, leaf->base);
        uint64_t last = MIN(end, leaf->base + span);
        uint32_t index = leaf_index(arch, first);

        uint32_t count = (uint32_t)bytes_to_pages(last - first);

        at = leaf->base + span;
        if (vma_is_locked(vma))
            mapping_mlock_run(mm->machine, leaf, index, count, false);
        zap_leaf(mm, leaf, index, index + count, mode, &zapped);
        if (mode == ZAP_DONTNEED && mm->machine->kernel.pagetable_reclaim &&
            last - first == span)
            pagetable_free_leaf_if_empty(mm, leaf);
    }
    flush_zapped(mm, zapped.mapped_pages);
    return zapped.anon_pages;
}
