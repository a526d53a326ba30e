/*
 * Slab caches.
 *
 *     simulated:  |object|object|object| ... |waste|   2^order frames
 *     host:       struct slab_page | slab,object | slab,object | ...
 *
 * The host object lies behind a hidden pointer to its slab, so that a free
 * finds the slab without a search.  A slab has at least one object in use: the
 * first one brings its frames, the last one takes them along.
 *
 * The order is the smallest whose waste at the end is at most an eighth, up to
 * order 3, as SLAB and SLUB choose it; larger only where one object needs it.
 *
 * Invariants (slab_validate):
 *   S1  Every frame of a slab is PAGE_SLAB and belongs to its cache.
 *   S2  A partial slab has objects in use and room; a full one has no room.
 *   S3  cache.live_count is the sum of the slabs' objects in use.
 *   S4  The gauge slab_bytes is the frames of all slabs.
 *
 * Not modelled: see slab.h.
 */
#include "mm/slab.h"

#include "mm/machine.h"
#include "mm/page_alloc.h"
#include "mm/pieces.h"

#include <string.h>

#define ORDER_PREFERRED_MAX 3

struct slab_page {
    struct slab_page *prev, *next;  // of the cache's list
    pfn_t pfn;
    uint32_t used_count;
    uint32_t fresh_count;      // slots never used: the last ones
    struct slab_object *free;  // slots used before, latest first
};

/* One slot; what follows is the host object, or the next free slot. */
struct slab_object {
    struct slab_page *slab;
    struct slab_object *next_free[];
};

static size_t
slot_bytes(const struct slab_cache *cache)
{
    size_t body = MAX(cache->host_bytes, sizeof(struct slab_object *));

    return sizeof(struct slab_object) + ((body + 7) & ~(size_t)7);
}

static bool
order_fits(const struct slab_cache *cache, unsigned order)
{
    uint64_t bytes = PAGE_BYTES << order;

    if (bytes < cache->object_bytes)
        return false;
    return order >= ORDER_PREFERRED_MAX ||
           bytes % cache->object_bytes <= bytes / 8;
}

void
slab_cache_init(struct slab_cache *cache, uint32_t object_bytes,
                size_t host_bytes)
{
    *cache = (struct slab_cache){.object_bytes = object_bytes,
                                 .host_bytes = host_bytes};
    mm_assert(object_bytes > 0);
    while (!order_fits(cache, cache->order) &&
           cache->order < ORDER_COUNT_MAX - 1)
        cache->order++;
    cache->object_count_max =
        (uint32_t)((PAGE_BYTES << cache->order) / object_bytes);
}

static size_t
slab_bytes(const struct slab_cache *cache)
{
    return sizeof(struct slab_page) +
           cache->object_count_max * slot_bytes(cache);
}

/* Of the host.  A slab is larger than a piece may be if its objects are much
 * larger here than in the simulated kernel. */
static struct slab_page *
get_memory(struct machine *machine, const struct slab_cache *cache)
{
    size_t bytes = slab_bytes(cache);

    return bytes <= PIECE_BYTES_MAX ? pieces_get(machine->object_pieces, bytes)
                                    : g_malloc(bytes);
}

static void
put_memory(struct machine *machine, const struct slab_cache *cache,
           struct slab_page *slab)
{
    size_t bytes = slab_bytes(cache);

    if (bytes <= PIECE_BYTES_MAX)
        pieces_put(machine->object_pieces, slab, bytes);
    else
        g_free(slab);
}

static void
free_list(struct machine *machine, const struct slab_cache *cache,
          struct slab_page *slab)
{
    while (slab) {
        struct slab_page *next = slab->next;
        put_memory(machine, cache, slab);
        slab = next;
    }
}

void
slab_cache_finish(struct machine *machine, enum slab_kind kind)
{
    struct slab_cache *cache = &machine->slabs[kind];

    free_list(machine, cache, cache->partial);
    free_list(machine, cache, cache->full);
    *cache = (struct slab_cache){0};
}

uint64_t
slab_count(const struct slab_cache *cache)
{
    uint64_t count = 0;

    for (const struct slab_page *slab = cache->partial; slab; slab = slab->next)
        count++;
    for (const struct slab_page *slab = cache->full; slab; slab = slab->next)
        count++;
    return count;
}

static void
link_slab(struct slab_page **list, struct slab_page *slab)
{
    slab->prev = NULL;
    slab->next = *list;
    if (*list)
        (*list)->prev = slab;
    *list = slab;
}

static void
unlink_slab(struct slab_page **list, struct slab_page *slab)
{
    *(slab->prev ? &slab->prev->next : list) = slab->next;
    if (slab->next)
        slab->next->prev = slab->prev;
}

