/*
 * See vmt_event.h.  What was read with a good checksum can still be wrong, so
 * nothing is believed: every number that is an index is below the length of its
 * table, and every event has the operands without which nobody could carry it
 * out.
 */
#include "traces/vmt_event.h"

#include "traces/trace_syntax.h"
#include "traces/trace_tables.h"
#include "traces/vmt_layout.h"

/* Which fields a shape has; the others have their usual value. */
enum {
    HAS_PROT = 1 << 0,
    HAS_FLAGS = 1 << 1,
    HAS_PLACE = 1 << 2,
    HAS_OBJECT = 1 << 3,
    HAS_DETAIL = 1 << 4,
    HAS_RESULT = 1 << 5,
    FIELDS_LIMIT = 1 << 6,
};

/* And of a detail. */
enum {
    HAS_AT = 1 << 0,
    HAS_STRIDE = 1 << 1,
    HAS_FILE_OFFSET = 1 << 2,
    HAS_NEW_LENGTH = 1 << 3,
    HAS_BINDS = 1 << 4,
    HAS_COMM = 1 << 5,
    HAS_KEYS = 1 << 6,
    DETAIL_FIELDS_LIMIT = 1 << 7,
};

static uint64_t
place(const struct trace_address *address)
{
    return (uint64_t)address->binding << 1 | address->from_end;
}

static void
put_detail(GByteArray *out, const struct trace_detail *detail)
{
    unsigned fields = 0;
    fields |= place(&detail->at) || detail->at.offset ? HAS_AT : 0;
    fields |= detail->stride ? HAS_STRIDE : 0;
    fields |= detail->file_offset ? HAS_FILE_OFFSET : 0;
    fields |= detail->new_length ? HAS_NEW_LENGTH : 0;
    fields |= detail->binds != TRACE_NONE ? HAS_BINDS : 0;
    fields |= detail->comm != TRACE_NONE ? HAS_COMM : 0;
    fields |= detail->keys ? HAS_KEYS : 0;
    vmt_put_byte(out, fields);
    if (fields & HAS_AT) {
        vmt_put_number(out, place(&detail->at));
        vmt_put_number(out, detail->at.offset);
    }
    if (fields & HAS_STRIDE)
        vmt_put_number(out, detail->stride);
    if (fields & HAS_FILE_OFFSET)
        vmt_put_number(out, detail->file_offset);
    if (fields & HAS_NEW_LENGTH)
        vmt_put_number(out, detail->new_length);
    if (fields & HAS_BINDS) {
        vmt_put_number(out, detail->binds);
        vmt_put_optional(out, detail->rebinds);
    }
    if (fields & HAS_COMM)
        vmt_put_number(out, detail->comm);
    if (fields & HAS_KEYS)
        vmt_put_number(out, detail->keys);
    for (unsigned i = 0; i < TRACE_KEY_COUNT; i++)
        if (detail->keys >> i & 1)
            vmt_put_number(out, detail->key[i]);
}

static void
put_result(GByteArray *out, const struct trace *trace,
           const struct trace_result *result)
{
    vmt_put_byte(out, result->kind);
    switch (result->kind) {
    case TRACE_RESULT_SUCCESS:
        break;
    case TRACE_RESULT_ERRNO:
        vmt_put_number(out, (uint64_t)result->error);
        break;
    case TRACE_RESULT_ADDRESS:
        vmt_put_number(out, result->address);
        vmt_put_number(out, result->vma_start);
        vmt_put_number(out, result->vma_end - result->vma_start);
        break;
    case TRACE_RESULT_TOUCH:
        vmt_put_number(out, result->run_count);
        for (uint32_t i = 0; i < result->run_count; i++) {
            const struct trace_run *run = &g_array_index(
                trace->runs, struct trace_run, result->run_first + i);
            vmt_put_byte(out, run->outcome);
            vmt_put_number(out, run->pages);
        }
        break;
    }
}

