/*
 * maps, smaps and pagemap.
 */
#include "mm/file.h"
#include "mm/machine.h"
#include "sim/dump_private.h"

#include <inttypes.h>

#define NAME_COLUMN 73

static const char *
file_name(const struct replay *replay, const struct file *file, size_t *number)
{
    for (size_t i = 0; i < replay->trace->files->len; i++) {
        if (replay->files[i] != file)
            continue;
        *number = i + 1;
        return trace_string(
            replay->trace,
            g_array_index(replay->trace->files, struct trace_file, i).name);
    }
    *number = replay->trace->files->len + 1;
    return "/dev/zero (deleted)";  // shared anonymous memory
}

static const char *
vma_name(const struct replay *replay, const struct vma *vma, size_t *inode)
{
    const struct mm *mm = vma->mm;

    *inode = 0;
    if (vma->file)
        return file_name(replay, vma->file, inode);
    if (vma->start < mm->brk && vma->end > mm->brk_start)
        return "[heap]";
    if (vma->start < mm->stack_top && vma->end >= mm->stack_top)
        return "[stack]";
    return "";
}

/* As the kernel does, which spells out newlines and nothing else. */
static void
append_name(GString *out, const char *name)
{
    for (; *name; name++) {
        if (*name == '\n')
            g_string_append(out, "\\012");
        else
            g_string_append_c(out, *name);
    }
}

void
dump_vma(GString *out, const struct replay *replay, const struct vma *vma)
{
    size_t inode;
    const char *name = vma_name(replay, vma, &inode);
    size_t line = out->len;

    g_string_append_printf(
        out, "%08" PRIx64 "-%08" PRIx64 " %c%c%c%c %08" PRIx64 " 00:%02x %zu ",
        vma->start, vma->end, vma->flags & VM_READ ? 'r' : '-',
        vma->flags & VM_WRITE ? 'w' : '-', vma->flags & VM_EXEC ? 'x' : '-',
        vma->flags & VM_SHARED ? 's' : 'p',
        vma->file ? pages_to_bytes(vma->pgoff) : 0, vma->file ? 1 : 0, inode);
    if (*name) {
        while (out->len - line < NAME_COLUMN)
            g_string_append_c(out, ' ');
        append_name(out, name);
    }
    g_string_append_c(out, '\n');
}

void
dump_maps(GString *out, const struct replay *replay, struct mm *mm)
{
    for (const struct vma *vma = mm->first; vma; vma = vma->next)
        dump_vma(out, replay, vma);
}

/* Calls `visit` for every entry of the VMA that is not none. */
static void
walk_entries(const struct vma *vma,
             void (*visit)(const struct vma *vma, uint64_t addr, pte_t pte,
                           void *data),
             void *data)
{
    const struct arch *arch = vma->mm->machine->arch;
    uint64_t addr = vma->start;
    struct leaf *leaf;

    while (addr < vma->end &&
           (leaf = pagetable_next_leaf(vma->mm, addr, vma->end))) {
        addr = MAX(addr, leaf->base);
        uint64_t end = MIN(vma->end, leaf->base + leaf_span_bytes(arch));
        for (; addr < end; addr += PAGE_BYTES) {
            pte_t pte = leaf->pte[leaf_index(arch, addr)];
            if (pte != PTE_NONE)
                visit(vma, addr, pte, data);
        }
    }
}

/* A share of a page has so many bits below the byte, as the kernel's has. */
#define SHARE_BITS 12

/* Pages of a VMA by kind, and what is left of them when each mapping gets its
 * share. */
struct smaps {
    uint64_t rss, shared_clean, shared_dirty, private_clean, private_dirty;
    uint64_t referenced, anonymous, lazy_free;
    uint64_t pss, pss_dirty;
};

static void
add_page(const struct vma *vma, uint64_t addr, pte_t pte, void *data)
{
    struct smaps *sums = data;
    struct machine *machine = vma->mm->machine;

    (void)addr;
    if (!(pte & PTE_PRESENT) || pte & PTE_ZERO)
        return;
    const struct page *page = page_of(machine, pte_pfn(pte));
    bool is_dirty = pte & PTE_DIRTY || page->flags & PAGE_DIRTY;
    bool is_shared = page->map_count > 1;
    uint64_t share = (PAGE_BYTES << SHARE_BITS) / MAX(page->map_count, 1);

    sums->rss++;
    sums->pss += share;
    sums->pss_dirty += is_dirty ? share : 0;
    *(is_shared ? (is_dirty ? &sums->shared_dirty : &sums->shared_clean)
                : (is_dirty ? &sums->private_dirty : &sums->private_clean)) +=
        1;
    sums->referenced += (pte & PTE_ACCESSED) != 0;
    sums->anonymous += !(pte & PTE_FILE);
    sums->lazy_free += (page->flags & PAGE_LAZY) != 0;
}

static void
append_bytes(GString *out, const char *name, uint64_t bytes)
{
    g_string_append_printf(out, "%-16s%8" PRIu64 " kB\n", name, bytes >> 10);
}

static void
append_kib(GString *out, const char *name, uint64_t pages)
{
    append_bytes(out, name, pages_to_bytes(pages));
}

