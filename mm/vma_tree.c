/*
 * The VMAs of an address space, in order.
 *
 * They are kept several times over, and every change is told to all:
 *
 *   list            prev and next of struct vma
 *   red-black tree  mm/vma_rbtree.h, where an axis wants its shape
 *   maple tree      mm/maple.h, likewise; told in one store as the kernel does
 *   B+tree          mm/vma_btree.h: where a VMA is looked for, how many lie
 *                   before it, which gap is large enough; not kept where one
 *                   of the two others answers whatever the axes ask, and not
 *                   made before it is asked anything: many a child ends first
 *
 * The gap below a VMA reaches from the end of the VMA before it (0 for the
 * first one) to vma_start_gap(): a stack keeps some pages below itself free.
 * A gap that was eaten up, say by a fixed mapping, counts as 0.
 *
 * Not modelled: vmacache of 3.15; lookups of list and red-black tree go through
 * one cached VMA.
 */
#include "mm/vma.h"

#include "mm/aspace.h"
#include "mm/machine.h"
#include "mm/vma_rbtree.h"

/* Where there is no B+tree yet, as many are looked through one by one. */
#define FEW_VMAS 8

uint64_t
vma_start_gap(const struct vma *vma)
{
    uint64_t room = vma->gap_below_bytes;

    if (vma->flags & VM_GROWSDOWN)
        room += pages_to_bytes(vma->mm->machine->kernel.stack_gap_pages);
    return room < vma->start ? vma->start - room : 0;
}

uint64_t
vma_gap_below(const struct vma *vma)
{
    uint64_t gap_start = vma->prev ? vma->prev->end : 0;
    uint64_t gap_end = vma_start_gap(vma);

    return gap_end > gap_start ? gap_end - gap_start : 0;
}

/* ---- changes ---- */

bool
vma_btree_is_kept(const struct mm *mm)
{
    return !vma_rbtree_is_enough(mm) && !maple_is_enough(mm->machine);
}

const struct vma_btree *
vma_tree_btree(const struct mm *mm)
{
    struct mm *owner = mm->first->mm;  // the same, to be written to

    mm_assert(vma_btree_is_kept(mm));
    if (!owner->btree.root)
        for (struct vma *vma = mm->first; vma; vma = vma->next)
            vma_btree_insert(&owner->btree, vma);
    return &owner->btree;
}

static void
link_into_list(struct mm *mm, struct vma *vma, struct vma *next)
{
    vma->next = next;
    vma->prev = next ? next->prev : mm->last;
    mm_assert(!vma->prev || vma->prev->end <= vma->start);
    mm_assert(!vma->next || vma->end <= vma->next->start);
    *(vma->prev ? &vma->prev->next : &mm->first) = vma;
    *(vma->next ? &vma->next->prev : &mm->last) = vma;
}

static void
insert_before(struct mm *mm, struct vma *vma, struct vma *next)
{
    mm_assert(vma->mm == mm);
    mm_assert(vma->start < vma->end);

    link_into_list(mm, vma, next);
    mm->map_count++;
    if (mm->btree.root)
        vma_btree_insert(&mm->btree, vma);
    if (vma_rbtree_is_kept(mm))
        vma_rbtree_insert(mm, vma);
    maple_store(mm, vma->start, vma->end - 1, vma);
}

void
vma_tree_insert(struct mm *mm, struct vma *vma)
{
    insert_before(mm, vma, vma_find_quiet(mm, vma->start));
}

void
vma_tree_append(struct mm *mm, struct vma *vma)
{
    insert_before(mm, vma, NULL);
}

void
vma_tree_remove_merged(struct mm *mm, struct vma *vma)
{
    struct vma *successor = vma->next;

    mm_assert(vma->mm == mm);
    mm_assert(mm->map_count > 0);
    *(vma->prev ? &vma->prev->next : &mm->first) = vma->next;
    *(vma->next ? &vma->next->prev : &mm->last) = vma->prev;
    mm->map_count--;
    mm->vma_cache = NULL;  // as munmap does, whichever VMA it holds
    if (mm->machine->finger == vma)
        mm->machine->finger = successor;
    if (mm->btree.root)
        vma_btree_remove(&mm->btree, vma);
    if (vma_rbtree_is_kept(mm))
        vma_rbtree_remove(mm, vma, successor);
    vma->prev = vma->next = NULL;
}

