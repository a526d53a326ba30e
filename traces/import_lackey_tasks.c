/*
 * The threads and processes of a lackey recording, by valgrind's numbers: who
 * runs, who is made, who ends.
 */
#include "traces/import_lackey.h"

#include <string.h>

void
lackey_thread_free(gpointer data)
{
    struct lackey_thread *thread = data;
    import_space_unref(thread->task.space);
    g_free(thread->call.path);
    g_free(thread);
}

struct lackey_thread *
lackey_add_thread(struct lackey_process *process, uint64_t tid,
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
bool
lackey_switch_to(struct lackey_process *process, uint64_t number,
                 const char *at)
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
        return lackey_fail(process, at, "a thread that a line above makes");
    unborn->number = (uint32_t)number;
    process->current = unborn;
    return true;
}

/* The address space has changed, or long enough was written nothing. */

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
    child.threads = g_ptr_array_new_with_free_func(lackey_thread_free);
    struct lackey_thread *thread = lackey_add_thread(
        &child, pid, import_space_copy(lackey_space(process)));
    thread->number = 1;
    child.has_image = true;
    child.files = copy_files(process->files);
    import_flush(&lackey->import);
    import_line(&lackey->import, "%u fork %u = 0", process->current->task.id,
                thread->task.id);
    lackey_forget_touches(process);
    return lackey_read_process(lackey, &child, process->text->error);
}

bool
lackey_make_task(struct lackey_process *process, const struct lackey_call *call)
{
    static const char created[] = "created child ";
    struct import *import = &process->lackey->import;
    const char *line = process->text->start;
    const char *child = strstr(line, created);
    uint64_t tid;
    if (child) {
        child += strlen(created);
        if (trace_scan_number(&child, &tid) != TRACE_SCAN_DONE)
            return lackey_fail(process, child, "the number of a process");
        return fork_child(process, tid);
    }
    if (!lackey_find_result(line, &tid) || perf_is_failure(tid))
        return true;
    if (!(call->arguments[0] & PERF_CLONE_THREAD))
        return fork_child(process, tid);
    struct lackey_thread *thread = lackey_add_thread(
        process, tid, import_space_ref(lackey_space(process)));
    import_flush(import);
    import_line(import, "%u thread %u = 0", process->current->task.id,
                thread->task.id);
    return true;
}

void
lackey_die(struct lackey_process *process, bool is_group)
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
