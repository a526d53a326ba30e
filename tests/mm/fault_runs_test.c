/*
 * A range that is touched or populated at once is worked on in runs.  Two
 * machines do the same, one in runs and the other page by page: after every
 * call nothing in them may differ.
 *
 * Files are warm, cold, shmem; mapped shared and private, from where neither
 * tables nor chunks of the file begin; with holes in memory and in the tables,
 * signs of read-ahead, large folios, entries that may only be read, locked
 * ranges, and three processes that share them.
 */
#include "eras.h"

#include "mm/file.h"
#include "tests/run_suite.h"

#include <check.h>
#include <string.h>

#define FILE_PAGES 1500
#define TASKS      3
#define FILES      3
#define PLACE      UINT64_C(0x10000000)
#define APART      (16 * MIB)
#define STEPS      120
#define SEEDS      6

enum { DISK_WARM, DISK_COLD, SHMEM };

static const struct mapping {
    int file;
    uint64_t pgoff, pages, at_page;
    uint32_t flags;
} mappings[] = {
    {DISK_WARM, 0, FILE_PAGES, 0, MM_SHARED},
    {DISK_WARM, 37, 1300, 201, 0},
    {DISK_COLD, 5, FILE_PAGES - 5, 3, MM_SHARED},
    {DISK_COLD, 0, 900, 300, 0},
    {SHMEM, 7, 1100, 130, MM_SHARED},
    {SHMEM, 0, FILE_PAGES, 450, 0},
    {DISK_WARM, FILE_PAGES - 40, 40, 490, MM_SHARED},
};
#define MAPPINGS G_N_ELEMENTS(mappings)

enum deed {
    DEED_TOUCH,
    DEED_POPULATE,
    DEED_FORGET,
    DEED_DROP,
    DEED_MARK,
    DEED_PROTECT,
    DEED_ADVISE,
    DEED_LOCK,
    DEED_FORK,
};

/* What is done next; the same on both sides. */
struct deed_args {
    enum deed deed;
    unsigned task, mapping, way;
    uint64_t first, pages;
};

struct side {
    struct machine *machine;
    struct task *tasks[TASKS];
    struct file *files[FILES];
    GArray *runs;  // outcomes of the latest step
    bool is_page_by_page;
};

static uint32_t
next_random(uint64_t *state, uint32_t below)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)((*state >> 33) % below);
}

/* ---- a side ---- */

static uint64_t
place_of(unsigned mapping)
{
    return PLACE + mapping * APART + pages_to_bytes(mappings[mapping].at_page);
}

static void
map_all(struct side *side)
{
    for (unsigned i = 0; i < MAPPINGS; i++) {
        struct call map = {.kind = CALL_MMAP,
                           .addr = place_of(i),
                           .length = pages_to_bytes(mappings[i].pages),
                           .pgoff = mappings[i].pgoff,
                           .prot = VM_READ | VM_WRITE,
                           .flags = MM_FIXED | mappings[i].flags,
                           .file = side->files[mappings[i].file]};

        ck_assert_int_eq(run_call(side->machine, side->tasks[0], &map),
                         (int64_t)map.addr);
    }
}

static struct side
side_new(const struct machine_config *config, bool is_page_by_page)
{
    struct machine *machine = machine_create(config);
    struct side side = {
        .machine = machine,
        .files = {file_create(machine, FILE_PAGES << PAGE_SHIFT, false, false),
                  file_create(machine, FILE_PAGES << PAGE_SHIFT, false, true),
                  file_create(machine, FILE_PAGES << PAGE_SHIFT, true, false)},
        .runs = g_array_new(FALSE, TRUE, sizeof(struct touch_run)),
        .is_page_by_page = is_page_by_page,
    };

    side.tasks[0] = start_task(machine, 0);
    map_all(&side);
    side.tasks[1] = fork_task(side.tasks[0], 1);
    side.tasks[2] = fork_task(side.tasks[1], 0);
    return side;
}

static void
side_free(struct side *side)
{
    machine_validate(side->machine);
    exit_all_tasks(side->machine);
    machine_destroy(side->machine);
    g_array_free(side->runs, TRUE);
}

/* ---- deeds ---- */

static void
run_or_step(struct side *side, unsigned task, const struct call *call)
{
    struct operation op = {.touch.report.runs = side->runs};

    operation_begin(&op, side->machine, side->tasks[task], call);
    if (side->is_page_by_page)
        while (operation_step(&op) == STEP_MORE)
            ;
    else
        operation_run(&op);
    operation_finish(&op);
}

