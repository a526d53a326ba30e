/*
 * The text of `strace -f -ttt -T` becomes the records of a recording, which
 * then becomes a trace like any other.
 *
 *   [PID] SECONDS CALL(ARGUMENTS) = RESULT <SECONDS>
 *   [PID] SECONDS CALL(ARGUMENTS <unfinished ...>
 *   [PID] SECONDS <... CALL resumed>ARGUMENTS) = RESULT <SECONDS>
 *   [PID] SECONDS +++ exited with 0 +++
 *
 * A call's end is its entry plus its duration.  Files of mappings are known
 * from -y (3</lib/x.so>), or from the calls that opened them.  A child may
 * speak before its parent's clone has returned.
 *
 * A line that does not fit what its task did before, a task that nobody made
 * and a file that ends while a task lives are errors: the recording is cut off,
 * or two were written into one file.
 *
 * Not in such a recording: touches, and what exec mapped.
 */
#include "traces/import_strace.h"
#include "traces/import.h"
#include "traces/import_lines.h"
#include "traces/trace_syntax.h"

#include <errno.h>
#include <string.h>

#define UNFINISHED " <unfinished ...>\n"
#define DETACHED   "<detached ...>\n"

/* ---- images and files ---- */

static bool
image(struct strace *strace, struct strace_task *task,
      const struct strace_call *call)
{
    bool is_at = call->name_length == strlen("execveat");
    g_autofree char *path = strace_string_of(call->arguments[is_at ? 1 : 0]);
    bool has_name = path && *path && strlen(path) <= PERF_NAME_MAX;
    g_autofree char *comm = g_path_get_basename(has_name ? path : "unnamed");
    if (!strace_add(strace, task, PERF_IMAGE, 0, call->end_ns, NULL))
        return false;
    strace_last_record(strace)->name =
        perf_recording_name(strace->recording, comm);
    return true;
}

static guint
descriptor_of(const char *argument)
{
    return (guint)strace_value_of(argument);
}

static char *
known_file(const struct strace_task *task, const char *argument)
{
    return g_strdup(g_hash_table_lookup(
        task->files, GUINT_TO_POINTER(descriptor_of(argument))));
}

/* fcntl() with F_DUPFD. */
static bool
is_copy(const struct strace_call *call)
{
    const char *command = call->arguments[1];
    return strace_is_call(call, "fcntl") && command &&
           (strcmp(command, "F_DUPFD") == 0 ||
            strcmp(command, "F_DUPFD_CLOEXEC") == 0);
}

/* What a descriptor is after a call: its file, or NULL if that is not known.
 * false: the call changes none. */
static bool
changed_file(const struct strace_task *task, const struct strace_call *call,
             guint *descriptor, char **name)
{
    char *const *arguments = call->arguments;
    *descriptor = (guint)call->result;
    *name = NULL;
    if (strace_is_call(call, "open") || strace_is_call(call, "creat")) {
        *name = strace_string_of(arguments[0]);
    } else if (strace_is_call(call, "openat") ||
               strace_is_call(call, "openat2")) {
        *name = strace_string_of(arguments[1]);
    } else if (strace_is_call(call, "memfd_create")) {
        g_autofree char *label = strace_string_of(arguments[0]);
        *name = g_strconcat("/memfd:", label, NULL);
    } else if (strace_is_call(call, "dup") || strace_is_call(call, "dup2") ||
               strace_is_call(call, "dup3") || is_copy(call)) {
        *name = known_file(task, arguments[0]);
    } else if (strace_is_call(call, "close")) {
        *descriptor = descriptor_of(arguments[0]);
    } else {
        return false;
    }
    return true;
}

static void
note_file(const struct strace_task *task, const struct strace_call *call)
{
    guint descriptor;
    char *name;
    if (!changed_file(task, call, &descriptor, &name))
        return;
    if (name)
        g_hash_table_replace(task->files, GUINT_TO_POINTER(descriptor), name);
    else
        g_hash_table_remove(task->files, GUINT_TO_POINTER(descriptor));
}

/* The mapping of a file, as perf reports it. */
static bool
add_mapped(struct strace *strace, struct strace_task *task,
           const struct strace_call *call, const uint64_t *arguments)
{
    g_autofree char *name = strace_name_of(call->arguments[4]);
    if (!name)
        name = known_file(task, call->arguments[4]);
    if (!name || !*name || strlen(name) > PERF_NAME_MAX)
        return true;
    uint64_t mapped[PERF_ARG_COUNT] = {call->result, arguments[1], arguments[5],
                                       arguments[2]};
    if (!strace_add(strace, task, PERF_MAPPED, 0, call->end_ns, mapped))
        return false;
    strace_last_record(strace)->name =
        perf_recording_name(strace->recording, name);
    return true;
}

