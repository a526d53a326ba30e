/*
 * Page tables: allocation, lookup, freeing and moving.
 *
 *   root --> directory --> ... --> leaf
 *   level 0                        level_count - 1
 *
 * i386 has root and leaf; PAE a 4-entry root, three preallocated middle
 * pages, and leaves; x86-64 four levels.  The root is a PGD: a frame counted
 * as the task's, or a slab object under PAE.
 *
 * The preset decides when tables are freed: to 2.6.10 munmap frees them only
 * when a whole PGD entry has no VMA left, later as soon as no VMA lies in the
 * span of the table.
 */
#include "mm/pagetable.h"

#include "mm/aspace.h"
#include "mm/machine.h"
#include "mm/page_alloc.h"
#include "mm/pieces.h"
#include "mm/rmap.h"

#include <string.h>

#define RECENT_COUNT 16  // a power of two
#define RECENT_BYTES (RECENT_COUNT * sizeof(struct leaf_window))

/* Address bits below one entry of a directory on `level`. */
static unsigned
entry_shift(const struct arch *arch, unsigned level)
{
    unsigned shift = PAGE_SHIFT;

    for (unsigned below = level + 1; below < arch->level_count; below++)
        shift += arch->level_bits[below];
    return shift;
}

static uint32_t
entry_count(const struct arch *arch, unsigned level)
{
    return 1u << arch->level_bits[level];
}

static uint32_t
entry_index(const struct arch *arch, unsigned level, uint64_t addr)
{
    return (uint32_t)(addr >> entry_shift(arch, level)) &
           (entry_count(arch, level) - 1);
}

/* The address where an entry begins of the directory that covers addr. */
static uint64_t
entry_addr(const struct arch *arch, unsigned level, uint64_t addr,
           uint32_t entry)
{
    uint64_t mask = (uint64_t)(entry_count(arch, level) - 1)
                    << entry_shift(arch, level);
    uint64_t below = (UINT64_C(1) << entry_shift(arch, level)) - 1;

    return (addr & ~mask & ~below) | (uint64_t)entry
                                         << entry_shift(arch, level);
}

static bool
holds_leaves(const struct arch *arch, unsigned level)
{
    return level + 2 == arch->level_count;
}

/* The slots of the directory of leaves for addr may move. */
static void
forget_window(struct pagetable *pagetable, uint64_t addr)
{
    pagetable_recent(pagetable, addr)->count = 0;
}

static void
add_child(struct mm *mm, struct directory *directory, unsigned level,
          uint64_t addr, void *child)
{
    const struct arch *arch = mm->pagetable.arch;

    if (holds_leaves(arch, level))
        forget_window(&mm->pagetable, addr);
    directory_add(mm->machine->table_pieces, directory,
                  entry_index(arch, level, addr), child,
                  entry_count(arch, level));
}

static void
remove_child(struct mm *mm, struct directory *directory, unsigned level,
             uint64_t addr)
{
    const struct arch *arch = mm->pagetable.arch;

    if (holds_leaves(arch, level))
        forget_window(&mm->pagetable, addr);
    directory_remove(mm->machine->table_pieces, directory,
                     entry_index(arch, level, addr));
}

/* A zeroed frame for a table; PFN_NONE: no memory. */
static pfn_t
table_frame_alloc(struct mm *mm)
{
    struct machine *machine = mm->machine;
    pfn_t pfn = page_alloc(machine, machine->cpu, PAGE_PAGETABLE, 0);

    if (pfn_is_none(pfn))
        return pfn;
    page_of(machine, pfn)->holder = HOLDER_KERNEL;
    page_of(machine, pfn)->home = mm->id;
    page_of(machine, pfn)->map_count = 0;
    machine->counters.clear_page_kernel_count++;
    machine->counters.pagetable_alloc_count++;
    charge(machine, CHARGE_pagetable_page, 1);
    mm->pagetable.page_count++;
    return pfn;
}

