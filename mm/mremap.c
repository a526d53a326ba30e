/*
 * mremap: a mapping becomes longer, shorter, or lies elsewhere.
 *
 *   shrink   |-----a-----|        ->  |--a--|             (may cross VMAs)
 *   grow     |--a--|   |-b-|      ->  |----a----||-b-|    in place if it fits
 *   move     |--a--|              ->          |----a----| pages go along
 *   keep     |--a--|              ->  |--a--| |----a'---| a loses its pages
 *
 * A moved range that was never written to takes the linear pgoff of its new
 * place, so that it can join neighbours there; one with an identity keeps its
 * old one.  From 6.0 on growth in place also joins the next VMA.
 *
 * Errors: EINVAL for arguments that make no sense, EFAULT for a range that is
 * not (wholly) mapped, ENOMEM for no room, EAGAIN for RLIMIT_MEMLOCK.
 *
 * Source: 6.18 do_mremap(), the order of its checks included.  From 6.17 on a
 * fixed move without a change of length takes several VMAs along with the gaps
 * between them.
 *
 * Not modelled: old_length 0 on private memory under kernels that allowed it.
 */
#include "mm/anon.h"
#include "mm/aspace_private.h"
#include "mm/machine.h"

#include <errno.h>

#define MULTI_MOVE_VERSION 6017000

/* VMAs that a move may need on its way, below the limit. */
#define MOVE_HEADROOM  3
#define FIXED_HEADROOM 5

struct remap {
    struct mm *mm;
    struct vma *vma;  // at addr
    uint64_t addr, old_length;
    uint64_t new_addr, new_length;  // bytes
    uint32_t flags;
};

static bool
gives_address(const struct remap *remap)
{
    return remap->flags & (MREMAP_TO_FIXED | MREMAP_KEEP_OLD);
}

static bool
has_headroom(const struct mm *mm, uint32_t count)
{
    return (uint64_t)mm->map_count + count < mm_map_count_max(mm);
}

/* What the arguments alone are refused for. */
static int
check_args(const struct remap *remap)
{
    const struct machine *machine = remap->mm->machine;
    uint64_t task_size = machine->arch->task_size;
    uint32_t flags = remap->flags;

    if ((flags & MREMAP_KEEP_OLD) && !KERNEL_HAS(&machine->kernel, DONTUNMAP))
        return -EINVAL;
    if ((flags & MREMAP_TO_FIXED) &&
        !KERNEL_HAS(&machine->kernel, MREMAP_FIXED))
        return -EINVAL;
    if (remap->addr & ~PAGE_MASK)
        return -EINVAL;
    if (!remap->new_length || remap->new_length > task_size)
        return -EINVAL;
    if (!gives_address(remap))
        return 0;
    if (remap->new_addr > task_size - remap->new_length ||
        (remap->new_addr & ~PAGE_MASK) || !(flags & MREMAP_CAN_MOVE))
        return -EINVAL;
    if ((flags & MREMAP_KEEP_OLD) && remap->old_length != remap->new_length)
        return -EINVAL;
    if (remap->addr + remap->old_length > remap->new_addr &&
        remap->new_addr + remap->new_length > remap->addr)
        return -EINVAL;
    return has_headroom(remap->mm, FIXED_HEADROOM) ? 0 : -ENOMEM;
}

/* Bytes that the mapping becomes longer by. */
static uint64_t
growth(const struct remap *remap)
{
    return remap->new_length > remap->old_length
               ? remap->new_length - remap->old_length
               : 0;
}

/* What the VMA at addr is refused for. */
static int
check_vma(const struct remap *remap)
{
    const struct vma *vma = remap->vma;
    uint64_t pgoff, grown = growth(remap);

    if (!vma)
        return -EFAULT;
    if (!grown && !gives_address(remap))
        return 0;
    if (!remap->old_length && !(vma->flags & VM_SHARED))
        return -EINVAL;
    if ((remap->flags & MREMAP_KEEP_OLD) && (vma->flags & VM_SPECIAL))
        return -EINVAL;
    /* What a shrinking mapping gives up may lie in other VMAs. */
    if (MIN(remap->old_length, remap->new_length) > vma->end - remap->addr)
        return -EFAULT;
    if (remap->new_length == remap->old_length)
        return 0;
    pgoff = vma_index(vma, remap->addr);
    if (pgoff + bytes_to_pages(remap->new_length) < pgoff)
        return -EINVAL;
    if (vma->flags & VM_SPECIAL)
        return -EFAULT;
    if (!mm_lock_fits(remap->mm, vma->flags, grown))
        return -EAGAIN;
    return mm_may_expand(remap->mm, bytes_to_pages(grown)) ? 0 : -ENOMEM;
}

