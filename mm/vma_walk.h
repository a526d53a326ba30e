/*
 * The walk of the kernels that cached the place of the last mapping, downwards
 * (gap=area-cache, gap=hole-size): is the area just below `end` free?  If not,
 * try the one below the VMA in the way.
 *
 *          |--c--|   |-b-| |-a-|       end
 *             [..............]          a is not the lowest in the way: b is
 *        [..........]                   then c
 *
 * A step passes all VMAs that lie within the tried area, so the steps cannot
 * be told from the number of VMAs.  But from one try on, a walk for the same
 * length goes the same way until a VMA changes: an inner node of the B+tree
 * remembers where walks came out of it, by length and by the try that led into
 * it (struct vma_hops).  What it remembers goes with the first change below it.
 *
 * So a search costs the logarithm of the number of VMAs where it goes over
 * known ground, and otherwise its steps, a few nanoseconds each: the first time
 * that a length is asked for, and where more different ways lead through a node
 * than it can remember.
 */
#pragma once

#include "mm/vma_btree.h"

/* To begin with, length and end are set, and nothing else. */
struct vma_walk {
    uint64_t length;      // bytes that must be free
    uint64_t end;         // of the area that is tried
    uint64_t step_count;  // VMAs found in the way
    uint64_t hole;        // bytes: largest free end of an area that was tried
};

/* Walk down from walk.end, which lies below the end of some VMA.  true: the
 * area below walk.end is free; false: the next one would reach below the first
 * page of the address space. */
bool vma_walk_down(const struct vma_btree *btree, struct vma_walk *walk);

/* A VMA below the node has changed. */
void vma_hops_forget(struct vma_node *node);
void vma_hops_destroy(struct vma_node *node);

/* V6 for a node's own hops; low: end of the VMA before it. */
void vma_hops_validate(const struct vma_node *node, unsigned level,
                       uint64_t low);
