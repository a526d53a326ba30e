/*
 * Workers: starting them, and making them do one thing at a time.
 */
#include "sim/verify_host.h"

#include "mm/types.h"
#include "sim/error.h"
#include "sim/verify_image.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define TASK_SIZE      UINT64_C(0x7ffffffff000)
#define STACK_ROOM_MIN (UINT64_C(128) << 20)
#define STACK_GAP      (UINT64_C(256) << PAGE_SHIFT)
#define FILE_BYTES_MAX (UINT64_C(1) << 30)  // all temporary files together
/* No canonical address: an access raises a fault that is not a page fault. */
#define NOWHERE (UINT64_C(1) << 63)

struct host {
    GPtrArray *workers;     // struct worker *, living
    GArray *files;          // struct host_file
    uint64_t file_bytes;    // of them together
    void *drain_page;       // anonymous, never touched
    cpu_set_t cpus_before;  // where the caller might run
};

/* ---- stops ---- */

static bool
fail_errno(GError **error, const char *what)
{
    return sim_fail(error, SIM_ERROR_FAILED, "worker: %s: %s", what,
                    g_strerror(errno));
}

/* Wait until the worker stops; its status as of wait(). */
static bool
wait_stop(struct worker *worker, int *status, GError **error)
{
    struct rusage usage;

    while (wait4(worker->pid, status, __WALL, &usage) < 0)
        if (errno != EINTR)
            return fail_errno(error, "wait");
    if (!WIFSTOPPED(*status))
        return sim_fail(error, SIM_ERROR_FAILED,
                        "a worker died unexpectedly (status 0x%x)", *status);
    worker->faults = (struct host_faults){
        .minor = (uint64_t)usage.ru_minflt,
        .major = (uint64_t)usage.ru_majflt,
    };
    return true;
}

/* Let the worker run until it stops for anything but the end of a child. */
static bool
resume(struct worker *worker, int *status, GError **error)
{
    do {
        if (ptrace(PTRACE_CONT, worker->pid, NULL, NULL) < 0)
            return fail_errno(error, "continue");
        if (!wait_stop(worker, status, error))
            return false;
    } while (WSTOPSIG(*status) == SIGCHLD || WSTOPSIG(*status) == SIGSTOP);
    return true;
}

static bool
get_registers(const struct worker *worker, struct user_regs_struct *registers,
              GError **error)
{
    return ptrace(PTRACE_GETREGS, worker->pid, NULL, registers) == 0 ||
           fail_errno(error, "read registers");
}

/* Run from the registers on until the worker stops. */
static bool
run_from(struct worker *worker, struct user_regs_struct *registers, int *status,
         GError **error)
{
    registers->orig_rax = UINT64_MAX;  // nothing to restart
    registers->eflags = 0x202;
    if (ptrace(PTRACE_SETREGS, worker->pid, NULL, registers) < 0)
        return fail_errno(error, "set registers");
    return resume(worker, status, error);
}

static bool
expect_breakpoint(int status, GError **error)
{
    return WSTOPSIG(status) == SIGTRAP ||
           sim_fail(error, SIM_ERROR_FAILED, "a worker got signal %d",
                    WSTOPSIG(status));
}

/* ---- calls ---- */

static bool
begin_call(struct worker *worker, long number, const uint64_t args[6],
           int *status, GError **error)
{
    struct user_regs_struct registers;

    if (!get_registers(worker, &registers, error))
        return false;
    registers.rip = worker->code_at + IMAGE_SYSCALL;
    registers.rax = (uint64_t)number;
    registers.rdi = args[0];
    registers.rsi = args[1];
    registers.rdx = args[2];
    registers.r10 = args[3];
    registers.r8 = args[4];
    registers.r9 = args[5];
    return run_from(worker, &registers, status, error);
}