static void
table_frame_free(struct mm *mm, pfn_t pfn)
{
    struct machine *machine = mm->machine;

    machine->counters.pagetable_free_count++;
    mm->pagetable.page_count--;
    page_free(machine, machine->cpu, pfn, 0, 0);
}

static void
leaf_delete(struct mm *mm, struct leaf *leaf)
{
    table_frame_free(mm, leaf->pfn);
    leaf_destroy(leaf);
}

static void free_subtree(struct mm *mm, unsigned level, void *table);

static void
free_children(struct mm *mm, unsigned level, struct directory *directory)
{
    struct pieces *pieces = mm->machine->table_pieces;

    for (uint32_t i = 0; (i = directory_next(directory, i)) != UINT32_MAX;
         i++) {
        free_subtree(mm, level + 1, directory_child(directory, i));
        directory_remove(pieces, directory, i);
    }
}

/* Free a table on `level` and everything below it. */
static void
free_subtree(struct mm *mm, unsigned level, void *table)
{
    if (level + 1 == mm->pagetable.arch->level_count) {
        leaf_delete(mm, table);
        return;
    }
    struct directory *directory = table;
    free_children(mm, level, directory);
    table_frame_free(mm, directory->pfn);
    directory_destroy(mm->machine->table_pieces, directory);
}

/* A second directory of leaves is looked into. */
static void
make_room_for_windows(struct mm *mm)
{
    struct pagetable *pagetable = &mm->pagetable;
    struct leaf_window only = pagetable->only_recent;

    pagetable->only_recent = (struct leaf_window){0};
    pagetable->recent = pieces_get(mm->machine->table_pieces, RECENT_BYTES);
    pagetable->recent_mask = RECENT_COUNT - 1;
    *pagetable_recent(pagetable,
                      (uint64_t)only.first << pagetable->leaf_shift) = only;
}

static void
give_up_windows(struct mm *mm)
{
    struct pagetable *pagetable = &mm->pagetable;

    if (pagetable->recent_mask == 0)
        return;
    memset(pagetable->recent, 0, RECENT_BYTES);
    pieces_put(mm->machine->table_pieces, pagetable->recent, RECENT_BYTES);
}

void
pagetable_finish(struct mm *mm)
{
    struct machine *machine = mm->machine;
    struct directory *root = mm->pagetable.root;

    if (!root)
        return;
    free_children(mm, 0, root);
    give_up_windows(mm);
    if (mm->pagetable.pgd_object)
        slab_free(machine, SLAB_PGD, mm->pagetable.pgd_object);
    else
        page_free(machine, machine->cpu, root->pfn, 0, 0);
    directory_destroy(machine->table_pieces, root);
    mm->pagetable.root = NULL;
}

/* The child of a directory that covers addr, made if it is not there. */
static void *
child_alloc(struct mm *mm, struct directory *directory, unsigned level,
            uint64_t addr)
{
    const struct arch *arch = mm->pagetable.arch;
    void *child = directory_child(directory, entry_index(arch, level, addr));

    if (child)
        return child;
    pfn_t pfn = table_frame_alloc(mm);
    if (pfn_is_none(pfn))
        return NULL;
    if (holds_leaves(arch, level))
        child = leaf_create(mm, addr & ~(leaf_span_bytes(arch) - 1), pfn);
    else
        child = directory_create(mm->machine->table_pieces, pfn);
    add_child(mm, directory, level, addr, child);
    return child;
}

/* PAE: the user's middle pages come with the PGD. */
static bool
preallocate_middle(struct mm *mm)
{
    struct directory *root = mm->pagetable.root;

    for (uint32_t i = 0; i < mm->pagetable.arch->pmd_prealloc; i++) {
        uint64_t addr = entry_addr(mm->pagetable.arch, 0, 0, i);

        if (!child_alloc(mm, root, 0, addr))
            return false;
    }
    return true;
}

