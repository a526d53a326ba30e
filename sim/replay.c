/*
 * The replay loop: one switch from trace events to calls.
 */
#include "sim/replay.h"

#include "mm/file.h"
#include "mm/machine.h"
#include "sim/check.h"

#include <errno.h>

#define CALL_NS 1000  // functional clock: a call, or a page touched
/* 73 years: clocks stop, so that their sums are numbers of JSON. */
#define CLOCK_MAX_NS (UINT64_C(1) << 61)
#define EXPECT_AHEAD 16  // events: what memory takes, over what one takes

_Static_assert((int)TRACE_PROT_READ == VM_READ &&
                   (int)TRACE_PROT_WRITE == VM_WRITE &&
                   (int)TRACE_PROT_EXEC == VM_EXEC,
               "prot is passed on as it is");
_Static_assert((int)TRACE_ADVICE_COLLAPSE == ADVICE_COLLAPSE,
               "advice is passed on as it is");
_Static_assert((int)TRACE_OUTCOME_COUNT == OUTCOME_COUNT,
               "outcomes are compared as they are");

static const struct trace_detail *
detail_of(const struct replay *replay, const struct trace_event *event)
{
    return trace_detail(replay->window, event);
}

struct replay *
replay_open(const struct trace *trace, const struct setup *setup,
            struct check *check)
{
    struct replay *replay = g_new0(struct replay, 1);

    replay->trace = trace;
    replay->check = check;
    validity_init(&replay->validity, trace);
    replay->machine = machine_create(&setup->config);
    replay->bindings = g_new0(struct binding, trace->bindings->len + 1);
    replay->tasks = g_new0(struct task *, trace->tasks->len + 1);
    replay->files = g_new0(struct file *, trace->files->len + 1);
    replay->mark_counts = g_new(uint64_t, trace->strings->len + 1);
    replay->cursor = trace_cursor_open(trace);
    for (size_t i = 0; i < trace->strings->len; i++)
        replay->mark_counts[i] = UINT64_MAX;  // not the name of a mark
    for (size_t i = 0; i < trace->marks->len; i++)
        replay->mark_counts[g_array_index(trace->marks, uint32_t, i)] = 0;
    for (size_t i = 0; i < trace->files->len; i++) {
        const struct trace_file *file =
            &g_array_index(trace->files, struct trace_file, i);
        replay->files[i] = file_create(replay->machine, file->size_bytes,
                                       file->is_shmem, file->is_cold);
    }
    return replay;
}

void
replay_close(struct replay *replay)
{
    machine_destroy(replay->machine);
    g_free(replay->bindings);
    g_free(replay->tasks);
    g_free(replay->files);
    g_free(replay->mark_counts);
    trace_cursor_close(replay->cursor);
    g_clear_error(&replay->error);
    validity_finish(&replay->validity);
    g_free(replay);
}

uint64_t
replay_task_id(const struct replay *replay, const struct task *task)
{
    uint32_t index = GPOINTER_TO_UINT(task->user);

    return g_array_index(replay->trace->tasks, struct trace_task, index).id;
}

static struct task *
living_task(const struct replay *replay, uint32_t index)
{
    struct task *task = replay->tasks[index];

    return task && task->mm ? task : NULL;
}

/* What a name that always exists stands for, or no name. */
static struct binding
standing_binding(const struct mm *mm, uint32_t binding)
{
    struct binding base = {.is_bound = true};

    if (binding == TRACE_BINDING_HEAP) {
        base.address = mm->brk_start;
        base.length = mm->brk - mm->brk_start;
    } else if (binding == TRACE_BINDING_STACK) {
        base.address = mm->stack_top - mm->rlimit_stack;
        base.length = mm->rlimit_stack;
    }
    return base;
}

/* false: the name was never bound in this run. */
static inline bool
resolve(const struct replay *replay, const struct mm *mm,
        const struct trace_address *address, uint64_t *result)
{
    const struct binding *base = &replay->bindings[address->binding];
    struct binding standing;

    if (address->binding == TRACE_BINDING_ABSOLUTE ||
        address->binding == TRACE_BINDING_HEAP ||
        address->binding == TRACE_BINDING_STACK) {
        standing = standing_binding(mm, address->binding);
        base = &standing;
    }
    *result =
        base->address +
        (address->from_end ? base->length - address->offset : address->offset);
    return base->is_bound;
}

