/*
 * The tasks of a recording by strace, from birth to death, and the records of
 * what they do.
 */
#include "traces/import_strace.h"

#include <string.h>

void
strace_task_free(gpointer data)
{
    struct strace_task *task = data;
    g_hash_table_unref(task->files);
    g_free(task->open_call);
    g_free(task);
}

bool
strace_add(struct strace *strace, const struct strace_task *task,
           enum perf_kind kind, uint8_t call, uint64_t time_ns,
           const uint64_t *arguments)
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

struct perf_record *
strace_last_record(struct strace *strace)
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
    task->first_path = strace->text->path;
    task->first_line = strace->text->line;
    task->order = strace->task_count++;
    g_hash_table_replace(strace->tasks, GUINT_TO_POINTER(tid), task);
    return task;
}

static GHashTable *
new_files(void)
{
    return g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, g_free);
}

struct strace_task *
strace_task_of(struct strace *strace, uint32_t tid)
{
    struct strace_task *task =
        g_hash_table_lookup(strace->tasks, GUINT_TO_POINTER(tid));
    if (task)
        return task;
    task = add_task(strace, tid, new_files());
    task->is_born = task->order == 0;  // the first one, nobody makes
    return task;
}

static void
copy_files(GHashTable *from, GHashTable *to)
{
    GHashTableIter iter;
    gpointer descriptor, name;
    g_hash_table_iter_init(&iter, from);
    while (g_hash_table_iter_next(&iter, &descriptor, &name))
        g_hash_table_insert(to, descriptor, g_strdup(name));
}

static uint64_t
clone_flags(const struct strace_call *call)
{
    bool is_vfork =
        strace_is_call(call, "vfork") || strace_has_word(call, "CLONE_VFORK");
    uint64_t flags = 0;
    if (is_vfork || strace_has_word(call, "CLONE_VM"))
        flags |= PERF_CLONE_VM;
    if (strace_has_word(call, "CLONE_THREAD"))
        flags |= PERF_CLONE_THREAD;
    return flags;
}

/* Nothing of the child has been seen yet. */
static struct strace_task *
add_child(struct strace *strace, const struct strace_task *parent,
          const struct strace_call *call)
{
    uint32_t tid = (uint32_t)call->result;
    uint64_t arguments[PERF_ARG_COUNT] = {tid, clone_flags(call)};
    if (!strace_add(strace, parent, PERF_NEWTASK, 0, call->end_ns, arguments))
        return NULL;
    struct strace_task *child = add_task(strace, tid, new_files());
    child->birth_ns = call->end_ns;
    return child;
}

/* The child spoke first: the record of its birth is there. */
static void
complete_birth(struct strace *strace, const struct strace_task *child,
               const struct strace_task *parent, const struct strace_call *call)
{
    struct perf_record *record =
        perf_record_at(strace->recording, child->newtask);
    record->tid = record->pid = parent->tid;
    record->arg[1] = clone_flags(call);
}

static void
inherit_files(struct strace_task *child, const struct strace_task *parent,
              const struct strace_call *call)
{
    if (strace_has_word(call, "CLONE_FILES")) {
        g_hash_table_unref(child->files);
        child->files = g_hash_table_ref(parent->files);
    } else {
        copy_files(parent->files, child->files);
    }
}

bool
strace_birth(struct strace *strace, struct strace_task *parent,
             const struct strace_call *call)
{
    gpointer tid = GUINT_TO_POINTER((uint32_t)call->result);
    struct strace_task *child = g_hash_table_lookup(strace->tasks, tid);
    if (call->result == 0 || call->result >= PERF_NONE ||
        (child && child->is_born))
        return strace_fail(strace, call->result_at,
                           "the PID of no task that lives");
    if (child)
        complete_birth(strace, child, parent, call);
    else
        child = add_child(strace, parent, call);
    if (!child)
        return false;
    child->is_born = true;
    if (child->is_dead)
        g_hash_table_remove(strace->tasks, tid);
    else
        inherit_files(child, parent, call);
    return true;
}

bool
strace_expect_birth(struct strace *strace, struct strace_task *task,
                    uint64_t time_ns)
{
    if (task->is_born || task->newtask != PERF_NONE)
        return true;
    uint64_t arguments[PERF_ARG_COUNT] = {task->tid, 0};
    if (!strace_add(strace, task, PERF_NEWTASK, 0, time_ns, arguments))
        return false;
    task->newtask = strace->recording->records->len - 1;
    return true;
}

bool
strace_death(struct strace *strace, struct strace_task *task, uint64_t time_ns)
{
    uint64_t arguments[PERF_ARG_COUNT] = {task->tid};
    if (!strace_add(strace, task, PERF_DEATH, 0, time_ns, arguments))
        return false;
    task->is_dead = true;
    if (!task->is_born)
        return true;  // its birth is still to come
    g_hash_table_remove(strace->tasks, GUINT_TO_POINTER(task->tid));
    return true;
}