bool
host_call(struct worker *worker, long number, const uint64_t args[6],
          int64_t *result, GError **error)
{
    struct user_regs_struct registers;
    int status;

    if (!begin_call(worker, number, args, &status, error) ||
        !expect_breakpoint(status, error) ||
        !get_registers(worker, &registers, error))
        return false;
    *result = (int64_t)registers.rax;
    return true;
}

/* A call that the sandbox itself needs and that must not fail. */
static bool
must_call(struct worker *worker, const char *what, long number,
          const uint64_t args[6], GError **error)
{
    int64_t result;

    if (!host_call(worker, number, args, &result, error))
        return false;
    if (result >= 0)
        return true;
    return sim_fail(error, SIM_ERROR_FAILED, "worker: %s: %s", what,
                    g_strerror((int)-result));
}

/* ---- touches ---- */

static void
add_refusal(GArray *refusals, uint64_t index, int signal)
{
    struct host_refusal refusal = {index, signal == SIGBUS};

    g_array_append_val(refusals, refusal);
}

/* Reads and writes: the loop goes on behind every page that is refused. */
static bool
touch_data(struct worker *worker, enum image_entry entry, uint64_t start,
           uint64_t stride, uint64_t count, GArray *refusals, GError **error)
{
    struct user_regs_struct registers;
    int status;

    if (!get_registers(worker, &registers, error))
        return false;
    registers.rdi = start;
    registers.rsi = stride;
    registers.rcx = count;
    while (registers.rcx > 0) {
        registers.rip = worker->code_at + entry;
        if (!run_from(worker, &registers, &status, error))
            return false;
        if (WSTOPSIG(status) == SIGTRAP)
            return true;
        if (!get_registers(worker, &registers, error))
            return false;
        add_refusal(refusals, count - registers.rcx, WSTOPSIG(status));
        registers.rdi += stride;
        registers.rcx--;
    }
    return true;
}

/* A place in the page of addr from which sixteen bytes do not leave it: the
 * kernel reads fifteen of an instruction that faults. */
static uint64_t
aligned(uint64_t addr)
{
    return addr & ~UINT64_C(15);
}

/*
 * Fetches: memory of a worker is all zeroes, which is an instruction that
 * writes to [rax].  With rax nowhere it faults without a page fault when the
 * fetch was granted.  So does a fetch beyond user space, which nobody is
 * granted.
 */
static bool
touch_code(struct worker *worker, uint64_t start, uint64_t stride,
           uint64_t count, GArray *refusals, GError **error)
{
    for (uint64_t i = 0; i < count; i++) {
        struct user_regs_struct registers;
        siginfo_t info;
        int status;

        if (!get_registers(worker, &registers, error))
            return false;
        registers.rip = aligned(start + i * stride);
        registers.rax = NOWHERE;
        if (!run_from(worker, &registers, &status, error))
            return false;
        if (ptrace(PTRACE_GETSIGINFO, worker->pid, NULL, &info) < 0)
            return fail_errno(error, "read signal");
        if (WSTOPSIG(status) == SIGBUS || info.si_code != SI_KERNEL ||
            registers.rip >= TASK_SIZE)
            add_refusal(refusals, i, WSTOPSIG(status));
    }
    return true;
}

/* A call that copies eight bytes and changes nothing: a bad `how` is found
 * only after the set was read; no signal is ever pending, so zeroes are
 * written. */
static bool
touch_from_kernel(struct worker *worker, bool is_write, uint64_t start,
                  uint64_t stride, uint64_t count, GArray *refusals,
                  GError **error)
{
    for (uint64_t i = 0; i < count; i++) {
        uint64_t addr = aligned(start + i * stride);
        const uint64_t read_args[6] = {99, addr, 0, 8};
        const uint64_t write_args[6] = {addr, 8};
        int64_t result;

        if (!host_call(worker,
                       is_write ? SYS_rt_sigpending : SYS_rt_sigprocmask,
                       is_write ? write_args : read_args, &result, error))
            return false;
        if (result == -EFAULT)
            add_refusal(refusals, i, SIGSEGV);
    }
    return true;
}

