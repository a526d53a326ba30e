/*
 * The calls of a lackey recording, which may be two lines: begun and ended.
 * Those that change the address space are written as perf's are; of read and
 * write, which lackey does not see, the touches are added.
 */
#include "traces/import_lackey.h"

#include <inttypes.h>
#include <string.h>

#include "traces/import_perf_calls.h"

enum number {
    NR_READ = 0,
    NR_WRITE = 1,
    NR_OPEN = 2,
    NR_PREAD = 17,
    NR_PWRITE = 18,
    NR_CLONE = 56,
    NR_FORK = 57,
    NR_VFORK = 58,
    NR_EXIT = 60,
    NR_EXIT_GROUP = 231,
    NR_OPENAT = 257,
};

static void
append_record(struct lackey *lackey, const struct perf_record *record)
{
    g_array_append_vals(lackey->recording->records, record, 1);
}

/* Have the call written as perf's calls are. */
static void
write_call(struct lackey_process *process, uint8_t number, uint64_t result)
{
    struct lackey *lackey = process->lackey;
    struct lackey_call *call = &process->current->call;
    struct perf_record record = {.kind = PERF_ENTER,
                                 .call = number,
                                 .name = PERF_NONE,
                                 .effect_of = PERF_NONE};
    const char *file = NULL;
    if (number == PERF_CALL_MMAP && !perf_is_failure(result) &&
        !(call->arguments[3] & PERF_MAP_ANON))
        file = g_hash_table_lookup(process->files,
                                   GUINT_TO_POINTER((guint)call->arguments[4]));
    g_array_set_size(lackey->recording->records, 0);
    record.partner = file ? 2 : 1;
    import_call_set_arguments(&record, call->arguments);
    if (number == PERF_CALL_WAIT4 && !perf_is_failure(result))
        record.arg[PERF_ARG_WAITED] = result;
    append_record(lackey, &record);
    if (file) {
        record.kind = PERF_MAPPED;
        record.name = perf_recording_name(lackey->recording, file);
        append_record(lackey, &record);
    }
    record.kind = PERF_EXIT;
    record.arg[0] = result;
    append_record(lackey, &record);
    if (number == PERF_CALL_BRK && lackey_space(process)->heap->base == 0) {
        lackey_space(process)->heap->base = result;
        lackey_space(process)->brk = result;
    }
    import_perf_call(&lackey->import, &process->current->task,
                     perf_record_at(lackey->recording, 0),
                     perf_record_at(lackey->recording, 1));
    if (!import_call_waits(number))
        lackey_forget_touches(process);
}

static void
end_call(struct lackey_process *process, uint64_t result)
{
    struct lackey_call *call = &process->current->call;
    const uint64_t *arguments = call->arguments;
    uint8_t number;
    bool has_failed = perf_is_failure(result);
    call->is_open = false;
    if (import_call_by_number(call->number, &number))
        write_call(process, number, result);
    else if (has_failed)
        return;
    else if (call->number == NR_READ || call->number == NR_PREAD)
        lackey_touch_range(process, arguments[1], MIN(result, arguments[2]),
                           TOUCH_W, true);
    else if (call->number == NR_WRITE || call->number == NR_PWRITE)
        lackey_touch_range(process, arguments[1], MIN(result, arguments[2]),
                           TOUCH_R, true);
    else if ((call->number == NR_OPEN || call->number == NR_OPENAT) &&
             call->path)
        g_hash_table_replace(process->files, GUINT_TO_POINTER((guint)result),
                             g_strdup(call->path));
}