bool
pagetable_init(struct mm *mm)
{
    struct machine *machine = mm->machine;
    const struct arch *arch = machine->arch;
    pfn_t pfn = PFN_NONE;

    unsigned level = arch->level_count - 2;
    mm->pagetable = (struct pagetable){
        .arch = arch,
        .recent = &mm->pagetable.only_recent,
        .leaf_shift = entry_shift(arch, level),
        .directory_shift = entry_shift(arch, level) + arch->level_bits[level],
        .leaf_mask = leaf_entries(arch) - 1,
    };
    if (arch->pgd_pages) {
        pfn = page_alloc(machine, machine->cpu, PAGE_TASK, 0);
        if (pfn_is_none(pfn))
            return false;
        page_of(machine, pfn)->holder = HOLDER_KERNEL;
        page_of(machine, pfn)->map_count = 0;
        machine->counters.clear_page_kernel_count++;
    } else {
        mm->pagetable.pgd_object = slab_alloc(machine, SLAB_PGD);
        if (!mm->pagetable.pgd_object)
            return false;
    }
    mm->pagetable.root = directory_create(machine->table_pieces, pfn);
    if (!preallocate_middle(mm)) {
        pagetable_finish(mm);
        return false;
    }
    return true;
}

/* The directory of leaves for addr, or NULL. */
static struct directory *
walk_to_directory(const struct pagetable *pagetable, uint64_t addr)
{
    const struct arch *arch = pagetable->arch;
    struct directory *directory = pagetable->root;

    for (unsigned level = 0; directory && !holds_leaves(arch, level); level++)
        directory = directory_child(directory, entry_index(arch, level, addr));
    return directory;
}

static void
remember_window(struct mm *mm, const struct directory *directory, uint64_t addr)
{
    struct pagetable *pagetable = &mm->pagetable;
    unsigned level = pagetable->arch->level_count - 2;
    uint64_t start = entry_addr(pagetable->arch, level, addr, directory->first);
    const struct leaf_window window = {
        .slots = directory->slots,
        .first = (start >> pagetable->leaf_shift) & ((UINT64_C(1) << 48) - 1),
        .count = directory->count,
    };
    const struct leaf_window *only = &pagetable->only_recent;

    if (only->count && only->slots != window.slots)
        make_room_for_windows(mm);
    *pagetable_recent(pagetable, addr) = window;
}

struct leaf *
pagetable_leaf(struct mm *mm, uint64_t addr)
{
    struct pagetable *pagetable = &mm->pagetable;
    struct leaf *leaf = pagetable_recent_leaf(pagetable, addr);

    if (leaf)
        return leaf;
    const struct directory *directory = walk_to_directory(pagetable, addr);

    if (!directory || !directory->count)
        return NULL;
    remember_window(mm, directory, addr);
    return pagetable_recent_leaf(pagetable, addr);
}

struct leaf *
pagetable_leaf_alloc(struct mm *mm, uint64_t addr)
{
    struct leaf *found = pagetable_leaf(mm, addr);

    if (found)
        return found;
    void *table = mm->pagetable.root;
    for (unsigned level = 0;
         table && level + 1 < mm->pagetable.arch->level_count; level++)
        table = child_alloc(mm, table, level, addr);
    return table;
}

bool
pagetable_directory_alloc(struct mm *mm, uint64_t addr)
{
    void *table = mm->pagetable.root;
    for (unsigned level = 0; table && !holds_leaves(mm->pagetable.arch, level);
         level++)
        table = child_alloc(mm, table, level, addr);
    return table;
}

