/*
 * See vmt_tables.h.  As with events, no number that was read is believed.
 */
#include "traces/vmt_tables.h"

#include <string.h>

#include "traces/trace_text.h"
#include "traces/vmt_layout.h"

enum {
    FILE_DECLARED = 1 << 0,
    FILE_SHMEM = 1 << 1,
    FILE_COLD = 1 << 2,
    FILE_LIMIT = 1 << 3,
};

static void
put_strings(GByteArray *out, const GPtrArray *strings)
{
    vmt_put_number(out, strings->len);
    for (guint i = 0; i < strings->len; i++)
        vmt_put_string(out, g_ptr_array_index(strings, i));
}

/* A string that may be missing. */
static void
put_word(GByteArray *out, const char *word)
{
    vmt_put_byte(out, word != NULL);
    if (word)
        vmt_put_string(out, word);
}

static void
put_header(GByteArray *out, const struct trace *trace)
{
    g_byte_array_append(out, (const guint8 *)trace->content_sha256, 64);
    vmt_put_byte(out, trace->touches);
    put_word(out, trace->touches_kernel);
    put_word(out, trace->rewrite);
    put_strings(out, trace->comments);
    vmt_put_byte(out, trace->has_times);
    vmt_put_number(out, trace->event_count);
    for (unsigned i = 0; i < TRACE_OP_COUNT; i++)
        vmt_put_number(out, trace->op_count[i]);
}

static void
put_tasks(GByteArray *out, const struct trace *trace)
{
    vmt_put_number(out, trace->tasks->len);
    for (guint i = 0; i < trace->tasks->len; i++) {
        const struct trace_task *task =
            &g_array_index(trace->tasks, struct trace_task, i);
        vmt_put_number(out, task->id);
        vmt_put_optional(out, task->parent);
        vmt_put_byte(out, task->is_thread);
    }
}

static void
put_bindings(GByteArray *out, const struct trace *trace)
{
    vmt_put_number(out, trace->bindings->len);
    for (guint i = TRACE_BINDING_FIRST; i < trace->bindings->len; i++)
        vmt_put_number(
            out, g_array_index(trace->bindings, struct trace_binding, i).name);
}

static void
put_files(GByteArray *out, const struct trace *trace)
{
    vmt_put_number(out, trace->files->len);
    for (guint i = 0; i < trace->files->len; i++) {
        const struct trace_file *file =
            &g_array_index(trace->files, struct trace_file, i);
        vmt_put_number(out, file->name);
        vmt_put_number(out, file->size_bytes);
        vmt_put_byte(out, (file->is_declared ? FILE_DECLARED : 0) |
                              (file->is_shmem ? FILE_SHMEM : 0) |
                              (file->is_cold ? FILE_COLD : 0));
    }
}

void
vmt_put_tables(GByteArray *out, const struct trace *trace,
               const GArray *extents)
{
    struct vmt_extent last = {.at = 0};
    put_header(out, trace);
    put_strings(out, trace->strings);
    put_tasks(out, trace);
    put_bindings(out, trace);
    put_files(out, trace);
    vmt_put_number(out, trace->marks->len);
    for (guint i = 0; i < trace->marks->len; i++)
        vmt_put_number(out, g_array_index(trace->marks, uint32_t, i));
    vmt_put_number(out, extents->len);
    for (guint i = 0; i < extents->len; i++) {
        const struct vmt_extent *extent =
            &g_array_index(extents, struct vmt_extent, i);
        vmt_put_number(out, extent->at - last.at);
        vmt_put_number(out, extent->first_event - last.first_event);
        last = *extent;
    }
}

/* How many rows follow: each takes a byte or more, so a short file cannot
 * announce a long table. */
static uint64_t
take_count(struct vmt_bytes *bytes)
{
    uint64_t count = vmt_take_number(bytes);
    if (count <= (uint64_t)(bytes->end - bytes->at))
        return count;
    vmt_bytes_fail(bytes, "as many rows as announced");
    return 0;
}

static void
take_strings(struct vmt_bytes *bytes, GPtrArray *strings)
{
    uint64_t count = take_count(bytes);
    for (uint64_t i = 0; i < count && !bytes->is_bad; i++)
        g_ptr_array_add(strings, vmt_take_string(bytes));
}

static char *
take_word(struct vmt_bytes *bytes)
{
    return vmt_take_byte(bytes) ? vmt_take_string(bytes) : NULL;
}

