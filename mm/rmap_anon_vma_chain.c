/*
 * anon_vma_chain (2.6.34 and later): one object per family, and a link object
 * for every (VMA, family whose pages it may map).
 *
 *   page --home--> family --> links --> the VMAs that may map its pages
 *
 * A page that a child wrote itself is looked for in the child alone.  The
 * price is a link per VMA and generation at every fork.
 *
 *   2.6.34   a family's links are a list: each of them is a candidate
 *   3.7      an interval tree: only VMAs that cover the page's index are
 *
 * A host list stands for the tree, so a resized VMA need not be told here.
 */
#include "mm/anon.h"
#include "mm/aspace.h"
#include "mm/machine.h"
#include "mm/rmap.h"

#define VERSION_3_7 3007000

struct link;

/* The objects; their simulated sizes are the preset's. */
struct family_object {
    struct link *first, *last;  // oldest first
};
struct link {
    struct vma *vma;
    struct family_object *family;
    struct link *prev, *next;  // of the same family
    struct link *next_of_vma;  // head: vma.rmap
};

static void *
chain_create(struct machine *machine)
{
    slab_cache_init(&machine->slabs[SLAB_ANON_VMA], machine->sizes.anon_vma,
                    sizeof(struct family_object));
    slab_cache_init(&machine->slabs[SLAB_ANON_VMA_CHAIN],
                    machine->sizes.anon_vma_chain, sizeof(struct link));
    return NULL;
}

static void
chain_destroy(struct machine *machine, void *rmap)
{
    (void)rmap;
    mm_assert(machine->slabs[SLAB_ANON_VMA].live_count == 0);
    mm_assert(machine->slabs[SLAB_ANON_VMA_CHAIN].live_count == 0);
}

static bool
chain_create_family(struct machine *machine, struct anon_family *family)
{
    family->rmap = slab_alloc(machine, SLAB_ANON_VMA);
    if (!family->rmap)
        return false;
    gauge_add(machine, GAUGE_rmap_bytes, machine->sizes.anon_vma);
    return true;
}

static void
chain_destroy_family(struct machine *machine, struct anon_family *family)
{
    struct family_object *object = family->rmap;

    mm_assert(!object->first);
    slab_free(machine, SLAB_ANON_VMA, object);
    gauge_sub(machine, GAUGE_rmap_bytes, machine->sizes.anon_vma);
}

static bool
link_add(struct vma *vma, struct family_object *family)
{
    struct machine *machine = vma->mm->machine;
    struct link *link = slab_alloc(machine, SLAB_ANON_VMA_CHAIN);

    if (!link)
        return false;
    gauge_add(machine, GAUGE_rmap_bytes, machine->sizes.anon_vma_chain);
    *link = (struct link){.vma = vma,
                          .family = family,
                          .prev = family->last,
                          .next_of_vma = vma->rmap};
    if (family->last)
        family->last->next = link;
    else
        family->first = link;
    family->last = link;
    vma->rmap = link;
    return true;
}

static void
link_remove(struct machine *machine, struct link *link)
{
    if (link->prev)
        link->prev->next = link->next;
    else
        link->family->first = link->next;
    if (link->next)
        link->next->prev = link->prev;
    else
        link->family->last = link->prev;
    slab_free(machine, SLAB_ANON_VMA_CHAIN, link);
    gauge_sub(machine, GAUGE_rmap_bytes, machine->sizes.anon_vma_chain);
}

static void
chain_unlink_vma(struct vma *vma)
{
    struct link *link = vma->rmap;

    while (link) {
        struct link *next = link->next_of_vma;

        link_remove(vma->mm->machine, link);
        link = next;
    }
    vma->rmap = NULL;
}

static bool
chain_link_vma(struct vma *vma)
{
    vma->rmap = NULL;
    for (uint32_t i = 0; i < anon_listed_count(vma); i++)
        if (!link_add(vma, anon_listed(vma, i)->rmap)) {
            chain_unlink_vma(vma);
            return false;
        }
    return true;
}

static void
chain_walk(struct machine *machine, struct page *page, rmap_visit_fn visit,
           void *data)
{
    struct family_object *family = anon_family_of(machine, page->home)->rmap;
    bool has_tree = machine->kernel.version >= VERSION_3_7;

    for (struct link *link = family->first; link; link = link->next)
        if (!has_tree || rmap_vma_covers(link->vma, page->index))
            if (!rmap_visit_vma(machine, page, link->vma, visit, data))
                return;
}

static uint64_t
chain_bytes(const struct machine *machine)
{
    const struct slab_cache *families = &machine->slabs[SLAB_ANON_VMA];
    const struct slab_cache *links = &machine->slabs[SLAB_ANON_VMA_CHAIN];

    return families->live_count * families->object_bytes +
           links->live_count * links->object_bytes;
}

const struct rmap_ops rmap_anon_vma_chain = {
    .name = "anon-vma-chain",
    .create = chain_create,
    .destroy = chain_destroy,
    .create_family = chain_create_family,
    .destroy_family = chain_destroy_family,
    .link_vma = chain_link_vma,
    .unlink_vma = chain_unlink_vma,
    .walk = chain_walk,
    .bytes = chain_bytes,
    .update_charge = CHARGE_rmap_update,
    .needs_linear_vmas = true,
    .has_family_per_process = true,
};
