/*
 * The mappings are lines of --dump maps, the page what --dump pagemap says of
 * it and what decides whether a write may keep it.
 */
#include "sim/check_explain.h"

#include "mm/machine.h"
#include "mm/pagetable.h"
#include "sim/dump_private.h"
#include "traces/legible.h"

#include <inttypes.h>

enum { NEIGHBOURS = 2 };  // mappings shown on either side

/* Without its newline; names of files may hold anything. */
static char *
line_of(const struct replay *replay, const struct vma *vma)
{
    g_autoptr(GString) line = g_string_new(NULL);

    dump_vma(line, replay, vma);
    g_string_truncate(line, line->len - 1);
    return legible(line->str, line->len, LEGIBLE_NONE);
}

/* The mapping that holds the address, else the next above, else the last. */
static void
add_vmas(struct check_difference *difference, const struct replay *replay,
         const struct mm *mm, uint64_t address)
{
    const struct vma *at = mm->first;

    difference->vmas = g_ptr_array_new_with_free_func(g_free);
    difference->vma_count = mm->map_count;
    while (at && at->end <= address && at->next)
        at = at->next;
    for (unsigned i = 0; at && at->prev && i < NEIGHBOURS; i++)
        at = at->prev;
    for (unsigned i = 0; at && i < 2 * NEIGHBOURS + 1; i++, at = at->next)
        g_ptr_array_add(difference->vmas, line_of(replay, at));
}

void
check_page_look(struct check_page *page, struct mm *mm, uint64_t address)
{
    bool is_there = address < mm->machine->arch->task_size;
    struct leaf *leaf = is_there ? pagetable_leaf(mm, address) : NULL;

    page->address = address & PAGE_MASK;
    page->has_table = leaf != NULL;
    page->pte = leaf ? *leaf_pte(&mm->pagetable, leaf, address) : PTE_NONE;
    if (page->pte & PTE_PRESENT && !(page->pte & PTE_ZERO))
        page->page = *page_of(mm->machine, pte_pfn(page->pte));
}

static void
append_page(GString *text, const struct check_page *page)
{
    if (page->pte == PTE_NONE) {
        g_string_append(text,
                        page->has_table ? "none" : "none, nor a page table");
        return;
    }
    g_autofree char *flags = dump_page_flags(&page->page, page->pte);
    g_string_append(text, flags);
    if (page->pte & PTE_PRESENT && !(page->pte & PTE_ZERO))
        g_string_append_printf(
            text, ", frame %" PRIu32 ", map count %u%s", pte_pfn(page->pte).v,
            (unsigned)page->page.map_count,
            page->page.flags & PAGE_IN_BATCH ? ", in a CPU's LRU batch" : "");
}

void
check_explain(struct check_difference *difference, const struct replay *replay,
              struct mm *mm, uint64_t address, const struct check_page *before)
{
    g_autoptr(GString) text = g_string_new(NULL);
    struct check_page after;

    if (!mm)
        return;
    add_vmas(difference, replay, mm, address);
    check_page_look(&after, mm, address);
    g_string_append_printf(text, "0x%" PRIx64, after.address);
    if (before->address == after.address) {
        g_string_append(text, " before: ");
        append_page(text, before);
        g_string_append_c(text, ';');
    }
    g_string_append(text, " after: ");
    append_page(text, &after);
    difference->pte = g_strdup(text->str);
}
