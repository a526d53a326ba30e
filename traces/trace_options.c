/*
 * The flags and keys of an event, in any order, by the tables of
 * trace_syntax.h.
 */
#include "traces/trace_draft.h"

#include <string.h>

static bool
take_file_offset(struct trace_reader *reader, struct trace_draft *draft)
{
    uint64_t *offset = &draft->detail.file_offset;
    if (!trace_take_size(&reader->text, offset))
        return false;
    draft->has_detail |= *offset != 0;
    return true;
}

static bool
take_stride(struct trace_reader *reader, struct trace_draft *draft)
{
    const char *start = reader->text.at;
    draft->has_detail = true;
    if (!trace_take_size(&reader->text, &draft->detail.stride))
        return false;
    if (draft->detail.stride == 0)
        return trace_text_fail(&reader->text, start, TRACE_ERROR_RANGE,
                               "a stride above 0");
    return true;
}

static bool
take_layout(struct trace_reader *reader, struct trace_draft *draft,
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
take_value(struct trace_reader *reader, struct trace_draft *draft,
           const struct trace_key_word *key)
{
    switch (key->value) {
    case TRACE_VALUE_AT:
        draft->has_detail = true;
        draft->event.flags |= TRACE_AT;
        return trace_draft_address(reader, draft->task, &draft->detail.at);
    case TRACE_VALUE_FILE:
        return trace_draft_used_file(reader, &draft->event.object);
    case TRACE_VALUE_OFF:
        return take_file_offset(reader, draft);
    case TRACE_VALUE_AS:
        draft->event.flags |= TRACE_AS;
        return trace_draft_bound_name(reader, &draft->bind_name);
    case TRACE_VALUE_STRIDE:
        return take_stride(reader, draft);
    case TRACE_VALUE_COMM:
        draft->has_detail = true;
        return trace_draft_string(reader, "a name", &draft->detail.comm);
    case TRACE_VALUE_UID:
    case TRACE_VALUE_ADDRESS:
    case TRACE_VALUE_SIZE:
        return take_layout(reader, draft, key);
    }
    g_assert_not_reached();
}

static bool
fail_option(struct trace_reader *reader, const struct trace_draft *draft)
{
    struct trace_text *text = &reader->text;
    bool has_options = false;
    for (const struct trace_flag_word *flag = trace_flag_words; flag->word;
         flag++)
        has_options |= trace_draft_is_op(draft, flag->ops);
    for (const struct trace_key_word *key = trace_key_words; key->word; key++)
        has_options |= trace_draft_is_op(draft, key->ops);
    const char *op = trace_op_word((enum trace_op)draft->event.op);
    g_autofree char *expected = has_options
                                    ? g_strdup_printf("a flag or key of %s", op)
                                    : g_strdup("the end of the line");
    return trace_text_fail(text, text->at, TRACE_ERROR_SYNTAX, expected);
}

static bool
take_key(struct trace_reader *reader, struct trace_draft *draft, size_t length)
{
    struct trace_text *text = &reader->text;
    for (unsigned i = 0; trace_key_words[i].word; i++) {
        const struct trace_key_word *key = &trace_key_words[i];
        if (!trace_draft_is_op(draft, key->ops) ||
            strlen(key->word) != length ||
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
take_flag(struct trace_reader *reader, struct trace_draft *draft, size_t length)
{
    struct trace_text *text = &reader->text;
    for (const struct trace_flag_word *flag = trace_flag_words; flag->word;
         flag++) {
        if (!trace_draft_is_op(draft, flag->ops) ||
            strlen(flag->word) != length ||
            memcmp(flag->word, text->at, length) != 0)
            continue;
        uint32_t *said =
            flag->is_absence ? &draft->flags_denied : &draft->event.flags;
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
take_option(struct trace_reader *reader, struct trace_draft *draft)
{
    const char *at = reader->text.at;
    size_t length = trace_text_word_length(&reader->text, at);
    const char *equals = memchr(at, '=', length);
    if (equals)
        return take_key(reader, draft, (size_t)(equals - at));
    return take_flag(reader, draft, length);
}

bool
trace_draft_options(struct trace_reader *reader, struct trace_draft *draft)
{
    struct trace_text *text = &reader->text;
    text->in_list = true;
    while (trace_text_next(text) && !trace_text_is_at_result(text)) {
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