static void
take_header(struct vmt_bytes *bytes, struct trace *trace)
{
    uint64_t sum = 0;
    const uint8_t *digest = vmt_take_bytes(bytes, 64);
    for (unsigned i = 0; digest && i < 64; i++) {
        trace->content_sha256[i] = (char)digest[i];
        if (!g_ascii_isxdigit(digest[i]))
            vmt_bytes_fail(bytes, "a SHA-256 in hexadecimal");
    }
    trace->touches = (enum trace_touches)vmt_take_below(
        bytes, TRACE_TOUCHES_FILTERED + 1, "what touches it holds");
    trace->touches_kernel = take_word(bytes);
    trace->rewrite = take_word(bytes);
    if ((trace->touches == TRACE_TOUCHES_FAULTS) != !!trace->touches_kernel)
        vmt_bytes_fail(bytes, "the kernel of the faults");
    take_strings(bytes, trace->comments);
    trace->has_times = vmt_take_byte(bytes);
    trace->event_count = vmt_take_number(bytes);
    for (unsigned i = 0; i < TRACE_OP_COUNT; i++) {
        trace->op_count[i] = vmt_take_number(bytes);
        if (__builtin_add_overflow(sum, trace->op_count[i], &sum))
            sum = UINT64_MAX;
    }
    if (sum != trace->event_count)
        vmt_bytes_fail(bytes, "as many events as there are of each kind");
}

static void
take_tasks(struct vmt_bytes *bytes, struct trace *trace)
{
    uint64_t count = take_count(bytes);
    for (uint64_t i = 0; i < count && !bytes->is_bad; i++) {
        struct trace_task task = {.id = vmt_take_number(bytes)};
        task.parent = vmt_take_optional(bytes, i, "a parent above its child");
        task.is_thread = vmt_take_byte(bytes);
        g_array_append_val(trace->tasks, task);
    }
}

static uint32_t
take_string_number(struct vmt_bytes *bytes, const struct trace *trace)
{
    return vmt_take_below(bytes, trace->strings->len, "a string's number");
}

/* The name of a region can be written as it is. */
static void
take_bindings(struct vmt_bytes *bytes, struct trace *trace)
{
    uint64_t count = vmt_take_number(bytes);
    if (count < TRACE_BINDING_FIRST ||
        count - TRACE_BINDING_FIRST > (uint64_t)(bytes->end - bytes->at))
        vmt_bytes_fail(bytes, "as many rows as announced");
    for (uint64_t i = TRACE_BINDING_FIRST; i < count && !bytes->is_bad; i++) {
        struct trace_binding binding = {take_string_number(bytes, trace)};
        if (bytes->is_bad)
            return;
        const char *name = trace_string(trace, binding.name);
        size_t length = trace_region_name_length(name);
        if (length > TRACE_REGION_NAME_MAX || name[length] != '\0')
            vmt_bytes_fail(bytes, "the name of a region");
        g_array_append_val(trace->bindings, binding);
    }
}

static void
take_files(struct vmt_bytes *bytes, struct trace *trace)
{
    uint64_t count = take_count(bytes);
    for (uint64_t i = 0; i < count && !bytes->is_bad; i++) {
        struct trace_file file = {.name = take_string_number(bytes, trace)};
        file.size_bytes = vmt_take_number(bytes);
        unsigned traits = vmt_take_below(bytes, FILE_LIMIT, "traits of a file");
        file.is_declared = traits & FILE_DECLARED;
        file.is_shmem = traits & FILE_SHMEM;
        file.is_cold = traits & FILE_COLD;
        g_array_append_val(trace->files, file);
    }
}

static void
take_marks(struct vmt_bytes *bytes, struct trace *trace)
{
    uint64_t count = take_count(bytes);
    for (uint64_t i = 0; i < count && !bytes->is_bad; i++) {
        uint32_t mark = take_string_number(bytes, trace);
        g_array_append_val(trace->marks, mark);
    }
}

static void
take_extents(struct vmt_bytes *bytes, uint64_t tables_at,
             const struct trace *trace, GArray *extents)
{
    struct vmt_extent extent = {.at = 0};
    uint64_t count = take_count(bytes);
    for (uint64_t i = 0; i < count && !bytes->is_bad; i++) {
        uint64_t size = vmt_take_number(bytes);
        uint64_t events = vmt_take_number(bytes);
        bool is_first = i == 0;
        if (__builtin_add_overflow(extent.at, size, &extent.at) ||
            __builtin_add_overflow(extent.first_event, events,
                                   &extent.first_event) ||
            extent.at >= tables_at || (!is_first && size == 0) ||
            extent.first_event > trace->event_count ||
            (is_first && extent.first_event != 0))
            vmt_bytes_fail(bytes, "blocks one behind the other");
        g_array_append_val(extents, extent);
    }
    if (extents->len == 0 && trace->event_count > 0)
        vmt_bytes_fail(bytes, "a block of events");
}

bool
vmt_take_tables(struct vmt_bytes *bytes, uint64_t tables_at,
                struct trace *trace, GArray *extents)
{
    take_header(bytes, trace);
    take_strings(bytes, trace->strings);
    take_tasks(bytes, trace);
    take_bindings(bytes, trace);
    take_files(bytes, trace);
    take_marks(bytes, trace);
    take_extents(bytes, tables_at, trace, extents);
    if (!bytes->is_bad && bytes->at != bytes->end)
        vmt_bytes_fail(bytes, "the end of the tables");
    return !bytes->is_bad;
}