static bool
copy_shape(struct mm *mm, struct directory *to, const struct directory *from,
           unsigned level, uint64_t addr, uint64_t end)
{
    const struct arch *arch = mm->pagetable.arch;
    uint32_t i = directory_next(from, entry_index(arch, level, addr));

    for (; i != UINT32_MAX; i = directory_next(from, i + 1)) {
        addr = MAX(addr, entry_addr(arch, level, addr, i));
        if (addr >= end)
            break;
        void *child = child_alloc(mm, to, level, addr);

        if (!child || (!holds_leaves(arch, level) &&
                       !copy_shape(mm, child, directory_child(from, i),
                                   level + 1, addr, end)))
            return false;
    }
    return true;
}

bool
pagetable_copy_shape(struct mm *to, const struct mm *from, uint64_t start,
                     uint64_t end)
{
    return copy_shape(to, to->pagetable.root, from->pagetable.root, 0, start,
                      end);
}

static struct leaf *
next_leaf_in(const struct arch *arch, const struct directory *directory,
             unsigned level, uint64_t addr, uint64_t end)
{
    uint32_t i = directory_next(directory, entry_index(arch, level, addr));

    for (; i != UINT32_MAX; i = directory_next(directory, i + 1)) {
        void *child = directory_child(directory, i);
        struct leaf *leaf = child;

        addr = MAX(addr, entry_addr(arch, level, addr, i));
        if (addr >= end)
            break;
        if (!holds_leaves(arch, level))
            leaf = next_leaf_in(arch, child, level + 1, addr, end);
        if (leaf)
            return leaf;
    }
    return NULL;
}

struct leaf *
pagetable_next_leaf(struct mm *mm, uint64_t addr, uint64_t end)
{
    if (addr >= end)
        return NULL;
    return next_leaf_in(mm->pagetable.arch, mm->pagetable.root, 0, addr, end);
}

static void
forget_windows(struct pagetable *pagetable)
{
    for (size_t i = 0; i <= pagetable->recent_mask; i++)
        pagetable->recent[i].count = 0;
}

/* What one freeing of tables may touch. */
struct free_span {
    uint64_t start, end;      // look at tables that meet this
    uint64_t floor, ceiling;  // free those that lie within this
};

static void
free_tables(struct mm *mm, struct directory *directory, unsigned level,
            uint64_t base, const struct free_span *span)
{
    const struct arch *arch = mm->pagetable.arch;
    uint64_t entry_bytes = UINT64_C(1) << entry_shift(arch, level);
    uint64_t first = span->start > base ? span->start - base : 0;
    bool keep = level == 0 && arch->pmd_prealloc;

    if (first / entry_bytes >= entry_count(arch, level))
        return;
    for (uint32_t i = (uint32_t)(first / entry_bytes);
         (i = directory_next(directory, i)) != UINT32_MAX; i++) {
        uint64_t child_base = base + i * entry_bytes;
        void *child = directory_child(directory, i);

        if (child_base >= span->end)
            break;
        if (!keep && child_base >= span->floor &&
            child_base + entry_bytes <= span->ceiling) {
            free_subtree(mm, level + 1, child);
            remove_child(mm, directory, level, child_base);
            if (!holds_leaves(arch, level))
                forget_windows(&mm->pagetable);
        } else if (!holds_leaves(arch, level)) {
            free_tables(mm, child, level + 1, child_base, span);
        }
    }
}

void
pagetable_free_range(struct mm *mm, uint64_t start, uint64_t end,
                     uint64_t floor, uint64_t ceiling)
{
    struct machine *machine = mm->machine;
    struct free_span span = {start, end, floor, ceiling};

    if (machine->kernel.pagetable_free == PT_FREE_PGD_SPAN) {
        uint64_t mask = (UINT64_C(1) << entry_shift(mm->pagetable.arch, 0)) - 1;

        span.floor = (floor + mask) & ~mask;
        span.ceiling = ceiling & ~mask;
        span.start = start & ~mask;
        span.end = (end + mask) & ~mask;
    }
    if (span.floor < span.ceiling)
        free_tables(mm, mm->pagetable.root, 0, 0, &span);
}

