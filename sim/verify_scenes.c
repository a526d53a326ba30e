/*
 * Scenes: a few events in a row whose end is rare among events that chance
 * alone draws.  They act where everything else does, so most meet something
 * that others left.
 *
 * A scene says what it wants to see, not what must happen: its calls may be
 * refused like any others.
 */
#include "sim/verify_random_private.h"

#include <inttypes.h>

#define CROWD_BASE   UINT64_C(0x300000000000)
#define PROMISE_BASE UINT64_C(0x280000000000)
#define HALL_BASE    UINT64_C(0x2f0000000000)
#define HALL_ROOMS   14

static uint64_t
page_at(uint64_t base, uint64_t page)
{
    return base + page * PAGE_BYTES;
}

static void
map_at(struct program *program, uint64_t addr, uint64_t pages, const char *prot,
       const char *flags)
{
    say(program, "mmap W %" PRIu64 "K %s %s,fixed at=0x%" PRIx64, pages * 4,
        prot, flags, addr);
}

static void
unmap_at(struct program *program, uint64_t addr, uint64_t pages)
{
    say(program, "munmap 0x%" PRIx64 " %" PRIu64 "K", addr, pages * 4);
}

/* r, w or x. */
static void
touch_at(struct program *program, char kind, uint64_t addr, uint64_t pages)
{
    say(program, "%c 0x%" PRIx64 " %" PRIu64 "K%s", kind, addr, pages * 4,
        kind != 'x' && one_in(program, 3) ? " kernel" : "");
}

/* ---- joining neighbours ---- */

/* A pair of calls on ranges, the second of which takes the first back. */
struct change {
    const char *verb, *set, *clear;
};

static const struct change advice_changes[] = {
    {"madvise", "dontfork", "dofork"},
    {"madvise", "random", "normal"},
    {"madvise", "sequential", "normal"},
    {"madvise", "mergeable", "unmergeable"},
    {"madvise", "wipeonfork", "keeponfork"},
    {"madvise", "hugepage", "nohugepage"},
};
static const struct change access_changes[] = {{"mprotect", "r--", "rw-"},
                                               {"mprotect", "---", "rw-"}};
static const struct change lock_change = {NULL, "mlock", "munlock"};

static void
apply(struct program *program, const struct change *change, bool sets,
      uint64_t addr, uint64_t pages)
{
    say(program, "%s 0x%" PRIx64 " %" PRIu64 "K %s",
        change->verb ? change->verb
        : sets       ? change->set
                     : change->clear,
        addr, pages * 4,
        !change->verb ? ""
        : sets        ? change->set
                      : change->clear);
}

static const struct change *
any_change(struct program *program)
{
    if (program->has_locks && !one_in(program, 5))
        return &lock_change;
    if (one_in(program, 3))
        return &access_changes[below(program, G_N_ELEMENTS(access_changes))];
    return &advice_changes[below(program, G_N_ELEMENTS(advice_changes))];
}

/* What moves borders, or makes one of two and three. */
static void
move_border(struct program *program)
{
    const struct change *change = any_change(program);
    uint64_t base = any_window_range(program, 6);

    if (one_in(program, 2))
        map_at(program, base, 6, "rw-", "anon,private");
    if (one_in(program, 2))
        touch_at(program, 'w', base, 6);
    apply(program, change, true, page_at(base, 3), 3);
    switch (below(program, 5)) {
    case 0:
        apply(program, change, true, page_at(base, 2), 1);
        break;
    case 1:
        apply(program, change, false, page_at(base, 3), 1);
        break;
    case 2:
        apply(program, change, false, page_at(base, 3), 3);
        break;
    case 3:
        apply(program, change, true, base, 3);
        break;
    default:
        apply(program, change, false, page_at(base, 4), 2);
        apply(program, change, false, page_at(base, 3), 1);
        break;
    }
}