bool
host_touch(struct worker *worker, enum host_access access, uint64_t start,
           uint64_t stride, uint64_t count, GArray *refusals, GError **error)
{
    switch (access) {
    case HOST_READ:
    case HOST_WRITE:
        return touch_data(worker,
                          access == HOST_READ ? IMAGE_READ : IMAGE_WRITE, start,
                          stride, count, refusals, error);
    case HOST_EXECUTE:
        return touch_code(worker, start, stride, count, refusals, error);
    case HOST_KERNEL_READ:
    case HOST_KERNEL_WRITE:
        return touch_from_kernel(worker, access == HOST_KERNEL_WRITE, start,
                                 stride, count, refusals, error);
    }
    return true;
}

/* ---- life ---- */

static struct worker *
worker_new(struct host *host, pid_t pid)
{
    struct worker *worker = g_new0(struct worker, 1);

    worker->pid = pid;
    worker->code_at = HOST_CODE_ADDR;
    worker->smaps = worker->pagemap = worker->status = -1;
    g_ptr_array_add(host->workers, worker);
    return worker;
}

static void
worker_free(void *data)
{
    struct worker *worker = data;

    for (int *fd = &worker->smaps; fd <= &worker->status; fd++)
        if (*fd >= 0)
            close(*fd);
    g_free(worker);
}

/* Kill one that may be anywhere. */
static void
worker_kill(struct worker *worker)
{
    int status;

    kill(worker->pid, SIGKILL);
    while (waitpid(worker->pid, &status, __WALL) >= 0 && !WIFEXITED(status) &&
           !WIFSIGNALED(status))
        ;
}

/* RLIMIT_STACK under which the kernel puts mmap_base there; 0: it cannot. */
static uint64_t
stack_limit_for(uint64_t mmap_base)
{
    uint64_t room = TASK_SIZE - mmap_base;

    if (mmap_base > TASK_SIZE || room < STACK_ROOM_MIN ||
        room > TASK_SIZE / 6 * 5)
        return 0;
    return room - STACK_GAP;
}

/* In the new process: only what is safe between fork and exec. */
static void
become_worker(const char *path, uint64_t stack_limit)
{
    static char *const argv[] = {(char *)"vmsim-worker", NULL};
    static char *const envp[] = {NULL};
    struct rlimit stack = {stack_limit, RLIM_INFINITY};
    struct rlimit core = {0, 0};

    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    signal(SIGCHLD, SIG_IGN);  // children of workers leave nothing behind
    setpgid(0, 0);             // Ctrl-C is the caller's
    setrlimit(RLIMIT_CORE, &core);
    if (personality(ADDR_NO_RANDOMIZE) < 0 ||
        prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) < 0 ||
        setrlimit(RLIMIT_STACK, &stack) < 0 ||
        ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
        _exit(126);
    execve(path, argv, envp);
    _exit(127);
}

static const char *const special_names[HOST_SPECIAL_COUNT] = {
    "[vdso]", "[vvar]", "[vvar_vclock]"};

/* Where the kernel has put its own mappings, from the lines of `maps`. */
static bool
find_specials(struct worker *worker, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/maps", (int)worker->pid);
    g_autofree char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, error))
        return false;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++)
        for (size_t i = 0; i < HOST_SPECIAL_COUNT; i++) {
            char *at;
            if (!g_str_has_suffix(*line, special_names[i]))
                continue;
            uint64_t start = g_ascii_strtoull(*line, &at, 16);
            worker->specials[i] = (struct host_special){
                start, g_ascii_strtoull(at + 1, NULL, 16) - start};
        }
    return true;
}

