/*
 * Turns one line into one event: its words, then what they need from each
 * other, then what the event changes for the lines below it (tasks, bindings,
 * files).
 */
#include "traces/trace_draft.h"

#include "traces/trace_tables.h"

#include <string.h>

#define MAPS (TRACE_OP_BIT(TRACE_OP_MMAP) | TRACE_OP_BIT(TRACE_OP_MAP))

/* What the words of a draft need from each other: the sentence that says what
 * is expected and missing, or NULL. */
static const char *
find_missing(const struct trace_draft *draft)
{
    const struct trace_event *event = &draft->event;
    uint32_t flags = event->flags;
    bool is_fixed = flags & (TRACE_FIXED | TRACE_FIXED_NOREPLACE);
    if (trace_draft_is_op(draft, MAPS) && !(flags & TRACE_ANON) &&
        event->object == TRACE_NONE)
        return "anon or file=";
    if (event->op == TRACE_OP_MAP && !(flags & TRACE_AT))
        return "at=, which map needs";
    if (is_fixed && !(flags & TRACE_AT))
        return "at=, which fixed needs";
    if (event->op == TRACE_OP_VRANGE &&
        !((flags | draft->flags_denied) & TRACE_VOLATILE))
        return "volatile or novolatile";
    return NULL;
}

static bool
check_draft(struct trace_reader *reader, const struct trace_draft *draft)
{
    struct trace_text *text = &reader->text;
    const char *missing = find_missing(draft);
    if (missing)
        return trace_text_fail(text, text->at, TRACE_ERROR_SYNTAX, missing);
    if (trace_draft_is_op(draft, MAPS) && (draft->event.flags & TRACE_ANON) &&
        draft->event.object != TRACE_NONE)
        return trace_text_fail_found(text, text->at, TRACE_ERROR_SYNTAX,
                                     "either anon or file=", "both");
    return true;
}

/* `@START[+DURATION][/CPU]` */
static bool
take_prefix(struct trace_text *text, struct trace_event *event)
{
    static const char what[] = "@START+DURATION/CPU in nanoseconds";
    const char *start = text->at++;
    uint64_t cpu = 0;
    uint64_t end;
    enum trace_scan scan = trace_scan_number(&text->at, &event->start_ns);
    if (scan == TRACE_SCAN_DONE && *text->at == '+') {
        text->at++;
        scan = trace_scan_number(&text->at, &event->duration_ns);
    }
    event->flags |= TRACE_HAS_TIME;
    if (scan == TRACE_SCAN_DONE && *text->at == '/') {
        text->at++;
        scan = trace_scan_number(&text->at, &cpu);
        event->flags |= TRACE_HAS_CPU;
    }
    if (scan == TRACE_SCAN_NOTHING ||
        (scan == TRACE_SCAN_DONE && !trace_is_word_end(*text->at)))
        return trace_text_fail(text, start, TRACE_ERROR_SYNTAX, what);
    if (scan == TRACE_SCAN_OVERFLOW || cpu > UINT16_MAX ||
        __builtin_add_overflow(event->start_ns, event->duration_ns, &end))
        return trace_text_fail(text, start, TRACE_ERROR_RANGE,
                               "times below 2^64 ns and a CPU below 65536");
    event->cpu = (uint16_t)cpu;
    if (!trace_text_next(text))
        return trace_text_fail(text, text->at, TRACE_ERROR_SYNTAX, "a task id");
    return true;
}

static enum trace_op
find_op(const char *at)
{
    if (trace_is_word_end(at[1])) {  // nearly every line of a long trace
        if (*at == 'w')
            return TRACE_OP_WRITE;
        if (*at == 'r')
            return TRACE_OP_READ;
    }
    for (unsigned i = 0; i < TRACE_OP_COUNT; i++) {
        const char *word = trace_op_word((enum trace_op)i);
        size_t length = strlen(word);
        if (*at == *word && strncmp(at, word, length) == 0 &&
            trace_is_word_end(at[length]))
            return (enum trace_op)i;
    }
    return TRACE_OP_COUNT;
}