/* Two that were written to apart, and what is put between them. */
static void
part_strangers(struct program *program)
{
    uint64_t base = any_window_range(program, 5);

    unmap_at(program, base, 5);
    map_at(program, base, 2, "rw-", "anon,private");
    map_at(program, page_at(base, 3), 2, "rw-", "anon,private");
    touch_at(program, 'w', base, 1);
    touch_at(program, 'w', page_at(base, 3), 1);
    map_at(program, page_at(base, 2), 1, "rw-", "anon,private");
}

/* A range that was written to joins one that was not; not accounted, because
 * what was written to stays so. */
static void
bring_identity(struct program *program)
{
    uint64_t base = any_window_range(program, 4);
    uint64_t half = one_in(program, 2) ? 2 : 0;

    map_at(program, base, 4, "rw-", "anon,private,noreserve");
    say(program, "mprotect 0x%" PRIx64 " 8K r--", page_at(base, 2 - half));
    touch_at(program, 'w', page_at(base, half), 2);
    say(program, "mprotect 0x%" PRIx64 " 8K r--", page_at(base, half));
}

/* The heap does not join what lies below it. */
static void
begin_heap_again(struct program *program)
{
    say(program, "brk 0");
    say(program, "mmap W 8K rw- anon,private,fixed at=heap-8K");
    say(program, "brk %" PRIu64 "K", 4 * (1 + below(program, 8)));
}

/* ---- errors ---- */

static void
ask_nonsense(struct program *program)
{
    static const char *const verbs[] = {"munmap",  "mprotect", "mlock",
                                        "munlock", "madvise",  "madvise"};
    static const char *const advice[] = {"pageout",  "pageout",  "mergeable",
                                         "hugepage", "dontfork", "free"};
    size_t verb = below(program, G_N_ELEMENTS(verbs));
    uint64_t addr = any_window_range(program, 2);

    if (verb == 2 || verb == 3)  // these round, but a range must not wrap
        say(program, "%s 0x%" PRIx64 " 0x%" PRIx64, verbs[verb], addr,
            UINT64_MAX - PAGE_BYTES * below(program, 64));
    else
        say(program, "%s 0x%" PRIx64 " 8K %s", verbs[verb], addr + 16,
            verb == 0   ? ""
            : verb == 1 ? "rw-"
                        : advice[below(program, G_N_ELEMENTS(advice))]);
}

/* A file whose last page would lie beyond all offsets. */
static void
overflow_file(struct program *program)
{
    say(program, "mmap W %" PRIu64 "K r-- private,file=disk,off=0x%" PRIx64,
        4 * (2 + below(program, 6)), UINT64_MAX - PAGE_BYTES + 1);
}

/* Longer is not possible where it is. */
static void
block_growth(struct program *program)
{
    uint64_t base = any_window_range(program, 4);

    map_at(program, base, 2, "rw-", "anon,private");
    map_at(program, page_at(base, 2), 1, "r--", "anon,private");
    say(program, "mremap 0x%" PRIx64 " 8K %" PRIu64 "K as=W", base,
        4 * (3 + below(program, 40)));
}

/* Shorter and as long as before: it joins what comes next again. */
static void
shrink_and_grow(struct program *program)
{
    uint64_t base = any_window_range(program, 4);

    say(program, "mremap 0x%" PRIx64 " 8K 4K as=W", base);
    say(program, "mremap 0x%" PRIx64 " 4K 8K maymove as=W", base);
    remember_address(program, base);
}

static void
populate_guards(struct program *program)
{
    uint64_t base = any_window_range(program, 4);
    uint64_t guard = below(program, 3);

    if (one_in(program, 2))
        map_at(program, base, 4, "rw-", "anon,private");
    say(program, "madvise 0x%" PRIx64 " 4K guard-install",
        page_at(base, guard));
    say(program, "madvise 0x%" PRIx64 " 16K populate-%s", base,
        one_in(program, 2) ? "read" : "write");
    touch_at(program, one_in(program, 2) ? 'r' : 'w', base, 4);
}

