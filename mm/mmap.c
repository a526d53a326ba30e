/*
 * mmap, munmap, brk, and the stack.
 *
 * mmap:    where (hint, fixed, or the gap policy), whether (limits,
 * overcommit), what is in the way goes, then join a neighbour or insert a VMA.
 *
 * munmap:  |---a---|   |-b-|  |---c---|
 *              |xxxxxxxxxxxxxxxxx|          any sub-range, holes included
 *          |-a-|                 |-c-|      two splits at most
 *
 * brk:     |--heap--|<grows>   |next        one page stays free below `next`
 *
 * stack:   |prev|  gap  |<grows>|--stack--|  the gap (256 pages; none in old
 *          kernels) stays free unless prev is a stack itself or inaccessible
 *
 * Errors of mmap: EINVAL length 0, unaligned place; ENOMEM too long, too many
 * VMAs, RLIMIT_AS, overcommit; EOVERFLOW; EEXIST; EPERM, EAGAIN of locking.
 *
 * Source: 6.18 do_mmap(), do_vmi_align_munmap(), do_brk_flags(),
 * expand_downwards(); what older kernels did differently is said where it is
 * done.  From 6.12 on a refused MAP_FIXED leaves what was there, cut at its
 * borders.
 *
 * Not modelled: RLIMIT_DATA, mmap_min_addr for other users than root, hugetlb.
 */
#include "mm/anon.h"
#include "mm/aspace_private.h"
#include "mm/clear.h"
#include "mm/file.h"
#include "mm/machine.h"

#include <errno.h>

#define HUGE_BYTES    (UINT64_C(2) << 20)
#define MMAP_MIN_ADDR UINT64_C(65536)

/* From here on a hint is rounded down (and not below mmap_min_addr). */
#define HINT_ROUNDS_DOWN_VERSION 2006024
/* From here on munmap may exceed the limit while it frees. */
#define MUNMAP_EXCEEDS_VERSION 2006033
/* mmap over others cuts them at its borders before anything can refuse it; the
 * cuts stay (mmap_region() gathers first since 6.12, recalled; 6.18 measured).
 */
#define GATHERS_FIRST_VERSION 6012000
/* From here on a file is not mapped beyond the largest offset (4.17). */
#define LIMITS_OFFSETS_VERSION 4017000
/* From here on a heap that the program unmapped cannot shrink. */
#define BRK_NEEDS_HEAP_VERSION 6001000

#define VM_MAY_ACCESS (VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC)

struct vma *
mm_vma_before(const struct mm *mm, uint64_t addr)
{
    const struct vma *above = vma_find_quiet(mm, addr);

    return above ? above->prev : mm->last;
}

/* ---- where ---- */

static uint64_t
round_hint(const struct mm *mm, uint64_t hint)
{
    if (mm->machine->kernel.version < HINT_ROUNDS_DOWN_VERSION)
        return page_ceil(hint);
    hint = page_floor(hint);
    return hint && hint < MMAP_MIN_ADDR ? MMAP_MIN_ADDR : hint;
}

static bool
hint_is_free(struct mm *mm, uint64_t hint, uint64_t length)
{
    const struct vma *above;

    if (hint > mm->machine->arch->task_size - length)
        return false;
    above = vma_find(mm, hint);
    return !above || hint + length <= vma_start_gap(above);
}

/*
 * Areas that huge pages could fill start at a multiple of 2 MiB: anonymous
 * ones without a hint whose length is such a multiple, and files on disk whose
 * mapping holds a whole aligned 2 MiB of the file; those keep the file's phase
 * (6.18 __get_unmapped_area(), __thp_get_unmapped_area()).
 */
static void
align_for_huge_pages(struct gap_request *request, uint64_t hint,
                     const struct area_content *content)
{
    uint64_t offset = pages_to_bytes(content->pgoff);
    uint64_t first_whole = (offset + HUGE_BYTES - 1) & ~(HUGE_BYTES - 1);

    if (!content->file) {
        if (!content->is_shared && !hint && request->length % HUGE_BYTES == 0)
            request->align_bytes = HUGE_BYTES;
        return;
    }
    if (content->file->is_shmem ||
        offset + request->length < first_whole + HUGE_BYTES)
        return;
    request->align_bytes = HUGE_BYTES;
    request->align_phase = offset % HUGE_BYTES;
}

/* What must be free for a hint to be taken: a file that huge pages could fill
 * is first looked for with room to align it, hint or not. */
