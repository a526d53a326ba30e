/*
 * The comparison loop: an observer of the replay that makes a worker do every
 * call, and what is compared afterwards.
 */
#include "sim/verify.h"

#include "mm/file.h"
#include "mm/lru.h"
#include "mm/machine.h"
#include "sim/error.h"
#include "sim/replay.h"
#include "sim/verify_coverage.h"
#include "sim/verify_host.h"
#include "sim/verify_state.h"
#include "sim/verify_syscall.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WORKER_COUNT_MAX    512
#define INITIAL_STACK_PAGES 33
#define TASK_BYTES          (UINT64_C(1) << 47)

struct verify {
    struct replay *replay;
    struct host *host;
    struct state_reader reader;
    struct replay_observer observer;
    const struct verify_wishes *wishes;
    GPtrArray *workers;       // struct worker *, by task serial; NULL: gone
    GArray *refusals;         // struct host_refusal: of the current touch
    struct host_file *files;  // by trace file
    uint64_t memory_limit_bytes;
    struct mm_counters before;
    struct host_faults faults_before;  // of the acting worker
    GString *difference;
    GError *error;  // the host cannot go on
};

/* ---- calls ---- */

static int
file_of(const struct verify *verify, const struct file *file)
{
    for (size_t i = 0; file && i < verify->replay->trace->files->len; i++)
        if (verify->replay->files[i] == file)
            return verify->files[i].fd;
    return -1;
}

static void
append_result(GString *out, int64_t result)
{
    if (result < 0)
        g_string_append(out, g_strerror((int)-result));
    else
        g_string_append_printf(out, "0x%" PRIx64, (uint64_t)result);
}

static void
compare_result(struct verify *verify, int64_t host, int64_t simulated)
{
    if (host == simulated)
        return;
    g_string_append(verify->difference, "results differ: host ");
    append_result(verify->difference, host);
    g_string_append(verify->difference, ", simulated ");
    append_result(verify->difference, simulated);
    g_string_append_c(verify->difference, '\n');
}

/* The stack of a new image goes when the image is told in full. */
static bool
drop_default_stack(struct verify *verify, struct worker *worker,
                   const struct mm *mm)
{
    const uint64_t bytes = INITIAL_STACK_PAGES * PAGE_BYTES;
    const uint64_t args[6] = {mm->stack_top - bytes, bytes};
    int64_t result;

    return vma_intersect(mm, mm->stack_top - bytes, mm->stack_top) ||
           host_call(worker, SYS_munmap, args, &result, &verify->error);
}

/* vdso and its data are moved to their places rather than mapped. */
static bool
place_special(struct verify *verify, struct worker *worker,
              const struct operation *op, bool *is_placed)
{
    const struct trace *trace = verify->replay->trace;
    const struct call *call = op->call;

    *is_placed = false;
    for (size_t i = 0; i < trace->files->len; i++) {
        const char *name = trace_string(
            trace, g_array_index(trace->files, struct trace_file, i).name);
        if (verify->replay->files[i] == call->file)
            return host_place_special(worker, name, call->length, call->addr,
                                      is_placed, &verify->error);
    }
    return true;
}

static bool
map_image_part(struct verify *verify, struct worker *worker,
               const struct operation *op, bool *is_placed)
{
    *is_placed = false;
    return drop_default_stack(verify, worker, op->task->mm) &&
           (!(op->call->flags & MM_SPECIAL) ||
            place_special(verify, worker, op, is_placed));
}

/* What reaches them would end the worker, or differ because they are there. */
static bool
spares_own_pages(struct verify *verify, const struct worker *worker,
                 struct host_range range)
{
    range.start = page_floor(range.start);
    if (range.start >= range.end || !host_owns(worker, range.start, range.end))
        return true;
    return sim_fail(&verify->error, SIM_ERROR_FAILED,
                    "event %" PRIu64 " reaches addresses where verify has code "
                    "of its own (0x%" PRIx64 "): not carried out",
                    verify->replay->next_event + 1, HOST_CODE_ADDR);
}