/* The beginning of the heap's way is closed. */
static void
block_heap(struct program *program)
{
    say(program, "brk 16K");
    say(program, "mmap W 4K r-- anon,private,fixed at=heap+24K");
    say(program, "brk %" PRIu64 "K", 4 * (5 + below(program, 8)));
}

/* ---- files ---- */

static const char *
any_file_mapping(struct program *program)
{
    static const char *const mappings[] = {
        "private,file=disk", "shared,file=disk", "private,file=shm",
        "shared,file=shm"};

    return mappings[below(program, G_N_ELEMENTS(mappings))];
}

static void
look_beyond_file(struct program *program)
{
    uint64_t base = any_window_range(program, 8);
    g_autofree char *flags = g_strdup_printf(
        "%s,off=%dK", any_file_mapping(program), (FILE_PAGES - 4) * 4);

    map_at(program, base, 8, one_in(program, 2) ? "rwx" : "rw-", flags);
    touch_at(program, 'r', page_at(base, 2), 4);
    touch_at(program, 'w', page_at(base, 2), 4);
    if (one_in(program, 2))
        touch_at(program, 'x', page_at(base, 3), 2);
    if (one_in(program, 2))
        say(program, "madvise 0x%" PRIx64 " 32K populate-%s", base,
            one_in(program, 2) ? "read" : "write");
}

static void
remap_file(struct program *program)
{
    uint64_t base = any_window_range(program, 6);
    const char *file = one_in(program, 2) ? "disk" : "shm";
    g_autofree char *flags = g_strdup_printf("shared,file=%s,off=0", file);

    map_at(program, base, 6, "rw-", flags);
    if (one_in(program, 2))
        touch_at(program, 'w', base, 6);
    say(program, "remap_file_pages 0x%" PRIx64 " %" PRIu64 "K %" PRIu64,
        page_at(base, 1), 4 * (1 + below(program, 4)),
        below(program, FILE_PAGES));
    touch_at(program, 'r', base, 6);
}

/* One touch of a file that is being read: the next pages, or any. */
static void
read_some(struct program *program, uint64_t base, uint64_t pages,
          uint64_t *next)
{
    uint64_t count = one_in(program, 3) ? 1 + below(program, 40) : 1;
    uint64_t page = *next;

    if (one_in(program, 3))
        page = below(program, pages);
    count = MIN(count, pages - page);
    touch_at(program, one_in(program, 5) ? 'w' : 'r', page_at(base, page),
             count);
    *next = (page + count) % pages;
}

/* Read a file that is not in memory, page some of it out, read on. */
static void
read_file(struct program *program)
{
    static const char *const advices[] = {"random",   "sequential",
                                          "hugepage", "normal",
                                          "willneed", "populate-read"};
    uint64_t base = WINDOW_BIG + below(program, 40) * PAGE_BYTES;
    uint64_t pages = 40 + below(program, BIG_PAGES - 80);
    uint64_t next = one_in(program, 2) ? 0 : below(program, pages);
    g_autofree char *flags = g_strdup_printf(
        "%s,file=wide,off=%" PRIu64 "K",
        one_in(program, 2) ? "shared" : "private",
        one_in(program, 3) ? 0 : 4 * below(program, WIDE_PAGES - 100));

    map_at(program, base, pages, one_in(program, 4) ? "rwx" : "rw-", flags);
    for (uint64_t steps = 4 + below(program, 12); steps > 0; steps--) {
        uint64_t from = below(program, pages);
        uint64_t count = MIN(pages - from, 1 + below(program, 100));

        if (one_in(program, 6))
            say(program, "madvise 0x%" PRIx64 " %" PRIu64 "K %s",
                page_at(base, from), count * 4,
                advices[below(program, G_N_ELEMENTS(advices))]);
        else if (one_in(program, 6))
            say(program, "madvise 0x%" PRIx64 " %" PRIu64 "K pageout",
                page_at(base, from), count * 4);
        else
            read_some(program, base, pages, &next);
    }
}

