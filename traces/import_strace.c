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
#include "traces/import.h"

#include <errno.h>
#include <string.h>

#include "traces/import_calls.h"
#include "traces/import_lines.h"
#include "traces/import_perf_state.h"
#include "traces/trace_syntax.h"

#define NS_PER_S   UINT64_C(1000000000)
#define UNFINISHED " <unfinished ...>\n"
#define DETACHED   "<detached ...>\n"

struct strace_task {
    uint32_t tid;
    GHashTable *files;  // descriptor -> char *; threads share it
    char *open_call;    // "mmap(NULL, 4096" of an unfinished call, or NULL
    uint64_t open_ns;   // when it began
    uint64_t birth_ns;  // nothing of it is earlier
    uint64_t first_line;
    uint32_t newtask;  // the record of its birth, or PERF_NONE
    bool is_born;      // that record is complete
    bool is_dead;      // before its parent's call returned
};

struct strace {
    struct perf_recording *recording;
    GHashTable *tasks;  // tid -> struct strace_task, the living
    struct trace_text *text;
    uint64_t last_line;
    uint32_t only_tid;  // of lines without a PID
    bool has_first;     // task, which nobody made
};

/* What is known of one call when it ends. */
struct strace_call {
    const char *name;
    size_t name_length;
    char *arguments[IMPORT_CALL_ARGS];  // text, or NULL
    char *words;                        // what they point into
    uint64_t start_ns, end_ns;
    uint64_t result;
    bool has_result;
};

static void
task_free(gpointer data)
{
    struct strace_task *task = data;
    g_hash_table_unref(task->files);
    g_free(task->open_call);
    g_free(task);
}

static bool
fail(struct strace *strace, const char *at, const char *expected)
{
    return trace_text_fail(strace->text, at, TRACE_ERROR_SYNTAX, expected);
}

/* ---- words ---- */

/* "1795268273.990274" or "0.000012", in ns. */
static bool
take_seconds(struct strace *strace, uint64_t *ns)
{
    struct trace_text *text = strace->text;
    const char *at = text->at;
    uint64_t seconds, fraction = 0;
    unsigned digits = 0;
    if (trace_scan_number(&text->at, &seconds) != TRACE_SCAN_DONE ||
        *text->at++ != '.' || seconds > UINT64_MAX / (2 * NS_PER_S))
        return fail(strace, at, "a time like 1795268273.990274 (strace -ttt)");
    for (; g_ascii_isdigit(*text->at) && digits < 9; text->at++, digits++)
        fraction = fraction * 10 + (uint64_t)(*text->at - '0');
    for (; digits < 9; digits++)
        fraction *= 10;
    *ns = seconds * NS_PER_S + fraction;
    return true;
}

static void
skip_blanks(struct strace *strace)
{
    while (trace_is_blank(*strace->text->at))
        strace->text->at++;
}

/* "4290" or "[pid  4290]" or nothing before the time. */
static bool
take_tid(struct strace *strace, uint32_t *tid)
{
    struct trace_text *text = strace->text;
    uint64_t number;
    const char *at = text->at;
    if (strncmp(at, "[pid", 4) == 0) {
        text->at += 4;
        skip_blanks(strace);
    }
    const char *p = text->at;
    if (trace_scan_number(&p, &number) != TRACE_SCAN_DONE ||
        number >= PERF_NONE || number == 0)
        return fail(strace, at, "a line like PID SECONDS CALL(...) = RESULT");
    if (*p == '.') {
        *tid = strace->only_tid ? strace->only_tid : 1;
        strace->only_tid = *tid;
        return true;
    }
    text->at = p + (*p == ']');
    skip_blanks(strace);
    *tid = (uint32_t)number;
    /* Lines before the first fork have no "[pid N]". */
    if (strace->only_tid == 0 || strace->recording->records->len == 0)
        strace->only_tid = *tid;
    return true;
}

/* The end of a call's arguments: the ')' that closes it, quotes and brackets
 * respected; NULL: it does not end on this line. */
static const char *
find_end(const char *p)
{
    unsigned depth = 0;
    bool is_quoted = false;
    for (; *p && *p != '\n'; p++) {
        if (is_quoted && *p == '\\' && p[1] != '\n')
            p++;
        else if (*p == '"')
            is_quoted = !is_quoted;
        else if (is_quoted)
            continue;
        else if (strchr("([{", *p))
            depth++;
        else if (strchr(")]}", *p) && depth == 0)
            return p;
        else if (strchr(")]}", *p))
            depth--;
    }
    return NULL;
}

