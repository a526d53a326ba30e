/*
 * Anon identity: families, who lists them, and what a fork makes of them.
 *
 *   one address space   write fault: own family, or a neighbour's
 *                       split, mremap, merge: the same family and chain
 *   fork, INHERIT       the parent's family; the VMA is one level deeper
 *   fork, otherwise     chain of the parent + a new family, child of the
 *                       parent's; or an ancestor that nobody uses any more
 *
 * A family goes with the last VMA that lists it.  A VMA that lists a family
 * lists all its ancestors too, so a parent outlives its children.
 *
 * An ancestor may be adopted (kernel-version rules):
 *   DEGREE        it is not the parent VMA's own, and children + VMAs < 2
 *   NUM_CHILDREN  it has fewer than 2 children and no VMA of its own
 * A root is its own child: with a real child it has two, so it is never taken.
 *
 * A chain never changes, so the parts of a split VMA share it; a kernel has an
 * object per VMA and family, which is the rmap scheme's business.
 */
#include "mm/anon.h"

#include "mm/aspace.h"
#include "mm/machine.h"
#include "mm/rmap.h"

struct anon_family *
anon_family_of(const struct machine *machine, uint32_t id)
{
    mm_assert(id < machine->families->len);
    return g_ptr_array_index(machine->families, id);
}

uint32_t
anon_listed_count(const struct vma *vma)
{
    return vma->chain ? vma->chain->count : 1;
}

struct anon_family *
anon_listed(const struct vma *vma, uint32_t i)
{
    return vma->chain ? vma->chain->families[i] : vma->family;
}

/* The chain and one more family; base may be NULL. */
static struct anon_chain *
chain_create(const struct anon_chain *base, struct anon_family *family)
{
    uint32_t count = base ? base->count : 0;
    struct anon_chain *chain =
        g_malloc(sizeof(*chain) + (count + 1) * sizeof(chain->families[0]));

    chain->ref_count = 1;
    chain->count = count + 1;
    for (uint32_t i = 0; i < count; i++)
        chain->families[i] = base->families[i];
    chain->families[count] = family;
    return chain;
}

static void
chain_put(struct anon_chain *chain)
{
    if (chain && --chain->ref_count == 0)
        g_free(chain);
}

static uint32_t
family_register(struct machine *machine, struct anon_family *family)
{
    GArray *free_ids = machine->free_family_ids;
    uint32_t id = machine->families->len;

    if (free_ids->len > 0) {
        id = g_array_index(free_ids, uint32_t, free_ids->len - 1);
        g_array_set_size(free_ids, free_ids->len - 1);
        g_ptr_array_index(machine->families, id) = family;
    } else {
        g_ptr_array_add(machine->families, family);
    }
    return id;
}

/* parent NULL: a root.  NULL: no memory. */
static struct anon_family *
family_create(struct machine *machine, struct anon_family *parent)
{
    struct anon_family *family = g_new0(struct anon_family, 1);

    family->parent = parent ? parent : family;
    family->root = family->parent->root ? family->parent->root : family;
    if (!rmap_create_family(machine, family)) {
        g_free(family);
        return NULL;
    }
    family->parent->child_count++;
    family->id = family_register(machine, family);
    return family;
}

static void
family_put(struct machine *machine, struct anon_family *family)
{
    mm_assert(family->vma_count > 0);
    if (--family->vma_count > 0)
        return;
    mm_assert(family->active_count == 0);
    mm_assert(family->child_count == (family->parent == family));
    family->parent->child_count--;
    rmap_destroy_family(machine, family);
    g_ptr_array_index(machine->families, family->id) = NULL;
    g_array_append_val(machine->free_family_ids, family->id);
    g_free(family);
}

/* The VMA loses its identity; youngest family first, so that a parent is there
 * to be told. */
static void
identity_drop(struct vma *vma)
{
    struct machine *machine = vma->mm->machine;

    vma->family->active_count--;
    for (uint32_t i = anon_listed_count(vma); i > 0; i--)
        family_put(machine, anon_listed(vma, i - 1));
    chain_put(vma->chain);
    vma->family = NULL;
    vma->chain = NULL;
    vma->anon_depth = 0;
}

/* The VMA gets an identity.  On failure it has none, and a family that no
 * other VMA lists is gone. */
static bool
identity_take(struct vma *vma, struct anon_family *family,
              struct anon_chain *chain, uint32_t depth)
{
    mm_assert(!vma->family && !vma->chain && depth > 0);
    vma->family = family;
    vma->chain = chain;
    vma->anon_depth = depth;
    family->active_count++;
    if (chain)
        chain->ref_count++;
    for (uint32_t i = 0; i < anon_listed_count(vma); i++)
        anon_listed(vma, i)->vma_count++;

    if (rmap_link_vma(vma))
        return true;
    identity_drop(vma);
    return false;
}

/* A family of its own, and the chain that it inherits (or NULL) before it. */
static bool
identity_create(struct vma *vma, struct anon_family *parent,
                const struct anon_chain *inherited, uint32_t depth)
{
    struct machine *machine = vma->mm->machine;
    struct anon_family *family = family_create(machine, parent);
    struct anon_chain *chain = NULL;

    if (!family)
        return false;
    if (machine->kernel.anon_fork != ANON_FORK_INHERIT)
        chain = chain_create(inherited, family);

    bool done = identity_take(vma, family, chain, depth);
    chain_put(chain);
    return done;
}

/* May VMAs that differ only in access share an identity at this border? */
static bool
are_alike(const struct vma *below, const struct vma *above)
{
    uint32_t ignored = VM_ACCESS | VM_MAYBE_GUARD;

    return below->end == above->start && below->file == above->file &&
           !((below->flags ^ above->flags) & ~ignored) &&
           below->pgoff + vma_pages(below) == above->pgoff;
}

