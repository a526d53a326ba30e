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
 * entries.  Otherwise, as lib/maple_tree.c of 6.18 does (mas_split(),
 * mas_rebalance(), mas_wr_spanning_store()):
 *
 *   too many  what does not fit is pushed into the left sibling if that has
 *             room for it, or into the right one; else the node is cut in two
 *             and its parent gets one entry more -- perhaps one too many;
 *   too few   it is joined with its right sibling, or its left one if it is
 *             the last, and cut in as many nodes as are needed; the parent may
 *             lose an entry and then be joined in turn, with a cousin where it
 *             has no sibling;
 *   a range that reaches beyond its leaf: the two leaves at its ends are joined
 *             like that, and so are their parents up to the common one.  So is
 *             a free range that would end a leaf with the leaf that follows.
 *
 * Joined entries are gathered in a `pile`, and nodes are made of it again.
 *
 * Nodes come from a slab cache of the machine, by way of spare ones that
 * maple_reserve() provides for: a store itself never fails.  The kernel
 * allocates before it stores as well; its spare nodes are per call.
 *
 * Not modelled: copies of nodes for lockless readers, which live until a grace
 * period is over; the packed leaves of fork in 6.1 to 6.7, which inserted the
 * VMAs one after the other (6.8 copies the tree, as here).
 */
#include "mm/maple.h"

#include "mm/aspace.h"
#include "mm/gap.h"
#include "mm/machine.h"

#include <string.h>

/* Nodes of the highest tree's path, one more for a new root: up to 15 levels.
 */
#define SPARE_COUNT 16

/* Entries on their way from nodes to nodes. */
struct pile {
    unsigned count;
    uint64_t last[2 * MAPLE_LEAF_SLOT_MAX + 4];
    void *what[2 * MAPLE_LEAF_SLOT_MAX + 4];  // VMA or child
};

/* ---- nodes ---- */

static bool
wants_maple(const struct machine *machine)
{
    return machine->policy.gap->needs_maple ||
           machine->policy.vma_index == VMA_INDEX_MAPLE;
}

static bool
reserve(struct machine *machine, uint32_t count)
{
    while (machine->maple_spare_count < count) {
        struct maple_node *node = slab_alloc(machine, SLAB_MAPLE_NODE);

        if (!node)
            return false;
        node->parent = machine->maple_spare;
        machine->maple_spare = node;
        machine->maple_spare_count++;
    }
    return true;
}

bool
maple_reserve(struct machine *machine)
{
    return !wants_maple(machine) || reserve(machine, SPARE_COUNT);
}

void
maple_trim(struct machine *machine)
{
    uint32_t kept_count = machine->mms ? SPARE_COUNT : 0;

    while (machine->maple_spare_count > kept_count) {
        struct maple_node *node = machine->maple_spare;

        machine->maple_spare = node->parent;
        machine->maple_spare_count--;
        slab_free(machine, SLAB_MAPLE_NODE, node);
    }
}

static struct maple_node *
take_node(struct mm *mm, bool is_leaf)
{
    struct maple_node *node = mm->machine->maple_spare;

    mm_assert(node);
    mm->machine->maple_spare = node->parent;
    mm->machine->maple_spare_count--;
    mm->maple.node_count++;
    node->parent = NULL;
    node->slot = 0;
    node->is_leaf = is_leaf;
    return node;
}

static void
release_node(struct mm *mm, struct maple_node *node)
{
    node->parent = mm->machine->maple_spare;
    mm->machine->maple_spare = node;
    mm->machine->maple_spare_count++;
    mm->maple.node_count--;
}

static void
release_subtree(struct mm *mm, struct maple_node *node)
{
    for (unsigned i = 0; !node->is_leaf && i < node->count; i++)
        release_subtree(mm, node->child[i]);
    release_node(mm, node);
}

