/*
 * Every read returns what the reference interpreter says, under every policy.
 *
 * Seeded random programs of up to four processes map, protect, fork, move,
 * drop, guard and touch pages of one arena; after each call the machine is
 * validated, and every access is compared: refused or not, and the tag that a
 * read returned.  A policy changes cost, not meaning.
 */
#include "eras.h"
#include "reference.h"

#include "mm/policy.h"
#include "tests/run_suite.h"

#include <check.h>
#include <errno.h>

#define ARENA      UINT64_C(0x10000000)
#define PROCESSES  4
#define OPERATIONS 400

struct process {
    struct task *task;  // NULL: free
    struct ref_aspace ref;
};

struct world {
    struct machine *machine;
    struct ref_world *ref;
    struct process processes[PROCESSES];
    struct process *reader;  // of the access in flight
    uint64_t random;
    bool never_clears;
    unsigned mismatch_count;
};

static uint32_t
draw(struct world *world, uint32_t bound)
{
    uint64_t z = world->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((z ^ (z >> 31)) % bound);
}

static uint64_t
addr_of(unsigned page)
{
    return ARENA + pages_to_bytes(page);
}

static void
observe(void *data, uint64_t addr, uint32_t tag)
{
    struct world *world = data;
    unsigned page = (unsigned)bytes_to_pages(addr - ARENA);

    if (!ref_may_read(world->ref, &world->reader->ref, page, tag,
                      world->never_clears))
        world->mismatch_count++;
}

/* Touch a range page by page in the model, in one call in the simulator. */
static void
access_range(struct world *world, struct process *process, unsigned first,
             unsigned count, bool write)
{
    struct operation op = {0};
    uint32_t tag = write ? ref_new_tag(world->ref, process->ref.uid) : 0;
    struct call call = touch_call(write ? TOUCH_WRITE : TOUCH_READ,
                                  addr_of(first), pages_to_bytes(count), tag);
    uint64_t refused = 0;

    world->reader = process;
    op.touch.report.observe = observe;
    op.touch.report.observe_data = world;
    operation_begin(&op, world->machine, process->task, &call);
    operation_run(&op);
    operation_finish(&op);
    for (unsigned i = first; i < first + count; i++)
        if (ref_is_refused(&process->ref, i, write))
            refused++;
        else if (write)
            ref_write(world->ref, &process->ref, i, tag);
    ck_assert_uint_eq(op.touch.outcome_pages[OUTCOME_SEGV], refused);
    ck_assert_uint_eq(world->mismatch_count, 0);
}

static void
map_range(struct world *world, struct process *process, unsigned first,
          unsigned count)
{
    bool writable = draw(world, 4) > 0, shared = draw(world, 5) == 0;
    bool nozero = draw(world, 2);
    uint32_t flags =
        MM_FIXED | (shared ? MM_SHARED : 0) | (nozero ? MM_NOZERO : 0);
    struct call call = {
        .kind = CALL_MMAP,
        .addr = addr_of(first),
        .length = pages_to_bytes(count),
        .prot = VM_READ | (writable ? VM_WRITE : 0),
        .flags = flags,
    };

    if (run_call(world->machine, process->task, &call) > 0)
        ref_map(world->ref, &process->ref, first, count, writable, shared,
                nozero && !shared);
}

static bool
all_mapped(const struct process *process, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++)
        if (!process->ref.pages[i].is_mapped)
            return false;
    return true;
}

/* One mapping of one kind: mremap moves no more. */
static bool
is_uniform(const struct process *process, unsigned first, unsigned count)
{
    const struct ref_page *head = &process->ref.pages[first];

    for (unsigned i = 1; i < count; i++) {
        const struct ref_page *page = &process->ref.pages[first + i];

        if (!page->is_mapped || page->is_shared != head->is_shared ||
            page->is_writable != head->is_writable ||
            page->is_readable != head->is_readable)
            return false;
    }
    return head->is_mapped;
}

static void
move_range(struct world *world, struct process *process, unsigned first,
           unsigned count)
{
    unsigned to = draw(world, REF_PAGES - count + 1);
    struct call call = {
        .kind = CALL_MREMAP,
        .addr = addr_of(first),
        .length = pages_to_bytes(count),
        .new_length = pages_to_bytes(count),
        .new_addr = addr_of(to),
        .flags = MREMAP_CAN_MOVE | MREMAP_TO_FIXED,
    };

    if ((to < first + count && first < to + count) ||
        !is_uniform(process, first, count))
        return;
    if (run_call(world->machine, process->task, &call) > 0)
        ref_move(&process->ref, first, to, count);
}

static void
advise(struct world *world, struct process *process, unsigned first,
       unsigned count)
{
    static const enum advice choices[] = {ADVICE_DONTNEED, ADVICE_FREE,
                                          ADVICE_GUARD_INSTALL,
                                          ADVICE_GUARD_REMOVE};
    enum advice advice = choices[draw(world, G_N_ELEMENTS(choices))];
    struct call call = {
        .kind = CALL_MADVISE,
        .addr = addr_of(first),
        .length = pages_to_bytes(count),
        .advice = advice,
    };

    /* A hole or a kernel without the call: not what is tested here. */
    call.length = 0;
    if (!all_mapped(process, first, count) ||
        run_call(world->machine, process->task, &call) == -EINVAL)
        return;
    call.length = pages_to_bytes(count);
    run_call(world->machine, process->task, &call);
    if (advice == ADVICE_DONTNEED)
        ref_dontneed(&process->ref, first, count);
    else if (advice == ADVICE_FREE)
        ref_free(&process->ref, first, count);
    else
        ref_guard(&process->ref, first, count, advice == ADVICE_GUARD_INSTALL);
}

