/*
 * The host objects of leaves.
 *
 * A leaf that goes has no entries left, so that nothing but its side record
 * is wiped, and nothing is when it comes.
 */
#include "mm/aspace.h"
#include "mm/machine.h"
#include "mm/pieces.h"

static size_t
leaf_bytes(const struct arch *arch)
{
    return sizeof(struct leaf) + leaf_entries(arch) * sizeof(pte_t);
}

/* The latest that went, or a new one. */
static uint32_t
take_id(struct machine *machine)
{
    GArray *free = machine->free_leaf_ids;

    if (free->len == 0) {
        g_ptr_array_add(machine->leaves, NULL);
        return machine->leaves->len - 1;
    }
    uint32_t id = g_array_index(free, uint32_t, free->len - 1);
    g_array_set_size(free, free->len - 1);
    return id;
}

struct leaf *
leaf_create(struct mm *mm, uint64_t base, pfn_t pfn)
{
    struct machine *machine = mm->machine;
    struct leaf *leaf =
        pieces_get(machine->leaf_pieces, leaf_bytes(machine->arch));

    leaf->mm = mm;
    leaf->base = base;
    leaf->id = take_id(machine);
    leaf->pfn = pfn;
    machine->leaves->pdata[leaf->id] = leaf;
    return leaf;
}

void
leaf_destroy(struct leaf *leaf)
{
    struct machine *machine = leaf->mm->machine;

    mm_assert(leaf->used_count == 0);
    machine->leaves->pdata[leaf->id] = NULL;
    g_array_append_val(machine->free_leaf_ids, leaf->id);
    *leaf = (struct leaf){0};
    pieces_put(machine->leaf_pieces, leaf, leaf_bytes(machine->arch));
}