static bool
take_op(struct trace_text *text, struct trace_event *event)
{
    bool is_there = trace_text_next(text);
    enum trace_op op = is_there ? find_op(text->at) : TRACE_OP_COUNT;
    if (op == TRACE_OP_COUNT)
        return trace_text_fail(text, text->at, TRACE_ERROR_SYNTAX, "an event");
    text->at += strlen(trace_op_word(op));
    event->op = (uint8_t)op;
    return true;
}

/* A start needs an id that is free, every other event a living task. */
static bool
take_task(struct trace_reader *reader, struct trace_draft *draft)
{
    if (draft->event.op == TRACE_OP_START)
        return trace_draft_new_id(reader, &draft->new_id);
    return trace_draft_known_task(reader, /* must_live = */ true, &draft->task);
}

/* The task cannot be judged before the event is known: the machine has its own
 * events. */
static bool
take_task_and_op(struct trace_reader *reader, struct trace_draft *draft)
{
    struct trace_text *text = &reader->text;
    const char *start = text->at;
    uint64_t id;
    if (!trace_take_id(text, &id) || !take_op(text, &draft->event))
        return false;
    bool of_machine = trace_syntax[draft->event.op].of_machine;
    if (of_machine != (id == 0))
        return trace_text_fail(text, start, TRACE_ERROR_SYNTAX,
                               of_machine ? "task 0, the machine"
                                          : "a task other than 0, the machine");
    if (of_machine)
        return true;
    const char *behind = text->at;
    text->at = start;
    bool is_legal = take_task(reader, draft);
    text->at = behind;
    return is_legal;
}

static uint32_t
new_task(struct trace_reader *reader, const struct trace_draft *draft)
{
    struct trace_task task = {
        .id = draft->new_id,
        .parent = draft->task ? draft->task->index : TRACE_NONE,
        .is_thread = draft->event.op == TRACE_OP_THREAD,
    };
    uint32_t index = reader->trace->tasks->len;
    g_array_append_val(reader->trace->tasks, task);
    trace_tasks_create(&reader->tasks, draft->new_id, index, draft->task,
                       (enum trace_op)draft->event.op);
    return index;
}

static void
exec(struct trace_reader *reader, struct trace_live *task)
{
    trace_tasks_exec(task);
    reader->names_age++;
}

/* What the event changes for the tasks of the lines below. */
static void
apply_to_tasks(struct trace_reader *reader, struct trace_draft *draft)
{
    struct trace_event *event = &draft->event;
    if (draft->task)
        event->task = draft->task->index;
    if (event->op == TRACE_OP_START)
        event->task = new_task(reader, draft);
    else if (draft->new_id != 0)
        event->object = new_task(reader, draft);
    else if (event->op == TRACE_OP_EXEC)
        exec(reader, draft->task);
    else if (event->op == TRACE_OP_EXIT)
        trace_tasks_exit(draft->task);
    else if (event->op == TRACE_OP_EXIT_GROUP)
        trace_tasks_exit_group(draft->task);
}

/* The name that an mremap without `as=` may bind: A of `A`, of `A+0`, and of
 * `A-OFF`, which is A's base if that is how long A is in the run. */
static uint32_t
find_moved_name(const struct trace_reader *reader,
                const struct trace_address *address)
{
    if (address->offset != 0 && !address->from_end)
        return TRACE_NONE;
    return g_array_index(reader->trace->bindings, struct trace_binding,
                         address->binding)
        .name;
}

static void
apply_to_names(struct trace_reader *reader, struct trace_draft *draft)
{
    struct trace_event *event = &draft->event;
    uint32_t name = draft->bind_name;
    if (event->op == TRACE_OP_MREMAP && !(event->flags & TRACE_AS))
        name = find_moved_name(reader, &event->address);
    if (name == TRACE_NONE)
        return;
    struct trace_names *names = trace_tasks_names(draft->task);
    struct trace_binding binding = {.name = name};
    draft->has_detail = true;
    draft->detail.rebinds = trace_names_get(names, name);
    draft->detail.binds = reader->trace->bindings->len;
    g_array_append_val(reader->trace->bindings, binding);
    trace_names_set(names, name, draft->detail.binds);
    reader->names_age++;
}

