/*
 * The tables of a trace: made, looked up, freed.
 */
#include "traces/trace_tables.h"

#include "traces/trace_kept.h"
#include "traces/vmt_file.h"

static GArray *
new_table(size_t element_bytes)
{
    return g_array_new(FALSE, FALSE, (guint)element_bytes);
}

void
trace_init_window(struct trace *trace)
{
    trace->events = new_table(sizeof(struct trace_event));
    trace->details = new_table(sizeof(struct trace_detail));
    trace->results = new_table(sizeof(struct trace_result));
    trace->runs = new_table(sizeof(struct trace_run));
    trace->anchors = new_table(sizeof(struct trace_anchor));
}

void
trace_empty_window(struct trace *trace)
{
    g_array_set_size(trace->events, 0);
    g_array_set_size(trace->details, 0);
    g_array_set_size(trace->results, 0);
    g_array_set_size(trace->runs, 0);
    g_array_set_size(trace->anchors, 0);
}

void
trace_finish_window(struct trace *trace)
{
    g_array_unref(trace->events);
    g_array_unref(trace->details);
    g_array_unref(trace->results);
    g_array_unref(trace->runs);
    g_array_unref(trace->anchors);
}

struct trace *
trace_new(const char *path)
{
    static const struct trace_binding unnamed = {.name = TRACE_NONE};
    struct trace *trace = g_new0(struct trace, 1);
    trace->path = g_strdup(path);
    trace->shown_path =
        g_path_is_absolute(path) ? g_path_get_basename(path) : g_strdup(path);
    trace->tasks = new_table(sizeof(struct trace_task));
    trace->bindings = new_table(sizeof(struct trace_binding));
    trace->files = new_table(sizeof(struct trace_file));
    trace->strings = g_ptr_array_new_with_free_func(g_free);
    trace->comments = g_ptr_array_new_with_free_func(g_free);
    trace->marks = new_table(sizeof(uint32_t));
    trace->expected = new_table(sizeof(struct trace_expected));
    for (unsigned i = 0; i < TRACE_BINDING_FIRST; i++)
        g_array_append_val(trace->bindings, unnamed);
    trace_init_window(trace);
    return trace;
}

void
trace_free(struct trace *trace)
{
    if (!trace)
        return;
    g_free(trace->path);
    g_free(trace->shown_path);
    g_free(trace->touches_kernel);
    g_free(trace->rewrite);
    g_array_unref(trace->tasks);
    g_array_unref(trace->bindings);
    g_array_unref(trace->files);
    g_ptr_array_unref(trace->strings);
    g_ptr_array_unref(trace->comments);
    g_array_unref(trace->marks);
    g_array_unref(trace->expected);
    trace_finish_window(trace);
    trace_forget(trace);
    vmt_file_free(trace->file);
    g_free(trace);
}

void
trace_keep(struct trace *trace, struct trace_room *room)
{
    if (trace->file && !trace->kept)
        trace->kept = trace_kept_new(vmt_block_count(trace), room);
}

void
trace_forget(struct trace *trace)
{
    trace_kept_free(g_steal_pointer(&trace->kept));
}

const char *
trace_string(const struct trace *trace, uint32_t index)
{
    return g_ptr_array_index(trace->strings, index);
}

uint32_t
trace_expect_column(const struct trace *trace, uint32_t name)
{
    for (guint i = 0; i < trace->expected->len; i++) {
        const struct trace_expected *expected =
            &g_array_index(trace->expected, struct trace_expected, i);
        if (expected->name == name)
            return expected->column;
    }
    return sizeof("0 expect ");
}

const struct trace_detail *
trace_detail(const struct trace *trace, const struct trace_event *event)
{
    static const struct trace_detail none = TRACE_NO_DETAIL;
    return event->detail == TRACE_NONE
               ? &none
               : &g_array_index(trace->details, struct trace_detail,
                                event->detail);
}

uint64_t
trace_event_line(const struct trace *trace, uint64_t number)
{
    guint low = 0, high = trace->anchors->len;
    while (high - low > 1) {
        guint middle = low + (high - low) / 2;
        if (g_array_index(trace->anchors, struct trace_anchor, middle).event <=
            number)
            low = middle;
        else
            high = middle;
    }
    const struct trace_anchor *anchor =
        &g_array_index(trace->anchors, struct trace_anchor, low);
    return anchor->line + (number - anchor->event);
}
