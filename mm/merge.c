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

/* Two that fit: whose identity the joined VMA has. */
static enum merge_verdict
fitting(struct identity range, struct identity neighbour)
{
    if (!range.family)
        return neighbour.family ? MERGE_FITS_NEIGHBOUR_HAS : MERGE_FITS_BARE;
    return neighbour.family ? MERGE_FITS_SAME : MERGE_FITS_RANGE_HAS;
}

/* 2.6.7: equal, or one has none. */
static enum merge_verdict
judge_linear(struct identity range, struct identity neighbour)
{
    if (range.family && neighbour.family && range.family != neighbour.family)
        return MERGE_REFUSED_OTHER_FAMILY;
    return fitting(range, neighbour);
}

/* 3.0: only into a neighbour that has an identity of its own, or no identity
 * on either side. */
static enum merge_verdict
judge_singular(struct identity range, struct identity neighbour)
{
    if (range.family && range.family != neighbour.family)
        return MERGE_REFUSED_OTHER_FAMILY;
    if (!range.family && neighbour.family && neighbour.forked)
        return MERGE_REFUSED_FORKED;
    return fitting(range, neighbour);
}

static enum merge_verdict
judge_fork_child(struct identity range, struct identity neighbour)
{
    enum merge_verdict verdict = judge_linear(range, neighbour);

    if ((verdict == MERGE_FITS_RANGE_HAS && range.forked) ||
        (verdict == MERGE_FITS_NEIGHBOUR_HAS && neighbour.forked))
        return MERGE_REFUSED_FORKED;
    return verdict;
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

/* What every era demands; fits: nothing is against it so far. */
static enum merge_verdict
judge_facts(const struct merge_request *request, const struct vma *vma,
            bool vma_is_below)
{
    uint32_t upper_gap_bytes = !vma_is_below ? vma->gap_below_bytes
                               : request->mapping
                                   ? request->mapping->gap_below_bytes
                                   : 0;

    if ((request->flags | vma->flags) & VM_SPECIAL)
        return MERGE_REFUSED_SPECIAL;
    if ((request->flags ^ vma->flags) & ~(uint32_t)VM_MAYBE_GUARD)
        return MERGE_REFUSED_FLAGS;
    if (request->file != vma->file)
        return MERGE_REFUSED_FILE;
    if (upper_gap_bytes)
        return MERGE_REFUSED_GAP;
    if (request->file && !pgoff_is_linear(request, vma, vma_is_below))
        return MERGE_REFUSED_PGOFF;
    return MERGE_FITS_BARE;
}

/* The eras that ignore pgoff and identity, unless the reverse map does not. */
static enum merge_verdict
judge_by_rmap(const struct merge_request *request, const struct vma *vma,
              bool vma_is_below)
{
    struct identity range = identity_of_range(request);
    struct identity neighbour = identity_of_vma(vma);

    if (!request->mm->machine->policy.rmap->needs_linear_vmas)
        return fitting(range, neighbour);
    if (!pgoff_is_linear(request, vma, vma_is_below))
        return MERGE_REFUSED_PGOFF;
    return judge_linear(range, neighbour);
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

/* Since the maple tree brk looks for its VMA from the start of the heap on:
 * what lies below, the bss, is never extended. */
static bool
is_below_heap(const struct merge_request *request, const struct vma *neighbour)
{
    return request->caller == MERGE_BY_BRK &&
           request->mm->machine->kernel.version >= BRK_KEEPS_BSS_VERSION &&
           neighbour->end <= request->mm->brk_start;
}

/* Whether this call merges at all, in the eras where that depends. */
static bool
caller_merges(const struct merge_request *request, bool neighbour_is_below)
{
    switch (request->mm->machine->policy.merge) {
    case MERGE_MMAP_ONLY:
        return caller_maps_anonymous(request) && neighbour_is_below;
    case MERGE_OFF:
        return caller_maps_anonymous(request);
    case MERGE_FLAGS:
        return caller_merges_by_flags(request, neighbour_is_below);
    case MERGE_LINEAR:
    case MERGE_SINGULAR:
    case MERGE_FORK_CHILD:
        return true;
    }
    return false;
}

enum merge_verdict
merge_judge(const struct merge_request *request, const struct vma *neighbour,
            bool neighbour_is_below)
{
    enum merge_policy policy = request->mm->machine->policy.merge;
    struct identity range = identity_of_range(request);
    struct identity other = identity_of_vma(neighbour);
    enum merge_verdict verdict =
        judge_facts(request, neighbour, neighbour_is_below);

    if (!merge_fits(verdict))
        return verdict;
    if (neighbour_is_below && is_below_heap(request, neighbour))
        return MERGE_REFUSED_BSS;
    if (!caller_merges(request, neighbour_is_below))
        return MERGE_REFUSED_CALLER;
    if (policy == MERGE_MMAP_ONLY || policy == MERGE_OFF ||
        policy == MERGE_FLAGS)
        return judge_by_rmap(request, neighbour, neighbour_is_below);
    if (!pgoff_is_linear(request, neighbour, neighbour_is_below))
        return MERGE_REFUSED_PGOFF;
    return policy == MERGE_LINEAR     ? judge_linear(range, other)
           : policy == MERGE_SINGULAR ? judge_singular(range, other)
                                      : judge_fork_child(range, other);
}

bool
merge_bridge_allowed(const struct merge_request *request,
                     const struct vma *below, const struct vma *above)
{
    const struct machine *machine = request->mm->machine;
    bool fits = merge_fits(
        judge_linear(identity_of_vma(below), identity_of_vma(above)));

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