/* Cut "NULL, 4096, ..." at its commas. */
static void
split_arguments(struct strace_call *call, const char *start, const char *end)
{
    unsigned count = 0, depth = 0;
    bool is_quoted = false;
    call->words = g_strndup(start, (gsize)(end - start));
    char *p = g_strchug(call->words);
    if (*p)
        call->arguments[count++] = p;
    for (; *p; p++) {
        if (is_quoted && *p == '\\' && p[1])
            p++;
        else if (*p == '"')
            is_quoted = !is_quoted;
        else if (!is_quoted && strchr("([{", *p))
            depth++;
        else if (!is_quoted && strchr(")]}", *p) && depth > 0)
            depth--;
        else if (!is_quoted && *p == ',' && depth == 0) {
            *p = '\0';
            if (count < IMPORT_CALL_ARGS)
                call->arguments[count++] = p + 1 + strspn(p + 1, " ");
        }
    }
}

static const struct {
    const char *word;
    uint64_t value;
} constants[] = {
    {"NULL", 0},
    {"PROT_NONE", 0},
    {"PROT_READ", 1},
    {"PROT_WRITE", 2},
    {"PROT_EXEC", 4},
    {"PROT_GROWSDOWN", 0x01000000},
    {"MAP_SHARED", 0x1},
    {"MAP_PRIVATE", PERF_MAP_PRIVATE},
    {"MAP_SHARED_VALIDATE", 0x3},
    {"MAP_FIXED", PERF_MAP_FIXED},
    {"MAP_ANONYMOUS", PERF_MAP_ANON},
    {"MAP_GROWSDOWN", PERF_MAP_GROWSDOWN},
    {"MAP_DENYWRITE", PERF_MAP_DENYWRITE},
    {"MAP_LOCKED", PERF_MAP_LOCKED},
    {"MAP_NORESERVE", PERF_MAP_NORESERVE},
    {"MAP_POPULATE", PERF_MAP_POPULATE},
    {"MAP_STACK", PERF_MAP_STACK},
    {"MAP_FIXED_NOREPLACE", PERF_MAP_FIXED_NOREPLACE},
    {"MREMAP_MAYMOVE", PERF_MREMAP_MAYMOVE},
    {"MREMAP_FIXED", PERF_MREMAP_FIXED},
    {"MREMAP_DONTUNMAP", PERF_MREMAP_DONTUNMAP},
    {"MADV_NORMAL", 0},
    {"MADV_RANDOM", 1},
    {"MADV_SEQUENTIAL", 2},
    {"MADV_WILLNEED", 3},
    {"MADV_DONTNEED", 4},
    {"MADV_FREE", 8},
    {"MADV_REMOVE", 9},
    {"MADV_DONTFORK", 10},
    {"MADV_DOFORK", 11},
    {"MADV_MERGEABLE", 12},
    {"MADV_UNMERGEABLE", 13},
    {"MADV_HUGEPAGE", 14},
    {"MADV_NOHUGEPAGE", 15},
    {"MADV_DONTDUMP", 16},
    {"MADV_DODUMP", 17},
    {"MADV_WIPEONFORK", 18},
    {"MADV_KEEPONFORK", 19},
    {"MADV_COLD", 20},
    {"MADV_PAGEOUT", 21},
    {"MADV_POPULATE_READ", 22},
    {"MADV_POPULATE_WRITE", 23},
    {"MADV_DONTNEED_LOCKED", 24},
    {"MADV_COLLAPSE", 25},
    {"MADV_GUARD_INSTALL", 102},
    {"MADV_GUARD_REMOVE", 103},
    {"MCL_CURRENT", 1},
    {"MCL_FUTURE", 2},
    {"MCL_ONFAULT", 4},
    {"MLOCK_ONFAULT", 1},
};

/* "0x7f00", "-1", "3</lib/x.so>", "PROT_READ|PROT_WRITE", a number and what
 * strace thinks of it. */