void
vma_tree_remove(struct mm *mm, struct vma *vma)
{
    vma_tree_remove_merged(mm, vma);
    maple_store(mm, vma->start, vma->end - 1, NULL);
}

struct vma *
vma_tree_dissolve(struct mm *mm)
{
    struct vma *first = mm->first;

    maple_finish(mm);
    vma_btree_clear(&mm->btree);
    mm->rb_root = mm->first = mm->last = mm->vma_cache = NULL;
    mm->map_count = 0;
    if (mm->machine->finger && mm->machine->finger->mm == mm)
        mm->machine->finger = NULL;
    return first;
}

static void
set_ends(struct mm *mm, struct vma *vma, uint64_t start, uint64_t end)
{
    uint64_t old_start = vma->start;

    vma->start = start;
    vma->end = end;
    if (mm->btree.root)
        vma_btree_update(&mm->btree, old_start);
    vma_rbtree_gap_changed(vma);
    vma_rbtree_gap_changed(vma->next);
}

void
vma_tree_resize(struct mm *mm, struct vma *vma, uint64_t start, uint64_t end)
{
    mm_assert(vma->mm == mm);
    mm_assert(start < end);
    mm_assert(!vma->prev || vma->prev->end <= start);
    mm_assert(!vma->next || end <= vma->next->start);

    uint64_t old_start = vma->start, old_end = vma->end;

    set_ends(mm, vma, start, end);
    if (start < old_start || end > old_end)
        maple_store(mm, start, end - 1, vma);
    if (start > old_start)
        maple_store(mm, old_start, start - 1, NULL);
    if (end < old_end)
        maple_store(mm, end, old_end - 1, NULL);
}

void
vma_tree_move_border(struct mm *mm, struct vma *below, uint64_t addr)
{
    struct vma *above = below->next;
    bool below_grows = addr > below->end;

    mm_assert(above && below->end == above->start);
    mm_assert(addr > below->start && addr < above->end);

    if (below_grows) {
        set_ends(mm, above, addr, above->end);
        set_ends(mm, below, below->start, addr);
    } else {
        set_ends(mm, below, below->start, addr);
        set_ends(mm, above, addr, above->end);
    }
    if (below_grows)
        maple_store(mm, below->start, addr - 1, below);
    else
        maple_store(mm, addr, above->end - 1, above);
}

void
vma_tree_cut(struct mm *mm, struct vma *vma, struct vma *part)
{
    bool is_below = part->start == vma->start;

    mm_assert(is_below || part->end == vma->end);
    mm_assert(vma_pages(part) < vma_pages(vma));

    if (is_below)
        set_ends(mm, vma, part->end, vma->end);
    else
        set_ends(mm, vma, vma->start, part->start);
    insert_before(mm, part, is_below ? vma : vma->next);
}

void
vma_tree_gap_changed(struct vma *vma)
{
    if (vma->mm->btree.root)
        vma_btree_update(&vma->mm->btree, vma->start);
    vma_rbtree_gap_changed(vma);
}

/* ---- look-ups ---- */

/* The next look-up is likely to be about the same place. */
static struct vma *
point_at(struct vma *vma)
{
    if (vma)
        vma->mm->machine->finger = vma;
    return vma;
}

/* A look-up that the cache does not answer; it costs what the `vma-index` axis
 * says. */
static struct vma *
find_in_index(struct mm *mm, uint64_t addr)
{
    struct vma *found = NULL;
    uint64_t step_count = 0;

    switch (mm->machine->policy.vma_index) {
    case VMA_INDEX_LIST:
        found = vma_find_quiet(mm, addr);
        step_count = found ? vma_tree_rank(found) + 1 : mm->map_count;
        break;
    case VMA_INDEX_RBTREE:
        found = vma_rbtree_find(mm, addr, &step_count);
        break;
    case VMA_INDEX_MAPLE:
        found = vma_find_quiet(mm, addr);
        break;  // has no cache: maple.lookup_steps
    }
    charge(mm->machine, CHARGE_vma_lookup_step, step_count);
    return found;
}

