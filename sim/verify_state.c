/*
 * The three files of /proc that show an address space, parsed where they are.
 */
#include "sim/verify_state.h"

#include "mm/aspace.h"
#include "mm/machine.h"
#include "mm/pagetable.h"
#include "sim/error.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* Bits of the host's files: Documentation/admin-guide/mm/pagemap.rst. */
#define PAGEMAP_PRESENT  (UINT64_C(1) << 63)
#define PAGEMAP_SWAP     (UINT64_C(1) << 62)
#define PAGEMAP_FILE     (UINT64_C(1) << 61)
#define PAGEMAP_GUARD    (UINT64_C(1) << 58)
#define PAGEMAP_ALONE    (UINT64_C(1) << 56)
#define PAGEMAP_PFN      ((UINT64_C(1) << 55) - 1)
#define KPF_SWAPBACKED   (UINT64_C(1) << 14)
#define KPF_UNEVICTABLE  (UINT64_C(1) << 18)
#define KPF_ZERO_PAGE    (UINT64_C(1) << 24)
#define KPF_MLOCKED      (UINT64_C(1) << 33)
#define KPF_EXCLUSIVE    (UINT64_C(1) << 34)
#define USER_END         (UINT64_C(1) << 47)
#define LEAF_ENTRIES     512
#define ROOT_ENTRY_BYTES (UINT64_C(1) << 39)
/* Text tells 1024 VMAs in 2.5 ms. */
#define MANY_VMAS       1024
#define TEXT_EVERY      64                   // lists of many
#define HOST_DONTEXPAND (UINT64_C(1) << 18)  // of special mappings
#define NAMED_VMAS_MAX  32                   // of a side, in a difference

void
state_open(struct state_reader *reader)
{
    *reader = (struct state_reader){
        .kpageflags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC),
        .kpagecount = open("/proc/kpagecount", O_RDONLY | O_CLOEXEC),
        .text_bytes = 1 << 16,
        .text = g_malloc(1 << 16),
        .held = g_hash_table_new(NULL, NULL),
        .vmas = g_array_new(FALSE, FALSE, sizeof(struct iterated_vma)),
    };
}

void
state_close(struct state_reader *reader)
{
    if (reader->kpageflags >= 0)
        close(reader->kpageflags);
    if (reader->kpagecount >= 0)
        close(reader->kpagecount);
    g_free(reader->text);
    g_hash_table_unref(reader->held);
    g_array_unref(reader->vmas);
    iterator_close(reader->iterator);
}

bool
state_sees_frames(const struct state_reader *reader)
{
    return reader->kpageflags >= 0 && reader->kpagecount >= 0;
}

/* A file of the worker, opened at its first use. */
static bool
open_file(const struct worker *worker, const char *name, int *fd,
          GError **error)
{
    g_autofree char *path = NULL;

    if (*fd >= 0)
        return true;
    path = g_strdup_printf("/proc/%d/%s", (int)worker->pid, name);
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    return *fd >= 0 ||
           sim_fail(error, SIM_ERROR_FAILED, "%s: %s", path, g_strerror(errno));
}

/* The whole file, from its beginning. */
static bool
read_text(struct state_reader *reader, const struct worker *worker,
          const char *name, int *fd, GError **error)
{
    size_t used = 0;
    ssize_t got;

    if (!open_file(worker, name, fd, error))
        return false;
    if (lseek(*fd, 0, SEEK_SET) < 0)
        return sim_fail(error, SIM_ERROR_FAILED, "%s: %s", name,
                        g_strerror(errno));
    while ((got = read(*fd, reader->text + used,
                       reader->text_bytes - used - 1)) > 0) {
        used += (size_t)got;
        if (used + 1 < reader->text_bytes)
            continue;
        reader->text_bytes *= 2;
        reader->text = g_realloc(reader->text, reader->text_bytes);
    }
    reader->text[used] = '\0';
    return got == 0 ||
           sim_fail(error, SIM_ERROR_FAILED, "%s: %s", name, g_strerror(errno));
}