static bool
move_special(struct worker *worker, struct host_special *special,
             uint64_t address, GError **error)
{
    const uint64_t args[6] = {special->address, special->bytes, special->bytes,
                              MREMAP_MAYMOVE | MREMAP_FIXED, address};

    if (special->address != address &&
        !must_call(worker, "move a special mapping", SYS_mremap, args, error))
        return false;
    special->address = address;
    return true;
}

/* Out of the trace's way.  The data may stand beside its code, but nobody uses
 * either. */
static bool
park_specials(struct worker *worker, GError **error)
{
    uint64_t at = HOST_PARK_ADDR;

    if (!find_specials(worker, error))
        return false;
    for (size_t i = 0; i < HOST_SPECIAL_COUNT; i++) {
        struct host_special *special = &worker->specials[i];
        if (special->address == 0 || special->bytes > HOST_PARK_END - at) {
            *special = (struct host_special){0};
            continue;
        }
        if (!move_special(worker, special, at, error))
            return false;
        at += special->bytes;
    }
    return true;
}

bool
host_place_special(struct worker *worker, const char *name, uint64_t length,
                   uint64_t address, bool *is_placed, GError **error)
{
    *is_placed = false;
    for (size_t i = 0; i < HOST_SPECIAL_COUNT; i++) {
        struct host_special *special = &worker->specials[i];
        if (strcmp(name, special_names[i]) != 0)
            continue;
        if (worker->placed[i] != 0)
            return sim_fail(error, SIM_ERROR_FAILED,
                            "%s is mapped a second time: a host has one", name);
        if (special->address == 0 || special->bytes != length)
            continue;
        if (!move_special(worker, special, address, error))
            return false;
        *special = (struct host_special){0};
        worker->placed[i] = address;
        *is_placed = true;
    }
    return true;
}

bool
host_owns(const struct worker *worker, uint64_t start, uint64_t end)
{
    bool owns = start < HOST_CODE_ADDR + PAGE_BYTES && HOST_CODE_ADDR < end;

    for (size_t i = 0; i < HOST_SPECIAL_COUNT; i++) {
        const struct host_special *special = &worker->specials[i];
        owns |= special->address != 0 && special->address < end &&
                start < special->address + special->bytes;
    }
    return owns;
}

static bool
unmap_range(struct worker *worker, uint64_t start, uint64_t end, GError **error)
{
    const uint64_t args[6] = {start, end - start};

    return must_call(worker, "unmap", SYS_munmap, args, error);
}

/* Move the code page to its place and unmap everything else. */
static bool
empty_address_space(struct worker *worker, int image,
                    const struct host_layout *layout, GError **error)
{
    const uint64_t map[6] = {HOST_CODE_ADDR,        PAGE_BYTES,
                             PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED,
                             (uint64_t)image,       0};
    worker->code_at = layout->brk_start - PAGE_BYTES;
    if (!must_call(worker, "map the code", SYS_mmap, map, error))
        return false;
    worker->code_at = HOST_CODE_ADDR;
    return (!layout->keeps_specials || park_specials(worker, error)) &&
           unmap_range(worker, 0, HOST_CODE_ADDR, error) &&
           unmap_range(worker, HOST_CODE_ADDR + PAGE_BYTES, HOST_PARK_ADDR,
                       error) &&
           unmap_range(worker,
                       layout->keeps_specials ? HOST_PARK_END : HOST_PARK_ADDR,
                       TASK_SIZE, error);
}

/* Who lists processes reads their arguments, and would bring the top of the
 * stack in: let there be none.  A kernel that has no such call goes without. */
static bool
hide_arguments(struct worker *worker, GError **error)
{
    const uint64_t args[6] = {PR_SET_MM, PR_SET_MM_MAP,
                              HOST_CODE_ADDR + IMAGE_PLACES,
                              sizeof(struct prctl_mm_map)};
    int64_t result;

    return host_call(worker, SYS_prctl, args, &result, error);
}

