/*
 * The maple tree: storing a range.
 *
 * A store replaces a run of entries of a leaf by up to three: what is left of
 * the first, the range, what is left of the last.  Free ranges that touch
 * become one.
 *
 *      |  a  |     |    b    |   c   |        store  xxxx
 *      |  a  |  xxxx   |  b  |   c   |
 *
 * The leaf changes in place if it then has neither too few nor too many
 * entries.  Otherwise they are gathered in a pile, of which mm/maple_balance.c
 * makes nodes again.  A range that reaches beyond its leaf joins the two leaves
 * at its ends; so does a free range that would end a leaf.
 *
 * Not modelled: the packed leaves of fork in 6.1 to 6.7, which inserted the
 * VMAs one after the other (6.8 copies the tree, as here).
 */
#include "mm/aspace.h"
#include "mm/machine.h"
#include "mm/maple_private.h"

#include <string.h>

/* First entry that reaches up to addr. */
static unsigned
slot_of(const struct maple_node *node, uint64_t addr)
{
    unsigned slot = 0;

    while (node->last[slot] < addr)
        slot++;
    return slot;
}

static struct maple_node *
leaf_of(const struct maple *maple, uint64_t addr)
{
    struct maple_node *node = maple->root;

    while (!node->is_leaf)
        node = node->child[slot_of(node, addr)];
    return node;
}

/* Behind a free range comes a VMA of the same leaf, unless it is the last. */
struct vma *
maple_find(const struct maple *maple, uint64_t addr)
{
    const struct maple_node *leaf;
    unsigned slot;

    if (!maple->root || addr > maple->max)
        return NULL;
    leaf = leaf_of(maple, addr);
    slot = slot_of(leaf, addr);
    if (!leaf->vma[slot] && slot + 1 < leaf->count)
        slot++;
    return leaf->vma[slot];
}

/* ---- stores ---- */

/* What replaces which entries.  Kept are the left leaf's entries [0, from),
 * what lies before `first` of the next one, and the right leaf's from `to` on,
 * the first of them from last + 1. */
struct edit {
    struct maple_node *left, *right;
    unsigned from, to;
    uint64_t first, last;
    struct vma *vma;
};

/* A free range takes in the ones that touch it. */
static void
widen_free(struct edit *edit)
{
    struct maple_node *left = edit->left, *right = edit->right;

    if (!left->vma[edit->from]) {
        edit->first = maple_entry_first(left, edit->from);
    } else if (edit->from > 0 && !left->vma[edit->from - 1] &&
               edit->first == maple_entry_first(left, edit->from)) {
        edit->from--;
        edit->first = maple_entry_first(left, edit->from);
    }
    if (edit->to < right->count && !right->vma[edit->to])
        edit->last = right->last[edit->to++];
}

static bool
keeps_left(const struct edit *edit)
{
    return edit->first > maple_entry_first(edit->left, edit->from);
}

static void
pile_edit(struct maple_pile *pile, const struct edit *edit)
{
    pile->count = 0;
    pile_add_entries(pile, edit->left, 0, edit->from);
    if (keeps_left(edit))
        pile_add(pile, edit->first - 1, edit->left->vma[edit->from]);
    pile_add(pile, edit->last, edit->vma);
    pile_add_entries(pile, edit->right, edit->to, edit->right->count);
}

/* Which slots of the leaf are free after the edit. */
static uint32_t
edited_free_slots(const struct edit *edit, unsigned at, unsigned new_count)
{
    uint64_t free = edit->left->free_slots;
    unsigned rest = edit->left->count - edit->to;
    uint64_t below = free & ((UINT64_C(1) << at) - 1);
    uint64_t above = free >> edit->to << (new_count - rest);

    return (uint32_t)(below | (uint64_t)!edit->vma << at | above);
}