/* ---- VMAs ---- */

/* What both sides say about a VMA. */
struct vma_line {
    uint64_t start, end;
    uint64_t file_offset;
    uint32_t flags;  // enum vma_flag
};

/* As smaps spells them, and their bits in the kernel: include/linux/mm.h. */
static const struct {
    char word[3];
    uint32_t flag;
    uint64_t host_bit;
} flag_words[] = {
    {"rd", VM_READ, 0x1},
    {"wr", VM_WRITE, 0x2},
    {"ex", VM_EXEC, 0x4},
    {"sh", VM_SHARED, 0x8},
    {"gd", VM_GROWSDOWN, 0x100},
    {"gu", VM_MAYBE_GUARD, 0x800},
    {"lo", VM_LOCKED, 0x2000},
    {"sr", VM_SEQ_READ, 0x8000},
    {"rr", VM_RAND_READ, 0x10000},
    {"dc", VM_DONTCOPY, 0x20000},
    {"ac", VM_ACCOUNT, 0x100000},
    {"nr", VM_NORESERVE, 0x200000},
    {"wf", VM_WIPEONFORK, 0x2000000},
    {"hg", VM_HUGEPAGE, 0x20000000},
    {"nh", VM_NOHUGEPAGE, 0x40000000},
    {"mg", VM_MERGEABLE, 0x80000000},
};

static uint32_t
seen_flags(void)
{
    uint32_t flags = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(flag_words); i++)
        flags |= flag_words[i].flag;
    return flags;
}

/* "rd wr mr mw me ac \n" */
static uint32_t
parse_flags(const char *at)
{
    uint32_t flags = 0;

    for (; g_ascii_isalpha(at[0]) && at[2] == ' '; at += 3)
        for (size_t i = 0; i < G_N_ELEMENTS(flag_words); i++)
            if (memcmp(at, flag_words[i].word, 2) == 0)
                flags |= flag_words[i].flag;
    return flags;
}

/* Whether the VMA on this line is the code page or a parked special mapping. */
static bool
is_sandbox(const char *line)
{
    uint64_t start = g_ascii_strtoull(line, NULL, 16);
    const char *end = strchr(line, '\n');

    return start == HOST_CODE_ADDR ||
           (start >= HOST_PARK_ADDR && start < HOST_PARK_END && end &&
            g_strstr_len(line, end - line, " [v"));
}

/* What stands behind the next "VmFlags: ", or NULL.  Line by line: a
 * sanitizer's strstr() would measure all the text that follows. */
static const char *
find_flags(const char *text)
{
    static const char name[] = "VmFlags: ";

    while (text && strncmp(text, name, strlen(name)) != 0) {
        text = strchr(text, '\n');
        text = text ? text + 1 : NULL;
    }
    return text ? text + strlen(name) : NULL;
}

/* The next VMA of smaps that is the trace's; false: no more. */
static bool
next_host_vma(const char **text, struct vma_line *line)
{
    while (**text) {
        char *at;
        const char *flags = find_flags(*text);
        uint64_t file_offset;

        bool is_own = is_sandbox(*text);
        *line = (struct vma_line){.start = g_ascii_strtoull(*text, &at, 16)};
        line->end = g_ascii_strtoull(at + 1, &at, 16);
        file_offset = g_ascii_strtoull(at + sizeof(" rwxp"), &at, 16);
        bool has_file = strncmp(at, " 00:00 ", 7) != 0;
        if (!flags)
            return false;
        line->file_offset = has_file ? file_offset : 0;
        line->flags = parse_flags(flags);
        *text = strchr(flags, '\n');
        *text = *text ? *text + 1 : flags + strlen(flags);
        if (!is_own && line->start < USER_END)
            return true;
    }
    return false;
}