static uint64_t
hinted_length(const struct mm *mm, uint64_t length,
              const struct area_content *content)
{
    struct gap_request request = {.length = length};

    if (mm->machine->kernel.mmap_huge_align && content->file)
        align_for_huge_pages(&request, 0, content);
    return request.align_bytes ? length + HUGE_BYTES : length;
}

int64_t
mm_find_area(struct mm *mm, uint64_t addr, uint64_t length, uint32_t flags,
             const struct area_content *content)
{
    const struct machine *machine = mm->machine;
    uint64_t task_size = machine->arch->task_size;
    struct gap_request request = {
        .length = length,
        .align_bytes = PAGE_BYTES,
        .top_down = mm->top_down,
    };

    if (length > task_size)
        return -ENOMEM;
    if (flags & MM_FIXED) {
        if (addr > task_size - length)
            return -ENOMEM;
        return addr & ~PAGE_MASK ? -EINVAL : (int64_t)addr;
    }
    addr = round_hint(mm, addr);
    if (addr && hint_is_free(mm, addr, hinted_length(mm, length, content)))
        return (int64_t)addr;
    if (machine->kernel.mmap_huge_align)
        align_for_huge_pages(&request, addr, content);
    addr = gap_search(mm, &request);
    return addr == GAP_NONE ? -ENOMEM : (int64_t)addr;
}

/* ---- munmap ---- */

/* One VMA, wholly in the way. */
static void
unmap_vma(struct vma *vma)
{
    struct mm *mm = vma->mm;
    uint64_t start = vma->start, end = vma->end, pages = vma_pages(vma);

    zap_vma_range(vma, start, end, ZAP_UNMAP);
    mm->total_pages -= pages;
    if (vma->flags & VM_LOCKED)
        mm->locked_pages -= pages;
    if (vma->flags & VM_ACCOUNT)
        mm_unaccount(mm, pages);
    vma_tree_remove(mm, vma);
    charge(mm->machine, CHARGE_vma_modify, 1);
    gap_unmapped_piece(mm, start, end);
    vma_destroy(vma);
}

/* Cut what reaches over the borders of [start, end).  Kernels before 2.6.33
 * need room for every cut, later ones only for a hole in one VMA. */
static int
cut_borders(struct mm *mm, struct vma *first, uint64_t start, uint64_t end)
{
    bool is_full = mm->map_count >= mm_map_count_max(mm);
    bool is_strict = mm->machine->kernel.version < MUNMAP_EXCEEDS_VERSION;
    struct vma *last;

    if (start > first->start) {
        if (is_full && (is_strict || end < first->end))
            return -ENOMEM;
        int error = vma_cut(first, start, false);
        if (error)
            return error;
    }
    last = vma_intersect(mm, end - PAGE_BYTES, end);
    if (!last || last->end == end)
        return 0;
    if (is_strict && mm->map_count >= mm_map_count_max(mm))
        return -ENOMEM;
    return vma_cut(last, end, true);
}

int
mm_unmap(struct mm *mm, uint64_t start, uint64_t end)
{
    struct vma *first = vma_find(mm, start), *prev, *next;
    uint64_t first_start, last_end;

    if (!first || first->start >= end)
        return 0;
    int error = cut_borders(mm, first, start, end);
    if (error)
        return error;
    first = vma_intersect(mm, start, end);
    prev = first->prev;
    first_start = first->start;
    last_end = mm_vma_before(mm, end)->end;
    /* All at once; from here on no look-up finds them. */
    maple_store(mm, first_start, last_end - 1, NULL);
    for (struct vma *vma = first; vma && vma->start < end; vma = next) {
        next = vma->next;
        unmap_vma(vma);
    }
    next = prev ? prev->next : mm->first;
    pagetable_free_range(mm, first_start, last_end, prev ? prev->end : 0,
                         next ? next->start : UINT64_MAX);
    gap_unmapped(mm, prev, next);
    return 0;
}

int64_t
mm_munmap(struct mm *mm, uint64_t start, uint64_t length)
{
    uint64_t task_size = mm->machine->arch->task_size;

    if ((start & ~PAGE_MASK) || start > task_size ||
        length > task_size - start || !length)
        return -EINVAL;
    return mm_unmap(mm, start, start + page_ceil(length));
}

/* ---- mmap ---- */

/* What lies in a range that a fixed mapping is to replace. */
struct overlap {
    uint64_t pages, accounted_pages;
};