static uint32_t
mmap_flags(const struct trace_event *event)
{
    static const struct {
        uint32_t from, to;
    } flags[] = {
        {TRACE_SHARED, MM_SHARED},
        {TRACE_NOZERO, MM_NOZERO},
        {TRACE_NORESERVE, MM_NORESERVE},
        {TRACE_POPULATE, MM_POPULATE},
        {TRACE_LOCKED, MM_LOCKED},
        {TRACE_STACK, MM_STACK},
        {TRACE_GROWSDOWN, MM_GROWSDOWN},
        {TRACE_FIXED, MM_FIXED},
        {TRACE_FIXED_NOREPLACE, MM_FIXED_NOREPLACE},
    };
    uint32_t result = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(flags); i++)
        if (event->flags & flags[i].from)
            result |= flags[i].to;
    return result;
}

/* Mappings of the kernel's own pages, which are files with names in brackets:
 * the code is ordinary pages, its data are not. */
static uint32_t
special_flags(const struct replay *replay, uint32_t file)
{
    const char *name = trace_string(
        replay->trace,
        g_array_index(replay->trace->files, struct trace_file, file).name);

    if (name[0] != '[')
        return 0;
    return g_str_has_prefix(name, "[vvar") ? MM_SPECIAL | MM_RAW : MM_SPECIAL;
}

static void
build_mmap(const struct replay *replay, const struct trace_event *event,
           struct call *call)
{
    const struct trace_detail *detail = detail_of(replay, event);

    call->addr = call->new_addr;
    call->flags = mmap_flags(event);
    call->pgoff = bytes_to_pages(detail->file_offset);
    call->pgoff_rest = detail->file_offset & ~PAGE_MASK;
    if (event->op == TRACE_OP_MAP)
        call->flags |= MM_EXEC_IMAGE | MM_FIXED;
    if (event->object == TRACE_NONE)
        return;
    if (event->op == TRACE_OP_MAP)
        call->flags |= special_flags(replay, event->object);
    call->file = replay->files[event->object];
}

static void
build_mremap(const struct replay *replay, const struct trace_event *event,
             struct call *call)
{
    call->new_length = detail_of(replay, event)->new_length;
    if (event->flags & TRACE_MAYMOVE)
        call->flags |= MREMAP_CAN_MOVE;
    if (event->flags & TRACE_FIXED)
        call->flags |= MREMAP_TO_FIXED;
    if (event->flags & TRACE_DONTUNMAP)
        call->flags |= MREMAP_KEEP_OLD;
}

static void
build_touch(const struct replay *replay, const struct trace_event *event,
            struct call *call)
{
    call->access = event->op == TRACE_OP_READ    ? TOUCH_READ
                   : event->op == TRACE_OP_WRITE ? TOUCH_WRITE
                                                 : TOUCH_EXEC;
    call->stride = detail_of(replay, event)->stride;
    call->from_kernel = event->flags & TRACE_KERNEL;
    call->gup = event->flags & TRACE_GUP;
}

static void
build_image(const struct replay *replay, const struct trace_event *event,
            struct call *call)
{
    const struct trace_detail *detail = detail_of(replay, event);
    const uint64_t *key = detail->key;

    call->uid = key[TRACE_KEY_UID];
    call->layout = (struct exec_layout){
        .mmap_base = key[TRACE_KEY_MMAP_BASE],
        .brk = key[TRACE_KEY_BRK],
        .stack_top = key[TRACE_KEY_STACK],
        .rlimit_stack = key[TRACE_KEY_RLIMIT_STACK],
        .rlimit_memlock = key[TRACE_KEY_RLIMIT_MEMLOCK],
        .rlimit_as = key[TRACE_KEY_RLIMIT_AS],
        .has_rlimit_memlock = detail->keys >> TRACE_KEY_RLIMIT_MEMLOCK & 1,
        .has_rlimit_as = detail->keys >> TRACE_KEY_RLIMIT_AS & 1,
    };
}

#define NO_CALL (-1)

