/*
 * PTE chains (2.5.27 to 2.6.6): every page knows each PTE that maps it.
 *
 *   unmapped -> direct: one entry    -> chain of blocks, one cache line each
 *               in the frame record
 *
 *   head                      next block            Slots are filled from the
 *   +------+---+---+---+---+  +------+---+---+--    top; all free ones lead the
 *   | next |   |   | d | c |->| next | b | a |      head, others are full.  The
 *   +------+---+---+---+---+  +------+---+---+--    index of the lowest used
 *            first = 2                              one hides in `next`.
 *
 * add      unmapped: becomes direct.  direct: a block with both entries.  Full
 *          head: a new head.  Else the slot below the lowest used one.
 * remove   the entry is searched from the head on, and the head's lowest takes
 *          its place; an emptied head goes.  A chain of one stays a chain.
 * collapse a chain of one becomes direct, by page_referenced() alone.
 *
 * Walks see the mappings and nothing else.  The price is an entry per present
 * PTE, at every fault and fork, in lowmem.
 *
 * The search costs the simulated kernel a step per entry, which is counted, but
 * not the host: it remembers which block an entry is in, and blocks are
 * numbered from the tail, so how many come before is a difference.
 *
 * Not modelled: the spare block that each CPU keeps.
 */
#include "mm/machine.h"
#include "mm/rmap.h"

#include <sys/mman.h>

/*
 * What a frame has: 0 (unmapped), an entry (direct), or the address of its
 * head block.  Entry: leaf id, slot in the leaf, and the lowest bit set.
 */
typedef uint64_t chain_t;

#define ENTRY_TAG        UINT64_C(1)
#define ENTRY_SLOT_SHIFT 1
#define ENTRY_SLOT_BITS  10  // i386 has 1024 entries to a leaf
#define ENTRY_LEAF_SHIFT (ENTRY_SLOT_SHIFT + ENTRY_SLOT_BITS)

struct block {
    struct block *next;
    uint32_t first;   // lowest used slot
    uint32_t number;  // of those behind it
    uint64_t entry[];
};

struct pte_chain {
    chain_t *chains;  // by pfn; reserved address space
    size_t chains_bytes;
    uint32_t slot_count;  // of a block (NRPTE)
    uint32_t leaf_slots;
    GPtrArray *homes;  // by leaf id: struct block * per slot of the leaf
};

static uint64_t
entry_make(const struct leaf *leaf, uint32_t index)
{
    return (uint64_t)leaf->id << ENTRY_LEAF_SHIFT |
           (uint64_t)index << ENTRY_SLOT_SHIFT | ENTRY_TAG;
}

static struct leaf *
entry_leaf(const struct machine *machine, uint64_t entry)
{
    return g_ptr_array_index(machine->leaves, entry >> ENTRY_LEAF_SHIFT);
}

static uint32_t
entry_index(uint64_t entry)
{
    return (uint32_t)(entry >> ENTRY_SLOT_SHIFT) &
           ((1u << ENTRY_SLOT_BITS) - 1);
}

static bool
is_direct(chain_t chain)
{
    return chain & ENTRY_TAG;
}

static struct block *
head_of(chain_t chain)
{
    return is_direct(chain) ? NULL : (struct block *)(uintptr_t)chain;
}

static chain_t *
chain_of(const struct pte_chain *rmap, pfn_t pfn)
{
    return &rmap->chains[pfn.v];
}

/* Which block an entry is in, unless it is direct. */
static struct block **
home_of(const struct pte_chain *rmap, uint64_t entry)
{
    uint32_t leaf = (uint32_t)(entry >> ENTRY_LEAF_SHIFT);

    if (leaf >= rmap->homes->len)
        g_ptr_array_set_size(rmap->homes, (int)leaf + 1);

    struct block ***home = (struct block ***)&rmap->homes->pdata[leaf];

    if (!*home)
        *home = g_new(struct block *, rmap->leaf_slots);
    return &(*home)[entry_index(entry)];
}

static void
place(const struct pte_chain *rmap, struct block *block, uint32_t slot,
      uint64_t entry)
{
    block->entry[slot] = entry;
    *home_of(rmap, entry) = block;
}

/* A PTE's address is 64 bits wide with 64-bit pointers, and where tables in
 * HighMem make it a physical address under PAE. */
