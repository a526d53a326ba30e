/*
 * The life of an address space, its layout and its limits.
 *
 *   bottom-up   0 | image | heap ->      | mmap ->              <- stack |
 *   top-down    0 | image | heap ->                <- mmap | gap <- stack |
 *
 * The gap leaves the stack room to grow: RLIMIT_STACK, at least 128 MiB, at
 * most 5/6 of the address space; from 4.12 on with the guard gap on top of it.
 * Without a stack limit older kernels found no such place and went bottom-up
 * (arch_pick_mmap_layout() since 2.6.9).  Nothing is randomised.
 *
 * Invariants (mm_validate):
 *   A1  Every VMA lies within user space and belongs to the address space.
 *   A2  total_pages is the number of pages of the VMAs.
 *   A3  locked_pages is that of the VM_LOCKED ones, and lost_locked_pages.
 *   A4  accounted_pages is that of the VM_ACCOUNT ones.
 */
#include "mm/anon.h"
#include "mm/aspace_private.h"
#include "mm/machine.h"
#include "mm/task.h"
#include "mm/vrange.h"

#define MIB                 (UINT64_C(1) << 20)
#define UNLIMITED           UINT64_MAX
#define STACK_LIMIT         (8 * MIB)
#define STACK_ROOM_MIN      (128 * MIB)
#define GAP_IN_BASE_VERSION 4012000  // mmap_base leaves room for the stack gap
/* An unlimited stack no longer means bottom-up: measured on 6.18, where mmap
 * then begins below TASK_SIZE / 6; the first such version is a guess. */
#define UNLIMITED_TOP_DOWN_VERSION 4016000

/* Default RLIMIT_MEMLOCK; before 2.6.9 only root locks memory. */
static uint64_t
memlock_limit_bytes(const struct kernel *kernel)
{
    if (kernel->version >= 5016000)
        return 8 * MIB;
    if (kernel->version >= 2006031)
        return 64 << 10;
    return kernel->version >= 2006009 ? 32 << 10 : 0;
}

static uint64_t
top_down_base(const struct mm *mm)
{
    const struct machine *machine = mm->machine;
    uint64_t task_size = machine->arch->task_size;
    uint64_t room = mm->rlimit_stack, pad = 0;

    if (machine->kernel.version >= GAP_IN_BASE_VERSION)
        pad = pages_to_bytes(machine->kernel.stack_gap_pages);
    if (room + pad > room)
        room += pad;
    room = CLAMP(room, STACK_ROOM_MIN, task_size / 6 * 5);
    return page_ceil(task_size - room);
}

/* A recorded place, unless it lies beyond this architecture's user space. */
static uint64_t
key_or(const struct arch *arch, uint64_t key, uint64_t otherwise)
{
    return key && key <= arch->task_size ? key : otherwise;
}

/* A stack begins as large as exec makes it, and in whole pages. */
static uint64_t
stack_top_of(const struct arch *arch, uint64_t key)
{
    uint64_t top = page_ceil(key_or(arch, key, arch->stack_top));

    return top > INITIAL_STACK_BYTES ? top : arch->stack_top;
}

void
mm_set_layout(struct mm *mm, const struct exec_layout *layout)
{
    const struct machine *machine = mm->machine;
    const struct arch *arch = machine->arch;
    const struct kernel *kernel = &machine->kernel;
    uint64_t brk =
        kernel->brk_default ? kernel->brk_default : arch->brk_default;

    mm->rlimit_stack =
        layout->rlimit_stack ? layout->rlimit_stack : STACK_LIMIT;
    mm->rlimit_memlock = layout->has_rlimit_memlock
                             ? layout->rlimit_memlock
                             : memlock_limit_bytes(kernel);
    mm->rlimit_as = layout->has_rlimit_as ? layout->rlimit_as : UNLIMITED;
    mm->stack_top = stack_top_of(arch, layout->stack_top);
    mm->brk_start = key_or(arch, layout->brk, brk);
    mm->brk = mm->brk_start;
    mm->top_down = machine->policy.layout == LAYOUT_TOP_DOWN &&
                   (mm->rlimit_stack != UNLIMITED ||
                    kernel->version >= UNLIMITED_TOP_DOWN_VERSION);
    mm->mmap_base =
        key_or(arch, layout->mmap_base,
               mm->top_down ? top_down_base(mm) : arch->unmapped_base);
    gap_exec(mm);
}

