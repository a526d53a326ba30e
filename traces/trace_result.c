/*
 * Reads what a real kernel answered: `= 0`, `= ENOMEM`, `= 0x7f0000000000
 * vma=START-END`, `= fresh`, `= fresh*12,hit*4`.
 */
#include "traces/trace_reader.h"
#include "traces/trace_syntax.h"

#include <string.h>

static bool
take_outcome(struct trace_text *text, enum trace_outcome *outcome)
{
    for (unsigned i = 0; i < TRACE_OUTCOME_COUNT; i++) {
        const char *word = trace_outcome_word((enum trace_outcome)i);
        size_t length = strlen(word);
        if (strncmp(text->at, word, length) == 0 &&
            !g_ascii_isalpha(text->at[length])) {
            text->at += length;
            *outcome = (enum trace_outcome)i;
            return true;
        }
    }
    return false;
}

/* `fresh*12`: one run of pages, called so in the list. */
static bool
take_run(struct trace_reader *reader, bool is_first)
{
    struct trace_text *text = &reader->text;
    const char *start = text->at;
    struct trace_run run = {.pages = 0};
    if (!take_outcome(text, &run.outcome))
        return trace_text_fail(text, start, TRACE_ERROR_SYNTAX,
                               "what the touch did, like fresh or hit");
    if (*text->at == '*') {
        text->at++;
        if (!trace_take_number(text, &run.pages))
            return false;
        if (run.pages == 0)
            return trace_text_fail(text, start, TRACE_ERROR_RANGE,
                                   "at least one page");
    } else if (!is_first || !trace_is_word_end(*text->at)) {
        return trace_text_fail(text, start, TRACE_ERROR_SYNTAX,
                               "an outcome and its pages, like fresh*12");
    }
    if (reader->trace->runs->len >= TRACE_RUN_COUNT_MAX)
        return trace_text_fail(text, start, TRACE_ERROR_RANGE,
                               "no more outcomes than a trace can hold");
    g_array_append_val(reader->trace->runs, run);
    return true;
}

static bool
take_runs(struct trace_reader *reader, struct trace_result *result)
{
    struct trace_text *text = &reader->text;
    bool is_first = true;
    result->kind = TRACE_RESULT_TOUCH;
    result->run_first = reader->trace->runs->len;
    text->in_list = true;
    do {
        text->at += !is_first;
        if (!take_run(reader, is_first))
            return false;
        is_first = false;
    } while (*text->at == ',');
    text->in_list = false;
    result->run_count = reader->trace->runs->len - result->run_first;
    return true;
}

/* `vma=START-END`, at the cursor. */
static bool
take_vma(struct trace_text *text, struct trace_result *result)
{
    const char *start = text->at;
    text->at += strlen("vma=");
    bool is_read =
        trace_scan_number(&text->at, &result->vma_start) == TRACE_SCAN_DONE &&
        *text->at++ == '-' &&
        trace_scan_number(&text->at, &result->vma_end) == TRACE_SCAN_DONE &&
        trace_text_is_ended(text);
    if (!is_read || result->vma_start >= result->vma_end)
        return trace_text_fail(text, start, TRACE_ERROR_SYNTAX,
                               "vma=START-END with START below END");
    return true;
}

static bool
take_address(struct trace_text *text, struct trace_result *result)
{
    result->kind = TRACE_RESULT_ADDRESS;
    if (!trace_take_number(text, &result->address))
        return false;
    if (trace_text_next(text) && strncmp(text->at, "vma=", 4) == 0)
        return take_vma(text, result);
    return true;
}

static bool
take_errno(struct trace_text *text, struct trace_result *result)
{
    size_t length = trace_text_word_length(text, text->at);
    result->kind = TRACE_RESULT_ERRNO;
    result->error = trace_errno_number(text->at, length);
    if (result->error == 0)
        return trace_text_fail(text, text->at, TRACE_ERROR_SYNTAX,
                               "the name of an errno");
    text->at += length;
    return true;
}

static bool
take_result(struct trace_reader *reader, enum trace_op op,
            struct trace_result *result)
{
    struct trace_text *text = &reader->text;
    bool is_touch =
        op == TRACE_OP_READ || op == TRACE_OP_WRITE || op == TRACE_OP_EXECUTE;
    if (!trace_text_next(text))
        return trace_text_fail(text, text->at, TRACE_ERROR_SYNTAX, "a result");
    if (trace_text_take_word(text, "0")) {
        result->kind = TRACE_RESULT_SUCCESS;
        return true;
    }
    if (*text->at == 'E')
        return take_errno(text, result);
    if (is_touch)
        return take_runs(reader, result);
    if (text->at[0] == '0' && text->at[1] == 'x')
        return take_address(text, result);
    return trace_text_fail(text, text->at, TRACE_ERROR_SYNTAX,
                           "0, an errno or a 0x address");
}

bool
trace_read_result(struct trace_reader *reader, struct trace_event *event)
{
    struct trace_result result = {.kind = TRACE_RESULT_SUCCESS};
    reader->text.at++;  // the `=`
    if (!take_result(reader, (enum trace_op)event->op, &result))
        return false;
    event->result = reader->trace->results->len;
    g_array_append_val(reader->trace->results, result);
    return true;
}
