/*
 * Scanners for the words of one line, written by hand because this is where a
 * long trace spends its loading time: one pass over the bytes, no copy.
 */
#include "traces/trace_text.h"

#include <string.h>

#include "traces/legible.h"

enum { QUOTED_BYTES_MAX = 40 };

G_DEFINE_QUARK(trace - error - quark, trace_error)

char *
trace_text_quote(const char *bytes, size_t length)
{
    size_t shown = MIN(length, QUOTED_BYTES_MAX);
    while (shown < length && shown > 0 &&
           ((unsigned char)bytes[shown] & 0xc0) == 0x80)
        shown--;  // never cut a character in two
    g_autofree char *text = legible(bytes, shown, LEGIBLE_NONE);
    return g_strconcat("\"", text, shown < length ? "...\"" : "\"", NULL);
}

const char *
trace_shown_path(const char *path)
{
    return strcmp(path, "-") == 0 ? "stdin" : path;
}

size_t
trace_text_word_length(const struct trace_text *text, const char *at)
{
    const char *p = at;
    while (!trace_is_word_end(*p) && !(text->in_list && *p == ','))
        p++;
    return (size_t)(p - at);
}

bool
trace_text_fail_found(struct trace_text *text, const char *at,
                      enum trace_error code, const char *expected,
                      const char *found)
{
    g_set_error(text->error, TRACE_ERROR, (gint)code,
                "%s:%" G_GUINT64_FORMAT ":%zu: expected %s, found %s",
                text->path, text->line, (size_t)(at - text->start) + 1,
                expected, found);
    return false;
}

bool
trace_text_fail(struct trace_text *text, const char *at, enum trace_error code,
                const char *expected)
{
    size_t length = trace_text_word_length(text, at);
    bool is_comment =
        *at == '#' && (at == text->start || trace_is_blank(at[-1]));
    if (*at == ',' && text->in_list)
        return trace_text_fail_found(text, at, code, expected, "\",\"");
    if (length == 0 || is_comment)
        return trace_text_fail_found(text, at, code, expected,
                                     "the end of the line");
    g_autofree char *quoted = trace_text_quote(at, length);
    return trace_text_fail_found(text, at, code, expected, quoted);
}

static enum trace_scan
scan_hex(const char **at, uint64_t *value)
{
    const char *p = *at;
    uint64_t sum = 0;
    if (!g_ascii_isxdigit(*p))
        return TRACE_SCAN_NOTHING;
    for (; g_ascii_isxdigit(*p); p++) {
        if (sum >> 60 != 0)
            return TRACE_SCAN_OVERFLOW;
        sum = sum << 4 | (uint64_t)g_ascii_xdigit_value(*p);
    }
    *at = p;
    *value = sum;
    return TRACE_SCAN_DONE;
}

static enum trace_scan
scan_decimal(const char **at, uint64_t *value)
{
    const char *p = *at;
    uint64_t sum = 0;
    unsigned digit = (unsigned)(unsigned char)*p - '0';
    if (digit > 9)
        return TRACE_SCAN_NOTHING;
    do {
        if (__builtin_mul_overflow(sum, 10, &sum) ||
            __builtin_add_overflow(sum, digit, &sum))
            return TRACE_SCAN_OVERFLOW;
        digit = (unsigned)(unsigned char)*++p - '0';
    } while (digit <= 9);
    *at = p;
    *value = sum;
    return TRACE_SCAN_DONE;
}

enum trace_scan
trace_scan_number(const char **at, uint64_t *value)
{
    const char *p = *at;
    if (p[0] != '0' || p[1] != 'x')
        return scan_decimal(at, value);
    p += 2;
    enum trace_scan scan = scan_hex(&p, value);
    if (scan == TRACE_SCAN_DONE)
        *at = p;
    return scan;
}

enum trace_scan
trace_scan_size(const char **at, uint64_t *bytes)
{
    enum trace_scan scan = trace_scan_number(at, bytes);
    if (scan != TRACE_SCAN_DONE)
        return scan;
    unsigned shift = 0;
    switch (**at) {
    case 'K':
        shift = 10;
        break;
    case 'M':
        shift = 20;
        break;
    case 'G':
        shift = 30;
        break;
    case 'T':
        shift = 40;
        break;
    default:
        return TRACE_SCAN_DONE;
    }
    if (*bytes > UINT64_MAX >> shift)
        return TRACE_SCAN_OVERFLOW;
    *bytes <<= shift;
    (*at)++;
    return TRACE_SCAN_DONE;
}

