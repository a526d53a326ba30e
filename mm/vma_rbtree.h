/*
 * The red-black tree of VMAs, of the kernels before 6.1.
 *
 * The links are in struct vma and hang from mm.rb_root; what they add to the
 * B+tree (mm/vma_btree.h) is a shape.
 */
#pragma once

#include "mm/types.h"

struct mm;
struct vma;

/* Does an axis of the machine want the tree? */
bool vma_rbtree_is_kept(const struct mm *mm);
/* And does none want to know anything else? */
bool vma_rbtree_is_enough(const struct mm *mm);
/* Link a VMA that is in the list, or take it out when it has left the list;
 * `successor` followed it there. */
void vma_rbtree_insert(struct mm *mm, struct vma *vma);
void vma_rbtree_remove(struct mm *mm, struct vma *vma, struct vma *successor);
/* The gap below the VMA, which may be NULL, has changed. */
void vma_rbtree_gap_changed(struct vma *vma);
/* Lowest VMA with end > addr, or NULL; counts the nodes visited. */
struct vma *vma_rbtree_find(const struct mm *mm, uint64_t addr,
                            uint64_t *step_count);
void vma_rbtree_validate(const struct mm *mm);