/* The kernel's bytes are in a slab's frames from the start; no user's claim to
 * them outlives it. */
static void
mark_frames(struct machine *machine, pfn_t pfn, unsigned order,
            enum slab_kind kind)
{
    for (uint32_t i = 0; i < 1u << order; i++) {
        struct page *page = &machine->pages[pfn.v + i];
        page->map_count = 0;
        page->home = kind;
        page->holder = HOLDER_KERNEL;
    }
}

static struct slab_page *
create_slab(struct machine *machine, enum slab_kind kind)
{
    struct slab_cache *cache = &machine->slabs[kind];

    /* Too large for any block: never to be had. */
    if (cache->object_count_max == 0)
        return NULL;
    pfn_t pfn = page_alloc(machine, machine->cpu, PAGE_SLAB, cache->order);
    if (pfn_is_none(pfn))
        return NULL;
    mark_frames(machine, pfn, cache->order, kind);

    struct slab_page *slab = get_memory(machine, cache);
    *slab =
        (struct slab_page){.pfn = pfn, .fresh_count = cache->object_count_max};
    link_slab(&cache->partial, slab);
    return slab;
}

static struct slab_object *
take_slot(const struct slab_cache *cache, struct slab_page *slab)
{
    struct slab_object *object = slab->free;

    if (object) {
        slab->free = object->next_free[0];
        return object;
    }
    uint32_t index = cache->object_count_max - slab->fresh_count--;
    object =
        (struct slab_object *)((char *)(slab + 1) + index * slot_bytes(cache));
    object->slab = slab;
    /* The next slot is likely to be taken soon, and then it is wiped. */
    pieces_expect((char *)object + slot_bytes(cache), slot_bytes(cache));
    return object;
}

void *
slab_alloc(struct machine *machine, enum slab_kind kind)
{
    struct slab_cache *cache = &machine->slabs[kind];
    struct slab_page *slab = cache->partial;

    if (!slab)
        slab = create_slab(machine, kind);
    if (!slab)
        return NULL;
    struct slab_object *object = take_slot(cache, slab);
    if (++slab->used_count == cache->object_count_max) {
        unlink_slab(&cache->partial, slab);
        link_slab(&cache->full, slab);
    }
    cache->live_count++;
    return memset(object + 1, 0, cache->host_bytes);
}

void
slab_free(struct machine *machine, enum slab_kind kind, void *object)
{
    struct slab_cache *cache = &machine->slabs[kind];
    struct slab_object *slot = (struct slab_object *)object - 1;
    struct slab_page *slab = slot->slab;
    bool was_full = slab->used_count == cache->object_count_max;

    mm_assert(machine->pages[slab->pfn.v].home == kind);
    mm_assert(slab->used_count > 0);
    slot->next_free[0] = slab->free;
    slab->free = slot;
    cache->live_count--;
    slab->used_count--;
    if (was_full) {
        unlink_slab(&cache->full, slab);
        link_slab(&cache->partial, slab);
    }
    if (slab->used_count == 0) {
        unlink_slab(&cache->partial, slab);
        page_free(machine, machine->cpu, slab->pfn, cache->order,
                  /* owner */ 0);
        put_memory(machine, cache, slab);
    }
}

/* Objects in use on a list; counts its frames. */
static uint64_t
validate_list(const struct machine *machine, enum slab_kind kind,
              const struct slab_page *list, bool is_full, uint64_t *frames)
{
    const struct slab_cache *cache = &machine->slabs[kind];
    uint64_t used_count = 0;

    for (const struct slab_page *slab = list; slab; slab = slab->next) {
        mm_invariant(S2, slab->used_count > 0);
        mm_invariant(S2,
                     (slab->used_count == cache->object_count_max) == is_full);
        for (uint32_t i = 0; i < 1u << cache->order; i++) {
            const struct page *page = &machine->pages[slab->pfn.v + i];
            mm_invariant(S1, page_state(page) == PAGE_SLAB);
            mm_invariant(S1, page->home == kind);
        }
        used_count += slab->used_count;
        *frames += UINT64_C(1) << cache->order;
    }
    return used_count;
}

void
slab_validate(const struct machine *machine)
{
    uint64_t frames = 0;

    for (unsigned kind = 0; kind < SLAB_KIND_COUNT; kind++) {
        const struct slab_cache *cache = &machine->slabs[kind];
        uint64_t used_count =
            validate_list(machine, kind, cache->partial, false, &frames) +
            validate_list(machine, kind, cache->full, true, &frames);
        mm_invariant(S3, used_count == cache->live_count);
    }
    mm_invariant(S4,
                 machine->gauge[GAUGE_slab_bytes] == pages_to_bytes(frames));
}