/* ---- pages ---- */

/* Who is left keeps the page. */
static void
share_pages(struct program *program)
{
    uint64_t base = any_window_range(program, 2);
    struct process *parent = program->current;

    touch_at(program, 'w', base, 2);
    if (program->theme == THEME_CROWD || !fork_current(program))
        return;
    program->current = &program->processes[program->process_count - 1];
    if (one_in(program, 2))
        touch_at(program, 'w', base, 1);
    exit_current(program);
    program->current = parent;
    touch_at(program, 'w', base, 2);
    remember_address(program, base);
}

/* Also where they must not be executed: they come in all the same. */
static void
fetch_pages(struct program *program)
{
    static const char *const prots[] = {"r-x", "rwx", "--x",
                                        "rw-", "r--", "-w-"};
    uint64_t base = any_window_range(program, 4);
    g_autofree char *file =
        g_strdup_printf("%s,off=%" PRIu64 "K", any_file_mapping(program),
                        4 * below(program, FILE_PAGES - 4));

    map_at(program, base, 4, prots[below(program, G_N_ELEMENTS(prots))],
           program->has_files && one_in(program, 2) ? file : "anon,private");
    if (one_in(program, 2))
        touch_at(program, 'r', base, 2);
    touch_at(program, 'x', base, 4);
    touch_at(program, one_in(program, 2) ? 'w' : 'x', base, 4);
}

static void
free_lazily(struct program *program)
{
    uint64_t base = any_window_range(program, 4);

    if (program->has_locks && program->process_count > 1)
        return;  // another one may have locked it
    touch_at(program, 'w', base, 4);
    say(program, "madvise 0x%" PRIx64 " 16K free", base);
    touch_at(program, 'w', page_at(base, below(program, 4)), 1);
    say(program, "madvise 0x%" PRIx64 " 16K pageout", base);
    touch_at(program, 'r', base, 4);
}

/* ---- limits ---- */

static void
lock_too_much(struct program *program)
{
    uint64_t base = any_window_range(program, 8);

    switch (below(program, 3)) {
    case 0:
        map_at(program, base, 8, "rw-", "anon,private,locked");
        break;
    case 1:
        say(program, "mmap R0 %" PRIu64 "K rw- anon,private,locked",
            4 * (16 + below(program, 64)));
        program->current->space->region_pages[0] = 16;
        break;
    default:
        say(program, "mlock 0x%" PRIx64 " 32K", base);
        break;
    }
    say(program, "mremap 0x%" PRIx64 " 4K %" PRIu64 "K maymove as=W", base,
        4 * (24 + below(program, 48)));
}

/* Pages are freed lazily that another process has locked, or that have lost
 * their lock without being told. */
static void
free_locked_pages(struct program *program)
{
    uint64_t base = any_window_range(program, 4);
    struct process *parent = program->current;

    map_at(program, base, 4, "rw-", "anon,private");
    touch_at(program, 'w', base, 4);
    say(program, "mlock 0x%" PRIx64 " 12K", base);
    if (one_in(program, 2))
        say(program, "mremap 0x%" PRIx64 " 4K 4K maymove dontunmap as=R1",
            base);
    if (program->theme != THEME_CROWD && fork_current(program) &&
        one_in(program, 2))
        program->current = &program->processes[program->process_count - 1];
    if (one_in(program, 2))
        say(program, "mlock 0x%" PRIx64 " 8K", page_at(base, 1));
    say(program, "madvise 0x%" PRIx64 " 16K free", base);
    if (!program->has_files && one_in(program, 2))
        say(program, "madvise 0x%" PRIx64 " 16K pageout", base);
    program->current = parent;
    say(program, "munlock 0x%" PRIx64 " 8K", base);
    say(program, "madvise 0x%" PRIx64 " 16K free", base);
}

/* A mapping that is locked is mapped again, beside others that are: for a
 * moment it counts twice. */
