/*
 * The VMA tree: a red-black tree per address space, ordered by address.
 *
 *                 [ d..e )            every node knows, for its subtree,
 *                /        \             subtree_gap    largest gap below a VMA
 *         [ a..b )        [ g..h )      subtree_count  number of VMAs
 *
 * The gap below a VMA reaches from the end of the VMA before it (0 for the
 * first one) to vma_start_gap(): a stack keeps some pages below itself free.
 * A gap that was eaten up, say by a fixed mapping, counts as 0.
 *
 * Insertion and removal are the textbook algorithms, the successor taking the
 * place of a removed node with two children, so that shapes -- and with them
 * the node counts of find_vma() and of the gap search -- are those of
 * Linux 3.8 (vma_rb_insert, vma_rb_erase).  An ordinary tree without the two
 * sums would have the same shape, so older kernels are served by it as well.
 *
 * Below: the two sums; rotation, insertion, removal; lookup; order and gap
 * queries, all O(log n); validation.
 *
 * Where an axis wants the maple tree of 6.1 (mm/maple.h), every change is told
 * to it, in one store as the kernel does it.
 *
 * Not modelled: vmacache of 3.15; lookups of list and red-black tree go through
 * one cached VMA.
 */
#include "mm/vma.h"

#include "mm/aspace.h"
#include "mm/machine.h"

uint64_t
vma_start_gap(const struct vma *vma)
{
    uint64_t room = vma->gap_below_bytes;

    if (vma->flags & VM_GROWSDOWN)
        room += pages_to_bytes(vma->mm->machine->kernel.stack_gap_pages);
    return room < vma->start ? vma->start - room : 0;
}

static uint64_t
gap_below(const struct vma *vma)
{
    uint64_t gap_start = vma->prev ? vma->prev->end : 0;
    uint64_t gap_end = vma_start_gap(vma);

    return gap_end > gap_start ? gap_end - gap_start : 0;
}

static uint64_t
subtree_gap(const struct vma *vma)
{
    return vma ? vma->subtree_gap : 0;
}

static uint32_t
subtree_count(const struct vma *vma)
{
    return vma ? vma->subtree_count : 0;
}

static void
sum_up(struct vma *vma)
{
    vma->subtree_gap = MAX(
        gap_below(vma), MAX(subtree_gap(vma->left), subtree_gap(vma->right)));
    vma->subtree_count =
        subtree_count(vma->left) + 1 + subtree_count(vma->right);
}

static void
sum_up_to_root(struct vma *vma)
{
    for (; vma; vma = vma->parent)
        sum_up(vma);
}

/* The gap below the VMA has changed, nothing else. */
static void
pass_gap_up(struct vma *vma)
{
    for (; vma; vma = vma->parent) {
        uint64_t before = vma->subtree_gap;

        sum_up(vma);
        if (vma->subtree_gap == before)
            return;
    }
}

/* The subtrees from `vma` up have one VMA more or less, and the gap below
 * `successor`, which is on the way (NULL: there is none), has changed.  Where
 * no gap grows or shrinks any more, the other subtrees need no look. */
static void
pass_count_up(struct vma *vma, uint32_t difference, const struct vma *successor)
{
    bool is_settled = false, is_behind = successor == NULL;

    for (; vma; vma = vma->parent) {
        uint64_t before = vma->subtree_gap;

        if (is_settled) {
            vma->subtree_count += difference;
            continue;
        }
        sum_up(vma);
        is_behind |= vma == successor;
        is_settled = is_behind && vma->subtree_gap == before;
    }
}

/* `after`, which may be NULL, takes the place of `before` under its parent. */
static void
replace_child(struct mm *mm, struct vma *before, struct vma *after)
{
    struct vma *parent = before->parent;

    if (!parent)
        mm->root = after;
    else if (parent->left == before)
        parent->left = after;
    else
        parent->right = after;
    if (after)
        after->parent = parent;
}

static void
rotate_left(struct mm *mm, struct vma *vma)
{
    struct vma *up = vma->right;

    vma->right = up->left;
    if (vma->right)
        vma->right->parent = vma;
    replace_child(mm, vma, up);
    up->left = vma;
    vma->parent = up;
    sum_up(vma);
    sum_up(up);
}

static void
rotate_right(struct mm *mm, struct vma *vma)
{
    struct vma *up = vma->left;

    vma->left = up->right;
    if (vma->left)
        vma->left->parent = vma;
    replace_child(mm, vma, up);
    up->right = vma;
    vma->parent = up;
    sum_up(vma);
    sum_up(up);
}