static bool
do_syscall(struct verify *verify, struct worker *worker,
           const struct operation *op)
{
    struct host_syscall call =
        host_syscall_of(op, file_of(verify, op->call->file));
    struct host_range ranges[2];
    bool is_placed = false;
    int64_t result;

    if (call.number < 0)
        return true;
    for (size_t i = host_syscall_ranges(&call, ranges); i-- > 0;)
        if (!spares_own_pages(verify, worker, ranges[i]))
            return false;
    if (op->call->kind == CALL_MMAP && (op->call->flags & MM_EXEC_IMAGE) &&
        !map_image_part(verify, worker, op, &is_placed))
        return false;
    if (is_placed)
        return true;
    if (!host_call(worker, call.number, call.args, &result, &verify->error))
        return false;
    if (op->call->kind == CALL_BRK)
        result = (uint64_t)result == call.args[0] ? 0 : -ENOMEM;
    compare_result(verify, result, op->result);
    return true;
}

/* ---- touches ---- */

static enum host_access
host_access_of(const struct call *call)
{
    bool is_write = call->access == TOUCH_WRITE;

    if (call->from_kernel)
        return is_write ? HOST_KERNEL_WRITE : HOST_KERNEL_READ;
    return is_write                     ? HOST_WRITE
           : call->access == TOUCH_READ ? HOST_READ
                                        : HOST_EXECUTE;
}

/* Whether the host refused the page, too; *next: of its refusals. */
static bool
refusal_agrees(const struct verify *verify, const struct operation *op,
               uint64_t index, enum touch_outcome outcome, guint *next)
{
    const struct host_refusal *refusal = NULL;

    if (*next < verify->refusals->len)
        refusal = &g_array_index(verify->refusals, struct host_refusal, *next);
    bool is_refused = outcome == OUTCOME_SEGV || outcome == OUTCOME_BUS;
    if (!refusal || refusal->index != index)
        return !is_refused;
    ++*next;
    return is_refused && (op->call->from_kernel ||
                          refusal->is_bus == (outcome == OUTCOME_BUS));
}

static void
compare_refusals(struct verify *verify, const struct operation *op,
                 const GArray *runs)
{
    uint64_t index = 0;
    guint next = 0;

    for (guint i = 0; i < runs->len; i++) {
        const struct touch_run *run = &g_array_index(runs, struct touch_run, i);
        for (uint64_t end = index + run->pages; index < end; index++) {
            if (refusal_agrees(verify, op, index, run->outcome, &next))
                continue;
            g_string_append_printf(
                verify->difference,
                "page %" PRIu64 " of the touch: only one side refuses it, or "
                "with another signal; simulated: %s\n",
                index, trace_outcome_word((enum trace_outcome)run->outcome));
            return;
        }
    }
}

static uint64_t
run_pages(const GArray *runs)
{
    uint64_t pages = 0;

    for (guint i = 0; i < runs->len; i++)
        pages += g_array_index(runs, struct touch_run, i).pages;
    return pages;
}

static struct host_range
touched_range(uint64_t start, uint64_t stride, uint64_t count)
{
    uint64_t bytes;

    if (__builtin_mul_overflow(stride, count, &bytes) ||
        bytes > UINT64_MAX - start)
        bytes = UINT64_MAX - start;
    return (struct host_range){start, start + bytes};
}

static bool
do_touch(struct verify *verify, struct worker *worker,
         const struct operation *op)
{
    const struct call *call = op->call;
    bool is_dense = call->stride == 0 || call->stride == PAGE_BYTES;
    uint64_t start = is_dense ? page_floor(call->addr) : call->addr;
    uint64_t stride = is_dense ? PAGE_BYTES : call->stride;
    uint64_t count = run_pages(verify->observer.runs);

    if (!spares_own_pages(verify, worker, touched_range(start, stride, count)))
        return false;
    if (call->gup) {
        const uint64_t args[6] = {page_floor(call->addr), pages_to_bytes(count),
                                  call->access == TOUCH_WRITE
                                      ? MADV_POPULATE_WRITE
                                      : MADV_POPULATE_READ};
        int64_t result;
        return host_call(worker, SYS_madvise, args, &result, &verify->error);
    }
    g_array_set_size(verify->refusals, 0);
    if (!host_touch(worker, host_access_of(call), start, stride, count,
                    verify->refusals, &verify->error))
        return false;
    compare_refusals(verify, op, verify->observer.runs);
    return true;
}