struct vma *
vma_find_cached(struct mm *mm, uint64_t addr)
{
    struct vma *cached = mm->vma_cache;

    if (cached && cached->start <= addr && addr < cached->end)
        return cached;
    struct vma *found = find_in_index(mm, addr);

    if (found)
        mm->vma_cache = found;
    return point_at(found);
}

static bool
is_lowest_above(const struct vma *vma, uint64_t addr)
{
    return vma && addr < vma->end && (!vma->prev || vma->prev->end <= addr);
}

struct vma *
vma_find(struct mm *mm, uint64_t addr)
{
    charge(mm->machine, CHARGE_vma_lookup_step, mm->maple.lookup_steps);
    return vma_find_cached(mm, addr);
}

static struct vma *
find_in_list(const struct mm *mm, uint64_t addr)
{
    struct vma *vma = mm->first;

    while (vma && vma->end <= addr)
        vma = vma->next;
    return vma;
}

/* Mostly the answer is the last one, or the VMA behind it. */
struct vma *
vma_find_quiet(const struct mm *mm, uint64_t addr)
{
    struct vma **finger = &mm->machine->finger;
    uint64_t step_count = 0;  // not the simulated kernel's

    if (*finger && (*finger)->mm == mm) {
        if (is_lowest_above(*finger, addr))
            return *finger;
        if (is_lowest_above((*finger)->next, addr))
            return *finger = (*finger)->next;
    }
    if (vma_rbtree_is_enough(mm))
        return point_at(vma_rbtree_find(mm, addr, &step_count));
    if (maple_is_enough(mm->machine))
        return point_at(maple_find(&mm->maple, addr));
    if (!mm->btree.root && mm->map_count <= FEW_VMAS)
        return point_at(find_in_list(mm, addr));
    return point_at(vma_btree_find(vma_tree_btree(mm), addr));
}

struct vma *
vma_intersect(const struct mm *mm, uint64_t start, uint64_t end)
{
    struct vma *vma = vma_find_quiet(mm, start);

    return vma && vma->start < end ? vma : NULL;
}

/* ---- order and gaps ---- */

uint32_t
vma_tree_rank(const struct vma *vma)
{
    return vma_btree_rank(vma_tree_btree(vma->mm), vma->start);
}

uint64_t
vma_tree_max_gap(const struct vma *first, const struct vma *last)
{
    mm_assert(first->start <= last->start);
    return vma_btree_max_gap(vma_tree_btree(first->mm), first->start,
                             last->start);
}

struct vma *
vma_tree_next_gap(const struct vma *vma, uint64_t length)
{
    return point_at(
        vma_btree_next_gap(vma_tree_btree(vma->mm), vma->start, length));
}

struct vma *
vma_tree_prev_gap(const struct vma *vma, uint64_t length)
{
    return point_at(
        vma_btree_prev_gap(vma_tree_btree(vma->mm), vma->start, length));
}

/* ---- validation ---- */

static void
validate_list(const struct mm *mm)
{
    const struct vma *prev = NULL;
    uint32_t count = 0;

    for (const struct vma *vma = mm->first; vma; prev = vma, vma = vma->next) {
        mm_invariant(V1, vma->start < vma->end);
        mm_invariant(V1, (vma->start | vma->end) % PAGE_BYTES == 0);
        mm_invariant(V1, !prev || prev->end <= vma->start);
        mm_invariant(V2, vma->prev == prev && vma->mm == mm);
        count++;
        mm_invariant(V5, count <= mm->map_count);
    }
    mm_invariant(V2, mm->last == prev);
    mm_invariant(V5, count == mm->map_count);
}

void
vma_tree_validate(const struct mm *mm)
{
    validate_list(mm);
    if (mm->btree.root)
        vma_btree_validate(&mm->btree, mm->first);
    vma_rbtree_validate(mm);
}
