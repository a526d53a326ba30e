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
 * A touch is written when its page was not touched so since the last call that
 * changed the address space, or for ACCESS_WINDOW accesses.  Memory is needed
 * for the pages in use, not for the file.
 *
 * Lackey does not see what the kernel does for a program: of read and write,
 * pread and pwrite the touches are added.  What exec mapped is read from the
 * program's file, if it is still there; other memory that no call mapped
 * appears as anonymous, 64 KiB at a time.
 */
#include "traces/import.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "traces/import_calls.h"
#include "traces/import_elf.h"
#include "traces/import_lines.h"
#include "traces/import_perf_calls.h"
#include "traces/import_perf_state.h"

/* Where valgrind puts things on x86-64. */
#define STACK_TOP         UINT64_C(0x1fff001000)
#define PROGRAM_BASE      UINT64_C(0x108000)
#define STACK_LIMIT_BYTES (UINT64_C(8) << 20)
#define STACK_FIRST_BYTES (UINT64_C(132) << 10)
#define UNKNOWN_BYTES     (UINT64_C(64) << 10)

enum {
    ACCESS_WINDOW = 1 << 20,
    ACCESS_BYTES_MAX = 4096,
    DEPTH_MAX = 256,  // of forks in forks
};

enum touch_bit { TOUCH_R = 1, TOUCH_W = 2, TOUCH_X = 4 };

/* A call that has begun. */
struct lackey_call {
    uint64_t number;
    uint64_t arguments[IMPORT_CALL_ARGS];
    char *path;  // its string argument, or NULL
    bool is_open;
};

struct lackey_thread {
    struct import_task task;
    struct lackey_call call;
    uint32_t number;  // valgrind's; 0: it has not run yet
    bool is_dead;
};

struct lackey {
    struct import import;
    struct perf_recording *recording;  // of one call at a time
    GHashTable *paths;                 // pid -> path
    GHashTable *is_read;               // pids whose file is begun
    unsigned depth;
};

/* A process, while its file is read. */
struct lackey_process {
    struct lackey *lackey;
    struct trace_text *text;
    uint32_t pid;
    char *program;       // of its next image
    GPtrArray *threads;  // struct lackey_thread, the first is the process
    struct lackey_thread *current;
    GHashTable *files;  // descriptor -> char *
    GHashTable *seen;   // page -> enum touch_bit
    uint64_t access_count;
    uint64_t last_page;
    unsigned last_bit;
    uint64_t last_line;
    bool has_image;
    bool is_dead;
};

static bool
fail(struct lackey_process *process, const char *at, const char *expected)
{
    return trace_text_fail(process->text, at, TRACE_ERROR_SYNTAX, expected);
}

static struct import_space *
space_of(const struct lackey_process *process)
{
    return process->current->task.space;
}

/* ---- threads ---- */

static void
thread_free(gpointer data)
{
    struct lackey_thread *thread = data;
    import_space_unref(thread->task.space);
    g_free(thread->call.path);
    g_free(thread);
}

static struct lackey_thread *
add_thread(struct lackey_process *process, uint64_t tid,
           struct import_space *space)
{
    struct import *import = &process->lackey->import;
    struct lackey_thread *thread = g_new0(struct lackey_thread, 1);
    thread->task.id = ++import->last_id;
    thread->task.space = space;
    g_ptr_array_add(process->threads, thread);
    g_hash_table_insert(import->ids, GUINT_TO_POINTER((guint)tid),
                        GUINT_TO_POINTER(thread->task.id));
    return thread;
}

/* Valgrind's number of a thread that runs; one that was not seen yet is the
 * oldest that was made. */
static bool
switch_to(struct lackey_process *process, uint64_t number, const char *at)
{
    struct lackey_thread *unborn = NULL;
    for (guint i = 0; i < process->threads->len; i++) {
        struct lackey_thread *thread = process->threads->pdata[i];
        if (thread->is_dead)
            continue;
        if (thread->number == number) {
            process->current = thread;
            return true;
        }
        if (thread->number == 0 && !unborn)
            unborn = thread;
    }
    if (!unborn || number == 0 || number > UINT32_MAX)
        return fail(process, at, "a thread that a line above makes");
    unborn->number = (uint32_t)number;
    process->current = unborn;
    return true;
}

