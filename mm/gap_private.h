/*
 * What the files of the gap axis share.  Not for use outside mm/gap*.c.
 */
#pragma once

#include "mm/gap.h"

/* The search examined `count` VMAs or nodes. */
void gap_probed(struct mm *mm, uint64_t count);

/* Where the layout begins: mmap_base, or TASK_UNMAPPED_BASE where mappings
 * grow upwards (kernels set mmap_base to it then). */
uint64_t gap_layout_base(const struct mm *mm);

/*
 * First fit at or above `from`, as every kernel before 3.8 walked: find_vma(),
 * then from VMA to VMA until one leaves enough room below itself.  Probes are
 * the VMAs that were in the way.  GAP_NONE: less than `length` bytes left
 * before task_size.  *hole, unless NULL, is raised to the largest gap that was
 * too small.
 */
uint64_t gap_walk_up(struct mm *mm, uint64_t from, uint64_t length,
                     uint64_t *hole);
