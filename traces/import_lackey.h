/*
 * One lackey recording while it is read; nobody outside the import_lackey_
 * files includes it.
 */
#pragma once

#include "traces/import_calls.h"
#include "traces/import_perf_state.h"
#include "traces/trace_text.h"

/* Where valgrind puts the stack on x86-64. */
#define LACKEY_STACK_TOP UINT64_C(0x1fff001000)

enum touch_bit { TOUCH_R = 1, TOUCH_W = 2, TOUCH_X = 4 };

/* A call that has begun. */
struct lackey_call {
    uint64_t number;
    uint64_t arguments[IMPORT_CALL_ARGS];
    char *path;  // its string argument, or NULL
    bool is_open;
};

struct lackey_thread {
    struct import_task task;
    struct lackey_call call;
    uint32_t number;  // valgrind's; 0: it has not run yet
    bool is_dead;
};

struct lackey {
    struct import import;
    struct perf_recording *recording;  // of one call at a time
    GHashTable *paths;                 // pid -> path
    GHashTable *is_read;               // pids whose file is begun
    unsigned depth;
};

/* A process, while its file is read. */
struct lackey_process {
    struct lackey *lackey;
    struct trace_text *text;
    uint32_t pid;
    char *program;       // of its next image
    GPtrArray *threads;  // struct lackey_thread, the first is the process
    struct lackey_thread *current;
    GHashTable *files;  // descriptor -> char *
    GHashTable *seen;   // page -> enum touch_bit
    uint64_t access_count;
    uint64_t last_page;
    unsigned last_bit;
    uint64_t last_line;
    bool has_image;
    bool is_dead;
};

static inline bool
lackey_fail(struct lackey_process *process, const char *at,
            const char *expected)
{
    return trace_text_fail(process->text, at, TRACE_ERROR_SYNTAX, expected);
}

static inline struct import_space *
lackey_space(const struct lackey_process *process)
{
    return process->current->task.space;
}

/* Read the file of a process, which has one thread, and free what the process
 * holds. */
bool lackey_read_process(struct lackey *lackey, struct lackey_process *process,
                         GError **error);

/* ---- import_lackey_tasks.c ---- */

void lackey_thread_free(gpointer data);
struct lackey_thread *lackey_add_thread(struct lackey_process *process,
                                        uint64_t tid,
                                        struct import_space *space);
/* Make the thread of valgrind's number the current one; it is named at `at`. */
bool lackey_switch_to(struct lackey_process *process, uint64_t number,
                      const char *at);
/* Carry out a clone, fork or vfork: the line at process->text. */
bool lackey_make_task(struct lackey_process *process,
                      const struct lackey_call *call);
/* The end of a thread, or of all of them. */
void lackey_die(struct lackey_process *process, bool is_group);

/* ---- import_lackey_space.c ---- */

/* Map what exec maps; the image's first instruction is known. */
void lackey_begin_image(struct lackey_process *process, uint64_t first_address);
/* Map memory around an address that nothing was seen to map. */
void lackey_map_unknown(struct lackey_process *process, uint64_t address);

/* ---- import_lackey_touches.c ---- */

/* A line like " L 1ffeffe7a8,8". */
bool lackey_take_access(struct lackey_process *process);
void lackey_touch_range(struct lackey_process *process, uint64_t start,
                        uint64_t length, enum touch_bit bit, bool is_kernel);
/* The address space has changed, or nothing was written for long enough. */
void lackey_forget_touches(struct lackey_process *process);
/* Hexadecimal digits without 0x, at the cursor. */
bool lackey_take_hex(struct trace_text *text, uint64_t *value);

/* ---- import_lackey_calls.c ---- */

/* A line like "SYSCALL[7,1](28) sys_madvise ( 0x1000, 4096, 4 ) --> ...". */
bool lackey_take_syscall(struct lackey_process *process);
/* The result that a line gives; false: it has none. */
bool lackey_find_result(const char *line, uint64_t *result);