static uint64_t
value_of(const char *text)
{
    uint64_t sum = 0, number;
    while (text && *text) {
        bool is_negative = *text == '-';
        text += is_negative;
        size_t length = strcspn(text, "|</ ");
        const char *p = text;
        if (trace_scan_number(&p, &number) == TRACE_SCAN_DONE)
            sum += is_negative ? 0 - number : number;
        for (unsigned i = 0; i < G_N_ELEMENTS(constants); i++) {
            if (strlen(constants[i].word) == length &&
                memcmp(constants[i].word, text, length) == 0)
                sum |= constants[i].value;
        }
        text += length;
        if (*text != '|')
            break;
        text++;
    }
    return sum;
}

/* ---- records ---- */

static bool
add(struct strace *strace, const struct strace_task *task, enum perf_kind kind,
    uint8_t call, uint64_t time_ns, const uint64_t *arguments)
{
    struct perf_record record = {
        .time_ns = time_ns,
        .line = strace->text->line,
        .pid = task->tid,
        .tid = task->tid,
        .name = PERF_NONE,
        .partner = PERF_NONE,
        .effect_of = PERF_NONE,
        .kind = (uint8_t)kind,
        .call = call,
    };
    if (arguments && kind == PERF_ENTER)
        import_call_set_arguments(&record, arguments);
    else if (arguments)
        memcpy(record.arg, arguments, sizeof(record.arg));
    return perf_recording_add(strace->recording, &record, strace->text);
}

static struct perf_record *
last_record(struct strace *strace)
{
    return perf_record_at(strace->recording,
                          strace->recording->records->len - 1);
}

static struct strace_task *
add_task(struct strace *strace, uint32_t tid, GHashTable *files)
{
    struct strace_task *task = g_new0(struct strace_task, 1);
    task->tid = tid;
    task->files = files;
    task->newtask = PERF_NONE;
    task->first_line = strace->text->line;
    g_hash_table_replace(strace->tasks, GUINT_TO_POINTER(tid), task);
    return task;
}

static GHashTable *
new_files(void)
{
    return g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, g_free);
}

/* The task of a line; a new one is the first of all, or the child of a call
 * that has not returned yet. */
static struct strace_task *
task_of(struct strace *strace, uint32_t tid)
{
    struct strace_task *task =
        g_hash_table_lookup(strace->tasks, GUINT_TO_POINTER(tid));
    if (task)
        return task;
    task = add_task(strace, tid, new_files());
    task->is_born = !strace->has_first;
    strace->has_first = true;
    return task;
}

/* ---- births, deaths, images ---- */

static void
copy_files(GHashTable *from, GHashTable *to)
{
    GHashTableIter iter;
    gpointer descriptor, name;
    g_hash_table_iter_init(&iter, from);
    while (g_hash_table_iter_next(&iter, &descriptor, &name))
        g_hash_table_insert(to, descriptor, g_strdup(name));
}

/* A clone, fork or vfork made a task. */
static bool
birth(struct strace *strace, struct strace_task *parent,
      const struct strace_call *call)
{
    uint32_t tid = (uint32_t)call->result;
    bool is_vfork = strncmp(call->name, "vfork", call->name_length) == 0 ||
                    (call->words && strstr(call->words, "CLONE_VFORK"));
    uint64_t flags = 0;
    if (is_vfork || (call->words && strstr(call->words, "CLONE_VM")))
        flags |= PERF_CLONE_VM;
    if (call->words && strstr(call->words, "CLONE_THREAD"))
        flags |= PERF_CLONE_THREAD;

    struct strace_task *child =
        g_hash_table_lookup(strace->tasks, GUINT_TO_POINTER(tid));
    if (child && !child->is_born) {  // it spoke first
        struct perf_record *record =
            perf_record_at(strace->recording, child->newtask);
        record->tid = record->pid = parent->tid;
        record->arg[1] = flags;
    } else {
        uint64_t arguments[PERF_ARG_COUNT] = {tid, flags};
        if (!add(strace, parent, PERF_NEWTASK, 0, call->end_ns, arguments))
            return false;
        child = add_task(strace, tid, new_files());
        child->birth_ns = call->end_ns;
    }
    child->is_born = true;
    if (child->is_dead) {
        g_hash_table_remove(strace->tasks, GUINT_TO_POINTER(tid));
        return true;
    }
    if (call->words && strstr(call->words, "CLONE_FILES")) {
        g_hash_table_unref(child->files);
        child->files = g_hash_table_ref(parent->files);
    } else {
        copy_files(parent->files, child->files);
    }
    return true;
}

/* The first line of a task before its parent's call returned: room for the
 * birth above whatever the task does. */