static bool
is_red(const struct vma *vma)
{
    return vma && vma->is_red;
}

/* `vma` is red; its parent may be red too. */
static void
rebalance_after_insert(struct mm *mm, struct vma *vma)
{
    while (is_red(vma->parent)) {
        struct vma *parent = vma->parent;
        struct vma *grandparent = parent->parent;
        bool is_left = parent == grandparent->left;
        struct vma *uncle = is_left ? grandparent->right : grandparent->left;

        grandparent->is_red = true;
        if (is_red(uncle)) {
            parent->is_red = uncle->is_red = false;
            vma = grandparent;
            continue;
        }
        if (is_left) {
            if (vma == parent->right)
                rotate_left(mm, parent);
            grandparent->left->is_red = false;
            rotate_right(mm, grandparent);
        } else {
            if (vma == parent->left)
                rotate_right(mm, parent);
            grandparent->right->is_red = false;
            rotate_left(mm, grandparent);
        }
        break;
    }
    mm->root->is_red = false;
}

/* One black node too few below the left child of `parent`.  Returns whether
 * that is repaired; otherwise the whole of `parent` is one short. */
static bool
repair_left(struct mm *mm, struct vma *parent)
{
    struct vma *sibling = parent->right;

    if (sibling->is_red) {
        sibling->is_red = false;
        parent->is_red = true;
        rotate_left(mm, parent);
        sibling = parent->right;
    }
    if (!is_red(sibling->left) && !is_red(sibling->right)) {
        sibling->is_red = true;
        return false;
    }
    if (!is_red(sibling->right)) {
        sibling->left->is_red = false;
        sibling->is_red = true;
        rotate_right(mm, sibling);
        sibling = parent->right;
    }
    sibling->is_red = parent->is_red;
    parent->is_red = false;
    sibling->right->is_red = false;
    rotate_left(mm, parent);
    return true;
}

/* The mirror image. */
static bool
repair_right(struct mm *mm, struct vma *parent)
{
    struct vma *sibling = parent->left;

    if (sibling->is_red) {
        sibling->is_red = false;
        parent->is_red = true;
        rotate_right(mm, parent);
        sibling = parent->left;
    }
    if (!is_red(sibling->left) && !is_red(sibling->right)) {
        sibling->is_red = true;
        return false;
    }
    if (!is_red(sibling->left)) {
        sibling->right->is_red = false;
        sibling->is_red = true;
        rotate_left(mm, sibling);
        sibling = parent->left;
    }
    sibling->is_red = parent->is_red;
    parent->is_red = false;
    sibling->left->is_red = false;
    rotate_right(mm, parent);
    return true;
}

/* A black node was taken away above `vma` (NULL: an empty subtree), which
 * hangs below `parent`. */
static void
rebalance_after_remove(struct mm *mm, struct vma *vma, struct vma *parent)
{
    while (parent && !is_red(vma)) {
        bool done = vma == parent->left ? repair_left(mm, parent)
                                        : repair_right(mm, parent);
        if (done)
            return;
        vma = parent;
        parent = vma->parent;
    }
    if (vma)
        vma->is_red = false;
}

/* Of two neighbours one has no child on the other's side: a walk down from the
 * root would end there. */
static void
link_into_tree(struct mm *mm, struct vma *vma)
{
    struct vma *next = vma_find_quiet(mm, vma->start);
    struct vma *prev = next ? next->prev : mm->last;

    if (prev && !prev->right) {
        prev->right = vma;
        vma->parent = prev;
    } else {
        *(next ? &next->left : &mm->root) = vma;
        vma->parent = next;
    }
    vma->left = vma->right = NULL;
    vma->is_red = true;
    vma->prev = prev;
    vma->next = next;
}

static void
insert(struct mm *mm, struct vma *vma)
{
    mm_assert(vma->mm == mm);
    mm_assert(vma->start < vma->end);

    link_into_tree(mm, vma);
    mm_assert(!vma->prev || vma->prev->end <= vma->start);
    mm_assert(!vma->next || vma->end <= vma->next->start);
    *(vma->prev ? &vma->prev->next : &mm->first) = vma;
    *(vma->next ? &vma->next->prev : &mm->last) = vma;
    mm->map_count++;

    sum_up(vma);
    pass_count_up(vma->parent, 1,
                  vma->next);  // a leaf lies below its successor
    rebalance_after_insert(mm, vma);
}

void
vma_tree_insert(struct mm *mm, struct vma *vma)
{
    insert(mm, vma);
    maple_store(mm, vma->start, vma->end - 1, vma);
}