static void
append_vma(GString *out, const struct vma_line *line)
{
    g_string_append_printf(out, "    %012" PRIx64 "-%012" PRIx64 " %08" PRIx64,
                           line->start, line->end, line->file_offset);
    for (size_t i = 0; i < G_N_ELEMENTS(flag_words); i++)
        if (line->flags & flag_words[i].flag)
            g_string_append_printf(out, " %s", flag_words[i].word);
    g_string_append_c(out, '\n');
}

static struct vma_line
simulated_line(const struct vma *vma)
{
    return (struct vma_line){
        .start = vma->start,
        .end = vma->end,
        .file_offset = vma->file ? pages_to_bytes(vma->pgoff) : 0,
        .flags = vma->flags & seen_flags(),
    };
}

static bool
lines_agree(const struct vma_line *a, const struct vma_line *b)
{
    return a->start == b->start && a->end == b->end &&
           a->file_offset == b->file_offset && a->flags == b->flags;
}

static bool
vma_agrees(const struct vma_line *host, const struct vma *vma)
{
    struct vma_line simulated = simulated_line(vma);

    return lines_agree(host, &simulated);
}

/* The VMAs that are in `lines` and not in `others`; both ascend. */
static void
append_missing(GString *out, const GArray *lines, const GArray *others)
{
    guint other = 0, missing_count = 0;

    for (guint i = 0; i < lines->len; i++) {
        const struct vma_line *line = &g_array_index(lines, struct vma_line, i);
        while (other < others->len &&
               g_array_index(others, struct vma_line, other).start <
                   line->start)
            other++;
        if (other < others->len &&
            lines_agree(line, &g_array_index(others, struct vma_line, other)))
            continue;
        if (missing_count++ < NAMED_VMAS_MAX)
            append_vma(out, line);
    }
    if (missing_count > NAMED_VMAS_MAX)
        g_string_append_printf(out, "    and %u more\n",
                               missing_count - NAMED_VMAS_MAX);
}

/* VMAs that only one side has. */
static void
append_vmas(GString *out, const char *text, const struct mm *mm)
{
    g_autoptr(GArray) host = g_array_new(FALSE, FALSE, sizeof(struct vma_line));
    g_autoptr(GArray) simulated =
        g_array_new(FALSE, FALSE, sizeof(struct vma_line));
    struct vma_line line;

    while (next_host_vma(&text, &line))
        g_array_append_val(host, line);
    for (const struct vma *vma = mm->first; vma; vma = vma->next) {
        line = simulated_line(vma);
        g_array_append_val(simulated, line);
    }
    g_string_append(out, "VMAs differ\n  only on the host\n");
    append_missing(out, host, simulated);
    g_string_append(out, "  only simulated\n");
    append_missing(out, simulated, host);
}

/* Whether the host's list is the simulated one. */
static bool
text_agrees(const char *text, const struct mm *mm)
{
    const struct vma *vma = mm->first;
    struct vma_line line;

    for (; next_host_vma(&text, &line); vma = vma->next)
        if (!vma || !vma_agrees(&line, vma))
            return false;
    return !vma;
}

static bool
compare_text(struct state_reader *reader, struct worker *worker,
             const struct mm *mm, GString *difference, GError **error)
{
    if (!read_text(reader, worker, "smaps", &worker->smaps, error))
        return false;
    if (!text_agrees(reader->text, mm))
        append_vmas(difference, reader->text, mm);
    return true;
}

/* ---- many VMAs ---- */

static struct vma_line
iterated_line(const struct iterated_vma *vma)
{
    struct vma_line line = {
        .start = vma->start,
        .end = vma->end,
        .file_offset = vma->has_file ? pages_to_bytes(vma->offset_pages) : 0,
    };

    for (size_t i = 0; i < G_N_ELEMENTS(flag_words); i++)
        if (vma->flags & flag_words[i].host_bit)
            line.flags |= flag_words[i].flag;
    return line;
}