/* The address space has changed, or long enough was written nothing. */
static void
forget_touches(struct lackey_process *process)
{
    g_hash_table_remove_all(process->seen);
    process->access_count = 0;
    process->last_bit = 0;
}

/* ---- images ---- */

static void
map_segment(struct lackey_process *process,
            const struct import_segment *segment, uint64_t base,
            const char *path)
{
    struct import *import = &process->lackey->import;
    struct import_task *task = &process->current->task;
    struct import_piece like = {.prot = segment->prot,
                                .is_file = !segment->is_anon};
    uint64_t length = segment->end - segment->start;
    g_autofree char *stem = import_stem(segment->is_anon ? "anon" : path);
    g_autofree char *name = import_space_new_name(task->space, stem);
    g_autofree char *size = import_size(length);
    g_autofree char *prot = import_prot(segment->prot);
    g_autofree char *file = trace_escape(path);
    g_autofree char *offset = import_size(segment->offset);
    g_autofree char *what =
        segment->is_anon
            ? g_strdup("anon,private")
            : g_strdup_printf("private,file=%s off=%s", file, offset);
    import_line(import, "%u map %s %s %s %s at=0x%" PRIx64, task->id, name,
                size, prot, what, base + segment->start);
    import_space_map(task->space, name, base + segment->start, length, &like);
}

static void
map_file(struct lackey_process *process, const char *path,
         const struct import_elf *elf, uint64_t base)
{
    for (guint i = 0; i < elf->segments->len; i++)
        map_segment(process,
                    &g_array_index(elf->segments, struct import_segment, i),
                    base, path);
}

static void
map_stack(struct lackey_process *process)
{
    struct import *import = &process->lackey->import;
    struct import_task *task = &process->current->task;
    struct import_piece like = {.prot = TRACE_PROT_READ | TRACE_PROT_WRITE};
    g_autofree char *name = import_space_new_name(task->space, "stack_vma");
    import_line(import,
                "%u map %s 132K rw- anon,private,stack,growsdown at=stack-132K",
                task->id, name);
    import_space_put(task->space, task->space->stack,
                     STACK_TOP - STACK_FIRST_BYTES, STACK_TOP, &like);
}

/* The first instruction is the interpreter's, or of a program without one. */
static void
begin_image(struct lackey_process *process, uint64_t first_address)
{
    struct import *import = &process->lackey->import;
    struct import_task *task = &process->current->task;
    g_autofree char *found = g_find_program_in_path(process->program);
    g_autofree char *path = found ? g_canonicalize_filename(found, NULL) : NULL;
    g_autofree char *stem = import_stem(process->program);
    g_autofree char *comm = trace_escape(stem);
    struct import_elf *elf = path ? import_elf_read(path) : NULL;
    struct import_elf *interpreter =
        elf && elf->interpreter ? import_elf_read(elf->interpreter) : NULL;

    import_space_unref(task->space);
    task->space = import_space_new(0, STACK_TOP, STACK_LIMIT_BYTES);
    import_line(import, "%u exec %s", task->id, comm);
    map_stack(process);
    if (interpreter)
        map_file(process, elf->interpreter, interpreter,
                 first_address - interpreter->entry);
    if (elf)
        map_file(process, path, elf,
                 !elf->is_relocatable ? 0
                 : elf->interpreter   ? PROGRAM_BASE
                                      : first_address - elf->entry);
    else
        import_line(import, "# its file cannot be read: its image is unknown");
    import_line(import, "%u w stack-4K 4K gup", task->id);
    import_elf_free(interpreter);
    import_elf_free(elf);
    process->has_image = true;
}

/* ---- touches ---- */

