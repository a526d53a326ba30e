/*
 * fork: copying an address space.
 *
 * VMA by VMA: an object, its place in the tree, its anon identity; then, leaf
 * by leaf, the page tables the `fork` axis asks for.
 *
 *   copy-all        to 2.6.14: every VMA's tables
 *   skip-unfaulted  2.6.15 on: only where a re-fault could not bring the page
 *                   back -- VMAs with an anon identity, guard markers, bare
 *                   frame numbers
 *
 * A private page is write-protected in both; both lose its exclusive mark.
 * Source: dup_mmap() and copy_page_range() of 2.6.2, 2.6.22 and 6.1.
 *
 * Not modelled: pages pinned by get_user_pages, which 5.19 copies at once.
 */
#include "mm/fork.h"

#include "mm/anon.h"
#include "mm/aspace.h"
#include "mm/file.h"
#include "mm/machine.h"
#include "mm/maple.h"
#include "mm/mapping.h"
#include "mm/rmap.h"
#include "mm/tlb.h"
#include "mm/zero_page.h"

/* The predicate of the `fork` axis. */
static bool
needs_copy(const struct machine *machine, const struct vma *vma)
{
    switch (machine->policy.fork) {
    case FORK_COPY_ALL:
        return true;
    case FORK_SKIP_UNFAULTED:
        return vma->family ||
               (vma->flags & (VM_MAYBE_GUARD | VM_RAW | VM_NONLINEAR));
    }
    return true;
}

static struct vma *
dup_vma(struct mm *child, const struct vma *source)
{
    struct vma *vma;

    if ((source->flags & VM_ACCOUNT) && !mm_account(child, vma_pages(source)))
        return NULL;
    vma = vma_create(child);
    if (!vma) {
        if (source->flags & VM_ACCOUNT)
            mm_unaccount(child, vma_pages(source));
        return NULL;
    }
    vma->start = source->start;
    vma->end = source->end;
    vma->pgoff = source->pgoff;
    vma->flags = source->flags & ~(uint32_t)VM_LOCKED;
    vma->gap_below_bytes = source->gap_below_bytes;
    vma->file = source->file;
    vma_tree_append(child, vma);
    child->total_pages += vma_pages(vma);
    if (vma->file)
        rmap_file_link(vma);
    return vma;
}

/* What parent and child hold after the copy of a present entry. */
static void
share_entry(struct machine *machine, const struct vma *vma, pte_t *parent,
            pte_t *child)
{
    pte_t pte = *parent;

    if (!(vma->flags & VM_SHARED)) {
        pte &= ~PTE_WRITE;
        *parent = pte;
        if (!(pte & PTE_FILE))
            page_of(machine, pte_pfn(pte))->flags &= ~(uint32_t)PAGE_EXCLUSIVE;
    } else {
        pte &= ~PTE_DIRTY;
    }
    *child = pte & ~PTE_ACCESSED;
}

/* Copy entries of one class; false: no memory for a reverse mapping. */
static bool
copy_run(struct vma *vma, struct leaf *from, struct leaf *to, uint32_t index,
         uint32_t count)
{
    struct machine *machine = vma->mm->machine;
    enum pte_class class = pte_class(from->pte[index]);

    charge(machine, CHARGE_pte_update, count);
    if (class != PTE_CLASS_ANON && class != PTE_CLASS_FILE) {
        for (uint32_t i = 0; i < count; i++)
            to->pte[index + i] = from->pte[index + i];
        to->used_count += count;
        if (class == PTE_CLASS_ZERO)
            zero_page_map(vma->mm, count);
        return true;
    }
    for (uint32_t i = 0; i < count; i++)
        share_entry(machine, vma, &from->pte[index + i], &to->pte[index + i]);
    uint32_t added = mapping_add_run(vma, to, index, count);
    for (uint32_t i = added; i < count; i++)
        to->pte[index + i] = PTE_NONE;
    to->used_count += added;
    return added == count;
}

static bool
copy_leaf(struct vma *vma, struct leaf *from, struct leaf *to, uint32_t index,
          uint32_t end)
{
    charge(vma->mm->machine, CHARGE_pte_lock_pair, 2);  // parent's, child's
    while (index < end) {
        uint32_t count = pte_class_run(from, index, end - index);

        if (from->pte[index] != PTE_NONE &&
            !copy_run(vma, from, to, index, count))
            return false;
        index += count;
    }
    return true;
}

/* Tables of the parent's VMA into the child's; false: no memory. */
static bool
copy_tables(struct vma *child, const struct vma *parent)
{
    const struct arch *arch = child->mm->pagetable.arch;
    uint64_t span = leaf_span_bytes(arch);
    struct leaf *from;

    if (!pagetable_copy_shape(child->mm, parent->mm, parent->start,
                              parent->end))
        return false;
    for (uint64_t at = parent->start;
         (from = pagetable_next_leaf(parent->mm, at, parent->end));) {
        uint64_t first = MAX(at, from->base);
        uint64_t last = MIN(parent->end, from->base + span);
        uint32_t index = leaf_index(arch, first);
        struct leaf *to = pagetable_leaf(child->mm, first);

        at = from->base + span;
        if (!copy_leaf(child, from, to, index,
                       index + (uint32_t)bytes_to_pages(last - first)))
            return false;
    }
    return true;
}

static bool
dup_one(struct mm *child, const struct vma *source)
{
    bool wipe = source->flags & VM_WIPEONFORK;
    struct vma *vma = dup_vma(child, source);

    if (!vma)
        return false;
    if (wipe)
        return true;
    if (source->family && !anon_fork(vma, source))
        return false;
    return !needs_copy(child->machine, source) || copy_tables(vma, source);
}

static void
copy_layout(struct mm *child, const struct mm *parent)
{
    child->mmap_base = parent->mmap_base;
    child->brk_start = parent->brk_start;
    child->brk = parent->brk;
    child->stack_top = parent->stack_top;
    child->top_down = parent->top_down;
    child->rlimit_stack = parent->rlimit_stack;
    child->rlimit_memlock = parent->rlimit_memlock;
    child->rlimit_as = parent->rlimit_as;
    child->uid_holder = parent->uid_holder;
    child->creds_changed = parent->creds_changed;
    gap_forked(child, parent);
}

struct mm *
fork_mm(struct mm *parent)
{
    struct mm *child = mm_create(parent->machine);

    if (!child)
        return NULL;
    copy_layout(child, parent);
    if (!maple_fork(child, parent)) {
        mm_destroy(child);
        return NULL;
    }
    for (const struct vma *vma = parent->first; vma; vma = vma->next) {
        if (vma->flags & VM_DONTCOPY) {
            maple_store(child, vma->start, vma->end - 1, NULL);
        } else if (!dup_one(child, vma)) {
            tlb_flush(parent, UINT64_MAX);
            mm_destroy(child);
            return NULL;
        }
    }
    tlb_flush(parent, UINT64_MAX);
    return child;
}
