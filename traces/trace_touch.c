/*
 * The lines that nearly all lines of a long trace are, `1 w A+4K 4K` or, as
 * recorded, `@1204+350/0 1 w A+4K 4K = fresh`, read one behind the other
 * without looking back.  Whatever is not exactly that, an error included, is
 * left to trace_events.c, which knows everything.
 *
 * Words are judged eight bytes at a time.  Nothing here needs to know where a
 * line ends: nothing is taken behind a newline, and whoever is at the first
 * byte of a line has more bytes before him than any such line is judged by.
 */
#include "traces/trace_reader.h"
#include "traces/trace_syntax.h"

#include <string.h>

enum {
    JUDGED_BYTES = 192,   // of a line, at most
    BATCH_EVENTS = 4096,  // that room is made for at once
};

#define EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

static inline uint64_t
load(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return GUINT64_FROM_LE(word);
}

/* How many bytes stand before the first that is marked by its top bit. */
static inline unsigned
bytes_before(uint64_t marks)
{
    return marks ? (unsigned)__builtin_ctzll(marks) / 8 : 8;
}

/* The number that eight digits make, the first one lowest: by twos, by fours,
 * all. */
static inline uint64_t
join_digits(uint64_t digits)
{
    digits = (digits * (10 << 8 | 1)) >> 8 & UINT64_C(0x00ff00ff00ff00ff);
    digits = (digits * (100 << 16 | 1)) >> 16 & UINT64_C(0x0000ffff0000ffff);
    return (digits * (UINT64_C(10000) << 32 | 1)) >> 32;
}

/* Up to eight digits; how many.  Carries only reach bytes behind the first that
 * is no digit. */
static inline unsigned
scan_eight(const char *at, uint64_t *number)
{
    uint64_t digits = load(at) ^ EACH_BYTE('0');
    unsigned count =
        bytes_before(((digits + EACH_BYTE(0x76)) | digits) & EACH_BYTE(0x80));
    *number = count > 0 ? join_digits(digits << (64 - 8 * count)) : 0;
    return count;
}

/* Decimal digits; NULL if there are none or more than 16, which fit in 54
 * bits. */
static inline const char *
scan_digits(const char *at, uint64_t *number)
{
    static const uint32_t powers[] = {1,     10,     100,     1000,
                                      10000, 100000, 1000000, 10000000};
    unsigned count = (unsigned char)(*at - '0');
    if (count <= 9 && (unsigned char)(at[1] - '0') > 9) {
        *number = count;  // often it is one digit, and then always
        return at + 1;
    }
    count = scan_eight(at, number);
    if (count < 8)
        return count > 0 ? at + count : NULL;
    uint64_t low;
    count = scan_eight(at + 8, &low);
    *number = *number * (count < 8 ? powers[count] : 100000000) + low;
    at += 8 + count;
    return g_ascii_isdigit(*at) ? NULL : at;
}

static inline const char *
scan_size(const char *at, uint64_t *bytes)
{
    static const uint8_t shifts[256] = {
        ['K'] = 10, ['M'] = 20, ['G'] = 30, ['T'] = 40};
    at = scan_digits(at, bytes);
    if (!at)
        return NULL;
    unsigned shift = shifts[(unsigned char)*at];
    if (*bytes >> (63 - shift) != 0)
        return NULL;
    *bytes <<= shift;
    return at + (shift > 0);
}

/* `@START[+DURATION][/CPU] `, if it stands there. */
static inline const char *
scan_times(const char *at, struct trace_event *event)
{
    uint64_t cpu = 0;
    if (*at != '@')
        return at;
    event->flags = TRACE_HAS_TIME;
    at = scan_digits(at + 1, &event->start_ns);
    if (at && *at == '+')
        at = scan_digits(at + 1, &event->duration_ns);
    if (at && *at == '/') {
        at = scan_digits(at + 1, &cpu);
        event->flags |= TRACE_HAS_CPU;
    }
    event->cpu = (uint16_t)cpu;
    return at && *at == ' ' && cpu <= UINT16_MAX ? at + 1 : NULL;
}

static inline const char *
scan_task_and_op(struct trace_reader *reader, const char *at,
                 struct trace_live **task, struct trace_event *event)
{
    static const uint8_t ops[256] = {['r'] = TRACE_OP_READ,
                                     ['w'] = TRACE_OP_WRITE,
                                     ['x'] = TRACE_OP_EXECUTE};
    uint64_t id;
    at = scan_digits(at, &id);
    if (!at || at[0] != ' ' || ops[(unsigned char)at[1]] == 0 || at[2] != ' ')
        return NULL;
    *task = trace_tasks_find(&reader->tasks, id);
    event->op = ops[(unsigned char)at[1]];
    return *task && (*task)->process ? at + 3 : NULL;
}

/* The bytes up to one that no name has, as words; how many.  0: none, or too
 * many to be remembered. */
static inline unsigned
scan_name(const char *at, uint64_t words[TRACE_MEANING_WORDS])
{
    memset(words, 0, TRACE_MEANING_WORDS * sizeof(*words));
    for (unsigned i = 0; i < TRACE_MEANING_WORDS; i++) {
        uint64_t word = load(at + 8 * i);
        unsigned length =
            bytes_before((word - EACH_BYTE('.')) & ~word & EACH_BYTE(0x80));
        if (length < 8) {
            words[i] = word & ((UINT64_C(1) << 8 * length) - 1);
            return 8 * i + length;
        }
        words[i] = word;
    }
    return 0;
}

