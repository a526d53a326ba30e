/*
 * Traces in memory: what a reader produces and what everybody else consumes.
 *
 * A trace is a list of events and the tables they refer to.  Everything that
 * the text spells as a word is resolved once, while reading:
 *
 *   tasks      every start, fork, vfork or thread line makes a new entry of
 *              trace.tasks; an id that is reused after exit is a new entry
 *   bindings   every line that binds a region name makes a new binding; a use
 *              refers to the latest binding above it *in its address space*,
 *              so a replay needs one flat array of addresses and no hashing
 *   strings    comms, marks, barriers: interned, compared by index
 *   files      declared or used files
 *
 * What the events mean is contract of the text form, traces/FORMAT.md.
 */
#pragma once

#include <glib.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* clang-format off */
#define TRACE_OPS(X)                                                           \
    X(FILE, "file") X(EXPECT, "expect") X(HOG, "hog") X(START, "start")        \
    X(MMAP, "mmap") X(MAP, "map") X(MUNMAP, "munmap") X(MPROTECT, "mprotect")  \
    X(MREMAP, "mremap") X(MADVISE, "madvise") X(BRK, "brk")                    \
    X(VRANGE, "vrange") X(PURGE, "purge") X(REUSE, "reuse") X(GUARD, "guard")  \
    X(MLOCK, "mlock") X(MUNLOCK, "munlock")                                    \
    X(REMAP_FILE_PAGES, "remap_file_pages")                                    \
    X(READ, "r") X(WRITE, "w") X(EXECUTE, "x")                                 \
    X(FORK, "fork") X(VFORK, "vfork") X(THREAD, "thread") X(EXEC, "exec")      \
    X(EXIT, "exit") X(EXIT_GROUP, "exit-group") X(WAIT, "wait")                \
    X(SETUID, "setuid") X(PTRACE, "ptrace")                                    \
    X(WORK, "work") X(KWORK, "kwork") X(SLEEP, "sleep")                        \
    X(MARK, "mark") X(BARRIER, "barrier")

#define TRACE_ADVICES(X)                                                       \
    X(DONTNEED, "dontneed") X(FREE, "free") X(WILLNEED, "willneed")            \
    X(COLD, "cold") X(PAGEOUT, "pageout") X(HUGEPAGE, "hugepage")              \
    X(NOHUGEPAGE, "nohugepage") X(DONTFORK, "dontfork") X(DOFORK, "dofork")    \
    X(WIPEONFORK, "wipeonfork") X(KEEPONFORK, "keeponfork")                    \
    X(POPULATE_READ, "populate-read") X(POPULATE_WRITE, "populate-write")      \
    X(GUARD_INSTALL, "guard-install") X(GUARD_REMOVE, "guard-remove")          \
    X(DONTNEED_LOCKED, "dontneed-locked") X(NORMAL, "normal")                  \
    X(RANDOM, "random") X(SEQUENTIAL, "sequential")                            \
    X(MERGEABLE, "mergeable") X(UNMERGEABLE, "unmergeable")                    \
    X(COLLAPSE, "collapse")

/* Words for what a touch did, in the order of the table in FORMAT.md. */
#define TRACE_OUTCOMES(X)                                                      \
    X(HIT, "hit") X(ZERO, "zero") X(FRESH, "fresh") X(COPY, "copy")            \
    X(REUSE, "reuse") X(FILE, "file") X(SWAP, "swap") X(SEGV, "segv")          \
    X(BUS, "bus")
/* clang-format on */

#define TRACE_ENUM_OP(name, word)      TRACE_OP_##name,
#define TRACE_ENUM_ADVICE(name, word)  TRACE_ADVICE_##name,
#define TRACE_ENUM_OUTCOME(name, word) TRACE_OUTCOME_##name,
enum trace_op { TRACE_OPS(TRACE_ENUM_OP) TRACE_OP_COUNT };
enum trace_advice { TRACE_ADVICES(TRACE_ENUM_ADVICE) TRACE_ADVICE_COUNT };
enum trace_outcome { TRACE_OUTCOMES(TRACE_ENUM_OUTCOME) TRACE_OUTCOME_COUNT };

enum trace_prot {
    TRACE_PROT_READ = 1 << 0,
    TRACE_PROT_WRITE = 1 << 1,
    TRACE_PROT_EXEC = 1 << 2,
};

