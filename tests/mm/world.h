/*
 * A machine for tests of the reverse map and the anon identity: address spaces
 * made of private anonymous VMAs, filled, forked, split and moved by hand, so
 * that a test states each mapping itself.
 */
#pragma once

#include "mm/anon.h"
#include "mm/aspace.h"
#include "mm/file.h"
#include "mm/machine.h"
#include "mm/page_alloc.h"
#include "mm/rmap.h"

/* x86-64, 64-byte lines, 512 MiB; change what the test is about. */
struct machine_config world_config(const struct rmap_ops *rmap,
                                   enum anon_fork_form form);
/* Every process exits, and nothing may be left. */
void world_destroy(struct machine *machine);

struct vma *world_vma(struct mm *mm, uint64_t start, uint64_t pages);
struct vma *world_file_vma(struct mm *mm, struct file *file, uint64_t start,
                           uint64_t pages, uint64_t pgoff);
/* Cut at addr; the new VMA is the part above. */
struct vma *world_split(struct vma *vma, uint64_t addr);
/* Move to a free place, as mremap does with a faulted VMA. */
struct vma *world_move(struct vma *vma, uint64_t start);
/* Unmap all of it. */
void world_drop(struct vma *vma);

/* Map a frame; false: the reverse map had no memory, nothing is changed. */
bool world_map(struct vma *vma, uint64_t addr, pfn_t pfn, uint64_t bits);
/* A frame of the VMA's own. */
struct page *world_fault(struct vma *vma, uint64_t addr);
/* Frees the frame with its last mapping. */
void world_unmap(struct mm *mm, uint64_t addr);
pte_t world_pte(struct mm *mm, uint64_t addr);

struct mm *world_fork(struct mm *parent);
void world_exit(struct mm *mm);

/* Take all frames; give them back. */
GArray *world_exhaust(struct machine *machine);
void world_relieve(struct machine *machine, GArray *pfns);