static struct vma *
vma_at(struct mm *mm, uint64_t addr)
{
    struct vma *vma = vma_find(mm, addr);

    return vma && vma->start <= addr ? vma : NULL;
}

static void
add_totals(struct mm *mm, uint32_t vma_flags, uint64_t pages)
{
    mm->total_pages += pages;
    if (vma_flags & VM_LOCKED)
        mm->locked_pages += pages;
}

/* A VMA for the new place, its own or a neighbour's; NULL: no memory. */
static struct vma *
copy_vma(const struct remap *remap)
{
    const struct vma *vma = remap->vma;
    bool may_relocate = vma_is_anon(vma) && !vma->family;
    struct merge_request request = {
        .mm = remap->mm,
        .caller = MERGE_BY_MREMAP,
        .prev = mm_vma_before(remap->mm, remap->new_addr),
        .start = remap->new_addr,
        .end = remap->new_addr + remap->new_length,
        .pgoff = may_relocate ? bytes_to_pages(remap->new_addr)
                              : vma_index(vma, remap->addr),
        .flags = vma->flags,
        .file = vma->file,
        .family = vma->family,
        .chain = vma->chain,
        .anon_depth = vma->anon_depth,
    };
    struct vma *merged = vma_merge(&request);

    return merged ? merged : vma_insert_new(&request, vma);
}

/* The old place stays mapped, empty, unlocked, without the identity if all of
 * the VMA went.  Nobody takes its pages off the number of locked ones (seen on
 * 6.18). */
static void
keep_old(const struct remap *remap, struct vma *from, const struct vma *to)
{
    bool is_whole = remap->addr == from->start &&
                    remap->addr + remap->old_length == from->end;

    if (from->flags & VM_LOCKED) {
        remap->mm->lost_locked_pages += vma_pages(from);
        from->flags &= ~(uint32_t)VM_LOCKED;
    }
    if (is_whole && from != to)
        anon_unlink(from);
}

/* Pages that a move promises in addition. */
static uint64_t
promised_pages(const struct remap *remap)
{
    if (!(remap->vma->flags & VM_ACCOUNT))
        return 0;
    return bytes_to_pages(remap->flags & MREMAP_KEEP_OLD ? remap->new_length
                                                         : growth(remap));
}

/* The old range goes.  If that fails for want of memory it stays, mapped and
 * accounted, as in the kernel. */
static void
unmap_old(const struct remap *remap, uint32_t vma_flags)
{
    if (!remap->old_length)
        return;
    /* Its pages stay on the account: the new place has them now. */
    if (vma_flags & VM_ACCOUNT)
        mm_account_again(remap->mm, bytes_to_pages(remap->old_length));
    mm_unmap(remap->mm, remap->addr, remap->addr + remap->old_length);
}

/* The tables for the new place could not be had: as before. */
static void
unmap_new(const struct remap *remap, uint32_t vma_flags, uint64_t promised)
{
    uint64_t pages = bytes_to_pages(remap->new_length);

    if (vma_flags & VM_ACCOUNT)
        mm_account_again(remap->mm, pages - promised);
    mm_unmap(remap->mm, remap->new_addr, remap->new_addr + remap->new_length);
}

static int64_t
move_vma(struct remap *remap)
{
    struct mm *mm = remap->mm;
    uint32_t flags = remap->vma->flags;
    uint64_t promised = promised_pages(remap);
    struct vma *from, *to;

    if (!has_headroom(mm, MOVE_HEADROOM))
        return -ENOMEM;
    if (promised && !mm_account(mm, promised))
        return -ENOMEM;
    to = copy_vma(remap);
    if (!to) {
        mm_unaccount(mm, promised);
        return -ENOMEM;
    }
    add_totals(mm, flags, bytes_to_pages(remap->new_length));
    from = vma_at(mm, remap->addr);  // it may have joined the new place
    if (remap->old_length &&
        !pagetable_move(from, remap->addr, to, remap->new_addr,
                        remap->old_length)) {
        unmap_new(remap, flags, promised);
        return -ENOMEM;
    }
    if (remap->flags & MREMAP_KEEP_OLD)
        keep_old(remap, from, to);
    else
        unmap_old(remap, flags);
    return (int64_t)remap->new_addr;
}

static int
find_new_addr(struct remap *remap)
{
    const struct vma *vma = remap->vma;
    struct area_content content = {
        .file = vma->file,
        .pgoff = vma_index(vma, remap->addr),
        .is_shared = vma->flags & VM_SHARED,
    };
    int64_t addr =
        mm_find_area(remap->mm, gives_address(remap) ? remap->new_addr : 0,
                     remap->new_length,
                     remap->flags & MREMAP_TO_FIXED ? MM_FIXED : 0, &content);

    if (addr < 0)
        return (int)addr;
    remap->new_addr = (uint64_t)addr;
    return 0;
}

