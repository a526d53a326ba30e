/*
 * vrange v7: the calls, and emptying a victim range.
 *
 * The ranges of an address space are a tree, sorted by where they end: the
 * calls cost a search and what they overlap.  What the kernel's interval tree
 * would have visited is charged as log2(ranges) + 1 + overlapped.
 *
 * A page leaves when every mapping of it lies in a volatile range of its
 * address space and in no locked VMA; its PTEs become markers.
 */
#include "mm/vrange.h"

#include "mm/aspace.h"
#include "mm/machine.h"
#include "mm/mapping.h"
#include "mm/rmap.h"
#include "mm/tlb.h"

#include <errno.h>

struct vrange_set {
    GTree *ranges;  // struct vrange * by its end
};

static void
lru_unlink(struct machine *machine, struct vrange *range)
{
    if (range->lru_prev)
        range->lru_prev->lru_next = range->lru_next;
    else
        machine->vrange_lru_head = range->lru_next;
    if (range->lru_next)
        range->lru_next->lru_prev = range->lru_prev;
    else
        machine->vrange_lru_tail = range->lru_prev;
}

static void
lru_link(struct machine *machine, struct vrange *range)
{
    range->lru_prev = NULL;
    range->lru_next = machine->vrange_lru_head;
    if (range->lru_next)
        range->lru_next->lru_prev = range;
    else
        machine->vrange_lru_tail = range;
    machine->vrange_lru_head = range;
}

static int
compare_ends(gconstpointer a, gconstpointer b)
{
    const uint64_t *one = a, *other = b;

    return (*one > *other) - (*one < *other);
}

static struct vrange *
range_of(GTreeNode *node)
{
    return node ? g_tree_node_value(node) : NULL;
}

/* The first range that ends after addr; NULL: none. */
static GTreeNode *
first_after(const struct mm *mm, uint64_t addr)
{
    return g_tree_upper_bound(mm->vranges->ranges, &addr);
}

static struct vrange *
range_create(struct mm *mm, uint64_t start, uint64_t end, bool purged)
{
    struct vrange *range = slab_alloc(mm->machine, SLAB_VRANGE);

    if (!range)
        return NULL;
    *range =
        (struct vrange){.start = start, .end = end, .purged = purged, .mm = mm};
    return range;
}

static void
range_insert(struct vrange *range)
{
    g_tree_insert(range->mm->vranges->ranges, &range->end, range);
    lru_link(range->mm->machine, range);
}

/* From the LRU, and with it from the machine. */
static void
range_free(struct vrange *range)
{
    struct machine *machine = range->mm->machine;

    lru_unlink(machine, range);
    slab_free(machine, SLAB_VRANGE, range);
}

static void
range_delete(struct vrange *range)
{
    g_tree_remove(range->mm->vranges->ranges, &range->end);
    range_free(range);
}

static void
ensure_set(struct mm *mm)
{
    if (mm->vranges)
        return;
    mm->vranges = g_new0(struct vrange_set, 1);
    mm->vranges->ranges = g_tree_new(compare_ends);
}

static void
charge_steps(struct mm *mm, int range_count, uint64_t overlapped)
{
    unsigned depth = 1;

    for (; range_count; range_count >>= 1)
        depth++;
    charge(mm->machine, CHARGE_vrange_step, depth + overlapped);
}

static int64_t
mark_volatile(struct mm *mm, uint64_t start, uint64_t end)
{
    struct vrange *fresh = range_create(mm, start, end, false), *range;
    int range_count = g_tree_nnodes(mm->vranges->ranges);
    uint64_t overlapped = 0;

    if (!fresh)
        return -ENOMEM;
    while ((range = range_of(first_after(mm, start))) && range->start < end) {
        /* Strictly inside at both ends: nothing to do. */
        if (range->start < start && range->end > end) {
            charge_steps(mm, range_count, 1);
            slab_free(mm->machine, SLAB_VRANGE, fresh);
            return 0;
        }
        fresh->start = MIN(fresh->start, range->start);
        fresh->end = MAX(fresh->end, range->end);
        fresh->purged |= range->purged;
        range_delete(range);
        overlapped++;
    }
    charge_steps(mm, range_count, overlapped);
    range_insert(fresh);
    return 0;
}

/* Cut [start, end) out of one range.  `spare` serves a split. */
static bool
cut(struct vrange *range, uint64_t start, uint64_t end, struct vrange *spare)
{
    if (range->start < start && range->end > end) {
        spare->start = end;
        spare->end = range->end;
        spare->purged = range->purged;
        range->end = start;
        range_insert(spare);
        return true;
    }
    if (range->start < start)
        range->end = start;
    else
        range->start = end;
    return false;
}

static int64_t
mark_nonvolatile(struct mm *mm, uint64_t start, uint64_t end)
{
    struct vrange *spare = range_create(mm, 0, 0, false), *range;
    bool spare_used = false, purged = false;
    uint64_t overlapped = 0;

    if (!spare)
        return -ENOMEM;
    while ((range = range_of(first_after(mm, start))) && range->start < end) {
        overlapped++;
        purged |= range->purged;
        if (range->start >= start && range->end <= end)
            range_delete(range);
        else
            spare_used |= cut(range, start, end, spare);
    }
    charge_steps(mm, g_tree_nnodes(mm->vranges->ranges), overlapped);
    if (!spare_used)
        slab_free(mm->machine, SLAB_VRANGE, spare);
    return purged;
}

