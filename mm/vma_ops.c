/*
 * VMA objects: making, cutting and joining them.
 *
 *   split    |-----a-----|       ->  |--a--|--b--|
 *   extend   |--a--|<new>        ->  |----a------|
 *   bridge   |--a--|<new>|--b--| ->  |-----a-----|
 *   shift    |--a--|xx--b--|     ->  |---a---|-b-|   xx: part with new flags
 *
 * Which of them may happen is the merge axis' decision (mm/merge.c).  What a
 * merge needs memory for comes first, so that a failure changes nothing.
 * Totals of the address space (total_pages and so on) are the callers'.
 *
 * A merged VMA keeps the lower one's pgoff; when only the upper one is
 * extended, its own, less the pages it gains.
 */
#include "mm/anon.h"
#include "mm/aspace_private.h"
#include "mm/file.h"
#include "mm/machine.h"
#include "mm/rmap.h"

#include <errno.h>

/* Kernels from here on join a VMA that mremap grew with the next one. */
#define MREMAP_MERGES_VERSION 6000000

struct vma *
vma_create(struct mm *mm)
{
    struct machine *machine = mm->machine;
    struct vma *vma = slab_alloc(machine, SLAB_VMA);

    if (!vma)
        return NULL;
    if (!maple_reserve(machine)) {
        slab_free(machine, SLAB_VMA, vma);
        return NULL;
    }
    vma->mm = mm;
    charge(machine, CHARGE_vma_object, 1);
    gauge_add(machine, GAUGE_vma_count, 1);
    gauge_add(machine, GAUGE_vma_bytes, machine->sizes.vma);
    return vma;
}

void
vma_destroy(struct vma *vma)
{
    struct machine *machine = vma->mm->machine;

    if (vma->family)
        anon_unlink(vma);
    if (vma->file) {
        struct file *file = vma->file;

        rmap_file_unlink(vma);
        file_put(file);
    }
    gauge_sub(machine, GAUGE_vma_count, 1);
    gauge_sub(machine, GAUGE_vma_bytes, machine->sizes.vma);
    slab_free(machine, SLAB_VMA, vma);
    maple_trim(machine);
}

static void
set_file(struct vma *vma, struct file *file)
{
    vma->file = file;
    if (file)
        rmap_file_link(vma);
}

static void
charge_modify(const struct mm *mm, uint64_t count)
{
    charge(mm->machine, CHARGE_vma_modify, count);
}

struct vma *
vma_insert_new(const struct merge_request *request, const struct vma *source)
{
    struct vma *vma = vma_create(request->mm);

    if (!vma)
        return NULL;
    vma->start = request->start;
    vma->end = request->end;
    vma->pgoff = request->pgoff;
    vma->flags = request->flags;
    if (source && !anon_clone(vma, source)) {
        vma_destroy(vma);
        return NULL;
    }
    set_file(vma, request->file);
    vma_tree_insert(request->mm, vma);
    charge_modify(request->mm, 1);
    return vma;
}

/* The start of a VMA moves: its pages keep their index. */
static void
move_pgoff(struct vma *vma, uint64_t start)
{
    if (start < vma->start)
        vma->pgoff -= bytes_to_pages(vma->start - start);
    else
        vma->pgoff += bytes_to_pages(start - vma->start);
}

static void
set_start(struct vma *vma, uint64_t start)
{
    move_pgoff(vma, start);
    vma_tree_resize(vma->mm, vma, start, vma->end);
    charge_modify(vma->mm, 1);
}

static void
set_end(struct vma *vma, uint64_t end)
{
    vma_tree_resize(vma->mm, vma, vma->start, end);
    charge_modify(vma->mm, 1);
}

/* One VMA grows by what the next one loses, or the other way round. */
static void
move_border(struct vma *below, uint64_t addr)
{
    move_pgoff(below->next, addr);
    vma_tree_move_border(below->mm, below, addr);
    charge_modify(below->mm, 2);
}

