/*
 * anon_vma, first form (2.6.5-aa1, 2.6.7 to 2.6.33): one object per origin of
 * anonymous memory, with a list of all VMAs that may map pages of it.
 *
 *   page --home--> family --root--> anon_vma --> VMA --> child's VMA --> ...
 *
 * Nothing is kept per page: a fault and a fork cost a map count.  A walk tries
 * every VMA of the list at the page's index, also those of children that have
 * long replaced the page; that is what anon_vma_chain repaired.
 *
 * Under fork rules that give a child a family of its own the list is still
 * one per tree, the root's: every descendant VMA is on it.
 */
#include "mm/anon.h"
#include "mm/aspace.h"
#include "mm/machine.h"
#include "mm/rmap.h"

/* The object. */
struct anon_vma {
    struct vma *first, *last;  // linked by vma.rmap_next, oldest first
};

/* Its simulated size: a lock, padded, and a list head, under every preset;
 * what later kernels call anon_vma is the object of rmap_anon_vma_chain.c. */
static uint32_t
object_bytes(const struct machine *machine)
{
    return 3 * machine->arch->long_bytes;
}

static void *
anon_vma_create(struct machine *machine)
{
    slab_cache_init(&machine->slabs[SLAB_ANON_VMA], object_bytes(machine),
                    sizeof(struct anon_vma));
    return NULL;
}

static void
anon_vma_destroy(struct machine *machine, void *rmap)
{
    (void)rmap;
    mm_assert(machine->slabs[SLAB_ANON_VMA].live_count == 0);
}

static bool
anon_vma_create_family(struct machine *machine, struct anon_family *family)
{
    if (family->root != family)
        return true;
    family->rmap = slab_alloc(machine, SLAB_ANON_VMA);
    if (!family->rmap)
        return false;
    gauge_add(machine, GAUGE_rmap_bytes, object_bytes(machine));
    return true;
}

static void
anon_vma_destroy_family(struct machine *machine, struct anon_family *family)
{
    struct anon_vma *anon_vma = family->rmap;

    if (!anon_vma)
        return;
    mm_assert(!anon_vma->first);
    slab_free(machine, SLAB_ANON_VMA, anon_vma);
    gauge_sub(machine, GAUGE_rmap_bytes, object_bytes(machine));
}

static bool
anon_vma_link_vma(struct vma *vma)
{
    struct anon_vma *anon_vma = vma->family->root->rmap;

    vma->rmap_prev = anon_vma->last;
    vma->rmap_next = NULL;
    if (anon_vma->last)
        anon_vma->last->rmap_next = vma;
    else
        anon_vma->first = vma;
    anon_vma->last = vma;
    return true;
}

static void
anon_vma_unlink_vma(struct vma *vma)
{
    struct anon_vma *anon_vma = vma->family->root->rmap;

    if (vma->rmap_prev)
        vma->rmap_prev->rmap_next = vma->rmap_next;
    else
        anon_vma->first = vma->rmap_next;
    if (vma->rmap_next)
        vma->rmap_next->rmap_prev = vma->rmap_prev;
    else
        anon_vma->last = vma->rmap_prev;
    vma->rmap_prev = vma->rmap_next = NULL;
}

static void
anon_vma_walk(struct machine *machine, struct page *page, rmap_visit_fn visit,
              void *data)
{
    struct anon_vma *anon_vma = anon_family_of(machine, page->home)->root->rmap;

    for (struct vma *vma = anon_vma->first; vma; vma = vma->rmap_next)
        if (!rmap_visit_vma(machine, page, vma, visit, data))
            return;
}

static uint64_t
anon_vma_bytes(const struct machine *machine)
{
    const struct slab_cache *cache = &machine->slabs[SLAB_ANON_VMA];

    return cache->live_count * cache->object_bytes;
}

const struct rmap_ops rmap_anon_vma = {
    .name = "anon-vma",
    .create = anon_vma_create,
    .destroy = anon_vma_destroy,
    .create_family = anon_vma_create_family,
    .destroy_family = anon_vma_destroy_family,
    .link_vma = anon_vma_link_vma,
    .unlink_vma = anon_vma_unlink_vma,
    .walk = anon_vma_walk,
    .bytes = anon_vma_bytes,
    .update_charge = CHARGE_rmap_update,
    .needs_linear_vmas = true,
};