static bool
set_limit(const struct worker *worker, enum __rlimit_resource resource,
          uint64_t bytes, GError **error)
{
    struct rlimit limit;

    if (prlimit(worker->pid, resource, NULL, &limit) == 0) {
        limit.rlim_cur = MIN(bytes, limit.rlim_max);
        if (limit.rlim_cur == bytes &&
            prlimit(worker->pid, resource, &limit, NULL) == 0)
            return true;
    }
    return sim_fail(error, SIM_ERROR_FAILED,
                    "worker: a limit of %" PRIu64 " bytes is not allowed here",
                    bytes);
}

static uint64_t
parked_bytes(const struct worker *worker)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < HOST_SPECIAL_COUNT; i++)
        bytes += worker->specials[i].bytes;
    return bytes;
}

static bool
set_limits(struct worker *worker, const struct host_layout *layout,
           GError **error)
{
    const uint64_t ids[6] = {layout->uid, layout->uid, layout->uid};
    uint64_t as = layout->rlimit_as;

    if (as != UINT64_MAX)
        as += PAGE_BYTES + parked_bytes(worker);  // not the trace's
    return set_limit(worker, RLIMIT_STACK, layout->rlimit_stack, error) &&
           set_limit(worker, RLIMIT_MEMLOCK, layout->rlimit_memlock, error) &&
           set_limit(worker, RLIMIT_AS, as, error) &&
           (layout->uid == geteuid() || must_call(worker, "become another user",
                                                  SYS_setresuid, ids, error));
}

static bool
prepare_worker(struct worker *worker, int image,
               const struct host_layout *layout, GError **error)
{
    int status;

    if (waitpid(worker->pid, &status, __WALL) < 0 || !WIFSTOPPED(status))
        return sim_fail(error, SIM_ERROR_FAILED,
                        "this host does not let processes be traced (ptrace), "
                        "their layout be fixed (personality) or their limits "
                        "be set: traces cannot be carried out");
    if (ptrace(PTRACE_SETOPTIONS, worker->pid, NULL,
               PTRACE_O_EXITKILL | PTRACE_O_TRACEFORK | PTRACE_O_TRACECLONE) <
        0)
        return fail_errno(error, "ptrace");
    return empty_address_space(worker, image, layout, error) &&
           hide_arguments(worker, error) && set_limits(worker, layout, error);
}

struct worker *
host_start(struct host *host, const struct host_layout *layout, GError **error)
{
    uint64_t stack_limit = stack_limit_for(layout->mmap_base);
    int image;

    if (stack_limit == 0 || layout->brk_start <= PAGE_BYTES ||
        layout->brk_start & ~PAGE_MASK) {
        sim_fail(error, SIM_ERROR_FAILED,
                 "this host cannot begin mmap at 0x%" PRIx64
                 " and the heap at 0x%" PRIx64,
                 layout->mmap_base, layout->brk_start);
        return NULL;
    }
    image = image_create(layout->brk_start, error);
    if (image < 0)
        return NULL;
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", image);
    pid_t pid = fork();
    if (pid == 0)
        become_worker(path, stack_limit);
    struct worker *worker = pid > 0 ? worker_new(host, pid) : NULL;
    if (!worker)
        fail_errno(error, "fork");
    else if (!prepare_worker(worker, image, layout, error))
        worker = NULL;  // host_close() ends it
    close(image);
    return worker;
}

/* The parent has stopped in the middle of the call. */
static struct worker *
adopt_child(struct host *host, struct worker *parent, GError **error)
{
    unsigned long pid;
    struct worker *child;
    int status;

    if (ptrace(PTRACE_GETEVENTMSG, parent->pid, NULL, &pid) < 0) {
        fail_errno(error, "fork");
        return NULL;
    }
    child = worker_new(host, (pid_t)pid);
    memcpy(child->placed, parent->placed, sizeof(child->placed));
    if (!wait_stop(child, &status, error) || !resume(child, &status, error) ||
        !expect_breakpoint(status, error) || !resume(parent, &status, error) ||
        !expect_breakpoint(status, error))
        return NULL;
    return child;
}