static void
edit_in_place(const struct edit *edit, unsigned new_count)
{
    struct maple_node *leaf = edit->left;
    unsigned at = edit->from, rest = leaf->count - edit->to;
    bool keeps = keeps_left(edit);

    if (edit->to != new_count - rest) {
        memmove(leaf->last + new_count - rest, leaf->last + edit->to,
                rest * sizeof(leaf->last[0]));
        memmove(leaf->vma + new_count - rest, leaf->vma + edit->to,
                rest * sizeof(leaf->vma[0]));
    }
    if (keeps) {
        struct vma *kept = leaf->vma[at];

        leaf->last[at] = edit->first - 1;
        leaf->vma[at++] = kept;
    }
    leaf->last[at] = edit->last;
    leaf->vma[at] = edit->vma;
    leaf->free_slots = edited_free_slots(edit, at, new_count);
    leaf->count = (uint8_t)new_count;
    maple_update_gaps(leaf);
}

static void
join_with_sibling(struct mm *mm, struct maple_pile *pile,
                  struct maple_node *leaf)
{
    struct maple_node *parent = leaf->parent, *sibling;

    if (leaf->slot + 1 < parent->count) {
        sibling = parent->child[leaf->slot + 1];
        pile_add_entries(pile, sibling, 0, sibling->count);
        maple_join(mm, pile, leaf, sibling);
    } else {
        sibling = parent->child[leaf->slot - 1];
        pile_put_before(pile, sibling);
        maple_join(mm, pile, sibling, leaf);
    }
}

/* false: nodes were joined or split. */
static bool
store_in_leaf(struct mm *mm, const struct edit *edit)
{
    struct maple_node *leaf = edit->left;
    bool keeps = keeps_left(edit);
    unsigned rest = leaf->count - edit->to;
    unsigned new_count = edit->from + keeps + 1 + rest;
    struct maple_pile pile;

    if (edit->to == edit->from + 1 && !keeps &&
        edit->last == leaf->last[edit->from]) {
        uint32_t free_slots = edited_free_slots(edit, edit->from, new_count);

        leaf->vma[edit->from] = edit->vma;  // an entry as it is
        if (leaf->free_slots != free_slots) {
            leaf->free_slots = free_slots;
            maple_update_gaps(leaf);
        }
    } else if (new_count <= maple_small_count(&mm->maple, true) &&
               leaf->parent) {
        pile_edit(&pile, edit);
        join_with_sibling(mm, &pile, leaf);
        return false;
    } else if (new_count > mm->maple.leaf_slots) {
        pile_edit(&pile, edit);
        maple_split(mm, leaf, &pile);
        return false;
    } else {
        edit_in_place(edit, new_count);
    }
    return true;
}

/* The first range of all. */
static void
plant(struct mm *mm, uint64_t first, uint64_t last, struct vma *vma)
{
    struct maple_node *root = maple_take(mm, true);
    struct maple_pile pile = {0};

    if (first > 0)
        pile_add(&pile, first - 1, NULL);
    pile_add(&pile, last, vma);
    if (last < mm->maple.max)
        pile_add(&pile, mm->maple.max, NULL);
    maple_fill(root, 0, &pile, 0, pile.count);
    maple_set_root(mm, root, 1);
}

void
maple_store(struct mm *mm, uint64_t first, uint64_t last, struct vma *vma)
{
    struct maple *maple = &mm->maple;
    struct edit edit = {.first = first, .last = last, .vma = vma};

    if (!maple_is_kept(maple))
        return;
    if (!maple->root) {
        if (vma)
            plant(mm, first, last, vma);
        return;
    }
    edit.left = edit.right = leaf_of(maple, first);
    edit.from = slot_of(edit.left, first);

    uint64_t leaf_last = maple_last(edit.left);
    bool is_across =
        last > leaf_last || (last == leaf_last && !vma && last < maple->max);
    if (is_across)
        edit.right = leaf_of(maple, last + 1);
    edit.to = last < maple->max && (is_across || last < leaf_last)
                  ? slot_of(edit.right, last + 1)
                  : edit.right->count;
    if (!vma)
        widen_free(&edit);
    bool is_in_place = false;

    if (edit.first == 0 && edit.last == maple->max) {
        maple_release_subtree(mm, maple->root);
        maple_set_root(mm, NULL, 0);
    } else if (is_across) {
        struct maple_pile pile;

        pile_edit(&pile, &edit);
        maple_join(mm, &pile, edit.left, edit.right);
    } else {
        is_in_place = store_in_leaf(mm, &edit);
    }
    if (!is_in_place || edit.left != mm->machine->maple_trail.leaf)
        mm->machine->maple_trail.mm = NULL;
}