/* As is_sandbox(): nothing that a trace maps cannot be expanded. */
static bool
is_sandbox_vma(const struct iterated_vma *vma)
{
    return vma->start == HOST_CODE_ADDR ||
           (vma->start >= HOST_PARK_ADDR && vma->start < HOST_PARK_END &&
            vma->flags & HOST_DONTEXPAND);
}

static bool
iterated_agree(const GArray *found, const struct mm *mm)
{
    const struct vma *vma = mm->first;

    for (guint i = 0; i < found->len; i++) {
        const struct iterated_vma *host =
            &g_array_index(found, struct iterated_vma, i);
        if (is_sandbox_vma(host))
            continue;
        struct vma_line line = iterated_line(host);
        if (!vma || !vma_agrees(&line, vma))
            return false;
        vma = vma->next;
    }
    return !vma;
}

/* Whether the kernel, asked without text, has the very same VMAs.  Text has
 * the last word: on what differs, and every so often. */
static bool
agree_without_text(struct state_reader *reader, const struct worker *worker,
                   const struct mm *mm)
{
    if (reader->list_count == 0)
        reader->iterator = iterator_open();
    return ++reader->list_count % TEXT_EVERY != 0 && reader->iterator &&
           iterator_read(reader->iterator, worker->pid, reader->vmas) &&
           iterated_agree(reader->vmas, mm);
}

static bool
compare_vmas(struct state_reader *reader, struct worker *worker,
             const struct mm *mm, GString *difference, GError **error)
{
    return (mm->map_count >= MANY_VMAS &&
            agree_without_text(reader, worker, mm)) ||
           compare_text(reader, worker, mm, difference, error);
}

/* ---- pages ---- */

enum page_kind {
    KIND_NONE,
    KIND_GUARD,
    KIND_SWAP,
    KIND_ZERO,
    KIND_FILE,
    KIND_ANON,
    KIND_PRESENT,  // anonymous or zero: who may not look cannot tell
};

struct page_class {
    enum page_kind kind;
    bool is_lazy, is_exclusive, is_mlocked, is_unevictable;
    uint64_t map_count;  // anonymous pages and files; 0: more than one
};

static void
append_class(GString *out, const struct page_class *class)
{
    static const char *const names[] = {"none", "guard",     "swap",   "zero",
                                        "file", "anonymous", "present"};

    g_string_append(out, names[class->kind]);
    if (class->kind != KIND_ANON && class->kind != KIND_FILE)
        return;
    g_string_append_printf(out, ", mapped %" PRIu64 " times", class->map_count);
    if (class->is_exclusive)
        g_string_append(out, ", exclusive");
    if (class->is_lazy)
        g_string_append(out, ", lazily freed");
    if (class->is_mlocked)
        g_string_append(out, ", locked");
    if (class->is_unevictable)
        g_string_append(out, ", unevictable");
}

static bool
read_at(int fd, uint64_t index, void *values, size_t count, GError **error)
{
    size_t bytes = count * sizeof(uint64_t);

    return pread(fd, values, bytes, (off_t)(index * sizeof(uint64_t))) ==
               (ssize_t)bytes ||
           sim_fail(error, SIM_ERROR_FAILED, "reading page states: %s",
                    g_strerror(errno));
}

/* How many of the entries from the first one on are frames next to each other,
 * each `step` behind the one before. */
static size_t
run_length(const uint64_t *entries, size_t count, uint64_t step)
{
    size_t length = 1;

    while (length < count && (entries[length] & PAGEMAP_PRESENT) &&
           ((entries[length] - entries[length - 1] - step) & PAGEMAP_PFN) == 0)
        length++;
    return length;
}

/* Read what the kernel tells of the frame of the first entry, and of those of
 * the entries behind it as far as they lie side by side: calls are what it
 * costs. */
