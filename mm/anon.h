/*
 * Anon identity: which origin the anonymous pages of a VMA belong to.
 *
 * A family stands for one anon_vma of the kernel.  Merging, forking and the
 * reverse map read the identity; which objects and bytes an rmap scheme keeps
 * for it is the scheme's business.
 *
 * Under ANON_FORK_INHERIT (to 2.6.33) a child's VMA has its parent's family.
 * Under the other forms the child's VMA gets a family of its own (or adopts
 * an ancestor's) and a chain of all families whose pages it may map.
 *
 * Invariants (anon_validate):
 *   N1  A VMA has a depth iff it has a family.
 *   N2  family.vma_count is the number of VMAs with that family or with it in
 *       their chain; a family without VMAs is gone.
 *   N3  active_count is the number of VMAs whose own family it is.
 *   N4  An anonymous page mapped by a VMA has a home in the VMA's chain (or
 *       its family) -- where the reverse map goes by homes: 2.6.2 with
 *       pte-chain merges VMAs of different origin.
 *   N5  child_count is the number of families whose parent it is.
 */
#pragma once

#include "mm/types.h"

struct machine;
struct vma;

struct anon_family {
    uint32_t id;            // index into machine.families, page.home
    struct anon_family *root;
    struct anon_family *parent;  // itself for a root
    uint32_t vma_count;     // VMAs that list it
    uint32_t active_count;  // VMAs whose own family it is
    uint32_t child_count;   // families whose parent it is (root: itself too)
    void *rmap;             // private to the rmap scheme
};

/* Families of a VMA, the root's first; shared by split parts. */
struct anon_chain {
    uint32_t ref_count;
    uint32_t count;
    struct anon_family *families[];
};

/* Give the VMA an identity if it has none: a neighbour's where the preset
 * borrows, else a new one.  false: no memory. */
bool anon_prepare(struct vma *vma);
/* Identity of a new VMA that is a part or copy of `source` in the same
 * address space (split, mremap). false: no memory. */
bool anon_clone(struct vma *vma, const struct vma *source);
/* Identity of a child's VMA at fork. */
bool anon_fork(struct vma *child, const struct vma *parent);
/* Take the identity of a merge request's range (it has none of its own). */
bool anon_adopt(struct vma *vma, struct anon_family *family,
                struct anon_chain *chain, uint32_t depth);
/* The VMA goes away. */
void anon_unlink(struct vma *vma);
void anon_validate(struct machine *machine);

/* The families that list a VMA with an identity: its chain, or its own. */
uint32_t anon_listed_count(const struct vma *vma);
struct anon_family *anon_listed(const struct vma *vma, uint32_t i);

struct anon_family *anon_family_of(const struct machine *machine, uint32_t id);
