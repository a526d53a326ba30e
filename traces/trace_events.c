/*
 * Turns one line into one event: the words by the tables of trace_syntax.h,
 * then what the words need from each other, then what the event changes for
 * the lines below it (tasks, bindings, files).
 *
 * A line is first read into a draft, so that a line with an error leaves tasks
 * and names as they were.
 */
#include "traces/trace_reader.h"
#include "traces/trace_syntax.h"

#include <string.h>

struct draft {
    struct trace_event event;
    struct trace_detail detail;
    struct trace_live *task;  // NULL: the machine
    uint64_t new_id;          // of the task that the event creates
    uint32_t bind_name;       // string that the event binds, or TRACE_NONE
    uint32_t flags_denied;    // by words like `private`
    uint64_t keys_seen;       // bit per row of trace_key_words
    bool has_detail;
};

static bool
is_op(const struct draft *draft, uint64_t ops)
{
    return (TRACE_OP_BIT(draft->event.op) & ops) != 0;
}

#define MAPS (TRACE_OP_BIT(TRACE_OP_MMAP) | TRACE_OP_BIT(TRACE_OP_MAP))

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

static bool
take_string(struct trace_reader *reader, const char *what, uint32_t *index)
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
static bool
take_bound_name(struct trace_reader *reader, uint32_t *name)
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

