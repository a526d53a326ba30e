/*
 * The second step of a fault that needs frames: look at the entries again --
 * another task may have been faster -- and install what touch_prepare() left
 * in hand, or give it back.
 */
#include "mm/anon.h"
#include "mm/fault_private.h"
#include "mm/lru.h"
#include "mm/mapping.h"
#include "mm/page_alloc.h"
#include "mm/tlb.h"
#include "mm/unevictable.h"

/* Give frames in hand back: somebody else was faster, or no memory. */
static void
give_back(struct touch *touch, uint32_t first, uint32_t count)
{
    anon_frames_free(touch->mm, &touch->work.pfns[first], count);
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
    (vma_is_locked(vma) ? unevictable_add_run : lru_add_run)(
        vma->mm->machine, cpu, pfns, added, LRU_ANON);
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

    if (replaces && vma_is_locked(work->vma))
        mapping_mlock_run(machine, leaf, index, count, false);
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
