/*
 * What valgrind's lackey prints becomes a trace of accesses.
 *
 *   valgrind --tool=lackey --trace-mem=yes --trace-syscalls=yes
 *       --trace-children=yes [--trace-sched=yes] --log-file=lk.%p.txt PROGRAM
 *
 *   I  0401ab70,3                   instruction fetch
 *    L 1ffeffe7a8,8                 load;  S: store;  M: both, as one store
 *   SYSCALL[28910,2](28) sys_madvise ( 0x524e000, 32768, 4 ) --> [async] ...
 *   SYSCALL[28910,2](28) ... [async] --> Success(0x0)
 *
 * A process has one file; the lines of its threads are in one order, because
 * valgrind runs one at a time.  A child's file is read where its parent forks:
 * how the two ran beside each other is not recorded.
 *
 * Memory is needed for the pages in use, not for the file.
 *
 * Lackey does not see what the kernel does for a program: of read and write,
 * pread and pwrite the touches are added.  What exec mapped is read from the
 * program's file, if it is still there; other memory that no call mapped
 * appears as anonymous, 64 KiB at a time.
 */
#include "traces/import_lackey.h"

#include <inttypes.h>
#include <string.h>

#include "traces/import_lines.h"

enum { DEPTH_MAX = 256 };  // of forks in forks

/* ---- lines of a process ---- */
/* "==PID== Command: ./prog args", "--PID--   SCHED[2]:  acquired lock" */
static bool
take_remark(struct lackey_process *process)
{
    struct trace_text *text = process->text;
    const char *start = text->at;
    uint64_t number;
    text->at += 2;
    if (trace_scan_number(&text->at, &number) != TRACE_SCAN_DONE ||
        number != process->pid)
        return lackey_fail(process, start, "a line of this file's process");
    const char *command = strstr(text->at, "== Command: ");
    const char *sched = strstr(text->at, "SCHED[");
    if (command) {
        command += strlen("== Command: ");
        g_free(process->program);
        process->program = g_strndup(command, strcspn(command, " \n"));
    } else if (sched && strstr(sched, "acquired lock") && !process->is_dead) {
        sched += strlen("SCHED[");
        return trace_scan_number(&sched, &number) != TRACE_SCAN_DONE ||
               lackey_switch_to(process, number, start);
    } else if (strstr(text->at, "Process terminating") && !process->is_dead) {
        lackey_die(process, true);
    }
    return true;
}

static bool
take_line(struct trace_text *text, void *data)
{
    struct lackey_process *process = data;
    const char *at = text->at;
    process->text = text;
    process->last_line = text->line;
    bool is_data = *at == ' ' && (at[1] == 'L' || at[1] == 'S' || at[1] == 'M');
    if ((*at == 'I' && at[1] == ' ') || is_data)
        return lackey_take_access(process);
    if (strncmp(at, "SYSCALL[", 8) == 0)
        return lackey_take_syscall(process);
    if (strncmp(at, "==", 2) == 0 || strncmp(at, "--", 2) == 0)
        return take_remark(process);
    if (strncmp(at, " --> ", 5) == 0 || !trace_text_next(text))
        return true;  // the rest of a call that we do not need
    return lackey_fail(process, at, "a line of valgrind's lackey");
}

/* A child that has called exec lost what it did before: valgrind begins its
 * file anew. */
static bool
find_start(struct trace_text *text, void *data)
{
    bool *is_image = data;
    if (strncmp(text->at, " --> ", 5) == 0)
        return false;
    *is_image = *text->at == 'I';
    return !*is_image;
}

static void
process_clear(struct lackey_process *process)
{
    g_ptr_array_unref(process->threads);
    g_hash_table_unref(process->files);
    g_hash_table_unref(process->seen);
    g_free(process->program);
}

static bool
read_file(struct lackey_process *process, const char *path, GError **error)
{
    struct lackey *lackey = process->lackey;
    bool is_image = false;
    if (lackey->depth >= DEPTH_MAX) {
        g_set_error(error, TRACE_ERROR, TRACE_ERROR_RANGE,
                    "%s: expected at most %d forks in forks, found more", path,
                    DEPTH_MAX);
        return false;
    }
    lackey->depth++;
    import_read_lines(path, find_start, &is_image, NULL);
    process->has_image = process->has_image && !is_image;
    bool ok = import_read_lines(path, take_line, process, error);
    lackey->depth--;
    if (!ok || process->is_dead)
        return ok;
    g_autofree char *expected =
        g_strdup_printf("the end of process %u", process->pid);
    return import_fail_cut_off(path, process->last_line, TRACE_ERROR_LOST,
                               expected, error);
}

bool
lackey_read_process(struct lackey *lackey, struct lackey_process *process,
                    GError **error)
{
    gpointer key = GUINT_TO_POINTER(process->pid);
    const char *path = g_hash_table_lookup(lackey->paths, key);
    bool ok = true;
    process->current = process->threads->pdata[0];
    process->seen = g_hash_table_new(g_direct_hash, g_direct_equal);
    if (path && g_hash_table_add(lackey->is_read, key)) {
        ok = read_file(process, path, error);
    } else {
        import_line(&lackey->import, "# process %u has no file", process->pid);
        import_line(&lackey->import, "%u exit", process->current->task.id);
    }
    process_clear(process);
    return ok;
}

