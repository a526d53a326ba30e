/*
 * What is mapped where in a recorded process, and what a trace calls it.
 *
 * A *region* is a name with the base and length that the trace bound it to.  A
 * *piece* is an address range that is mapped now; it knows the region that made
 * it.  Calls cut pieces; regions never change.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct import_region {
    grefcount count;
    char *name;
    uint64_t base, length;
    bool from_end;  // addresses are written NAME-OFF
};

struct import_piece {
    uint64_t start, end;
    struct import_region *region;
    uint8_t prot;  // enum trace_prot
    bool is_shared;
    bool is_file;   // mapped from a file that is not shared memory
    bool is_shmem;  // shared anonymous memory, or a file of it
    bool is_guard;  // MADV_GUARD_INSTALL
};

struct import_space {
    grefcount count;
    GArray *pieces;  // struct import_piece, ascending, disjoint
    struct import_region *heap, *stack;
    uint64_t brk;           // end of the heap
    GHashTable *next_name;  // stem -> number of its names; forks share it
};

/* 132K; the caller frees it. */
char *import_size(uint64_t bytes);

/* An empty address space.  heap_start 0: not known. */
struct import_space *import_space_new(uint64_t heap_start, uint64_t stack_top,
                                      uint64_t stack_limit);
struct import_space *import_space_copy(const struct import_space *space);
struct import_space *import_space_ref(struct import_space *space);
void import_space_unref(struct import_space *space);

/* A name that no region of this image has had: stem, stem.1, stem.2 ... */
char *import_space_new_name(struct import_space *space, const char *stem);
/* Map a range as a region of its own.  Only prot and is_* of `like` count. */
void import_space_map(struct import_space *space, const char *name,
                      uint64_t start, uint64_t length,
                      const struct import_piece *like);
/* Map a range of a region that exists: heap or stack. */
void import_space_put(struct import_space *space, struct import_region *region,
                      uint64_t start, uint64_t end,
                      const struct import_piece *like);
void import_space_unmap(struct import_space *space, uint64_t start,
                        uint64_t end);
void import_space_protect(struct import_space *space, uint64_t start,
                          uint64_t end, uint8_t prot);
void import_space_guard(struct import_space *space, uint64_t start,
                        uint64_t end, bool is_guard);

/* The piece at an address, grown down to it if it is the stack; or NULL. */
const struct import_piece *import_space_find(struct import_space *space,
                                             uint64_t address);
/* NAME+OFF, stack-OFF; 0x... when nothing is known there. */
void import_space_format(const struct import_space *space, uint64_t address,
                         GString *text);