/* ---- life ---- */

static struct worker *
worker_of(const struct verify *verify, const struct task *task)
{
    return task && task->serial < verify->workers->len
               ? verify->workers->pdata[task->serial]
               : NULL;
}

static void
set_worker(struct verify *verify, const struct task *task,
           struct worker *worker)
{
    if (task->serial >= verify->workers->len)
        g_ptr_array_set_size(verify->workers, (gint)task->serial + 1);
    verify->workers->pdata[task->serial] = worker;
}

/* The mappings that a new image begins with: the stack, if any. */
static bool
map_image(struct verify *verify, struct worker *worker, const struct mm *mm)
{
    for (const struct vma *vma = mm->first; vma; vma = vma->next) {
        const uint64_t args[6] = {
            vma->start,
            vma->end - vma->start,
            vma->flags & VM_ACCESS,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED |
                (vma->flags & VM_GROWSDOWN ? MAP_GROWSDOWN : 0),
            UINT64_MAX,
            0};
        int64_t result;
        if (!host_call(worker, SYS_mmap, args, &result, &verify->error))
            return false;
    }
    return true;
}

static bool
has_specials(const struct trace *trace)
{
    for (size_t i = 0; i < trace->files->len; i++)
        if (trace_string(
                trace,
                g_array_index(trace->files, struct trace_file, i).name)[0] ==
            '[')
            return true;
    return false;
}

static bool
start_worker(struct verify *verify, const struct task *task)
{
    const struct mm *mm = task->mm;
    const struct host_layout layout = {
        .mmap_base = mm->mmap_base,
        .brk_start = mm->brk_start,
        .rlimit_stack = mm->rlimit_stack,
        .rlimit_memlock = mm->rlimit_memlock,
        .rlimit_as = mm->rlimit_as,
        .uid = task->uid,
        .keeps_specials = has_specials(verify->replay->trace),
    };
    struct worker *worker = host_start(verify->host, &layout, &verify->error);

    set_worker(verify, task, worker);
    return worker && map_image(verify, worker, mm);
}

static bool
fork_worker(struct verify *verify, struct worker *worker,
            const struct operation *op)
{
    int64_t result = -EAGAIN;
    struct worker *child =
        host_fork(verify->host, worker, op->call->kind != CALL_FORK, &result,
                  &verify->error);

    if (verify->error)
        return false;
    compare_result(verify, result, op->result < 0 ? op->result : 0);
    if (child && op->child)
        set_worker(verify, op->child, child);
    else if (child)
        return host_exit(verify->host, child, &verify->error);
    return true;
}

/* Workers whose tasks are gone follow them. */
static bool
end_workers(struct verify *verify)
{
    for (guint serial = 0; serial < verify->workers->len; serial++) {
        struct worker *worker = verify->workers->pdata[serial];
        const struct task *task = verify->replay->machine->tasks;
        while (worker && task && task->serial != serial)
            task = task->next;
        if (!worker || task)
            continue;
        verify->workers->pdata[serial] = NULL;
        if (!host_exit(verify->host, worker, &verify->error))
            return false;
    }
    return true;
}

static bool
exec_worker(struct verify *verify, struct worker *worker,
            const struct operation *op)
{
    return host_exit(verify->host, worker, &verify->error) &&
           start_worker(verify, op->task) && end_workers(verify);
}

/* ---- comparison ---- */

/* What getrusage() would show of a simulated machine with one process:
 * exceptions that were resolved, and populating. */
static struct host_faults
simulated_faults(const struct mm_counters *counters)
{
    uint64_t all = counters->fault_count - counters->fault_segv_count -
                   counters->fault_bus_count + counters->populate_fault_count +
                   counters->fault_spurious_count;

    return (struct host_faults){
        .minor = all - counters->fault_major_count,
        .major = counters->fault_major_count,
    };
}

/* Whoever populates a mapping counts no major faults here (his are not among
 * those that the counters describe): then only the sum is compared. */
