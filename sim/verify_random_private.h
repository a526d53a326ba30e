/*
 * What random programs are made of: shared by sim/verify_random.c, which draws
 * one event after the other, and sim/verify_scenes.c, whose short sequences
 * bring about what chance alone rarely does.
 */
#pragma once

#include "mm/types.h"
#include "sim/verify_random.h"
#include "workloads/random.h"

#define PROCESS_MAX  4
#define REGION_COUNT 6
#define RECENT_COUNT 8
#define WINDOW_PAGES 32
#define FILE_PAGES   56
#define WIDE_PAGES   10000
#define BIG_PAGES    2048
#define WINDOW_BIG   UINT64_C(0x20180000000)

/* What a program is about. */
enum theme {
    THEME_MIXED,
    THEME_PLAIN,  // few kinds of VMAs: most neighbours may merge
    THEME_FILES,
    THEME_LOCKS,     // of a user with little RLIMIT_MEMLOCK
    THEME_TASKS,     // threads, vfork and exec
    THEME_PROMISES,  // more memory than there is
    THEME_CROWD,     // as many VMAs as are allowed
};

/* An address space and what names in it mean. */
struct space {
    unsigned user_count;                  // processes
    uint64_t region_pages[REGION_COUNT];  // 0: the name was never bound
    char *recent[RECENT_COUNT];           // addresses to touch, or NULL
    size_t recent_next;                   // the oldest one
    char undo[160];   // a call that takes the latest one back, or ""
    char shared[64];  // where a file is mapped shared, or ""
};

struct process {
    uint64_t id;
    uint64_t group;        // id of its first thread
    uint64_t vfork_child;  // which it waits for, 0: none
    bool is_root;
    struct space *space;
};

struct program {
    struct random_request request;
    struct random random;
    GPtrArray *lines;
    struct process processes[PROCESS_MAX];
    size_t process_count;
    struct process *current;
    uint64_t next_id;
    enum theme theme;
    bool has_files;  // of memory that is not private and anonymous
    bool has_reads;  // pages of files leave memory, and are read again
    bool has_locks;
    bool has_stacks;  // mappings that grow down
};

static inline uint64_t
below(struct program *program, uint64_t bound)
{
    return random_below(&program->random, bound);
}

static inline bool
one_in(struct program *program, uint64_t n)
{
    return below(program, n) == 0;
}

/* A line of the trace. */
G_GNUC_PRINTF(2, 3)
void add_line(struct program *program, const char *format, ...);
/* An event of the current process. */
G_GNUC_PRINTF(2, 3)
void say(struct program *program, const char *format, ...);
/* An address that later touches go back to. */
void remember_address(struct program *program, uint64_t addr);
/* A place for `pages` pages in a window. */
uint64_t any_window_range(struct program *program, uint64_t pages);
/* false: there are as many processes as there may be. */
bool fork_current(struct program *program);
void exit_current(struct program *program);

/* sim/verify_scenes.c: one of the scenes that suit the program. */
void random_scene(struct program *program);
/* Fill the current process with VMAs up to the limit. */
void gather_crowd(struct program *program);
