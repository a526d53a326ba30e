/*
 * Writes through a read-only entry of a private mapping: the page is reused,
 * or a copy is made of it and left in hand for touch_commit().
 */
#include "mm/anon.h"
#include "mm/cow.h"
#include "mm/fault_private.h"
#include "mm/page_alloc.h"
#include "mm/rmap.h"

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

void
fault_prepare_copy(struct touch *touch, struct vma *vma, uint64_t addr,
                   pfn_t source, enum fault_kind kind, bool is_major)
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

void
fault_prepare_more_copies(struct touch *touch, const pfn_t *sources,
                          uint32_t count)
{
    struct fault_work *work = &touch->work;
    pfn_t *pfns = &work->pfns[work->count];
    uint32_t had = page_alloc_run_at_hand(touch->machine, touch->cpu, PAGE_ANON,
                                          count, pfns);

    for (uint32_t i = 0; i < had; i++)
        copy_page(touch, pfns[i], sources[i], work->kind);
    work->count += had;
}

/* A write through the entry copies the page, whatever was done to others
 * before it. */
static bool
is_surely_copied(struct machine *machine, pte_t pte)
{
    if ((pte & (PTE_PRESENT | PTE_WRITE | PTE_ZERO)) != PTE_PRESENT)
        return false;
    return (pte & PTE_FILE) ||
           cow_must_copy(machine, page_of(machine, pte_pfn(pte)));
}

/*
 * The first page of a run is to be copied; so are the entries of its kind
 * behind it that leave no choice, as far as frames are at hand.  Under schemes
 * with state per page it comes and goes page by page; so do locked pages and
 * those that replace them in the batch of their CPU.
 */
static void
extend_copies(struct touch *touch, const struct vma *vma,
              const struct leaf *leaf, uint32_t index, uint32_t max)
{
    struct machine *machine = touch->machine;
    pte_t *expected = touch->work.expected;
    pfn_t sources[FAULT_RUN_MAX];
    uint32_t count = 1;

    if (machine->policy.rmap->remove_run || vma_is_locked(vma) ||
        !is_surely_copied(machine, expected[0]))
        return;
    for (; count < max; count++) {
        pte_t pte = leaf->pte[index + count];

        if (((pte ^ expected[0]) & PTE_FILE) || !is_surely_copied(machine, pte))
            break;
        expected[count] = pte;
        sources[count] = pte_pfn(pte);
    }
    fault_prepare_more_copies(touch, &sources[1], count - 1);
}

void
fault_write_protected(struct touch *touch, struct vma *vma, struct leaf *leaf,
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
    fault_prepare_copy(touch, vma, addr, pte_pfn(pte), FAULT_COPY, false);
    if (touch_is_pending(touch))
        extend_copies(touch, vma, leaf, leaf_index(machine->arch, addr),
                      max_pages);
}