static void
compare_faults(struct verify *verify, const struct worker *worker,
               bool is_touch)
{
    struct host_faults now =
        simulated_faults(&verify->replay->machine->counters);
    struct host_faults before = simulated_faults(&verify->before);
    struct host_faults host = {
        worker->faults.minor - verify->faults_before.minor,
        worker->faults.major - verify->faults_before.major,
    };
    struct host_faults simulated = {
        now.minor - before.minor,
        now.major - before.major,
    };

    if (host.minor + host.major != simulated.minor + simulated.major ||
        (is_touch && host.major != simulated.major))
        g_string_append_printf(
            verify->difference,
            "faults differ: host %" PRIu64 " and %" PRIu64
            " major, simulated %" PRIu64 " and %" PRIu64 "\n",
            host.minor, host.major, simulated.minor, simulated.major);
}

/* Whether an older task shares the address space: it was compared already. */
static bool
is_compared(const struct task *task)
{
    for (const struct task *older = task->prev; older; older = older->prev)
        if (older->mm == task->mm)
            return true;
    return false;
}

/* The first pages that are in memory on one side alone. */
static void
append_residency(GString *out, const struct file *file, const char *name,
                 const unsigned char *pages)
{
    uint64_t count = file_size_pages(file), first = 0;

    while (first < count &&
           (pages[first] & 1) == file_page_is_cached(file, first))
        first++;
    uint64_t end = first;
    while (end < count && (pages[end] & 1) != file_page_is_cached(file, end) &&
           (pages[end] & 1) == (pages[first] & 1))
        end++;
    if (first < end)
        g_string_append_printf(
            out, "pages %" PRIu64 "-%" PRIu64 " of %s are in memory %s\n",
            first, end - 1, name,
            pages[first] & 1 ? "only on the host" : "only in the simulation");
}

/* Which pages of files are in memory, where that can change. */
static bool
compare_files(struct verify *verify)
{
    const struct trace *trace = verify->replay->trace;

    for (size_t i = 0; i < trace->files->len; i++) {
        const struct host_file *host = &verify->files[i];
        const struct file *file = verify->replay->files[i];
        if (!host->pages || host->is_held)
            continue;
        g_autofree unsigned char *pages = g_malloc(file_size_pages(file));
        if (!host_file_residency(host, pages, &verify->error))
            return false;
        append_residency(
            verify->difference, file,
            trace_string(
                trace, g_array_index(trace->files, struct trace_file, i).name),
            pages);
    }
    return true;
}

static bool
compare_states(struct verify *verify, const struct operation *op)
{
    struct machine *machine = verify->replay->machine;

    for (const struct task *task = machine->tasks; task; task = task->next) {
        struct worker *worker = worker_of(verify, task);
        size_t length = verify->difference->len;
        if (!worker || !task->mm || is_compared(task))
            continue;
        if (!state_compare(&verify->reader, worker, task->mm,
                           verify->difference, &verify->error))
            return false;
        bool is_acting = op->task && task->mm == op->task->mm;
        if (length == 0 && verify->difference->len > 0 && !is_acting)
            g_string_append_printf(verify->difference, "in task %" PRIu64 "\n",
                                   replay_task_id(verify->replay, task));
    }
    return true;
}

static bool
carry_out(struct verify *verify, const struct operation *op)
{
    struct worker *worker = worker_of(verify, op->task);

    if (op->call->kind == CALL_START)
        return op->result < 0 || start_worker(verify, op->child);
    if (!worker)
        return sim_fail(&verify->error, SIM_ERROR_FAILED,
                        "a task has no process on the host");
    verify->faults_before = worker->faults;
    switch ((int)op->call->kind) {
    case CALL_TOUCH:
        return do_touch(verify, worker, op);
    case CALL_FORK:
    case CALL_VFORK:
    case CALL_THREAD:
        return fork_worker(verify, worker, op);
    case CALL_EXEC:
        return exec_worker(verify, worker, op);
    case CALL_EXIT:
    case CALL_EXIT_GROUP:
        return end_workers(verify);
    default:
        return do_syscall(verify, worker, op);
    }
}

