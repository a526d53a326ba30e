/*
 * Layout of a new image: where mmap, brk and the stack begin.
 *
 * Without layout keys an image gets the kernel's layout without randomisation:
 * top-down mmap starts below the stack's limit with a gap between 128 MiB and
 * 5/6 of the address space (arch_pick_mmap_layout(); since 4.20 the stack
 * guard gap is added to the limit).
 */
#include "mm/aspace.h"
#include "mm/machine.h"
#include "mm/task.h"

#define MIB                  (UINT64_C(1) << 20)
#define STACK_LIMIT_DEFAULT  (8 * MIB)
#define MMAP_GAP_MIN         (128 * MIB)

static uint64_t
mmap_base_of(const struct mm *mm)
{
    const struct machine *machine = mm->machine;
    uint64_t task_size = machine->arch->task_size;
    uint64_t guard = pages_to_bytes(machine->kernel.stack_gap_pages);
    uint64_t gap = mm->rlimit_stack;

    if (!mm->top_down)
        return machine->arch->unmapped_base;
    if (gap + guard > gap)
        gap += guard;
    gap = CLAMP(gap, MMAP_GAP_MIN, task_size / 6 * 5);
    return page_ceil(task_size - gap);
}

static uint64_t
given_or(uint64_t given, uint64_t otherwise)
{
    return given ? given : otherwise;
}

void
mm_set_layout(struct mm *mm, const struct exec_layout *layout)
{
    const struct machine *machine = mm->machine;
    const struct arch *arch = machine->arch;
    uint64_t brk = given_or(machine->kernel.brk_default, arch->brk_default);

    mm->rlimit_stack = given_or(layout->rlimit_stack, STACK_LIMIT_DEFAULT);
    mm->rlimit_memlock =
        layout->has_rlimit_memlock ? layout->rlimit_memlock : UINT64_MAX;
    mm->rlimit_as = layout->has_rlimit_as ? layout->rlimit_as : UINT64_MAX;
    /* An unlimited stack leaves no place for top-down. */
    mm->top_down = machine->policy.layout == LAYOUT_TOP_DOWN &&
                   mm->rlimit_stack != UINT64_MAX;
    mm->stack_top =
        page_floor(given_or(layout->stack_top, arch->stack_top));
    mm->mmap_base = page_floor(given_or(layout->mmap_base, mmap_base_of(mm)));
    mm->brk_start = page_floor(given_or(layout->brk, brk));
    mm->brk = mm->brk_start;
    gap_exec(mm);
}
