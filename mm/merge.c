/*
 * The `merge` axis: may a range join a VMA that it touches?
 *
 *   value       era     who may merge              what must agree
 *   mmap-only   2.4.21  mmap, brk: anonymous, with  flags
 *                       the VMA below
 *   off         aa1     mmap, brk: anonymous        flags
 *   flags       2.6.2   mmap, brk, mremap; mprotect flags; file: linear pgoff
 *                       and mlock with the VMA below
 *   linear      2.6.7   every call                  + linear pgoff, identities
 *                                                   equal or one has none
 *   singular    3.0     every call                  + the one with an identity
 *                                                   is the neighbour, never
 *                                                   forked
 *   fork-child  6.18    every call                  + the one with an identity
 *                                                   was never forked
 *
 * The first three do not look at pgoff and identity of anonymous memory,
 * unless the reverse map finds pages through their linear place in a VMA
 * (rmap_ops.needs_linear_vmas): then they demand what `linear` does.
 *
 * "Never forked" is a chain of one family (no child's VMA has that), or depth 1
 * where a preset keeps no chains.
 */
#include "mm/anon.h"
#include "mm/aspace_private.h"
#include "mm/machine.h"
#include "mm/rmap.h"

#define BRK_KEEPS_BSS_VERSION 6001000  // mas_prev() of 6.1; 6.18 measured

/* What one side of a merge owns. */
struct identity {
    const struct anon_family *family;
    bool forked;  // pages of it may belong to an ancestor
};

static bool
was_forked(const struct anon_chain *chain, uint32_t depth)
{
    return chain ? chain->count > 1 : depth > 1;
}

static struct identity
identity_of_range(const struct merge_request *request)
{
    return (struct identity){request->family,
                             was_forked(request->chain, request->anon_depth)};
}

static struct identity
identity_of_vma(const struct vma *vma)
{
    return (struct identity){vma->family,
                             was_forked(vma->chain, vma->anon_depth)};
}

static bool
equal_or_none(struct identity a, struct identity b)
{
    return !a.family || !b.family || a.family == b.family;
}

static bool
pgoff_is_linear(const struct merge_request *request, const struct vma *vma,
                bool vma_is_below)
{
    if (vma_is_below)
        return vma->pgoff + vma_pages(vma) == request->pgoff;
    return request->pgoff + bytes_to_pages(request->end - request->start) ==
           vma->pgoff;
}

/* What every era demands. */
static bool
facts_agree(const struct merge_request *request, const struct vma *vma,
            bool vma_is_below)
{
    uint32_t upper_gap_bytes = !vma_is_below ? vma->gap_below_bytes
                               : request->mapping
                                   ? request->mapping->gap_below_bytes
                                   : 0;

    if ((request->flags | vma->flags) & VM_SPECIAL)
        return false;
    if ((request->flags ^ vma->flags) & ~(uint32_t)VM_MAYBE_GUARD)
        return false;
    if (request->file != vma->file || upper_gap_bytes)
        return false;
    return !request->file || pgoff_is_linear(request, vma, vma_is_below);
}

/* The eras that ignore pgoff and identity, under a reverse map that does
 * not. */
static bool
rmap_agrees(const struct merge_request *request, const struct vma *vma,
            bool vma_is_below)
{
    if (!request->mm->machine->policy.rmap->needs_linear_vmas)
        return true;
    return pgoff_is_linear(request, vma, vma_is_below) &&
           equal_or_none(identity_of_range(request), identity_of_vma(vma));
}

static bool
caller_merges_by_flags(const struct merge_request *request, bool vma_is_below)
{
    switch (request->caller) {
    case MERGE_BY_MMAP:
    case MERGE_BY_BRK:
        return true;
    case MERGE_BY_MREMAP:
        return !request->file;
    case MERGE_BY_MPROTECT:
    case MERGE_BY_MLOCK:
        return !request->file && vma_is_below;
    case MERGE_BY_MADVISE:
        return false;
    }
    return false;
}

static bool
caller_maps_anonymous(const struct merge_request *request)
{
    return !request->file && (request->caller == MERGE_BY_MMAP ||
                              request->caller == MERGE_BY_BRK);
}

/* 3.0: only into a neighbour that has an identity of its own, or no identity
 * on either side. */
static bool
identities_fit_singular(struct identity range, struct identity neighbour)
{
    if (range.family && neighbour.family)
        return range.family == neighbour.family;
    return range.family == neighbour.family ||
           (neighbour.family && !neighbour.forked);
}

static bool
identities_fit_fork_child(struct identity range, struct identity neighbour)
{
    if (range.family && neighbour.family)
        return range.family == neighbour.family;
    return !(range.family && range.forked) &&
           !(neighbour.family && neighbour.forked);
}

/* Since the maple tree brk looks for its VMA from the start of the heap on:
 * what lies below, the bss, is never extended. */
static bool
is_below_heap(const struct merge_request *request, const struct vma *neighbour)
{
    return request->caller == MERGE_BY_BRK &&
           request->mm->machine->kernel.version >= BRK_KEEPS_BSS_VERSION &&
           neighbour->end <= request->mm->brk_start;
}

bool
merge_allowed(const struct merge_request *request, const struct vma *neighbour,
              bool neighbour_is_below)
{
    struct identity range = identity_of_range(request);
    struct identity other = identity_of_vma(neighbour);

    if (!facts_agree(request, neighbour, neighbour_is_below) ||
        (neighbour_is_below && is_below_heap(request, neighbour)))
        return false;
    switch (request->mm->machine->policy.merge) {
    case MERGE_MMAP_ONLY:
        return caller_maps_anonymous(request) && neighbour_is_below &&
               rmap_agrees(request, neighbour, neighbour_is_below);
    case MERGE_OFF:
        return caller_maps_anonymous(request) &&
               rmap_agrees(request, neighbour, neighbour_is_below);
    case MERGE_FLAGS:
        return caller_merges_by_flags(request, neighbour_is_below) &&
               rmap_agrees(request, neighbour, neighbour_is_below);
    case MERGE_LINEAR:
        return pgoff_is_linear(request, neighbour, neighbour_is_below) &&
               equal_or_none(range, other);
    case MERGE_SINGULAR:
        return pgoff_is_linear(request, neighbour, neighbour_is_below) &&
               identities_fit_singular(range, other);
    case MERGE_FORK_CHILD:
        return pgoff_is_linear(request, neighbour, neighbour_is_below) &&
               identities_fit_fork_child(range, other);
    }
    return false;
}

bool
merge_bridge_allowed(const struct merge_request *request,
                     const struct vma *below, const struct vma *above)
{
    const struct machine *machine = request->mm->machine;
    bool fits = equal_or_none(identity_of_vma(below), identity_of_vma(above));

    switch (machine->policy.merge) {
    case MERGE_MMAP_ONLY:
    case MERGE_OFF:
    case MERGE_FLAGS:
        return fits || !machine->policy.rmap->needs_linear_vmas;
    case MERGE_LINEAR:
    case MERGE_SINGULAR:
    case MERGE_FORK_CHILD:
        return fits;
    }
    return false;
}