void
vmt_put_shape(GByteArray *out, const struct trace *trace,
              const struct trace_event *event, unsigned traits)
{
    unsigned fields = 0;
    fields |= event->prot ? HAS_PROT : 0;
    fields |= event->flags ? HAS_FLAGS : 0;
    fields |= place(&event->address) ? HAS_PLACE : 0;
    fields |= event->object != TRACE_NONE ? HAS_OBJECT : 0;
    fields |= event->detail != TRACE_NONE ? HAS_DETAIL : 0;
    fields |= event->result != TRACE_NONE ? HAS_RESULT : 0;
    vmt_put_byte(out, event->op);
    vmt_put_byte(out, traits);
    vmt_put_byte(out, fields);
    vmt_put_optional(out, event->task);
    if (fields & HAS_PROT)
        vmt_put_byte(out, event->prot);
    if (fields & HAS_FLAGS)
        vmt_put_number(out, event->flags);
    if (event->flags & TRACE_HAS_CPU)
        vmt_put_number(out, event->cpu);
    if (fields & HAS_PLACE)
        vmt_put_number(out, place(&event->address));
    if (fields & HAS_OBJECT)
        vmt_put_number(out, event->object);
    if (fields & HAS_DETAIL)
        put_detail(out, trace_detail(trace, event));
    if (fields & HAS_RESULT)
        put_result(
            out, trace,
            &g_array_index(trace->results, struct trace_result, event->result));
}

struct vmt_rules
vmt_rules(const struct trace *trace)
{
    struct vmt_rules rules = {.trace = trace};
    for (unsigned op = 0; op < TRACE_OP_COUNT; op++) {
        uint32_t flags = TRACE_HAS_TIME | TRACE_HAS_CPU;
        for (const struct trace_flag_word *flag = trace_flag_words; flag->word;
             flag++)
            flags |= flag->ops & TRACE_OP_BIT(op) ? flag->flag : 0;
        for (const struct trace_key_word *key = trace_key_words; key->word;
             key++) {
            bool is_of_op = key->ops & TRACE_OP_BIT(op);
            flags |= is_of_op && key->value == TRACE_VALUE_AT ? TRACE_AT : 0;
            flags |= is_of_op && key->value == TRACE_VALUE_AS ? TRACE_AS : 0;
        }
        flags |= op == TRACE_OP_WAIT ? TRACE_HAS_TARGET : 0;
        rules.flags_allowed[op] = flags;
    }
    return rules;
}

static void
take_place(struct vmt_bytes *bytes, const struct trace *trace,
           struct trace_address *address)
{
    uint64_t both = vmt_take_number(bytes);
    if (both >> 1 >= trace->bindings->len)
        vmt_bytes_fail(bytes, "a region of the tables");
    address->binding = (uint32_t)(both >> 1);
    address->from_end = both & 1;
}

static void
take_keys(struct vmt_bytes *bytes, struct trace_detail *detail)
{
    detail->keys =
        vmt_take_below(bytes, 1u << TRACE_KEY_COUNT, "keys of a layout");
    for (unsigned i = 0; i < TRACE_KEY_COUNT; i++)
        if (detail->keys >> i & 1)
            detail->key[i] = vmt_take_number(bytes);
    if (detail->key[TRACE_KEY_UID] > TRACE_UID_MAX)
        vmt_bytes_fail(bytes, "a uid");
}

static void
take_detail(struct vmt_bytes *bytes, const struct trace *trace,
            struct trace_detail *detail)
{
    static const char region[] = "a region that can be bound";
    unsigned fields = vmt_take_byte(bytes);
    if (fields >= DETAIL_FIELDS_LIMIT)
        vmt_bytes_fail(bytes, "operands of an event");
    if (fields & HAS_AT) {
        take_place(bytes, trace, &detail->at);
        detail->at.offset = vmt_take_number(bytes);
    }
    if (fields & HAS_STRIDE)
        detail->stride = vmt_take_number(bytes);
    if (fields & HAS_FILE_OFFSET)
        detail->file_offset = vmt_take_number(bytes);
    if (fields & HAS_NEW_LENGTH)
        detail->new_length = vmt_take_number(bytes);
    if (fields & HAS_BINDS) {
        guint count = trace->bindings->len;
        detail->binds = vmt_take_below(bytes, count, region);
        detail->rebinds = vmt_take_optional(bytes, count, region);
        if (detail->binds < TRACE_BINDING_FIRST ||
            detail->rebinds < TRACE_BINDING_FIRST)
            vmt_bytes_fail(bytes, region);
    }
    if (fields & HAS_COMM)
        detail->comm =
            vmt_take_below(bytes, trace->strings->len, "a string's number");
    if (fields & HAS_KEYS)
        take_keys(bytes, detail);
}