static void
append_flags(GString *out, uint32_t flags)
{
    static const struct {
        uint32_t flag;
        const char *name;
    } names[] = {
        {VM_READ, "rd"},       {VM_WRITE, "wr"},       {VM_EXEC, "ex"},
        {VM_SHARED, "sh"},     {VM_MAYREAD, "mr"},     {VM_MAYWRITE, "mw"},
        {VM_MAYEXEC, "me"},    {VM_SHARED, "ms"},      {VM_GROWSDOWN, "gd"},
        {VM_LOCKED, "lo"},     {VM_SEQ_READ, "sr"},    {VM_RAND_READ, "rr"},
        {VM_DONTCOPY, "dc"},   {VM_ACCOUNT, "ac"},     {VM_NORESERVE, "nr"},
        {VM_WIPEONFORK, "wf"}, {VM_HUGEPAGE, "hg"},    {VM_NOHUGEPAGE, "nh"},
        {VM_MERGEABLE, "mg"},  {VM_MAYBE_GUARD, "gu"},
    };

    g_string_append(out, "VmFlags: ");
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        if (flags & names[i].flag)
            g_string_append_printf(out, "%s ", names[i].name);
    g_string_append_c(out, '\n');
}

/* Memory that is not simulated has its lines, as on a kernel without it. */
static void
append_kinds(GString *out, const struct smaps *sums, bool is_locked)
{
    append_kib(out, "Rss:", sums->rss);
    append_bytes(out, "Pss:", sums->pss >> SHARE_BITS);
    append_bytes(out, "Pss_Dirty:", sums->pss_dirty >> SHARE_BITS);
    append_kib(out, "Shared_Clean:", sums->shared_clean);
    append_kib(out, "Shared_Dirty:", sums->shared_dirty);
    append_kib(out, "Private_Clean:", sums->private_clean);
    append_kib(out, "Private_Dirty:", sums->private_dirty);
    append_kib(out, "Referenced:", sums->referenced);
    append_kib(out, "Anonymous:", sums->anonymous);
    append_kib(out, "KSM:", 0);
    append_kib(out, "LazyFree:", sums->lazy_free);
    append_kib(out, "AnonHugePages:", 0);
    append_kib(out, "ShmemPmdMapped:", 0);
    append_kib(out, "FilePmdMapped:", 0);
    append_kib(out, "Shared_Hugetlb:", 0);
    append_kib(out, "Private_Hugetlb:", 0);
    append_kib(out, "Swap:", 0);
    append_kib(out, "SwapPss:", 0);
    append_bytes(out, "Locked:", is_locked ? sums->pss >> SHARE_BITS : 0);
}

void
dump_smaps(GString *out, const struct replay *replay, struct mm *mm)
{
    for (const struct vma *vma = mm->first; vma; vma = vma->next) {
        struct smaps sums = {0};
        walk_entries(vma, add_page, &sums);
        dump_vma(out, replay, vma);
        append_kib(out, "Size:", vma_pages(vma));
        append_kib(out, "KernelPageSize:", 1);
        append_kib(out, "MMUPageSize:", 1);
        append_kinds(out, &sums, vma->flags & VM_LOCKED);
        g_string_append_printf(out, "%-16s%8u\n", "THPeligible:", 0);
        append_flags(out, vma->flags);
    }
}

/* A run of neighbouring pages with the same flags. */
struct page_run {
    GString *out;
    uint64_t start, end;
    uint32_t first_pfn;
    bool has_pfn;
    char *flags;  // NULL: no run
};

static void
end_run(struct page_run *run)
{
    if (!run->flags)
        return;
    g_string_append_printf(run->out, "%" PRIx64 "-%" PRIx64 " %s", run->start,
                           run->end, run->flags);
    if (run->has_pfn)
        g_string_append_printf(run->out, " %" PRIu32, run->first_pfn);
    else
        g_string_append(run->out, " -");
    g_string_append_c(run->out, '\n');
    g_clear_pointer(&run->flags, g_free);
}

char *
dump_page_flags(const struct page *page, pte_t pte)
{
    GString *text = g_string_new(NULL);

    if (!(pte & PTE_PRESENT)) {
        g_string_append(text, pte & PTE_GUARD    ? "guard"
                              : pte & PTE_PURGED ? "purged"
                                                 : "swap");
        return g_string_free(text, FALSE);
    }
    g_string_append(text, "present");
    if (pte & PTE_ZERO) {
        g_string_append(text, ",zero");
        return g_string_free(text, FALSE);
    }
    g_string_append(text, pte & PTE_FILE ? ",file" : ",anon");
    if (pte & PTE_WRITE)
        g_string_append(text, ",write");
    if (page->flags & PAGE_EXCLUSIVE)
        g_string_append(text, ",exclusive");
    if (page->map_count > 1)
        g_string_append(text, ",shared");
    if (page->flags & PAGE_LAZY)
        g_string_append(text, ",lazy");
    return g_string_free(text, FALSE);
}

static void
add_to_run(const struct vma *vma, uint64_t addr, pte_t pte, void *data)
{
    struct page_run *run = data;
    g_autofree char *flags =
        dump_page_flags(page_of(vma->mm->machine, pte_pfn(pte)), pte);

    if (run->flags && run->end == addr && g_str_equal(run->flags, flags)) {
        run->end += PAGE_BYTES;
        return;
    }
    end_run(run);
    run->start = addr;
    run->end = addr + PAGE_BYTES;
    run->has_pfn = pte & PTE_PRESENT && !(pte & PTE_ZERO);
    run->first_pfn = pte_pfn(pte).v;
    run->flags = g_steal_pointer(&flags);
}

void
dump_pagemap(GString *out, const struct replay *replay, struct mm *mm)
{
    struct page_run run = {.out = out};

    (void)replay;
    for (const struct vma *vma = mm->first; vma; vma = vma->next) {
        walk_entries(vma, add_to_run, &run);
        end_run(&run);
    }
}
