/*
 * What random programs do, and where.
 *
 * Places are few and overlap, so that calls meet each other's VMAs: two
 * windows of 32 pages with a border of page tables in the middle (of 2 MiB and
 * of 1 GiB), a window of some MiB, regions that the kernel places, the heap
 * and the stack.  No window shares a table with the worker's code.  Touches
 * prefer pages that were touched before.
 *
 * Left out: cold files (read-ahead is not modelled), `hog`, exec, nozero and
 * vrange (no such call on hosts); pageout of files (it drops page cache);
 * fetches near mappings that grow down (a refused one would grow them);
 * dontunmap of locked memory (6.18 then counts pages as locked for good); free
 * of memory that another process has locked (its pages do not become lazy).
 */
#include "sim/verify_random.h"

#include "mm/types.h"
#include "workloads/random.h"

#include <inttypes.h>
#include <string.h>

#define PROCESS_MAX    4
#define REGION_COUNT   6
#define RECENT_COUNT   8
#define WINDOW_PAGES   32
#define FILE_PAGES     56
#define BIG_PAGES      2048
#define WINDOW_2M      UINT64_C(0x200001f0000)  // a 2 MiB border in the middle
#define WINDOW_1G      UINT64_C(0x2007fff0000)  // a 1 GiB border
#define WINDOW_BIG     UINT64_C(0x20180000000)
#define WINDOW_BIG_ODD UINT64_C(0x20180001000)  // sometimes not 2 MiB-aligned

struct process {
    uint64_t id;
    uint64_t region_pages[REGION_COUNT];  // 0: the name was never bound
    char *recent[RECENT_COUNT];           // addresses to touch, or NULL
    char undo[160];   // a call that takes the latest one back, or ""
    char shared[64];  // where a file is mapped shared, or ""
};

struct program {
    struct random random;
    GPtrArray *lines;
    struct process processes[PROCESS_MAX];
    size_t process_count;
    struct process *current;
    uint64_t next_id;
    uint64_t uid;
    bool can_change_uid;
    bool has_files;  // of memory that is not private and anonymous
    bool has_locks;
    bool is_plain;  // few kinds of VMAs: most neighbours may merge
    bool has_fetches;
    bool has_stacks;  // mappings that grow down, never with fetches
};

/* A place, as the trace spells it. */
struct place {
    char text[64];
    uint64_t room_pages;  // up to the end of what it lies in
    uint64_t base;        // of its window, 0: not in a window
};

static uint64_t
below(struct program *program, uint64_t bound)
{
    return random_below(&program->random, bound);
}

static bool
one_in(struct program *program, uint64_t n)
{
    return below(program, n) == 0;
}

static const char *
any_of(struct program *program, const char *const *words, size_t count)
{
    return words[below(program, count)];
}
#define ANY_OF(program, words) any_of(program, words, G_N_ELEMENTS(words))

G_GNUC_PRINTF(2, 3)
static void
add_line(struct program *program, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_ptr_array_add(program->lines, g_strdup_vprintf(format, arguments));
    va_end(arguments);
}

/* What would take the call back that was just made: neighbours merge when it
 * is. */
G_GNUC_PRINTF(2, 3)
static void
note_undo(struct program *program, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_vsnprintf(program->current->undo, sizeof(program->current->undo), format,
                arguments);
    va_end(arguments);
}

/* ---- places ---- */

static void
window_place(struct program *program, uint64_t base, uint64_t pages,
             struct place *place)
{
    uint64_t page = below(program, pages);
    uint64_t addr = base + page * PAGE_BYTES;

    if (one_in(program, 60))
        addr += below(program, PAGE_BYTES);
    g_snprintf(place->text, sizeof(place->text), "0x%" PRIx64, addr);
    place->room_pages = pages - page;
    place->base = base;
}

static void
big_place(struct program *program, struct place *place)
{
    uint64_t base = one_in(program, 4) ? WINDOW_BIG_ODD : WINDOW_BIG;

    window_place(program, base, BIG_PAGES, place);
    if (!one_in(program, 2))
        return;
    uint64_t block = below(program, 4);
    g_snprintf(place->text, sizeof(place->text), "0x%" PRIx64,
               base + (block << 21));
    place->room_pages = BIG_PAGES - block * 512;
}