static void
take_runs(struct vmt_bytes *bytes, struct trace *window,
          struct trace_result *result)
{
    uint64_t count = vmt_take_number(bytes);
    if (count == 0 || count > (uint64_t)(bytes->end - bytes->at) / 2)
        vmt_bytes_fail(bytes, "outcomes of a touch");
    result->run_first = window->runs->len;
    for (uint64_t i = 0; i < count && !bytes->is_bad; i++) {
        struct trace_run run = {.outcome = (enum trace_outcome)vmt_take_below(
                                    bytes, TRACE_OUTCOME_COUNT, "an outcome")};
        run.pages = vmt_take_number(bytes);
        if (run.pages == 0 && count > 1)
            vmt_bytes_fail(bytes, "the pages of an outcome");
        g_array_append_val(window->runs, run);
        result->run_count++;
    }
}

static void
take_result(struct vmt_bytes *bytes, struct trace *window, bool is_touch,
            struct trace_result *result)
{
    result->kind = (enum trace_result_kind)vmt_take_below(
        bytes, TRACE_RESULT_TOUCH + 1, "a kind of result");
    bool has_right_kind = result->kind == TRACE_RESULT_TOUCH     ? is_touch
                          : result->kind == TRACE_RESULT_ADDRESS ? !is_touch
                                                                 : true;
    if (!has_right_kind)
        vmt_bytes_fail(bytes, "a result that the event can have");
    if (result->kind == TRACE_RESULT_ERRNO) {
        result->error = (int)vmt_take_below(bytes, INT_MAX, "an errno");
        if (!trace_errno_name(result->error))
            vmt_bytes_fail(bytes, "an errno");
    } else if (result->kind == TRACE_RESULT_ADDRESS) {
        result->address = vmt_take_number(bytes);
        result->vma_start = vmt_take_number(bytes);
        uint64_t length = vmt_take_number(bytes);
        if (__builtin_add_overflow(result->vma_start, length,
                                   &result->vma_end) ||
            (length == 0 && result->vma_start > 0))
            vmt_bytes_fail(bytes, "the range of a mapping");
    } else if (result->kind == TRACE_RESULT_TOUCH) {
        take_runs(bytes, window, result);
    }
}

/* What an op's object is an index of: the length of that table; 0: the op has
 * none. */
static guint
objects(const struct trace *trace, const struct trace_event *event)
{
    const enum trace_operand *operand = trace_syntax[event->op].operands;
    if (event->op == TRACE_OP_MMAP || event->op == TRACE_OP_MAP)
        return event->flags & TRACE_ANON ? 0 : trace->files->len;
    for (; *operand != TRACE_OPERAND_END; operand++) {
        if (*operand == TRACE_OPERAND_STRING)
            return trace->strings->len;
        if (*operand == TRACE_OPERAND_NEW_FILE)
            return trace->files->len;
        if (*operand == TRACE_OPERAND_NEW_TASK ||
            *operand == TRACE_OPERAND_TASK ||
            *operand == TRACE_OPERAND_ANY_TASK)
            return trace->tasks->len;
    }
    return 0;
}

static bool
is_object_allowed(const struct trace *trace, const struct trace_event *event)
{
    guint count = objects(trace, event);
    bool has_any = event->object != TRACE_NONE;
    if (event->op == TRACE_OP_WAIT &&
        has_any != ((event->flags & TRACE_HAS_TARGET) != 0))
        return false;
    if (!has_any)
        return count == 0 || event->op == TRACE_OP_WAIT;
    return event->object < count;
}