static bool
read_frames(struct state_reader *reader, const uint64_t *entries, size_t count,
            GError **error)
{
    struct frame_window *window = &reader->frames;
    uint64_t first = entries[0] & PAGEMAP_PFN;

    if (first - window->first < window->count)
        return true;
    count = MIN(count, FRAME_WINDOW_PAGES);
    window->count = run_length(entries, count, 1);
    if (window->count == 1) {
        window->count = run_length(entries, count, UINT64_MAX);
        first -= window->count - 1;
    }
    window->first = first;
    return read_at(reader->kpageflags, first, window->flags, window->count,
                   error) &&
           read_at(reader->kpagecount, first, window->map_counts, window->count,
                   error);
}

/* `entries`: the page's, and those behind it. */
static bool
classify_frame(struct state_reader *reader, const uint64_t *entries,
               size_t count, struct page_class *class, GError **error)
{
    uint64_t pfn = entries[0] & PAGEMAP_PFN;
    uint64_t flags;

    if (pfn == reader->zero_pfn) {
        class->kind = KIND_ZERO;
        return true;
    }
    if (!read_frames(reader, entries, count, error))
        return false;
    flags = reader->frames.flags[pfn - reader->frames.first];
    if (flags & KPF_ZERO_PAGE) {
        reader->zero_pfn = pfn;
        class->kind = KIND_ZERO;
        return true;
    }
    class->map_count = reader->frames.map_counts[pfn - reader->frames.first];
    class->is_mlocked = flags & KPF_MLOCKED;
    class->is_unevictable = flags & KPF_UNEVICTABLE;
    if (class->kind == KIND_FILE)
        return true;
    class->kind = KIND_ANON;
    class->is_lazy = !(flags & KPF_SWAPBACKED);
    class->is_exclusive = flags & KPF_EXCLUSIVE;
    return true;
}

static bool
classify_host(struct state_reader *reader, const uint64_t *entries,
              size_t count, struct page_class *class, GError **error)
{
    uint64_t entry = entries[0];

    *class = (struct page_class){
        .kind = entry & PAGEMAP_GUARD        ? KIND_GUARD
                : entry & PAGEMAP_SWAP       ? KIND_SWAP
                : !(entry & PAGEMAP_PRESENT) ? KIND_NONE
                : entry & PAGEMAP_FILE       ? KIND_FILE
                                             : KIND_PRESENT,
        .map_count = (entry & PAGEMAP_ALONE) != 0,
    };
    if (class->kind < KIND_ZERO || !state_sees_frames(reader))
        return true;
    return classify_frame(reader, entries, count, class, error);
}

/* Whether the command itself maps the file, locked; NULL: no file. */
static bool
is_held(const struct state_reader *reader, const struct file *file)
{
    return file && g_hash_table_contains(reader->held, file);
}

/* How often the host maps a page of a file that the simulation maps `count`
 * times. */
static uint64_t
expected_map_count(const struct state_reader *reader, const struct page *page,
                   const struct file *file)
{
    uint64_t count = page->map_count;

    count += is_held(reader, file);
    return state_sees_frames(reader) ? count : count == 1;
}

static struct page_class
classify_simulated(const struct state_reader *reader, const struct vma *vma,
                   pte_t pte)
{
    struct machine *machine = vma->mm->machine;
    struct page_class class = {.kind = KIND_NONE};

    if (!(pte & PTE_PRESENT)) {
        if (pte & PTE_GUARD)
            class.kind = KIND_GUARD;
        else if (pte & PTE_SWAP)
            class.kind = KIND_SWAP;
        return class;
    }
    if (pte & PTE_ZERO) {
        class.kind = state_sees_frames(reader) ? KIND_ZERO : KIND_PRESENT;
        return class;
    }
    struct page *page = page_of(machine, pte_pfn(pte));
    uint32_t folio_flags = folio_head(page)->flags;
    class.kind = pte & PTE_FILE ? KIND_FILE : KIND_ANON;
    const struct file *file = class.kind == KIND_FILE ? vma->file : NULL;
    class.map_count = expected_map_count(reader, page, file);
    if (!state_sees_frames(reader)) {
        if (class.kind == KIND_ANON)
            class.kind = KIND_PRESENT;
        return class;
    }
    class.is_mlocked = (folio_flags & PAGE_MLOCKED) || is_held(reader, file);
    class.is_unevictable =
        (folio_flags & PAGE_UNEVICTABLE) || is_held(reader, file);
    if (class.kind == KIND_ANON) {
        class.is_lazy = page->flags & PAGE_LAZY;
        class.is_exclusive = page->flags & PAGE_EXCLUSIVE;
    }
    return class;
}

