/*
 * The line that nearly every line of a long trace is, `1 w A+4K 4K`, read
 * without looking back.  Whatever is not exactly that, an error included, is
 * left to trace_events.c, which knows everything.
 */
#include "traces/trace_reader.h"
#include "traces/trace_syntax.h"

#include <string.h>

enum { DIGITS_MAX = 18 };  // fit in 64 bits whatever they are

/* Decimal digits; NULL if there are none or too many. */
static const char *
scan_digits(const char *at, uint64_t *number)
{
    const char *start = at;
    uint64_t sum = 0;
    for (; g_ascii_isdigit(*at); at++)
        sum = sum * 10 + (uint64_t)(*at - '0');
    *number = sum;
    return at > start && at - start <= DIGITS_MAX ? at : NULL;
}

static const char *
scan_size(const char *at, uint64_t *bytes)
{
    static const uint8_t shifts[] = {
        ['K'] = 10, ['M'] = 20, ['G'] = 30, ['T'] = 40};
    at = scan_digits(at, bytes);
    if (!at)
        return NULL;
    unsigned shift =
        (unsigned char)*at < sizeof(shifts) ? shifts[(unsigned char)*at] : 0;
    if (shift == 0)
        return at;
    if (*bytes >> (64 - shift) != 0)
        return NULL;
    *bytes <<= shift;
    return at + 1;
}

static bool
find_op(char letter, struct trace_event *event)
{
    event->op = letter == 'w'   ? TRACE_OP_WRITE
                : letter == 'r' ? TRACE_OP_READ
                                : TRACE_OP_EXECUTE;
    return letter == 'w' || letter == 'r' || letter == 'x';
}

static const char *
scan_task_and_op(struct trace_reader *reader, const char *at,
                 struct trace_live **task, struct trace_event *event)
{
    uint64_t id;
    at = scan_digits(at, &id);
    if (!at || at[0] != ' ' || !find_op(at[1], event) || at[2] != ' ')
        return NULL;
    *task = trace_tasks_find(&reader->tasks, id);
    return *task && (*task)->process ? at + 3 : NULL;
}

static const char *
scan_address(struct trace_reader *reader, const char *at,
             struct trace_live *task, struct trace_address *address)
{
    size_t length = trace_region_name_length(at);
    if (length == 0 || length > TRACE_REGION_NAME_MAX)
        return NULL;
    address->binding = trace_find_binding(reader, task, at, length);
    at += length;
    if (address->binding == UINT32_MAX || (*at != '+' && *at != '-'))
        return address->binding == UINT32_MAX ? NULL : at;
    address->from_end = *at == '-';
    return scan_size(at + 1, &address->offset);
}

bool
trace_read_touch(struct trace_reader *reader)
{
    struct trace_event event = {
        .object = TRACE_NONE, .detail = TRACE_NONE, .result = TRACE_NONE};
    struct trace_live *task;
    const char *at = scan_task_and_op(reader, reader->text.at, &task, &event);
    if (at)
        at = scan_address(reader, at, task, &event.address);
    if (!at || *at != ' ')
        return false;
    at = scan_size(at + 1, &event.length);
    if (!at || *at != '\n' ||
        reader->trace->events->len >= TRACE_EVENT_COUNT_MAX)
        return false;
    event.task = task->index;
    trace_append_event(reader, &event);
    return true;
}
