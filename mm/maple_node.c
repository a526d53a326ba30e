/*
 * The maple tree: nodes, and piles of their entries.
 *
 * Nodes come from a slab cache of the machine, by way of spare ones that
 * maple_reserve() provides for: a store itself never fails.  The kernel
 * allocates before it stores as well; its spare nodes are per call.
 *
 * Not modelled: copies of nodes for lockless readers, which live until a grace
 * period is over.
 */
#include "mm/aspace.h"
#include "mm/gap.h"
#include "mm/machine.h"
#include "mm/maple_private.h"

/* Nodes of the highest tree's path, one more for a new root: up to 15 levels.
 */
#define SPARE_COUNT 16

static bool
wants_maple(const struct machine *machine)
{
    return machine->policy.gap->needs_maple ||
           machine->policy.vma_index == VMA_INDEX_MAPLE;
}

bool
maple_is_enough(const struct machine *machine)
{
    return machine->policy.gap && machine->policy.gap->needs_maple &&
           machine->policy.vma_index == VMA_INDEX_MAPLE;
}

bool
maple_reserve_nodes(struct machine *machine, uint32_t count)
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
    return !wants_maple(machine) || maple_reserve_nodes(machine, SPARE_COUNT);
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

struct maple_node *
maple_take(struct mm *mm, bool is_leaf)
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

void
maple_release(struct mm *mm, struct maple_node *node)
{
    node->parent = mm->machine->maple_spare;
    mm->machine->maple_spare = node;
    mm->machine->maple_spare_count++;
    mm->maple.node_count--;
}

void
maple_release_subtree(struct mm *mm, struct maple_node *node)
{
    for (unsigned i = 0; !node->is_leaf && i < node->count; i++)
        maple_release_subtree(mm, node->child[i]);
    maple_release(mm, node);
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
        maple_release_subtree(mm, mm->maple.root);
    if (mm->machine->maple_trail.mm == mm)
        mm->machine->maple_trail.mm = NULL;
    mm->maple = (struct maple){0};
}

static uint64_t
largest_free_range(const struct maple_node *leaf)
{
    uint64_t largest = 0;

    for (uint32_t free = leaf->free_slots; free; free &= free - 1)
        largest = MAX(largest,
                      maple_entry_bytes(leaf, (unsigned)__builtin_ctz(free)));
    return largest;
}

uint64_t
maple_largest_gap(const struct maple_node *node)
{
    uint64_t largest = 0;

    if (node->is_leaf)
        return largest_free_range(node);
    for (unsigned i = 0; i < node->count; i++)
        largest = MAX(largest, node->gap[i]);
    return largest;
}

void
maple_update_gaps(struct maple_node *node)
{
    for (; node->parent; node = node->parent) {
        uint64_t gap = maple_largest_gap(node);

        if (node->parent->gap[node->slot] == gap)
            return;
        node->parent->gap[node->slot] = gap;
    }
}

void
maple_set_root(struct mm *mm, struct maple_node *root, unsigned height)
{
    bool is_index = mm->machine->policy.vma_index == VMA_INDEX_MAPLE;

    if (root) {
        root->parent = NULL;
        root->slot = 0;
    }
    mm->maple.root = root;
    mm->maple.height = (uint16_t)height;
    mm->maple.lookup_steps = is_index ? mm->maple.height : 0;
}

void
pile_add(struct maple_pile *pile, uint64_t last, void *what)
{
    mm_assert(pile->count < G_N_ELEMENTS(pile->last));
    pile->last[pile->count] = last;
    pile->what[pile->count++] = what;
}

void
pile_add_entries(struct maple_pile *pile, const struct maple_node *node,
                 unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        pile_add(pile, node->last[i],
                 node->is_leaf ? (void *)node->vma[i] : node->child[i]);
}

void
pile_add_node(struct maple_pile *pile, struct maple_node *node)
{
    pile_add(pile, maple_last(node), node);
}

void
pile_put_before(struct maple_pile *pile, const struct maple_node *node)
{
    struct maple_pile rest = *pile;

    pile->count = 0;
    pile_add_entries(pile, node, 0, node->count);
    for (unsigned i = 0; i < rest.count; i++)
        pile_add(pile, rest.last[i], rest.what[i]);
}

void
maple_fill(struct maple_node *node, uint64_t first,
           const struct maple_pile *pile, unsigned from, unsigned to)
{
    node->first = first;
    node->count = (uint8_t)(to - from);
    node->free_slots = 0;
    for (unsigned i = 0; i < node->count; i++) {
        node->last[i] = pile->last[from + i];
        if (node->is_leaf) {
            node->vma[i] = pile->what[from + i];
            node->free_slots |= (uint32_t)!node->vma[i] << i;
            continue;
        }
        node->child[i] = pile->what[from + i];
        node->child[i]->parent = node;
        node->child[i]->slot = (uint8_t)i;
        node->gap[i] = maple_largest_gap(node->child[i]);
    }
}