void
maple_init(struct mm *mm)
{
    bool is_64bit = mm->machine->arch->is_64bit;

    if (!wants_maple(mm->machine))
        return;
    mm->maple = (struct maple){
        .max = is_64bit ? UINT64_MAX : UINT32_MAX,
        .leaf_slots = is_64bit ? 16 : MAPLE_LEAF_SLOT_MAX,
        .inner_slots = is_64bit ? 10 : MAPLE_INNER_SLOT_MAX,
    };
}

void
maple_finish(struct mm *mm)
{
    if (mm->maple.root)
        release_subtree(mm, mm->maple.root);
    mm->maple = (struct maple){0};
}

static unsigned
slot_count(const struct maple *maple, bool is_leaf)
{
    return is_leaf ? maple->leaf_slots : maple->inner_slots;
}

/* With as many entries a node is too small already. */
static unsigned
small_count(const struct maple *maple, bool is_leaf)
{
    return is_leaf ? maple->leaf_slots / 2 - 2 : maple->inner_slots / 2 - 1;
}

static uint64_t
node_last(const struct maple_node *node)
{
    return node->last[node->count - 1];
}

static uint64_t
largest_gap(const struct maple_node *node)
{
    uint64_t largest = 0;

    for (unsigned i = 0; i < node->count; i++) {
        uint64_t gap;

        if (!node->is_leaf)
            gap = node->gap[i];
        else if (node->vma[i])
            continue;
        else
            gap = node->last[i] - maple_entry_first(node, i) + 1;
        largest = MAX(largest, gap);
    }
    return largest;
}

static void
update_gaps_above(struct maple_node *node)
{
    for (; node->parent; node = node->parent) {
        uint64_t gap = largest_gap(node);

        if (node->parent->gap[node->slot] == gap)
            return;
        node->parent->gap[node->slot] = gap;
    }
}

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

/* ---- piles ---- */

static void
pile_add(struct pile *pile, uint64_t last, void *what)
{
    mm_assert(pile->count < G_N_ELEMENTS(pile->last));
    pile->last[pile->count] = last;
    pile->what[pile->count++] = what;
}

/* Entries [from, to) of a node. */
static void
pile_add_entries(struct pile *pile, const struct maple_node *node,
                 unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        pile_add(pile, node->last[i],
                 node->is_leaf ? (void *)node->vma[i] : node->child[i]);
}

static void
pile_add_node(struct pile *pile, struct maple_node *node)
{
    pile_add(pile, node_last(node), node);
}

/* Put a node's entries before those of the pile. */
static void
pile_put_before(struct pile *pile, const struct maple_node *node)
{
    struct pile rest = *pile;

    pile->count = 0;
    pile_add_entries(pile, node, 0, node->count);
    for (unsigned i = 0; i < rest.count; i++)
        pile_add(pile, rest.last[i], rest.what[i]);
}

/* Make entries [from, to) of the pile those of the node. */
static void
fill_node(struct maple_node *node, uint64_t first, const struct pile *pile,
          unsigned from, unsigned to)
{
    node->first = first;
    node->count = (uint8_t)(to - from);
    for (unsigned i = 0; i < node->count; i++) {
        node->last[i] = pile->last[from + i];
        if (node->is_leaf) {
            node->vma[i] = pile->what[from + i];
            continue;
        }
        node->child[i] = pile->what[from + i];
        node->child[i]->parent = node;
        node->child[i]->slot = (uint8_t)i;
        node->gap[i] = largest_gap(node->child[i]);
    }
}

static void
set_root(struct mm *mm, struct maple_node *root, unsigned height)
{
    bool is_index = mm->machine->policy.vma_index == VMA_INDEX_MAPLE;

    mm->maple.root = root;
    mm->maple.height = (uint16_t)height;
    mm->maple.lookup_steps = is_index ? mm->maple.height : 0;
}

static void
plant_root(struct mm *mm, struct maple_node *root, unsigned height)
{
    root->parent = NULL;
    root->slot = 0;
    set_root(mm, root, height);
}