/* Unhook a leaf from its directory without freeing it. */
static void
leaf_detach(struct mm *mm, struct leaf *leaf)
{
    const struct arch *arch = mm->pagetable.arch;
    struct directory *directory = walk_to_directory(&mm->pagetable, leaf->base);

    remove_child(mm, directory, arch->level_count - 2, leaf->base);
}

void
pagetable_free_leaf_if_empty(struct mm *mm, struct leaf *leaf)
{
    if (leaf->used_count)
        return;
    leaf_detach(mm, leaf);
    leaf_delete(mm, leaf);
}

/* Hang a detached leaf at another address, if there is none and the upper
 * levels can be had. */
static bool
leaf_attach(struct mm *mm, struct leaf *leaf, uint64_t base)
{
    const struct arch *arch = mm->pagetable.arch;
    struct directory *directory = mm->pagetable.root;
    unsigned level = 0;

    for (; !holds_leaves(arch, level); level++) {
        directory = child_alloc(mm, directory, level, base);
        if (!directory)
            return false;
    }
    if (directory_child(directory, entry_index(arch, level, base)))
        return false;
    add_child(mm, directory, level, base, leaf);
    leaf->base = base;
    return true;
}

static bool
move_whole_leaf(struct mm *mm, struct leaf *leaf, uint64_t new_addr)
{
    uint64_t old_base = leaf->base;

    if (pagetable_leaf(mm, new_addr))
        return false;
    leaf_detach(mm, leaf);
    if (leaf_attach(mm, leaf, new_addr))
        return true;
    bool restored = leaf_attach(mm, leaf, old_base);
    mm_assert(restored);
    return false;
}

/* Move the entries of one leaf that lie in [addr, end). */
static bool
move_entries(struct mm *mm, struct leaf *from, uint64_t addr, uint64_t end,
             uint64_t new_addr)
{
    struct machine *machine = mm->machine;
    const struct arch *arch = mm->pagetable.arch;

    for (; addr < end; addr += PAGE_BYTES, new_addr += PAGE_BYTES) {
        uint32_t from_index = leaf_index(arch, addr);
        struct leaf *to = pagetable_leaf_alloc(mm, new_addr);

        if (!to)
            return false;
        uint32_t to_index = leaf_index(arch, new_addr);
        if (from->pte[from_index] == PTE_NONE)
            continue;
        mm_assert(to->pte[to_index] == PTE_NONE);
        to->pte[to_index] = from->pte[from_index];
        to->used_count++;
        from->pte[from_index] = PTE_NONE;
        from->used_count--;
        charge(machine, CHARGE_pte_update, 2);
        if ((to->pte[to_index] & (PTE_PRESENT | PTE_ZERO)) == PTE_PRESENT)
            rmap_moved(machine, from, from_index, to, to_index);
    }
    return true;
}

static bool
has_third_level(const struct mm *mm, uint64_t addr)
{
    const struct arch *arch = mm->pagetable.arch;
    const struct directory *root = mm->pagetable.root;
    const struct directory *second =
        directory_child(root, entry_index(arch, 0, addr));

    return second && directory_child(second, entry_index(arch, 1, addr));
}

/* Kernels that move tables make the second level of the target wherever the
 * source has a third, even with nothing below it. */
static bool
make_second_level(struct mm *mm, uint64_t addr, uint64_t new_addr,
                  uint64_t length)
{
    const struct arch *arch = mm->pagetable.arch;
    uint64_t mask = (UINT64_C(1) << entry_shift(arch, 1)) - 1;

    for (uint64_t done = 0; done < length;) {
        uint64_t from = addr + done, to = new_addr + done;

        if (has_third_level(mm, from) &&
            !child_alloc(mm, mm->pagetable.root, 0, to))
            return false;
        done += MIN((from | mask) + 1 - from, (to | mask) + 1 - to);
    }
    return true;
}