/* What the name means to the task, looked up and remembered; TRACE_NONE: it is
 * none, or not bound. */
static uint32_t
learn_name(struct trace_reader *reader, struct trace_live *task, const char *at,
           unsigned length, struct trace_meaning *meaning)
{
    if (trace_region_name_length(at) != length)
        return TRACE_NONE;
    meaning->binding = trace_find_binding(reader, task, at, length);
    meaning->names_age = reader->names_age;
    meaning->task = task->index;
    scan_name(at, meaning->name);
    return meaning->binding;
}

static inline uint32_t
find_name(struct trace_reader *reader, struct trace_live *task, const char *at,
          unsigned *length)
{
    uint64_t name[TRACE_MEANING_WORDS], hash = task->index, differing = 0;
    *length = scan_name(at, name);
    for (unsigned i = 0; i < TRACE_MEANING_WORDS; i++)
        hash = (hash ^ name[i]) * UINT64_C(0x9e3779b97f4a7c15);
    struct trace_meaning *meaning =
        &reader->meanings[hash >> 32 & (TRACE_MEANINGS - 1)];
    for (unsigned i = 0; i < TRACE_MEANING_WORDS; i++)
        differing |= name[i] ^ meaning->name[i];
    if (differing == 0 && meaning->task == task->index &&
        meaning->names_age == reader->names_age)
        return meaning->binding;
    return *length > 0 ? learn_name(reader, task, at, *length, meaning)
                       : TRACE_NONE;
}

static inline const char *
scan_address(struct trace_reader *reader, const char *at,
             struct trace_live *task, struct trace_address *address)
{
    unsigned length;
    address->binding = find_name(reader, task, at, &length);
    if (address->binding == TRACE_NONE)
        return NULL;
    at += length;
    if (*at != '+' && *at != '-')
        return at;
    address->from_end = *at == '-';
    return scan_size(at + 1, &address->offset);
}

/* ` = OUTCOME`, if anything stands there. */
static const char *
scan_result(struct trace_reader *reader, const char *at,
            struct trace_event *event)
{
    GArray *runs = reader->trace->runs;
    struct trace_result result = {
        .kind = TRACE_RESULT_TOUCH, .run_first = runs->len, .run_count = 1};
    struct trace_run run = {.pages = 0};
    uint64_t word[TRACE_MEANING_WORDS];
    if (at[0] != ' ' || at[1] != '=' || at[2] != ' ' ||
        runs->len >= TRACE_RUN_COUNT_MAX)
        return NULL;
    unsigned length = scan_name(at + 3, word), i = 0;
    while (i < TRACE_OUTCOME_COUNT && reader->outcome_words[i] != word[0])
        i++;
    if (i == TRACE_OUTCOME_COUNT || length >= 8 || at[3 + length] != '\n')
        return NULL;
    run.outcome = (enum trace_outcome)i;
    event->result = reader->trace->results->len;
    g_array_append_val(reader->trace->results, result);
    g_array_append_val(runs, run);
    return at + 3 + length;
}

/* The event of the line at `at`; where its newline is, or NULL, and nothing
 * done. */
static inline const char *
scan_touch(struct trace_reader *reader, const char *at,
           struct trace_event *event)
{
    struct trace_live *task;
    *event = (struct trace_event){
        .object = TRACE_NONE, .detail = TRACE_NONE, .result = TRACE_NONE};
    at = scan_times(at, event);
    if (at)
        at = scan_task_and_op(reader, at, &task, event);
    if (!at)
        return NULL;
    event->task = task->index;
    at = scan_address(reader, at, task, &event->address);
    if (!at || *at != ' ')
        return NULL;
    at = scan_size(at + 1, &event->length);
    if (!at || *at == '\n')
        return at;
    return scan_result(reader, at, event);
}

const char *
trace_read_touches(struct trace_reader *reader, const char *at, const char *end,
                   guint limit)
{
    struct trace *trace = reader->trace;
    guint first = trace->events->len, count = 0;
    limit = MIN(MIN(limit, BATCH_EVENTS), TRACE_EVENT_COUNT_MAX - first);
    g_array_set_size(trace->events, first + limit);
    struct trace_event *events =
        &g_array_index(trace->events, struct trace_event, first);
    uint32_t any_flags = 0, all_flags = UINT32_MAX;
    while (count < limit && end - at >= JUDGED_BYTES) {
        struct trace_event *event = &events[count];
        const char *newline = scan_touch(reader, at, event);
        if (!newline)
            break;
        any_flags |= event->flags;
        all_flags &= event->flags;
        trace->op_count[event->op]++;
        at = newline + 1;
        count++;
    }
    g_array_set_size(trace->events, first + count);
    if (count == 0)
        return at;
    reader->is_any_timed |= any_flags & TRACE_HAS_TIME;
    reader->is_any_untimed |= !(all_flags & TRACE_HAS_TIME);
    reader->text.line++;
    trace_note_line(reader);
    reader->text.line += count - 1;
    trace->event_count += count;
    return at;
}

bool
trace_read_touch(struct trace_reader *reader, size_t length)
{
    char line[JUDGED_BYTES];
    struct trace_event event;
    if (length > JUDGED_BYTES / 2 ||
        reader->trace->events->len >= TRACE_EVENT_COUNT_MAX)
        return false;
    memcpy(line, reader->text.start, length + 1);
    memset(line + length + 1, 0, JUDGED_BYTES - length - 1);
    if (!scan_touch(reader, line, &event))
        return false;
    trace_append_event(reader, &event);
    return true;
}
