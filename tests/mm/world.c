/*
 * Processes made by hand; see world.h.  Nothing goes through the fault handler
 * or fork: the tests are about what these call.
 */
#include "tests/mm/world.h"

#include <check.h>

static const struct kernel_sizes sizes32 = {
    .page = 40,
    .vma = 76,
    .anon_vma = 12,
    .anon_vma_chain = 24,
    .mm = 512,
    .task = 1024,
    .kernel_stack = 8192,
};
static const struct kernel_sizes sizes64 = {
    .page = 64,
    .vma = 192,
    .anon_vma = 24,
    .anon_vma_chain = 64,
    .mm = 1024,
    .task = 4096,
    .kernel_stack = 8192,
};

struct machine_config
world_config(const struct rmap_ops *rmap, enum anon_fork_form form)
{
    return (struct machine_config){
        .arch = &arch_x86_64,
        .kernel =
            {
                .name = "test",
                .version = 6018000,
                .order_count = 11,
                .pcp = PCP_NONE,
                .watermark = WATERMARK_4_6,
                .alloc = ALLOC_4_4,
                .min_free_max_kib = 65536,
                .max_map_count = 65530,
                .pagetable_free = PT_FREE_FLOOR_CEILING,
                .anon_fork = form,
                .anon_borrows_neighbour = true,
                .sizes32 = sizes32,
                .sizes64 = sizes64,
            },
        .policy =
            {
                .zero_page = ZERO_PAGE_SPECIAL,
                .rmap = rmap,
                .gap = &gap_linear,
                .vma_index = VMA_INDEX_RBTREE,
                .merge = MERGE_LINEAR,
                .fork = FORK_COPY_ALL,
                .cow = COW_MAPCOUNT,
            },
        .ram_bytes = UINT64_C(512) << 20,
        .kernel_image_bytes = UINT64_C(8) << 20,
        .cpu_count = 1,
        .l1_line_bytes = 64,
        .overcommit_memory = 1,
        .max_map_count = 65530,
    };
}

void
world_destroy(struct machine *machine)
{
    while (machine->mms)
        world_exit(machine->mms);
    ck_assert_uint_eq(machine->gauge[GAUGE_anon_bytes], 0);
    ck_assert_uint_eq(machine->gauge[GAUGE_pagetable_bytes], 0);
    ck_assert_uint_eq(machine->gauge[GAUGE_slab_bytes], 0);
    machine_destroy(machine);
}

static struct vma *
vma_at(struct mm *mm, uint64_t start, uint64_t pages, uint64_t pgoff)
{
    struct vma *vma = vma_create(mm);

    ck_assert_ptr_nonnull(vma);
    vma->start = start;
    vma->end = start + pages_to_bytes(pages);
    vma->pgoff = pgoff;
    vma->flags = VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE;
    vma_tree_insert(mm, vma);
    return vma;
}

struct vma *
world_vma(struct mm *mm, uint64_t start, uint64_t pages)
{
    return vma_at(mm, start, pages, bytes_to_pages(start));
}

struct vma *
world_file_vma(struct mm *mm, struct file *file, uint64_t start, uint64_t pages,
               uint64_t pgoff)
{
    struct vma *vma = vma_at(mm, start, pages, pgoff);

    vma->file = file;
    vma->flags |= VM_SHARED;
    rmap_file_link(vma);
    return vma;
}

struct vma *
world_split(struct vma *vma, uint64_t addr)
{
    uint64_t end = vma->end;

    vma_tree_resize(vma->mm, vma, vma->start, addr);
    struct vma *above = vma_at(vma->mm, addr, bytes_to_pages(end - addr),
                               vma->pgoff + vma_pages(vma));
    ck_assert(anon_clone(above, vma));
    return above;
}

static void
remove_vma(struct vma *vma)
{
    vma_tree_remove(vma->mm, vma);
    vma_destroy(vma);
}

struct vma *
world_move(struct vma *vma, uint64_t start)
{
    struct mm *mm = vma->mm;
    struct vma *to = vma_at(mm, start, vma_pages(vma), vma->pgoff);

    ck_assert(anon_clone(to, vma));
    ck_assert(
        pagetable_move(vma, vma->start, to, start, vma->end - vma->start));
    remove_vma(vma);
    return to;
}