static bool
move_range(struct mm *mm, uint64_t addr, uint64_t new_addr, uint64_t length)
{
    const struct arch *arch = mm->pagetable.arch;
    uint64_t span = leaf_span_bytes(arch), end = addr + length;
    struct leaf *leaf;

    if (mm->machine->kernel.mremap_moves_tables && arch->level_count > 3 &&
        !make_second_level(mm, addr, new_addr, length))
        return false;
    for (uint64_t at = addr; (leaf = pagetable_next_leaf(mm, at, end));) {
        uint64_t first = MAX(at, leaf->base);
        uint64_t last = MIN(end, leaf->base + span);
        uint64_t target = new_addr + (first - addr);
        bool whole = last - first == span && target % span == 0;

        at = last;
        if (whole && mm->machine->kernel.mremap_moves_tables &&
            move_whole_leaf(mm, leaf, target))
            continue;
        if (!move_entries(mm, leaf, first, last, target))
            return false;
    }
    return true;
}

bool
pagetable_move(struct vma *from, uint64_t old_addr, struct vma *to,
               uint64_t new_addr, uint64_t length)
{
    struct mm *mm = from->mm;

    mm_assert(to->mm == mm);
    if (move_range(mm, old_addr, new_addr, length))
        return true;
    /* What the way back needs is still there. */
    bool restored = move_range(mm, new_addr, old_addr, length);
    mm_assert(restored);
    return false;
}

static uint64_t
validate_leaf(struct mm *mm, struct leaf *leaf)
{
    const struct arch *arch = mm->pagetable.arch;
    struct machine *machine = mm->machine;
    uint32_t used_count = 0;

    mm_assert(leaf->mm == mm);
    mm_invariant(T5, page_state(page_of(machine, leaf->pfn)) == PAGE_PAGETABLE);
    for (uint32_t i = 0; i < leaf_entries(arch); i++) {
        pte_t pte = leaf->pte[i];
        uint64_t addr = leaf->base + ((uint64_t)i << PAGE_SHIFT);

        used_count += pte != PTE_NONE;
        if (!(pte & PTE_PRESENT))
            continue;
        struct vma *vma = vma_find_quiet(mm, addr);
        mm_invariant(T2, vma && vma->start <= addr);
    }
    mm_invariant(T1, used_count == leaf->used_count);
    return 1;
}

static uint64_t
validate_directory(struct mm *mm, struct directory *directory, unsigned level)
{
    const struct arch *arch = mm->pagetable.arch;
    uint64_t page_count = level > 0;

    directory_validate(directory, entry_count(arch, level));
    if (level > 0)
        mm_invariant(T5, page_state(page_of(mm->machine, directory->pfn)) ==
                             PAGE_PAGETABLE);
    for (uint32_t i = 0; (i = directory_next(directory, i)) != UINT32_MAX;
         i++) {
        void *child = directory_child(directory, i);

        if (holds_leaves(arch, level))
            page_count += validate_leaf(mm, child);
        else
            page_count += validate_directory(mm, child, level + 1);
    }
    return page_count;
}

static void
validate_windows(const struct pagetable *pagetable)
{
    for (size_t i = 0; i <= pagetable->recent_mask; i++) {
        const struct leaf_window *window = &pagetable->recent[i];

        if (window->count == 0)
            continue;
        uint64_t addr = (uint64_t)window->first << pagetable->leaf_shift;
        const struct directory *directory = walk_to_directory(pagetable, addr);

        mm_invariant(T3, directory && window->slots == directory->slots);
        mm_invariant(T3, entry_index(pagetable->arch,
                                     pagetable->arch->level_count - 2,
                                     addr) == directory->first);
        mm_invariant(T3, window->count <= directory->count);
    }
}

void
pagetable_validate(struct mm *mm)
{
    uint64_t page_count = validate_directory(mm, mm->pagetable.root, 0);

    mm_invariant(T4, page_count == mm->pagetable.page_count);
    validate_windows(&mm->pagetable);
}