static struct overlap
overlap_of(const struct mm *mm, uint64_t start, uint64_t end)
{
    struct overlap overlap = {0};

    for (const struct vma *vma = vma_intersect(mm, start, end);
         vma && vma->start < end; vma = vma->next) {
        uint64_t pages =
            bytes_to_pages(MIN(end, vma->end) - MAX(start, vma->start));

        overlap.pages += pages;
        if (vma->flags & VM_ACCOUNT)
            overlap.accounted_pages += pages;
    }
    return overlap;
}

static uint32_t
vma_flags_of(const struct mm *mm, const struct mmap_args *args)
{
    const struct machine *machine = mm->machine;
    uint32_t flags = (args->prot & VM_ACCESS) | VM_MAY_ACCESS;
    bool stack_is_small =
        machine->kernel.stack_map_nohugepage && !(args->flags & MM_EXEC_IMAGE);

    if (args->flags & MM_SHARED)
        flags |= VM_SHARED;
    if (args->flags & MM_GROWSDOWN)
        flags |= VM_GROWSDOWN;
    if (args->flags & MM_LOCKED)
        flags |= VM_LOCKED;
    if (args->flags & MM_SPECIAL)
        flags |= VM_SPECIAL;
    if (args->flags & MM_RAW)
        flags |= VM_RAW;
    if ((args->flags & MM_STACK) && stack_is_small)
        flags |= VM_NOHUGEPAGE;
    if ((args->flags & MM_NOZERO) && clear_honours_nozero(machine))
        flags |= VM_NOZERO;
    /* Strict overcommit grants no exemptions. */
    if ((args->flags & MM_NORESERVE) && machine->config.overcommit_memory != 2)
        flags |= VM_NORESERVE;
    if ((flags & (VM_WRITE | VM_SHARED | VM_NORESERVE)) == VM_WRITE)
        flags |= VM_ACCOUNT;
    return flags;
}

/* What the arguments alone are refused for. */
static int
check_args(const struct mm *mm, const struct mmap_args *args)
{
    uint64_t length = page_ceil(args->length);

    if (!args->length || args->pgoff_rest)
        return -EINVAL;
    if (args->file && (args->flags & MM_NOZERO) &&
        clear_honours_nozero(mm->machine))
        return -EINVAL;
    if (!length)
        return -ENOMEM;
    if (args->pgoff + bytes_to_pages(length) < args->pgoff)
        return -EOVERFLOW;
    if (mm->map_count > mm_map_count_max(mm))
        return -ENOMEM;
    return 0;
}

static int64_t
place(struct mm *mm, const struct mmap_args *args, uint64_t length)
{
    bool keeps = (args->flags & MM_FIXED_NOREPLACE) &&
                 KERNEL_HAS(&mm->machine->kernel, FIXED_NOREPLACE);
    uint32_t flags = args->flags;

    if (keeps || (flags & MM_EXEC_IMAGE))
        flags |= MM_FIXED;
    struct area_content content = {
        .file = args->file,
        .pgoff = args->pgoff,
        .is_shared = flags & MM_SHARED,
    };
    int64_t addr = mm_find_area(mm, args->addr, length, flags, &content);
    if (addr >= 0 && keeps &&
        vma_intersect(mm, (uint64_t)addr, (uint64_t)addr + length))
        return -EEXIST;
    return addr;
}

/* Put the range on the books, less what it replaces. */
static int
reserve(struct mm *mm, uint32_t flags, uint64_t pages,
        const struct overlap *overlap)
{
    if (!mm_may_expand(mm, pages - overlap->pages))
        return -ENOMEM;
    if ((flags & VM_ACCOUNT) &&
        !mm_account(mm, pages - overlap->accounted_pages))
        return -ENOMEM;
    return 0;
}

/* New shared anonymous memory is put on the books by its file. */
static int
reserve_file(const struct merge_request *request)
{
    struct file *file = request->file;
    bool is_new =
        file && file->is_anon_shared && !file->is_pinned && !file->vma_count;

    if (!is_new || (request->flags & VM_NORESERVE))
        return 0;
    return mm_account_file(request->mm, file) ? 0 : -ENOMEM;
}

static void
unreserve(struct mm *mm, uint32_t flags, uint64_t pages,
          const struct overlap *overlap)
{
    if (flags & VM_ACCOUNT)
        mm_unaccount(mm, pages - overlap->accounted_pages);
}