/* Flags of events; each is meaningful only for the ops named beside it. */
enum trace_flag {
    TRACE_ANON = 1 << 0,             // mmap, map: no file
    TRACE_SHARED = 1 << 1,           // mmap, map: shared (absent: private)
    TRACE_NOZERO = 1 << 2,           // mmap, map, brk (brk2)
    TRACE_NORESERVE = 1 << 3,        // mmap, map
    TRACE_POPULATE = 1 << 4,         // mmap
    TRACE_LOCKED = 1 << 5,           // mmap
    TRACE_STACK = 1 << 6,            // mmap, map
    TRACE_GROWSDOWN = 1 << 7,        // mmap, map
    TRACE_FIXED = 1 << 8,            // mmap, map, mremap
    TRACE_FIXED_NOREPLACE = 1 << 9,  // mmap
    TRACE_MAYMOVE = 1 << 10,         // mremap
    TRACE_DONTUNMAP = 1 << 11,       // mremap
    TRACE_AS = 1 << 12,              // mremap: `as=` was given
    TRACE_AT = 1 << 13,              // detail.at is set
    TRACE_KERNEL = 1 << 14,          // r, w, x: the access is the kernel's
    TRACE_GUP = 1 << 15,             // r, w, x: no exception is raised
    TRACE_VOLATILE = 1 << 16,        // vrange: volatile (absent: novolatile)
    TRACE_PARTIAL = 1 << 17,         // vrange: partial (absent: full)
    TRACE_SHMEM = 1 << 18,           // file
    TRACE_COLD = 1 << 19,            // file
    TRACE_HAS_TIME = 1 << 20,        // start_ns is set
    TRACE_HAS_CPU = 1 << 21,         // cpu is set
    TRACE_HAS_TARGET = 1 << 22,      // wait: a task is named
};

/* Bindings 0..2 exist in every trace; named regions follow. */
enum {
    TRACE_BINDING_ABSOLUTE = 0,  // offset is the address
    TRACE_BINDING_HEAP = 1,      // the start of the task's brk area
    TRACE_BINDING_STACK = 2,     // the task's stack area, RLIMIT_STACK long
    TRACE_BINDING_FIRST = 3,
};
#define TRACE_NONE UINT32_MAX  // no binding, task, file, string or result

/* Where something lies: offset bytes after a binding's base, or before its
 * end.  Neither is checked against the binding's length. */
struct trace_address {
    uint64_t offset;
    uint32_t binding;
    bool from_end;
};

/* What nearly every event needs; the rest is a detail. */
struct trace_event {
    struct trace_address address;
    uint64_t length;    // bytes; expect: the value; work, kwork, sleep: ns;
                        // hog, file: bytes; setuid: the uid; barrier: tasks
    uint64_t start_ns;  // if TRACE_HAS_TIME
    uint64_t duration_ns;
    uint32_t flags;   // enum trace_flag
    uint32_t task;    // index into trace.tasks; TRACE_NONE = the machine
    uint32_t object;  // task (fork, vfork, thread, wait, ptrace), file
                      // (file; mmap and map of a file), or string (exec:
                      // comm, mark, barrier, expect: counter)
    uint32_t detail;  // index into trace.details, else TRACE_NONE
    uint32_t result;  // index into trace.results, else TRACE_NONE
    uint16_t cpu;     // if TRACE_HAS_CPU
    uint8_t op;       // enum trace_op
    union {
        uint8_t prot;    // enum trace_prot bits: mmap, map, mprotect
        uint8_t advice;  // enum trace_advice: madvise
    };
};

_Static_assert(sizeof(struct trace_event) == 64,
               "an event is one line of the cache");

/* Keys of `start` and `exec` that fix what the run would otherwise choose. */
enum trace_key {
    TRACE_KEY_UID,
    TRACE_KEY_MMAP_BASE,
    TRACE_KEY_BRK,
    TRACE_KEY_STACK,
    TRACE_KEY_RLIMIT_STACK,
    TRACE_KEY_RLIMIT_MEMLOCK,
    TRACE_KEY_RLIMIT_AS,
    TRACE_KEY_COUNT,
};

/* Operands that few events have. */
struct trace_detail {
    struct trace_address at;  // if TRACE_AT
    uint64_t stride;          // r, w, x: bytes from page to page, 0 = every one
    uint64_t file_offset;     // bytes: mmap, map; pages: remap_file_pages
    uint64_t new_length;      // bytes: mremap
    uint32_t binds;           // binding that success sets, else TRACE_NONE
    uint32_t rebinds;         // what that name meant before, else TRACE_NONE:
                              // when the call fails, binds takes its value
    uint32_t comm;            // string: start
    uint32_t keys;            // bit k: key[k] is given (enum trace_key)
    uint64_t key[TRACE_KEY_COUNT];
};

enum trace_result_kind {
    TRACE_RESULT_SUCCESS,  // `= 0`
    TRACE_RESULT_ERRNO,    // `= ENOMEM`
    TRACE_RESULT_ADDRESS,  // `= 0x7f..`, perhaps with vma=START-END
    TRACE_RESULT_TOUCH,    // `= fresh` or `= fresh*12,hit*4`
};

struct trace_result {
    enum trace_result_kind kind;
    int error;  // positive errno
    uint64_t address;
    uint64_t vma_start, vma_end;    // both 0: not recorded
    uint32_t run_first, run_count;  // into trace.runs; one run of 0 pages means
                                    // one word for the whole range
};

struct trace_run {
    enum trace_outcome outcome;
    uint64_t pages;
};

struct trace_task {
    uint64_t id;      // as written
    uint32_t parent;  // who forked it; TRACE_NONE for `start`
    bool is_thread;
};

struct trace_binding {
    uint32_t name;  // string; TRACE_NONE for the first three
};

struct trace_file {
    uint32_t name;        // string
    uint64_t size_bytes;  // declared, or whole pages as the trace maps it
    bool is_declared;
    bool is_shmem;
    bool is_cold;
};