struct worker *
host_fork(struct host *host, struct worker *parent, bool shares_memory,
          int64_t *result, GError **error)
{
    const uint64_t args[6] = {(shares_memory ? CLONE_VM | CLONE_FILES : 0) |
                              SIGCHLD};
    struct user_regs_struct registers;
    int status;

    if (!begin_call(parent, SYS_clone, args, &status, error) ||
        !expect_breakpoint(status, error))
        return NULL;
    *result = 0;
    if (status >> 16)  // PTRACE_EVENT_FORK or _CLONE
        return adopt_child(host, parent, error);
    if (get_registers(parent, &registers, error))
        *result = (int64_t)registers.rax;
    return NULL;
}

bool
host_exit(struct host *host, struct worker *worker, GError **error)
{
    struct user_regs_struct registers;
    int status;

    if (!get_registers(worker, &registers, error))
        return false;
    registers.rip = worker->code_at + IMAGE_SYSCALL;
    registers.rax = SYS_exit_group;
    registers.rdi = 0;
    registers.orig_rax = UINT64_MAX;
    ptrace(PTRACE_SETREGS, worker->pid, NULL, &registers);
    do {
        ptrace(PTRACE_CONT, worker->pid, NULL, NULL);
        if (waitpid(worker->pid, &status, __WALL) < 0)
            return fail_errno(error, "exit");
    } while (!WIFEXITED(status) && !WIFSIGNALED(status));
    g_ptr_array_remove(host->workers, worker);
    worker_free(worker);
    return true;
}

/* ---- the sandbox ---- */

/* Everybody on one CPU, so that its batches of pages are the only ones. */
static bool
pin(struct host *host, GError **error)
{
    cpu_set_t one;
    int cpu = sched_getcpu();

    CPU_ZERO(&one);
    CPU_SET((size_t)MAX(cpu, 0), &one);
    if (sched_getaffinity(0, sizeof(host->cpus_before), &host->cpus_before) ==
            0 &&
        sched_setaffinity(0, sizeof(one), &one) == 0)
        return true;
    return sim_fail(error, SIM_ERROR_FAILED, "cannot stay on one CPU: %s",
                    g_strerror(errno));
}

struct host *
host_open(GError **error)
{
    struct host *host = g_new0(struct host, 1);

    if (!pin(host, error)) {
        g_free(host);
        return NULL;
    }
    host->workers = g_ptr_array_new();
    host->files = g_array_new(FALSE, FALSE, sizeof(struct host_file));
    host->drain_page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return host;
}

void
host_close(struct host *host)
{
    if (!host)
        return;
    for (guint i = 0; i < host->workers->len; i++) {
        worker_kill(host->workers->pdata[i]);
        worker_free(host->workers->pdata[i]);
    }
    g_ptr_array_unref(host->workers);
    for (guint i = 0; i < host->files->len; i++)
        host_file_close(&g_array_index(host->files, struct host_file, i));
    g_array_unref(host->files);
    munmap(host->drain_page, PAGE_BYTES);
    sched_setaffinity(0, sizeof(host->cpus_before), &host->cpus_before);
    g_free(host);
}

void
host_drain_batches(struct host *host)
{
    madvise(host->drain_page, PAGE_BYTES, MADV_FREE);
}

bool
host_add_file(struct host *host, struct host_file *file, GError **error)
{
    host->file_bytes += file->size_bytes;
    if (host->file_bytes < file->size_bytes ||
        host->file_bytes > FILE_BYTES_MAX)
        return sim_fail(error, SIM_ERROR_FAILED,
                        "the files of the trace are larger than 1G together: "
                        "not carried out on this host");
    if (!host_file_open(file, error))
        return false;
    g_array_append_vals(host->files, file, 1);
    return true;
}