/* Which call an event makes. */
static int
call_kind_of(enum trace_op op)
{
    static const int kinds[TRACE_OP_COUNT] = {
        [TRACE_OP_START] = CALL_START,
        [TRACE_OP_EXEC] = CALL_EXEC,
        [TRACE_OP_MMAP] = CALL_MMAP,
        [TRACE_OP_MAP] = CALL_MMAP,
        [TRACE_OP_MUNMAP] = CALL_MUNMAP,
        [TRACE_OP_MPROTECT] = CALL_MPROTECT,
        [TRACE_OP_MREMAP] = CALL_MREMAP,
        [TRACE_OP_MADVISE] = CALL_MADVISE,
        [TRACE_OP_BRK] = CALL_BRK,
        [TRACE_OP_VRANGE] = CALL_VRANGE,
        [TRACE_OP_PURGE] = CALL_PURGE,
        [TRACE_OP_REUSE] = CALL_REUSE,
        [TRACE_OP_GUARD] = CALL_GUARD,
        [TRACE_OP_MLOCK] = CALL_MLOCK,
        [TRACE_OP_MUNLOCK] = CALL_MUNLOCK,
        [TRACE_OP_REMAP_FILE_PAGES] = CALL_REMAP_FILE_PAGES,
        [TRACE_OP_READ] = CALL_TOUCH,
        [TRACE_OP_WRITE] = CALL_TOUCH,
        [TRACE_OP_EXECUTE] = CALL_TOUCH,
        [TRACE_OP_FORK] = CALL_FORK,
        [TRACE_OP_VFORK] = CALL_VFORK,
        [TRACE_OP_THREAD] = CALL_THREAD,
        [TRACE_OP_EXIT] = CALL_EXIT,
        [TRACE_OP_EXIT_GROUP] = CALL_EXIT_GROUP,
        [TRACE_OP_SETUID] = CALL_SETUID,
        [TRACE_OP_PTRACE] = CALL_PTRACE,
        [TRACE_OP_FILE] = NO_CALL,
        [TRACE_OP_EXPECT] = NO_CALL,
        [TRACE_OP_HOG] = NO_CALL,
        [TRACE_OP_WAIT] = NO_CALL,
        [TRACE_OP_WORK] = NO_CALL,
        [TRACE_OP_KWORK] = NO_CALL,
        [TRACE_OP_SLEEP] = NO_CALL,
        [TRACE_OP_MARK] = NO_CALL,
        [TRACE_OP_BARRIER] = NO_CALL,
    };

    return kinds[op];
}

/* The call of an event; false: the event makes none. */
static bool
build_call(const struct replay *replay, const struct trace_event *event,
           struct call *call)
{
    int kind = call_kind_of((enum trace_op)event->op);

    if (kind == NO_CALL)
        return false;
    call->kind = (enum call_kind)kind;
    call->prot = event->prot;
    call->advice = (enum advice)event->advice;
    call->nozero = event->flags & TRACE_NOZERO;
    call->is_volatile = event->flags & TRACE_VOLATILE;
    switch ((int)call->kind) {
    case CALL_START:
    case CALL_EXEC:
        build_image(replay, event, call);
        break;
    case CALL_MMAP:
        build_mmap(replay, event, call);
        break;
    case CALL_MREMAP:
        build_mremap(replay, event, call);
        break;
    case CALL_TOUCH:
        build_touch(replay, event, call);
        break;
    case CALL_REMAP_FILE_PAGES:
        call->pgoff = detail_of(replay, event)->file_offset;
        break;
    case CALL_SETUID:
        call->uid = event->length;
        break;
    case CALL_PTRACE:
        call->target = living_task(replay, event->object);
        return call->target != NULL;
    default:
        break;
    }
    return true;
}

/* What a name means after a call that should have bound it. */
static void
bind(struct replay *replay, const struct trace_event *event,
     const struct operation *op)
{
    const struct trace_detail *detail = detail_of(replay, event);
    struct binding *binding;
    const struct binding *before = NULL;

    if (detail->binds == TRACE_NONE)
        return;
    binding = &replay->bindings[detail->binds];
    if (detail->rebinds != TRACE_NONE)
        before = &replay->bindings[detail->rebinds];
    bool succeeded = op && op->result >= 0;
    if (succeeded && event->op == TRACE_OP_MREMAP &&
        !(event->flags & TRACE_AS) && before &&
        before->address != op->call->addr)
        succeeded = false;  // a range inside: the name keeps its meaning
    if (succeeded)
        *binding = (struct binding){
            .address = (uint64_t)op->result,
            .length = event->op == TRACE_OP_MREMAP ? op->call->new_length
                                                   : op->call->length,
            .is_bound = true,
        };
    else
        *binding = before ? *before : (struct binding){0};
}