enum trace_touches {
    TRACE_TOUCHES_ACCESSES,  // every page touched between calls
    TRACE_TOUCHES_FAULTS,    // only touches that faulted, on touches_kernel
    TRACE_TOUCHES_FILTERED,
};

/* From this event on, lines follow each other without a gap. */
struct trace_anchor {
    uint64_t event, line;  // line is 1-based
};

/* Where a text first expects something of a counter. */
struct trace_expected {
    uint32_t name;    // string
    uint32_t column;  // 1-based
};

/*
 * A whole trace, or a window of one: then the tables of events (events,
 * details, results, runs, anchors) hold those of the window alone, and all
 * others belong to the whole.
 */
struct trace {
    char *path;               // as given
    char *shown_path;         // in results: no more than its end if absolute
    char sha256[65];          // of the file's bytes
    char content_sha256[65];  // of the text, however the file spells it
    enum trace_touches touches;
    char *touches_kernel;  // NULL unless TRACE_TOUCHES_FAULTS
    char *rewrite;         // of `#rewrite`, or NULL
    GArray *tasks;         // struct trace_task
    GArray *bindings;      // struct trace_binding
    GArray *files;         // struct trace_file
    GPtrArray *strings;    // char *, decoded from %XX: any bytes but NUL
    GPtrArray *comments;   // char *, comment lines above the first event
    GArray *marks;         // uint32_t: strings that are names of marks
    GArray *expected;      // struct trace_expected; a binary trace has none
    uint64_t event_count;  // of the whole
    uint64_t op_count[TRACE_OP_COUNT];
    bool has_times;           // every event that consumes time has a start
    uint64_t first_event;     // number of events[0]
    GArray *events;           // struct trace_event
    GArray *details;          // struct trace_detail
    GArray *results;          // struct trace_result
    GArray *runs;             // struct trace_run
    GArray *anchors;          // struct trace_anchor, ascending
    struct vmt_file *file;    // where the events are; NULL: in this trace
    struct trace_kept *kept;  // what was decoded of it; NULL: nothing is kept
};

#define TRACE_ERROR (trace_error_quark())
GQuark trace_error_quark(void);
enum trace_error {
    TRACE_ERROR_SYNTAX,  // the line cannot be read
    TRACE_ERROR_RANGE,   // a number or length beyond its limits
    TRACE_ERROR_ORDER,   // a task or region used before it exists
    TRACE_ERROR_IO,      // the file cannot be read or decompressed
    TRACE_ERROR_LOST,    // a recording lacks events
    TRACE_ERROR_EMPTY,   // it has none at all
};

/* Read a whole trace into memory.  "-" is standard input; text, binary or zstd
 * is told by the first bytes.  On failure NULL and "path:line:column: expected
 * X, found Y", or "path: byte OFFSET: expected X, found Y" of a binary one. */
struct trace *trace_load(const char *path, GError **error);
/* The same, but the events of a binary trace, or of a text with very many, stay
 * in a file: read them by a cursor. */
struct trace *trace_open(const char *path, GError **error);
/* Bring the events into memory that are not. */
bool trace_fetch(struct trace *trace, GError **error);
void trace_free(struct trace *trace);

/* Memory for events that are kept, shared by some traces. */
struct trace_room {
    atomic_llong bytes;  // that are left
};

/* Let the cursors of the trace share what they decode, of a file or text that
 * is not in memory: the first that needs a part decodes it, for all others it
 * is kept as long as there is room.  Parts without room are decoded by each. */
void trace_keep(struct trace *trace, struct trace_room *room);
/* Keep nothing any more; no cursor is open. */
void trace_forget(struct trace *trace);

/* Walks over the events of a trace, wherever they are, in memory that does not
 * depend on how many there are.  Cursors of one trace may be used by several
 * threads. */
struct trace_cursor;
struct trace_cursor *trace_cursor_open(const struct trace *trace);
void trace_cursor_close(struct trace_cursor *cursor);

/* The next window, which is valid until the next call.  NULL at the end, or
 * with *error when the file is wrong. */
const struct trace *trace_cursor_next(struct trace_cursor *cursor,
                                      GError **error);
/* Make the next window the one with event `number` of the trace. */
void trace_cursor_seek(struct trace_cursor *cursor, uint64_t number);

/* The column where the trace first says `expect NAME`; that of its canonical
 * text if it is no text. */
uint32_t trace_expect_column(const struct trace *trace, uint32_t name);

const char *trace_string(const struct trace *trace, uint32_t index);
/* What an event has beyond its fields; never NULL. */
const struct trace_detail *trace_detail(const struct trace *trace,
                                        const struct trace_event *event);
/* The line of event `number`, counted from 0 in the whole trace. */
uint64_t trace_event_line(const struct trace *trace, uint64_t number);
const char *trace_op_word(enum trace_op op);
const char *trace_advice_word(enum trace_advice advice);
const char *trace_outcome_word(enum trace_outcome outcome);

/* Append the event as one line of canonical text, without the newline. */
void trace_format_event(const struct trace *trace,
                        const struct trace_event *event, GString *line);
