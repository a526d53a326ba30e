/*
 * The B+tree over the VMAs of an address space.
 *
 * A change goes down from the root by address and notes the way, the path;
 * then up again, to make the parents' entries true.  The gap below a leaf's
 * first VMA begins where the leaf before ends: a change at the end of a leaf
 * has two ways up.
 *
 * Programs map their memory in runs, upwards or downwards, often with a few
 * VMAs beyond the place where the next one goes.  A full node is therefore cut
 * at that place if it is near an end, so that a run leaves full nodes behind.
 * Small nodes are joined with a neighbour that has room, else left alone: of
 * two neighbours at least one is well filled.
 *
 * Below: summaries and paths; insertion; removal; change; queries; validation.
 */
#include "mm/vma_btree.h"

#include "mm/check.h"
#include "mm/pieces.h"
#include "mm/vma.h"
#include "mm/vma_walk.h"

#include <glib.h>
#include <string.h>

#define SMALL_COUNT 6                     // a node with fewer is to be joined
#define JOINED_MAX  (VMA_NODE_SLOTS - 4)  // leave room in the joined one
#define NEAR_AN_END 6                     // slots from an end of a full node

/* ---- summaries ---- */

struct entry {
    uint64_t end, room;  // floor or gap
    void *what;          // VMA or child
    uint32_t vma_count;
};

static uint64_t
largest_gap(const struct vma_node *node, unsigned level, uint64_t low)
{
    uint64_t largest = 0;

    for (unsigned i = 0; level > 0 && i < node->count; i++)
        largest = MAX(largest, node->gap[i]);
    for (unsigned i = 0; level == 0 && i < node->count; i++)
        largest = MAX(largest, vma_leaf_gap(node, i, low));
    return largest;
}

/* VMAs of the first slots of an inner node. */
static uint32_t
count_before(const struct vma_node *node, unsigned slot)
{
    uint32_t count = 0;

    for (unsigned i = 0; i < VMA_NODE_SLOTS; i++)
        count += i < slot ? node->vma_count[i] : 0;
    return count;
}

static uint32_t
count_of(const struct vma_node *node, unsigned level)
{
    return level > 0 ? count_before(node, node->count) : node->count;
}

/* What a node's parent is to know of it. */
static struct entry
entry_of(struct vma_node *node, unsigned level, uint64_t low)
{
    return (struct entry){
        .end = node->end[node->count - 1],
        .room = largest_gap(node, level, low),
        .what = node,
        .vma_count = count_of(node, level),
    };
}

static void
set_entry(struct vma_node *node, unsigned slot, const struct entry *entry)
{
    node->end[slot] = entry->end;
    node->gap[slot] = entry->room;
    node->child[slot] = entry->what;
    if (node->level > 0)
        node->vma_count[slot] = entry->vma_count;
}

/* ---- paths ---- */

struct path {
    unsigned height;
    struct {
        struct vma_node *node;
        unsigned slot;
    } at[VMA_LEVEL_MAX];  // [0]: the leaf
};

/* Slot of addr, or the last one. */
static unsigned
slot_up_to(const struct vma_node *node, uint64_t addr)
{
    return MIN(vma_node_slot(node, addr), node->count - 1);
}

/* The way to the lowest VMA with end > addr, or behind the last one. */
static void
seek(const struct vma_btree *btree, uint64_t addr, struct path *path)
{
    struct vma_node *node = btree->root;

    mm_assert(btree->height > 0);
    path->height = btree->height;
    for (unsigned level = btree->height - 1; level > 0; level--) {
        path->at[level].node = node;
        path->at[level].slot = slot_up_to(node, addr);
        node = node->child[path->at[level].slot];
    }
    for (unsigned i = 0; i < VMA_NODE_SLOTS && btree->height > 1; i += 8) {
        __builtin_prefetch(&node->vma[i]);
        __builtin_prefetch(&node->floor[i]);
    }
    path->at[0].node = node;
    path->at[0].slot = MIN(vma_node_slot(node, addr), node->count);
}

/* On to the next leaf; false: there is none. */
static bool
next_leaf(struct path *path)
{
    unsigned level = 1;

    while (level < path->height &&
           path->at[level].slot + 1 == path->at[level].node->count)
        level++;
    if (level >= path->height)
        return false;
    path->at[level].slot++;
    for (; level > 0; level--) {
        path->at[level - 1].node =
            path->at[level].node->child[path->at[level].slot];
        path->at[level - 1].slot = 0;
    }
    return true;
}

