/*
 * Slab caches: the kernel's own objects, in frames of their own.
 *
 * A cache holds objects of one simulated size in slabs of 2^order frames; the
 * host memory of the objects lives beside the slab, so that a VMA or an
 * anon_vma of the simulator is at the same time an object of the simulated
 * kernel, and slab_bytes is counted because it is really there.
 *
 * Objects come from the fullest partial slab list head, as SLAB and SLUB do; a
 * slab gives its frames back when its last object goes.
 *
 * Not modelled: per-CPU object caches, kept empty slabs, merging of caches,
 * kmalloc rounding.
 */
#pragma once

#include "mm/types.h"

#include <stddef.h>

struct machine;

enum slab_kind {
    SLAB_VMA,
    SLAB_ANON_VMA,
    SLAB_ANON_VMA_CHAIN,
    SLAB_PTE_CHAIN,
    SLAB_MM,
    SLAB_TASK,
    SLAB_PGD,
    SLAB_VRANGE,
    SLAB_MAPLE_NODE,
    SLAB_KIND_COUNT
};

struct slab_page;

struct slab_cache {
    uint32_t object_bytes;     // simulated size
    uint32_t object_count_max; // objects of one slab
    uint32_t order;            // a slab is 2^order frames
    size_t host_bytes;         // size of the host object
    uint64_t live_count;       // objects in use
    struct slab_page *partial; // slabs with room, most recent first
    struct slab_page *full;
};

void slab_cache_init(struct slab_cache *cache, uint32_t object_bytes,
                     size_t host_bytes);
/* Frees the host memory of what is left. */
void slab_cache_finish(struct machine *machine, enum slab_kind kind);

/* Walks the lists of slabs. */
uint64_t slab_count(const struct slab_cache *cache);

/* Zeroed host_bytes, or NULL when no frame could be had. */
void *slab_alloc(struct machine *machine, enum slab_kind kind);
void slab_free(struct machine *machine, enum slab_kind kind, void *object);

/* Numbered invariants; see slab.c. */
void slab_validate(const struct machine *machine);