/* Join a neighbour, or insert a VMA; the range is free. */
static int
insert_range(struct merge_request *request)
{
    struct mm *mm = request->mm;
    uint64_t pages = bytes_to_pages(request->end - request->start);

    request->prev = mm_vma_before(mm, request->start);
    if (!vma_merge(request) && !vma_insert_new(request, NULL))
        return -ENOMEM;
    mm->total_pages += pages;
    if (request->flags & VM_LOCKED)
        mm->locked_pages += pages;
    return 0;
}

/* Make the mapping at its place, which may hold others. */
static int
map_range(struct merge_request *request)
{
    struct mm *mm = request->mm;
    uint64_t pages = bytes_to_pages(request->end - request->start);
    struct overlap overlap = overlap_of(mm, request->start, request->end);
    struct vma *spare = NULL;
    int error = 0;

    if (overlap.pages && mm->machine->kernel.version >= GATHERS_FIRST_VERSION)
        error = cut_borders(mm, vma_intersect(mm, request->start, request->end),
                            request->start, request->end);
    if (!error)
        error = reserve(mm, request->flags, pages, &overlap);
    if (error)
        return error;
    /* What is unmapped cannot come back: be sure of an object first. */
    if (overlap.pages)
        spare = vma_create(mm);
    if (overlap.pages && !spare)
        error = -ENOMEM;
    if (!error && overlap.pages)
        error = mm_unmap(mm, request->start, request->end);
    if (spare)
        vma_destroy(spare);
    if (!error) {
        if (request->flags & VM_ACCOUNT)
            mm_account_again(mm, overlap.accounted_pages);
        overlap = (struct overlap){0};
        error = reserve_file(request);
    }
    if (!error)
        error = insert_range(request);
    if (error)
        unreserve(mm, request->flags, pages, &overlap);
    return error;
}

/* A mapping that exec makes is no call: its merges and splits count nowhere. */
static int
map_range_uncounted(struct merge_request *request)
{
    struct mm_counters *counters = &request->mm->machine->counters;
    uint64_t split_count = counters->vma_split_count;
    uint64_t merge_count = counters->vma_merge_count;
    int error = map_range(request);

    counters->vma_split_count = split_count;
    counters->vma_merge_count = merge_count;
    return error;
}

/* Shared anonymous memory has a shmem file of its own. */
static int
map_with_file(struct merge_request *request, const struct mmap_args *args)
{
    bool is_anon_shared = !args->file && (args->flags & MM_SHARED);
    struct file *file = args->file;

    if (is_anon_shared)
        file = file_create_anon_shared(request->mm->machine,
                                       request->end - request->start);
    request->file = file;
    request->pgoff = args->file       ? args->pgoff
                     : is_anon_shared ? 0
                                      : bytes_to_pages(request->start);
    int error = args->flags & MM_EXEC_IMAGE ? map_range_uncounted(request)
                                            : map_range(request);
    if (error && is_anon_shared)
        file_destroy(file);
    return error;
}

/* The first mapping of an image that is told in full: the stack that stood in
 * for it goes, unless it was used. */
static void
drop_default_image(struct mm *mm)
{
    const struct vma *stack = mm->first;

    if (mm->has_default_image && mm->map_count == 1 &&
        (stack->flags & VM_GROWSDOWN) && mm->pagetable.page_count == 0)
        mm_unmap(mm, stack->start, stack->end);
    mm->has_default_image = false;
}

/* Offsets of files are signed 64-bit numbers. */
static bool
file_reaches(const struct mm *mm, const struct mmap_args *args, uint64_t length)
{
    return mm->machine->kernel.version < LIMITS_OFFSETS_VERSION ||
           args->pgoff <= bytes_to_pages(INT64_MAX - length);
}

int64_t
mm_mmap(struct mm *mm, const struct mmap_args *args)
{
    uint64_t length = page_ceil(args->length);
    int error = check_args(mm, args);

    if (error)
        return error;
    if (args->flags & MM_EXEC_IMAGE)
        drop_default_image(mm);
    int64_t addr = place(mm, args, length);
    if (addr < 0)
        return addr;
    if ((args->flags & MM_LOCKED) && !mm_may_lock(mm))
        return -EPERM;
    struct merge_request request = {
        .mm = mm,
        .caller = MERGE_BY_MMAP,
        .start = (uint64_t)addr,
        .end = (uint64_t)addr + length,
        .flags = vma_flags_of(mm, args),
    };
    if (!mm_lock_fits(mm, request.flags, length))
        return -EAGAIN;
    if (args->file && !file_reaches(mm, args, length))
        return -EOVERFLOW;
    /* Only private anonymous memory can grow. */
    if ((args->flags & MM_GROWSDOWN) &&
        (args->file || (args->flags & MM_SHARED)))
        return -EINVAL;
    error = map_with_file(&request, args);
    if (error)
        return error;
    if (args->file)
        file_bring_in(args->file, args->pgoff, bytes_to_pages(length));
    return addr;
}