static bool
expect_birth(struct strace *strace, struct strace_task *task, uint64_t time_ns)
{
    if (task->is_born || task->newtask != PERF_NONE)
        return true;
    uint64_t arguments[PERF_ARG_COUNT] = {task->tid, 0};
    if (!add(strace, task, PERF_NEWTASK, 0, time_ns, arguments))
        return false;
    task->newtask = strace->recording->records->len - 1;
    return true;
}

static bool
death(struct strace *strace, struct strace_task *task, uint64_t time_ns)
{
    uint64_t arguments[PERF_ARG_COUNT] = {task->tid};
    if (!add(strace, task, PERF_DEATH, 0, time_ns, arguments))
        return false;
    task->is_dead = true;
    if (!task->is_born)
        return true;  // its birth is still to come
    g_hash_table_remove(strace->tasks, GUINT_TO_POINTER(task->tid));
    return true;
}

/* A string argument without its quotes. */
static char *
string_of(const char *argument)
{
    const char *quote = argument ? strchr(argument, '"') : NULL;
    char *end = quote ? strrchr(quote + 1, '"') : NULL;
    return end ? g_strndup(quote + 1, (gsize)(end - quote - 1)) : NULL;
}

static bool
image(struct strace *strace, struct strace_task *task,
      const struct strace_call *call)
{
    bool is_at = call->name_length == strlen("execveat");
    g_autofree char *path = string_of(call->arguments[is_at ? 1 : 0]);
    g_autofree char *comm = g_path_get_basename(path ? path : "unnamed");
    if (!add(strace, task, PERF_IMAGE, 0, call->end_ns, NULL))
        return false;
    last_record(strace)->name = perf_recording_name(strace->recording, comm);
    return true;
}

/* ---- files ---- */

static bool
is_call(const struct strace_call *call, const char *name)
{
    return strlen(name) == call->name_length &&
           memcmp(name, call->name, call->name_length) == 0;
}

static void
note_file(struct strace_task *task, const struct strace_call *call)
{
    gpointer descriptor = GUINT_TO_POINTER((guint)call->result);
    char *name = NULL;
    if (is_call(call, "open") || is_call(call, "creat"))
        name = string_of(call->arguments[0]);
    else if (is_call(call, "openat") || is_call(call, "openat2"))
        name = string_of(call->arguments[1]);
    else if (is_call(call, "memfd_create")) {
        g_autofree char *label = string_of(call->arguments[0]);
        name = g_strconcat("/memfd:", label, NULL);
    } else if (is_call(call, "dup") || is_call(call, "dup2") ||
               is_call(call, "dup3")) {
        guint from = (guint)value_of(call->arguments[0]);
        name =
            g_strdup(g_hash_table_lookup(task->files, GUINT_TO_POINTER(from)));
    }
    if (name)
        g_hash_table_replace(task->files, descriptor, name);
}

/* "3</lib/x.so>" of -y, or what was opened. */
static char *
file_of(const struct strace_task *task, const char *argument)
{
    const char *bracket = argument ? strchr(argument, '<') : NULL;
    const char *end = bracket ? strrchr(bracket, '>') : NULL;
    if (end)
        return g_strndup(bracket + 1, (gsize)(end - bracket - 1));
    guint descriptor = (guint)value_of(argument);
    return g_strdup(
        g_hash_table_lookup(task->files, GUINT_TO_POINTER(descriptor)));
}

