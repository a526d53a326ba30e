/*
 * mprotect: other access bits for a range.
 *
 *   before   |------rw------|      |--rw--|
 *   call           |xxxxxxxxxxxxxxxxxx|       r--: ENOMEM at the hole
 *   after    |-rw--|---r----|      |--rw--|   what came before it is changed
 *
 * A VMA that has the bits already is passed over: no split, no merge.
 *
 * A private mapping that becomes writable is put on the account (VM_ACCOUNT),
 * unless it asked not to be.  It stays there when it is made read-only again,
 * except, from 6.6 on, if nothing was ever written to it.
 *
 * Source: 6.18 do_mprotect_pkey(), mprotect_fixup().
 */
#include "mm/aspace_private.h"
#include "mm/machine.h"

#include <errno.h>

#define MPROTECT_UNACCOUNTS_VERSION 6006000

/* VM_MAYREAD and so on lie this far above VM_READ and so on. */
#define MAY_SHIFT 4
_Static_assert(VM_READ << MAY_SHIFT == VM_MAYREAD, "MAY_SHIFT");
_Static_assert(VM_EXEC << MAY_SHIFT == VM_MAYEXEC, "MAY_SHIFT");

/* VM_ACCOUNT of a VMA whose flags change otherwise to new_flags. */
static uint32_t
with_account(const struct vma *vma, uint32_t new_flags)
{
    const uint32_t exempt = VM_ACCOUNT | VM_WRITE | VM_SHARED | VM_NORESERVE;

    if (new_flags & VM_WRITE)
        return vma->flags & exempt ? new_flags : new_flags | VM_ACCOUNT;
    if (vma_is_anon(vma) && !vma->family &&
        vma->mm->machine->kernel.version >= MPROTECT_UNACCOUNTS_VERSION)
        return new_flags & ~(uint32_t)VM_ACCOUNT;
    return new_flags;
}

/* Change [start, end) of the VMA; *result covers it afterwards. */
static int
change_access(struct vma *vma, uint64_t start, uint64_t end, uint32_t prot,
              struct vma **result)
{
    struct mm *mm = vma->mm;
    uint64_t pages = bytes_to_pages(end - start);
    uint32_t old_flags = vma->flags;
    uint32_t flags = (old_flags & ~(uint32_t)VM_ACCESS) | prot;

    *result = vma;
    if (prot & ~(flags >> MAY_SHIFT))
        return -EACCES;
    if (flags == old_flags)
        return 0;
    flags = with_account(vma, flags);
    bool gains = flags & ~old_flags & VM_ACCOUNT;
    bool loses = old_flags & ~flags & VM_ACCOUNT;

    if (gains && !mm_account(mm, pages))
        return -ENOMEM;
    int error =
        vma_modify_flags(vma, start, end, flags, MERGE_BY_MPROTECT, result);
    if (error ? gains : loses)
        mm_unaccount(mm, pages);
    if (!error)
        protect_vma_range(*result, start, end, old_flags);
    return error;
}

int64_t
mm_mprotect(struct mm *mm, uint64_t start, uint64_t length, uint32_t prot)
{
    uint64_t end = start + page_ceil(length);
    struct vma *vma;

    if (start & ~PAGE_MASK)
        return -EINVAL;
    if (!length)
        return 0;
    if (end <= start)
        return -ENOMEM;
    vma = vma_find(mm, start);
    for (uint64_t at = start; at < end; at = vma->end, vma = vma->next) {
        if (!vma || vma->start > at)
            return -ENOMEM;
        int error = change_access(vma, at, MIN(end, vma->end), prot, &vma);
        if (error)
            return error;
    }
    return 0;
}