/* ---- fork ---- */

static struct maple_node *
copy_subtree(struct mm *child, const struct maple_node *source)
{
    struct maple_node *node = maple_take(child, source->is_leaf);

    *node = *source;
    for (unsigned i = 0; !source->is_leaf && i < source->count; i++) {
        node->child[i] = copy_subtree(child, source->child[i]);
        node->child[i]->parent = node;
    }
    return node;
}

bool
maple_fork(struct mm *child, const struct mm *parent)
{
    if (!parent->maple.root)
        return true;
    if (!maple_reserve(child->machine) ||
        !maple_reserve_nodes(child->machine, child->machine->maple_spare_count +
                                                 parent->maple.node_count))
        return false;
    maple_set_root(child, copy_subtree(child, parent->maple.root),
                   parent->maple.height);
    return true;
}

/* ---- validation ---- */

/* What comes next in address order. */
struct expected {
    const struct vma *vma;
    uint64_t first;
    bool may_be_free;
    uint32_t node_count;
};

static void
validate_leaf(const struct maple *maple, const struct maple_node *leaf,
              struct expected *expected)
{
    for (unsigned i = 0; i < leaf->count; i++) {
        const struct vma *vma = leaf->vma[i];
        uint64_t first = maple_entry_first(leaf, i);

        mm_invariant(B1, leaf->last[i] >= first);
        mm_invariant(B2, vma || expected->may_be_free);
        mm_invariant(B2, (leaf->free_slots >> i & 1) == !vma);
        expected->may_be_free = vma;
        if (!vma)
            continue;
        mm_invariant(B2, vma == expected->vma && vma->start == first &&
                             vma->end - 1 == leaf->last[i]);
        expected->vma = vma->next;
    }
    mm_invariant(B2, !((uint64_t)leaf->free_slots >> leaf->count));
    mm_invariant(B2,
                 leaf->vma[leaf->count - 1] || maple_last(leaf) == maple->max);
}

static void
validate_subtree(const struct maple *maple, const struct maple_node *node,
                 unsigned level, struct expected *expected)
{
    uint64_t start = node->first;

    mm_invariant(B1, node->first == expected->first);
    mm_invariant(B3, node->is_leaf == (level == 1));
    mm_invariant(B3, node->count > 0 &&
                         node->count <= maple_slot_count(maple, node->is_leaf));
    expected->node_count++;
    if (node->is_leaf)
        validate_leaf(maple, node, expected);
    for (unsigned i = 0; !node->is_leaf && i < node->count; i++) {
        const struct maple_node *child = node->child[i];

        mm_invariant(B3, child->parent == node && child->slot == i);
        validate_subtree(maple, child, level - 1, expected);
        mm_invariant(B1, maple_last(child) == node->last[i]);
        mm_invariant(B4, node->gap[i] == maple_largest_gap(child));
    }
    expected->first = maple_last(node) + 1;
    mm_invariant(B1, maple_last(node) >= start);
}

void
maple_validate(const struct mm *mm)
{
    const struct maple *maple = &mm->maple;
    struct expected expected = {.vma = mm->first, .may_be_free = true};

    if (!maple_is_kept(maple))
        return;
    if (maple->root) {
        mm_invariant(B3, !maple->root->parent);
        validate_subtree(maple, maple->root, maple->height, &expected);
        mm_invariant(B1, maple_last(maple->root) == maple->max);
    }
    mm_invariant(B2, !expected.vma);
    mm_invariant(B5, maple->node_count == expected.node_count);
}

void
maple_validate_nodes(const struct machine *machine)
{
    uint64_t count = machine->maple_spare_count;

    for (const struct mm *mm = machine->mms; mm; mm = mm->next)
        count += mm->maple.node_count;
    mm_invariant(B5, count == machine->slabs[SLAB_MAPLE_NODE].live_count);
}
