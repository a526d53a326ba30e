/*
 * One line of `perf script` as a record.
 *
 *     COMM PID/TID [CPU] SECONDS: EVENT: FIELDS
 *
 * Only lines that a trace is made of become records; other events are skipped.
 */
#pragma once

#include "traces/trace_text.h"

/* System calls, the name of their tracepoints and the arguments we keep. */
/* clang-format off */
#define PERF_CALLS(X)                                                          \
    X(MMAP, "mmap", "addr", "len", "prot", "flags", "off")                     \
    X(MUNMAP, "munmap", "addr", "len")                                         \
    X(MREMAP, "mremap", "addr", "old_len", "new_len", "flags", "new_addr")     \
    X(MPROTECT, "mprotect", "start", "len", "prot")                            \
    X(MADVISE, "madvise", "start", "len_in", "behavior")                       \
    X(BRK, "brk", "brk")                                                       \
    X(MLOCK, "mlock", "start", "len")                                          \
    X(MLOCK2, "mlock2", "start", "len", "flags")                               \
    X(MUNLOCK, "munlock", "start", "len")                                      \
    X(MLOCKALL, "mlockall", "flags")                                           \
    X(REMAP_FILE_PAGES, "remap_file_pages", "start", "size", "pgoff")          \
    X(SHMAT, "shmat", "shmaddr")                                               \
    X(SHMDT, "shmdt", "shmaddr")                                               \
    X(PROCESS_MADVISE, "process_madvise", "behavior")                          \
    X(EXECVE, "execve", NULL)                                                  \
    X(EXECVEAT, "execveat", NULL)                                              \
    X(WAIT4, "wait4", NULL)                                                    \
    X(WAITID, "waitid", "which", "upid", "options")                            \
    X(FUTEX, "futex", "uaddr", "op", "val")                                    \
    X(SETUID, "setuid", "uid")                                                 \
    X(SETREUID, "setreuid", "euid")                                            \
    X(SETRESUID, "setresuid", "euid")
/* clang-format on */

#define PERF_ENUM_CALL(name, ...) PERF_CALL_##name,
enum perf_call { PERF_CALLS(PERF_ENUM_CALL) PERF_CALL_COUNT };

#define PERF_LINE "a line like COMM PID/TID [CPU] SECONDS: EVENT"

enum { PERF_ARG_COUNT = 5, PERF_ARG_WAITED = 4, PERF_NAME_MAX = 4096 };

#define PERF_WAITED_ANY   UINT64_MAX  // any child
#define PERF_SYSTEM_OTHER UINT64_MAX  // one that a trace has no event for

enum perf_kind {
    PERF_SKIPPED,
    PERF_ENTER,    // call, arg: as PERF_CALLS lists them; of calls that wait
                   // arg[PERF_ARG_WAITED]: for whose end, a tid,
                   // PERF_WAITED_ANY or 0
    PERF_EXIT,     // call, arg[0]: result
    PERF_FAULT,    // arg[0]: address, arg[1]: error code, is_kernel; arg[2]:
                   // when it was done, by import_perf_time.c
    PERF_ALLOC,    // arg[0]: enum perf_alloc, arg[1]: pages
    PERF_NEWTASK,  // arg[0]: tid, arg[1]: clone flags
    PERF_EXEC,     // sched_process_exec; arg[0]: tid, arg[1]: tid before
    PERF_DEATH,    // sched_process_exit; arg[0]: tid
    PERF_IMAGE,    // COMM exec; name, arg[0]: its brk area or 0, cleared:
                   // pages of its arguments
    PERF_MAPPED,   // MMAP2; arg: start, length, offset, prot, shared; name
    PERF_SYSTEM,   // another system call begins; arg[0]: its number, or
                   // PERF_SYSTEM_OTHER
    PERF_USER,     // it ends
    PERF_SWITCH,   // arg[0]: enum perf_switch
};

enum perf_switch { PERF_SWITCH_IN, PERF_SWITCH_OUT, PERF_SWITCH_PREEMPTED };

enum perf_alloc {
    PERF_ALLOC_CLEARED,  // user memory, zeroed
    PERF_ALLOC_FILLED,   // user memory that somebody fills: a copy, shmem
    PERF_ALLOC_TABLE,    // a page table, or the like
};

/* Bits of a page fault's error code. */
enum perf_fault {
    PERF_FAULT_PRESENT = 1 << 0,
    PERF_FAULT_WRITE = 1 << 1,
    PERF_FAULT_EXECUTE = 1 << 4,
};

enum perf_clone {
    PERF_CLONE_VM = 0x100,
    PERF_CLONE_VFORK = 0x4000,
    PERF_CLONE_THREAD = 0x10000,
};

/* Linux's numbers on x86-64: flags of mmap and mremap. */
enum perf_map_flag {
    PERF_MAP_TYPE = 0x3,
    PERF_MAP_PRIVATE = 0x2,
    PERF_MAP_FIXED = 0x10,
    PERF_MAP_ANON = 0x20,
    PERF_MAP_GROWSDOWN = 0x100,
    PERF_MAP_DENYWRITE = 0x800,
    PERF_MAP_LOCKED = 0x2000,
    PERF_MAP_NORESERVE = 0x4000,
    PERF_MAP_POPULATE = 0x8000,
    PERF_MAP_STACK = 0x20000,
    PERF_MAP_FIXED_NOREPLACE = 0x100000,
};
enum perf_mremap_flag {
    PERF_MREMAP_MAYMOVE = 0x1,
    PERF_MREMAP_FIXED = 0x2,
    PERF_MREMAP_DONTUNMAP = 0x4,
};

/* Of waitid and futex. */
enum perf_wait {
    PERF_WAIT_PID = 1,          // which
    PERF_WAIT_NOHANG = 0x1,     // options
    PERF_WAIT_EXITED = 0x4,     // options
    PERF_FUTEX_COMMAND = 0x7f,  // of op
    PERF_FUTEX_WAIT = 0,
    PERF_FUTEX_WAIT_BITSET = 9,
};

#define PERF_NONE UINT32_MAX

struct perf_record {
    uint64_t time_ns, line;
    uint64_t arg[PERF_ARG_COUNT];
    uint32_t pid, tid;
    uint32_t name;       // index into the recording's names
    uint32_t partner;    // ENTER: its EXIT, and back; MAPPED, IMAGE: the ENTER
                         // of the call that made it; DEATH: the task's last
                         // fault, if later; PERF_NONE
    uint32_t effect_of;  // the ENTER or DEATH whose effect comes right after
                         // this record; PERF_NONE
    uint32_t cleared, filled, tables;  // pages that it allocated
    uint16_t cpu;
    uint8_t kind;  // enum perf_kind
    uint8_t call;  // enum perf_call
    bool is_kernel;
    bool is_raw;  // ENTER, EXIT: of the tracepoints of all system calls
};

/* Results of calls: the last 4095 numbers are errnos. */
static inline bool
perf_is_failure(uint64_t result)
{
    return result > UINT64_MAX - 4095;
}

/* `text` is one line that ends in a newline.  False with an error.  For
 * PERF_IMAGE and PERF_MAPPED, `name` receives the name. */
bool perf_line_parse(struct trace_text *text, struct perf_record *record,
                     GString *name);
/* A name for messages. */
const char *perf_call_word(enum perf_call call);