/* Judge what a scanner did to the word that began at `start`. */
static bool
accept(struct trace_text *text, const char *start, enum trace_scan scan,
       const char *what)
{
    if (scan == TRACE_SCAN_OVERFLOW) {
        g_autofree char *below = g_strdup_printf("%s below 2^64", what);
        return trace_text_fail(text, start, TRACE_ERROR_RANGE, below);
    }
    if (scan == TRACE_SCAN_NOTHING || !trace_text_is_ended(text))
        return trace_text_fail(text, start, TRACE_ERROR_SYNTAX, what);
    return true;
}

bool
trace_take_number(struct trace_text *text, uint64_t *value)
{
    const char *start = text->at;
    return accept(text, start, trace_scan_number(&text->at, value), "a number");
}

bool
trace_take_size(struct trace_text *text, uint64_t *bytes)
{
    const char *start = text->at;
    return accept(text, start, trace_scan_size(&text->at, bytes), "a size");
}

bool
trace_take_limited(struct trace_text *text, uint64_t max, const char *what,
                   uint64_t *value)
{
    const char *start = text->at;
    if (!accept(text, start, trace_scan_number(&text->at, value), what))
        return false;
    if (*value <= max)
        return true;
    g_autofree char *limit =
        g_strdup_printf("%s of at most %" G_GUINT64_FORMAT, what, max);
    return trace_text_fail(text, start, TRACE_ERROR_RANGE, limit);
}

bool
trace_take_id(struct trace_text *text, uint64_t *id)
{
    const char *start = text->at;
    return accept(text, start, scan_decimal(&text->at, id), "a task id");
}

bool
trace_take_prot(struct trace_text *text, uint8_t *prot)
{
    static const char letters[] = "rwx";
    const char *start = text->at;
    unsigned bits = 0;
    for (unsigned i = 0; i < 3; i++, text->at++) {
        if (*text->at == letters[i])
            bits |= 1u << i;
        else if (*text->at != '-')
            break;
    }
    if (text->at != start + 3 || !trace_text_is_ended(text))
        return trace_text_fail(text, start, TRACE_ERROR_SYNTAX,
                               "a protection like rw-");
    *prot = (uint8_t)bits;
    return true;
}

/* A byte that stands for itself in an escaped name. */
static bool
is_plain(char c)
{
    unsigned char byte = (unsigned char)c;
    return byte > 0x20 && byte != 0x7f && !strchr("%#,=", c);
}

/* The byte that the three bytes at `at` spell; 0: none. */
static char
unescape(const char *at)
{
    if (at[0] != '%' || !g_ascii_isxdigit(at[1]) || !g_ascii_isxdigit(at[2]))
        return 0;
    return (char)(g_ascii_xdigit_value(at[1]) << 4 |
                  g_ascii_xdigit_value(at[2]));
}

bool
trace_take_escaped(struct trace_text *text, const char *what, GString *name)
{
    const char *start = text->at;
    g_string_truncate(name, 0);
    while (!trace_text_is_ended(text)) {
        const char *run = text->at;
        while (is_plain(*text->at))
            text->at++;
        g_string_append_len(name, run, text->at - run);
        if (trace_text_is_ended(text))
            break;
        char byte = unescape(text->at);
        if (byte == 0)
            return trace_text_fail(text, text->at, TRACE_ERROR_SYNTAX,
                                   "%XX, the code of a byte");
        g_string_append_c(name, byte);
        text->at += 3;
    }
    if (name->len == 0)
        return trace_text_fail(text, start, TRACE_ERROR_SYNTAX, what);
    return true;
}

bool
trace_text_take_word(struct trace_text *text, const char *word)
{
    size_t length = strlen(word);
    if (strncmp(text->at, word, length) != 0 ||
        !trace_is_word_end(text->at[length]))
        return false;
    text->at += length;
    return true;
}