static void
link_mm(struct machine *machine, struct mm *mm)
{
    mm->prev = machine->mms_last;
    if (machine->mms_last)
        machine->mms_last->next = mm;
    else
        machine->mms = mm;
    machine->mms_last = mm;
}

static void
unlink_mm(struct machine *machine, struct mm *mm)
{
    if (mm->prev)
        mm->prev->next = mm->next;
    else
        machine->mms = mm->next;
    if (mm->next)
        mm->next->prev = mm->prev;
    else
        machine->mms_last = mm->prev;
}

struct mm *
mm_create(struct machine *machine)
{
    struct mm *mm = slab_alloc(machine, SLAB_MM);

    if (!mm)
        return NULL;
    mm->machine = machine;
    mm->id = ++machine->mm_next_id;
    if (!pagetable_init(mm)) {
        slab_free(machine, SLAB_MM, mm);
        return NULL;
    }
    mm->btree.pieces = machine->node_pieces;
    maple_init(mm);
    mm_set_layout(mm, &(struct exec_layout){0});
    link_mm(machine, mm);
    return mm;
}

void
mm_destroy(struct mm *mm)
{
    struct machine *machine = mm->machine;

    for (struct vma *vma = vma_tree_dissolve(mm), *next; vma; vma = next) {
        next = vma->next;
        zap_vma_range(vma, vma->start, vma->end, ZAP_UNMAP);
        vma_destroy(vma);
    }
    mm_unaccount(mm, mm->accounted_pages);
    vrange_forget(mm);
    pagetable_finish(mm);
    unlink_mm(machine, mm);
    maple_trim(machine);
    slab_free(machine, SLAB_MM, mm);
}

uint32_t
mm_map_count_max(const struct mm *mm)
{
    return mm->machine->config.max_map_count;
}

bool
mm_is_root(const struct mm *mm)
{
    const GArray *uids = mm->machine->uids;
    uint32_t index = (uint32_t)mm->uid_holder - HOLDER_FIRST_UID;

    if (mm->uid_holder < HOLDER_FIRST_UID)
        return mm->uid_holder == HOLDER_CLEAN;  // nobody said who it is
    return g_array_index(uids, uint64_t, index) == 0;
}

bool
mm_may_expand(const struct mm *mm, uint64_t pages)
{
    return mm->total_pages + pages <= bytes_to_pages(mm->rlimit_as);
}

bool
mm_may_lock(const struct mm *mm)
{
    return mm->rlimit_memlock || mm_is_root(mm);
}

bool
mm_lock_fits(const struct mm *mm, uint32_t flags, uint64_t bytes)
{
    if (!(flags & VM_LOCKED) || mm_is_root(mm))
        return true;
    return mm->locked_pages + bytes_to_pages(bytes) <=
           bytes_to_pages(mm->rlimit_memlock);
}

void
mm_validate(struct mm *mm)
{
    uint64_t total_pages = 0, locked_pages = 0, accounted_pages = 0;

    vma_tree_validate(mm);
    for (const struct vma *vma = mm->first; vma; vma = vma->next) {
        mm_invariant(A1, vma->mm == mm);
        mm_invariant(A1, vma->end <= mm->machine->arch->task_size);
        total_pages += vma_pages(vma);
        if (vma->flags & VM_LOCKED)
            locked_pages += vma_pages(vma);
        if (vma->flags & VM_ACCOUNT)
            accounted_pages += vma_pages(vma);
    }
    mm_invariant(A2, mm->total_pages == total_pages);
    mm_invariant(A3, mm->locked_pages == locked_pages + mm->lost_locked_pages);
    mm_invariant(A4, mm->accounted_pages == accounted_pages);
    maple_validate(mm);
    pagetable_validate(mm);
}
