/*
 * Faults that bring anonymous memory in: the zero page, and fresh frames.
 *
 * fault_prepare_fresh() leaves frames in hand, for touch_commit(); touch_one()
 * is the shortest way through the handler, for a run of one.
 */
#include "mm/anon.h"
#include "mm/clear.h"
#include "mm/fault_private.h"
#include "mm/lru.h"
#include "mm/mapping.h"
#include "mm/page_alloc.h"
#include "mm/rmap.h"
#include "mm/task.h"
#include "mm/zero_page.h"

void
fault_map_zero(struct touch *touch, uint64_t addr, uint32_t count)
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

void
fault_prepare_fresh(struct touch *touch, struct vma *vma, uint64_t addr,
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

/* ---- one page ---- */

/* The write of a page that nobody used yet.  What fault_prepare_fresh() and
 * touch_commit() do, for a run of one. */
static bool
fresh_one(struct task *task, struct vma *vma, struct leaf *leaf, pte_t *pte,
          uint64_t addr)
{
    struct machine *machine = task->machine;
    pfn_t pfn;

    if (!vma->family || vma_is_locked(vma) || machine->policy.rmap->add_run ||
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
        !vma_permits(machine, vma, access) || machine->config.track_content)
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
