/*
 * Reads single lines of `perf script --ns --show-mmap-events
 * --show-task-events -F comm,pid,tid,cpu,time,event,trace`.
 *
 * A comm may hold blanks and any other byte, so the head of a line is found by
 * its shape and not by counting words; for the same reason a field that stands
 * behind a comm or a file name is looked for from the end of the line.
 */
#include "traces/import_perf_line.h"

#include <string.h>

#include "traces/import_calls.h"

struct call_fields {
    const char *word;
    const char *fields[PERF_ARG_COUNT + 1];  // until NULL
};

#define PERF_CALL_FIELDS(name, word, ...)                                      \
    [PERF_CALL_##name] = {word, {__VA_ARGS__}},
static const struct call_fields calls[PERF_CALL_COUNT] = {
    PERF_CALLS(PERF_CALL_FIELDS)};

const char *
perf_call_word(enum perf_call call)
{
    return calls[call].word;
}

static const char *
line_end(const struct trace_text *text)
{
    return strchr(text->at, '\n');
}

/* Take a number, also a hexadecimal one; NULL: none, or too large. */
static const char *
scan_number(const char *p, uint64_t *value)
{
    return trace_scan_number(&p, value) == TRACE_SCAN_DONE ? p : NULL;
}

/* "2160.413504512:" in nanoseconds. */
static const char *
scan_time(const char *p, uint64_t *time_ns)
{
    uint64_t seconds;
    if (!(p = scan_number(p, &seconds)) || *p++ != '.' ||
        seconds > UINT64_MAX / UINT64_C(2000000000))
        return NULL;
    uint64_t fraction = 0;
    unsigned digits = 0;
    for (; g_ascii_isdigit(*p) && digits < 9; p++, digits++)
        fraction = fraction * 10 + (uint64_t)(*p - '0');
    if (digits == 0 || *p != ':')
        return NULL;
    for (; digits < 9; digits++)
        fraction *= 10;
    *time_ns = seconds * UINT64_C(1000000000) + fraction;
    return p + 1;
}

static const char *
skip_blanks(const char *p)
{
    while (trace_is_blank(*p))
        p++;
    return p;
}

/* "10637/10637 [000]  2160.413504512:"; NULL when p does not look so. */
static const char *
scan_head(const char *p, struct perf_record *record)
{
    uint64_t pid, tid, cpu;
    if (!g_ascii_isdigit(*p) || !(p = scan_number(p, &pid)) || *p++ != '/' ||
        !(p = scan_number(p, &tid)) || !trace_is_blank(*p))
        return NULL;
    p = skip_blanks(p);
    if (*p++ != '[')
        return NULL;
    for (cpu = 0; g_ascii_isdigit(*p) && cpu < UINT16_MAX; p++)
        cpu = cpu * 10 + (uint64_t)(*p - '0');
    if (*p++ != ']' || cpu >= UINT16_MAX || pid >= PERF_NONE ||
        tid >= PERF_NONE)
        return NULL;
    record->pid = (uint32_t)pid;
    record->tid = (uint32_t)tid;
    record->cpu = (uint16_t)cpu;
    return scan_time(skip_blanks(p), &record->time_ns);
}

static bool
take_head(struct trace_text *text, struct perf_record *record)
{
    const char *first = skip_blanks(text->at);
    for (const char *p = text->at; *p != '\n'; p++) {
        if (p > text->at && !trace_is_blank(p[-1]))
            continue;
        const char *end = scan_head(p, record);
        if (end) {
            text->at = skip_blanks(end);
            return true;
        }
    }
    return trace_text_fail(text, first, TRACE_ERROR_SYNTAX, PERF_LINE);
}

/* The value of "name: VALUE" or "name=VALUE"; NULL: no such field. */
static const char *
find_field(const struct trace_text *text, const char *name, bool last)
{
    size_t length = strlen(name);
    const char *found = NULL;
    const char *end = line_end(text);
    for (const char *p = text->at; p + length < end; p++) {
        bool starts = p[-1] == ' ' && memcmp(p, name, length) == 0;
        if (!starts || (p[length] != ':' && p[length] != '='))
            continue;
        found = skip_blanks(p + length + 1);
        if (!last)
            break;
    }
    return found;
}

static bool
fail_field(struct trace_text *text, const char *at, const char *name)
{
    char *what = g_strdup_printf("a number in the field %s", name);
    bool failed = trace_text_fail(text, at, TRACE_ERROR_SYNTAX, what);
    g_free(what);
    return failed;
}

enum field_place { FIELD_FIRST, FIELD_LAST };

static bool
take_field(struct trace_text *text, const char *name, enum field_place place,
           uint64_t *value)
{
    const char *p = find_field(text, name, place == FIELD_LAST);
    const char *at = p ? p : text->at;
    if (!p || trace_scan_number(&p, value) != TRACE_SCAN_DONE ||
        (!trace_is_word_end(*p) && *p != ','))
        return fail_field(text, at, name);
    return true;
}

/* Hexadecimal without 0x. */
static bool
take_hex_field(struct trace_text *text, const char *name, uint64_t *value)
{
    const char *p = find_field(text, name, true);
    const char *at = p ? p : text->at;
    unsigned digits = 0;
    *value = 0;
    for (; p && g_ascii_isxdigit(*p) && digits < 16; p++, digits++)
        *value = *value << 4 | (uint64_t)g_ascii_xdigit_value(*p);
    if (digits == 0 || !trace_is_word_end(*p))
        return fail_field(text, at, name);
    return true;
}

static bool
take_enter(struct trace_text *text, struct perf_record *record)
{
    const char *const *fields = calls[record->call].fields;
    for (unsigned i = 0; fields[i]; i++) {
        if (!take_field(text, fields[i], FIELD_FIRST, &record->arg[i]))
            return false;
    }
    return true;
}

static bool
take_exit(struct trace_text *text, struct perf_record *record)
{
    const char *p = text->at;
    if (trace_scan_number(&p, &record->arg[0]) != TRACE_SCAN_DONE ||
        !trace_is_word_end(*p))
        return trace_text_fail(text, text->at, TRACE_ERROR_SYNTAX,
                               "the result of a call");
    return true;
}

static bool
take_fault(struct trace_text *text, struct perf_record *record)
{
    return take_field(text, "address", FIELD_FIRST, &record->arg[0]) &&
           take_field(text, "error_code", FIELD_FIRST, &record->arg[1]);
}

static bool
has_word(const char *flags, size_t length, const char *word)
{
    return g_strstr_len(flags, (gssize)length, word) != NULL;
}

/* What an allocation is for shows in how it was asked for. */
static bool
take_alloc(struct trace_text *text, struct perf_record *record)
{
    uint64_t order;
    if (!take_field(text, "order", FIELD_FIRST, &order))
        return false;
    const char *flags = find_field(text, "gfp_flags", false);
    if (!flags || order > 20)
        return fail_field(text, text->at, flags ? "order" : "gfp_flags");

    size_t length = (size_t)(line_end(text) - flags);
    bool zeroed = has_word(flags, length, "__GFP_ZERO");
    record->arg[1] = UINT64_C(1) << order;
    if (has_word(flags, length, "GFP_HIGHUSER_MOVABLE") ||
        has_word(flags, length, "GFP_TRANSHUGE"))
        record->arg[0] = zeroed ? PERF_ALLOC_CLEARED : PERF_ALLOC_FILLED;
    else if (has_word(flags, length, "GFP_KERNEL_ACCOUNT") && zeroed &&
             order == 0)
        record->arg[0] = PERF_ALLOC_TABLE;
    else
        record->kind = PERF_SKIPPED;
    return true;
}

/* "11802/11802: [0x5000(0x2000) @ 0x1000 fe:00 247312 0]: rw-p NAME" */
static bool
take_mapped(struct trace_text *text, struct perf_record *record, GString *name)
{
    static const char what[] =
        "a mapping like PID/TID: [0xADDR(0xLEN) @ OFF ...]: rw-p NAME";
    const char *end = line_end(text);
    const char *p = memchr(text->at, '[', (size_t)(end - text->at));
    if (!p)
        return trace_text_fail(text, text->at, TRACE_ERROR_SYNTAX, what);
    p++;
    if (!(p = scan_number(p, &record->arg[0])) || *p++ != '(' ||
        !(p = scan_number(p, &record->arg[1])) || *p++ != ')' ||
        strncmp(p, " @ ", 3) != 0 || !(p = scan_number(p + 3, &record->arg[2])))
        return trace_text_fail(text, text->at, TRACE_ERROR_SYNTAX, what);

    p = g_strstr_len(p, end - p, "]: ");
    if (!p || end - p < 8 || p[7] != ' ')
        return trace_text_fail(text, text->at, TRACE_ERROR_SYNTAX, what);
    p += 3;
    record->arg[3] = (uint64_t)((p[0] == 'r' ? TRACE_PROT_READ : 0) |
                                (p[1] == 'w' ? TRACE_PROT_WRITE : 0) |
                                (p[2] == 'x' ? TRACE_PROT_EXEC : 0));
    record->arg[4] = p[3] == 's';
    g_string_append_len(name, p + 5, MIN(end - p - 5, PERF_NAME_MAX));
    return true;
}

/* "exec: NAME:PID/TID"; a COMM without exec only renames. */
static bool
take_comm(struct trace_text *text, struct perf_record *record, GString *name)
{
    const char *end = line_end(text);
    if (strncmp(text->at, "exec: ", 6) != 0) {
        record->kind = PERF_SKIPPED;
        return true;
    }
    const char *p = text->at + 6;
    const char *colon = memrchr(p, ':', (size_t)(end - p));
    if (!colon)
        return trace_text_fail(text, p, TRACE_ERROR_SYNTAX,
                               "a name like COMM:PID/TID");
    g_string_append_len(name, p, MIN(colon - p, PERF_NAME_MAX));
    return true;
}

/* "IN", "OUT" or "OUT preempt". */
static bool
take_switch(struct trace_text *text, struct perf_record *record)
{
    const char *end = line_end(text);
    if (strncmp(text->at, "IN", 2) == 0)
        record->arg[0] = PERF_SWITCH_IN;
    else if (strncmp(text->at, "OUT", 3) != 0)
        return trace_text_fail(text, text->at, TRACE_ERROR_SYNTAX, "IN or OUT");
    else if (g_strstr_len(text->at, end - text->at, "preempt"))
        record->arg[0] = PERF_SWITCH_PREEMPTED;
    else
        record->arg[0] = PERF_SWITCH_OUT;
    return true;
}

/* Arguments like "(0, 2000, 7ffc2b4433ac, ...)", hexadecimal. */
static bool
take_raw_arguments(struct trace_text *text, struct perf_record *record)
{
    uint64_t arguments[IMPORT_CALL_ARGS];
    for (unsigned i = 0; i < IMPORT_CALL_ARGS; i++) {
        text->at += strspn(text->at, " (,");
        char *end;
        arguments[i] = g_ascii_strtoull(text->at, &end, 16);
        if (end == text->at)
            return trace_text_fail(text, text->at, TRACE_ERROR_SYNTAX,
                                   "six arguments of a call");
        text->at = end;
    }
    import_call_set_arguments(record, arguments);
    return true;
}

/* "NR 9 (0, 2000, ...)", or when the call ends "NR 9 = -12". */
static bool
take_system(struct trace_text *text, struct perf_record *record)
{
    uint64_t number;
    if (strncmp(text->at, "NR ", 3) == 0)
        text->at += 3;
    if (*text->at == '-') {  // no call at all, as after a signal
        record->kind = PERF_SKIPPED;
        return true;
    }
    if (!trace_take_number(text, &number))
        return false;
    record->is_raw = import_call_by_number(number, &record->call);
    if (!record->is_raw) {
        record->arg[0] = number;
        return true;
    }
    if (record->kind == PERF_SYSTEM) {
        record->kind = PERF_ENTER;
        return take_raw_arguments(text, record);
    }
    record->kind = PERF_EXIT;
    text->at += strspn(text->at, " =");
    bool is_negative = *text->at == '-';
    text->at += is_negative;
    if (!trace_take_number(text, &record->arg[0]))
        return false;
    if (is_negative)
        record->arg[0] = 0 - record->arg[0];
    return true;
}

/* sys_enter_NAME or sys_exit_NAME of a call that we know. */
static enum perf_kind
find_call(const char *word, size_t length, uint8_t *call)
{
    enum perf_kind kind = PERF_SKIPPED;
    if (length > 10 && memcmp(word, "sys_enter_", 10) == 0)
        kind = PERF_ENTER;
    else if (length > 9 && memcmp(word, "sys_exit_", 9) == 0)
        kind = PERF_EXIT;
    size_t skip = kind == PERF_ENTER ? 10 : 9;
    if (kind != PERF_SKIPPED &&
        import_call_by_name(word + skip, length - skip, call))
        return kind;
    return PERF_SKIPPED;
}

static bool
is_word(const char *word, size_t length, const char *wanted)
{
    return strlen(wanted) == length && memcmp(word, wanted, length) == 0;
}

/* The event's kind; `word` is its name without the subsystem. */
static enum perf_kind
find_kind(const char *word, size_t length, struct perf_record *record)
{
    static const struct {
        const char *word;
        enum perf_kind kind;
        bool is_kernel;
    } events[] = {
        {"page_fault_user", PERF_FAULT, false},
        {"page_fault_kernel", PERF_FAULT, true},
        {"mm_page_alloc", PERF_ALLOC, false},
        {"task_newtask", PERF_NEWTASK, false},
        {"sched_process_exec", PERF_EXEC, false},
        {"sched_process_exit", PERF_DEATH, false},
        {"PERF_RECORD_COMM", PERF_IMAGE, false},
        {"PERF_RECORD_MMAP2", PERF_MAPPED, false},
        {"PERF_RECORD_SWITCH", PERF_SWITCH, false},
        {"sys_enter", PERF_SYSTEM, false},
        {"sys_exit", PERF_USER, false},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(events); i++) {
        if (is_word(word, length, events[i].word)) {
            record->is_kernel = events[i].is_kernel;
            return events[i].kind;
        }
    }
    return find_call(word, length, &record->call);
}

/* The event's name, without "subsystem:" and what perf writes behind. */
static bool
take_event(struct trace_text *text, struct perf_record *record)
{
    const char *word = text->at;
    size_t length = 0;
    while (!trace_is_word_end(word[length]))
        length++;
    if (strncmp(word, "PERF_RECORD_LOST", 16) == 0 ||
        strncmp(word, "LOST", 4) == 0)
        return trace_text_fail(text, word, TRACE_ERROR_LOST,
                               "a complete recording");
    text->at = skip_blanks(word + length);
    if (strncmp(word, "PERF_RECORD_", 12) == 0) {
        length = strcspn(word, ":( \t\n");
    } else if (length == 0 || word[length - 1] != ':') {
        return trace_text_fail(text, word, TRACE_ERROR_SYNTAX,
                               "the name of an event and a colon");
    } else {
        const char *colon = memrchr(word, ':', --length);
        length -= colon ? (size_t)(colon + 1 - word) : 0;
        word = colon ? colon + 1 : word;
    }
    record->kind = (uint8_t)find_kind(word, length, record);
    return true;
}

bool
perf_line_parse(struct trace_text *text, struct perf_record *record,
                GString *name)
{
    *record = (struct perf_record){.line = text->line,
                                   .name = PERF_NONE,
                                   .partner = PERF_NONE,
                                   .effect_of = PERF_NONE};
    if (!take_head(text, record) || !take_event(text, record))
        return false;

    switch ((enum perf_kind)record->kind) {
    case PERF_SKIPPED:
        return true;
    case PERF_SYSTEM:
    case PERF_USER:
        return take_system(text, record);
    case PERF_SWITCH:
        return take_switch(text, record);
    case PERF_ENTER:
        return take_enter(text, record);
    case PERF_EXIT:
        return take_exit(text, record);
    case PERF_FAULT:
        return take_fault(text, record);
    case PERF_ALLOC:
        return take_alloc(text, record);
    case PERF_NEWTASK:
        return take_field(text, "pid", FIELD_FIRST, &record->arg[0]) &&
               take_hex_field(text, "clone_flags", &record->arg[1]);
    case PERF_EXEC:
        return take_field(text, "pid", FIELD_LAST, &record->arg[0]) &&
               take_field(text, "old_pid", FIELD_LAST, &record->arg[1]);
    case PERF_DEATH:
        return take_field(text, "pid", FIELD_LAST, &record->arg[0]);
    case PERF_IMAGE:
        return take_comm(text, record, name);
    case PERF_MAPPED:
        return take_mapped(text, record, name);
    }
    return true;
}