static void
new_root_over(struct mm *mm, const struct pile *pile, unsigned height)
{
    struct maple_node *root = take_node(mm, false);

    fill_node(root, 0, pile, 0, pile->count);
    plant_root(mm, root, height);
}

/* ---- where to cut ---- */

/* A leaf must not end with a free range.  `end` is what the kernel takes for
 * the pile's last place there. */
static unsigned
avoid_free_end(const struct maple *maple, const struct pile *pile,
               unsigned split, unsigned end, bool is_leaf)
{
    if (pile->what[split])
        return split;
    if (split < slot_count(maple, is_leaf) - 1 &&
        end - split > small_count(maple, is_leaf))
        return split + 1;
    return split - 1;
}

/* Last places of the parts but the last one: one, or two if the pile is too
 * large for two nodes.  Returns the number of parts. */
static unsigned
cut_evenly(const struct maple *maple, const struct pile *pile, bool is_leaf,
           unsigned splits[2])
{
    unsigned end = pile->count - 1, slots = slot_count(maple, is_leaf);
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
push_to_sibling(struct mm *mm, struct maple_node *node, const struct pile *pile,
                bool is_left)
{
    const struct maple *maple = &mm->maple;
    struct maple_node *parent = node->parent, *lower, *upper;
    unsigned slots = slot_count(maple, node->is_leaf);
    struct pile both = *pile;

    if (!parent ||
        (is_left ? node->slot == 0 : node->slot + 1 == parent->count))
        return false;
    lower = is_left ? parent->child[node->slot - 1] : node;
    upper = is_left ? node : parent->child[node->slot + 1];

    unsigned total = pile->count + (is_left ? lower : upper)->count - 2;
    unsigned room = 2 * slots - 2;
    if (node->is_leaf)
        room--;
    if (node_last(node) == maple->max)
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
    fill_node(lower, lower->first, &both, 0, split + 1);
    fill_node(upper, both.last[split] + 1, &both, split + 1, both.count);
    parent->last[lower->slot] = node_last(lower);
    parent->gap[lower->slot] = largest_gap(lower);
    parent->gap[upper->slot] = largest_gap(upper);
    update_gaps_above(parent);
    return true;
}

/* The pile is to be the node's content; cut the node and its ancestors where it
 * is too large. */
static void
split_upwards(struct mm *mm, struct maple_node *node, struct pile *pile)
{
    unsigned level = 1;

    for (; pile->count > slot_count(&mm->maple, node->is_leaf); level++) {
        struct maple_node *parent = node->parent, *upper;
        unsigned slot = node->slot, splits[2];

        if (push_to_sibling(mm, node, pile, true) ||
            push_to_sibling(mm, node, pile, false))
            return;
        cut_evenly(&mm->maple, pile, node->is_leaf, splits);
        upper = take_node(mm, node->is_leaf);
        fill_node(node, node->first, pile, 0, splits[0] + 1);
        fill_node(upper, node_last(node) + 1, pile, splits[0] + 1, pile->count);

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
    fill_node(node, node->first, pile, 0, pile->count);
    update_gaps_above(node);
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

        release_node(mm, left);
        left = next;
    }
    release_node(mm, right);
}

/* Add the next node of the level to the pile, or the one before where the
 * nearest common parent has no next one. */
static void
gather_neighbour(struct pile *pile, struct maple_node **left,
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
    return left->first == 0 && node_last(right) == maple->max;
}

/* Make nodes of the pile; it holds them afterwards. */
static void
cut_into_nodes(struct mm *mm, struct pile *pile, uint64_t first, bool is_leaf)
{
    struct pile parts = {0};
    unsigned splits[3] = {pile->count - 1}, part_count = 1, from = 0;

    if (pile->count > slot_count(&mm->maple, is_leaf)) {
        part_count = cut_evenly(&mm->maple, pile, is_leaf, splits);
        splits[part_count - 1] = pile->count - 1;
    }
    for (unsigned i = 0; i < part_count; i++) {
        struct maple_node *node = take_node(mm, is_leaf);

        fill_node(node, first, pile, from, splits[i] + 1);
        first = node_last(node) + 1;
        from = splits[i] + 1;
        pile_add_node(&parts, node);
    }
    *pile = parts;
}

/* Replace the nodes of a level from left to right by as many as the pile of
 * their entries needs; the pile then holds the entries that are to replace
 * those of their parents.  NULL: the tree is whole again; else the parents. */
static struct maple_node *
replace_level(struct mm *mm, struct pile *pile, struct maple_node *left,
              struct maple_node **right, unsigned level)
{
    struct maple_node *over_left = left->parent, *over_right = (*right)->parent;
    unsigned left_slot = left->slot, right_slot = (*right)->slot;
    bool is_leaf = left->is_leaf, is_all = cover_all(&mm->maple, left, *right);
    uint64_t first = left->first;
    struct pile parts = *pile;

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
        plant_root(mm, parts.what[0], level);
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

/* The pile is to be the content of the leaves from left to right. */
static void
join_upwards(struct mm *mm, struct pile *pile, struct maple_node *left,
             struct maple_node *right)
{
    const struct maple *maple = &mm->maple;

    if (!cover_all(maple, left, right) &&
        pile->count <= small_count(maple, true))
        gather_neighbour(pile, &left, &right);
    for (unsigned level = 1;; level++) {
        left = replace_level(mm, pile, left, &right, level);
        if (!left)
            return;
        if (pile->count <= small_count(maple, false)) {
            if (!left->parent)
                break;
            gather_neighbour(pile, &left, &right);
        } else if (left == right && pile->count < maple->inner_slots) {
            break;
        }
    }
    fill_node(left, left->first, pile, 0, pile->count);
    update_gaps_above(left);
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
pile_edit(struct pile *pile, const struct edit *edit)
{
    pile->count = 0;
    pile_add_entries(pile, edit->left, 0, edit->from);
    if (keeps_left(edit))
        pile_add(pile, edit->first - 1, edit->left->vma[edit->from]);
    pile_add(pile, edit->last, edit->vma);
    pile_add_entries(pile, edit->right, edit->to, edit->right->count);
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
    leaf->count = (uint8_t)new_count;
    update_gaps_above(leaf);
}

static void
join_with_sibling(struct mm *mm, struct pile *pile, struct maple_node *leaf)
{
    struct maple_node *parent = leaf->parent, *sibling;

    if (leaf->slot + 1 < parent->count) {
        sibling = parent->child[leaf->slot + 1];
        pile_add_entries(pile, sibling, 0, sibling->count);
        join_upwards(mm, pile, leaf, sibling);
    } else {
        sibling = parent->child[leaf->slot - 1];
        pile_put_before(pile, sibling);
        join_upwards(mm, pile, sibling, leaf);
    }
}

static void
store_in_leaf(struct mm *mm, const struct edit *edit)
{
    struct maple_node *leaf = edit->left;
    bool keeps = keeps_left(edit);
    unsigned rest = leaf->count - edit->to;
    unsigned new_count = edit->from + keeps + 1 + rest;
    struct pile pile;

    if (edit->to == edit->from + 1 && !keeps &&
        edit->last == leaf->last[edit->from]) {
        leaf->vma[edit->from] = edit->vma;  // an entry as it is
        update_gaps_above(leaf);
    } else if (new_count <= small_count(&mm->maple, true) && leaf->parent) {
        pile_edit(&pile, edit);
        join_with_sibling(mm, &pile, leaf);
    } else if (new_count > mm->maple.leaf_slots) {
        pile_edit(&pile, edit);
        split_upwards(mm, leaf, &pile);
    } else {
        edit_in_place(edit, new_count);
    }
}

/* The first range of all. */
static void
plant(struct mm *mm, uint64_t first, uint64_t last, struct vma *vma)
{
    struct maple_node *root = take_node(mm, true);
    struct pile pile = {0};

    if (first > 0)
        pile_add(&pile, first - 1, NULL);
    pile_add(&pile, last, vma);
    if (last < mm->maple.max)
        pile_add(&pile, mm->maple.max, NULL);
    fill_node(root, 0, &pile, 0, pile.count);
    plant_root(mm, root, 1);
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

    uint64_t leaf_last = node_last(edit.left);
    bool is_across =
        last > leaf_last || (last == leaf_last && !vma && last < maple->max);
    if (is_across)
        edit.right = leaf_of(maple, last + 1);
    edit.to = last < maple->max && (is_across || last < leaf_last)
                  ? slot_of(edit.right, last + 1)
                  : edit.right->count;
    if (!vma)
        widen_free(&edit);
    if (edit.first == 0 && edit.last == maple->max) {
        release_subtree(mm, maple->root);
        set_root(mm, NULL, 0);
    } else if (is_across) {
        struct pile pile;

        pile_edit(&pile, &edit);
        join_upwards(mm, &pile, edit.left, edit.right);
    } else {
        store_in_leaf(mm, &edit);
    }
}

/* ---- fork ---- */

/* *next is the child's VMA to come; a parent's that has no counterpart stays in
 * the copy for now. */
static struct maple_node *
copy_subtree(struct mm *child, const struct maple_node *source,
             struct vma **next)
{
    struct maple_node *node = take_node(child, source->is_leaf);

    *node = *source;
    for (unsigned i = 0; i < source->count; i++) {
        if (!source->is_leaf) {
            node->child[i] = copy_subtree(child, source->child[i], next);
            node->child[i]->parent = node;
        } else if (source->vma[i] && *next &&
                   source->vma[i]->start == (*next)->start) {
            node->vma[i] = *next;
            *next = (*next)->next;
        }
    }
    return node;
}

bool
maple_fork(struct mm *child, const struct mm *parent)
{
    struct vma *next = child->first;

    maple_init(child);
    if (!parent->maple.root || !child->maple.leaf_slots)
        return true;
    if (!reserve(child->machine, parent->maple.node_count + SPARE_COUNT))
        return false;
    plant_root(child, copy_subtree(child, parent->maple.root, &next),
               parent->maple.height);
    for (const struct vma *vma = parent->first; vma; vma = vma->next)
        if (vma->flags & VM_DONTCOPY)
            maple_store(child, vma->start, vma->end - 1, NULL);
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
        expected->may_be_free = vma;
        if (!vma)
            continue;
        mm_invariant(B2, vma == expected->vma && vma->start == first &&
                             vma->end - 1 == leaf->last[i]);
        expected->vma = vma->next;
    }
    mm_invariant(B2,
                 leaf->vma[leaf->count - 1] || node_last(leaf) == maple->max);
}

static void
validate_subtree(const struct maple *maple, const struct maple_node *node,
                 unsigned level, struct expected *expected)
{
    uint64_t start = node->first;

    mm_invariant(B1, node->first == expected->first);
    mm_invariant(B3, node->is_leaf == (level == 1));
    mm_invariant(B3, node->count > 0 &&
                         node->count <= slot_count(maple, node->is_leaf));
    expected->node_count++;
    if (node->is_leaf)
        validate_leaf(maple, node, expected);
    for (unsigned i = 0; !node->is_leaf && i < node->count; i++) {
        const struct maple_node *child = node->child[i];

        mm_invariant(B3, child->parent == node && child->slot == i);
        validate_subtree(maple, child, level - 1, expected);
        mm_invariant(B1, node_last(child) == node->last[i]);
        mm_invariant(B4, node->gap[i] == largest_gap(child));
    }
    expected->first = node_last(node) + 1;
    mm_invariant(B1, node_last(node) >= start);
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
        mm_invariant(B1, node_last(maple->root) == maple->max);
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
