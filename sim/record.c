/*
 * The stages of a recording:
 *
 *   open     where the trace goes, before any time is spent
 *   choose   perf if tracing the kernel is allowed, else strace
 *   run      TOOL ... -- env COMMAND, without huge pages and address
 *            randomisation, which the program's own exec then starts in: perf
 *            sees only the end of the first exec, so that one is env's
 *   import   perf script or strace's file becomes the trace
 *   tell     one screen about it
 *
 * No shell takes part.  The tools' files lie in a folder of their own that goes
 * when everything is done.  Ctrl-C ends the command and the recording, not us:
 * signals are taken one by one while a child runs, and what comes later is
 * dropped.
 *
 * A trace that goes to standard output, or to a pipe, is made in the folder
 * first, because it is read again to tell about it.  What the command writes to
 * standard output then goes to standard error.
 */
#include "sim/record.h"

#include "sim/error.h"
#include "sim/output.h"
#include "traces/import.h"
#include "traces/legible.h"
#include "traces/trace.h"
#include "traces/trace_copy.h"
#include "traces/trace_info.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define EVENTS                                                                 \
    "exceptions:page_fault_user,exceptions:page_fault_kernel,"                 \
    "raw_syscalls:sys_enter,raw_syscalls:sys_exit,task:task_newtask,"          \
    "sched:sched_process_exec,sched:sched_process_exit,kmem:mm_page_alloc"

struct recorder {
    const struct record_wishes *wishes;
    bool has_stream;  // the trace goes where it cannot be read again
    char *folder;     // temporary
    char *data;       // what the tool writes, in it
    char *trace;      // what the importer writes
    sigset_t old_signals;
    int status;  // of the command, as waitpid says
};

/* ---- children ---- */

/* In the child, before exec. */
static void
set_up_child(gpointer data)
{
    const struct recorder *recorder = data;

    sigprocmask(SIG_SETMASK, &recorder->old_signals, NULL);
    int persona = personality(0xffffffff);
    if (persona >= 0)
        personality((unsigned)persona | ADDR_NO_RANDOMIZE);
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
}

/* The same of the tool that runs the command. */
static void
set_up_command(gpointer data)
{
    const struct recorder *recorder = data;

    set_up_child(data);
    if (record_uses_standard_output(recorder->wishes))
        dup2(STDERR_FILENO, STDOUT_FILENO);
}

static void
block_signals(struct recorder *recorder, sigset_t *watched)
{
    sigemptyset(watched);
    sigaddset(watched, SIGCHLD);
    sigaddset(watched, SIGINT);
    sigaddset(watched, SIGTERM);
    sigaddset(watched, SIGHUP);
    sigprocmask(SIG_BLOCK, watched, &recorder->old_signals);
}

/* A second Ctrl-C, while the trace is made, does not lose it either. */
static void
unblock_signals(const struct recorder *recorder, const sigset_t *watched)
{
    const struct timespec none = {0};

    while (sigtimedwait(watched, NULL, &none) > 0)
        continue;
    sigprocmask(SIG_SETMASK, &recorder->old_signals, NULL);
}

/* To the tool and to what it started, as a terminal's Ctrl-C goes to all of
 * them: strace leaves it to the command. */
static void
pass_signal(GPid tool, int number)
{
    g_autofree char *path =
        g_strdup_printf("/proc/%d/task/%d/children", tool, tool);
    g_autofree char *children = NULL;

    if (g_file_get_contents(path, &children, NULL, NULL)) {
        g_auto(GStrv) ids = g_strsplit(children, " ", -1);
        for (char **id = ids; *id && **id; id++)
            kill((pid_t)g_ascii_strtoll(*id, NULL, 10), number);
    }
    kill(tool, number);
}

/* A terminal's Ctrl-C reaches the child without us, kill(1) only us. */
static int
wait_for(GPid pid, const sigset_t *watched)
{
    int status;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        siginfo_t info;
        int number = sigwaitinfo(watched, &info);
        if (number > 0 && number != SIGCHLD && info.si_code <= 0)
            pass_signal(pid, number);
    }
    return status;
}