static bool
class_agrees(const struct page_class *a, const struct page_class *b)
{
    return a->kind == b->kind &&
           (a->kind == KIND_PRESENT || a->map_count == b->map_count) &&
           a->is_lazy == b->is_lazy && a->is_exclusive == b->is_exclusive &&
           a->is_mlocked == b->is_mlocked &&
           a->is_unevictable == b->is_unevictable;
}

static void
append_page(GString *out, uint64_t addr, const struct page_class *host,
            const struct page_class *simulated)
{
    if (out->len > 0)
        return;  // the first one says enough
    g_string_append_printf(out, "page 0x%" PRIx64 " differs\n  host       ",
                           addr);
    append_class(out, host);
    g_string_append(out, "\n  simulated  ");
    append_class(out, simulated);
    g_string_append_c(out, '\n');
}

/* Pages of special mappings are the kernel's own, and every process of the host
 * has them: only whether they are present is compared. */
static void
forget_frame(struct page_class *class)
{
    if (class->kind >= KIND_ZERO)
        *class = (struct page_class){.kind = KIND_PRESENT};
}

/* The part of a VMA that one page table covers. */
static bool
compare_leaf(struct state_reader *reader, const struct worker *worker,
             const struct vma *vma, const struct leaf *leaf, uint64_t start,
             uint64_t end, GString *difference, GError **error)
{
    const struct arch *arch = vma->mm->machine->arch;
    uint64_t entries[LEAF_ENTRIES];
    size_t count = bytes_to_pages(end - start);

    if (!read_at(worker->pagemap, bytes_to_pages(start), entries, count, error))
        return false;
    for (size_t i = 0; i < count; i++) {
        uint64_t addr = start + pages_to_bytes(i);
        pte_t pte = leaf->pte[leaf_index(arch, addr)];
        struct page_class host, simulated;
        if (!(entries[i] & (PAGEMAP_PRESENT | PAGEMAP_SWAP | PAGEMAP_GUARD)) &&
            pte == PTE_NONE)
            continue;
        simulated = classify_simulated(reader, vma, pte);
        if (!classify_host(reader, entries + i, count - i, &host, error))
            return false;
        if (vma->flags & VM_SPECIAL) {
            forget_frame(&host);
            forget_frame(&simulated);
        }
        if (!class_agrees(&host, &simulated))
            append_page(difference, addr, &host, &simulated);
    }
    return true;
}

/* Pages outside of simulated page tables are found out by the amounts; pagemap
 * shows no entries that are bare frame numbers. */
static bool
compare_pages(struct state_reader *reader, struct worker *worker,
              const struct mm *mm, GString *difference, GError **error)
{
    struct mm *walked = (struct mm *)(uintptr_t)mm;  // lookups move its cache
    const struct arch *arch = mm->machine->arch;

    reader->frames.count = 0;  // what was read is old
    if (!open_file(worker, "pagemap", &worker->pagemap, error))
        return false;
    for (const struct vma *vma = mm->first; vma; vma = vma->next) {
        uint64_t at = vma->flags & VM_RAW ? vma->end : vma->start;
        struct leaf *leaf;
        while (at < vma->end &&
               (leaf = pagetable_next_leaf(walked, at, vma->end))) {
            uint64_t leaf_end = leaf->base + leaf_span_bytes(arch);
            at = MAX(at, leaf->base);
            if (!compare_leaf(reader, worker, vma, leaf, at,
                              MIN(vma->end, leaf_end), difference, error))
                return false;
            at = leaf_end;
        }
    }
    return true;
}