/* ---- calls ---- */

static bool
known_call(struct strace *strace, struct strace_task *task,
           const struct strace_call *call, uint8_t number)
{
    uint64_t arguments[IMPORT_CALL_ARGS];
    uint64_t result[PERF_ARG_COUNT] = {call->result};
    bool has_failed = perf_is_failure(call->result);
    for (unsigned i = 0; i < IMPORT_CALL_ARGS; i++)
        arguments[i] = strace_value_of(call->arguments[i]);
    if (!strace_add(strace, task, PERF_ENTER, number, call->start_ns,
                    arguments))
        return false;
    bool is_exec = number == PERF_CALL_EXECVE || number == PERF_CALL_EXECVEAT;
    if (is_exec && !has_failed && !image(strace, task, call))
        return false;
    if (number == PERF_CALL_MMAP && !has_failed &&
        !(arguments[3] & PERF_MAP_ANON) &&
        !add_mapped(strace, task, call, arguments))
        return false;
    return strace_add(strace, task, PERF_EXIT, number, call->end_ns, result);
}

static bool
finish_call(struct strace *strace, struct strace_task *task,
            const struct strace_call *call)
{
    static const char *const births[] = {"clone", "clone3", "fork", "vfork"};
    uint8_t number;
    if (!call->has_result)
        return true;  // "?": the task died in it
    bool has_failed = perf_is_failure(call->result);
    for (unsigned i = 0; i < G_N_ELEMENTS(births); i++) {
        if (strace_is_call(call, births[i]))
            return has_failed || strace_birth(strace, task, call);
    }
    if (!has_failed)
        note_file(task, call);
    if (import_call_by_name(call->name, call->name_length, &number) &&
        number != PERF_CALL_FUTEX && number != PERF_CALL_WAITID)
        return known_call(strace, task, call, number);
    return true;
}

/* ") = 0x7f00 <0.000012>" or ") = -1 ENOMEM (Cannot ...) <...>" or ") = ?"; the
 * cursor stands behind the parenthesis. */
static bool
take_result(struct strace *strace, struct strace_call *call)
{
    struct trace_text *text = strace->text;
    strace_skip_blanks(strace);
    if (*text->at != '=')
        return strace_fail(strace, text->at, "the result of a call");
    text->at++;
    strace_skip_blanks(strace);
    call->has_result = *text->at != '?';
    bool is_failure = strncmp(text->at, "-1 E", 4) == 0;
    const char *at = call->result_at = text->at;
    if (is_failure) {
        const char *name = at + 3;
        size_t length = strcspn(name, " \n");
        int error = trace_errno_number(name, length);
        call->result = (uint64_t) - (int64_t)(error ? error : EINVAL);
    } else if (call->has_result &&
               trace_scan_number(&text->at, &call->result) != TRACE_SCAN_DONE) {
        return strace_fail(strace, at, "the result of a call");
    }
    const char *end = strchr(at, '\n');
    const char *bracket = memrchr(at, '<', (size_t)(end - at));
    uint64_t duration = 0;
    if (call->has_result && (!bracket || end[-1] != '>'))
        return strace_fail(strace, end, "the call's duration (strace -T)");
    if (bracket && call->has_result) {
        text->at = bracket + 1;
        if (!strace_take_seconds(strace, &duration))
            return false;
    }
    call->end_ns = call->start_ns + duration;
    return true;
}

/* A whole call; `start` is where it began. */
static bool
take_call(struct strace *strace, struct strace_task *task, const char *whole,
          uint64_t start_ns)
{
    struct trace_text *text = strace->text;
    const char *parenthesis = whole + strcspn(whole, "( \n");
    const char *end = NULL;
    if (*parenthesis == '(')
        end = strace_find_end(parenthesis + 1);
    if (!end)
        return strace_fail(strace, whole, "a complete call");
    struct strace_call call = {
        .name = whole,
        .name_length = (size_t)(parenthesis - whole),
        .start_ns = start_ns,
    };
    strace_split_arguments(&call, parenthesis + 1, end);
    text->at = end + 1;
    bool ok = take_result(strace, &call) && finish_call(strace, task, &call);
    g_free(call.words);
    return ok;
}

/* "CALL(ARGUMENTS <unfinished ...>" */
static bool
take_unfinished(struct strace *strace, struct strace_task *task,
                uint64_t time_ns)
{
    struct trace_text *text = strace->text;
    gsize length = strlen(text->at) - strlen(UNFINISHED);
    task->open_call = g_strndup(text->at, length);
    task->open_ns = time_ns;
    return true;
}