static uint32_t
slots_per_line(const struct machine *machine)
{
    const struct arch *arch = machine->arch;
    bool is_wide =
        arch->is_64bit || (machine->config.highpte && arch->pte_bytes == 8);

    return (machine->config.l1_line_bytes - arch->long_bytes) /
           (is_wide ? 8 : 4);
}

static void *
pte_chain_create(struct machine *machine)
{
    struct pte_chain *rmap = g_new0(struct pte_chain, 1);

    rmap->slot_count = slots_per_line(machine);
    mm_assert(rmap->slot_count >= 2);  // a block replaces a direct entry
    slab_cache_init(&machine->slabs[SLAB_PTE_CHAIN],
                    machine->config.l1_line_bytes,
                    sizeof(struct block) + rmap->slot_count * sizeof(uint64_t));

    rmap->leaf_slots = leaf_entries(machine->arch);
    rmap->homes = g_ptr_array_new_with_free_func(g_free);
    rmap->chains_bytes = machine->ram_pages * sizeof(chain_t);
    rmap->chains = mmap(NULL, rmap->chains_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    mm_assert(rmap->chains != MAP_FAILED);
    return rmap;
}

static void
pte_chain_destroy(struct machine *machine, void *data)
{
    struct pte_chain *rmap = data;

    mm_assert(machine->slabs[SLAB_PTE_CHAIN].live_count == 0);
    munmap(rmap->chains, rmap->chains_bytes);
    g_ptr_array_free(rmap->homes, TRUE);
    g_free(rmap);
}

static struct block *
block_alloc(struct machine *machine)
{
    struct block *block = slab_alloc(machine, SLAB_PTE_CHAIN);

    if (block)
        gauge_add(machine, GAUGE_rmap_bytes, machine->config.l1_line_bytes);
    return block;
}

static void
block_free(struct machine *machine, struct block *block)
{
    if (!block)
        return;
    slab_free(machine, SLAB_PTE_CHAIN, block);
    gauge_sub(machine, GAUGE_rmap_bytes, machine->config.l1_line_bytes);
}

/* Would the next entry of this chain need a block? */
static bool
needs_block(chain_t chain)
{
    return is_direct(chain) || (chain && head_of(chain)->first == 0);
}

/* Add an entry.  Returns the spare block if it was not used. */
static struct block *
chain_add(const struct pte_chain *rmap, chain_t *chain, uint64_t entry,
          struct block *spare)
{
    uint32_t top = rmap->slot_count - 1;

    if (!needs_block(*chain)) {
        struct block *head = head_of(*chain);

        if (head)
            place(rmap, head, --head->first, entry);
        else
            *chain = entry;
        return spare;
    }
    if (is_direct(*chain)) {
        place(rmap, spare, top, *chain);
        spare->first = --top;
    } else {
        spare->next = head_of(*chain);
        spare->number = spare->next->number + 1;
        spare->first = top;
    }
    place(rmap, spare, top, entry);
    *chain = (uintptr_t)spare;
    return NULL;
}

/* How many entries a search from the head on examines in the blocks before. */
static uint64_t
entries_before(const struct pte_chain *rmap, const struct block *head,
               const struct block *block)
{
    if (block == head)
        return 0;
    return rmap->slot_count - head->first +
           (uint64_t)(head->number - block->number - 1) * rmap->slot_count;
}

/* The slot of an entry in its block; every one that the kernel's search would
 * examine counts. */
static uint32_t
chain_find(struct machine *machine, const struct pte_chain *rmap,
           const struct block *head, const struct block *block, uint64_t entry)
{
    uint32_t slot = block->first;

    while (slot < rmap->slot_count && block->entry[slot] != entry)
        slot++;
    mm_assert(slot < rmap->slot_count);  // every mapped PTE is in its chain

    uint64_t visit_count =
        entries_before(rmap, head, block) + slot - block->first + 1;

    machine->counters.rmap_visit_count += visit_count;
    charge(machine, CHARGE_rmap_walk_step, visit_count);
    return slot;
}

/* Remove an entry.  Returns the head block if it became empty. */
static struct block *
chain_remove(struct machine *machine, const struct pte_chain *rmap,
             chain_t *chain, uint64_t entry)
{
    if (is_direct(*chain)) {
        mm_assert(*chain == entry);
        *chain = 0;
        return NULL;
    }

    struct block *head = head_of(*chain);
    struct block *block = *home_of(rmap, entry);
    uint32_t slot = chain_find(machine, rmap, head, block, entry);

    place(rmap, block, slot, head->entry[head->first]);
    head->entry[head->first] = 0;
    head->first++;
    if (head->first < rmap->slot_count)
        return NULL;
    *chain = (uintptr_t)head->next;
    return head;
}

static uint32_t
pte_chain_add_run(struct machine *machine, struct vma *vma, struct leaf *leaf,
                  uint32_t index, uint32_t count)
{
    const struct pte_chain *rmap = machine->rmap;

    (void)vma;
    for (uint32_t i = 0; i < count; i++) {
        chain_t *chain = chain_of(rmap, pte_pfn(leaf->pte[index + i]));
        struct block *spare = NULL;

        if (needs_block(*chain)) {
            spare = block_alloc(machine);  // may reclaim and shorten chains
            if (!spare)
                return i;
        }
        spare = chain_add(rmap, chain, entry_make(leaf, index + i), spare);
        block_free(machine, spare);
    }
    return count;
}

static void
pte_chain_remove_run(struct machine *machine, struct leaf *leaf, uint32_t index,
                     uint32_t count)
{
    const struct pte_chain *rmap = machine->rmap;

    for (uint32_t i = index; i < index + count; i++) {
        chain_t *chain = chain_of(rmap, pte_pfn(leaf->pte[i]));

        block_free(machine,
                   chain_remove(machine, rmap, chain, entry_make(leaf, i)));
    }
}

/* Removed and added again.  That needs a block only if the removal emptied
 * one, so it cannot fail. */
static void
pte_chain_moved(struct machine *machine, struct leaf *from, uint32_t from_index,
                struct leaf *to, uint32_t to_index)
{
    const struct pte_chain *rmap = machine->rmap;
    chain_t *chain = chain_of(rmap, pte_pfn(to->pte[to_index]));
    struct block *spare =
        chain_remove(machine, rmap, chain, entry_make(from, from_index));

    spare = chain_add(rmap, chain, entry_make(to, to_index), spare);
    block_free(machine, spare);
}

static bool
visit_entry(struct machine *machine, struct page *page, uint64_t entry,
            rmap_visit_fn visit, void *data)
{
    return rmap_visit_candidate(machine, page, entry_leaf(machine, entry),
                                entry_index(entry), visit, data);
}

/* A visitor may remove the entry it sees: then the head's lowest, which was
 * visited before, takes its slot, and a block can go only at its top slot. */
static void
pte_chain_walk(struct machine *machine, struct page *page, rmap_visit_fn visit,
               void *data)
{
    const struct pte_chain *rmap = machine->rmap;
    chain_t chain = *chain_of(rmap, pfn_of(machine, page));

    if (is_direct(chain)) {
        visit_entry(machine, page, chain, visit, data);
        return;
    }
    for (struct block *block = head_of(chain), *next; block; block = next) {
        next = block->next;
        for (uint32_t i = block->first; i < rmap->slot_count; i++)
            if (!visit_entry(machine, page, block->entry[i], visit, data))
                return;
    }
}

/* A chain of one entry becomes direct. */
static void
pte_chain_referenced(struct machine *machine, struct page *page)
{
    const struct pte_chain *rmap = machine->rmap;
    chain_t *chain = chain_of(rmap, pfn_of(machine, page));
    struct block *head = head_of(*chain);
    uint32_t top = rmap->slot_count - 1;

    if (!head || head->next || head->first != top)
        return;
    *chain = head->entry[top];
    block_free(machine, head);
}

static uint64_t
pte_chain_bytes(const struct machine *machine)
{
    const struct slab_cache *cache = &machine->slabs[SLAB_PTE_CHAIN];

    return cache->live_count * cache->object_bytes;
}

const struct rmap_ops rmap_pte_chain = {
    .name = "pte-chain",
    .create = pte_chain_create,
    .destroy = pte_chain_destroy,
    .add_run = pte_chain_add_run,
    .remove_run = pte_chain_remove_run,
    .moved = pte_chain_moved,
    .walk = pte_chain_walk,
    .referenced = pte_chain_referenced,
    .bytes = pte_chain_bytes,
    .update_charge = CHARGE_rmap_chain_update,
    .chains_file_pages = true,
};