/* End of the VMA before the path's node of that level. */
static uint64_t
low_of(const struct path *path, unsigned level)
{
    while (++level < path->height)
        if (path->at[level].slot > 0)
            return path->at[level].node->end[path->at[level].slot - 1];
    return 0;
}

/* The largest of the node's gaps, which was `largest` before one of them
 * changed from `before` to `after`. */
static uint64_t
changed_gap(const struct vma_node *node, uint64_t largest, uint64_t before,
            uint64_t after)
{
    if (after >= largest)
        return after;
    return before < largest ? largest : largest_gap(node, 1, 0);
}

/* Make the entries true that lead to the node of that level, below which there
 * are `added` VMAs more. */
static void
refresh(const struct path *path, unsigned level, int added)
{
    uint64_t before = 0, after = largest_gap(path->at[level].node, level,
                                             low_of(path, level));

    for (unsigned from = level; level + 1 < path->height; level++) {
        const struct vma_node *node = path->at[level].node;
        struct vma_node *parent = path->at[level + 1].node;
        unsigned slot = path->at[level + 1].slot;
        uint64_t largest = parent->gap[slot];

        if (level > from)
            after = changed_gap(node, largest, before, after);
        before = largest;
        parent->gap[slot] = after;
        parent->end[slot] = node->end[node->count - 1];
        parent->vma_count[slot] += (uint32_t)added;
        vma_hops_forget(parent);
    }
}

/* The VMA at the end of the path has changed: so has perhaps the gap below the
 * next one, which may be the first of the next leaf. */
static void
refresh_next(struct path *path)
{
    bool is_last = path->at[0].slot + 1 >= path->at[0].node->count;

    if (is_last && next_leaf(path))
        refresh(path, 0, 0);
}

/* A split has made some entries on the path true and not told those above. */
static void
refresh_anew(const struct path *path)
{
    for (unsigned level = 0; level + 1 < path->height; level++) {
        struct vma_node *parent = path->at[level + 1].node;
        struct entry entry =
            entry_of(path->at[level].node, level, low_of(path, level));

        set_entry(parent, path->at[level + 1].slot, &entry);
        vma_hops_forget(parent);
    }
}

/* ---- insertion ---- */

static void
forget_root(struct vma_btree *btree)
{
    btree->root = NULL;
    btree->height = 0;
}

/* What is written here is all that a small leaf touches. */
static struct vma_node *
node_create(const struct vma_btree *btree, unsigned level)
{
    struct vma_node *node = pieces_get(btree->pieces, sizeof(*node));

    for (unsigned i = 0; i < VMA_NODE_SLOTS; i++)
        node->end[i] = UINT64_MAX;
    if (level > 0)
        memset(node->vma_count, 0, sizeof(node->vma_count));
    node->count = 0;
    node->level = level;
    node->hops = NULL;
    return node;
}

static void
node_destroy(const struct vma_btree *btree, struct vma_node *node)
{
    vma_hops_destroy(node);
    pieces_put(btree->pieces, node, sizeof(*node));
}

static void
copy_entries(struct vma_node *to, unsigned at, const struct vma_node *from,
             unsigned first, unsigned count)
{
    memmove(to->end + at, from->end + first, count * sizeof(to->end[0]));
    memmove(to->gap + at, from->gap + first, count * sizeof(to->gap[0]));
    memmove(to->child + at, from->child + first, count * sizeof(to->child[0]));
    if (to->level > 0)
        memmove(to->vma_count + at, from->vma_count + first,
                count * sizeof(to->vma_count[0]));
}

static void
put_entry(struct vma_node *node, unsigned slot, const struct entry *entry)
{
    copy_entries(node, slot + 1, node, slot, node->count - slot);
    set_entry(node, slot, entry);
    node->count++;
}

static void
cut_off(struct vma_node *node, unsigned count)
{
    for (unsigned i = count; i < node->count; i++)
        node->end[i] = UINT64_MAX;
    node->count = count;
}