/* Run the tool; false: it could not be started. */
static bool
run_tool(struct recorder *recorder, GPtrArray *argv, const sigset_t *watched,
         GError **error)
{
    g_autoptr(GError) failure = NULL;
    GPid pid;

    if (!g_spawn_async(NULL, (char **)argv->pdata, NULL,
                       G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD |
                           G_SPAWN_CHILD_INHERITS_STDIN,
                       set_up_command, recorder, &pid, &failure))
        return sim_fail(error, SIM_ERROR_FAILED, "%s", failure->message);
    recorder->status = wait_for(pid, watched);
    return true;
}

static void
add_words(GPtrArray *argv, const char *first, ...)
{
    va_list more;

    va_start(more, first);
    for (const char *word = first; word; word = va_arg(more, const char *))
        g_ptr_array_add(argv, g_strdup(word));
    va_end(more);
}

static void
add_command(GPtrArray *argv, const struct recorder *recorder)
{
    for (char **word = recorder->wishes->command; *word; word++)
        g_ptr_array_add(argv, g_strdup(*word));
    g_ptr_array_add(argv, NULL);
}

/* ---- perf ---- */

/* Whether perf may trace the kernel: it counts one event to find out. */
static bool
perf_may_trace(void)
{
    char *argv[] = {(char *)"perf", (char *)"stat",
                    (char *)"-e",   (char *)"exceptions:page_fault_user",
                    (char *)"true", NULL};
    int status = -1;

    return g_spawn_sync(NULL, argv, NULL,
                        G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL |
                            G_SPAWN_STDERR_TO_DEV_NULL,
                        NULL, NULL, NULL, NULL, &status, NULL) &&
           g_spawn_check_wait_status(status, NULL);
}

static bool
run_perf(struct recorder *recorder, const sigset_t *watched, GError **error)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);

    add_words(argv, "perf", "record", "-q", "-o", recorder->data, "-d", "-k",
              "CLOCK_MONOTONIC", "-m", recorder->wishes->buffer,
              "--switch-events", "-e", EVENTS, "--", "env", NULL);
    add_command(argv, recorder);
    return run_tool(recorder, argv, watched, error);
}

/* The text of the recording as a pipe. */
static bool
open_script(struct recorder *recorder, GPid *pid, int *out, GError **error)
{
    const char *argv[] = {"perf",
                          "script",
                          "-i",
                          recorder->data,
                          "--header",
                          "--ns",
                          "--show-mmap-events",
                          "--show-task-events",
                          "--show-switch-events",
                          "--show-lost-events",
                          "-F",
                          "comm,pid,tid,cpu,time,event,trace",
                          NULL};
    g_autoptr(GError) failure = NULL;

    if (g_spawn_async_with_pipes(
            NULL, (char **)argv, NULL,
            G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD |
                G_SPAWN_STDERR_TO_DEV_NULL,
            set_up_child, recorder, pid, NULL, out, NULL, &failure))
        return true;
    return sim_fail(error, SIM_ERROR_FAILED, "%s", failure->message);
}

static bool
import_perf_data(struct recorder *recorder,
                 const struct import_options *options,
                 struct trace_writer *writer, GError **error)
{
    GError *failure = NULL;
    GPid pid;
    int out, status;

    if (g_access(recorder->data, R_OK) != 0)
        return sim_fail(error, SIM_ERROR_FAILED,
                        "perf recorded nothing; what it says is above");
    if (!open_script(recorder, &pid, &out, error))
        return false;
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(paths, g_strdup_printf("/dev/fd/%d", out));
    bool ok = import_perf(paths, options, writer, &failure);
    close(out);
    waitpid(pid, &status, 0);
    if (ok && g_spawn_check_wait_status(status, NULL))
        return true;
    if (ok || g_error_matches(failure, TRACE_ERROR, TRACE_ERROR_EMPTY))
        sim_fail(error, SIM_ERROR_FAILED,
                 "perf script could not read the recording, or was stopped");
    else if (g_error_matches(failure, TRACE_ERROR, TRACE_ERROR_LOST))
        sim_fail(error, SIM_ERROR_FAILED,
                 "the kernel dropped events, so the recording has holes and is "
                 "not kept; record again with a larger --buffer than %s, or "
                 "with less running beside it",
                 recorder->wishes->buffer);
    else
        sim_fail(error, SIM_ERROR_FAILED, "%s", failure->message);
    g_clear_error(&failure);
    return false;
}

