/*
 * What random programs do, and where.
 *
 * Places are few and overlap, so that calls meet each other's VMAs: two
 * windows of 32 pages with a border of page tables in the middle (of 2 MiB and
 * of 1 GiB), a window of some MiB, regions that the kernel places, the heap
 * and the stack.  No window shares a table with the worker's code.  Touches
 * prefer pages that were touched before.  What chance alone rarely meets is
 * left to scenes.
 *
 * Files are kept in memory in most programs; in the others they are cold, or
 * paged out, and read again.
 *
 * Left out: `hog`, nozero and vrange (no such call on hosts).
 */
#include "sim/verify_random_private.h"

#include <inttypes.h>
#include <string.h>

#define WINDOW_2M      UINT64_C(0x200001f0000)  // a 2 MiB border in the middle
#define WINDOW_1G      UINT64_C(0x2007fff0000)  // a 1 GiB border
#define WINDOW_BIG_ODD UINT64_C(0x20180001000)  // sometimes not 2 MiB-aligned

/* A place, as the trace spells it. */
struct place {
    char text[64];
    uint64_t room_pages;  // up to the end of what it lies in
    uint64_t base;        // of its window, 0: not in a window
};

static const char *
any_of(struct program *program, const char *const *words, size_t count)
{
    return words[below(program, count)];
}
#define ANY_OF(program, words) any_of(program, words, G_N_ELEMENTS(words))

void
add_line(struct program *program, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_ptr_array_add(program->lines, g_strdup_vprintf(format, arguments));
    va_end(arguments);
}

void
say(struct program *program, const char *format, ...)
{
    g_autofree char *event = NULL;
    va_list arguments;

    va_start(arguments, format);
    event = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    add_line(program, "%" PRIu64 " %s", program->current->id, event);
}

/* What would take the call back that was just made: neighbours merge when it
 * is. */