/* ---- brk ---- */

static int64_t
brk_shrink(struct mm *mm, uint64_t old_end, uint64_t new_end)
{
    if (!vma_intersect(mm, new_end, old_end) &&
        mm->machine->kernel.version >= BRK_NEEDS_HEAP_VERSION)
        return -ENOMEM;
    return mm_unmap(mm, new_end, old_end);
}

static int64_t
brk_grow(struct mm *mm, uint64_t old_end, uint64_t new_end, bool nozero)
{
    const struct machine *machine = mm->machine;
    const struct vma *next = vma_find(mm, old_end);
    uint64_t length = new_end - old_end;
    struct merge_request request = {
        .mm = mm,
        .caller = MERGE_BY_BRK,
        .start = old_end,
        .end = new_end,
        .pgoff = bytes_to_pages(old_end),
        .flags = VM_READ | VM_WRITE | VM_MAY_ACCESS | VM_ACCOUNT,
    };

    if ((next && new_end + PAGE_BYTES > vma_start_gap(next)) ||
        mm->map_count > mm_map_count_max(mm))
        return -ENOMEM;
    if (nozero && clear_honours_nozero(machine))
        request.flags |= VM_NOZERO;
    if (!mm_lock_fits(mm, request.flags, length))
        return -EAGAIN;
    return map_range(&request);
}

int64_t
mm_brk(struct mm *mm, uint64_t heap_bytes, bool nozero)
{
    uint64_t task_size = mm->machine->arch->task_size;
    uint64_t new_brk = mm->brk_start + heap_bytes;
    uint64_t old_end = page_ceil(mm->brk), new_end = page_ceil(new_brk);
    int64_t result = 0;

    if (heap_bytes > task_size || new_brk > task_size)
        return -ENOMEM;
    if (new_end < old_end)
        result = brk_shrink(mm, old_end, new_end);
    else if (new_end > old_end)
        result = brk_grow(mm, old_end, new_end, nozero);
    if (!result)
        mm->brk = new_brk;
    return result;
}

/* ---- stack ---- */

int64_t
mm_map_stack(struct mm *mm, uint64_t stack_top)
{
    struct merge_request request = {
        .mm = mm,
        .caller = MERGE_BY_MMAP,
        .start = stack_top - INITIAL_STACK_BYTES,
        .end = stack_top,
        .pgoff = bytes_to_pages(stack_top - INITIAL_STACK_BYTES),
        .flags = VM_READ | VM_WRITE | VM_MAY_ACCESS | VM_GROWSDOWN | VM_ACCOUNT,
    };

    mm->has_default_image = true;
    return map_range_uncounted(&request);
}

uint64_t
mm_stack_floor(const struct vma *stack)
{
    const struct vma *prev = stack->prev;

    if (!prev || (prev->flags & VM_GROWSDOWN) || !(prev->flags & VM_ACCESS))
        return 0;
    return prev->end +
           pages_to_bytes(stack->mm->machine->kernel.stack_gap_pages);
}

bool
mm_grow_stack(struct mm *mm, struct vma *vma, uint64_t addr)
{
    addr = page_floor(addr);
    mm_assert(addr < vma->start);
    uint64_t pages = bytes_to_pages(vma->start - addr);

    if (!(vma->flags & VM_GROWSDOWN) || addr < mm_stack_floor(vma))
        return false;
    if (!anon_prepare(vma))  // also where a limit refuses the growth
        return false;
    if (pages > vma->pgoff || !mm_may_expand(mm, pages) ||
        vma->end - addr > mm->rlimit_stack ||
        !mm_lock_fits(mm, vma->flags, pages_to_bytes(pages)))
        return false;
    if ((vma->flags & VM_ACCOUNT) && !mm_account(mm, pages))
        return false;
    mm->total_pages += pages;
    if (vma->flags & VM_LOCKED)
        mm->locked_pages += pages;
    vma->pgoff -= pages;
    vma_tree_resize(mm, vma, addr, vma->end);
    charge(mm->machine, CHARGE_vma_modify, 1);
    return true;
}
