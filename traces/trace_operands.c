/*
 * The operands of an event: what stands between its name and its flags.
 */
#include "traces/trace_draft.h"

/* Intern a string that a line mentions at `at`. */
static bool
intern(struct trace_reader *reader, const char *at, const char *bytes,
       size_t length, uint32_t *index)
{
    *index = trace_strings_add(&reader->strings, bytes, length);
    if (*index != UINT32_MAX)
        return true;
    return trace_text_fail(&reader->text, at, TRACE_ERROR_RANGE,
                           "no more names than a trace can hold");
}

bool
trace_draft_string(struct trace_reader *reader, const char *what,
                   uint32_t *index)
{
    const char *start = reader->text.at;
    return trace_take_escaped(&reader->text, what, reader->scratch) &&
           intern(reader, start, reader->scratch->str, reader->scratch->len,
                  index);
}

static bool
take_region_length(struct trace_text *text, const char *what, size_t *length)
{
    *length = trace_region_name_length(text->at);
    if (*length == 0)
        return trace_text_fail(text, text->at, TRACE_ERROR_SYNTAX, what);
    if (*length > TRACE_REGION_NAME_MAX)
        return trace_text_fail(text, text->at, TRACE_ERROR_RANGE,
                               "a region name of at most 63 bytes");
    return true;
}

/* A region name that the event binds. */
bool
trace_draft_bound_name(struct trace_reader *reader, uint32_t *name)
{
    struct trace_text *text = &reader->text;
    const char *start = text->at;
    size_t length;
    if (!take_region_length(text, "a region name", &length))
        return false;
    text->at += length;
    if (!trace_text_is_ended(text))
        return trace_text_fail(text, start, TRACE_ERROR_SYNTAX,
                               "a region name");
    if (!intern(reader, start, start, length, name))
        return false;
    if (*name < TRACE_STRING_FIRST)
        return trace_text_fail(text, start, TRACE_ERROR_SYNTAX,
                               "a region name other than heap and stack, which "
                               "always exist");
    return true;
}

uint32_t
trace_find_binding(struct trace_reader *reader, struct trace_live *task,
                   const char *name, size_t length)
{
    uint32_t string = trace_strings_find(&reader->strings, name, length);
    if (string == TRACE_STRING_HEAP)
        return TRACE_BINDING_HEAP;
    if (string == TRACE_STRING_STACK)
        return TRACE_BINDING_STACK;
    return trace_names_get(trace_tasks_names(task), string);
}

static bool
take_offset(struct trace_text *text, const char *start, uint64_t *offset)
{
    enum trace_scan scan = trace_scan_size(&text->at, offset);
    if (scan == TRACE_SCAN_OVERFLOW)
        return trace_text_fail(text, start, TRACE_ERROR_RANGE,
                               "an offset below 2^64");
    if (scan == TRACE_SCAN_NOTHING)
        return trace_text_fail(text, start, TRACE_ERROR_SYNTAX,
                               "an address like A, A+4K, A-4K or 0x1000");
    return true;
}

bool
trace_draft_address(struct trace_reader *reader, struct trace_live *task,
                    struct trace_address *address)
{
    static const char what[] = "an address like A, A+4K, A-4K or 0x1000";
    struct trace_text *text = &reader->text;
    const char *start = text->at;
    size_t length;
    if (start[0] == '0' && start[1] == 'x') {
        address->binding = TRACE_BINDING_ABSOLUTE;
        return trace_take_number(text, &address->offset);
    }
    if (!take_region_length(text, what, &length))
        return false;
    text->at += length;
    if (*text->at == '+' || *text->at == '-') {
        address->from_end = *text->at++ == '-';
        if (!take_offset(text, start, &address->offset))
            return false;
    }
    if (!trace_text_is_ended(text))
        return trace_text_fail(text, start, TRACE_ERROR_SYNTAX, what);
    address->binding = trace_find_binding(reader, task, start, length);
    if (address->binding == UINT32_MAX)
        return trace_text_fail(text, start, TRACE_ERROR_ORDER,
                               "the name of a region bound above");
    return true;
}

static uint32_t
find_file(struct trace_reader *reader, uint32_t name)
{
    gpointer file;
    if (g_hash_table_lookup_extended(reader->file_of_name,
                                     GUINT_TO_POINTER(name), NULL, &file))
        return GPOINTER_TO_UINT(file);
    return TRACE_NONE;
}

/* The file of that name; it comes into being when first used. */
static uint32_t
use_file(struct trace_reader *reader, uint32_t name)
{
    uint32_t index = find_file(reader, name);
    if (index != TRACE_NONE)
        return index;
    struct trace_file file = {.name = name};
    index = reader->trace->files->len;
    g_array_append_val(reader->trace->files, file);
    g_hash_table_insert(reader->file_of_name, GUINT_TO_POINTER(name),
                        GUINT_TO_POINTER(index));
    return index;
}

static bool
take_new_file(struct trace_reader *reader, uint32_t *index)
{
    const char *start = reader->text.at;
    uint32_t name;
    if (!trace_draft_string(reader, "the name of a file", &name))
        return false;
    if (find_file(reader, name) != TRACE_NONE)
        return trace_text_fail(&reader->text, start, TRACE_ERROR_ORDER,
                               "a file not declared or used above");
    *index = use_file(reader, name);
    return true;
}

