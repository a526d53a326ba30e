/*
 * The maple tree: a pile of entries that is too large for its node, or too
 * small.
 *
 * As lib/maple_tree.c of 6.18 does (mas_split(), mas_rebalance(),
 * mas_wr_spanning_store()):
 *
 *   too many  what does not fit is pushed into the left sibling if that has
 *             room for it, or into the right one; else the node is cut in two
 *             and its parent gets one entry more -- perhaps one too many;
 *   too few   it is joined with its right sibling, or its left one if it is
 *             the last, and cut in as many nodes as are needed; the parent may
 *             lose an entry and then be joined in turn, with a cousin where it
 *             has no sibling.
 */
#include "mm/aspace.h"
#include "mm/check.h"
#include "mm/maple_private.h"

static void
new_root_over(struct mm *mm, const struct maple_pile *pile, unsigned height)
{
    struct maple_node *root = maple_take(mm, false);

    maple_fill(root, 0, pile, 0, pile->count);
    maple_set_root(mm, root, height);
}

/* ---- where to cut ---- */

/* A leaf must not end with a free range.  `end` is what the kernel takes for
 * the pile's last place there. */
static unsigned
avoid_free_end(const struct maple *maple, const struct maple_pile *pile,
               unsigned split, unsigned end, bool is_leaf)
{
    if (pile->what[split])
        return split;
    if (split < maple_slot_count(maple, is_leaf) - 1 &&
        end - split > maple_small_count(maple, is_leaf))
        return split + 1;
    return split - 1;
}

/* Last places of the parts but the last one: one, or two if the pile is too
 * large for two nodes.  Returns the number of parts. */
static unsigned
cut_evenly(const struct maple *maple, const struct maple_pile *pile,
           bool is_leaf, unsigned splits[2])
{
    unsigned end = pile->count - 1, slots = maple_slot_count(maple, is_leaf);
    unsigned split = end / 2, part_count = 2;

    if (end >= 2 * slots || (!pile->what[split] && end >= 2 * slots - 1)) {
        split = end / 3;
        splits[1] = avoid_free_end(maple, pile, 2 * split, end, is_leaf);
        part_count = 3;
    }
    splits[0] = avoid_free_end(maple, pile, split, end, is_leaf);
    return part_count;
}

/* ---- too many entries ---- */

/* Let a sibling take a part of the pile; false: it has no room. */
static bool
push_to_sibling(struct mm *mm, struct maple_node *node,
                const struct maple_pile *pile, bool is_left)
{
    const struct maple *maple = &mm->maple;
    struct maple_node *parent = node->parent, *lower, *upper;
    unsigned slots = maple_slot_count(maple, node->is_leaf);
    struct maple_pile both = *pile;

    if (!parent ||
        (is_left ? node->slot == 0 : node->slot + 1 == parent->count))
        return false;
    lower = is_left ? parent->child[node->slot - 1] : node;
    upper = is_left ? node : parent->child[node->slot + 1];

    unsigned total = pile->count + (is_left ? lower : upper)->count - 2;
    unsigned room = 2 * slots - 2;
    if (node->is_leaf)
        room--;
    if (maple_last(node) == maple->max)
        room--;
    if (total >= room)
        return false;

    if (is_left)
        pile_put_before(&both, lower);
    else
        pile_add_entries(&both, upper, 0, upper->count);
    unsigned split =
        avoid_free_end(maple, &both, is_left ? slots - 2 : total - (slots - 2),
                       is_left ? total + 1 : total + 2, node->is_leaf);
    maple_fill(lower, lower->first, &both, 0, split + 1);
    maple_fill(upper, both.last[split] + 1, &both, split + 1, both.count);
    parent->last[lower->slot] = maple_last(lower);
    parent->gap[lower->slot] = maple_largest_gap(lower);
    parent->gap[upper->slot] = maple_largest_gap(upper);
    maple_update_gaps(parent);
    return true;
}

void
maple_split(struct mm *mm, struct maple_node *node, struct maple_pile *pile)
{
    unsigned level = 1;

    for (; pile->count > maple_slot_count(&mm->maple, node->is_leaf); level++) {
        struct maple_node *parent = node->parent, *upper;
        unsigned slot = node->slot, splits[2];

        if (push_to_sibling(mm, node, pile, true) ||
            push_to_sibling(mm, node, pile, false))
            return;
        cut_evenly(&mm->maple, pile, node->is_leaf, splits);
        upper = maple_take(mm, node->is_leaf);
        maple_fill(node, node->first, pile, 0, splits[0] + 1);
        maple_fill(upper, maple_last(node) + 1, pile, splits[0] + 1,
                   pile->count);

        pile->count = 0;
        if (parent)
            pile_add_entries(pile, parent, 0, slot);
        pile_add_node(pile, node);
        pile_add_node(pile, upper);
        if (!parent) {
            new_root_over(mm, pile, level + 1);
            return;
        }
        pile_add_entries(pile, parent, slot + 1, parent->count);
        node = parent;
    }
    maple_fill(node, node->first, pile, 0, pile->count);
    maple_update_gaps(node);
}