/* Its range is a neighbour's next. */
static void
remove_merged(struct vma *vma)
{
    charge_modify(vma->mm, 1);
    vma_tree_remove_merged(vma->mm, vma);
    vma_destroy(vma);
}

int
vma_cut(struct vma *vma, uint64_t addr, bool new_above)
{
    struct mm *mm = vma->mm;
    uint64_t start = vma->start, end = vma->end, pgoff = vma->pgoff;
    struct vma *other = vma_create(mm);

    mm_assert(addr > start && addr < end);
    if (!other)
        return -ENOMEM;
    other->start = new_above ? addr : start;
    other->end = new_above ? end : addr;
    other->flags = vma->flags;
    other->pgoff = vma_index(vma, other->start);
    if (!anon_clone(other, vma)) {
        vma_destroy(other);
        return -ENOMEM;
    }
    set_file(other, vma->file);
    if (!new_above) {
        other->gap_below_bytes = vma->gap_below_bytes;
        vma->gap_below_bytes = 0;
        vma->pgoff = pgoff + bytes_to_pages(addr - start);
    }
    vma_tree_cut(mm, vma, other);
    mm->machine->counters.vma_split_count++;
    charge_modify(mm, 1);
    return 0;
}

int
vma_split(struct vma *vma, uint64_t addr, bool new_above)
{
    if (vma->mm->map_count >= mm_map_count_max(vma->mm))
        return -ENOMEM;
    return vma_cut(vma, addr, new_above);
}

/* The VMA that takes a range over gets an identity if the range, or the other
 * neighbour that vanishes, has one. */
static bool
take_identity(struct vma *target, const struct merge_request *request,
              const struct vma *vanishing)
{
    if (target->family)
        return true;
    if (vanishing && vanishing->family)
        return anon_adopt(target, vanishing->family, vanishing->chain,
                          vanishing->anon_depth);
    if (request->family)
        return anon_adopt(target, request->family, request->chain,
                          request->anon_depth);
    return true;
}

/* `vanishing`: the VMA above, when the range bridges two. */
static struct vma *
merge_below(const struct merge_request *request, struct vma *below,
            struct vma *vanishing)
{
    struct vma *mapping = request->mapping;
    uint64_t end = vanishing ? vanishing->end : request->end;
    uint32_t sticky = request->flags | (vanishing ? vanishing->flags : 0);

    if (!take_identity(below, request, vanishing))
        return NULL;
    if (mapping && end < mapping->end) {
        move_border(below, end);
    } else {
        if (mapping)
            remove_merged(mapping);
        if (vanishing)
            remove_merged(vanishing);
        set_end(below, end);
    }
    below->flags |= sticky & VM_MAYBE_GUARD;
    below->mm->machine->counters.vma_merge_count += vanishing ? 2 : 1;
    return below;
}

static struct vma *
merge_above(const struct merge_request *request, struct vma *above)
{
    struct vma *mapping = request->mapping;
    uint32_t gap_below_bytes = 0;

    if (!take_identity(above, request, NULL))
        return NULL;
    if (mapping && mapping->start == request->start)
        gap_below_bytes = mapping->gap_below_bytes;
    above->gap_below_bytes = gap_below_bytes;
    if (mapping && mapping->start < request->start) {
        move_border(mapping, request->start);
    } else {
        if (mapping)
            remove_merged(mapping);
        set_start(above, request->start);
    }
    above->flags |= request->flags & VM_MAYBE_GUARD;
    above->mm->machine->counters.vma_merge_count++;
    return above;
}

/* The neighbour that touches the range, if the range may join it. */
static struct vma *
joinable(const struct merge_request *request, struct vma *neighbour,
         bool is_below)
{
    enum merge_verdict verdict;

    if (!neighbour || (is_below ? neighbour->end != request->start
                                : neighbour->start != request->end))
        return NULL;
    verdict = merge_judge(request, neighbour, is_below);
    request->mm->machine->merges.verdicts[verdict]++;
    return merge_fits(verdict) ? neighbour : NULL;
}