/* Pages of the file leave memory as far as nothing holds them there, or get
 * the mark that starts read-ahead. */
static void
change_cache(struct side *side, const struct deed_args *args)
{
    struct machine *machine = side->machine;
    struct file *file = side->files[mappings[args->mapping].file];

    for (uint64_t i = args->first; i < args->first + args->pages; i++) {
        pfn_t pfn = file_lookup(file, i);
        uint32_t map_count = 0;

        if (pfn_is_none(pfn) || file->is_shmem)
            continue;
        struct page *head = folio_head(page_of(machine, pfn));

        for (uint32_t k = 0; k < folio_pages(head); k++)
            map_count += head[k].map_count;
        if (args->deed == DEED_MARK && i % 7 == 0)
            head->flags |= PAGE_READAHEAD;
        else if (args->deed == DEED_DROP && !map_count &&
                 !(head->flags & PAGE_DIRTY))
            file_drop_folio(machine, 0, head);
    }
}

/* The third process goes, and is forked anew. */
static void
fork_again(struct side *side, unsigned parent)
{
    run_call(side->machine, side->tasks[2],
             &(struct call){.kind = CALL_EXIT_GROUP});
    side->tasks[2] = fork_task(side->tasks[parent % 2], parent % 2);
}

/* The call that a deed is. */
static struct call
call_of(const struct deed_args *args)
{
    static const enum advice advices[] = {ADVICE_RANDOM, ADVICE_NORMAL,
                                          ADVICE_SEQUENTIAL, ADVICE_PAGEOUT};
    static const enum touch_access accesses[] = {TOUCH_READ, TOUCH_WRITE,
                                                 TOUCH_EXEC};
    struct call call = {
        .kind = CALL_TOUCH,
        .addr = place_of(args->mapping) + pages_to_bytes(args->first),
        .length = pages_to_bytes(args->pages),
        .access = accesses[args->way % G_N_ELEMENTS(accesses)],
        .gup = args->deed == DEED_POPULATE,
        .tag = args->way,
    };

    if (args->deed == DEED_FORGET || args->deed == DEED_ADVISE) {
        call.kind = CALL_MADVISE;
        call.advice = args->deed == DEED_FORGET
                          ? ADVICE_DONTNEED
                          : advices[args->way % G_N_ELEMENTS(advices)];
    } else if (args->deed == DEED_PROTECT) {
        call.kind = CALL_MPROTECT;
        call.prot = args->way % 3 ? VM_READ | VM_WRITE : VM_READ;
    } else if (args->deed == DEED_LOCK) {
        call.kind = args->way % 2 ? CALL_MLOCK : CALL_MUNLOCK;
        call.length = MIN(call.length, pages_to_bytes(40));
    }
    return call;
}

static void
carry_out(struct side *side, const struct deed_args *args)
{
    struct call call = call_of(args);

    g_array_set_size(side->runs, 0);
    if (args->deed == DEED_DROP || args->deed == DEED_MARK)
        change_cache(side, args);
    else if (args->deed == DEED_FORK)
        fork_again(side, args->way);
    else
        run_or_step(side, args->task, &call);
}

static struct deed_args
next_deed(uint64_t *seed)
{
    static const enum deed deeds[] = {
        DEED_TOUCH, DEED_TOUCH,   DEED_TOUCH,  DEED_TOUCH, DEED_TOUCH,
        DEED_TOUCH, DEED_TOUCH,   DEED_FORGET, DEED_DROP,  DEED_MARK,
        DEED_LOCK,  DEED_PROTECT, DEED_ADVISE, DEED_FORK,  DEED_POPULATE,
    };
    struct deed_args args = {
        .deed = deeds[next_random(seed, G_N_ELEMENTS(deeds))],
        .task = next_random(seed, TASKS),
        .mapping = next_random(seed, MAPPINGS),
        .way = next_random(seed, 12),
    };
    uint64_t pages = mappings[args.mapping].pages;

    args.first = next_random(seed, (uint32_t)pages);
    args.pages = 1 + next_random(seed, next_random(seed, 4) ? 60 : 900);
    args.pages = MIN(args.pages, pages - args.first);
    return args;
}

/* ---- comparing ---- */

