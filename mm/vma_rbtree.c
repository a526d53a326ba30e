/*
 * The red-black tree of VMAs, for the kernels that had one: kept where an axis
 * wants its shape, hence the number of nodes that a look-up (vma-index=rbtree)
 * or a gap search (gap=rb-gap) visits.
 *
 *                 [ d..e )            where rb-gap searches, a node knows, for
 *                /        \             its subtree, subtree_gap: the largest
 *         [ a..b )        [ g..h )      gap below a VMA
 *
 * Insertion and removal are the textbook algorithms, the successor taking the
 * place of a removed node with two children, so that shapes are those of
 * Linux 3.8 (vma_rb_insert, vma_rb_erase).  A tree without the gaps has the
 * same shape, so older kernels are served by it as well.
 *
 * Nobody looks for a place in it: a new VMA hangs below one of its neighbours,
 * which the list knows (mm/vma_tree.c).
 */
#include "mm/vma_rbtree.h"

#include "mm/aspace.h"
#include "mm/machine.h"

static bool
has_gaps(const struct mm *mm)
{
    const struct gap_ops *gap = mm->machine->policy.gap;

    return gap && gap->needs_rbtree;
}

bool
vma_rbtree_is_kept(const struct mm *mm)
{
    return mm->machine->policy.vma_index == VMA_INDEX_RBTREE || has_gaps(mm);
}

bool
vma_rbtree_is_enough(const struct mm *mm)
{
    return mm->machine->policy.vma_index == VMA_INDEX_RBTREE && has_gaps(mm);
}

/* ---- gaps ---- */

static uint64_t
subtree_gap(const struct vma *vma)
{
    return vma ? vma->subtree_gap : 0;
}

static uint64_t
gap_of_subtree(const struct vma *vma)
{
    return MAX(vma_gap_below(vma),
               MAX(subtree_gap(vma->left), subtree_gap(vma->right)));
}

static void
sum_up(const struct mm *mm, struct vma *vma)
{
    if (has_gaps(mm))
        vma->subtree_gap = gap_of_subtree(vma);
}

void
vma_rbtree_gap_changed(struct vma *vma)
{
    if (!vma || !has_gaps(vma->mm))
        return;
    for (; vma; vma = vma->parent) {
        uint64_t before = vma->subtree_gap;

        sum_up(vma->mm, vma);
        if (vma->subtree_gap == before)
            return;
    }
}

/* ---- shape ---- */

/* `after`, which may be NULL, takes the place of `before` under its parent. */
static void
replace_child(struct mm *mm, struct vma *before, struct vma *after)
{
    struct vma *parent = before->parent;

    if (!parent)
        mm->rb_root = after;
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
    sum_up(mm, vma);
    sum_up(mm, up);
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
    sum_up(mm, vma);
    sum_up(mm, up);
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
    mm->rb_root->is_red = false;
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
void
vma_rbtree_insert(struct mm *mm, struct vma *vma)
{
    struct vma *prev = vma->prev, *next = vma->next;

    if (prev && !prev->right) {
        prev->right = vma;
        vma->parent = prev;
    } else {
        *(next ? &next->left : &mm->rb_root) = vma;
        vma->parent = next;
    }
    vma->left = vma->right = NULL;
    vma->is_red = true;
    sum_up(mm, vma);
    vma_rbtree_gap_changed(vma->parent);
    vma_rbtree_gap_changed(next);
    rebalance_after_insert(mm, vma);
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
vma_rbtree_remove(struct mm *mm, struct vma *vma, struct vma *successor)
{
    struct vma *parent = vma->parent, *child;
    bool lost_red = vma->is_red;

    if (vma->left && vma->right) {
        lost_red = successor->is_red;
        successor->is_red = vma->is_red;
        successor->subtree_gap = vma->subtree_gap;  // what is known above
        child = replace_by_successor(mm, vma, successor, &parent);
    } else {
        child = vma->left ? vma->left : vma->right;
        replace_child(mm, vma, child);
    }
    vma_rbtree_gap_changed(parent);
    vma_rbtree_gap_changed(successor);
    if (!lost_red)
        rebalance_after_remove(mm, child, parent);
    vma->left = vma->right = vma->parent = NULL;
}

struct vma *
vma_rbtree_find(const struct mm *mm, uint64_t addr, uint64_t *step_count)
{
    struct vma *found = NULL;

    for (struct vma *vma = mm->rb_root; vma; ++*step_count) {
        if (vma->end <= addr) {
            vma = vma->right;
            continue;
        }
        found = vma;
        vma = vma->start <= addr ? NULL : vma->left;
    }
    return found;
}

/* ---- validation ---- */

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
    mm_invariant(V4,
                 !has_gaps(vma->mm) || vma->subtree_gap == gap_of_subtree(vma));
    return left_height + (vma->is_red ? 0 : 1);
}

void
vma_rbtree_validate(const struct mm *mm)
{
    const struct vma *in_order = mm->first;

    if (!vma_rbtree_is_kept(mm)) {
        mm_invariant(V2, !mm->rb_root);
        return;
    }
    validate_subtree(mm->rb_root, NULL, &in_order);
    mm_invariant(V2, !in_order);
}