/* The simulation went first: what it needs, the host is about to need. */
static bool
check_memory(struct verify *verify)
{
    const struct machine *machine = verify->replay->machine;
    uint64_t used =
        machine->gauge[GAUGE_anon_bytes] + machine->gauge[GAUGE_file_bytes];

    if (used > verify->memory_limit_bytes)
        return sim_fail(&verify->error, SIM_ERROR_FAILED,
                        "the trace needs more than a quarter of this host's "
                        "free memory: not carried out");
    if (machine->gauge[GAUGE_task_count] > WORKER_COUNT_MAX)
        return sim_fail(&verify->error, SIM_ERROR_FAILED,
                        "the trace needs more than %d processes at a time: "
                        "not carried out",
                        WORKER_COUNT_MAX);
    return true;
}

static void
count_coverage(struct verify *verify, const struct operation *op)
{
    const struct mm_counters *counters = &verify->replay->machine->counters;

    if (verify->wishes->coverage)
        coverage_call(verify->wishes->coverage, op,
                      counters->fault_zero_break_count -
                          verify->before.fault_zero_break_count);
}

static void
on_call(void *data, const struct operation *op)
{
    struct verify *verify = data;
    bool compares = verify->replay->next_event >= verify->wishes->state_from;

    count_coverage(verify, op);
    if (!check_memory(verify) || !carry_out(verify, op))
        return;
    struct worker *worker = worker_of(verify, op->task);
    if (worker && op->call->kind != CALL_EXEC)
        compare_faults(verify, worker, op->call->kind == CALL_TOUCH);
    if (worker && verify->wishes->meddle)
        verify->wishes->meddle(verify->wishes->meddler,
                               verify->replay->next_event, worker);
    host_drain_batches(verify->host);
    lru_drain(verify->replay->machine, verify->replay->machine->cpu);
    if (compares && compare_states(verify, op))
        compare_files(verify);
}

/* ---- the run ---- */

/* Whether some event asks the kernel to drop pages of files from memory. */
static bool
drops_files(const struct trace *trace)
{
    for (size_t i = 0; i < trace->events->len; i++) {
        const struct trace_event *event =
            &g_array_index(trace->events, struct trace_event, i);
        if (event->op == TRACE_OP_MADVISE && event->advice == ADVICE_PAGEOUT)
            return true;
    }
    return false;
}

static bool
open_files(struct verify *verify)
{
    const struct trace *trace = verify->replay->trace;
    bool may_hold = !drops_files(trace);

    verify->files = g_new0(struct host_file, trace->files->len + 1);
    for (size_t i = 0; i < trace->files->len; i++) {
        const struct trace_file *file =
            &g_array_index(trace->files, struct trace_file, i);
        verify->files[i] = (struct host_file){
            .size_bytes = file->size_bytes,
            .is_shmem = file->is_shmem,
            .is_cold = file->is_cold,
            .is_held = may_hold && !file->is_shmem && !file->is_cold,
        };
        if (!host_add_file(verify->host, &verify->files[i], &verify->error))
            return false;
        if (verify->files[i].is_held)
            g_hash_table_add(verify->reader.held, verify->replay->files[i]);
    }
    return true;
}

/* What locked memory grows by is populated. */
static bool
locks_memory(const struct verify *verify, const struct trace_event *event)
{
    const struct task *task = verify->replay->tasks[event->task];

    return task && task->mm && task->mm->locked_pages > 0;
}

/* What is the machine's or another program's business is not done to a host. */
static bool
check_events(struct verify *verify)
{
    const struct trace *trace = verify->replay->trace;
    bool is_root = geteuid() == 0;

    for (size_t i = 0; i < trace->events->len; i++) {
        const struct trace_event *event =
            &g_array_index(trace->events, struct trace_event, i);
        const char *reason =
            event->op == TRACE_OP_HOG      ? "it takes the host's memory away"
            : event->op == TRACE_OP_PTRACE ? "workers are traced already"
            : event->op == TRACE_OP_SETUID && !is_root
                ? "only root may become another user"
                : NULL;
        if (reason)
            return sim_fail(&verify->error, SIM_ERROR_FAILED,
                            "event %zu: %s is not carried out on a host: %s",
                            i + 1, trace_op_word((enum trace_op)event->op),
                            reason);
    }
    return true;
}