static void
apply_to_files(struct trace_reader *reader, struct trace_draft *draft)
{
    const uint64_t page = 4096, longest = (uint64_t)INT64_MAX;
    const struct trace_event *event = &draft->event;
    if (event->object == TRACE_NONE)
        return;
    struct trace_file *file =
        &g_array_index(reader->trace->files, struct trace_file, event->object);
    if (event->op == TRACE_OP_FILE) {
        file->size_bytes = event->length;
        file->is_declared = true;
        file->is_shmem = event->flags & TRACE_SHMEM;
        file->is_cold = event->flags & TRACE_COLD;
        return;
    }
    uint64_t end;
    if (file->is_declared ||
        __builtin_add_overflow(draft->detail.file_offset, event->length,
                               &end) ||
        end > longest - page)
        return;  // no call can map beyond the largest file
    file->size_bytes = MAX(file->size_bytes, (end + page - 1) / page * page);
}

static void
note_mark(struct trace_reader *reader, uint32_t name)
{
    if (g_hash_table_add(reader->mark_names, GUINT_TO_POINTER(name)))
        g_array_append_val(reader->trace->marks, name);
}

static void
note_expected(struct trace_reader *reader, const struct trace_draft *draft)
{
    struct trace_expected expected = {
        .name = draft->event.object,
        .column = (uint32_t)(draft->string_at - reader->text.start) + 1,
    };
    if (g_hash_table_add(reader->expected_names,
                         GUINT_TO_POINTER(expected.name)))
        g_array_append_val(reader->trace->expected, expected);
}

/* Lines follow each other, mostly. */
void
trace_note_line(struct trace_reader *reader)
{
    struct trace *trace = reader->trace;
    struct trace_anchor anchor = {trace->event_count, reader->text.line};
    if (anchor.line - anchor.event == reader->line_minus_event)
        return;
    reader->line_minus_event = anchor.line - anchor.event;
    g_array_append_val(trace->anchors, anchor);
}

void
trace_append_event(struct trace_reader *reader, const struct trace_event *event)
{
    g_array_append_vals(reader->trace->events, event, 1);
    if (event->op == TRACE_OP_MARK)
        note_mark(reader, event->object);
    if (trace_syntax[event->op].has_time) {
        bool has_time = event->flags & TRACE_HAS_TIME;
        reader->is_any_timed |= has_time;
        reader->is_any_untimed |= !has_time;
    }
    trace_note_line(reader);
    reader->trace->op_count[event->op]++;
    reader->trace->event_count++;
}

static void
apply(struct trace_reader *reader, struct trace_draft *draft)
{
    struct trace *trace = reader->trace;
    struct trace_event *event = &draft->event;
    if (trace_draft_is_op(draft, MAPS | TRACE_OP_BIT(TRACE_OP_MREMAP)))
        apply_to_names(reader, draft);
    if (trace_draft_is_op(draft, MAPS | TRACE_OP_BIT(TRACE_OP_FILE)))
        apply_to_files(reader, draft);
    apply_to_tasks(reader, draft);
    if (draft->has_detail) {
        event->detail = trace->details->len;
        g_array_append_val(trace->details, draft->detail);
    }
    if (event->op == TRACE_OP_EXPECT)
        note_expected(reader, draft);
    trace_append_event(reader, event);
}

bool
trace_read_event(struct trace_reader *reader)
{
    struct trace_text *text = &reader->text;
    struct trace_draft draft = {
        .event = {.task = TRACE_NONE,
                  .object = TRACE_NONE,
                  .detail = TRACE_NONE,
                  .result = TRACE_NONE},
        .detail = TRACE_NO_DETAIL,
        .bind_name = TRACE_NONE,
    };
    if (reader->trace->events->len >= TRACE_EVENT_COUNT_MAX)
        return trace_text_fail(text, text->at, TRACE_ERROR_RANGE,
                               "no more events than fit in memory");
    if ((*text->at == '@' && !take_prefix(text, &draft.event)) ||
        !take_task_and_op(reader, &draft) ||
        !trace_draft_operands(reader, &draft) ||
        !trace_draft_options(reader, &draft) || !check_draft(reader, &draft))
        return false;
    if (trace_text_is_at_result(text) &&
        trace_syntax[draft.event.op].has_result &&
        !trace_read_result(reader, &draft.event))
        return false;
    if (trace_text_next(text))
        return trace_text_fail(text, text->at, TRACE_ERROR_SYNTAX,
                               "the end of the line");
    apply(reader, &draft);
    return true;
}
