/*
 * What the files that import strace's output share; nobody else includes it.
 */
#pragma once

#include "traces/import_calls.h"
#include "traces/import_perf_state.h"
#include "traces/trace_text.h"

#define STRACE_LINE "a line like PID SECONDS CALL(...) = RESULT"

struct strace_task {
    uint32_t tid;
    GHashTable *files;       // descriptor -> char *; threads share it
    char *open_call;         // "mmap(NULL, 4096" of an unfinished call, or NULL
    uint64_t open_ns;        // when it began
    uint64_t birth_ns;       // nothing of it is earlier
    const char *first_path;  // where its first line is
    uint64_t first_line;
    uint32_t order;    // of the first lines
    uint32_t newtask;  // the record of its birth, or PERF_NONE
    bool is_born;      // that record is complete
    bool is_dead;      // before its parent's call returned
};

struct strace {
    struct perf_recording *recording;
    GHashTable *tasks;  // tid -> struct strace_task, the living
    struct trace_text *text;
    /* A call that is put together of two lines: behind what the first began,
     * and the same place in the second; NULL: it is on one line. */
    const char *joined, *resumed_at;
    uint64_t last_line;
    uint32_t only_tid;    // of lines without a PID
    uint32_t task_count;  // up to now
};

/* What is known of one call when it ends. */
struct strace_call {
    const char *name;
    size_t name_length;
    char *arguments[IMPORT_CALL_ARGS];  // text, or NULL
    char *words;                        // what they point into
    uint64_t start_ns, end_ns;
    uint64_t result;
    const char *result_at;  // where it stands
    bool has_result;
};

/* ---- import_strace_words.c: a line's words ---- */

/* Something else was expected at `at`; false. */
bool strace_fail(struct strace *strace, const char *at, const char *expected);
/* "1795268273.990274" or "0.000012", in ns. */
bool strace_take_seconds(struct strace *strace, uint64_t *ns);
void strace_skip_blanks(struct strace *strace);
/* "4290" or "[pid  4290]" or nothing before the time. */
bool strace_take_tid(struct strace *strace, uint32_t *tid);
/* The end of a call's arguments: the ')' that closes it, quotes and brackets
 * respected; NULL: it does not end on this line. */
const char *strace_find_end(const char *p);
/* Cut "NULL, 4096, ..." at its commas. */
void strace_split_arguments(struct strace_call *call, const char *start,
                            const char *end);
/* "0x7f00", "-1", "3</lib/x.so>", "PROT_READ|PROT_WRITE", a number and what
 * strace thinks of it. */
uint64_t strace_value_of(const char *text);
/* A string argument without its quotes, or the name of "3</lib/x.so>" that -y
 * adds; NULL: it is none; for g_free. */
char *strace_string_of(const char *argument);
char *strace_name_of(const char *argument);
bool strace_is_call(const struct strace_call *call, const char *name);
/* Whether an argument has the word: a flag. */
bool strace_has_word(const struct strace_call *call, const char *word);

/* ---- import_strace_tasks.c: who lives, and records ---- */

/* A record of the task; its arguments may be NULL. */
bool strace_add(struct strace *strace, const struct strace_task *task,
                enum perf_kind kind, uint8_t call, uint64_t time_ns,
                const uint64_t *arguments);
struct perf_record *strace_last_record(struct strace *strace);
/* The task of a line; a new one is the first of all, or the child of a call
 * that has not returned yet. */
struct strace_task *strace_task_of(struct strace *strace, uint32_t tid);
void strace_task_free(gpointer data);
/* A clone, fork or vfork made a task. */
bool strace_birth(struct strace *strace, struct strace_task *parent,
                  const struct strace_call *call);
/* The first line of a task before its parent's call returned: room for the
 * birth above whatever the task does. */
bool strace_expect_birth(struct strace *strace, struct strace_task *task,
                         uint64_t time_ns);
bool strace_death(struct strace *strace, struct strace_task *task,
                  uint64_t time_ns);