/* ---- files ---- */

struct head {
    uint64_t pid, parent;
    uint64_t line;  // the last one read
    bool has_parent;
};

/* "==4252== Parent PID: 4246" */
static bool
find_head(struct trace_text *text, void *data)
{
    struct head *head = data;
    const char *p = text->at + 2;
    head->line = text->line;
    if (strncmp(text->at, "==", 2) != 0 ||
        trace_scan_number(&p, &head->pid) != TRACE_SCAN_DONE ||
        head->pid == 0 || head->pid > INT32_MAX)
        return trace_text_fail(text, text->at, TRACE_ERROR_SYNTAX,
                               "a file of valgrind's lackey, with its head");
    const char *parent = strstr(p, "Parent PID: ");
    if (!parent)
        return true;
    parent += strlen("Parent PID: ");
    head->has_parent =
        trace_scan_number(&parent, &head->parent) == TRACE_SCAN_DONE;
    return false;
}

static bool
fail_file(const char *path, const char *expected, uint64_t pid, GError **error)
{
    g_set_error(error, TRACE_ERROR, TRACE_ERROR_ORDER,
                "%s:1:1: expected %s, found process %" PRIu64, path, expected,
                pid);
    return false;
}

/* Finds the process that no other of the recording has made. */
static bool
find_files(struct lackey *lackey, GPtrArray *paths, uint32_t *first,
           GError **error)
{
    g_autofree struct head *heads = g_new0(struct head, paths->len);
    for (guint i = 0; i < paths->len; i++) {
        GError *failure = NULL;
        import_read_lines(paths->pdata[i], find_head, &heads[i], &failure);
        if (!failure && !heads[i].has_parent)
            import_fail_cut_off(
                paths->pdata[i], heads[i].line + 1, TRACE_ERROR_EMPTY,
                "a line like ==PID== Parent PID: NUMBER", &failure);
        if (failure) {
            g_propagate_error(error, failure);
            return false;
        }
        if (!g_hash_table_insert(lackey->paths,
                                 GUINT_TO_POINTER((guint)heads[i].pid),
                                 paths->pdata[i]))
            return fail_file(paths->pdata[i], "one file of each process",
                             heads[i].pid, error);
    }
    for (guint i = 0; i < paths->len; i++) {
        gpointer parent = GUINT_TO_POINTER((guint)heads[i].parent);
        if (!g_hash_table_contains(lackey->paths, parent)) {
            *first = (uint32_t)heads[i].pid;
            return true;
        }
    }
    g_set_error(error, TRACE_ERROR, TRACE_ERROR_SYNTAX,
                "%s:1:1: expected one file of a process whose parent has none, "
                "found none",
                (const char *)paths->pdata[0]);
    return false;
}

/* Whatever is given is a part of the recording. */
static bool
check_all_read(const struct lackey *lackey, GError **error)
{
    GHashTableIter iter;
    gpointer pid, path;
    uint32_t lowest = UINT32_MAX;
    g_hash_table_iter_init(&iter, lackey->paths);
    while (g_hash_table_iter_next(&iter, &pid, NULL))
        if (!g_hash_table_contains(lackey->is_read, pid))
            lowest = MIN(lowest, GPOINTER_TO_UINT(pid));
    path = g_hash_table_lookup(lackey->paths, GUINT_TO_POINTER(lowest));
    return !path ||
           fail_file(path, "a process that another file makes", lowest, error);
}

static bool
read_all(struct lackey *lackey, uint32_t pid, GError **error)
{
    struct import *import = &lackey->import;
    struct lackey_process process = {.lackey = lackey, .pid = pid};
    process.threads = g_ptr_array_new_with_free_func(lackey_thread_free);
    process.files =
        g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, g_free);
    struct lackey_thread *thread =
        lackey_add_thread(&process, pid, import_space_new(0, 0, 0));
    thread->number = 1;
    import_line(import, "#touches accesses");
    import_line(import, "# accesses seen by valgrind's lackey");
    import_line(import, "%u start uid=%" PRIu64, thread->task.id,
                import->options->default_uid);
    bool ok = lackey_read_process(lackey, &process, error);
    import_flush(import);
    return ok && check_all_read(lackey, error);
}

bool
import_lackey(GPtrArray *paths, const struct import_options *options,
              struct trace_writer *out, GError **error)
{
    struct lackey lackey = {
        .recording = perf_recording_new(),
        .paths = g_hash_table_new(g_direct_hash, g_direct_equal),
        .is_read = g_hash_table_new(g_direct_hash, g_direct_equal),
    };
    uint32_t first = 0;
    lackey.import = (struct import){
        .recording = lackey.recording,
        .options = options,
        .out = out,
        .is_untimed = true,
        .ids = g_hash_table_new(g_direct_hash, g_direct_equal),
    };
    bool ok = find_files(&lackey, paths, &first, error) &&
              read_all(&lackey, first, error);
    g_hash_table_unref(lackey.import.ids);
    g_hash_table_unref(lackey.paths);
    g_hash_table_unref(lackey.is_read);
    perf_recording_free(lackey.recording);
    return ok;
}