/* Put an entry into a full node; its upper part becomes a node of its own. */
static struct vma_node *
split(const struct vma_btree *btree, struct vma_node *node, unsigned slot,
      const struct entry *entry)
{
    struct vma_node *upper = node_create(btree, node->level);
    bool is_near_an_end =
        slot <= NEAR_AN_END || slot >= VMA_NODE_SLOTS - NEAR_AN_END;
    unsigned cut = is_near_an_end ? slot : VMA_NODE_SLOTS / 2;

    upper->count = node->count - cut;
    copy_entries(upper, 0, node, cut, upper->count);
    cut_off(node, cut);
    if (slot <= cut && cut < VMA_NODE_SLOTS)
        put_entry(node, slot, entry);
    else
        put_entry(upper, slot - cut, entry);
    vma_hops_forget(node);
    return upper;
}

static void
grow_root(struct vma_btree *btree, struct entry lower, struct entry upper)
{
    struct vma_node *root = node_create(btree, btree->height);

    mm_assert(btree->height < VMA_LEVEL_MAX);
    put_entry(root, 0, &lower);
    put_entry(root, 1, &upper);
    btree->root = root;
    btree->height++;
}

/* Put an entry where the path leads to, and what comes of it into the levels
 * above; the path is of no use afterwards. */
static void
put(struct vma_btree *btree, struct path *path, struct entry entry)
{
    for (unsigned level = 0;; level++) {
        struct vma_node *node = path->at[level].node;
        uint64_t low = low_of(path, level);

        if (node->count < VMA_NODE_SLOTS) {
            put_entry(node, path->at[level].slot, &entry);
            vma_hops_forget(node);
            return;
        }
        struct vma_node *upper =
            split(btree, node, path->at[level].slot, &entry);
        struct entry lower = entry_of(node, level, low);

        entry = entry_of(upper, level, lower.end);
        if (level + 1 == path->height) {
            grow_root(btree, lower, entry);
            return;
        }
        set_entry(path->at[level + 1].node, path->at[level + 1].slot, &lower);
        path->at[level + 1].slot++;
    }
}

static struct entry
entry_of_vma(struct vma *vma)
{
    return (struct entry){vma->end, vma_start_gap(vma), vma, 1};
}

/* The place before a leaf's first VMA is also the one behind the last VMA of
 * the leaf before.  There it goes if it can, or a run that grows upwards below
 * a well filled leaf would cut that one again and again. */
static struct vma_node *
prefer_room_before(struct path *path)
{
    struct vma_node *before;

    if (path->at[0].slot > 0 || path->height == 1 || path->at[1].slot == 0)
        return path->at[0].node;
    before = path->at[1].node->child[path->at[1].slot - 1];
    if (before->count == VMA_NODE_SLOTS)
        return path->at[0].node;
    path->at[0].node = before;
    path->at[0].slot = before->count;
    path->at[1].slot--;
    return before;
}

void
vma_btree_insert(struct vma_btree *btree, struct vma *vma)
{
    struct vma_node *leaf;
    struct path path;

    if (!btree->root) {
        btree->root = node_create(btree, 0);
        btree->height = 1;
    }
    seek(btree, vma->start, &path);
    leaf = prefer_room_before(&path);

    bool is_full = leaf->count == VMA_NODE_SLOTS;
    put(btree, &path, entry_of_vma(vma));
    if (is_full) {
        seek(btree, vma->start, &path);
        refresh_anew(&path);
    } else {
        refresh(&path, 0, 1);
    }
    refresh_next(&path);
}

/* ---- removal ---- */

static void
take_entry(struct vma_node *node, unsigned slot)
{
    copy_entries(node, slot, node, slot + 1, node->count - slot - 1);
    cut_off(node, node->count - 1);
    vma_hops_forget(node);
}

/* Join the child of a slot with a neighbour if it is small and there is one
 * with room; the parent has a child less then. */