static void
map_unknown(struct lackey_process *process, uint64_t address)
{
    struct import *import = &process->lackey->import;
    struct import_task *task = &process->current->task;
    struct import_piece like = {.prot = 7};
    uint64_t start = address & ~(UNKNOWN_BYTES - 1), end = start;
    for (; end < start + UNKNOWN_BYTES; end += IMPORT_PAGE_BYTES) {
        if (!import_space_find(task->space, end))
            continue;
        if (end > address)
            break;
        start = end + IMPORT_PAGE_BYTES;
    }
    g_autofree char *name = import_space_new_name(task->space, "unknown");
    g_autofree char *size = import_size(end - start);
    import_flush(import);
    import_line(import, "%u mmap %s %s rwx anon,private", task->id, name, size);
    import_space_map(task->space, name, start, end - start, &like);
}

static void
touch_page(struct lackey_process *process, uint64_t page, enum touch_bit bit,
           bool is_kernel)
{
    if (page == process->last_page && (process->last_bit & bit))
        return;
    gpointer key = (gpointer)(uintptr_t)page;
    unsigned bits = GPOINTER_TO_UINT(g_hash_table_lookup(process->seen, key));
    bool is_new = !(bits & bit) && !(bit == TOUCH_R && bits & TOUCH_W);
    process->last_page = page;
    process->last_bit = bits | bit;
    if (!is_new)
        return;
    g_hash_table_insert(process->seen, key, GUINT_TO_POINTER(bits | bit));

    uint64_t address = page * IMPORT_PAGE_BYTES;
    const struct import_piece *piece =
        import_space_find(space_of(process), address);
    if (!piece && !is_kernel) {
        map_unknown(process, address);
        piece = import_space_find(space_of(process), address);
    }
    struct import_touch touch = {
        .task = process->current->task.id,
        .op = bit == TOUCH_W   ? 'w'
              : bit == TOUCH_X ? 'x'
                               : 'r',
        .is_kernel = is_kernel,
        .region = piece ? piece->region : NULL,
        .start = address,
        .pages = 1,
        .outcome = TRACE_OUTCOME_COUNT,
    };
    import_touch(&process->lackey->import, &process->current->task, &touch);
}

static void
touch_range(struct lackey_process *process, uint64_t start, uint64_t length,
            enum touch_bit bit, bool is_kernel)
{
    if (length == 0 || start + length < start)
        return;
    uint64_t last = (start + length - 1) / IMPORT_PAGE_BYTES;
    for (uint64_t page = start / IMPORT_PAGE_BYTES; page <= last; page++)
        touch_page(process, page, bit, is_kernel);
}

static bool
take_hex(struct trace_text *text, uint64_t *value)
{
    unsigned digits = 0;
    for (*value = 0; g_ascii_isxdigit(*text->at) && digits < 16;
         text->at++, digits++)
        *value = *value << 4 | (uint64_t)g_ascii_xdigit_value(*text->at);
    return digits > 0;
}

/* "I  0401ab70,3" or " L 1ffeffe7a8,8" */
static bool
take_access(struct lackey_process *process)
{
    static const char what[] = "an access like \" L 1ffeffe7a8,8\"";
    struct trace_text *text = process->text;
    const char *start = text->at;
    bool is_fetch = *start == 'I';
    char kind = is_fetch ? 'I' : start[1];
    uint64_t address, length;
    text->at += is_fetch ? 1 : 2;
    text->at += strspn(text->at, " ");
    if (!take_hex(text, &address) || *text->at++ != ',' ||
        trace_scan_number(&text->at, &length) != TRACE_SCAN_DONE ||
        *text->at != '\n' || length > ACCESS_BYTES_MAX)
        return fail(process, start, what);
    if (process->is_dead)
        return fail(process, start, "the end of a process that has exited");
    if (!process->has_image && !process->program)
        return fail(process, start, "a line like ==7== Command: PROGRAM above");
    if (!process->has_image)
        begin_image(process, address);
    if (++process->access_count > ACCESS_WINDOW)
        forget_touches(process);
    touch_range(process, address, length,
                is_fetch      ? TOUCH_X
                : kind == 'L' ? TOUCH_R
                              : TOUCH_W,
                false);
    return true;
}