/* "<... CALL resumed>ARGUMENTS) = RESULT" */
static bool
take_resumed(struct strace *strace, struct strace_task *task)
{
    struct trace_text *text = strace->text;
    const char *name = text->at + strlen("<... ");
    size_t length = strcspn(name, " \n");
    const char *rest = strstr(name, "resumed>");
    if (!rest || !task->open_call ||
        strncmp(task->open_call, name, length) != 0 ||
        task->open_call[length] != '(')
        return strace_fail(
            strace, text->at,
            "a line that belongs to this task's last one (is the "
            "recording interleaved with another?)");
    g_autofree char *begun = g_steal_pointer(&task->open_call);
    rest += strlen("resumed>");
    g_autofree char *whole = g_strconcat(begun, rest, NULL);
    strace->joined = whole + strlen(begun);
    strace->resumed_at = rest;
    bool ok = take_call(strace, task, whole, task->open_ns);
    strace->joined = NULL;
    text->at = rest;
    return ok;
}

static bool
take_event(struct strace *strace, struct strace_task *task, uint64_t time_ns)
{
    struct trace_text *text = strace->text;
    const char *at = text->at;
    if (strncmp(at, "--- ", 4) == 0)
        return true;  // a signal
    if (strncmp(at, "+++ ", 4) == 0 || g_str_has_suffix(at, DETACHED))
        return strace_death(strace, task, time_ns);
    if (strncmp(at, "<... ", 5) == 0)
        return take_resumed(strace, task);
    if (task->open_call)
        return strace_fail(strace, at,
                           "the end of this task's last call (is the recording "
                           "interleaved with another?)");
    if (g_str_has_suffix(at, UNFINISHED))
        return take_unfinished(strace, task, time_ns);
    return take_call(strace, task, at, time_ns);
}

static bool
take_line(struct trace_text *text, void *data)
{
    struct strace *strace = data;
    uint32_t tid = 0;
    uint64_t time_ns = 0;
    strace->text = text;
    strace->last_line = text->line;
    bool is_about = strncmp(text->at, "strace: ", 8) == 0;
    if (is_about || !trace_text_next(text))
        return true;
    if (!strace_take_tid(strace, &tid) ||
        !strace_take_seconds(strace, &time_ns))
        return false;
    strace_skip_blanks(strace);
    struct strace_task *task = strace_task_of(strace, tid);
    time_ns = MAX(time_ns, task->birth_ns);
    return strace_expect_birth(strace, task, time_ns) &&
           take_event(strace, task, time_ns);
}

/* A task that still lives, or that nobody made: the first one of all. */
static const struct strace_task *
find_left(const struct strace *strace)
{
    GHashTableIter iter;
    gpointer value;
    const struct strace_task *left = NULL;
    g_hash_table_iter_init(&iter, strace->tasks);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const struct strace_task *task = value;
        if (!left || task->order < left->order)
            left = task;
    }
    return left;
}

static bool
check_end(const struct strace *strace, const char *path, GError **error)
{
    const struct strace_task *left = find_left(strace);
    if (strace->task_count == 0)
        return import_fail_cut_off(path, strace->last_line, TRACE_ERROR_EMPTY,
                                   STRACE_LINE, error);
    if (!left)
        return true;
    if (left->is_born) {
        g_autofree char *expected =
            g_strdup_printf("the end of task %u", left->tid);
        return import_fail_cut_off(path, strace->last_line, TRACE_ERROR_LOST,
                                   expected, error);
    }
    g_set_error(error, TRACE_ERROR, TRACE_ERROR_ORDER,
                "%s:%" G_GUINT64_FORMAT
                ":1: expected a task that a line above or below makes, "
                "found %u (is the recording interleaved with another?)",
                left->first_path, left->first_line, left->tid);
    return false;
}

static bool
load(struct strace *strace, GPtrArray *paths, GError **error)
{
    for (guint i = 0; i < paths->len; i++) {
        const char *path = paths->pdata[i];
        if (!import_read_lines(path, take_line, strace, error))
            return false;
    }
    return check_end(strace, paths->pdata[paths->len - 1], error);
}

bool
import_strace(GPtrArray *paths, const struct import_options *options,
              struct trace_writer *out, GError **error)
{
    struct strace strace = {
        .recording = perf_recording_new(),
        .tasks = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL,
                                       strace_task_free),
    };
    strace.recording->is_calls_only = true;
    bool ok = load(&strace, paths, error);
    if (ok) {
        perf_recording_finish(strace.recording);
        import_recording(strace.recording, options, out);
    }
    g_hash_table_unref(strace.tasks);
    perf_recording_free(strace.recording);
    return ok;
}
