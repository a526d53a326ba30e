/*
 * The words of strace's lines: times, tasks, arguments and their values.
 */
#include "traces/import_strace.h"

#include <string.h>

#define NS_PER_S UINT64_C(1000000000)

bool
strace_fail(struct strace *strace, const char *at, const char *expected)
{
    /* The bytes behind what was begun are the same in the line. */
    if (strace->joined)
        at = strace->resumed_at +
             (at > strace->joined ? at - strace->joined : 0);
    return trace_text_fail(strace->text, at, TRACE_ERROR_SYNTAX, expected);
}

bool
strace_take_seconds(struct strace *strace, uint64_t *ns)
{
    struct trace_text *text = strace->text;
    const char *at = text->at;
    uint64_t seconds, fraction = 0;
    unsigned digits = 0;
    if (trace_scan_number(&text->at, &seconds) != TRACE_SCAN_DONE ||
        *text->at++ != '.' || seconds >= UINT64_MAX / (2 * NS_PER_S))
        return strace_fail(strace, at,
                           "a time like 1795268273.990274 (strace -ttt)");
    for (; g_ascii_isdigit(*text->at) && digits < 9; text->at++, digits++)
        fraction = fraction * 10 + (uint64_t)(*text->at - '0');
    for (; digits < 9; digits++)
        fraction *= 10;
    *ns = seconds * NS_PER_S + fraction;
    return true;
}

void
strace_skip_blanks(struct strace *strace)
{
    while (trace_is_blank(*strace->text->at))
        strace->text->at++;
}

bool
strace_take_tid(struct strace *strace, uint32_t *tid)
{
    struct trace_text *text = strace->text;
    uint64_t number;
    const char *at = text->at;
    if (strncmp(at, "[pid", 4) == 0) {
        text->at += 4;
        strace_skip_blanks(strace);
    }
    const char *p = text->at;
    if (trace_scan_number(&p, &number) != TRACE_SCAN_DONE ||
        number >= PERF_NONE || number == 0)
        return strace_fail(strace, at, STRACE_LINE);
    if (*p == '.') {
        *tid = strace->only_tid ? strace->only_tid : 1;
        strace->only_tid = *tid;
        return true;
    }
    text->at = p + (*p == ']');
    strace_skip_blanks(strace);
    *tid = (uint32_t)number;
    /* Lines before the first fork have no "[pid N]". */
    if (strace->only_tid == 0 || strace->recording->records->len == 0)
        strace->only_tid = *tid;
    return true;
}

/* The quote that closes the one at `p`; NULL: none does on this line. */
static const char *
find_quote(const char *p)
{
    while (*++p && *p != '\n') {
        if (*p == '"')
            return p;
        if (*p == '\\' && p[1] && p[1] != '\n')
            p++;
    }
    return NULL;
}

/*
 * The end of "</lib/a,b)c>", a descriptor's name at `p`; NULL: it is none.
 * Brackets of the name itself are spelled \74 and \76; those of
 * "</dev/null<char 1:3>>" and the arrow of "<TCP:[A:1->B:2]>" are strace's.
 */
static const char *
find_name_end(const char *p)
{
    bool is_path = p[1] == '/';
    unsigned depth = 0;
    for (; *p && *p != '\n'; p++) {
        if (*p == '\\' && p[1] && p[1] != '\n')
            p++;
        else if (*p == '<')
            depth++;
        else if (*p == '>' && (is_path || p[-1] != '-') && --depth == 0)
            return p;
    }
    return NULL;
}

/* The last byte of the string or name that begins at `p`, or `p` itself; NULL:
 * the string does not end. */
static const char *
skip_text(const char *p, const char *start)
{
    if (*p == '"')
        return find_quote(p);
    if (*p != '<' || p == start || p[1] == '<' ||
        !(g_ascii_isdigit(p[-1]) || p[-1] == 'D'))  // AT_FDCWD
        return p;
    const char *end = find_name_end(p);
    return end ? end : p;
}

/* The next comma between arguments or the ')' that closes them; NULL: neither
 * is on this line. */
static const char *
find_mark(const char *start)
{
    unsigned depth = 0;
    for (const char *p = start; *p && *p != '\n'; p++) {
        p = skip_text(p, start);
        if (!p)
            return NULL;
        if (strchr("([{", *p))
            depth++;
        else if (depth == 0 && strchr(",)]}", *p))
            return p;
        else if (strchr(")]}", *p))
            depth--;
    }
    return NULL;
}

const char *
strace_find_end(const char *p)
{
    const char *end = find_mark(p);
    while (end && *end == ',')
        end = find_mark(end + 1);
    return end;
}

void
strace_split_arguments(struct strace_call *call, const char *start,
                       const char *end)
{
    call->words = g_strndup(start, (gsize)(end - start));
    char *argument = g_strchug(call->words);
    for (unsigned i = 0; i < IMPORT_CALL_ARGS && *argument; i++) {
        const char *comma = find_mark(argument);
        call->arguments[i] = argument;
        if (!comma)
            return;
        argument += comma - argument;
        *argument++ = '\0';
        argument += strspn(argument, " ");
    }
}

