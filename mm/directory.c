/*
 * See directory.h.
 */
#include "mm/directory.h"

#include "mm/check.h"
#include "mm/pieces.h"

#include <glib.h>
#include <string.h>

#define FAR_SLOTS_MIN 8  // a cache line

static bool
is_near(const struct directory *directory)
{
    return directory->slots == directory->near;
}

struct directory *
directory_create(struct pieces *pieces, pfn_t pfn)
{
    struct directory *directory = pieces_get(pieces, sizeof(struct directory));

    directory->pfn = pfn;
    directory->slots = directory->near;
    return directory;
}

void
directory_destroy(struct pieces *pieces, struct directory *directory)
{
    mm_assert(directory->used_count == 0 && is_near(directory));
    *directory = (struct directory){0};
    pieces_put(pieces, directory, sizeof(struct directory));
}

/* All slots are NULL: back to none. */
static void
close_window(struct pieces *pieces, struct directory *directory)
{
    if (!is_near(directory))
        pieces_put(pieces, directory->slots, directory->count * sizeof(void *));
    directory->slots = directory->near;
    directory->first = directory->count = 0;
}

/* Make [first, first + count) the window; it contains what was. */
static void
move_window(struct pieces *pieces, struct directory *directory, uint32_t first,
            uint32_t count)
{
    size_t bytes = directory->count * sizeof(void *);
    uint32_t shift = directory->count ? directory->first - first : 0;
    void **old = directory->slots, **slots = old;

    if (count > DIRECTORY_NEAR_SLOTS)
        slots = pieces_get(pieces, count * sizeof(void *));
    memmove(slots + shift, old, bytes);
    if (slots != old)
        memset(old, 0, bytes);
    else
        memset(slots, 0, shift * sizeof(void *));
    if (slots != old && !is_near(directory))
        pieces_put(pieces, old, bytes);
    directory->slots = slots;
    directory->first = (uint16_t)first;
    directory->count = (uint16_t)count;
}

/* Let the window contain an entry outside of it. */
static void
widen_window(struct pieces *pieces, struct directory *directory, uint32_t entry,
             uint32_t entry_count)
{
    bool is_empty = directory->count == 0;
    uint32_t first = is_empty ? entry : MIN(directory->first, entry);
    uint32_t end = is_empty ? entry + 1
                            : MAX((uint32_t)directory->first + directory->count,
                                  entry + 1);
    uint32_t count = end - first;

    if (count > DIRECTORY_NEAR_SLOTS) {
        for (count = FAR_SLOTS_MIN; count < end - first;)
            count *= 2;
        /* The room to spare is where it has just grown to. */
        if (entry == first)
            first = end > count ? end - count : 0;
        first = MIN(first, entry_count - count);
    }
    move_window(pieces, directory, first, count);
}

void
directory_add(struct pieces *pieces, struct directory *directory,
              uint32_t entry, void *child, uint32_t entry_count)
{
    if (entry - directory->first >= directory->count)
        widen_window(pieces, directory, entry, entry_count);
    void **slot = &directory->slots[entry - directory->first];

    mm_assert(!*slot);
    *slot = child;
    directory->used_count++;
}

void
directory_remove(struct pieces *pieces, struct directory *directory,
                 uint32_t entry)
{
    mm_assert(directory_child(directory, entry));
    directory->slots[entry - directory->first] = NULL;
    if (--directory->used_count == 0)
        close_window(pieces, directory);
}

uint32_t
directory_next(const struct directory *directory, uint32_t entry)
{
    uint32_t end = (uint32_t)directory->first + directory->count;

    for (uint32_t i = MAX(entry, directory->first); i < end; i++)
        if (directory->slots[i - directory->first])
            return i;
    return UINT32_MAX;
}

void
directory_validate(const struct directory *directory, uint32_t entry_count)
{
    uint32_t used_count = 0;

    for (uint32_t i = 0; i < directory->count; i++)
        used_count += directory->slots[i] != NULL;
    mm_invariant(D1, used_count == directory->used_count);
    mm_invariant(D2, directory->first + directory->count <= entry_count);
    mm_invariant(D3, is_near(directory) ==
                         (directory->count <= DIRECTORY_NEAR_SLOTS));
    for (uint32_t i = is_near(directory) ? directory->count : 0;
         i < DIRECTORY_NEAR_SLOTS; i++)
        mm_invariant(D3, !directory->near[i]);
    mm_invariant(D4, used_count || directory->count == 0);
}
