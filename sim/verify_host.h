/*
 * The host's side of a comparison: processes of this machine that do what a
 * trace says, in a sandbox.
 *
 * A *worker* is a process whose address space holds nothing but one page of
 * machine code and what the trace maps.  It runs no C: it is stopped under
 * ptrace, and its registers are set to one system call, or to a loop that
 * touches pages, at a time.  It therefore has no stack, no libc, no signal
 * handler that could fault on its own, and its page tables and faults are the
 * trace's alone but for the code page.
 *
 * Layout and limits are the simulated process's; ASLR and THP are off; all
 * workers and the caller share one CPU.  The system calls that workers make
 * are those of host_call(); files are temporary ones that are unlinked before
 * anybody uses them.  Workers die with the program that started them.
 */
#pragma once

#include "sim/verify_file.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct host;

/* One process of the host; tasks that share an address space are processes
 * that share it. */
enum { HOST_SPECIAL_COUNT = 3 };

/* A mapping that the kernel gives to every image: [vdso], and its data.
 * Address 0: none, or it has its place in the trace's layout already. */
struct host_special {
    uint64_t address, bytes;
};

struct host_faults {
    uint64_t minor, major;
};

struct worker {
    pid_t pid;
    struct host_faults faults;   // up to the last stop
    uint64_t code_at;            // where its code is now
    int smaps, pagemap, status;  // of /proc, -1 where not opened yet
    struct host_special specials[HOST_SPECIAL_COUNT];  // parked
    uint64_t placed[HOST_SPECIAL_COUNT];  // addresses; 0: not in its place
};

/* What a worker's address space is to be like. */
struct host_layout {
    uint64_t mmap_base, brk_start;
    uint64_t rlimit_stack, rlimit_memlock, rlimit_as;
    uint64_t uid;
    bool keeps_specials;  // the trace says where vdso and its data go
};

enum host_access {
    HOST_READ,
    HOST_WRITE,
    HOST_EXECUTE,
    HOST_KERNEL_READ,   // the kernel copies from user memory
    HOST_KERNEL_WRITE,  // or to it
};

/* A page that a touch was refused. */
struct host_refusal {
    uint64_t index;  // of the page among those touched
    bool is_bus;
};

/* Where the code page lies: below everything that a trace can map, so that no
 * search and no lookup of a VMA above an address ends at it. */
#define HOST_CODE_ADDR UINT64_C(0x10000)
/* Special mappings wait here until the trace says where they go: where no page
 * table is but those above that of the code page. */
#define HOST_PARK_ADDR UINT64_C(0x3fe00000)
#define HOST_PARK_END  (HOST_PARK_ADDR + 0x20000)

/* NULL and *error where this machine cannot carry traces out at all. */
struct host *host_open(GError **error);
/* Ends all workers. */
void host_close(struct host *host);

/* host_file_open(), of at most 1G together. */
bool host_add_file(struct host *host, struct host_file *file, GError **error);

/* A process with an empty address space; NULL and *error on failure. */
struct worker *host_start(struct host *host, const struct host_layout *layout,
                          GError **error);
/* fork, or with shares_memory a process in the same address space.  *result is
 * 0 or -errno; NULL without *error when that is negative. */
struct worker *host_fork(struct host *host, struct worker *parent,
                         bool shares_memory, int64_t *result, GError **error);
bool host_exit(struct host *host, struct worker *worker, GError **error);

/* Move the special mapping of this name to its place, if this kernel has one
 * like that: *is_placed. */
bool host_place_special(struct worker *worker, const char *name,
                        uint64_t length, uint64_t address, bool *is_placed,
                        GError **error);

/* Whether pages from `start` up to `end` are the worker's own, which no trace
 * has: its code, and special mappings that are not in their places yet. */
bool host_owns(const struct worker *worker, uint64_t start, uint64_t end);

/* A system call; *result is what it returns, errors negative. */
bool host_call(struct worker *worker, long number, const uint64_t args[6],
               int64_t *result, GError **error);

/* Touch `count` pages, the first at `start`, `stride` bytes apart; refused
 * ones are appended to `refusals` (struct host_refusal). */
bool host_touch(struct worker *worker, enum host_access access, uint64_t start,
                uint64_t stride, uint64_t count, GArray *refusals,
                GError **error);

/* Empty this CPU's batches of pages on their way to the LRU lists: a page in
 * one of them has a reference more, which copy-on-write sees. */
void host_drain_batches(struct host *host);
