/*
 * See expect.h.
 */
#include "mm/expect.h"

#include "mm/aspace.h"
#include "mm/machine.h"
#include "mm/pieces.h"
#include "mm/task.h"

#include <stddef.h>

#define TASKS_AHEAD 5

/* See pieces_expect(). */
#define ALWAYS_INLINE inline __attribute__((always_inline))

static ALWAYS_INLINE void
expect(const void *object, size_t bytes)
{
    if (object)
        pieces_expect(object, bytes);
}

static ALWAYS_INLINE void
expect_tables(const struct task *task)
{
    const struct mm *mm = task->mm;

    expect(page_of(task->machine, task->stack), sizeof(struct page));
    expect(mm->first, sizeof(struct vma));
    expect(mm->btree.root, PIECE_LINE_BYTES);
    expect(mm->maple.root, PIECE_LINE_BYTES);
    expect(mm->pagetable.root, sizeof(struct directory));
    expect(mm->pagetable.recent->slots, PIECE_LINE_BYTES);
}

/* The leaf of the first VMA, where processes that have little have it. */
static ALWAYS_INLINE struct leaf *
first_leaf(const struct mm *mm)
{
    return mm->first ? pagetable_recent_leaf(&mm->pagetable, mm->first->start)
                     : NULL;
}

static ALWAYS_INLINE void
expect_entries(const struct mm *mm)
{
    struct leaf *leaf = first_leaf(mm);

    if (mm->first)
        expect(mm->first->next, sizeof(struct vma));
    if (leaf) {
        expect(leaf, sizeof(*leaf));
        expect(leaf_pte(&mm->pagetable, leaf, mm->first->start), sizeof(pte_t));
    }
}

static ALWAYS_INLINE void
expect_frames(const struct mm *mm)
{
    struct leaf *leaf = first_leaf(mm);

    if (!leaf)
        return;
    pte_t pte = *leaf_pte(&mm->pagetable, leaf, mm->first->start);

    expect(page_of(mm->machine, leaf->pfn), sizeof(struct page));
    if (pte & PTE_PRESENT)
        expect(page_of(mm->machine, pte_pfn(pte)), sizeof(struct page));
}

/* Each exit takes the tasks behind this one a step further, so that a step
 * finds in the caches what the one before has asked for. */
static ALWAYS_INLINE void
expect_after(const struct task *task)
{
    const struct task *next[TASKS_AHEAD];

    for (unsigned i = 0; i < TASKS_AHEAD; i++)
        next[i] = task = task ? task->next : NULL;
    if (next[4])
        expect(next[4], offsetof(struct task, parent));
    if (next[3] && next[3]->mm)
        expect(next[3]->mm, offsetof(struct mm, mmap_base));
    if (next[2] && next[2]->mm)
        expect_tables(next[2]);
    if (next[1] && next[1]->mm)
        expect_entries(next[1]->mm);
    if (next[0] && next[0]->mm)
        expect_frames(next[0]->mm);
}

void
expect_exits(struct task *task)
{
    struct machine *machine = task->machine;

    if (machine->next_exit == task)
        expect_after(task);
    machine->next_exit = task->next;
}