/* "( 0x4838000, 4096, 0x4034bb0(/lib/x.so), 5 )"; clone's have no 0x. */
static void
take_arguments(struct lackey_process *process, struct lackey_call *call)
{
    struct trace_text *text = process->text;
    bool is_hex = call->number == NR_CLONE;
    memset(call->arguments, 0, sizeof(call->arguments));
    g_clear_pointer(&call->path, g_free);
    for (unsigned i = 0; i < IMPORT_CALL_ARGS; i++) {
        text->at += strspn(text->at, " ,(");
        const char *word = text->at;
        bool taken = is_hex && strncmp(word, "0x", 2) != 0
                         ? lackey_take_hex(text, &call->arguments[i])
                         : trace_scan_number(&text->at, &call->arguments[i]) ==
                               TRACE_SCAN_DONE;
        if (!taken)
            return;
        if (*text->at != '(')
            continue;
        const char *close = strchr(text->at, ')');
        if (!close)
            return;
        g_free(call->path);
        call->path = g_strndup(text->at + 1, (gsize)(close - text->at - 1));
        text->at = close + 1;
    }
}

/* "--> Success(0x340)", "--> [pre-success] Success(0x0)", "Failure(0x2)";
 * false: the line has no result. */
bool
lackey_find_result(const char *line, uint64_t *result)
{
    const char *word = strstr(line, "Success(");
    bool has_failed = !word;
    if (!word)
        word = strstr(line, "Failure(");
    if (!word)
        return false;
    word += strlen("Success(");
    if (trace_scan_number(&word, result) != TRACE_SCAN_DONE)
        return false;
    if (has_failed)
        *result = 0 - *result;
    return true;
}

/* A signal came while the thread waited; valgrind then says no more of the
 * call. */
static void
interrupt_call(struct lackey_process *process)
{
    struct lackey_thread *thread = process->current;
    struct import *import = &process->lackey->import;
    import_flush(import);
    import_line(import,
                "# task %u: call %" PRIu64 ", whose result is not recorded",
                thread->task.id, thread->call.number);
    thread->call.is_open = false;
}

static bool
begin_call(struct lackey_process *process, uint64_t number)
{
    struct lackey_call *call = &process->current->call;
    uint64_t result;
    if (call->is_open)
        interrupt_call(process);
    call->number = number;
    process->text->at += strcspn(process->text->at, "(\n");
    take_arguments(process, call);
    if (number == NR_CLONE || number == NR_FORK || number == NR_VFORK)
        return lackey_make_task(process, call);
    if (number == NR_EXIT || number == NR_EXIT_GROUP) {
        lackey_die(process, number == NR_EXIT_GROUP);
        return true;
    }
    call->is_open = true;
    if (strstr(process->text->at, "[async] ..."))
        return true;
    if (lackey_find_result(process->text->at, &result))
        end_call(process, result);
    call->is_open = false;
    return true;
}

/* "SYSCALL[PID,THREAD](NUMBER) ..." */
bool
lackey_take_syscall(struct lackey_process *process)
{
    static const char what[] =
        "a call of this process like SYSCALL[PID,1](9) ... --> Success(0x0)";
    struct trace_text *text = process->text;
    const char *start = text->at;
    uint64_t pid, thread, number, result;
    text->at += strlen("SYSCALL[");
    if (trace_scan_number(&text->at, &pid) != TRACE_SCAN_DONE ||
        pid != process->pid || *text->at++ != ',' ||
        trace_scan_number(&text->at, &thread) != TRACE_SCAN_DONE ||
        strncmp(text->at, "](", 2) != 0)
        return lackey_fail(process, start, what);
    text->at += 2;
    if (trace_scan_number(&text->at, &number) != TRACE_SCAN_DONE ||
        *text->at++ != ')' || process->is_dead)
        return lackey_fail(process, start, what);
    if (!lackey_switch_to(process, thread, start))
        return false;
    text->at += strspn(text->at, " ");
    if (strncmp(text->at, "... ", 4) != 0)
        return begin_call(process, number);
    struct lackey_call *call = &process->current->call;
    if (!call->is_open || call->number != number ||
        !lackey_find_result(text->at, &result))
        return lackey_fail(process, start,
                           "the end of this thread's last call");
    end_call(process, result);
    return true;
}