/* What a name means to a task, or TRACE_NONE. */
static uint32_t
find_binding(struct trace_reader *reader, struct trace_live *task,
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

static bool
take_address(struct trace_reader *reader, struct trace_live *task,
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
    address->binding = find_binding(reader, task, start, length);
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
    if (!take_string(reader, "the name of a file", &name))
        return false;
    if (find_file(reader, name) != TRACE_NONE)
        return trace_text_fail(&reader->text, start, TRACE_ERROR_ORDER,
                               "a file not declared or used above");
    *index = use_file(reader, name);
    return true;
}

static bool
take_used_file(struct trace_reader *reader, uint32_t *index)
{
    uint32_t name;
    if (!take_string(reader, "the name of a file", &name))
        return false;
    *index = use_file(reader, name);
    return true;
}

/* The id of a task to be created. */
static bool
take_new_id(struct trace_reader *reader, uint64_t *id)
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

static bool
take_known_task(struct trace_reader *reader, bool must_live,
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
    if (!take_known_task(reader, must_live, &task))
        return false;
    event->object = task->index;
    event->flags |= TRACE_HAS_TARGET;
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
take_operand(struct trace_reader *reader, struct draft *draft,
             enum trace_operand operand)
{
    struct trace_text *text = &reader->text;
    struct trace_event *event = &draft->event;
    switch (operand) {
    case TRACE_OPERAND_BIND:
        return take_bound_name(reader, &draft->bind_name);
    case TRACE_OPERAND_ADDRESS:
        return take_address(reader, draft->task, &event->address);
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
        return take_string(reader, "a name", &event->object);
    case TRACE_OPERAND_NEW_FILE:
        return take_new_file(reader, &event->object);
    case TRACE_OPERAND_NEW_TASK:
        return take_new_id(reader, &draft->new_id);
    case TRACE_OPERAND_TASK:
        return take_task_object(reader, /* must_live = */ true, event);
    case TRACE_OPERAND_ANY_TASK:
        return take_task_object(reader, /* must_live = */ false, event);
    case TRACE_OPERAND_END:
        break;
    }
    g_assert_not_reached();
}

/* The `=` of a result stands alone. */
static bool
is_at_result(const struct trace_text *text)
{
    return text->at[0] == '=' && trace_is_word_end(text->at[1]);
}

static bool
take_operands(struct trace_reader *reader, struct draft *draft)
{
    const enum trace_operand *operand =
        trace_syntax[draft->event.op].operands;
    for (; *operand != TRACE_OPERAND_END; operand++) {
        bool is_there = trace_text_next(&reader->text);
        if (*operand == TRACE_OPERAND_ANY_TASK &&
            (!is_there || is_at_result(&reader->text)))
            break;
        if (!take_operand(reader, draft, *operand))
            return false;
    }
    return true;
}

static bool
take_file_offset(struct trace_reader *reader, struct draft *draft)
{
    uint64_t *offset = &draft->detail.file_offset;
    if (!trace_take_size(&reader->text, offset))
        return false;
    draft->has_detail |= *offset != 0;
    return true;
}

static bool
take_stride(struct trace_reader *reader, struct draft *draft)
{
    const char *start = reader->text.at;
    if (!trace_take_size(&reader->text, &draft->event.stride))
        return false;
    if (draft->event.stride == 0)
        return trace_text_fail(&reader->text, start, TRACE_ERROR_RANGE,
                               "a stride above 0");
    return true;
}

static bool
take_layout(struct trace_reader *reader, struct draft *draft,
            const struct trace_key_word *key)
{
    struct trace_text *text = &reader->text;
    uint64_t *value = &draft->detail.key[key->key];
    draft->has_detail = true;
    draft->detail.keys |= 1u << key->key;
    if (key->value == TRACE_VALUE_UID)
        return trace_take_limited(text, TRACE_UID_MAX, "a uid", value);
    if (key->value == TRACE_VALUE_ADDRESS)
        return trace_take_number(text, value);
    return trace_take_size(text, value);
}

static bool
take_value(struct trace_reader *reader, struct draft *draft,
           const struct trace_key_word *key)
{
    switch (key->value) {
    case TRACE_VALUE_AT:
        draft->has_detail = true;
        draft->event.flags |= TRACE_AT;
        return take_address(reader, draft->task, &draft->detail.at);
    case TRACE_VALUE_FILE:
        return take_used_file(reader, &draft->event.object);
    case TRACE_VALUE_OFF:
        return take_file_offset(reader, draft);
    case TRACE_VALUE_AS:
        draft->event.flags |= TRACE_AS;
        return take_bound_name(reader, &draft->bind_name);
    case TRACE_VALUE_STRIDE:
        return take_stride(reader, draft);
    case TRACE_VALUE_COMM:
        draft->has_detail = true;
        return take_string(reader, "a name", &draft->detail.comm);
    case TRACE_VALUE_UID:
    case TRACE_VALUE_ADDRESS:
    case TRACE_VALUE_SIZE:
        return take_layout(reader, draft, key);
    }
    g_assert_not_reached();
}

static bool
fail_option(struct trace_reader *reader, const struct draft *draft)
{
    struct trace_text *text = &reader->text;
    bool has_options = false;
    for (const struct trace_flag_word *flag = trace_flag_words; flag->word;
         flag++)
        has_options |= is_op(draft, flag->ops);
    for (const struct trace_key_word *key = trace_key_words; key->word; key++)
        has_options |= is_op(draft, key->ops);
    const char *op = trace_op_word((enum trace_op)draft->event.op);
    g_autofree char *expected =
        has_options ? g_strdup_printf("a flag or key of %s", op)
                    : g_strdup("the end of the line");
    return trace_text_fail(text, text->at, TRACE_ERROR_SYNTAX, expected);
}

static bool
take_key(struct trace_reader *reader, struct draft *draft, size_t length)
{
    struct trace_text *text = &reader->text;
    for (unsigned i = 0; trace_key_words[i].word; i++) {
        const struct trace_key_word *key = &trace_key_words[i];
        if (!is_op(draft, key->ops) || strlen(key->word) != length ||
            memcmp(key->word, text->at, length) != 0)
            continue;
        if (draft->keys_seen >> i & 1)
            return trace_text_fail(text, text->at, TRACE_ERROR_SYNTAX,
                                   "each key only once");
        draft->keys_seen |= UINT64_C(1) << i;
        text->at += length + 1;
        return take_value(reader, draft, key);
    }
    return fail_option(reader, draft);
}

static bool
take_flag(struct trace_reader *reader, struct draft *draft, size_t length)
{
    struct trace_text *text = &reader->text;
    for (const struct trace_flag_word *flag = trace_flag_words; flag->word;
         flag++) {
        if (!is_op(draft, flag->ops) || strlen(flag->word) != length ||
            memcmp(flag->word, text->at, length) != 0)
            continue;
        uint32_t *said = flag->is_absence ? &draft->flags_denied
                                          : &draft->event.flags;
        *said |= flag->flag;
        if (draft->flags_denied & draft->event.flags & flag->flag)
            return trace_text_fail(text, text->at, TRACE_ERROR_SYNTAX,
                                   "no flag that contradicts another");
        text->at += length;
        return true;
    }
    return fail_option(reader, draft);
}

static bool
take_option(struct trace_reader *reader, struct draft *draft)
{
    const char *at = reader->text.at;
    size_t length = trace_text_word_length(&reader->text, at);
    const char *equals = memchr(at, '=', length);
    if (equals)
        return take_key(reader, draft, (size_t)(equals - at));
    return take_flag(reader, draft, length);
}

static bool
take_options(struct trace_reader *reader, struct draft *draft)
{
    struct trace_text *text = &reader->text;
    text->in_list = true;
    while (trace_text_next(text) && !is_at_result(text)) {
        if (!take_option(reader, draft))
            return false;
        while (*text->at == ',') {
            text->at++;
            if (!take_option(reader, draft))
                return false;
        }
    }
    text->in_list = false;
    return true;
}

static bool
is_key_given(const struct draft *draft, enum trace_value value)
{
    for (unsigned i = 0; trace_key_words[i].word; i++) {
        if (trace_key_words[i].value == value)
            return draft->keys_seen >> i & 1;
    }
    return false;
}

/* What the words of a draft need from each other: the sentence that says what
 * is expected and missing, or NULL. */
static const char *
find_missing(const struct draft *draft)
{
    const struct trace_event *event = &draft->event;
    uint32_t flags = event->flags;
    bool is_fixed = flags & (TRACE_FIXED | TRACE_FIXED_NOREPLACE);
    if (is_op(draft, MAPS) && !(flags & TRACE_ANON) &&
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
check_draft(struct trace_reader *reader, const struct draft *draft)
{
    struct trace_text *text = &reader->text;
    const char *missing = find_missing(draft);
    if (missing)
        return trace_text_fail(text, text->at, TRACE_ERROR_SYNTAX, missing);
    if ((draft->event.flags & TRACE_ANON) &&
        is_key_given(draft, TRACE_VALUE_FILE))
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
        return trace_text_fail(text, text->at, TRACE_ERROR_SYNTAX,
                               "a task id");
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

/* The task and the event belong together: the machine has its own events, a
 * start needs an id that is free, everything else a living task. */
static bool
take_task_and_op(struct trace_reader *reader, struct draft *draft)
{
    struct trace_text *text = &reader->text;
    const char *start = text->at;
    uint64_t id;
    if (!trace_take_id(text, &id))
        return false;
    const char *behind = text->at;
    if (!take_op(text, &draft->event))
        return false;
    const struct trace_syntax *syntax = &trace_syntax[draft->event.op];
    if (syntax->of_machine && id != 0)
        return trace_text_fail(text, start, TRACE_ERROR_SYNTAX,
                               "task 0, the machine");
    if (syntax->of_machine)
        return true;
    if (id == 0)
        return trace_text_fail(text, start, TRACE_ERROR_SYNTAX,
                               "a task other than 0, the machine");
    const char *after_op = text->at;
    text->at = start;
    bool is_legal = draft->event.op == TRACE_OP_START
                        ? take_new_id(reader, &draft->new_id)
                        : take_known_task(reader, /* must_live = */ true,
                                          &draft->task);
    g_assert(!is_legal || text->at == behind);
    text->at = after_op;
    return is_legal;
}

static uint32_t
new_task(struct trace_reader *reader, const struct draft *draft)
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

/* What the event changes for the tasks of the lines below. */
static void
apply_to_tasks(struct trace_reader *reader, struct draft *draft)
{
    struct trace_event *event = &draft->event;
    if (draft->task)
        event->task = draft->task->index;
    if (event->op == TRACE_OP_START)
        event->task = new_task(reader, draft);
    else if (draft->new_id != 0)
        event->object = new_task(reader, draft);
    else if (event->op == TRACE_OP_EXEC)
        trace_tasks_exec(draft->task);
    else if (event->op == TRACE_OP_EXIT)
        trace_tasks_exit(draft->task);
    else if (event->op == TRACE_OP_EXIT_GROUP)
        trace_tasks_exit_group(draft->task);
}

/* The name that an mremap without `as=` binds: A of `A` and `A+0`. */
static uint32_t
find_moved_name(const struct trace_reader *reader,
                const struct trace_address *address)
{
    if (address->offset != 0 || address->from_end)
        return TRACE_NONE;
    return g_array_index(reader->trace->bindings, struct trace_binding,
                         address->binding)
        .name;
}

static void
apply_to_names(struct trace_reader *reader, struct draft *draft)
{
    struct trace_event *event = &draft->event;
    uint32_t name = draft->bind_name;
    if (event->op == TRACE_OP_MREMAP && !(event->flags & TRACE_AS))
        name = find_moved_name(reader, &event->address);
    if (name == TRACE_NONE)
        return;
    struct trace_names *names = trace_tasks_names(draft->task);
    struct trace_binding binding = {.name = name};
    event->rebinds = trace_names_get(names, name);
    event->binds = reader->trace->bindings->len;
    g_array_append_val(reader->trace->bindings, binding);
    trace_names_set(names, name, event->binds);
}

static void
apply_to_files(struct trace_reader *reader, struct draft *draft)
{
    const uint64_t page = 4096, longest = (uint64_t)INT64_MAX;
    const struct trace_event *event = &draft->event;
    if (event->object == TRACE_NONE)
        return;
    struct trace_file *file = &g_array_index(reader->trace->files,
                                             struct trace_file, event->object);
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
apply(struct trace_reader *reader, struct draft *draft)
{
    struct trace *trace = reader->trace;
    struct trace_event *event = &draft->event;
    if (is_op(draft, MAPS | TRACE_OP_BIT(TRACE_OP_MREMAP)))
        apply_to_names(reader, draft);
    if (is_op(draft, MAPS | TRACE_OP_BIT(TRACE_OP_FILE)))
        apply_to_files(reader, draft);
    apply_to_tasks(reader, draft);
    if (draft->has_detail) {
        event->detail = trace->details->len;
        g_array_append_val(trace->details, draft->detail);
    }
    g_array_append_val(trace->events, *event);
}

bool
trace_read_event(struct trace_reader *reader)
{
    struct trace_text *text = &reader->text;
    struct draft draft = {
        .event = {.line = text->line,
                  .task = TRACE_NONE,
                  .binds = TRACE_NONE,
                  .rebinds = TRACE_NONE,
                  .object = TRACE_NONE,
                  .detail = TRACE_NONE,
                  .result = TRACE_NONE},
        .detail = {.comm = TRACE_NONE},
        .bind_name = TRACE_NONE,
    };
    if (reader->trace->events->len >= TRACE_EVENT_COUNT_MAX)
        return trace_text_fail(text, text->at, TRACE_ERROR_RANGE,
                               "no more events than fit in memory");
    if ((*text->at == '@' && !take_prefix(text, &draft.event)) ||
        !take_task_and_op(reader, &draft) || !take_operands(reader, &draft) ||
        !take_options(reader, &draft) || !check_draft(reader, &draft))
        return false;
    if (is_at_result(text) && trace_syntax[draft.event.op].has_result &&
        !trace_read_result(reader, &draft.event))
        return false;
    if (trace_text_next(text))
        return trace_text_fail(text, text->at, TRACE_ERROR_SYNTAX,
                               "the end of the line");
    apply(reader, &draft);
    return true;
}