/* ---- strace ---- */

static bool
run_strace(struct recorder *recorder, const sigset_t *watched, GError **error)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);

    add_words(argv, "strace", "-f", "--seccomp-bpf", "-q", "-ttt", "-T", "-y",
              "-o", recorder->data, "-e",
              "trace=mmap,munmap,mremap,mprotect,madvise,brk,mlock,munlock,"
              "mlockall,mlock2,remap_file_pages,shmat,shmdt,process_madvise,"
              "clone,clone3,fork,vfork,execve,execveat,wait4,setuid,setreuid,"
              "setresuid,exit,exit_group",
              "--", NULL);
    add_command(argv, recorder);
    return run_tool(recorder, argv, watched, error);
}

/* ---- choose ---- */

static bool
has_tool(const char *name)
{
    g_autofree char *path = g_find_program_in_path(name);

    return path != NULL;
}

static void
tell_what_strace_loses(void)
{
    g_printerr("Recording with strace: calls only. Lost are the pages that are "
               "touched, page\nfaults, the program's image and exact times, so "
               "the trace shows address spaces\nand calls, not what memory "
               "costs.\n");
}

/* perf, strace, or NULL with an error that says what to do. */
static const char *
choose_tool(const struct record_wishes *wishes, GError **error)
{
    const char *wanted = wishes->tool;
    static const char help[] =
        "tracing the kernel needs root or CAP_PERFMON: run this with sudo, or\n"
        "    sudo setcap cap_perfmon,cap_ipc_lock,cap_dac_read_search+ep "
        "$(command -v perf)\n"
        "    sudo mount -o remount,mode=755 /sys/kernel/tracing";

    if (wanted && !has_tool(wanted)) {
        sim_fail(error, SIM_ERROR_FAILED, "%s is not installed", wanted);
        return NULL;
    }
    if (wanted && strcmp(wanted, "strace") == 0) {
        tell_what_strace_loses();
        return wanted;
    }
    bool may_trace = has_tool("perf") && perf_may_trace();
    if (may_trace)
        return "perf";
    const char *why = has_tool("perf") ? help : "perf is not installed";
    if (wanted || !has_tool("strace")) {
        sim_fail(error, SIM_ERROR_FAILED, "%s", why);
        return NULL;
    }
    g_printerr("vmsim: %s\n", why);
    tell_what_strace_loses();
    return "strace";
}

/* ---- the trace, and what is said about it ---- */

/* The command as one line of a comment. */
static char *
command_text(const struct record_wishes *wishes)
{
    g_autofree char *text = g_strjoinv(" ", wishes->command);

    return legible(text, MIN(strlen(text), 1000), LEGIBLE_NONE);
}

static bool
import_data(struct recorder *recorder, const char *tool,
            struct trace_writer *writer, GError **error)
{
    g_autofree char *command = command_text(recorder->wishes);
    g_autofree char *note =
        g_strdup_printf("recorded with vmsim record: %s\n"
                        "without huge pages and address randomisation",
                        command);
    struct utsname name;
    bool is_perf = strcmp(tool, "perf") == 0;
    struct import_options options = {.default_uid = getuid(), .note = note};

    if (uname(&name) == 0 && !is_perf)
        options.kernel = name.release;
    g_autoptr(GPtrArray) paths = g_ptr_array_new();
    g_ptr_array_add(paths, recorder->data);
    return is_perf ? import_perf_data(recorder, &options, writer, error)
                   : import_strace(paths, &options, writer, error);
}

static void
tell_status(const struct recorder *recorder, double seconds)
{
    g_autofree char *command = command_text(recorder->wishes);
    int status = recorder->status;

    g_printerr("command      %s\n", command);
    if (WIFSIGNALED(status))
        g_printerr("ended by     signal %d after %.3f s\n", WTERMSIG(status),
                   seconds);
    else
        g_printerr("exit status  %d after %.3f s\n", WEXITSTATUS(status),
                   seconds);
}