/* In a region that the kernel placed, or false. */
static bool
region_place(struct program *program, struct place *place)
{
    size_t region = below(program, REGION_COUNT);
    uint64_t pages = program->current->region_pages[region];

    if (pages == 0)
        return false;
    uint64_t page = one_in(program, 2) ? 0 : below(program, pages);
    g_snprintf(place->text, sizeof(place->text), "R%zu+%" PRIu64 "K", region,
               page * 4);
    place->room_pages = pages - page;
    place->base = 0;
    return true;
}

static struct place
any_place(struct program *program)
{
    struct place place = {.room_pages = 8};
    uint64_t chance = below(program, 100);

    if (chance < 3)
        g_snprintf(place.text, sizeof(place.text), "heap+%" PRIu64 "K",
                   below(program, 20) * 4);
    else if (chance < 7)
        g_snprintf(place.text, sizeof(place.text), "stack-%" PRIu64 "K",
                   (1 + below(program, one_in(program, 6) ? 2100 : 36)) * 4);
    else if (chance < 11)
        big_place(program, &place);
    else if (chance >= 25 || !region_place(program, &place))
        window_place(program, one_in(program, 2) ? WINDOW_2M : WINDOW_1G,
                     WINDOW_PAGES, &place);
    return place;
}

/* A page that later touches go back to. */
static void
remember(struct program *program, const struct place *place, uint64_t length)
{
    char **recent = &program->current->recent[below(program, RECENT_COUNT)];
    uint64_t pages = CLAMP(length / PAGE_BYTES, 1, 8);

    if (!place->base)
        return;
    g_free(*recent);
    *recent = g_strdup_printf(
        "0x%" PRIx64, page_floor(g_ascii_strtoull(place->text, NULL, 16)) +
                          below(program, pages) * PAGE_BYTES);
}

/* Bytes: few pages mostly, whole 2 MiB now and then where there is room. */
static uint64_t
any_length(struct program *program, const struct place *place)
{
    uint64_t pages =
        one_in(program, 3) ? below(program, 20) : 1 + below(program, 6);

    if (place->room_pages > 512 && one_in(program, 2))
        pages = 512 * (1 + below(program, 3));
    pages = MIN(pages, place->room_pages);
    uint64_t length = pages * PAGE_BYTES;
    if (length > 0 && one_in(program, 40))
        length -= below(program, PAGE_BYTES - 1);
    return length;
}

/* ---- calls ---- */

static const char *
any_prot(struct program *program)
{
    static const char *const prots[] = {"rw-", "rw-", "rw-", "r--", "rw-",
                                        "r--", "---", "r-x", "rwx", "-w-"};

    return any_of(program, prots, program->is_plain ? 4 : 10);
}

/* What is mapped: mostly private anonymous memory. */
static void
append_backing(struct program *program, const struct place *place,
               GString *line)
{
    uint64_t chance = below(program, 12);
    const char *sharing = one_in(program, 2) ? "shared" : "private";
    uint64_t page = below(program, one_in(program, 4) ? 80 : 16);

    if (chance >= 4 || !program->has_files || program->is_plain) {
        g_string_append(line, " anon,private");
        return;
    }
    if (chance == 0) {
        g_string_append(line, " anon,shared");
        return;
    }
    if (place->base && !one_in(program, 4))
        page = (g_ascii_strtoull(place->text, NULL, 16) - place->base) /
               PAGE_BYTES;
    g_string_append_printf(line, " %s,file=%s,off=%" PRIu64 "K", sharing,
                           chance == 1 ? "shm" : "disk", page * 4);
}

static void
append_mmap_flags(struct program *program, GString *line)
{
    static const char *const flags[] = {"noreserve", "noreserve", "populate",
                                        "populate", "stack"};

    while (!program->is_plain && one_in(program, 6))
        g_string_append_printf(line, ",%s", ANY_OF(program, flags));
    if (program->has_locks && one_in(program, 8))
        g_string_append(line, ",locked");
    if (program->has_stacks && one_in(program, 20))
        g_string_append(line, ",growsdown");
}

