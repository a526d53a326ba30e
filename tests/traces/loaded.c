/*
 * See loaded.h.
 */
#include "tests/traces/loaded.h"

#include <check.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <glib/gstdio.h>

char *
make_folder(void)
{
    GError *error = NULL;
    char *folder = g_dir_make_tmp("vmsim-traces-XXXXXX", &error);
    ck_assert_msg(folder, "%s", error ? error->message : "");
    return folder;
}

void
remove_folder(char *folder)
{
    GDir *dir = g_dir_open(folder, 0, NULL);
    const char *name;
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_unlink(path);
    }
    g_dir_close(dir);
    g_rmdir(folder);
    g_free(folder);
}

struct trace *
load_bytes(const char *bytes, size_t length, char **message)
{
    GError *error = NULL;
    int fd = memfd_create("t.trace", MFD_CLOEXEC);  // no disk: tests load a lot
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
    ck_assert(write(fd, bytes, length) == (ssize_t)length);
    struct trace *trace = trace_load(path, &error);
    close(fd);
    ck_assert((trace == NULL) == (error != NULL));
    if (error) {
        ck_assert(g_str_has_prefix(error->message, path));
        if (message)
            *message =
                g_strconcat("t.trace", error->message + strlen(path), NULL);
        g_error_free(error);
    }
    return trace;
}

struct trace *
load_lines(const char *lines)
{
    char *message = NULL;
    g_autofree char *text = g_strconcat("#vmtrace 1\n", lines, "\n", NULL);
    struct trace *trace = load_bytes(text, strlen(text), &message);
    ck_assert_msg(trace, "%s", message);
    return trace;
}

char *
refuse_lines(const char *lines)
{
    char *message = NULL;
    g_autofree char *text = g_strconcat("#vmtrace 1\n", lines, "\n", NULL);
    struct trace *trace = load_bytes(text, strlen(text), &message);
    ck_assert_msg(!trace, "was not refused: %s", lines);
    return message;
}

const struct trace_event *
event_at(const struct trace *trace, unsigned index)
{
    ck_assert_uint_lt(index, trace->events->len);
    return &g_array_index(trace->events, struct trace_event, index);
}

const struct trace_event *
last_event(const struct trace *trace)
{
    return event_at(trace, trace->events->len - 1);
}

char *
event_text(const struct trace *trace, const struct trace_event *event)
{
    GString *line = g_string_new(NULL);
    trace_format_event(trace, event, line);
    return g_string_free(line, FALSE);
}

static void
assert_equal_strings(const GPtrArray *left, const GPtrArray *right)
{
    ck_assert_uint_eq(left->len, right->len);
    for (unsigned i = 0; i < left->len; i++)
        ck_assert_str_eq(g_ptr_array_index(left, i),
                         g_ptr_array_index(right, i));
}

static bool
is_same_address(const struct trace_address *a, const struct trace_address *b)
{
    return a->offset == b->offset && a->binding == b->binding &&
           a->from_end == b->from_end;
}

static bool
is_same_event(const void *left, const void *right)
{
    const struct trace_event *a = left, *b = right;
    return is_same_address(&a->address, &b->address) &&
           a->length == b->length && a->start_ns == b->start_ns &&
           a->duration_ns == b->duration_ns && a->flags == b->flags &&
           a->task == b->task && a->object == b->object &&
           a->detail == b->detail && a->result == b->result &&
           a->cpu == b->cpu && a->op == b->op && a->prot == b->prot;
}

static bool
is_same_detail(const void *left, const void *right)
{
    const struct trace_detail *a = left, *b = right;
    return is_same_address(&a->at, &b->at) && a->stride == b->stride &&
           a->binds == b->binds && a->rebinds == b->rebinds &&
           a->file_offset == b->file_offset && a->new_length == b->new_length &&
           a->comm == b->comm && a->keys == b->keys &&
           memcmp(a->key, b->key, sizeof(a->key)) == 0;
}

static bool
is_same_result(const void *left, const void *right)
{
    const struct trace_result *a = left, *b = right;
    return a->kind == b->kind && a->error == b->error &&
           a->address == b->address && a->vma_start == b->vma_start &&
           a->vma_end == b->vma_end && a->run_first == b->run_first &&
           a->run_count == b->run_count;
}

static bool
is_same_run(const void *left, const void *right)
{
    const struct trace_run *a = left, *b = right;
    return a->outcome == b->outcome && a->pages == b->pages;
}

static bool
is_same_task(const void *left, const void *right)
{
    const struct trace_task *a = left, *b = right;
    return a->id == b->id && a->parent == b->parent &&
           a->is_thread == b->is_thread;
}

static bool
is_same_binding(const void *left, const void *right)
{
    const struct trace_binding *a = left, *b = right;
    return a->name == b->name;
}

static bool
is_same_file(const void *left, const void *right)
{
    const struct trace_file *a = left, *b = right;
    return a->name == b->name && a->size_bytes == b->size_bytes &&
           a->is_declared == b->is_declared && a->is_shmem == b->is_shmem &&
           a->is_cold == b->is_cold;
}

static bool
is_same_mark(const void *left, const void *right)
{
    return *(const uint32_t *)left == *(const uint32_t *)right;
}

/* Rows hold padding, so they are not compared as bytes. */
static void
assert_equal_tables(const char *what, const GArray *left, const GArray *right,
                    bool (*is_same)(const void *, const void *))
{
    guint bytes = g_array_get_element_size((GArray *)left);
    ck_assert_uint_eq(left->len, right->len);
    for (unsigned i = 0; i < left->len; i++)
        ck_assert_msg(is_same(left->data + (size_t)bytes * i,
                              right->data + (size_t)bytes * i),
                      "%s %u differs", what, i);
}

void
assert_equal_traces(const struct trace *left, const struct trace *right)
{
    assert_equal_tables("event", left->events, right->events, is_same_event);
    assert_equal_tables("detail", left->details, right->details,
                        is_same_detail);
    assert_equal_tables("result", left->results, right->results,
                        is_same_result);
    assert_equal_tables("run", left->runs, right->runs, is_same_run);
    assert_equal_tables("task", left->tasks, right->tasks, is_same_task);
    assert_equal_tables("binding", left->bindings, right->bindings,
                        is_same_binding);
    assert_equal_tables("file", left->files, right->files, is_same_file);
    assert_equal_strings(left->strings, right->strings);
    assert_equal_tables("mark", left->marks, right->marks, is_same_mark);
    ck_assert_uint_eq(left->event_count, right->event_count);
    ck_assert_mem_eq(left->op_count, right->op_count, sizeof(left->op_count));
    assert_equal_strings(left->comments, right->comments);
    ck_assert_int_eq(left->touches, right->touches);
    ck_assert_pstr_eq(left->touches_kernel, right->touches_kernel);
    ck_assert_pstr_eq(left->rewrite, right->rewrite);
    ck_assert(left->has_times == right->has_times);
}
