/*
 * Counts the events of a trace.  Nothing is simulated: pages are counted as the
 * words ask for them, 4 KiB each.
 */
#include "traces/trace_info.h"

#include <string.h>

#include "traces/legible.h"
#include "traces/trace_format.h"

enum { PAGE = 4096 };

static void
add(uint64_t *sum, uint64_t amount)
{
    if (__builtin_add_overflow(*sum, amount, sum))
        *sum = UINT64_MAX;
}

/* Pages that a range meets, regions being page aligned. */
static uint64_t
touched_pages(const struct trace *trace, const struct trace_event *event)
{
    uint64_t stride = trace_detail(trace, event)->stride;
    if (event->length == 0)
        return 0;
    if (stride > PAGE)
        return (event->length - 1) / stride + 1;
    uint64_t offset = event->address.offset;
    uint64_t into_page = (event->address.from_end ? 0 - offset : offset) % PAGE;
    uint64_t last = into_page;
    add(&last, event->length - 1);
    return last / PAGE + 1;
}

static void
count_event(struct trace_info *info, const struct trace *trace,
            const struct trace_event *event)
{
    if (event->result != TRACE_NONE)
        info->result_count++;
    if (event->op == TRACE_OP_MMAP || event->op == TRACE_OP_MAP)
        add(&info->mapped_bytes, event->length);
    if (event->op == TRACE_OP_READ || event->op == TRACE_OP_WRITE ||
        event->op == TRACE_OP_EXECUTE)
        add(&info->touched_pages, touched_pages(trace, event));
    if (!(event->flags & TRACE_HAS_TIME))
        return;
    uint64_t end = event->start_ns + event->duration_ns;
    info->first_ns =
        info->has_span ? MIN(info->first_ns, event->start_ns) : event->start_ns;
    info->last_ns = MAX(info->last_ns, end);
    info->has_span = true;
}

static void
count_tasks(struct trace_info *info, const struct trace *trace)
{
    for (unsigned i = 0; i < trace->tasks->len; i++) {
        if (g_array_index(trace->tasks, struct trace_task, i).is_thread)
            info->thread_count++;
        else
            info->process_count++;
    }
}

bool
trace_info_compute(const struct trace *trace, struct trace_info *info,
                   GError **error)
{
    GError *failure = NULL;
    const struct trace *window;
    struct trace_cursor *cursor = trace_cursor_open(trace);
    *info = (struct trace_info){.has_span = false};
    memcpy(info->op_count, trace->op_count, sizeof(info->op_count));
    count_tasks(info, trace);
    while ((window = trace_cursor_next(cursor, &failure)))
        for (unsigned i = 0; i < window->events->len; i++)
            count_event(info, window,
                        &g_array_index(window->events, struct trace_event, i));
    trace_cursor_close(cursor);
    if (failure)
        g_propagate_error(error, failure);
    return !failure;
}

static void
print_count(GString *out, const char *what, uint64_t count)
{
    g_string_append_printf(out, "%-16s %12" G_GUINT64_FORMAT "\n", what, count);
}

/* A word of the file. */
static void
print_word(GString *out, const char *what, const char *word)
{
    g_autofree char *shown = legible_text(word, LEGIBLE_NONE);
    g_string_append_printf(out, "%s %s\n", what, shown);
}

static void
print_touches(GString *out, const struct trace *trace)
{
    switch (trace->touches) {
    case TRACE_TOUCHES_ACCESSES:
        g_string_append(out, "touches          every page touched\n");
        break;
    case TRACE_TOUCHES_FAULTS:
        print_word(out, "touches          that faulted on",
                   trace->touches_kernel);
        break;
    case TRACE_TOUCHES_FILTERED:
        g_string_append(out, "touches          filtered\n");
        break;
    }
    if (trace->rewrite)
        print_word(out, "rewritten       ", trace->rewrite);
}

static void
print_span(GString *out, const struct trace *trace,
           const struct trace_info *info)
{
    if (!info->has_span) {
        g_string_append(out, "times            none\n");
        return;
    }
    uint64_t span = info->last_ns - info->first_ns;
    g_string_append_printf(out,
                           "times            %" G_GUINT64_FORMAT
                           ".%09" G_GUINT64_FORMAT " s%s\n",
                           span / 1000000000, span % 1000000000,
                           trace->has_times ? "" : " (not on every event)");
}

static void
print_files(GString *out, const struct trace *trace)
{
    if (trace->files->len > 0)
        g_string_append(out, "\nfiles\n");
    for (unsigned i = 0; i < trace->files->len; i++) {
        const struct trace_file *file =
            &g_array_index(trace->files, struct trace_file, i);
        g_string_append(out, "  ");
        trace_format_name(out, trace_string(trace, file->name));
        g_string_append_c(out, ' ');
        trace_format_size(out, file->size_bytes);
        g_string_append(out, file->is_shmem ? " shmem" : " disk");
        g_string_append(out, file->is_cold ? " cold" : " cached");
        g_string_append(out, file->is_declared ? "\n" : " (undeclared)\n");
    }
}

bool
trace_info_print(const struct trace *trace, GString *out, GError **error)
{
    struct trace_info info;
    if (!trace_info_compute(trace, &info, error))
        return false;
    print_word(out, "trace           ", trace->path);
    g_string_append_printf(out, "sha256           %s\n", trace->sha256);
    if (!g_str_equal(trace->sha256, trace->content_sha256))
        g_string_append_printf(out, "sha256 of text   %s\n",
                               trace->content_sha256);
    print_touches(out, trace);
    print_span(out, trace, &info);
    print_count(out, "processes", info.process_count);
    print_count(out, "threads", info.thread_count);
    print_count(out, "mapped bytes", info.mapped_bytes);
    print_count(out, "pages touched", info.touched_pages);
    print_count(out, "results", info.result_count);
    print_count(out, "events", trace->event_count);
    for (unsigned op = 0; op < TRACE_OP_COUNT; op++) {
        g_autofree char *what =
            g_strdup_printf("  %s", trace_op_word((enum trace_op)op));
        if (info.op_count[op] > 0)
            print_count(out, what, info.op_count[op]);
    }
    print_files(out, trace);
    return true;
}