int64_t
vrange_call(struct mm *mm, uint64_t start, uint64_t length, bool is_volatile)
{
    uint64_t end = start + page_floor(length);

    if (start & ~PAGE_MASK)
        return -EINVAL;
    if (page_floor(length) == 0 || end < start ||
        start >= mm->pagetable.arch->task_size)
        return -EINVAL;
    ensure_set(mm);
    return is_volatile ? mark_volatile(mm, start, end)
                       : mark_nonvolatile(mm, start, end);
}

struct vrange *
vrange_find(const struct mm *mm, uint64_t start, uint64_t end)
{
    if (!mm->vranges)
        return NULL;

    struct vrange *range = range_of(first_after(mm, start));

    return range && range->start < end ? range : NULL;
}

void
vrange_mark_purged(struct mm *mm, uint64_t addr)
{
    for (GTreeNode *node = first_after(mm, addr); node;
         node = g_tree_node_next(node)) {
        struct vrange *range = range_of(node);

        if (range->start >= addr + PAGE_BYTES)
            break;
        range->purged = true;
    }
}

/* ---- reclaim ---- */

/* Phase 1: may every mapping of the page go? */
static bool
is_volatile_mapping(struct leaf *leaf, uint32_t index, void *data)
{
    bool *all_volatile = data;
    uint64_t addr = leaf->base + pages_to_bytes(index);
    const struct vma *vma = vma_find_quiet(leaf->mm, addr);

    *all_volatile = vma && !(vma->flags & VM_LOCKED) &&
                    vrange_find(leaf->mm, addr, addr + PAGE_BYTES);
    return *all_volatile;
}

/* Phase 2: leave a marker in place of the page. */
static bool
discard_mapping(struct leaf *leaf, uint32_t index, void *data)
{
    uint64_t *discarded = data;
    uint64_t addr = leaf->base + pages_to_bytes(index);

    mapping_clear_run(leaf->mm, leaf, index, 1);
    leaf->pte[index] = PTE_PURGED;
    leaf->used_count++;
    vrange_mark_purged(leaf->mm, addr);
    tlb_flush(leaf->mm, 1);
    (*discarded)++;
    return true;
}

/* One page of a victim range; frames freed (0 or 1). */
static uint64_t
discard_page(struct machine *machine, struct leaf *leaf, uint32_t index)
{
    pte_t pte = leaf->pte[index];
    bool all_volatile = false;
    uint64_t discarded = 0;

    if (pte_class(pte) != PTE_CLASS_ANON)
        return 0;
    struct page *page = page_of(machine, pte_pfn(pte));
    machine->counters.reclaim_scanned_pages++;
    rmap_walk(machine, page, is_volatile_mapping, &all_volatile);
    if (!all_volatile)
        return 0;
    rmap_walk(machine, page, discard_mapping, &discarded);
    machine->counters.purge_discarded_pages += discarded;
    machine->counters.purge_lazy_pages += discarded;
    machine->counters.reclaim_freed_pages++;
    return 1;
}

/* vrange-full: a victim loses all its pages, in address order. */
static uint64_t
empty_range(struct machine *machine, struct vrange *range)
{
    struct mm *mm = range->mm;
    const struct arch *arch = mm->pagetable.arch;
    uint64_t end = range->end, freed = 0;
    struct leaf *leaf;

    for (uint64_t at = range->start;
         (leaf = pagetable_next_leaf(mm, at, end));) {
        uint64_t first = MAX(at, leaf->base);
        uint64_t last = MIN(end, leaf->base + leaf_span_bytes(arch));

        at = leaf->base + leaf_span_bytes(arch);
        for (uint64_t addr = first; addr < last; addr += PAGE_BYTES)
            freed += discard_page(machine, leaf, leaf_index(arch, addr));
    }
    return freed;
}

uint64_t
vrange_reclaim(struct machine *machine, uint64_t pages)
{
    struct vrange *stop = NULL;
    uint64_t freed = 0;

    while (freed < pages) {
        struct vrange *victim = machine->vrange_lru_tail;

        if (!victim || victim == stop)
            break;
        if (!stop)
            stop = victim;
        freed += empty_range(machine, victim);
        lru_unlink(machine, victim);
        lru_link(machine, victim);
    }
    return freed;
}

void
vrange_forget(struct mm *mm)
{
    if (!mm->vranges)
        return;
    for (GTreeNode *node = g_tree_node_first(mm->vranges->ranges); node;
         node = g_tree_node_next(node))
        range_free(range_of(node));
    g_tree_unref(mm->vranges->ranges);
    g_free(mm->vranges);
    mm->vranges = NULL;
}

static uint64_t
validate_set(const struct mm *mm)
{
    uint64_t end = 0;

    for (GTreeNode *node = g_tree_node_first(mm->vranges->ranges); node;
         node = g_tree_node_next(node)) {
        const struct vrange *range = range_of(node);

        mm_invariant(R1, range->start < range->end);
        mm_invariant(R1, end <= range->start);
        mm_invariant(R1, range->mm == mm);
        end = range->end;
    }
    return (uint64_t)g_tree_nnodes(mm->vranges->ranges);
}

void
vrange_validate(const struct machine *machine)
{
    uint64_t listed = 0, owned = 0;

    for (const struct mm *mm = machine->mms; mm; mm = mm->next)
        if (mm->vranges)
            owned += validate_set(mm);
    for (const struct vrange *range = machine->vrange_lru_head; range;
         range = range->lru_next)
        mm_invariant(R2, ++listed <= owned);
    mm_invariant(R2, listed == owned);
}