bool
trace_draft_used_file(struct trace_reader *reader, uint32_t *index)
{
    uint32_t name;
    if (!trace_draft_string(reader, "the name of a file", &name))
        return false;
    *index = use_file(reader, name);
    return true;
}

/* The id of a task to be created. */
bool
trace_draft_new_id(struct trace_reader *reader, uint64_t *id)
{
    struct trace_text *text = &reader->text;
    const char *start = text->at;
    if (!trace_take_id(text, id))
        return false;
    if (*id == 0)
        return trace_text_fail(text, start, TRACE_ERROR_SYNTAX,
                               "a task other than 0, the machine");
    struct trace_live *live = trace_tasks_find(&reader->tasks, *id);
    if (live && live->process)
        return trace_text_fail(text, start, TRACE_ERROR_ORDER,
                               "the id of no living task");
    return true;
}

bool
trace_draft_known_task(struct trace_reader *reader, bool must_live,
                       struct trace_live **task)
{
    struct trace_text *text = &reader->text;
    const char *start = text->at;
    uint64_t id;
    if (!trace_take_id(text, &id))
        return false;
    struct trace_live *live = trace_tasks_find(&reader->tasks, id);
    if (!live)
        return trace_text_fail(text, start, TRACE_ERROR_ORDER,
                               "a task created above");
    if (must_live && !live->process)
        return trace_text_fail(text, start, TRACE_ERROR_ORDER,
                               "a task that has not exited");
    *task = live;
    return true;
}

static bool
take_task_object(struct trace_reader *reader, bool must_live,
                 struct trace_event *event)
{
    struct trace_live *task;
    if (!trace_draft_known_task(reader, must_live, &task))
        return false;
    event->object = task->index;
    return true;
}

static bool
take_advice(struct trace_text *text, uint8_t *advice)
{
    for (unsigned i = 0; i < TRACE_ADVICE_COUNT; i++) {
        if (trace_text_take_word(text,
                                 trace_advice_word((enum trace_advice)i))) {
            *advice = (uint8_t)i;
            return true;
        }
    }
    return trace_text_fail(text, text->at, TRACE_ERROR_SYNTAX, "an advice");
}

static bool
take_count(struct trace_text *text, uint64_t *count)
{
    const char *start = text->at;
    if (!trace_take_limited(text, UINT32_MAX, "a number of tasks", count))
        return false;
    if (*count == 0)
        return trace_text_fail(text, start, TRACE_ERROR_RANGE,
                               "at least one task");
    return true;
}

static bool
take_operand(struct trace_reader *reader, struct trace_draft *draft,
             enum trace_operand operand)
{
    struct trace_text *text = &reader->text;
    struct trace_event *event = &draft->event;
    switch (operand) {
    case TRACE_OPERAND_BIND:
        return trace_draft_bound_name(reader, &draft->bind_name);
    case TRACE_OPERAND_ADDRESS:
        return trace_draft_address(reader, draft->task, &event->address);
    case TRACE_OPERAND_SIZE:
        return trace_take_size(text, &event->length);
    case TRACE_OPERAND_NEW_SIZE:
        draft->has_detail = true;
        return trace_take_size(text, &draft->detail.new_length);
    case TRACE_OPERAND_PAGE:
        draft->has_detail = true;
        return trace_take_number(text, &draft->detail.file_offset);
    case TRACE_OPERAND_NUMBER:
        return trace_take_number(text, &event->length);
    case TRACE_OPERAND_UID:
        return trace_take_limited(text, TRACE_UID_MAX, "a uid", &event->length);
    case TRACE_OPERAND_COUNT:
        return take_count(text, &event->length);
    case TRACE_OPERAND_PROT:
        return trace_take_prot(text, &event->prot);
    case TRACE_OPERAND_ADVICE:
        return take_advice(text, &event->advice);
    case TRACE_OPERAND_STRING:
        draft->string_at = text->at;
        return trace_draft_string(reader, "a name", &event->object);
    case TRACE_OPERAND_NEW_FILE:
        return take_new_file(reader, &event->object);
    case TRACE_OPERAND_NEW_TASK:
        return trace_draft_new_id(reader, &draft->new_id);
    case TRACE_OPERAND_TASK:
        return take_task_object(reader, /* must_live = */ true, event);
    case TRACE_OPERAND_ANY_TASK:
        event->flags |= TRACE_HAS_TARGET;
        return take_task_object(reader, /* must_live = */ false, event);
    case TRACE_OPERAND_END:
        break;
    }
    g_assert_not_reached();
}

bool
trace_draft_operands(struct trace_reader *reader, struct trace_draft *draft)
{
    const enum trace_operand *operand = trace_syntax[draft->event.op].operands;
    for (; *operand != TRACE_OPERAND_END; operand++) {
        bool is_there = trace_text_next(&reader->text);
        if (*operand == TRACE_OPERAND_ANY_TASK &&
            (!is_there || trace_text_is_at_result(&reader->text)))
            break;
        if (!take_operand(reader, draft, *operand))
            return false;
    }
    return true;
}
