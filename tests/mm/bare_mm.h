/*
 * An address space without a machine around it, for tests of the VMA tree and
 * of the gap policies: only the fields that those read are set.
 */
#pragma once

#include "mm/aspace.h"
#include "mm/host_memory.h"
#include "mm/machine.h"
#include "mm/pieces.h"

struct bare_mm {
    struct machine *machine;
    struct mm *mm;
};

static inline struct bare_mm
bare_mm_create(const struct arch *arch)
{
    struct bare_mm bare = {g_new0(struct machine, 1), g_new0(struct mm, 1)};

    bare.machine->arch = arch;
    bare.machine->policy.vma_index = VMA_INDEX_RBTREE;
    bare.mm->machine = bare.machine;
    bare.mm->pagetable.arch = arch;
    bare.machine->host_memory = host_memory_create();
    bare.machine->object_pieces =
        pieces_create(bare.machine->host_memory, /* are_zeroed = */ false);
    bare.mm->btree.pieces = bare.machine->object_pieces;
    return bare;
}

/* Maple nodes enough for the next change, from the host: there is no slab. */
static inline void
bare_mm_stock(struct bare_mm *bare)
{
    while (bare->machine->maple_spare_count < 32) {
        struct maple_node *node = g_new0(struct maple_node, 1);

        node->parent = bare->machine->maple_spare;
        bare->machine->maple_spare = node;
        bare->machine->maple_spare_count++;
    }
}

/* With that gap policy from now on, nothing being mapped yet. */
static inline void
bare_mm_set_gap(struct bare_mm *bare, const struct gap_ops *policy)
{
    bare->machine->policy.gap = policy;
    maple_init(bare->mm);
}

static inline struct vma *
bare_mm_map(struct bare_mm *bare, uint64_t start, uint64_t end)
{
    struct vma *vma = g_new0(struct vma, 1);

    bare_mm_stock(bare);
    vma->mm = bare->mm;
    vma->start = start;
    vma->end = end;
    vma_tree_insert(bare->mm, vma);
    return vma;
}

static inline void
bare_mm_unmap(struct bare_mm *bare, struct vma *vma)
{
    vma_tree_remove(bare->mm, vma);
    g_free(vma);
}

static inline void
bare_mm_destroy(struct bare_mm *bare)
{
    while (bare->mm->first)
        bare_mm_unmap(bare, bare->mm->first);
    for (struct maple_node *node = bare->machine->maple_spare, *next; node;
         node = next) {
        next = node->parent;
        g_free(node);
    }
    pieces_destroy(bare->machine->object_pieces);
    host_memory_destroy(bare->machine->host_memory);
    g_free(bare->mm);
    g_free(bare->machine);
}

/* splitmix64: the same numbers on every host. */
static inline uint64_t
test_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline uint64_t
test_random_below(uint64_t *state, uint64_t bound)
{
    return test_random(state) % bound;
}