/* ---- amounts ---- */

/* KiB of a line of status, as pages. */
static uint64_t
status_pages(const char *text, const char *name)
{
    const char *at = strstr(text, name);

    return at ? g_ascii_strtoull(at + strlen(name), NULL, 10) / 4 : 0;
}

/* Page tables that the code page alone needs: the lowest of each level, where
 * the trace does not have them as well. */
static uint64_t
code_table_pages(const struct mm *mm)
{
    const struct directory *directory = mm->pagetable.root;
    unsigned levels = mm->machine->arch->level_count - 1;
    unsigned shared = 0;

    while (shared < levels && directory_child(directory, 0)) {
        // of the last level: a leaf, unused
        directory = directory_child(directory, 0);
        shared++;
    }
    return levels - shared;
}

/* Moving a special mapping to its place makes the table of the uppermost level
 * there, which the trace's process has only once it touches something. */
static uint64_t
special_table_pages(const struct worker *worker, const struct mm *mm)
{
    uint64_t pages = 0, last = UINT64_MAX;

    for (size_t i = 0; i < HOST_SPECIAL_COUNT; i++) {
        uint64_t slot = worker->placed[i] / ROOT_ENTRY_BYTES;
        if (worker->placed[i] == 0 || slot == last)
            continue;
        last = slot;
        pages += !directory_child(mm->pagetable.root, (uint32_t)slot);
    }
    return pages;
}

/* Pages that have no frames of their own count as resident in the simulation
 * alone. */
static uint64_t
raw_pages(const struct mm *mm)
{
    const struct arch *arch = mm->machine->arch;
    struct mm *walked = (struct mm *)(uintptr_t)mm;
    uint64_t pages = 0;

    for (const struct vma *vma = mm->first; vma; vma = vma->next)
        for (uint64_t at = vma->start; vma->flags & VM_RAW && at < vma->end;
             at += PAGE_BYTES) {
            const struct leaf *leaf = pagetable_leaf(walked, at);
            pages += leaf && leaf->pte[leaf_index(arch, at)] & PTE_PRESENT;
        }
    return pages;
}

static bool
compare_amounts(struct state_reader *reader, struct worker *worker,
                const struct mm *mm, GString *difference, GError **error)
{
    const struct {
        const char *name;
        uint64_t simulated, own;  // pages; own: of the code page
    } rows[] = {
        {"\nVmPTE:", mm->pagetable.page_count,
         code_table_pages(mm) + special_table_pages(worker, mm)},
        {"\nRssAnon:", mm->rss_pages[RSS_ANON], 0},
        {"\nRssFile:", mm->rss_pages[RSS_FILE] - raw_pages(mm), 0},
        {"\nRssShmem:", mm->rss_pages[RSS_SHMEM], 1},
        {"\nVmLck:", mm->locked_pages, 0},
    };

    if (!read_text(reader, worker, "status", &worker->status, error))
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        uint64_t found = status_pages(reader->text, rows[i].name);
        if (found == rows[i].simulated + rows[i].own)
            continue;
        g_string_append_printf(difference,
                               "%s pages differ: host %" PRId64
                               ", simulated %" PRIu64 "\n",
                               rows[i].name + 1, (int64_t)(found - rows[i].own),
                               rows[i].simulated);
    }
    return true;
}

bool
state_compare(struct state_reader *reader, struct worker *worker,
              const struct mm *mm, GString *difference, GError **error)
{
    return compare_vmas(reader, worker, mm, difference, error) &&
           compare_pages(reader, worker, mm, difference, error) &&
           compare_amounts(reader, worker, mm, difference, error);
}