static void
do_mmap(struct program *program)
{
    struct place place = any_place(program);
    uint64_t length = any_length(program, &place);
    uint64_t chance = below(program, 10);
    size_t region = below(program, REGION_COUNT);
    g_autoptr(GString) line = g_string_new(NULL);
    bool is_fixed = chance < 6 || chance == 9;
    const char *prot = any_prot(program);

    if (!is_fixed && one_in(program, 4))
        length = (1 + below(program, 3)) << 21;
    bool is_huge = one_in(program, 200);
    if (is_huge)
        length = UINT64_C(1) << (46 + below(program, 18));
    if (is_fixed)
        g_string_append(line, "mmap W");
    else
        g_string_append_printf(line, "mmap R%zu", region);
    g_string_append_printf(line, " %" PRIu64 " %s", length, prot);
    append_backing(program, &place, line);
    if (!is_huge)
        append_mmap_flags(program, line);
    if (chance < 6)
        g_string_append_printf(line, ",fixed at=%s", place.text);
    else if (chance == 9)
        g_string_append_printf(line, ",fixed-noreplace at=%s", place.text);
    else if (chance < 8)
        g_string_append_printf(line, " at=%s", place.text);
    add_line(program, "%" PRIu64 " %s", program->current->id, line->str);
    if (chance < 6 && strcmp(prot, "rw-") == 0)
        remember(program, &place, length);
    if (chance < 6 && strstr(line->str, "shared"))
        g_strlcpy(program->current->shared, place.text,
                  sizeof(program->current->shared));
    if (!is_fixed)
        program->current->region_pages[region] =
            CLAMP(length / PAGE_BYTES, 1, 1024);
}

static void
do_munmap(struct program *program)
{
    struct place place = any_place(program);

    if (one_in(program, 2))
        place.room_pages = MIN(place.room_pages, 2);
    add_line(program, "%" PRIu64 " munmap %s %" PRIu64, program->current->id,
             place.text, any_length(program, &place));
}

static void
do_mprotect(struct program *program)
{
    struct place place = any_place(program);
    uint64_t length = any_length(program, &place);

    add_line(program, "%" PRIu64 " mprotect %s %" PRIu64 " %s",
             program->current->id, place.text, length, any_prot(program));
    note_undo(program, "mprotect %s %" PRIu64 " rw-", place.text, length);
}

static void
do_mremap(struct program *program)
{
    struct place place = any_place(program);
    struct place target = any_place(program);
    if (place.text[0] == 's' && !program->has_stacks)
        return;  // a piece of stack grows down wherever it is
    uint64_t old_length = any_length(program, &place);
    uint64_t new_length =
        one_in(program, 2) ? old_length : any_length(program, &target);
    size_t region = below(program, REGION_COUNT);
    g_autoptr(GString) flags = g_string_new(NULL);
    bool is_fixed = !one_in(program, 3);

    if (!one_in(program, 6) || is_fixed)
        g_string_append(flags, " maymove");
    if (is_fixed)
        g_string_append_printf(flags, " fixed at=%s", target.text);
    if (!program->has_locks && one_in(program, 5))
        g_string_append(flags, " dontunmap");
    if (is_fixed)
        g_string_append(flags, " as=W");
    else
        g_string_append_printf(flags, " as=R%zu", region);
    if (!is_fixed)
        program->current->region_pages[region] =
            CLAMP(new_length / PAGE_BYTES, 1, 1024);
    add_line(program, "%" PRIu64 " mremap %s %" PRIu64 " %" PRIu64 "%s",
             program->current->id, place.text, old_length, new_length,
             flags->str);
    if (is_fixed && place.base)
        note_undo(program,
                  "mremap %s %" PRIu64 " %" PRIu64 " maymove fixed at=%s as=W",
                  target.text, new_length, old_length, place.text);
}

