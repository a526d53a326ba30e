/*
 * File pages: the VMAs that map a file, and the walk over them.
 *
 *   to 2.6.6   a plain list (i_mmap): every VMA of the file is a candidate
 *   2.6.7      a search tree over file ranges: only VMAs that cover the page
 *
 * A nonlinear VMA may have the page anywhere: it is swept entry by entry, as
 * try_to_unmap() does.  The list is kept newest first; what is counted depends
 * on its order only where a walk ends early.
 */
#include "mm/aspace.h"
#include "mm/file.h"
#include "mm/machine.h"
#include "mm/rmap.h"

#define VERSION_2_6_7 2006007

void
rmap_file_link(struct vma *vma)
{
    struct file *file = vma->file;

    mm_assert(file && !vma->file_prev && !vma->file_next);
    vma->file_next = file->i_mmap;
    if (file->i_mmap)
        file->i_mmap->file_prev = vma;
    file->i_mmap = vma;
    file->vma_count++;
}

void
rmap_file_unlink(struct vma *vma)
{
    struct file *file = vma->file;

    mm_assert(vma->file_prev || file->i_mmap == vma);
    if (vma->file_prev)
        vma->file_prev->file_next = vma->file_next;
    else
        file->i_mmap = vma->file_next;
    if (vma->file_next)
        vma->file_next->file_prev = vma->file_prev;
    vma->file_prev = vma->file_next = NULL;
    file->vma_count--;
}

/* Every entry of a nonlinear VMA is a candidate. */
static bool
sweep_vma(struct machine *machine, struct page *page, struct vma *vma,
          rmap_visit_fn visit, void *data)
{
    struct leaf *leaf;

    for (uint64_t addr = vma->start;
         (leaf = pagetable_next_leaf(vma->mm, addr, vma->end)) != NULL;) {
        uint64_t end = leaf->base + leaf_span_bytes(machine->arch);

        addr = MAX(addr, leaf->base);
        for (; addr < MIN(end, vma->end); addr += PAGE_BYTES)
            if (!rmap_visit_candidate(machine, page, leaf,
                                      leaf_index(machine->arch, addr), visit,
                                      data))
                return false;
    }
    return true;
}

void
rmap_file_walk(struct machine *machine, struct page *page, rmap_visit_fn visit,
               void *data)
{
    struct file *file = g_ptr_array_index(machine->files, page->home);
    bool has_tree = machine->kernel.version >= VERSION_2_6_7;

    for (struct vma *vma = file->i_mmap; vma; vma = vma->file_next) {
        bool more = true;

        if (vma->flags & VM_NONLINEAR)
            more = sweep_vma(machine, page, vma, visit, data);
        else if (!has_tree || rmap_vma_covers(vma, page->index))
            more = rmap_visit_vma(machine, page, vma, visit, data);
        if (!more)
            return;
    }
}
