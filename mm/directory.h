/*
 * A directory of page tables on the host: a window of slots.
 *
 *   entries   0 1 2 3 . . . . . . . . . . . . . . . . . . . . . . . .  511
 *   children                      A     B
 *   window                      [ A . . B ]
 *
 * Most directories of most processes have one child or two near each other, so
 * only the slots from the first child to the last one exist: in the directory
 * itself, which is one cache line, as long as they fit, else in memory of
 * their own that doubles when an entry outside comes.
 *
 * Invariants (directory_validate):
 *   D1  used_count is the number of slots that hold a child.
 *   D2  The window lies within the directory's entries.
 *   D3  The slots are `near` as long as they fit there; what is not in the
 *       window of `near` is NULL.
 *   D4  Without a child there is no window.
 */
#pragma once

#include "mm/types.h"

#include <stddef.h>

struct pieces;

#define DIRECTORY_NEAR_SLOTS 5

struct directory {
    pfn_t pfn;            // PFN_NONE if not a frame of its own
    uint16_t used_count;  // children
    uint16_t first;       // entry that the first slot is for
    uint16_t count;       // slots
    void **slots;
    void *near[DIRECTORY_NEAR_SLOTS];
};

struct directory *directory_create(struct pieces *pieces, pfn_t pfn);
/* It has no children. */
void directory_destroy(struct pieces *pieces, struct directory *directory);

/* The child at an entry, or NULL. */
static inline void *
directory_child(const struct directory *directory, uint32_t entry)
{
    uint32_t slot = entry - directory->first;

    return slot < directory->count ? directory->slots[slot] : NULL;
}

/* Set the child of an entry that has none; entry_count is how many entries
 * the directory has.  Slots may move. */
void directory_add(struct pieces *pieces, struct directory *directory,
                   uint32_t entry, void *child, uint32_t entry_count);
/* Forget the child of an entry that has one.  Slots may move. */
void directory_remove(struct pieces *pieces, struct directory *directory,
                      uint32_t entry);

/* First entry from `entry` on that has a child, or UINT32_MAX. */
uint32_t directory_next(const struct directory *directory, uint32_t entry);

void directory_validate(const struct directory *directory,
                        uint32_t entry_count);