static void
do_madvise(struct program *program)
{
    /* clang-format off */
    static const char *const contents[] = {
        "dontneed", "dontneed", "free", "free", "populate-read",
        "populate-write", "guard-install", "guard-install", "guard-remove",
        "dontneed-locked", "willneed", "cold", "collapse",
        "pageout"};  // last: only where nothing is a file
    static const char *const kinds[][2] = {
        {"hugepage", "nohugepage"}, {"nohugepage", "nohugepage"},
        {"dontfork", "dofork"}, {"dofork", "dofork"},
        {"wipeonfork", "keeponfork"}, {"keeponfork", "keeponfork"},
        {"normal", "normal"}, {"random", "normal"}, {"sequential", "normal"},
        {"mergeable", "unmergeable"}, {"unmergeable", "unmergeable"}};
    /* clang-format on */
    bool is_content = one_in(program, 2) || program->is_plain;
    struct place place = any_place(program);
    uint64_t length = any_length(program, &place);

    if (place.base && one_in(program, 12))
        g_snprintf(place.text, sizeof(place.text), "0x%" PRIx64,
                   g_ascii_strtoull(place.text, NULL, 16) | 8);
    if (is_content && !one_in(program, 6)) {
        const char *advice =
            any_of(program, contents,
                   G_N_ELEMENTS(contents) - (program->has_files ? 1 : 0));
        if (program->has_locks && program->process_count > 1 &&
            strcmp(advice, "free") == 0)
            advice = "dontneed-locked";
        add_line(program, "%" PRIu64 " madvise %s %" PRIu64 " %s",
                 program->current->id, place.text, length, advice);
        return;
    }
    const char *const *kind = kinds[below(program, G_N_ELEMENTS(kinds))];
    add_line(program, "%" PRIu64 " madvise %s %" PRIu64 " %s",
             program->current->id, place.text, length, kind[0]);
    note_undo(program, "madvise %s %" PRIu64 " %s", place.text, length,
              kind[1]);
}

static void
do_lock(struct program *program)
{
    struct place place = any_place(program);
    uint64_t length = any_length(program, &place);

    if (!program->has_locks)
        return;
    add_line(program, "%" PRIu64 " %s %s %" PRIu64, program->current->id,
             one_in(program, 2) ? "mlock" : "munlock", place.text, length);
    note_undo(program, "munlock %s %" PRIu64, place.text, length);
}

static void
do_brk(struct program *program)
{
    add_line(program, "%" PRIu64 " brk %" PRIu64, program->current->id,
             below(program, 40) * PAGE_BYTES +
                 (one_in(program, 8) ? below(program, PAGE_BYTES) : 0));
}

static void
do_remap_file_pages(struct program *program)
{
    struct place place = any_place(program);
    bool is_shared = program->current->shared[0] && !one_in(program, 3);
    uint64_t length = is_shared ? PAGE_BYTES : any_length(program, &place);

    add_line(program, "%" PRIu64 " remap_file_pages %s %" PRIu64 " %" PRIu64,
             program->current->id,
             is_shared ? program->current->shared : place.text, length,
             below(program, FILE_PAGES));
}

static void
do_undo(struct program *program)
{
    struct process *process = program->current;

    if (!process->undo[0])
        return;
    add_line(program, "%" PRIu64 " %s", process->id, process->undo);
    process->undo[0] = '\0';
}

static void
do_touch(struct program *program)
{
    static const char *const kinds[] = {"r", "r", "r", "w", "w", "w", "w", "x"};
    struct place place = any_place(program);
    uint64_t pages = 1 + (one_in(program, 3) ? below(program, 7) : 0);
    char *const *recent =
        &program->current->recent[below(program, RECENT_COUNT)];
    const char *kind = any_of(
        program, kinds, G_N_ELEMENTS(kinds) - (program->has_fetches ? 0 : 1));

    if (place.room_pages > 512 && one_in(program, 30))
        pages = 64;
    if (*recent && !one_in(program, 6))
        g_strlcpy(place.text, *recent, sizeof(place.text));
    if (kind[0] == 'x' && place.text[0] == 's')
        kind = "r";
    add_line(program, "%" PRIu64 " %s %s %" PRIu64 "K%s", program->current->id,
             kind, place.text, pages * 4,
             kind[0] != 'x' && one_in(program, 10) ? " kernel" : "");
}