static bool
join(const struct vma_btree *btree, struct vma_node *parent, unsigned slot)
{
    struct vma_node *lower, *upper;

    if (parent->child[slot]->count >= SMALL_COUNT || parent->count < 2)
        return false;
    slot = slot > 0 ? slot - 1 : slot;
    lower = parent->child[slot];
    upper = parent->child[slot + 1];
    if (lower->count + upper->count > JOINED_MAX)
        return false;
    copy_entries(lower, lower->count, upper, 0, upper->count);
    lower->count += upper->count;
    vma_hops_forget(lower);

    struct entry both = {
        .end = parent->end[slot + 1],
        .room = MAX(parent->gap[slot], parent->gap[slot + 1]),
        .what = lower,
        .vma_count = parent->vma_count[slot] + parent->vma_count[slot + 1],
    };
    set_entry(parent, slot, &both);
    take_entry(parent, slot + 1);
    node_destroy(btree, upper);
    return true;
}

static void
lower_root(struct vma_btree *btree)
{
    while (btree->height > 1 && btree->root->count == 1) {
        struct vma_node *root = btree->root;

        btree->root = root->child[0];
        btree->height--;
        node_destroy(btree, root);
    }
}

void
vma_btree_remove(struct vma_btree *btree, const struct vma *vma)
{
    struct path path, next;
    unsigned level = 0;

    seek(btree, vma->end - 1, &path);
    mm_assert(path.at[0].node->vma[path.at[0].slot] == vma);
    take_entry(path.at[0].node, path.at[0].slot);
    for (; path.at[level].node->count == 0; level++) {
        node_destroy(btree, path.at[level].node);
        if (level + 1 == path.height) {
            forget_root(btree);
            return;
        }
        take_entry(path.at[level + 1].node, path.at[level + 1].slot);
    }
    refresh(&path, level, -1);
    if (level > 0 || path.at[0].slot == path.at[0].node->count) {
        seek(btree, vma->end - 1, &next);
        refresh(&next, 0, 0);
    }
    while (level + 1 < path.height &&
           join(btree, path.at[level + 1].node, path.at[level + 1].slot))
        level++;
    lower_root(btree);
}

static void
destroy_subtree(const struct vma_btree *btree, struct vma_node *node)
{
    for (unsigned i = 0; node->level > 0 && i < node->count; i++)
        destroy_subtree(btree, node->child[i]);
    node_destroy(btree, node);
}

void
vma_btree_clear(struct vma_btree *btree)
{
    if (btree->root)
        destroy_subtree(btree, btree->root);
    forget_root(btree);
}

/* ---- change ---- */

void
vma_btree_update(struct vma_btree *btree, uint64_t addr)
{
    struct path path;

    seek(btree, addr, &path);
    struct entry entry = entry_of_vma(path.at[0].node->vma[path.at[0].slot]);

    set_entry(path.at[0].node, path.at[0].slot, &entry);
    refresh(&path, 0, 0);
    refresh_next(&path);
}

/* ---- queries ---- */

struct vma *
vma_btree_find(const struct vma_btree *btree, uint64_t addr)
{
    const struct vma_node *node = btree->root;

    if (!node || node->end[node->count - 1] <= addr)
        return NULL;
    for (unsigned level = btree->height; --level > 0;)
        node = node->child[vma_node_slot(node, addr)];
    return node->vma[vma_node_slot(node, addr)];
}

uint32_t
vma_btree_rank(const struct vma_btree *btree, uint64_t addr)
{
    const struct vma_node *node = btree->root;
    uint32_t rank = 0;

    for (unsigned level = btree->height - 1; level > 0; level--) {
        unsigned slot = slot_up_to(node, addr);

        rank += count_before(node, slot);
        node = node->child[slot];
    }
    return rank + vma_node_slot(node, addr);
}

/* A part of the tree that a query is about; low as above. */
struct part {
    const struct vma_node *node;
    unsigned level;
    uint64_t low;
};

static struct part
child_of(const struct part *part, unsigned slot)
{
    return (struct part){part->node->child[slot], part->level - 1,
                         vma_node_end_before(part->node, slot, part->low)};
}

static struct part
whole(const struct vma_btree *btree)
{
    return (struct part){btree->root, btree->height - 1, 0};
}

static uint64_t
gap_of_slot(const struct part *part, unsigned slot)
{
    return part->level > 0 ? part->node->gap[slot]
                           : vma_leaf_gap(part->node, slot, part->low);
}