static void
fork_process(struct world *world, struct process *process)
{
    for (unsigned i = 0; i < PROCESSES; i++) {
        struct process *child = &world->processes[i];

        if (child->task)
            continue;
        child->task = fork_task(process->task, draw(world, 2));
        if (child->task)
            ref_fork(&child->ref, &process->ref);
        return;
    }
}

static void
exit_process(struct world *world, struct process *process)
{
    unsigned living = 0;

    for (unsigned i = 0; i < PROCESSES; i++)
        living += world->processes[i].task != NULL;
    if (living == 1)
        return;
    run_call(world->machine, process->task, &(struct call){.kind = CALL_EXIT});
    process->task = NULL;
}

static void
one_operation(struct world *world)
{
    struct process *process = &world->processes[draw(world, PROCESSES)];
    unsigned first = draw(world, REF_PAGES);
    unsigned count = 1 + draw(world, MIN(12, REF_PAGES - first));

    if (!process->task)
        return;
    switch (draw(world, 16)) {
    case 0:
    case 1:
        map_range(world, process, first, count);
        break;
    case 2:
        memory_call(process->task, CALL_MUNMAP, addr_of(first),
                    pages_to_bytes(count));
        ref_unmap(&process->ref, first, count);
        break;
    case 3: {
        bool writable = draw(world, 2), readable = draw(world, 4) > 0;
        struct call call = {
            .kind = CALL_MPROTECT,
            .addr = addr_of(first),
            .length = pages_to_bytes(count),
            .prot =
                readable || writable ? VM_READ | (writable ? VM_WRITE : 0) : 0,
        };
        run_call(world->machine, process->task, &call);
        ref_protect(&process->ref, first, count, readable || writable,
                    writable);
        break;
    }
    case 4:
        advise(world, process, first, count);
        break;
    case 5:
        move_range(world, process, first, count);
        break;
    case 6:
        fork_process(world, process);
        break;
    case 7:
        exit_process(world, process);
        break;
    default:
        access_range(world, process, first, count, draw(world, 2));
        break;
    }
}

/* One random program on one machine; nothing may be left at its end. */
static void
run_program(const struct machine_config *config, uint64_t seed)
{
    struct world world = {
        .machine = machine_create(config),
        .ref = g_new0(struct ref_world, 1),
        .random = seed,
        .never_clears = config->policy.clear == CLEAR_NEVER,
    };

    for (unsigned i = 0; i < 2; i++) {
        world.processes[i].task = start_task(world.machine, 1000 + i);
        world.processes[i].ref.uid = 1000 + i;
    }
    for (unsigned i = 0; i < OPERATIONS; i++) {
        one_operation(&world);
        machine_validate(world.machine);
    }
    if (config->policy.clear != CLEAR_NEVER)
        ck_assert_uint_eq(world.machine->counters.leak_page_count, 0);
    while (world.machine->tasks)
        run_call(world.machine, world.machine->tasks,
                 &(struct call){.kind = CALL_EXIT});
    machine_validate(world.machine);
    machine_destroy(world.machine);
    g_free(world.ref);
}

#define SMALL (16 * MIB)

START_TEST(every_era_shows_programs_what_they_wrote)
{
    struct machine_config config = era_config(_i, &arch_x86_64, SMALL);

    for (uint64_t seed = 1; seed <= 6; seed++)
        run_program(&config, seed);
}
END_TEST

/* One axis away from each era, every built value. */
START_TEST(no_value_of_any_axis_changes_what_is_read)
{
    for (const struct policy_axis *axis = policy_axes; axis->name; axis++)
        for (size_t value = 0; axis->values[value].name; value++) {
            struct machine_config config = era_config(_i, &arch_x86_64, SMALL);

            if (axis->values[value].nearest)
                continue;
            axis->set(&config.policy, value);
            if (policy_refusal(&config.policy))
                continue;
            run_program(&config, 100 + value);
        }
}
END_TEST

START_TEST(both_i386_geometries_read_the_same)
{
    struct machine_config config = era_config(_i, &arch_i386, SMALL);

    run_program(&config, 7);
    config.arch = &arch_i386_pae;
    run_program(&config, 7);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("reference");
    TCase *tcase = tcase_create("programs");

    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, every_era_shows_programs_what_they_wrote, 0,
                        KERNEL_FIXTURE_COUNT);
    tcase_add_loop_test(tcase, no_value_of_any_axis_changes_what_is_read, 0,
                        KERNEL_FIXTURE_COUNT);
    tcase_add_loop_test(tcase, both_i386_geometries_read_the_same, 0,
                        KERNEL_FIXTURE_COUNT);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