bool
strace_is_call(const struct strace_call *call, const char *name)
{
    return strlen(name) == call->name_length &&
           memcmp(name, call->name, call->name_length) == 0;
}

bool
strace_has_word(const struct strace_call *call, const char *word)
{
    for (unsigned i = 0; i < IMPORT_CALL_ARGS && call->arguments[i]; i++)
        if (strstr(call->arguments[i], word))
            return true;
    return false;
}

static const struct {
    const char *word;
    uint64_t value;
} constants[] = {
    {"NULL", 0},
    {"PROT_NONE", 0},
    {"PROT_READ", 1},
    {"PROT_WRITE", 2},
    {"PROT_EXEC", 4},
    {"PROT_GROWSDOWN", 0x01000000},
    {"MAP_SHARED", 0x1},
    {"MAP_PRIVATE", PERF_MAP_PRIVATE},
    {"MAP_SHARED_VALIDATE", 0x3},
    {"MAP_FIXED", PERF_MAP_FIXED},
    {"MAP_ANONYMOUS", PERF_MAP_ANON},
    {"MAP_GROWSDOWN", PERF_MAP_GROWSDOWN},
    {"MAP_DENYWRITE", PERF_MAP_DENYWRITE},
    {"MAP_LOCKED", PERF_MAP_LOCKED},
    {"MAP_NORESERVE", PERF_MAP_NORESERVE},
    {"MAP_POPULATE", PERF_MAP_POPULATE},
    {"MAP_STACK", PERF_MAP_STACK},
    {"MAP_FIXED_NOREPLACE", PERF_MAP_FIXED_NOREPLACE},
    {"MREMAP_MAYMOVE", PERF_MREMAP_MAYMOVE},
    {"MREMAP_FIXED", PERF_MREMAP_FIXED},
    {"MREMAP_DONTUNMAP", PERF_MREMAP_DONTUNMAP},
    {"MADV_NORMAL", 0},
    {"MADV_RANDOM", 1},
    {"MADV_SEQUENTIAL", 2},
    {"MADV_WILLNEED", 3},
    {"MADV_DONTNEED", 4},
    {"MADV_FREE", 8},
    {"MADV_REMOVE", 9},
    {"MADV_DONTFORK", 10},
    {"MADV_DOFORK", 11},
    {"MADV_MERGEABLE", 12},
    {"MADV_UNMERGEABLE", 13},
    {"MADV_HUGEPAGE", 14},
    {"MADV_NOHUGEPAGE", 15},
    {"MADV_DONTDUMP", 16},
    {"MADV_DODUMP", 17},
    {"MADV_WIPEONFORK", 18},
    {"MADV_KEEPONFORK", 19},
    {"MADV_COLD", 20},
    {"MADV_PAGEOUT", 21},
    {"MADV_POPULATE_READ", 22},
    {"MADV_POPULATE_WRITE", 23},
    {"MADV_DONTNEED_LOCKED", 24},
    {"MADV_COLLAPSE", 25},
    {"MADV_GUARD_INSTALL", 102},
    {"MADV_GUARD_REMOVE", 103},
    {"MCL_CURRENT", 1},
    {"MCL_FUTURE", 2},
    {"MCL_ONFAULT", 4},
    {"MLOCK_ONFAULT", 1},
};

uint64_t
strace_value_of(const char *text)
{
    uint64_t sum = 0, number;
    while (text && *text) {
        bool is_negative = *text == '-';
        text += is_negative;
        size_t length = strcspn(text, "|</ ");
        const char *p = text;
        bool is_shifted = text[length] == '<' && text[length + 1] == '<';
        if (is_shifted)  // 21<<MAP_HUGE_SHIFT: no flag
            length = strcspn(text, "| ");
        else if (trace_scan_number(&p, &number) == TRACE_SCAN_DONE)
            sum += is_negative ? 0 - number : number;
        for (unsigned i = 0; i < G_N_ELEMENTS(constants); i++) {
            if (strlen(constants[i].word) == length &&
                memcmp(constants[i].word, text, length) == 0)
                sum |= constants[i].value;
        }
        text += length;
        if (*text != '|')
            break;
        text++;
    }
    return sum;
}

/* What stands between two bytes, without its backslashes. */
static char *
inner_text(const char *first, const char *last)
{
    g_autofree char *spelled = g_strndup(first + 1, (gsize)(last - first - 1));
    return g_strcompress(spelled);
}

char *
strace_string_of(const char *argument)
{
    const char *quote = argument ? strchr(argument, '"') : NULL;
    const char *end = quote ? find_quote(quote) : NULL;
    return end ? inner_text(quote, end) : NULL;
}

char *
strace_name_of(const char *argument)
{
    const char *bracket = argument ? strchr(argument, '<') : NULL;
    const char *end = bracket ? find_name_end(bracket) : NULL;
    return end ? inner_text(bracket, end) : NULL;
}