/* ---- processes ---- */

static void
start_process(struct program *program)
{
    static const char *const memlocks[] = {"", "", " rlimit-memlock=256K",
                                           " rlimit-memlock=128K",
                                           " rlimit-memlock=0"};
    uint64_t uid = program->uid;
    struct process *process = &program->processes[program->process_count++];

    *process = (struct process){.id = program->next_id++};
    program->current = process;
    if (program->can_change_uid && one_in(program, 4))
        uid = 1000;
    add_line(program, "%" PRIu64 " start uid=%" PRIu64 "%s%s", process->id, uid,
             memlocks[below(program, G_N_ELEMENTS(memlocks))],
             one_in(program, 6) ? " rlimit-as=24M" : "");
    for (int i = 0; i < 2; i++) {
        struct place place = {.base = i ? WINDOW_2M : WINDOW_1G};
        add_line(program,
                 "%" PRIu64 " mmap W %dK rw- anon,private,fixed at=0x%" PRIx64,
                 process->id, WINDOW_PAGES * 4, place.base);
        g_snprintf(place.text, sizeof(place.text), "0x%" PRIx64, place.base);
        remember(program, &place, WINDOW_PAGES * PAGE_BYTES);
    }
}

static void
do_fork(struct program *program)
{
    struct process *parent = program->current;
    struct process *child;

    if (program->process_count == PROCESS_MAX)
        return;
    child = &program->processes[program->process_count++];
    *child = *parent;
    child->id = program->next_id++;
    for (size_t i = 0; i < RECENT_COUNT; i++)
        child->recent[i] = g_strdup(parent->recent[i]);
    add_line(program, "%" PRIu64 " fork %" PRIu64, parent->id, child->id);
}

static void
do_exit(struct program *program)
{
    struct process *process = program->current;

    add_line(program, "%" PRIu64 " exit", process->id);
    for (size_t i = 0; i < RECENT_COUNT; i++)
        g_free(process->recent[i]);
    *process = program->processes[--program->process_count];
    if (program->process_count == 0)
        start_process(program);
}

static void
do_something(struct program *program)
{
    static const struct {
        unsigned weight;
        void (*act)(struct program *program);
    } deeds[] = {
        {39, do_touch},   {15, do_mmap},  {3, do_munmap},
        {8, do_mprotect}, {5, do_mremap}, {13, do_madvise},
        {2, do_lock},     {2, do_brk},    {1, do_remap_file_pages},
        {9, do_undo},     {2, do_fork},   {1, do_exit},
    };
    uint64_t chance = below(program, 100);
    size_t deed = 0;

    for (; chance >= deeds[deed].weight; deed++)
        chance -= deeds[deed].weight;
    program->current =
        &program->processes[below(program, program->process_count)];
    deeds[deed].act(program);
}

GPtrArray *
random_program(uint64_t seed, size_t event_count, uint64_t uid,
               bool can_change_uid)
{
    struct program program = {
        .random = {seed},
        .lines = g_ptr_array_new_with_free_func(g_free),
        .next_id = 1,
        .uid = uid,
        .can_change_uid = can_change_uid,
    };
    enum { HEADER_LINES = 3 };

    program.has_files = !one_in(&program, 4);
    program.has_locks = one_in(&program, 3);
    program.is_plain = one_in(&program, 2);
    program.has_fetches = one_in(&program, 2);
    program.has_stacks = !program.has_fetches && one_in(&program, 2);
    add_line(&program, "#vmtrace 1");
    add_line(&program, "0 file disk %dK disk cached", FILE_PAGES * 4);
    add_line(&program, "0 file shm %dK shmem", FILE_PAGES * 4);
    start_process(&program);
    while (program.lines->len < event_count + HEADER_LINES)
        do_something(&program);
    for (size_t i = 0; i < program.process_count; i++)
        for (size_t k = 0; k < RECENT_COUNT; k++)
            g_free(program.processes[i].recent[k]);
    return program.lines;
}