/* An identity that came by fork is lent only where it is the same for all
 * (2.6.34 asks for a chain of one). */
static bool
can_lend(const struct vma *vma)
{
    return vma->family && (!vma->chain || vma->anon_depth == 1);
}

/* find_mergeable_anon_vma() of 2.6.7 and later: the next VMA, then the
 * previous. */
static const struct vma *
lender_of(const struct vma *vma)
{
    if (vma->next && are_alike(vma, vma->next) && can_lend(vma->next))
        return vma->next;
    if (vma->prev && are_alike(vma->prev, vma) && can_lend(vma->prev))
        return vma->prev;
    return NULL;
}

bool
anon_prepare(struct vma *vma)
{
    const struct vma *lender = NULL;

    if (vma->family)
        return true;
    if (vma->mm->machine->kernel.anon_borrows_neighbour)
        lender = lender_of(vma);
    if (lender)
        return anon_clone(vma, lender);
    return identity_create(vma, NULL, NULL, 1);
}

bool
anon_adopt(struct vma *vma, struct anon_family *family,
           struct anon_chain *chain, uint32_t depth)
{
    return !family || identity_take(vma, family, chain, depth);
}

bool
anon_clone(struct vma *vma, const struct vma *source)
{
    return anon_adopt(vma, source->family, source->chain, source->anon_depth);
}

static bool
is_adoptable(const struct anon_family *family, const struct vma *parent,
             enum anon_fork_form form)
{
    switch (form) {
    case ANON_FORK_INHERIT:
    case ANON_FORK_CLONE:
        return false;
    case ANON_FORK_DEGREE:
        return family != parent->family &&
               family->child_count + family->active_count < 2;
    case ANON_FORK_NUM_CHILDREN:
        return family->child_count < 2 && family->active_count == 0;
    }
    return false;
}

/* The eldest ancestor that the child may take for its own, or NULL. */
static struct anon_family *
adoptable_of(const struct vma *parent, enum anon_fork_form form)
{
    for (uint32_t i = 0; i < anon_listed_count(parent); i++)
        if (is_adoptable(anon_listed(parent, i), parent, form))
            return anon_listed(parent, i);
    return NULL;
}

bool
anon_fork(struct vma *child, const struct vma *parent)
{
    enum anon_fork_form form = child->mm->machine->kernel.anon_fork;
    uint32_t depth = parent->anon_depth + 1;

    if (!parent->family)
        return true;
    if (form == ANON_FORK_INHERIT)
        return identity_take(child, parent->family, NULL, depth);

    struct anon_family *ancestor = adoptable_of(parent, form);

    if (ancestor)
        return identity_take(child, ancestor, parent->chain, depth);
    return identity_create(child, parent->family, parent->chain, depth);
}

void
anon_unlink(struct vma *vma)
{
    if (!vma->family)
        return;
    rmap_unlink_vma(vma);
    identity_drop(vma);
}

/* What every family's counts should be, counted afresh. */
struct census {
    uint32_t vma_count, active_count, child_count;
};

static void
census_take_vma(struct census *census, const struct vma *vma)
{
    mm_invariant(N1, (vma->anon_depth > 0) == (vma->family != NULL));
    if (!vma->family)
        return;
    census[vma->family->id].active_count++;
    for (uint32_t i = 0; i < anon_listed_count(vma); i++)
        census[anon_listed(vma, i)->id].vma_count++;
}

static bool
lists_family(const struct vma *vma, uint32_t id)
{
    if (!vma->family)
        return false;
    for (uint32_t i = 0; i < anon_listed_count(vma); i++)
        if (anon_listed(vma, i)->id == id)
            return true;
    return false;
}

static void
validate_homes(struct machine *machine, const struct vma *vma)
{
    const pte_t kinds = PTE_PRESENT | PTE_ZERO | PTE_FILE;
    struct leaf *leaf;

    for (uint64_t addr = vma->start;
         (leaf = pagetable_next_leaf(vma->mm, addr, vma->end)) != NULL;) {
        uint64_t end =
            MIN(leaf->base + leaf_span_bytes(machine->arch), vma->end);

        for (addr = MAX(addr, leaf->base); addr < end; addr += PAGE_BYTES) {
            pte_t pte = leaf->pte[leaf_index(machine->arch, addr)];

            if ((pte & kinds) == PTE_PRESENT)
                mm_invariant(
                    N4,
                    lists_family(vma, page_of(machine, pte_pfn(pte))->home));
        }
    }
}

static void
validate_family(const struct anon_family *family, const struct census *census)
{
    mm_invariant(N2, family->vma_count > 0);
    mm_invariant(N2, family->vma_count == census->vma_count);
    mm_invariant(N3, family->active_count == census->active_count);
    mm_invariant(N5, family->child_count == census->child_count);
}

void
anon_validate(struct machine *machine)
{
    uint32_t count = machine->families->len;
    g_autofree struct census *census = g_new0(struct census, count);

    for (struct mm *mm = machine->mms; mm; mm = mm->next)
        for (struct vma *vma = mm->first; vma; vma = vma->next) {
            census_take_vma(census, vma);
            if (machine->policy.rmap->needs_linear_vmas)
                validate_homes(machine, vma);
        }
    for (uint32_t i = 1; i < count; i++)
        if (anon_family_of(machine, i))
            census[anon_family_of(machine, i)->parent->id].child_count++;
    for (uint32_t i = 1; i < count; i++)
        if (anon_family_of(machine, i))
            validate_family(anon_family_of(machine, i), &census[i]);
}