/* Take a VMA with two children out of the tree: its successor moves into its
 * place.  Returns what took the successor's place; *parent is above that. */
static struct vma *
replace_by_successor(struct mm *mm, struct vma *vma, struct vma *successor,
                     struct vma **parent)
{
    struct vma *child = successor->right;

    *parent = successor;
    if (successor != vma->right) {
        *parent = successor->parent;
        replace_child(mm, successor, child);
        successor->right = vma->right;
        successor->right->parent = successor;
    }
    replace_child(mm, vma, successor);
    successor->left = vma->left;
    successor->left->parent = successor;
    return child;
}

void
vma_tree_remove_merged(struct mm *mm, struct vma *vma)
{
    struct vma *successor = vma->next, *parent = vma->parent, *child;
    bool lost_red = vma->is_red;

    mm_assert(vma->mm == mm);
    mm_assert(mm->map_count > 0);
    *(vma->prev ? &vma->prev->next : &mm->first) = vma->next;
    *(vma->next ? &vma->next->prev : &mm->last) = vma->prev;
    mm->map_count--;
    mm->vma_cache = NULL;  // as munmap does, whichever VMA it holds
    if (mm->machine->finger == vma)
        mm->machine->finger = successor;

    /* The successor, whose gap has grown, is on the way up or starts it. */
    if (vma->left && vma->right) {
        lost_red = successor->is_red;
        successor->is_red = vma->is_red;
        child = replace_by_successor(mm, vma, successor, &parent);
        sum_up_to_root(child ? child : parent);
    } else {
        child = vma->left ? vma->left : vma->right;
        replace_child(mm, vma, child);
        if (child)
            sum_up(child);
        pass_count_up(parent, UINT32_MAX,
                      child == successor ? NULL : successor);
    }
    if (!lost_red)
        rebalance_after_remove(mm, child, parent);
    vma->prev = vma->next = vma->left = vma->right = vma->parent = NULL;
}

void
vma_tree_remove(struct mm *mm, struct vma *vma)
{
    vma_tree_remove_merged(mm, vma);
    maple_store(mm, vma->start, vma->end - 1, NULL);
}

static void
set_ends(struct vma *vma, uint64_t start, uint64_t end)
{
    vma->start = start;
    vma->end = end;
    pass_gap_up(vma);
    pass_gap_up(vma->next);
}

void
vma_tree_resize(struct mm *mm, struct vma *vma, uint64_t start, uint64_t end)
{
    mm_assert(vma->mm == mm);
    mm_assert(start < end);
    mm_assert(!vma->prev || vma->prev->end <= start);
    mm_assert(!vma->next || end <= vma->next->start);

    uint64_t old_start = vma->start, old_end = vma->end;

    set_ends(vma, start, end);
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

    above->start = addr;
    set_ends(below, below->start, addr);
    if (below_grows)
        maple_store(mm, below->start, addr - 1, below);
    else
        maple_store(mm, addr, above->end - 1, above);
}

void
vma_tree_cut(struct mm *mm, struct vma *vma, struct vma *part)
{
    mm_assert(part->start == vma->start || part->end == vma->end);
    mm_assert(vma_pages(part) < vma_pages(vma));

    if (part->start == vma->start)
        set_ends(vma, part->end, vma->end);
    else
        set_ends(vma, vma->start, part->start);
    insert(mm, part);
    maple_store(mm, part->start, part->end - 1, part);
}

void
vma_tree_gap_changed(struct vma *vma)
{
    pass_gap_up(vma);
}

static struct vma *
find(const struct mm *mm, uint64_t addr, uint64_t *step_count)
{
    struct vma *found = NULL;

    for (struct vma *vma = mm->root; vma; ++*step_count) {
        if (vma->end <= addr) {
            vma = vma->right;
            continue;
        }
        found = vma;
        vma = vma->start <= addr ? NULL : vma->left;
    }
    return found;
}

/* VMAs or nodes that a lookup visits which the cache does not answer: the
 * `vma-index` axis. */
static uint64_t
index_steps(const struct mm *mm, const struct vma *found, uint64_t tree_steps)
{
    switch (mm->machine->policy.vma_index) {
    case VMA_INDEX_LIST:
        return found ? vma_tree_rank(found) + 1 : mm->map_count;
    case VMA_INDEX_RBTREE:
        return tree_steps;
    case VMA_INDEX_MAPLE:
        return 0;  // has no cache: maple.lookup_steps
    }
    return 0;
}