/* What the fields of an event need from each other: what is missing, or
 * NULL. */
static const char *
find_missing(const struct vmt_rules *rules, const struct trace_event *event,
             const struct trace_detail *detail)
{
    const uint32_t fixed = TRACE_FIXED | TRACE_FIXED_NOREPLACE;
    const struct trace_syntax *syntax = &trace_syntax[event->op];
    bool is_map = event->op == TRACE_OP_MMAP || event->op == TRACE_OP_MAP;
    unsigned limit = event->op == TRACE_OP_MADVISE ? TRACE_ADVICE_COUNT : 8;
    if (syntax->of_machine != (event->task == TRACE_NONE))
        return "a task where one belongs";
    if (event->prot >= limit)
        return "a protection or an advice";
    if (event->flags & ~rules->flags_allowed[event->op])
        return "flags that the event can have";
    if ((event->flags & TRACE_HAS_CPU) && !(event->flags & TRACE_HAS_TIME))
        return "a time beside the CPU";
    if (!is_object_allowed(rules->trace, event))
        return "what the event is about";
    if ((is_map || (event->flags & TRACE_AS)) && detail->binds == TRACE_NONE)
        return "the region that is bound";
    if ((event->flags & fixed || event->op == TRACE_OP_MAP) &&
        !(event->flags & TRACE_AT))
        return "the place of a fixed mapping";
    return NULL;
}

bool
vmt_take_shape(struct vmt_bytes *bytes, const struct vmt_rules *rules,
               struct trace *window, struct trace_event *event,
               unsigned *traits)
{
    const struct trace *trace = rules->trace;
    struct trace_detail detail = TRACE_NO_DETAIL;
    struct trace_result result = {.kind = TRACE_RESULT_SUCCESS};
    *event = (struct trace_event){
        .object = TRACE_NONE, .detail = TRACE_NONE, .result = TRACE_NONE};
    event->op = (uint8_t)vmt_take_below(bytes, TRACE_OP_COUNT, "an event");
    *traits = vmt_take_below(bytes, VMT_TRAIT_LIMIT, "traits of an event");
    unsigned fields = vmt_take_below(bytes, FIELDS_LIMIT, "fields of an event");
    event->task =
        vmt_take_optional(bytes, trace->tasks->len, "a task's number");
    if (fields & HAS_PROT)
        event->prot = vmt_take_byte(bytes);
    if (fields & HAS_FLAGS)
        event->flags =
            vmt_take_below(bytes, UINT32_MAX, "flags that the event can have");
    if (event->flags & TRACE_HAS_CPU)
        event->cpu =
            (uint16_t)vmt_take_below(bytes, UINT16_MAX + 1, "a CPU's number");
    if (fields & HAS_PLACE)
        take_place(bytes, trace, &event->address);
    if (fields & HAS_OBJECT)
        event->object = vmt_take_below(bytes, UINT32_MAX, "an object's number");
    if (fields & HAS_DETAIL) {
        take_detail(bytes, trace, &detail);
        event->detail = window->details->len;
        g_array_append_val(window->details, detail);
    }
    if (fields & HAS_RESULT) {
        bool is_touch = event->op == TRACE_OP_READ ||
                        event->op == TRACE_OP_WRITE ||
                        event->op == TRACE_OP_EXECUTE;
        if (!trace_syntax[event->op].has_result)
            vmt_bytes_fail(bytes, "an event without a result");
        take_result(bytes, window, is_touch, &result);
        event->result = window->results->len;
        g_array_append_val(window->results, result);
    }
    const char *missing = find_missing(rules, event, &detail);
    if (missing)
        vmt_bytes_fail(bytes, missing);
    return !bytes->is_bad;
}

bool
vmt_is_length_allowed(const struct trace_event *event)
{
    if (event->op == TRACE_OP_SETUID)
        return event->length <= TRACE_UID_MAX;
    if (event->op == TRACE_OP_BARRIER)
        return event->length >= 1 && event->length <= UINT32_MAX;
    return true;
}