static void
skip(struct replay *replay, const struct trace_event *event)
{
    replay->machine->counters.event_skipped_count++;
    bind(replay, event, NULL);
}

static uint64_t
touched_pages(const struct operation *op)
{
    uint64_t pages = 0;

    for (size_t i = 0; i < OUTCOME_COUNT; i++)
        pages += op->touch.outcome_pages[i];
    return pages;
}

static void
add_ns(uint64_t *clock_ns, uint64_t ns)
{
    *clock_ns += MIN(ns, CLOCK_MAX_NS - *clock_ns);
}

static void
advance_clock(struct replay *replay, uint64_t ns)
{
    if (!replay->trace->has_times)
        add_ns(&replay->machine->now_ns, ns);
}

/* A new task: its entry, and what it inherits for --check. */
static void
adopt_child(struct replay *replay, const struct trace_event *event,
            struct operation *op)
{
    uint32_t index = event->op == TRACE_OP_START ? event->task : event->object;

    if (!op->child)
        return;
    op->child->user = GUINT_TO_POINTER(index);
    replay->tasks[index] = op->child;
}

static void
finish_call(struct replay *replay, const struct trace_event *event,
            struct operation *op)
{
    if (op->call->kind == CALL_TOUCH) {
        advance_clock(replay, CALL_NS * touched_pages(op));
    } else {
        if (op->result < 0)
            replay->machine->counters.event_failed_count++;
        if (op->is_syscall)
            advance_clock(replay, CALL_NS);
        if (op->result >= 0)
            adopt_child(replay, event, op);
        bind(replay, event, op);
    }
}

static void
run_call(struct replay *replay, const struct trace_event *event,
         struct task *task, const struct call *call)
{
    struct operation op;

    op.touch.report.runs = NULL;
    op.touch.report.observe = NULL;
    op.touch.report.observe_data = NULL;
    if ((replay->check || replay->observer) && call->kind == CALL_TOUCH) {
        op.touch.report.runs =
            replay->check ? replay->check->runs : replay->observer->runs;
        g_array_set_size(op.touch.report.runs, 0);
    }
    if (replay->check)
        check_begin(replay->check, task ? task->mm : NULL, call);
    operation_begin(&op, replay->machine, task, call);
    operation_run(&op);
    finish_call(replay, event, &op);
    if (replay->check)
        check_result(replay->check, replay,
                     task       ? task->mm
                     : op.child ? op.child->mm
                                : NULL,
                     &op);
    if (replay->observer)
        replay->observer->call(replay->observer->data, &op);
    operation_finish(&op);
}

/* Events that only keep books. */
static void
run_book_event(struct replay *replay, const struct trace_event *event)
{
    if (replay->check)
        check_passage(replay->check, event);
    if (event->op == TRACE_OP_WORK) {
        add_ns(&replay->user_ns, event->length);
        advance_clock(replay, event->length);
    } else if (event->op == TRACE_OP_KWORK) {
        add_ns(&replay->kwork_ns, event->length);
    } else if (event->op == TRACE_OP_MARK) {
        replay->mark_counts[event->object]++;
    }
}

static void
run_machine_event(struct replay *replay, const struct trace_event *event)
{
    if (event->op == TRACE_OP_HOG)
        machine_hog(replay->machine, event->length);
    else if (event->op == TRACE_OP_EXPECT && replay->check)
        check_expect(replay->check, replay);
}

/* Which CPU carries the event out. */
static unsigned
cpu_of(const struct replay *replay, const struct trace_event *event,
       uint32_t serial)
{
    uint32_t count = replay->machine->config.cpu_count;

    return (event->flags & TRACE_HAS_CPU ? event->cpu : serial) % count;
}