G_GNUC_PRINTF(2, 3)
static void
note_undo(struct program *program, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_vsnprintf(program->current->space->undo,
                sizeof(program->current->space->undo), format, arguments);
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
    uint64_t pages = program->current->space->region_pages[region];

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

static void
remember_text(struct program *program, const char *text)
{
    struct space *space = program->current->space;
    char **recent = &space->recent[space->recent_next++ % RECENT_COUNT];

    g_free(*recent);
    *recent = g_strdup(text);
}

/* One of those places, rather a new one; NULL: it holds none yet. */
static const char *
any_recent(struct program *program)
{
    const struct space *space = program->current->space;
    size_t age = below(program, 1 + below(program, RECENT_COUNT));

    return space
        ->recent[(space->recent_next + RECENT_COUNT - 1 - age) % RECENT_COUNT];
}

void
remember_address(struct program *program, uint64_t addr)
{
    char text[32];

    g_snprintf(text, sizeof(text), "0x%" PRIx64, addr);
    remember_text(program, text);
}

uint64_t
any_window_range(struct program *program, uint64_t pages)
{
    uint64_t window = one_in(program, 2) ? WINDOW_2M : WINDOW_1G;

    return window + below(program, WINDOW_PAGES - pages + 1) * PAGE_BYTES;
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

    return any_of(program, prots, program->theme == THEME_PLAIN ? 4 : 10);
}

/* What is mapped: mostly private anonymous memory. */
static void
append_backing(struct program *program, const struct place *place,
               GString *line)
{
    uint64_t chance = below(program, 12);
    const char *sharing = one_in(program, 2) ? "shared" : "private";
    uint64_t page = below(program, one_in(program, 4) ? 80 : 16);

    if (chance >= 4 || !program->has_files || program->theme == THEME_PLAIN) {
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

    while (program->theme != THEME_PLAIN && one_in(program, 6))
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
    say(program, "%s", line->str);
    if (chance < 6 && strcmp(prot, "rw-") == 0)
        remember_text(program, place.text);
    if (chance < 6 && strstr(line->str, "shared"))
        g_strlcpy(program->current->space->shared, place.text,
                  sizeof(program->current->space->shared));
    if (!is_fixed)
        program->current->space->region_pages[region] =
            CLAMP(length / PAGE_BYTES, 1, 1024);
}

static void
do_munmap(struct program *program)
{
    struct place place = any_place(program);

    if (one_in(program, 2))
        place.room_pages = MIN(place.room_pages, 2);
    say(program, "munmap %s %" PRIu64, place.text, any_length(program, &place));
}

static void
do_mprotect(struct program *program)
{
    struct place place = any_place(program);
    uint64_t length = any_length(program, &place);

    say(program, "mprotect %s %" PRIu64 " %s", place.text, length,
        any_prot(program));
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
    if (one_in(program, 5))
        g_string_append(flags, " dontunmap");
    if (is_fixed)
        g_string_append(flags, " as=W");
    else
        g_string_append_printf(flags, " as=R%zu", region);
    if (!is_fixed)
        program->current->space->region_pages[region] =
            CLAMP(new_length / PAGE_BYTES, 1, 1024);
    say(program, "mremap %s %" PRIu64 " %" PRIu64 "%s", place.text, old_length,
        new_length, flags->str);
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
        "dontneed", "free", "populate-read", "populate-write",
        "guard-install", "guard-remove", "dontneed-locked", "willneed",
        "cold", "collapse", "pageout"};  // last: not where files are held
    static const char *const kinds[][2] = {
        {"hugepage", "nohugepage"}, {"nohugepage", "nohugepage"},
        {"dontfork", "dofork"}, {"dofork", "dofork"},
        {"wipeonfork", "keeponfork"}, {"keeponfork", "keeponfork"},
        {"normal", "normal"}, {"random", "normal"}, {"sequential", "normal"},
        {"mergeable", "unmergeable"}, {"unmergeable", "unmergeable"}};
    /* clang-format on */
    struct place place = any_place(program);
    uint64_t length = any_length(program, &place);

    if (place.base && one_in(program, 6))
        g_snprintf(place.text, sizeof(place.text), "0x%" PRIx64,
                   g_ascii_strtoull(place.text, NULL, 16) | 8);
    if (one_in(program, 2)) {
        const char *advice =
            any_of(program, contents,
                   G_N_ELEMENTS(contents) -
                       (program->has_files && !program->has_reads));
        if (strcmp(advice, "collapse") == 0 && one_in(program, 4))
            length = 0;  // the only length that it succeeds with
        say(program, "madvise %s %" PRIu64 " %s", place.text, length, advice);
        return;
    }
    const char *const *kind = kinds[below(program, G_N_ELEMENTS(kinds))];
    say(program, "madvise %s %" PRIu64 " %s", place.text, length, kind[0]);
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
    say(program, "%s %s %" PRIu64, one_in(program, 2) ? "mlock" : "munlock",
        place.text, length);
    note_undo(program, "munlock %s %" PRIu64, place.text, length);
}

static void
do_brk(struct program *program)
{
    uint64_t length = below(program, 40) * PAGE_BYTES;

    if (one_in(program, 8))
        length += below(program, PAGE_BYTES);
    if (one_in(program, 12))
        length = UINT64_C(1) << (44 + below(program, 4));
    say(program, "brk %" PRIu64, length);
}

static void
do_remap_file_pages(struct program *program)
{
    struct place place = any_place(program);
    bool is_shared = program->current->space->shared[0] && !one_in(program, 3);
    uint64_t length = is_shared ? PAGE_BYTES : any_length(program, &place);

    say(program, "remap_file_pages %s %" PRIu64 " %" PRIu64,
        is_shared ? program->current->space->shared : place.text, length,
        below(program, FILE_PAGES));
}

static void
do_undo(struct program *program)
{
    struct space *space = program->current->space;

    if (!space->undo[0])
        return;
    say(program, "%s", space->undo);
    space->undo[0] = '\0';
}

static void
do_touch(struct program *program)
{
    static const char *const kinds[] = {"r", "r", "r", "r", "r",
                                        "w", "w", "w", "w", "x"};
    struct place place = any_place(program);
    const char *recent = any_recent(program);
    const char *kind = ANY_OF(program, kinds);
    bool goes_back = recent && !one_in(program, 5);
    uint64_t pages = 1;

    if (one_in(program, goes_back ? 8 : 3))
        pages += below(program, 7);
    if (!goes_back && place.room_pages > 512 && one_in(program, 30))
        pages = 64;
    if (goes_back)
        g_strlcpy(place.text, recent, sizeof(place.text));
    say(program, "%s %s %" PRIu64 "K%s", kind, place.text, pages * 4,
        kind[0] != 'x' && one_in(program, 6) ? " kernel" : "");
    if (!goes_back && kind[0] == 'w' && place.base)
        remember_text(program, place.text);
}

/* ---- processes ---- */

static struct space *
space_new(void)
{
    struct space *space = g_new0(struct space, 1);

    space->user_count = 1;
    return space;
}

static void
space_drop(struct space *space)
{
    if (--space->user_count > 0)
        return;
    for (size_t i = 0; i < RECENT_COUNT; i++)
        g_free(space->recent[i]);
    g_free(space);
}

static struct space *
space_copy(const struct space *space)
{
    struct space *copy = g_new(struct space, 1);

    *copy = *space;
    copy->user_count = 1;
    for (size_t i = 0; i < RECENT_COUNT; i++)
        copy->recent[i] = g_strdup(space->recent[i]);
    return copy;
}

static void
map_window(struct program *program, uint64_t base)
{
    say(program, "mmap W %dK rw- anon,private,fixed at=0x%" PRIx64,
        WINDOW_PAGES * 4, base);
    remember_address(program, base);
}

/* Two windows to act in. */
static void
map_windows(struct program *program)
{
    map_window(program, WINDOW_1G);
    map_window(program, WINDOW_2M);
}

/* One begins anew, and pages of it are there. */
static void
renew_window(struct program *program)
{
    uint64_t base = one_in(program, 2) ? WINDOW_2M : WINDOW_1G;

    map_window(program, base);
    for (int i = 0; i < 3; i++) {
        uint64_t page = below(program, WINDOW_PAGES - 4);
        uint64_t addr = base + page * PAGE_BYTES;
        say(program, "w 0x%" PRIx64 " 16K", addr);
        remember_address(program, addr + below(program, 4) * PAGE_BYTES);
    }
}

static void
start_process(struct program *program)
{
    static const char *const memlocks[] = {
        "", " rlimit-memlock=256K", " rlimit-memlock=128K",
        " rlimit-memlock=128K", " rlimit-memlock=0"};
    const struct random_request *request = &program->request;
    struct process *process = &program->processes[program->process_count++];
    bool is_limited = program->theme == THEME_LOCKS;
    bool is_poor = program->theme == THEME_TASKS && !one_in(program, 3);
    uint64_t uid = request->uid;

    *process = (struct process){.id = program->next_id,
                                .group = program->next_id,
                                .space = space_new()};
    program->next_id++;
    program->current = process;
    if (request->can_change_uid && !is_poor &&
        (is_limited || one_in(program, 4)))
        uid = 1000;
    process->is_root = uid == 0;
    say(program, "start uid=%" PRIu64 "%s%s", uid,
        memlocks[is_poor      ? G_N_ELEMENTS(memlocks) - 1
                 : is_limited ? 1 + below(program, 4)
                              : below(program, G_N_ELEMENTS(memlocks))],
        one_in(program, 6) && program->theme <= THEME_TASKS ? " rlimit-as=24M"
                                                            : "");
    map_windows(program);
}

static struct process *
add_process(struct program *program, struct space *space)
{
    struct process *process = &program->processes[program->process_count++];

    *process = (struct process){
        .id = program->next_id,
        .group = program->next_id,
        .is_root = program->current->is_root,
        .space = space,
    };
    program->next_id++;
    return process;
}

bool
fork_current(struct program *program)
{
    if (program->process_count == PROCESS_MAX)
        return false;
    struct process *child =
        add_process(program, space_copy(program->current->space));
    say(program, "fork %" PRIu64, child->id);
    return true;
}

static void
do_fork(struct program *program)
{
    /* The copies of a crowd would take long; promises keep room for theirs. */
    if (program->theme == THEME_CROWD ||
        (program->theme == THEME_PROMISES && program->process_count > 1))
        return;
    fork_current(program);
}

/* A thread, or a vfork child that its parent waits for. */
static void
do_share(struct program *program)
{
    struct process *parent = program->current;
    bool is_thread = one_in(program, 2);

    if (program->process_count == PROCESS_MAX)
        return;
    parent->space->user_count++;
    struct process *child = add_process(program, parent->space);
    if (is_thread)
        child->group = parent->group;
    else
        parent->vfork_child = child->id;
    say(program, "%s %" PRIu64, is_thread ? "thread" : "vfork", child->id);
}

/* A vfork child has an image of its own, or is gone. */
static void
release_parent(struct program *program, uint64_t child)
{
    for (size_t i = 0; i < program->process_count; i++)
        if (program->processes[i].vfork_child == child)
            program->processes[i].vfork_child = 0;
}

static void
forget_process(struct program *program, struct process *process)
{
    release_parent(program, process->id);
    space_drop(process->space);
    *process = program->processes[--program->process_count];
}

/* All threads of the current process but itself. */
static void
forget_threads(struct program *program)
{
    uint64_t id = program->current->id, group = program->current->group;

    for (size_t i = program->process_count; i-- > 0;)
        if (program->processes[i].group == group &&
            program->processes[i].id != id)
            forget_process(program, &program->processes[i]);
    for (size_t i = 0; i < program->process_count; i++)
        if (program->processes[i].id == id)
            program->current = &program->processes[i];
}

void
exit_current(struct program *program)
{
    bool ends_all = one_in(program, 3);

    say(program, "%s", ends_all ? "exit-group" : "exit");
    if (ends_all)
        forget_threads(program);
    forget_process(program, program->current);
    if (program->process_count == 0)
        start_process(program);
}

static void
do_exec(struct program *program)
{
    if (program->theme == THEME_CROWD)
        return;
    say(program, "exec prog");
    forget_threads(program);
    release_parent(program, program->current->id);
    space_drop(program->current->space);
    program->current->space = space_new();
    map_windows(program);
}

static void
do_exit(struct program *program)
{
    if (program->theme != THEME_CROWD)  // it would be gone
        exit_current(program);
}

/* To an ordinary user, who cannot go back. */
static void
do_setuid(struct program *program)
{
    if (!program->request.can_change_uid || !program->current->is_root ||
        program->current->space->user_count > 1)
        return;
    program->current->is_root = false;
    say(program, "setuid 1000");
}

/* One that does not wait. */
static void
choose_process(struct program *program)
{
    program->current =
        &program->processes[below(program, program->process_count)];
    while (program->current->vfork_child)
        for (size_t i = 0; i < program->process_count; i++)
            if (program->processes[i].id == program->current->vfork_child)
                program->current = &program->processes[i];
}

/* What only programs about tasks do. */
static void
do_task(struct program *program)
{
    uint64_t chance = below(program, 8);

    if (program->theme != THEME_TASKS)
        return;
    if (chance < 4)
        do_share(program);
    else if (chance < 6)
        do_exec(program);
    else if (chance < 7)
        do_setuid(program);
    else
        exit_current(program);
}

static void
do_something(struct program *program)
{
    static const struct {
        unsigned weight;
        void (*act)(struct program *program);
    } deeds[] = {
        {350, do_touch},   {100, do_mmap},     {40, do_munmap},
        {70, do_mprotect}, {50, do_mremap},    {165, do_madvise},
        {20, do_lock},     {16, do_brk},       {8, do_remap_file_pages},
        {40, do_undo},     {15, do_fork},      {10, do_exit},
        {40, do_task},     {70, random_scene}, {6, renew_window},
    };
    uint64_t chance = below(program, 1000);
    size_t deed = 0;

    for (; chance >= deeds[deed].weight; deed++)
        chance -= deeds[deed].weight;
    choose_process(program);
    /* A crowd must be kept together. */
    if (program->theme == THEME_CROWD && one_in(program, 2))
        random_scene(program);
    else
        deeds[deed].act(program);
}

/* Themes take turns, so that a hundred seeds always have the same share of
 * each. */
static enum theme
theme_of(const struct random_request *request)
{
    static const enum theme themes[] = {
        THEME_MIXED, THEME_LOCKS,    THEME_PLAIN, THEME_FILES, THEME_TASKS,
        THEME_PLAIN, THEME_PROMISES, THEME_MIXED, THEME_LOCKS, THEME_PLAIN,
        THEME_MIXED, THEME_TASKS,    THEME_FILES, THEME_PLAIN, THEME_LOCKS,
        THEME_MIXED, THEME_TASKS,    THEME_PLAIN, THEME_LOCKS, THEME_CROWD,
    };

    return themes[(request->seed * 2 + request->index) % G_N_ELEMENTS(themes)];
}

GPtrArray *
random_program(const struct random_request *request)
{
    enum { HEADER_LINES = 4 };
    struct program program = {
        .request = *request,
        .random = {request->seed << 32 | request->index},
        .lines = g_ptr_array_new_with_free_func(g_free),
        .next_id = 1,
        .theme = theme_of(request),
    };

    program.has_files = program.theme == THEME_FILES || !one_in(&program, 3);
    program.has_locks =
        program.theme == THEME_LOCKS ||
        (program.theme != THEME_PROMISES && one_in(&program, 4));
    program.has_stacks = one_in(&program, 4);
    add_line(&program, "#vmtrace 1");
    program.has_reads = program.has_files && one_in(&program, 3);
    add_line(&program, "0 file disk %dK disk %s", FILE_PAGES * 4,
             program.has_reads && one_in(&program, 2) ? "cold" : "cached");
    add_line(&program, "0 file wide %dK disk cold",
             program.has_reads ? WIDE_PAGES * 4 : 4);
    add_line(&program, "0 file shm %dK shmem", FILE_PAGES * 4);
    start_process(&program);
    if (program.theme == THEME_CROWD)
        gather_crowd(&program);
    while (program.lines->len < request->event_count + HEADER_LINES)
        do_something(&program);
    for (size_t i = 0; i < program.process_count; i++)
        space_drop(program.processes[i].space);
    return program.lines;
}