static int
shrink(struct remap *remap)
{
    /* The old range may reach beyond user space: -EINVAL. */
    int error = (int)mm_munmap(remap->mm, remap->addr + remap->new_length,
                               remap->old_length - remap->new_length);

    if (!error)
        remap->old_length = remap->new_length;
    return error;
}

static int64_t
remap_to(struct remap *remap)
{
    struct mm *mm = remap->mm;
    int error = 0;

    if (remap->flags & MREMAP_TO_FIXED) {
        error =
            mm_unmap(mm, remap->new_addr, remap->new_addr + remap->new_length);
        if (error)
            return error;
    }
    if (remap->new_length < remap->old_length)
        error = shrink(remap);
    if (error)
        return error;
    remap->vma = vma_at(mm, remap->addr);
    if (!remap->vma)
        return -EFAULT;
    if ((remap->flags & MREMAP_KEEP_OLD) &&
        !mm_may_expand(mm, bytes_to_pages(remap->old_length)))
        return -ENOMEM;
    error = find_new_addr(remap);
    return error ? error : move_vma(remap);
}

static bool
fits_in_place(const struct remap *remap)
{
    const struct vma *vma = remap->vma;
    uint64_t new_end = remap->addr + remap->new_length;

    return remap->addr + remap->old_length == vma->end && new_end > vma->end &&
           new_end <= remap->mm->machine->arch->task_size &&
           (!vma->next || vma->next->start >= new_end);
}

static int64_t
grow_in_place(const struct remap *remap)
{
    struct vma *vma = remap->vma;
    uint64_t pages = bytes_to_pages(growth(remap));

    if ((vma->flags & VM_ACCOUNT) && !mm_account(remap->mm, pages))
        return -ENOMEM;
    add_totals(remap->mm, vma->flags, pages);
    vma_extend(vma, remap->addr + remap->new_length);
    return (int64_t)remap->addr;
}

static int64_t
remap_at(struct remap *remap)
{
    int error;

    if (remap->new_length == remap->old_length)
        return (int64_t)remap->addr;
    if (remap->new_length < remap->old_length) {
        error = shrink(remap);
        return error ? error : (int64_t)remap->addr;
    }
    if (fits_in_place(remap))
        return grow_in_place(remap);
    if (!(remap->flags & MREMAP_CAN_MOVE))
        return -ENOMEM;
    error = find_new_addr(remap);
    return error ? error : move_vma(remap);
}

static int64_t
remap_one(struct remap *remap)
{
    remap->vma = vma_at(remap->mm, remap->addr);
    int error = check_vma(remap);

    if (error)
        return error;
    return gives_address(remap) ? remap_to(remap) : remap_at(remap);
}

/* Move every VMA of the range, the distances between them kept. */
static int64_t
remap_all(const struct remap *whole)
{
    uint64_t end = whole->addr + whole->old_length, at = whole->addr;
    uint64_t shift = whole->new_addr - whole->addr;
    struct vma *vma = vma_at(whole->mm, at);

    if (!vma)
        return -EFAULT;
    while (at < end && vma && vma->start < end) {
        struct remap part = *whole;
        bool crosses = at > whole->addr || vma->end < end;

        /* The special mappings do not move in company. */
        if (crosses && (vma->flags & VM_SPECIAL))
            return -EFAULT;
        part.addr = MAX(at, vma->start);
        part.old_length = part.new_length = MIN(end, vma->end) - part.addr;
        part.new_addr = part.addr + shift;
        at = part.addr + part.old_length;
        int64_t result = remap_one(&part);
        if (result < 0)
            return result;
        vma = vma_find(whole->mm, at);
    }
    return (int64_t)whole->new_addr;
}

int64_t
mm_mremap(struct mm *mm, uint64_t old_addr, uint64_t old_length,
          uint64_t new_length, uint32_t flags, uint64_t new_addr)
{
    struct remap remap = {
        .mm = mm,
        .addr = old_addr,
        .old_length = page_ceil(old_length),
        .new_addr = new_addr,
        .new_length = page_ceil(new_length),
        .flags = flags,
    };
    int error = check_args(&remap);

    if (error)
        return error;
    if ((flags & MREMAP_TO_FIXED) && remap.old_length == remap.new_length &&
        mm->machine->kernel.version >= MULTI_MOVE_VERSION)
        return remap_all(&remap);
    return remap_one(&remap);
}