struct vma *
vma_find_cached(struct mm *mm, uint64_t addr)
{
    struct vma *cached = mm->vma_cache;
    uint64_t tree_steps = 0;

    if (cached && cached->start <= addr && addr < cached->end)
        return cached;
    struct vma *found = find(mm, addr, &tree_steps);
    charge(mm->machine, CHARGE_vma_lookup_step,
           index_steps(mm, found, tree_steps));
    if (found)
        mm->vma_cache = found;
    return found;
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

/* Mostly the answer is the last one, or the VMA behind it. */
struct vma *
vma_find_quiet(const struct mm *mm, uint64_t addr)
{
    struct vma **finger = &mm->machine->finger;
    uint64_t step_count = 0;

    if (*finger && (*finger)->mm == mm) {
        if (is_lowest_above(*finger, addr))
            return *finger;
        if (is_lowest_above((*finger)->next, addr))
            return *finger = (*finger)->next;
    }
    struct vma *found = find(mm, addr, &step_count);
    if (found)
        *finger = found;
    return found;
}

struct vma *
vma_intersect(const struct mm *mm, uint64_t start, uint64_t end)
{
    struct vma *vma = vma_find_quiet(mm, start);

    return vma && vma->start < end ? vma : NULL;
}

uint32_t
vma_tree_rank(const struct vma *vma)
{
    uint32_t rank = subtree_count(vma->left);

    for (; vma->parent; vma = vma->parent)
        if (vma == vma->parent->right)
            rank += subtree_count(vma->parent->left) + 1;
    return rank;
}

uint64_t
vma_tree_max_gap(const struct vma *first, const struct vma *last)
{
    const struct vma *top = first->mm->root;  // of the paths to first and last
    uint64_t gap;

    mm_assert(first->start <= last->start);
    while (top->start < first->start || top->start > last->start)
        top = top->start < first->start ? top->right : top->left;
    gap = gap_below(top);

    for (const struct vma *vma = top->left; vma;) {
        if (vma->start < first->start) {
            vma = vma->right;
            continue;
        }
        gap = MAX(gap, MAX(gap_below(vma), subtree_gap(vma->right)));
        vma = vma->left;
    }
    for (const struct vma *vma = top->right; vma;) {
        if (vma->start > last->start) {
            vma = vma->left;
            continue;
        }
        gap = MAX(gap, MAX(gap_below(vma), subtree_gap(vma->left)));
        vma = vma->right;
    }
    return gap;
}

struct vma *
vma_tree_next_gap(const struct vma *vma, uint64_t length)
{
    while (gap_below(vma) < length) {
        if (subtree_gap(vma->right) >= length) {
            vma = vma->right;
            while (subtree_gap(vma->left) >= length)
                vma = vma->left;
            continue;
        }
        while (vma->parent && vma == vma->parent->right)
            vma = vma->parent;
        vma = vma->parent;
        if (!vma)
            return NULL;
    }
    return (struct vma *)vma;
}

struct vma *
vma_tree_prev_gap(const struct vma *vma, uint64_t length)
{
    while (gap_below(vma) < length) {
        if (subtree_gap(vma->left) >= length) {
            vma = vma->left;
            while (subtree_gap(vma->right) >= length)
                vma = vma->right;
            continue;
        }
        while (vma->parent && vma == vma->parent->left)
            vma = vma->parent;
        vma = vma->parent;
        if (!vma)
            return NULL;
    }
    return (struct vma *)vma;
}

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

/* Returns the black height; *in_order is the VMA that must come next. */
static unsigned
validate_subtree(const struct vma *vma, const struct vma *parent,
                 const struct vma **in_order)
{
    unsigned left_height, right_height;

    if (!vma)
        return 1;
    mm_invariant(V2, vma->parent == parent);
    mm_invariant(V3, !(vma->is_red && (!parent || parent->is_red)));
    left_height = validate_subtree(vma->left, vma, in_order);
    mm_invariant(V2, vma == *in_order);
    *in_order = vma->next;
    right_height = validate_subtree(vma->right, vma, in_order);
    mm_invariant(V3, left_height == right_height);

    struct vma sums = *vma;
    sum_up(&sums);
    mm_invariant(V4, sums.subtree_gap == vma->subtree_gap);
    mm_invariant(V4, sums.subtree_count == vma->subtree_count);
    return left_height + (vma->is_red ? 0 : 1);
}

void
vma_tree_validate(const struct mm *mm)
{
    const struct vma *in_order = mm->first;

    validate_list(mm);
    validate_subtree(mm->root, NULL, &in_order);
    mm_invariant(V2, !in_order);
}
