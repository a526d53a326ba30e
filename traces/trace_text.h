/*
 * The words of one line of a trace, and how to complain about them.
 *
 * A cursor walks over a line that ends in a newline, so no scanner needs to
 * look for the end of a buffer.  Every take_ function expects the cursor at the
 * first byte of what it takes; on failure it sets the error with the column of
 * that byte and returns false.  Nothing here knows events.
 */
#pragma once

#include "traces/trace.h"

struct trace_text {
    const char *path;   // as errors show it
    uint64_t line;      // 1-based
    const char *start;  // first byte of the line
    const char *at;     // next byte to be read
    bool in_list;       // a comma ends a word, too
    GError **error;
};

static inline bool
trace_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static inline bool
trace_is_word_end(char c)
{
    return trace_is_blank(c) || c == '\n';
}

/* Skip blanks.  False at the end of the line or at a comment. */
static inline bool
trace_text_next(struct trace_text *text)
{
    while (trace_is_blank(*text->at))
        text->at++;
    return *text->at != '\n' && *text->at != '#';
}

/* The cursor stands right behind what was taken. */
static inline bool
trace_text_is_ended(const struct trace_text *text)
{
    char c = *text->at;
    return trace_is_word_end(c) || (text->in_list && c == ',');
}

/* Set "path:line:column: expected EXPECTED, found WORD", where WORD is what
 * begins at `at`.  Returns false so that callers can return it. */
bool trace_text_fail(struct trace_text *text, const char *at,
                     enum trace_error code, const char *expected);
/* The same with something else found. */
bool trace_text_fail_found(struct trace_text *text, const char *at,
                           enum trace_error code, const char *expected,
                           const char *found);
/* How errors show the path of a file that may be standard input. */
const char *trace_shown_path(const char *path);
/* How errors show bytes of the input: quoted, short, printable. */
char *trace_text_quote(const char *bytes, size_t length);

enum trace_scan {
    TRACE_SCAN_DONE,
    TRACE_SCAN_NOTHING,   // no digit here
    TRACE_SCAN_OVERFLOW,  // 2^64 or more
};

/* Advance *at over a decimal or 0x number, or over one with K, M, G or T. */
enum trace_scan trace_scan_number(const char **at, uint64_t *value);
enum trace_scan trace_scan_size(const char **at, uint64_t *bytes);

bool trace_take_number(struct trace_text *text, uint64_t *value);
bool trace_take_size(struct trace_text *text, uint64_t *bytes);
/* A number of at most `max`, called `what` in errors. */
bool trace_take_limited(struct trace_text *text, uint64_t max, const char *what,
                        uint64_t *value);
/* A task's id: decimal. */
bool trace_take_id(struct trace_text *text, uint64_t *id);
/* `rw-`: enum trace_prot bits. */
bool trace_take_prot(struct trace_text *text, uint8_t *prot);
/* A name with its %XX decoded. */
bool trace_take_escaped(struct trace_text *text, const char *what,
                        GString *name);

enum { TRACE_REGION_NAME_MAX = 63 };  // bytes

/* The length of the region name at the cursor, which stays; 0: none. */
static inline size_t
trace_region_name_length(const char *at)
{
    const char *p = at;
    if (!g_ascii_isalpha(*p) && *p != '_')
        return 0;
    while (g_ascii_isalnum(*p) || *p == '_' || *p == '.')
        p++;
    return (size_t)(p - at);
}

/* The length of the word at `at`, as the cursor's kind of word ends. */
size_t trace_text_word_length(const struct trace_text *text, const char *at);
/* True, and the cursor behind it, when the next word is exactly this one. */
bool trace_text_take_word(struct trace_text *text, const char *word);