/* ---- calls ---- */

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
    if (number == PERF_CALL_BRK && space_of(process)->heap->base == 0) {
        space_of(process)->heap->base = result;
        space_of(process)->brk = result;
    }
    import_perf_call(&lackey->import, &process->current->task,
                     perf_record_at(lackey->recording, 0),
                     perf_record_at(lackey->recording, 1));
    if (!import_call_waits(number))
        forget_touches(process);
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
        touch_range(process, arguments[1], MIN(result, arguments[2]), TOUCH_W,
                    true);
    else if (call->number == NR_WRITE || call->number == NR_PWRITE)
        touch_range(process, arguments[1], MIN(result, arguments[2]), TOUCH_R,
                    true);
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
                         ? take_hex(text, &call->arguments[i])
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
static bool
find_result(const char *line, uint64_t *result)
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

static bool read_process(struct lackey *lackey, struct lackey_process *process,
                         GError **error);

static GHashTable *
copy_files(GHashTable *files)
{
    GHashTable *copy =
        g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, g_free);
    GHashTableIter iter;
    gpointer descriptor, name;
    g_hash_table_iter_init(&iter, files);
    while (g_hash_table_iter_next(&iter, &descriptor, &name))
        g_hash_table_insert(copy, descriptor, g_strdup(name));
    return copy;
}

/* The child's whole life takes place here. */
static bool
fork_child(struct lackey_process *process, uint64_t pid)
{
    struct lackey *lackey = process->lackey;
    struct lackey_process child = {.lackey = lackey, .pid = (uint32_t)pid};
    child.threads = g_ptr_array_new_with_free_func(thread_free);
    struct lackey_thread *thread =
        add_thread(&child, pid, import_space_copy(space_of(process)));
    thread->number = 1;
    child.has_image = true;
    child.files = copy_files(process->files);
    import_flush(&lackey->import);
    import_line(&lackey->import, "%u fork %u = 0", process->current->task.id,
                thread->task.id);
    forget_touches(process);
    return read_process(lackey, &child, process->text->error);
}

static bool
make_task(struct lackey_process *process, const struct lackey_call *call)
{
    static const char created[] = "created child ";
    struct import *import = &process->lackey->import;
    const char *line = process->text->start;
    const char *child = strstr(line, created);
    uint64_t tid;
    if (child) {
        child += strlen(created);
        if (trace_scan_number(&child, &tid) != TRACE_SCAN_DONE)
            return fail(process, child, "the number of a process");
        return fork_child(process, tid);
    }
    if (!find_result(line, &tid) || perf_is_failure(tid))
        return true;
    if (!(call->arguments[0] & PERF_CLONE_THREAD))
        return fork_child(process, tid);
    struct lackey_thread *thread =
        add_thread(process, tid, import_space_ref(space_of(process)));
    import_flush(import);
    import_line(import, "%u thread %u = 0", process->current->task.id,
                thread->task.id);
    return true;
}

/* The end of a thread, or of all of them. */
static void
die(struct lackey_process *process, bool is_group)
{
    struct import *import = &process->lackey->import;
    bool is_last = true;
    import_flush(import);
    import_line(import, "%u %s", process->current->task.id,
                is_group ? "exit-group" : "exit");
    process->current->is_dead = true;
    for (guint i = 0; i < process->threads->len; i++) {
        struct lackey_thread *thread = process->threads->pdata[i];
        if (thread->is_dead)
            continue;
        is_last = false;
        process->current = thread;
    }
    process->is_dead = is_group || is_last;
}

static bool
begin_call(struct lackey_process *process, uint64_t number)
{
    struct lackey_call *call = &process->current->call;
    uint64_t result;
    if (call->is_open)
        return fail(process, process->text->at,
                    "the end of this thread's last call");
    call->number = number;
    process->text->at += strcspn(process->text->at, "(\n");
    take_arguments(process, call);
    if (number == NR_CLONE || number == NR_FORK || number == NR_VFORK)
        return make_task(process, call);
    if (number == NR_EXIT || number == NR_EXIT_GROUP) {
        die(process, number == NR_EXIT_GROUP);
        return true;
    }
    call->is_open = true;
    if (strstr(process->text->at, "[async] ..."))
        return true;
    if (find_result(process->text->at, &result))
        end_call(process, result);
    call->is_open = false;
    return true;
}