static void
remap_locked_file(struct program *program)
{
    uint64_t base = any_window_range(program, 28);

    map_at(program, base, 28, "rw-", "shared,file=disk,locked,off=0");
    say(program, "remap_file_pages 0x%" PRIx64 " %" PRIu64 "K 0", base,
        4 * (8 + below(program, 12)));
    unmap_at(program, base, 28);
}

/* What root locked stays so, and nobody may lock it again. */
static void
give_up_root(struct program *program)
{
    uint64_t base = any_window_range(program, 4);
    struct process *parent = program->current;

    if (!parent->is_root || !program->request.can_change_uid ||
        !fork_current(program))
        return;
    program->current = &program->processes[program->process_count - 1];
    program->current->is_root = false;
    map_at(program, base, 4, "rw-", "shared,file=shm,locked,off=0");
    say(program, "setuid 1000");
    say(program, "remap_file_pages 0x%" PRIx64 " 8K 1", base);
    say(program, "mlock 0x%" PRIx64 " 4K", base);
    exit_current(program);
    program->current = parent;
}

/* Three promises of half the memory each become one VMA, which nobody could
 * promise at once: a copy, a change that asks again, or more of it is refused.
 */
static void
promise_too_much(struct program *program)
{
    uint64_t half = page_ceil(program->request.ram_bytes / 2);
    const char *prot = one_in(program, 3) ? "r--" : "rw-";
    struct process *parent = program->current;

    for (uint64_t i = 0; i < 3; i++)
        say(program, "mmap W %" PRIu64 " %s anon,private,fixed at=0x%" PRIx64,
            half, prot, PROMISE_BASE + i * half);
    if (fork_current(program)) {
        /* Skipped where the fork was refused, as most are. */
        program->current = &program->processes[program->process_count - 1];
        exit_current(program);
        program->current = parent;
    }
    say(program, "mprotect 0x%" PRIx64 " %" PRIu64 " rw-", PROMISE_BASE,
        half * 3);
    say(program, "mremap 0x%" PRIx64 " %" PRIu64 " %" PRIu64 " maymove as=W",
        PROMISE_BASE, half, half * 4);
    say(program, "munmap 0x%" PRIx64 " %" PRIu64, PROMISE_BASE, half * 3);
    /* Shared memory is promised whatever it may be used for. */
    say(program, "mmap W %" PRIu64 " %s anon,shared", half * 3, prot);
    say(program, "mmap W %" PRIu64 " %s anon,shared,noreserve", half * 3, prot);
    say(program, "munmap W %" PRIu64, half * 3);
}

/* A room of the hall is one VMA, which advice cuts in the middle; that takes
 * two VMAs more. */
static void
cut_room(struct program *program)
{
    uint64_t base = page_at(HALL_BASE, below(program, HALL_ROOMS) * 8);
    const struct change *change =
        &advice_changes[below(program, G_N_ELEMENTS(advice_changes))];
    bool sets = one_in(program, 2);

    apply(program, change, !sets, base, 5);
    apply(program, change, sets, page_at(base, 2), 1);
    switch (below(program, 4)) {
    case 0:
        map_at(program, base, 5, "rw-", "anon,private");
        unmap_at(program, page_at(base, 1), 1);
        break;
    case 1:
        map_at(program, page_at(HALL_BASE, 1000 + below(program, 500) * 2), 1,
               "r--", "anon,private");
        break;
    case 2:
        base = page_at(HALL_BASE, HALL_ROOMS * 8);  // a room more
        map_at(program, base, 5, "rw-", "shared,file=disk,off=0");
        say(program, "remap_file_pages 0x%" PRIx64 " 4K 9", page_at(base, 2));
        break;
    default:
        break;
    }
}

static void
crowd_in(struct program *program)
{
    for (uint64_t i = 0; i < 4; i++)
        cut_room(program);
}