/* Frame records are all there is to say of lists, folios and map counts. */
static void
ck_assert_same_machine(const struct machine *a, const struct machine *b)
{
    uint64_t pfn = 0;

    ck_assert_mem_eq(&a->counters, &b->counters, sizeof(a->counters));
    ck_assert_mem_eq(a->charges, b->charges, sizeof(a->charges));
    ck_assert_mem_eq(a->gauge, b->gauge, sizeof(a->gauge));
    ck_assert_mem_eq(a->peak, b->peak, sizeof(a->peak));
    ck_assert_mem_eq(a->peak_total, b->peak_total, sizeof(a->peak_total));
    ck_assert_mem_eq(a->lru, b->lru, sizeof(a->lru));
    ck_assert_uint_eq(a->mlocked_count, b->mlocked_count);
    while (pfn < a->ram_pages &&
           !memcmp(&a->pages[pfn], &b->pages[pfn], sizeof(struct page)))
        pfn++;
    ck_assert_msg(pfn == a->ram_pages, "frame %d", (int)pfn);
}

static void
ck_assert_same_tables(const struct task *a, const struct task *b)
{
    ck_assert_mem_eq(a->mm->rss_pages, b->mm->rss_pages,
                     sizeof(a->mm->rss_pages));
    for (unsigned i = 0; i < MAPPINGS; i++) {
        uint64_t addr = place_of(i);
        uint64_t end = addr + pages_to_bytes(mappings[i].pages);

        while (addr < end && entry_at(a, addr) == entry_at(b, addr))
            addr += PAGE_BYTES;
        ck_assert_uint_eq(addr, end);
    }
}

static void
ck_assert_same_outcomes(const GArray *a, const GArray *b)
{
    ck_assert_uint_eq(a->len, b->len);
    for (guint i = 0; i < a->len; i++) {
        const struct touch_run *x = &g_array_index(a, struct touch_run, i);
        const struct touch_run *y = &g_array_index(b, struct touch_run, i);

        if (x->outcome != y->outcome || x->pages != y->pages)
            ck_abort_msg("outcome %u", i);
    }
}

static void
ck_assert_same(const struct side *a, const struct side *b)
{
    ck_assert_same_machine(a->machine, b->machine);
    for (unsigned i = 0; i < TASKS; i++)
        ck_assert_same_tables(a->tasks[i], b->tasks[i]);
    for (unsigned i = 0; i < FILES; i++) {
        ck_assert_uint_eq(a->files[i]->cached_pages, b->files[i]->cached_pages);
        ck_assert_mem_eq(&a->files[i]->readahead, &b->files[i]->readahead,
                         sizeof(a->files[i]->readahead));
    }
    ck_assert_same_outcomes(a->runs, b->runs);
}

static void
play(const struct machine_config *config, uint64_t seed)
{
    struct side at_once = side_new(config, false);
    struct side singly = side_new(config, true);

    for (int step = 0; step < STEPS; step++) {
        struct deed_args args = next_deed(&seed);

        carry_out(&at_once, &args);
        carry_out(&singly, &args);
        ck_assert_same(&at_once, &singly);
    }
    side_free(&at_once);
    side_free(&singly);
}

START_TEST(a_range_of_files_touched_at_once_is_its_pages_touched_singly)
{
    int era = _i / SEEDS;
    struct machine_config config = era_config(era, &arch_x86_64, 128 * MIB);

    config.large_folios = _i % 2;
    play(&config, (uint64_t)_i);
}
END_TEST

/* Frames of the warm file appear only when they are used, and reclaim takes
 * pages of files. */
START_TEST(the_same_holds_where_memory_is_short)
{
    int era = _i / SEEDS;
    struct machine_config config = era_config(era, &arch_x86_64, 20 * MIB);

    config.large_folios = _i % 2;
    play(&config, 1000 + (uint64_t)_i);
}
END_TEST

START_TEST(the_same_holds_whatever_finds_a_mapping)
{
    struct machine_config config =
        era_config(KERNEL_FIXTURE_COUNT - 1, &arch_x86_64, 128 * MIB);

    config.policy.rmap = rmap_schemes[_i / SEEDS];
    config.large_folios = _i % 2;
    play(&config, 2000 + (uint64_t)_i);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("fault_runs");
    TCase *tcase = tcase_create("fault_runs");

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(
        tcase, a_range_of_files_touched_at_once_is_its_pages_touched_singly, 0,
        KERNEL_FIXTURE_COUNT * SEEDS);
    tcase_add_loop_test(tcase, the_same_holds_where_memory_is_short, 0,
                        KERNEL_FIXTURE_COUNT * SEEDS);
    tcase_add_loop_test(tcase, the_same_holds_whatever_finds_a_mapping, 0,
                        3 * SEEDS);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
