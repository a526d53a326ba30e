/*
 * mprotect's work on PTEs.
 *
 * A VMA that loses VM_WRITE has every PTE write-protected.  One that gains it
 * gets its shared pages back at once; a private page stays write-protected and
 * takes a reuse fault later, except that kernels from 6.0 on
 * (can_change_pte_writable()) restore it to pages known to be exclusive.
 */
#include "mm/aspace.h"
#include "mm/machine.h"
#include "mm/mapping.h"
#include "mm/tlb.h"

static bool
may_regain_write(struct machine *machine, const struct vma *vma, pte_t pte)
{
    if (vma->flags & VM_SHARED)
        return !machine->kernel.mprotect_keeps_write || (pte & PTE_DIRTY) ||
               (page_of(machine, pte_pfn(pte))->flags & PAGE_SHMEM);
    if (pte & PTE_FILE)
        return false;
    return machine->kernel.mprotect_keeps_write &&
           (page_of(machine, pte_pfn(pte))->flags & PAGE_EXCLUSIVE);
}

static uint64_t
protect_leaf(struct vma *vma, struct leaf *leaf, uint32_t index, uint32_t end)
{
    struct machine *machine = vma->mm->machine;
    uint64_t changed = 0;

    for (; index < end; index++) {
        pte_t pte = leaf->pte[index];

        if (!(pte & PTE_PRESENT) || (pte & PTE_ZERO))
            continue;
        changed++;
        if (!(vma->flags & VM_WRITE))
            leaf->pte[index] = pte & ~PTE_WRITE;
        else if (may_regain_write(machine, vma, pte))
            leaf->pte[index] = pte | PTE_WRITE;
    }
    charge(machine, CHARGE_pte_update, changed);
    charge(machine, CHARGE_pte_lock_pair, 1);
    return changed;
}

void
protect_vma_range(struct vma *vma, uint64_t start, uint64_t end,
                  uint32_t old_flags)
{
    struct mm *mm = vma->mm;
    const struct arch *arch = mm->pagetable.arch;
    uint64_t span = leaf_span_bytes(arch), changed = 0;
    struct leaf *leaf;

    if (((vma->flags ^ old_flags) & VM_ACCESS) == 0)
        return;
    for (uint64_t at = start; (leaf = pagetable_next_leaf(mm, at, end));) {
        uint64_t first = MAX(at, leaf->base);
        uint64_t last = MIN(end, leaf->base + span);
        uint32_t index = leaf_index(arch, first);

        at = leaf->base + span;
        changed += protect_leaf(vma, leaf, index,
                                index + (uint32_t)bytes_to_pages(last - first));
    }
    if (changed)
        tlb_flush(mm, changed);
}
