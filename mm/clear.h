/*
 * The `clear` axis: what is done to a frame before a user gets it.
 */
#pragma once

#include "mm/types.h"

struct mm;
struct machine;
struct vma;

/*
 * Make `count` fresh frames fit for the VMA's process: clear them, or leave
 * them as the policy allows.  They hold the process's bytes from here on.
 */
void clear_user_run(struct vma *vma, const pfn_t *pfns, uint32_t count);

/* Does MAP_NOZERO mean anything?  Kernels without it ignore the flag. */
bool clear_honours_nozero(const struct machine *machine);

/* Clear one frame of shared anonymous memory or a shmem file. */
void clear_shmem_page(struct machine *machine, pfn_t pfn);