/* Events that may want memory for every page of their length are refused
 * before anybody tries. */
static bool
check_length(struct verify *verify)
{
    const struct trace *trace = verify->replay->trace;
    const struct trace_event *event = &g_array_index(
        trace->events, struct trace_event, verify->replay->next_event);
    uint64_t length = event->length;
    bool is_touch = event->op == TRACE_OP_READ || event->op == TRACE_OP_WRITE ||
                    event->op == TRACE_OP_EXECUTE;

    if (event->op == TRACE_OP_MREMAP)
        length =
            g_array_index(trace->details, struct trace_detail, event->detail)
                .new_length;
    if (event->op == TRACE_OP_MREMAP
            ? !locks_memory(verify, event)
            : !is_touch && event->op != TRACE_OP_MLOCK &&
                  event->op != TRACE_OP_MADVISE &&
                  event->op != TRACE_OP_GUARD &&
                  !(event->flags & (TRACE_POPULATE | TRACE_LOCKED)))
        return true;
    /* Longer than any address space: refused, or ended by a hole. */
    if (length > TASK_BYTES && !is_touch)
        return true;
    return length <= verify->memory_limit_bytes ||
           sim_fail(&verify->error, SIM_ERROR_FAILED,
                    "event %" PRIu64 ": %s may need more than a quarter of "
                    "this host's free memory: not carried out",
                    verify->replay->next_event + 1,
                    trace_op_word((enum trace_op)event->op));
}

/* Until the end, the first difference, or an error. */
static void
run_events(struct verify *verify)
{
    struct replay *replay = verify->replay;
    size_t count = replay->trace->events->len;

    while (replay->next_event < count && verify->difference->len == 0 &&
           !verify->error && check_length(verify)) {
        verify->before = replay->machine->counters;
        replay_run(replay, replay->next_event + 1, UINT64_MAX);
    }
}

static void
fill_result(const struct verify *verify, struct verify_result *result)
{
    const struct replay *replay = verify->replay;

    *result = (struct verify_result){
        .event_count = replay->next_event,
        .differs = verify->difference->len > 0,
        .sees_frames = state_sees_frames(&verify->reader),
    };
    if (!result->differs)
        return;
    result->event = replay->next_event - 1;
    result->line = trace_event_line(replay->trace, result->event);
    result->difference = g_strdup(verify->difference->str);
}

bool
verify_trace(const struct trace *trace, const struct setup *setup,
             const struct verify_wishes *wishes, struct verify_result *result,
             GError **error)
{
    struct verify verify = {.wishes = wishes};
    struct host *host = host_open(error);

    if (!host)
        return false;
    verify.host = host;
    verify.replay = replay_open(trace, setup, NULL);
    verify.observer = (struct replay_observer){
        .runs = g_array_new(FALSE, FALSE, sizeof(struct touch_run)),
        .call = on_call,
        .data = &verify,
    };
    verify.replay->observer = &verify.observer;
    verify.workers = g_ptr_array_new();
    verify.refusals = g_array_new(FALSE, FALSE, sizeof(struct host_refusal));
    verify.difference = g_string_new(NULL);
    verify.memory_limit_bytes = verify_memory_limit_bytes();
    state_open(&verify.reader);
    if (check_events(&verify) && open_files(&verify))
        run_events(&verify);
    fill_result(&verify, result);
    if (wishes->coverage)
        coverage_end_run(wishes->coverage, &verify.replay->machine->merges);
    state_close(&verify.reader);
    g_string_free(verify.difference, TRUE);
    g_array_unref(verify.refusals);
    g_array_unref(verify.observer.runs);
    g_ptr_array_unref(verify.workers);
    g_free(verify.files);
    replay_close(verify.replay);
    host_close(host);
    if (!verify.error)
        return true;
    verify_result_clear(result);
    g_propagate_error(error, verify.error);
    return false;
}

void
verify_result_clear(struct verify_result *result)
{
    g_free(result->difference);
    *result = (struct verify_result){0};
}