/* Reading the trace again also proves that it can be read. */
static bool
tell(const struct recorder *recorder, GError **error)
{
    const char *path = recorder->trace;
    struct trace *trace = trace_open(path, error);
    struct trace_info info;
    GStatBuf file = {0};

    if (!trace || !trace_info_compute(trace, &info, error)) {
        trace_free(trace);
        return false;
    }
    if (recorder->has_stream)
        path = record_uses_standard_output(recorder->wishes)
                   ? "standard output"
                   : recorder->wishes->output;
    g_stat(recorder->trace, &file);
    tell_status(recorder, (double)(info.last_ns - info.first_ns) / 1e9);
    g_printerr("trace        %s, %" PRIu64 " KiB, %" PRIu64 " events\n", path,
               (uint64_t)file.st_size / 1024, trace->event_count);
    g_printerr("ran          %" PRIu64 " processes, %" PRIu64 " threads\n",
               info.process_count, info.thread_count);
    for (guint i = 0; i < trace->comments->len; i++) {
        const char *comment = trace->comments->pdata[i];
        if (g_str_has_prefix(comment, "# faults by outcome:") ||
            g_str_has_prefix(comment, "# recorded: "))
            g_printerr("%s\n", comment + strlen("# "));
    }
    if (!recorder->has_stream)
        g_printerr("next         vmsim info %s\n"
                   "             vmsim replay %s --check\n",
                   path, path);
    trace_free(trace);
    return true;
}

/* Run the command and write the trace; the writer is done with. */
static bool
make_trace(struct recorder *recorder, const char *tool,
           struct trace_writer *writer, GError **error)
{
    bool is_perf = strcmp(tool, "perf") == 0;
    sigset_t watched;

    block_signals(recorder, &watched);
    bool ok = (is_perf ? run_perf(recorder, &watched, error)
                       : run_strace(recorder, &watched, error)) &&
              import_data(recorder, tool, writer, error);
    if (ok)
        ok = trace_writer_close(writer, error);
    else
        trace_writer_abandon(writer);
    unblock_signals(recorder, &watched);
    return ok;
}

static bool
pass_on(const struct recorder *recorder, GError **error)
{
    struct trace_writer *writer =
        trace_writer_open(recorder->wishes->output, error);

    if (!writer)
        return false;
    if (trace_copy(recorder->trace, writer, error))
        return trace_writer_close(writer, error);
    trace_writer_abandon(writer);
    return false;
}

static bool
record_in(struct recorder *recorder, GError **error)
{
    const char *output = recorder->wishes->output;

    recorder->has_stream = output_is_stream(output);
    recorder->data = g_build_filename(recorder->folder, "data", NULL);
    recorder->trace = recorder->has_stream
                          ? g_build_filename(recorder->folder, "trace", NULL)
                          : g_strdup(output);
    struct trace_writer *writer = trace_writer_open(recorder->trace, error);
    if (!writer)
        return false;
    const char *tool = choose_tool(recorder->wishes, error);
    if (!tool) {
        trace_writer_abandon(writer);
        return false;
    }
    return make_trace(recorder, tool, writer, error) && tell(recorder, error) &&
           (!recorder->has_stream || pass_on(recorder, error));
}

bool
record_uses_standard_output(const struct record_wishes *wishes)
{
    return !wishes->output || strcmp(wishes->output, "-") == 0;
}

bool
record_run(const struct record_wishes *wishes, GError **error)
{
    struct recorder recorder = {.wishes = wishes};
    g_autoptr(GError) failure = NULL;

    if (!has_tool(wishes->command[0]))
        return sim_fail(error, SIM_ERROR_FAILED, "%s: no such program",
                        wishes->command[0]);
    recorder.folder = g_dir_make_tmp("vmsim-record-XXXXXX", &failure);
    if (!recorder.folder)
        return sim_fail(error, SIM_ERROR_FAILED, "%s", failure->message);
    bool ok = record_in(&recorder, error);
    g_unlink(recorder.data);
    if (recorder.has_stream)
        g_unlink(recorder.trace);
    g_rmdir(recorder.folder);
    g_free(recorder.data);
    g_free(recorder.trace);
    g_free(recorder.folder);
    return ok;
}