/*
 * The limit is on all VMAs of an address space, so nobody gets there one by
 * one: pairs of pages of unlike access are doubled by a move that leaves the
 * old ones behind.
 */
void
gather_crowd(struct program *program)
{
    const uint64_t limit = 65530, room = HALL_ROOMS + 12;
    uint64_t vmas = 2;

    for (uint64_t i = 0; i < HALL_ROOMS; i++)
        map_at(program, page_at(HALL_BASE, i * 8), 5, "rw-", "anon,private");
    map_at(program, CROWD_BASE, 2, "rw-", "anon,private");
    say(program, "mprotect 0x%" PRIx64 " 4K r--", page_at(CROWD_BASE, 1));
    while (vmas + room < limit) {
        uint64_t more = MIN(vmas, limit - room - vmas);

        say(program,
            "mremap 0x%" PRIx64 " %" PRIu64 "K %" PRIu64
            "K maymove fixed at=0x%" PRIx64 " dontunmap as=W",
            CROWD_BASE, more * 4, more * 4, page_at(CROWD_BASE, vmas));
        vmas += more;
    }
}

/* ---- choice ---- */

enum need {
    NEEDS_NOTHING,
    NEEDS_FILES,
    NEEDS_PAGEOUT,
    NEEDS_READS,
    NEEDS_LOCKS,
    NEEDS_TASKS,
    NEEDS_PROMISES,
    NEEDS_CROWD,
};

static bool
has(const struct program *program, enum need need)
{
    switch (need) {
    case NEEDS_NOTHING:
        return true;
    case NEEDS_FILES:
        return program->has_files;
    case NEEDS_PAGEOUT:
        return !program->has_files || program->has_reads;
    case NEEDS_READS:
        return program->has_reads;
    case NEEDS_LOCKS:
        return program->has_locks;
    case NEEDS_TASKS:
        return program->theme == THEME_TASKS;
    case NEEDS_PROMISES:
        return program->theme == THEME_PROMISES;
    case NEEDS_CROWD:
        return program->theme == THEME_CROWD;
    }
    return false;
}

void
random_scene(struct program *program)
{
    static const struct {
        unsigned weight;
        void (*act)(struct program *program);
        enum need need;
    } scenes[] = {
        {4, move_border, NEEDS_NOTHING},
        {1, part_strangers, NEEDS_NOTHING},
        {1, bring_identity, NEEDS_NOTHING},
        {1, begin_heap_again, NEEDS_NOTHING},
        {3, ask_nonsense, NEEDS_NOTHING},
        {2, block_growth, NEEDS_NOTHING},
        {1, shrink_and_grow, NEEDS_NOTHING},
        {1, populate_guards, NEEDS_NOTHING},
        {1, block_heap, NEEDS_NOTHING},
        {2, share_pages, NEEDS_NOTHING},
        {1, fetch_pages, NEEDS_NOTHING},
        {1, overflow_file, NEEDS_NOTHING},
        {1, look_beyond_file, NEEDS_FILES},
        {1, remap_file, NEEDS_FILES},
        {2, free_lazily, NEEDS_PAGEOUT},
        {3, read_file, NEEDS_READS},
        {16, move_border, NEEDS_LOCKS},
        {8, lock_too_much, NEEDS_LOCKS},
        {10, remap_locked_file, NEEDS_LOCKS},
        {4, free_locked_pages, NEEDS_LOCKS},
        {12, give_up_root, NEEDS_TASKS},
        {20, promise_too_much, NEEDS_PROMISES},
        {20, crowd_in, NEEDS_CROWD},
    };
    uint64_t chances = 0;
    size_t scene = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(scenes); i++)
        chances += has(program, scenes[i].need) ? scenes[i].weight : 0;
    for (uint64_t chance = below(program, chances);; scene++) {
        if (!has(program, scenes[scene].need))
            continue;
        if (chance < scenes[scene].weight)
            break;
        chance -= scenes[scene].weight;
    }
    scenes[scene].act(program);
}