void
world_drop(struct vma *vma)
{
    for (uint64_t addr = vma->start; addr < vma->end; addr += PAGE_BYTES)
        if (world_pte(vma->mm, addr))
            world_unmap(vma->mm, addr);
    remove_vma(vma);
}

bool
world_map(struct vma *vma, uint64_t addr, pfn_t pfn, uint64_t bits)
{
    struct leaf *leaf = pagetable_leaf_alloc(vma->mm, addr);
    uint32_t index = leaf_index(vma->mm->machine->arch, addr);

    ck_assert_ptr_nonnull(leaf);
    ck_assert(leaf->pte[index] == PTE_NONE);
    leaf->pte[index] = pte_make(pfn, PTE_PRESENT | bits);
    if (rmap_add_run(vma->mm->machine, vma, leaf, index, 1) == 1) {
        leaf->used_count++;
        return true;
    }
    leaf->pte[index] = PTE_NONE;
    return false;
}

struct page *
world_fault(struct vma *vma, uint64_t addr)
{
    struct machine *machine = vma->mm->machine;

    ck_assert(anon_prepare(vma));
    pfn_t pfn = page_alloc(machine, 0, PAGE_ANON, 0);
    ck_assert(!pfn_is_none(pfn));
    struct page *page = page_of(machine, pfn);

    page->map_count = 0;
    page->home = vma->family->id;
    page->index = vma_index(vma, addr) & UINT64_C(0xffffffffff);
    ck_assert(world_map(vma, addr, pfn, 0));
    return page;
}

pte_t
world_pte(struct mm *mm, uint64_t addr)
{
    struct leaf *leaf = pagetable_leaf(mm, addr);

    return leaf ? leaf->pte[leaf_index(mm->machine->arch, addr)] : PTE_NONE;
}

void
world_unmap(struct mm *mm, uint64_t addr)
{
    struct machine *machine = mm->machine;
    struct leaf *leaf = pagetable_leaf(mm, addr);
    uint32_t index = leaf_index(machine->arch, addr);
    pfn_t pfn = pte_pfn(leaf->pte[index]);

    rmap_remove_run(machine, leaf, index, 1);
    leaf->pte[index] = PTE_NONE;
    leaf->used_count--;
    if (page_of(machine, pfn)->map_count == 0)
        page_free(machine, 0, pfn, 0, 0);
}

static void
fork_leaf(struct vma *child, struct leaf *from, uint64_t start, uint64_t end)
{
    for (uint64_t addr = start; addr < end; addr += PAGE_BYTES) {
        pte_t pte = from->pte[leaf_index(child->mm->machine->arch, addr)];

        if (pte)
            ck_assert(world_map(child, addr, pte_pfn(pte), pte & PTE_FILE));
    }
}

static void
fork_vma(struct mm *mm, const struct vma *parent)
{
    uint64_t span = leaf_span_bytes(mm->machine->arch);
    struct vma *child =
        vma_at(mm, parent->start, vma_pages(parent), parent->pgoff);
    struct leaf *leaf;

    child->flags = parent->flags;
    child->file = parent->file;
    if (child->file)
        rmap_file_link(child);
    ck_assert(anon_fork(child, parent));
    for (uint64_t at = parent->start;
         (leaf = pagetable_next_leaf(parent->mm, at, parent->end));
         at = leaf->base + span)
        fork_leaf(child, leaf, MAX(at, leaf->base),
                  MIN(leaf->base + span, parent->end));
}

struct mm *
world_fork(struct mm *parent)
{
    struct mm *child = mm_create(parent->machine);

    ck_assert_ptr_nonnull(child);
    for (struct vma *vma = parent->first; vma; vma = vma->next)
        fork_vma(child, vma);
    return child;
}

void
world_exit(struct mm *mm)
{
    while (mm->first)
        world_drop(mm->first);
    mm_destroy(mm);
}

GArray *
world_exhaust(struct machine *machine)
{
    GArray *pfns = g_array_new(FALSE, FALSE, sizeof(pfn_t));

    for (;;) {
        pfn_t pfn = page_alloc(machine, 0, PAGE_SLAB, 0);

        if (pfn_is_none(pfn))
            return pfns;
        g_array_append_val(pfns, pfn);
    }
}

void
world_relieve(struct machine *machine, GArray *pfns)
{
    for (uint32_t i = 0; i < pfns->len; i++)
        page_free(machine, 0, g_array_index(pfns, pfn_t, i), 0, 0);
    g_array_free(pfns, TRUE);
}