static enum merge_shape
shape_of(const struct merge_request *request, bool joins_below,
         bool joins_above)
{
    const struct vma *mapping = request->mapping;

    if (!mapping)
        return joins_below && joins_above ? MERGE_NEW_BRIDGES
               : joins_below              ? MERGE_NEW_TO_BELOW
                                          : MERGE_NEW_TO_ABOVE;
    if (request->start != mapping->start)
        return MERGE_TAIL_TO_ABOVE;
    if (request->end != mapping->end)
        return MERGE_HEAD_TO_BELOW;
    return joins_below && joins_above ? MERGE_WHOLE_BRIDGES
           : joins_below              ? MERGE_WHOLE_TO_BELOW
                                      : MERGE_WHOLE_TO_ABOVE;
}

static void
tally_shape(const struct merge_request *request, enum merge_shape shape)
{
    request->mm->machine->merges.shapes[request->caller][shape]++;
}

struct vma *
vma_merge(const struct merge_request *request)
{
    struct vma *mapping = request->mapping, *below, *above, *result;

    if (mapping) {
        below = request->start == mapping->start ? mapping->prev : NULL;
        above = request->end == mapping->end ? mapping->next : NULL;
    } else {
        below = request->prev;
        above = below ? below->next : request->mm->first;
    }
    below = joinable(request, below, true);
    above = joinable(request, above, false);
    if (below && above && !merge_bridge_allowed(request, below, above)) {
        request->mm->machine->merges.verdicts[MERGE_REFUSED_BRIDGE]++;
        above = NULL;
    }
    if (!below && !above)
        return NULL;
    enum merge_shape shape = shape_of(request, below != NULL, above != NULL);
    result = below ? merge_below(request, below, above)
                   : merge_above(request, above);
    if (result)
        tally_shape(request, shape);
    return result;
}

/* The kernel asks whether the range's VMA is of a fork's child where an
 * existing range or a copy of one joins another VMA; growth in place is
 * neither, so the request is made without a chain. */
void
vma_extend(struct vma *vma, uint64_t new_end)
{
    struct mm *mm = vma->mm;
    struct vma *next = vma->next;
    struct merge_request request = {
        .mm = mm,
        .caller = MERGE_BY_MREMAP,
        .prev = vma,
        .start = vma->end,
        .end = new_end,
        .pgoff = vma_index(vma, vma->end),
        .flags = vma->flags,
        .file = vma->file,
        .family = vma->family,
        .anon_depth = 1,
    };
    bool joins = mm->machine->kernel.version >= MREMAP_MERGES_VERSION &&
                 joinable(&request, next, false) &&
                 merge_bridge_allowed(&request, vma, next) &&
                 take_identity(vma, &request, next);

    tally_shape(&request, joins ? MERGE_NEW_BRIDGES : MERGE_NEW_TO_BELOW);
    if (!joins) {
        set_end(vma, new_end);
        return;
    }
    new_end = next->end;
    vma->flags |= next->flags & VM_MAYBE_GUARD;
    remove_merged(next);
    set_end(vma, new_end);
    mm->machine->counters.vma_merge_count++;
}

int
vma_modify_flags(struct vma *vma, uint64_t start, uint64_t end,
                 uint32_t new_flags, enum merge_caller caller,
                 struct vma **result)
{
    struct merge_request request = {
        .mm = vma->mm,
        .caller = caller,
        .prev = vma->prev,
        .mapping = vma,
        .start = start,
        .end = end,
        .pgoff = vma_index(vma, start),
        .flags = new_flags,
        .file = vma->file,
        .family = vma->family,
        .chain = vma->chain,
        .anon_depth = vma->anon_depth,
    };
    int error = 0;

    mm_assert(start >= vma->start && start < end && end <= vma->end);
    *result = vma_merge(&request);
    if (*result)
        return 0;
    if (start > vma->start)
        error = vma_split(vma, start, false);
    if (!error && end < vma->end)
        error = vma_split(vma, end, true);
    if (error)
        return error;
    vma->flags = new_flags;
    *result = vma;
    return 0;
}