static uint64_t
max_gap(struct part part, uint64_t from, uint64_t to, uint64_t largest)
{
    unsigned first = slot_up_to(part.node, from);
    unsigned last = slot_up_to(part.node, to);

    for (unsigned i = first; i <= last; i++) {
        uint64_t gap = gap_of_slot(&part, i);

        if (gap <= largest)
            continue;
        if (part.level > 0 && (i == first || i == last))
            gap = max_gap(child_of(&part, i), from, to, largest);
        largest = MAX(largest, gap);
    }
    return largest;
}

uint64_t
vma_btree_max_gap(const struct vma_btree *btree, uint64_t from, uint64_t to)
{
    return max_gap(whole(btree), from, to, 0);
}

/* The first slot from `slot` on with a gap that is large enough, or
 * VMA_NODE_SLOTS. */
static unsigned
slot_with_gap_above(const struct part *part, unsigned slot, uint64_t length)
{
    for (; slot < part->node->count; slot++)
        if (gap_of_slot(part, slot) >= length)
            return slot;
    return VMA_NODE_SLOTS;
}

/* The last slot before `slot`, likewise. */
static unsigned
slot_with_gap_below(const struct part *part, unsigned slot, uint64_t length)
{
    while (slot-- > 0)
        if (gap_of_slot(part, slot) >= length)
            return slot;
    return VMA_NODE_SLOTS;
}

/* The path's node, as a part. */
static struct part
part_at(const struct path *path, unsigned level)
{
    return (struct part){path->at[level].node, level, low_of(path, level)};
}

struct vma *
vma_btree_next_gap(const struct vma_btree *btree, uint64_t addr,
                   uint64_t length)
{
    unsigned level = 0, slot;
    struct path path;
    struct part part;

    seek(btree, addr, &path);
    part = part_at(&path, 0);
    slot = slot_with_gap_above(&part, path.at[0].slot, length);
    while (slot == VMA_NODE_SLOTS && ++level < btree->height) {
        part = part_at(&path, level);
        slot = slot_with_gap_above(&part, path.at[level].slot + 1, length);
    }
    if (slot == VMA_NODE_SLOTS)
        return NULL;
    while (part.level > 0) {
        part = child_of(&part, slot);
        slot = slot_with_gap_above(&part, 0, length);
    }
    return part.node->vma[slot];
}

struct vma *
vma_btree_prev_gap(const struct vma_btree *btree, uint64_t addr,
                   uint64_t length)
{
    unsigned level = 0, slot;
    struct path path;
    struct part part;

    seek(btree, addr, &path);
    part = part_at(&path, 0);
    slot = slot_with_gap_below(&part, path.at[0].slot + 1, length);
    while (slot == VMA_NODE_SLOTS && ++level < btree->height) {
        part = part_at(&path, level);
        slot = slot_with_gap_below(&part, path.at[level].slot, length);
    }
    if (slot == VMA_NODE_SLOTS)
        return NULL;
    while (part.level > 0) {
        part = child_of(&part, slot);
        slot = slot_with_gap_below(&part, part.node->count, length);
    }
    return part.node->vma[slot];
}

/* ---- validation ---- */

/* *in_order is the VMA that must come next. */
static void
validate_part(struct part part, const struct vma **in_order)
{
    const struct vma_node *node = part.node;

    mm_invariant(V4, node->count > 0 && node->count <= VMA_NODE_SLOTS);
    for (unsigned i = node->count; i < VMA_NODE_SLOTS; i++)
        mm_invariant(V4, node->end[i] == UINT64_MAX);
    for (unsigned i = 0; i < node->count; i++) {
        if (part.level == 0) {
            const struct vma *vma = node->vma[i];

            mm_invariant(V2, vma == *in_order);
            mm_invariant(V4, node->end[i] == vma->end);
            mm_invariant(V4, node->floor[i] == vma_start_gap(vma));
            *in_order = vma->next;
            continue;
        }
        struct part child = child_of(&part, i);
        struct entry entry = entry_of(node->child[i], child.level, child.low);

        validate_part(child, in_order);
        vma_hops_validate(node->child[i], child.level, child.low);
        mm_invariant(V4, node->end[i] == entry.end);
        mm_invariant(V4, node->gap[i] == entry.room);
        mm_invariant(V4, node->vma_count[i] == entry.vma_count);
    }
}

void
vma_btree_validate(const struct vma_btree *btree, const struct vma *first)
{
    if (btree->root)
        validate_part(whole(btree), &first);
    mm_invariant(V2, !first);
}