/* ---- too few entries, and ranges over several leaves ---- */

static struct maple_node *
next_in_level(struct maple_node *node)
{
    unsigned depth = 0;

    while (node->slot + 1 == node->parent->count) {
        node = node->parent;
        depth++;
    }
    node = node->parent->child[node->slot + 1];
    while (depth-- > 0)
        node = node->child[0];
    return node;
}

/* The nodes of a level from left to right. */
static void
release_level(struct mm *mm, struct maple_node *left, struct maple_node *right)
{
    while (left != right) {
        struct maple_node *next = next_in_level(left);

        maple_release(mm, left);
        left = next;
    }
    maple_release(mm, right);
}

/* Add the next node of the level to the pile, or the one before where the
 * nearest common parent has no next one. */
static void
gather_neighbour(struct maple_pile *pile, struct maple_node **left,
                 struct maple_node **right)
{
    const struct maple_node *below_left = *left, *below_right = *right;

    for (unsigned depth = 0; below_right->parent; depth++) {
        const struct maple_node *over_left = below_left->parent;
        const struct maple_node *over_right = below_right->parent;

        if (below_right->slot + 1 < over_right->count) {
            struct maple_node *node = over_right->child[below_right->slot + 1];

            for (unsigned i = 0; i < depth; i++)
                node = node->child[0];
            pile_add_entries(pile, node, 0, node->count);
            *right = node;
            return;
        }
        if (below_left->slot > 0) {
            struct maple_node *node = over_left->child[below_left->slot - 1];

            for (unsigned i = 0; i < depth; i++)
                node = node->child[node->count - 1];
            pile_put_before(pile, node);
            *left = node;
            return;
        }
        below_left = over_left;
        below_right = over_right;
    }
}

/* Nodes from left to right are all there are on their level. */
static bool
cover_all(const struct maple *maple, const struct maple_node *left,
          const struct maple_node *right)
{
    return left->first == 0 && maple_last(right) == maple->max;
}

/* Make nodes of the pile; it holds them afterwards. */
static void
cut_into_nodes(struct mm *mm, struct maple_pile *pile, uint64_t first,
               bool is_leaf)
{
    struct maple_pile parts = {0};
    unsigned splits[3] = {pile->count - 1}, part_count = 1, from = 0;

    if (pile->count > maple_slot_count(&mm->maple, is_leaf)) {
        part_count = cut_evenly(&mm->maple, pile, is_leaf, splits);
        splits[part_count - 1] = pile->count - 1;
    }
    for (unsigned i = 0; i < part_count; i++) {
        struct maple_node *node = maple_take(mm, is_leaf);

        maple_fill(node, first, pile, from, splits[i] + 1);
        first = maple_last(node) + 1;
        from = splits[i] + 1;
        pile_add_node(&parts, node);
    }
    *pile = parts;
}

/* Replace the nodes of a level from left to right by as many as the pile of
 * their entries needs; the pile then holds the entries that are to replace
 * those of their parents.  NULL: the tree is whole again; else the parents. */
static struct maple_node *
replace_level(struct mm *mm, struct maple_pile *pile, struct maple_node *left,
              struct maple_node **right, unsigned level)
{
    struct maple_node *over_left = left->parent, *over_right = (*right)->parent;
    unsigned left_slot = left->slot, right_slot = (*right)->slot;
    bool is_leaf = left->is_leaf, is_all = cover_all(&mm->maple, left, *right);
    uint64_t first = left->first;
    struct maple_pile parts = *pile;

    release_level(mm, left, *right);
    cut_into_nodes(mm, &parts, first, is_leaf);
    if (is_all && parts.count == 1) {
        while (over_left) {
            struct maple_node *up_left = over_left->parent;
            struct maple_node *up_right = over_right->parent;

            release_level(mm, over_left, over_right);
            over_left = up_left;
            over_right = up_right;
        }
        maple_set_root(mm, parts.what[0], level);
        return NULL;
    }
    if (!over_left) {
        new_root_over(mm, &parts, level + 1);
        return NULL;
    }
    pile->count = 0;
    pile_add_entries(pile, over_left, 0, left_slot);
    for (unsigned i = 0; i < parts.count; i++)
        pile_add(pile, parts.last[i], parts.what[i]);
    pile_add_entries(pile, over_right, right_slot + 1, over_right->count);
    *right = over_right;
    return over_left;
}

void
maple_join(struct mm *mm, struct maple_pile *pile, struct maple_node *left,
           struct maple_node *right)
{
    const struct maple *maple = &mm->maple;

    if (!cover_all(maple, left, right) &&
        pile->count <= maple_small_count(maple, true))
        gather_neighbour(pile, &left, &right);
    for (unsigned level = 1;; level++) {
        left = replace_level(mm, pile, left, &right, level);
        if (!left)
            return;
        if (pile->count <= maple_small_count(maple, false)) {
            if (!left->parent)
                break;
            gather_neighbour(pile, &left, &right);
        } else if (left == right && pile->count < maple->inner_slots) {
            break;
        }
    }
    maple_fill(left, left->first, pile, 0, pile->count);
    maple_update_gaps(left);
}