static bool
is_touch(const struct trace_event *event)
{
    return event->op == TRACE_OP_READ || event->op == TRACE_OP_WRITE ||
           event->op == TRACE_OP_EXECUTE;
}

/* The most frequent event of all, a touch of one page: mostly there is nothing
 * to build and nothing to report. */
static bool
touch_one_page(struct replay *replay, const struct trace_event *event)
{
    enum touch_access access = event->op == TRACE_OP_WRITE  ? TOUCH_WRITE
                               : event->op == TRACE_OP_READ ? TOUCH_READ
                                                            : TOUCH_EXEC;
    struct task *task = living_task(replay, event->task);
    uint64_t addr;

    if (replay->check || replay->observer || event->length == 0 ||
        (event->flags & TRACE_GUP) || !task ||
        !resolve(replay, task->mm, &event->address, &addr) ||
        (addr & ~PAGE_MASK) + event->length > PAGE_BYTES)
        return false;
    task->cpu = cpu_of(replay, event, task->serial);
    if (!touch_one(task, addr, access))
        return false;
    advance_clock(replay, CALL_NS);
    return true;
}

/* The page that an event soon to come touches. */
static void
expect_touch(const struct replay *replay, const struct trace_event *event)
{
    const struct task *task;
    uint64_t addr;

    if (event->task == TRACE_NONE || !is_touch(event))
        return;
    task = living_task(replay, event->task);
    if (task && resolve(replay, task->mm, &event->address, &addr))
        touch_expect(task->mm, addr);
}

static void
run_call_event(struct replay *replay, const struct trace_event *event)
{
    struct task *task = NULL;
    struct call call = {.length = event->length};
    uint32_t created = replay->machine->task_created_count;

    if (event->op == TRACE_OP_START) {
        call.cpu = cpu_of(replay, event, created);
    } else {
        task = living_task(replay, event->task);
        if (!task || !resolve(replay, task->mm, &event->address, &call.addr) ||
            (event->flags & TRACE_AT &&
             !resolve(replay, task->mm, &detail_of(replay, event)->at,
                      &call.new_addr))) {
            skip(replay, event);
            return;
        }
        task->cpu = cpu_of(replay, event, task->serial);
        call.cpu = created % replay->machine->config.cpu_count;
    }
    if (build_call(replay, event, &call))
        run_call(replay, event, task, &call);
    else
        run_book_event(replay, event);
}

static void
run_task_event(struct replay *replay, const struct trace_event *event)
{
    if (!is_touch(event) || !touch_one_page(replay, event))
        run_call_event(replay, event);
}

/* The event to be carried out next; NULL with replay->error. */
static const struct trace_event *
fetch_event(struct replay *replay)
{
    while (replay->next_event >= replay->window_end) {
        replay->window = trace_cursor_next(replay->cursor, &replay->error);
        if (!replay->window)
            return NULL;
        replay->window_end =
            replay->window->first_event + replay->window->events->len;
        if (replay->check)
            replay->check->window = replay->window;
    }
    return &g_array_index(replay->window->events, struct trace_event,
                          replay->next_event - replay->window->first_event);
}

void
replay_run(struct replay *replay, uint64_t event_end, uint64_t until_ns)
{
    struct machine *machine = replay->machine;
    uint64_t end = MIN(event_end, replay->trace->event_count);

    for (; replay->next_event < end && machine->now_ns < until_ns;
         replay->next_event++) {
        const struct trace_event *event = fetch_event(replay);
        if (!event)
            return;
        if (replay->next_event + EXPECT_AHEAD < replay->window_end)
            expect_touch(replay, event + EXPECT_AHEAD);
        if (machine->kswapd_wanted)
            machine_run_daemons(machine);
        if (event->flags & TRACE_HAS_TIME && replay->trace->has_times)
            machine->now_ns =
                MAX(machine->now_ns, MIN(event->start_ns, CLOCK_MAX_NS));
        if (event->task == TRACE_NONE)
            run_machine_event(replay, event);
        else
            run_task_event(replay, event);
        if (replay->validity.is_watched)
            validity_watch(&replay->validity, machine, replay->window, event,
                           replay->next_event);
        if (MM_DEEP_CHECKS)
            machine_validate(machine);
    }
}