/* "SYSCALL[PID,THREAD](NUMBER) ..." */
static bool
take_syscall(struct lackey_process *process)
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
        return fail(process, start, what);
    text->at += 2;
    if (trace_scan_number(&text->at, &number) != TRACE_SCAN_DONE ||
        *text->at++ != ')' || process->is_dead)
        return fail(process, start, what);
    if (!switch_to(process, thread, start))
        return false;
    text->at += strspn(text->at, " ");
    if (strncmp(text->at, "... ", 4) != 0)
        return begin_call(process, number);
    struct lackey_call *call = &process->current->call;
    if (!call->is_open || call->number != number ||
        !find_result(text->at, &result))
        return fail(process, start, "the end of this thread's last call");
    end_call(process, result);
    return true;
}

/* ---- lines ---- */

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
        return fail(process, start, "a line of this file's process");
    const char *command = strstr(text->at, "== Command: ");
    const char *sched = strstr(text->at, "SCHED[");
    if (command) {
        command += strlen("== Command: ");
        g_free(process->program);
        process->program = g_strndup(command, strcspn(command, " \n"));
    } else if (sched && strstr(sched, "acquired lock") && !process->is_dead) {
        sched += strlen("SCHED[");
        return trace_scan_number(&sched, &number) != TRACE_SCAN_DONE ||
               switch_to(process, number, start);
    } else if (strstr(text->at, "Process terminating") && !process->is_dead) {
        die(process, true);
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
        return take_access(process);
    if (strncmp(at, "SYSCALL[", 8) == 0)
        return take_syscall(process);
    if (strncmp(at, "==", 2) == 0 || strncmp(at, "--", 2) == 0)
        return take_remark(process);
    if (strncmp(at, " --> ", 5) == 0 || !trace_text_next(text))
        return true;  // the rest of a call that we do not need
    return fail(process, at, "a line of valgrind's lackey");
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
    if (ok && !process->is_dead) {
        g_set_error(error, TRACE_ERROR, TRACE_ERROR_LOST,
                    "%s:%" PRIu64
                    ":1: expected the end of process %u, found the end of the "
                    "file (is the recording cut off?)",
                    path, process->last_line, process->pid);
        return false;
    }
    return ok;
}

/* Reads the process's file and frees what it holds. */
static bool
read_process(struct lackey *lackey, struct lackey_process *process,
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
            g_set_error(&failure, TRACE_ERROR, TRACE_ERROR_LOST,
                        "%s:%" PRIu64 ":1: expected a line like ==PID== Parent "
                        "PID: NUMBER, found the end of the file (is the "
                        "recording cut off?)",
                        (const char *)paths->pdata[i], heads[i].line + 1);
        if (failure) {
            g_propagate_error(error, failure);
            return false;
        }
        g_hash_table_insert(lackey->paths,
                            GUINT_TO_POINTER((guint)heads[i].pid),
                            paths->pdata[i]);
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

static bool
read_all(struct lackey *lackey, uint32_t pid, GError **error)
{
    struct import *import = &lackey->import;
    struct lackey_process process = {.lackey = lackey, .pid = pid};
    process.threads = g_ptr_array_new_with_free_func(thread_free);
    process.files =
        g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, g_free);
    struct lackey_thread *thread =
        add_thread(&process, pid, import_space_new(0, 0, 0));
    thread->number = 1;
    import_line(import, "#touches accesses");
    import_line(import, "# accesses seen by valgrind's lackey");
    import_line(import, "%u start uid=%" PRIu64, thread->task.id,
                import->options->default_uid);
    bool ok = read_process(lackey, &process, error);
    import_flush(import);
    return ok;
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