/* The mapping of a file, as perf reports it. */
static bool
add_mapped(struct strace *strace, struct strace_task *task,
           const struct strace_call *call, const uint64_t *arguments)
{
    g_autofree char *name = file_of(task, call->arguments[4]);
    if (!name || !*name || strlen(name) > PERF_NAME_MAX)
        return true;
    uint64_t mapped[PERF_ARG_COUNT] = {call->result, arguments[1], arguments[5],
                                       arguments[2]};
    if (!add(strace, task, PERF_MAPPED, 0, call->end_ns, mapped))
        return false;
    last_record(strace)->name = perf_recording_name(strace->recording, name);
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
        arguments[i] = value_of(call->arguments[i]);
    if (!add(strace, task, PERF_ENTER, number, call->start_ns, arguments))
        return false;
    bool is_exec = number == PERF_CALL_EXECVE || number == PERF_CALL_EXECVEAT;
    if (is_exec && !has_failed && !image(strace, task, call))
        return false;
    if (number == PERF_CALL_MMAP && !has_failed &&
        !(arguments[3] & PERF_MAP_ANON) &&
        !add_mapped(strace, task, call, arguments))
        return false;
    return add(strace, task, PERF_EXIT, number, call->end_ns, result);
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
        if (is_call(call, births[i]))
            return has_failed || birth(strace, task, call);
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
    skip_blanks(strace);
    if (*text->at != '=')
        return fail(strace, text->at, "the result of a call");
    text->at++;
    skip_blanks(strace);
    call->has_result = *text->at != '?';
    bool is_failure = strncmp(text->at, "-1 E", 4) == 0;
    const char *at = text->at;
    if (is_failure) {
        const char *name = at + 3;
        size_t length = strcspn(name, " \n");
        int error = trace_errno_number(name, length);
        call->result = (uint64_t) - (int64_t)(error ? error : EINVAL);
    } else if (call->has_result &&
               trace_scan_number(&text->at, &call->result) != TRACE_SCAN_DONE) {
        return fail(strace, at, "the result of a call");
    }
    const char *end = strchr(at, '\n');
    const char *bracket = memrchr(at, '<', (size_t)(end - at));
    uint64_t duration = 0;
    if (call->has_result && (!bracket || end[-1] != '>'))
        return fail(strace, end, "the call's duration (strace -T)");
    if (bracket && call->has_result) {
        text->at = bracket + 1;
        if (!take_seconds(strace, &duration))
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
        end = find_end(parenthesis + 1);
    if (!end)
        return fail(strace, text->at, "a complete call");
    struct strace_call call = {
        .name = whole,
        .name_length = (size_t)(parenthesis - whole),
        .start_ns = start_ns,
    };
    split_arguments(&call, parenthesis + 1, end);
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
        return fail(strace, text->at,
                    "a line that belongs to this task's last one (is the "
                    "recording interleaved with another?)");
    g_autofree char *begun = g_steal_pointer(&task->open_call);
    g_autofree char *whole =
        g_strconcat(begun, rest + strlen("resumed>"), NULL);
    text->start = whole;
    return take_call(strace, task, whole, task->open_ns);
}

static bool
take_event(struct strace *strace, struct strace_task *task, uint64_t time_ns)
{
    struct trace_text *text = strace->text;
    const char *at = text->at;
    if (strncmp(at, "--- ", 4) == 0)
        return true;  // a signal
    if (strncmp(at, "+++ ", 4) == 0 || g_str_has_suffix(at, DETACHED))
        return death(strace, task, time_ns);
    if (strncmp(at, "<... ", 5) == 0)
        return take_resumed(strace, task);
    if (task->open_call)
        return fail(strace, at,
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
    if (!take_tid(strace, &tid) || !take_seconds(strace, &time_ns))
        return false;
    skip_blanks(strace);
    struct strace_task *task = task_of(strace, tid);
    time_ns = MAX(time_ns, task->birth_ns);
    return expect_birth(strace, task, time_ns) &&
           take_event(strace, task, time_ns);
}

/* A task that still lives, or that nobody made: the first one of the file. */
static bool
check_end(const struct strace *strace, const char *path, GError **error)
{
    GHashTableIter iter;
    gpointer value;
    const struct strace_task *left = NULL;
    g_hash_table_iter_init(&iter, strace->tasks);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const struct strace_task *task = value;
        if (!left || task->first_line < left->first_line)
            left = task;
    }
    if (!left)
        return true;
    if (!left->is_born)
        g_set_error(error, TRACE_ERROR, TRACE_ERROR_ORDER,
                    "%s:%" G_GUINT64_FORMAT
                    ":1: expected a task that a line above or below makes, "
                    "found %u (is the recording interleaved with another?)",
                    path, left->first_line, left->tid);
    else
        g_set_error(error, TRACE_ERROR, TRACE_ERROR_LOST,
                    "%s:%" G_GUINT64_FORMAT
                    ":1: expected the end of task %u, found the end of the "
                    "file (is the recording cut off?)",
                    path, strace->last_line, left->tid);
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
    return paths->len == 0 ||
           check_end(strace, paths->pdata[paths->len - 1], error);
}

bool
import_strace(GPtrArray *paths, const struct import_options *options,
              struct trace_writer *out, GError **error)
{
    struct strace strace = {
        .recording = perf_recording_new(),
        .tasks = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL,
                                       task_free),
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
