/*
 * The reverse map's forwarding layer: what is true for every scheme.
 *
 * Map counts, walk counters, charges and the end of a walk are here; a scheme
 * contains only what differs.  A walk ends when as many entries were found as
 * the page has mappings, as page_referenced() of 2.6.7 does.
 *
 * File pages are found through their file's VMAs (mm/rmap_file.c) unless the
 * scheme keeps them itself.
 */
#include "mm/rmap.h"

#include "mm/aspace.h"
#include "mm/machine.h"

const struct rmap_ops *const rmap_schemes[] = {
    &rmap_pte_chain,
    &rmap_anon_vma,
    &rmap_anon_vma_chain,
    NULL,
};

/* Every entry of the run maps a frame of its own, never the zero page. */
static bool
maps_frames(const struct leaf *leaf, uint32_t index, uint32_t count)
{
    pte_t all = PTE_PRESENT, any = 0;

    for (uint32_t i = index; i < index + count; i++) {
        all &= leaf->pte[i];
        any |= leaf->pte[i];
    }
    return (all & PTE_PRESENT) && !(any & PTE_ZERO);
}

uint32_t
rmap_add_run(struct machine *machine, struct vma *vma, struct leaf *leaf,
             uint32_t index, uint32_t count)
{
    const struct rmap_ops *ops = machine->policy.rmap;
    uint32_t added = count;

    mm_assert_deep(maps_frames(leaf, index, count));
    for (uint32_t i = index; i < index + count; i++)
        page_of(machine, pte_pfn(leaf->pte[i]))->map_count++;

    if (ops->add_run)
        added = ops->add_run(machine, vma, leaf, index, count);
    for (uint32_t i = index + added; i < index + count; i++)
        page_of(machine, pte_pfn(leaf->pte[i]))->map_count--;
    charge(machine, ops->update_charge, added);
    return added;
}

uint32_t
rmap_run_at_hand(const struct machine *machine, const pfn_t *pfns,
                 uint32_t count)
{
    uint32_t i = 0;

    if (!machine->policy.rmap->add_run)
        return count;
    while (i < count && machine->pages[pfns[i].v].map_count == 0)
        i++;
    return i;
}

void
rmap_remove_run(struct machine *machine, struct leaf *leaf, uint32_t index,
                uint32_t count)
{
    const struct rmap_ops *ops = machine->policy.rmap;

    mm_assert_deep(maps_frames(leaf, index, count));
    if (ops->remove_run)
        ops->remove_run(machine, leaf, index, count);
    for (uint32_t i = index; i < index + count; i++) {
        struct page *page = page_of(machine, pte_pfn(leaf->pte[i]));

        mm_assert(page->map_count > 0);
        page->map_count--;
    }
    charge(machine, ops->update_charge, count);
}

void
rmap_moved(struct machine *machine, struct leaf *from, uint32_t from_index,
           struct leaf *to, uint32_t to_index)
{
    const struct rmap_ops *ops = machine->policy.rmap;

    mm_assert(maps_frames(to, to_index, 1));
    if (!ops->moved)
        return;
    ops->moved(machine, from, from_index, to, to_index);
    charge(machine, ops->update_charge, 2);  // removed there, added here
}

bool
rmap_link_vma(struct vma *vma)
{
    const struct rmap_ops *ops = vma->mm->machine->policy.rmap;

    mm_assert(vma->family);
    charge(vma->mm->machine, CHARGE_anon_lock_pair, 1);
    return !ops->link_vma || ops->link_vma(vma);
}

void
rmap_unlink_vma(struct vma *vma)
{
    const struct rmap_ops *ops = vma->mm->machine->policy.rmap;

    mm_assert(vma->family);
    if (ops->unlink_vma)
        ops->unlink_vma(vma);
}

bool
rmap_create_family(struct machine *machine, struct anon_family *family)
{
    const struct rmap_ops *ops = machine->policy.rmap;

    return !ops->create_family || ops->create_family(machine, family);
}

void
rmap_destroy_family(struct machine *machine, struct anon_family *family)
{
    const struct rmap_ops *ops = machine->policy.rmap;

    if (ops->destroy_family)
        ops->destroy_family(machine, family);
}

/* A walk in progress: the caller's visitor and the mappings not yet found. */
struct walk {
    rmap_visit_fn visit;
    void *data;
    uint32_t remaining_count;
};

static bool
walk_visit(struct leaf *leaf, uint32_t index, void *data)
{
    struct walk *walk = data;

    walk->remaining_count--;
    return walk->visit(leaf, index, walk->data) && walk->remaining_count > 0;
}

void
rmap_walk(struct machine *machine, struct page *page, rmap_visit_fn visit,
          void *data)
{
    const struct rmap_ops *ops = machine->policy.rmap;
    bool by_file = page_state(page) == PAGE_FILE && !ops->chains_file_pages;
    struct walk walk = {visit, data, page->map_count};

    machine->counters.rmap_walk_count++;
    if (page->map_count == 0)
        return;
    charge(machine, CHARGE_anon_lock_pair, !by_file);
    if (by_file)
        rmap_file_walk(machine, page, walk_visit, &walk);
    else
        ops->walk(machine, page, walk_visit, &walk);
}

void
rmap_walk_referenced(struct machine *machine, struct page *page,
                     rmap_visit_fn visit, void *data)
{
    const struct rmap_ops *ops = machine->policy.rmap;

    rmap_walk(machine, page, visit, data);
    if (ops->referenced)
        ops->referenced(machine, page);
}

static bool
maps_page(const struct machine *machine, const struct page *page, pte_t pte)
{
    return (pte & PTE_PRESENT) && !(pte & PTE_ZERO) &&
           pte_pfn(pte).v == pfn_of(machine, page).v;
}

bool
rmap_visit_candidate(struct machine *machine, struct page *page,
                     struct leaf *leaf, uint32_t index, rmap_visit_fn visit,
                     void *data)
{
    machine->counters.rmap_visit_count++;
    charge(machine, CHARGE_rmap_walk_step, 1);
    if (leaf && maps_page(machine, page, leaf->pte[index]))
        return visit(leaf, index, data);
    machine->counters.rmap_miss_count++;
    return true;
}

bool
rmap_vma_covers(const struct vma *vma, uint64_t index)
{
    return index >= vma->pgoff && index - vma->pgoff < vma_pages(vma);
}

bool
rmap_visit_vma(struct machine *machine, struct page *page, struct vma *vma,
               rmap_visit_fn visit, void *data)
{
    if (!rmap_vma_covers(vma, page->index))
        return rmap_visit_candidate(machine, page, NULL, 0, visit, data);

    uint64_t addr = vma->start + pages_to_bytes(page->index - vma->pgoff);
    struct leaf *leaf = pagetable_leaf(vma->mm, addr);

    return rmap_visit_candidate(machine, page, leaf,
                                leaf_index(machine->arch, addr), visit, data);
}

void
rmap_validate(const struct machine *machine)
{
    mm_assert(machine->gauge[GAUGE_rmap_bytes] ==
              machine->policy.rmap->bytes(machine));
}
