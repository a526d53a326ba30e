/*
 * A line half read: its words are understood one by one, its effects are not
 * applied yet, so that a line with an error leaves tasks and names as they
 * were.
 *
 * The functions take one kind of word each, like those of trace_text.h, but
 * resolve it against what the lines above have made: strings, bindings, files,
 * tasks.
 */
#pragma once

#include "traces/trace_reader.h"
#include "traces/trace_syntax.h"

struct trace_draft {
    struct trace_event event;
    struct trace_detail detail;
    struct trace_live *task;  // NULL: the machine
    uint64_t new_id;          // of the task that the event creates
    const char *string_at;    // operand that is a string, or NULL
    uint32_t bind_name;       // string that the event binds, or TRACE_NONE
    uint32_t flags_denied;    // by words like `private`
    uint64_t keys_seen;       // bit per row of trace_key_words
    bool has_detail;
};

static inline bool
trace_draft_is_op(const struct trace_draft *draft, uint64_t ops)
{
    return (TRACE_OP_BIT(draft->event.op) & ops) != 0;
}

/* The `=` of a result stands alone. */
static inline bool
trace_text_is_at_result(const struct trace_text *text)
{
    return text->at[0] == '=' && trace_is_word_end(text->at[1]);
}

/* Operands in the order of the table, then flags and keys up to the result. */
bool trace_draft_operands(struct trace_reader *reader,
                          struct trace_draft *draft);
bool trace_draft_options(struct trace_reader *reader,
                         struct trace_draft *draft);

/* Words of both: `what` is how errors call the word. */
bool trace_draft_string(struct trace_reader *reader, const char *what,
                        uint32_t *index);
bool trace_draft_bound_name(struct trace_reader *reader, uint32_t *name);
bool trace_draft_address(struct trace_reader *reader, struct trace_live *task,
                         struct trace_address *address);
bool trace_draft_used_file(struct trace_reader *reader, uint32_t *index);
bool trace_draft_new_id(struct trace_reader *reader, uint64_t *id);
bool trace_draft_known_task(struct trace_reader *reader, bool must_live,
                            struct trace_live **task);
