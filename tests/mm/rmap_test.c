/*
 * Goal: every reverse-map scheme finds every PTE of every page, whatever the
 * address spaces went through, at the price in bytes and visits that its
 * kernel pays.
 *
 * Method: the contract tests run over all schemes and fork forms and compare
 * each walk with a brute-force scan of all page tables; the others pin the
 * numbers of one scheme.
 */
#include "tests/mm/world.h"
#include "tests/run_suite.h"

#include <check.h>
#include <stdlib.h>

#define MIB  (UINT64_C(1) << 20)
#define BASE UINT64_C(0x10000000)

static const enum anon_fork_form fork_forms[] = {
    ANON_FORK_INHERIT,
    ANON_FORK_CLONE,
    ANON_FORK_DEGREE,
    ANON_FORK_NUM_CHILDREN,
};
#define FORM_COUNT   4
#define SCHEME_COUNT 3
#define CASE_COUNT   (FORM_COUNT * SCHEME_COUNT)

static struct machine *
machine_of_case(int i)
{
    struct machine_config config =
        world_config(rmap_schemes[i / FORM_COUNT], fork_forms[i % FORM_COUNT]);

    return machine_create(&config);
}

static struct machine *
machine_of(const struct rmap_ops *rmap)
{
    struct machine_config config = world_config(rmap, ANON_FORK_CLONE);

    return machine_create(&config);
}

/* splitmix64 */
static uint64_t
next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint32_t
random_below(uint64_t *state, uint32_t bound)
{
    return (uint32_t)(next_random(state) % bound);
}

/* Entries found by a walk, and what their order-free fingerprint is. */
struct found {
    uint32_t count;
    uint64_t sum;
};

static uint64_t
fingerprint(const struct leaf *leaf, uint32_t index)
{
    uint64_t state = (uint64_t)leaf->id << 10 | index;

    return next_random(&state);
}

static bool
note_entry(struct leaf *leaf, uint32_t index, void *data)
{
    struct found *found = data;

    found->count++;
    found->sum += fingerprint(leaf, index);
    return true;
}

static struct found
walk_page(struct machine *machine, struct page *page)
{
    struct found found = {0};

    rmap_walk(machine, page, note_entry, &found);
    return found;
}

/* What all page tables say, by pfn. */
static struct found *
scan_leaves(struct machine *machine)
{
    struct found *found = g_new0(struct found, machine->ram_pages);

    for (uint32_t id = 0; id < machine->leaves->len; id++) {
        struct leaf *leaf = g_ptr_array_index(machine->leaves, id);

        for (uint32_t i = 0; leaf && i < leaf_entries(machine->arch); i++)
            if ((leaf->pte[i] & (PTE_PRESENT | PTE_ZERO)) == PTE_PRESENT)
                note_entry(leaf, i, &found[pte_pfn(leaf->pte[i]).v]);
    }
    return found;
}

static void
expect_walks_equal_scan(struct machine *machine)
{
    g_autofree struct found *expected = scan_leaves(machine);

    for (uint32_t pfn = 0; pfn < machine->ram_pages; pfn++) {
        struct page *page = &machine->pages[pfn];

        if (expected[pfn].count == 0)
            continue;
        struct found found = walk_page(machine, page);
        ck_assert_uint_eq(page->map_count, expected[pfn].count);
        ck_assert_uint_eq(found.count, expected[pfn].count);
        ck_assert_uint_eq(found.sum, expected[pfn].sum);
    }
    anon_validate(machine);
    rmap_validate(machine);
}

static struct mm *
random_mm(struct machine *machine, uint64_t *random)
{
    uint32_t count = 0;
    struct mm *mm;

    for (mm = machine->mms; mm; mm = mm->next)
        count++;
    uint32_t skip = random_below(random, count);
    for (mm = machine->mms; skip > 0; skip--)
        mm = mm->next;
    return mm;
}

static struct vma *
random_vma(struct mm *mm, uint64_t *random)
{
    struct vma *vma = mm->first;

    for (uint32_t skip = random_below(random, mm->map_count); skip > 0; skip--)
        vma = vma->next;
    return vma;
}

/* A write by the VMA's process: fresh, or a copy of what it shares. */
static void
write_page(struct vma *vma, uint64_t addr)
{
    if (world_pte(vma->mm, addr))
        world_unmap(vma->mm, addr);
    world_fault(vma, addr);
}

static void
random_change(struct machine *machine, uint64_t *random)
{
    struct mm *mm = random_mm(machine, random);
    struct vma *vma = random_vma(mm, random);
    uint32_t pages = (uint32_t)vma_pages(vma);
    uint64_t addr = vma->start + pages_to_bytes(random_below(random, pages));
    uint64_t hole = 256 * MIB + next_random(random) % 256 * 2 * MIB;

    switch (random_below(random, 32)) {
    case 0:
        if (machine->mms != machine->mms_last && mm != machine->mms)
            world_exit(mm);
        break;
    case 1:
    case 2:
        world_fork(mm);
        break;
    case 3:
        if (addr > vma->start)
            world_split(vma, addr);
        break;
    case 4:
    case 5:
        hole += next_random(random) % 256 * PAGE_BYTES;
        if (!vma_intersect(mm, hole, hole + (vma->end - vma->start)))
            world_move(vma, hole);
        break;
    case 6:
    case 7:
    case 8:
        if (world_pte(mm, addr))
            world_unmap(mm, addr);
        break;
    default:
        write_page(vma, addr);
        break;
    }
}

START_TEST(walks_find_every_mapping_after_random_changes)
{
    struct machine *machine = machine_of_case(_i);
    struct mm *mm = mm_create(machine);
    uint64_t random = 12 + (uint64_t)_i;

    world_vma(mm, BASE, 96);
    world_vma(mm, BASE + MIB, 64);
    world_vma(mm, BASE + 4 * MIB - 8 * PAGE_BYTES, 16);
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < 50; i++)
            random_change(machine, &random);
        expect_walks_equal_scan(machine);
        while (machine->mms_last->id > machine->mms->id + 12)
            world_exit(machine->mms_last);
    }
    while (machine->mms)
        world_exit(machine->mms);
    ck_assert_uint_eq(machine->gauge[GAUGE_rmap_bytes], 0);
    ck_assert_uint_gt(machine->peak[GAUGE_rmap_bytes], 0);
    world_destroy(machine);
}
END_TEST

static bool
stop_at_first(struct leaf *leaf, uint32_t index, void *data)
{
    note_entry(leaf, index, data);
    return false;
}

START_TEST(a_visitor_can_stop_a_walk)
{
    struct machine *machine = machine_of_case(_i);
    struct mm *mm = mm_create(machine);
    struct page *page = world_fault(world_vma(mm, BASE, 1), BASE);
    struct found found = {0};

    for (int i = 0; i < 9; i++)
        world_fork(mm);
    rmap_walk(machine, page, stop_at_first, &found);
    ck_assert_uint_eq(found.count, 1);
    ck_assert_uint_eq(machine->counters.rmap_walk_count, 1);
    ck_assert_uint_eq(machine->counters.rmap_visit_count, 1);
    world_destroy(machine);
}
END_TEST

/* Unmaps what it sees, except every third entry. */
struct unmapper {
    struct machine *machine;
    uint32_t seen_count;
};

static bool
unmap_entry(struct leaf *leaf, uint32_t index, void *data)
{
    struct unmapper *unmapper = data;

    if (unmapper->seen_count++ % 3 != 2) {
        rmap_remove_run(unmapper->machine, leaf, index, 1);
        leaf->pte[index] = PTE_NONE;
        leaf->used_count--;
    }
    return true;
}

START_TEST(a_visitor_may_remove_the_entry_it_sees)
{
    struct machine *machine = machine_of_case(_i);
    struct mm *mm = mm_create(machine);
    struct page *page = world_fault(world_vma(mm, BASE, 1), BASE);
    struct unmapper unmapper = {machine, 0};

    for (int i = 0; i < 20; i++)
        world_fork(mm);
    rmap_walk(machine, page, unmap_entry, &unmapper);
    ck_assert_uint_eq(unmapper.seen_count, 21);
    ck_assert_uint_eq(page->map_count, 7);
    expect_walks_equal_scan(machine);
    world_destroy(machine);
}
END_TEST

START_TEST(file_pages_are_found_through_shared_and_nonlinear_vmas)
{
    struct machine *machine = machine_of_case(_i);
    struct mm *mm = mm_create(machine);
    struct file *file = file_create(machine, MIB, false, true);
    struct vma *low = world_file_vma(mm, file, BASE, 16, 0);
    struct vma *high = world_file_vma(mm, file, BASE + MIB, 16, 8);
    struct vma *swept = world_file_vma(mm, file, BASE + 2 * MIB, 16, 0);
    pfn_t pfn = page_alloc(machine, 0, PAGE_FILE, 0);
    struct page *page = page_of(machine, pfn);

    page->map_count = 0;
    page->home = file->id;
    page->index = 10;
    swept->flags |= VM_NONLINEAR;
    world_map(low, low->start + 10 * PAGE_BYTES, pfn, PTE_FILE);
    world_map(high, high->start + 2 * PAGE_BYTES, pfn, PTE_FILE);
    world_map(swept, swept->start + 15 * PAGE_BYTES, pfn,
              PTE_FILE | PTE_NONLINEAR);
    world_fork(mm);
    ck_assert_uint_eq(page->map_count, 6);
    ck_assert_uint_eq(file->vma_count, 6);
    expect_walks_equal_scan(machine);
    if (rmap_schemes[_i / FORM_COUNT] == &rmap_pte_chain)
        ck_assert_uint_eq(machine->counters.rmap_visit_count, 6);
    world_exit(machine->mms_last);
    ck_assert_uint_eq(page->map_count, 3);
    expect_walks_equal_scan(machine);
    world_exit(machine->mms_last);
    ck_assert_uint_eq(page->map_count, 0);
    ck_assert_uint_eq(file->vma_count, 0);
    ck_assert_ptr_null(file->i_mmap);
    world_destroy(machine);
}
END_TEST

/* Visits of a walk for a page of a file with four VMAs, two of which cover the
 * page and one has it mapped. */
static uint64_t
file_walk_visits(uint32_t version)
{
    struct machine_config config =
        world_config(&rmap_anon_vma, ANON_FORK_INHERIT);
    config.kernel.version = version;
    struct machine *machine = machine_create(&config);
    struct mm *mm = mm_create(machine);
    struct file *file = file_create(machine, MIB, false, true);
    struct vma *vma = world_file_vma(mm, file, BASE, 8, 0);
    pfn_t pfn = page_alloc(machine, 0, PAGE_FILE, 0);
    struct page *page = page_of(machine, pfn);

    page->map_count = 0;
    page->home = file->id;
    page->index = 3;
    world_map(vma, vma->start + 3 * PAGE_BYTES, pfn, PTE_FILE);
    for (uint64_t i = 1; i <= 3; i++)  // pages 0..7, 4..11, 8..15
        world_file_vma(mm, file, BASE + i * MIB, 8, (i - 1) * 4);
    walk_page(machine, page);
    uint64_t visits = machine->counters.rmap_visit_count;
    ck_assert_uint_eq(machine->counters.rmap_miss_count, visits - 1);
    ck_assert_uint_eq(machine->charges[CHARGE_rmap_walk_step], visits);
    world_destroy(machine);
    return visits;
}

START_TEST(file_walks_of_2_6_7_skip_vmas_that_do_not_cover_the_page)
{
    ck_assert_uint_eq(file_walk_visits(2006005), 4);
    ck_assert_uint_eq(file_walk_visits(2006007), 2);
}
END_TEST

/* pte-chain: a page that n VMAs of one address space could map; here the
 * entries of one leaf stand for them. */
struct chained {
    struct machine *machine;
    struct vma *vma;
    pfn_t pfn;
    uint32_t count;
};

static struct chained
chained_create(const struct arch *arch, bool highpte, uint32_t line_bytes)
{
    struct machine_config config =
        world_config(&rmap_pte_chain, ANON_FORK_INHERIT);
    config.arch = arch;
    config.highpte = highpte;
    config.l1_line_bytes = line_bytes;
    struct machine *machine = machine_create(&config);
    struct vma *vma = world_vma(mm_create(machine), BASE, 512);
    struct chained chained = {.machine = machine, .vma = vma};

    chained.pfn = page_alloc(machine, 0, PAGE_ANON, 0);
    page_of(machine, chained.pfn)->map_count = 0;
    return chained;
}

static void
chained_add_until(struct chained *chained, uint32_t count)
{
    for (; chained->count < count; chained->count++)
        ck_assert(world_map(chained->vma, BASE + pages_to_bytes(chained->count),
                            chained->pfn, 0));
}

/* Remove the nth that was added. */
static void
chained_remove(struct chained *chained, uint32_t nth)
{
    world_unmap(chained->vma->mm, BASE + pages_to_bytes(nth));
}

static uint64_t
blocks_of(const struct machine *machine)
{
    return machine->gauge[GAUGE_rmap_bytes] / machine->config.l1_line_bytes;
}

static void
chained_destroy(struct chained *chained)
{
    anon_prepare(chained->vma);  // so that the homes are in order
    world_destroy(chained->machine);
}

START_TEST(pte_chain_blocks_follow_the_number_of_mappings)
{
    static const uint32_t counts[][2] = {{1, 0}, {2, 1},  {7, 1},
                                         {8, 2}, {14, 2}, {15, 3}};
    struct chained chained = chained_create(&arch_i386, false, 32);

    for (size_t i = 0; i < G_N_ELEMENTS(counts); i++) {
        chained_add_until(&chained, counts[i][0]);
        ck_assert_uint_eq(blocks_of(chained.machine), counts[i][1]);
    }
    chained_destroy(&chained);
}
END_TEST

START_TEST(pte_chain_blocks_hold_what_fits_a_cache_line)
{
    static const struct {
        const struct arch *arch;
        bool highpte;
        uint32_t line_bytes, slots;
    } lines[] = {
        {&arch_i386, false, 32, 7},      {&arch_i386, false, 64, 15},
        {&arch_i386, true, 128, 31},     {&arch_i386_pae, false, 128, 31},
        {&arch_i386_pae, true, 32, 3},   {&arch_i386_pae, true, 64, 7},
        {&arch_i386_pae, true, 128, 15}, {&arch_x86_64, false, 64, 7},
        {&arch_x86_64, false, 128, 15},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        struct chained chained = chained_create(lines[i].arch, lines[i].highpte,
                                                lines[i].line_bytes);

        chained_add_until(&chained, lines[i].slots);
        ck_assert_uint_eq(blocks_of(chained.machine), 1);
        chained_add_until(&chained, lines[i].slots + 1);
        ck_assert_uint_eq(blocks_of(chained.machine), 2);
        chained_destroy(&chained);
    }
}
END_TEST

START_TEST(removing_the_first_added_of_eight_empties_the_head)
{
    struct chained chained = chained_create(&arch_i386, false, 32);
    struct mm_counters *counters = &chained.machine->counters;

    chained_add_until(&chained, 8);
    chained_remove(&chained, 0);
    ck_assert_uint_eq(blocks_of(chained.machine), 1);
    ck_assert_uint_eq(counters->rmap_visit_count, 1 + 7);
    ck_assert_uint_eq(
        walk_page(chained.machine, page_of(chained.machine, chained.pfn)).count,
        7);

    /* The eighth now is where the first was: the block's top slot. */
    counters->rmap_visit_count = 0;
    chained_remove(&chained, 7);
    ck_assert_uint_eq(counters->rmap_visit_count, 7);
    ck_assert_uint_eq(counters->rmap_miss_count, 0);
    chained_destroy(&chained);
}
END_TEST

/* Which of `left` remaining mappings goes next, by the test's order. */
static uint32_t
pick(int order, uint32_t left, uint64_t *random)
{
    switch (order) {
    case 0:
        return 0;
    case 1:
        return left - 1;
    default:
        return random_below(random, left);
    }
}

START_TEST(pte_chain_stays_compact_in_every_order_of_removal)
{
    struct chained chained = chained_create(&arch_x86_64, false, 64);
    uint64_t random = 3;
    uint32_t left[32];

    chained_add_until(&chained, 32);
    for (uint32_t i = 0; i < 32; i++)
        left[i] = i;
    for (uint32_t count = 32; count > 0; count--) {
        uint32_t at = pick(_i, count, &random);

        ck_assert_uint_eq(blocks_of(chained.machine), (count + 6) / 7);
        chained_remove(&chained, left[at]);
        for (uint32_t i = at; i + 1 < count; i++)
            left[i] = left[i + 1];
    }
    ck_assert_uint_eq(blocks_of(chained.machine), 0);
    world_destroy(chained.machine);
}
END_TEST

START_TEST(a_chain_of_one_collapses_in_page_referenced_alone)
{
    struct chained chained = chained_create(&arch_i386, false, 32);
    struct machine *machine = chained.machine;
    struct page *page = page_of(machine, chained.pfn);
    struct found found = {0};

    chained_add_until(&chained, 8);  // a head of one, but not alone
    rmap_walk_referenced(machine, page, note_entry, &found);
    ck_assert_uint_eq(blocks_of(machine), 2);
    for (uint32_t nth = 7; nth >= 2; nth--)
        chained_remove(&chained, nth);
    rmap_walk_referenced(machine, page, note_entry, &found);
    ck_assert_uint_eq(blocks_of(machine), 1);
    chained_remove(&chained, 0);
    ck_assert_uint_eq(blocks_of(machine), 1);
    walk_page(machine, page);
    ck_assert_uint_eq(blocks_of(machine), 1);
    rmap_walk_referenced(machine, page, note_entry, &found);
    ck_assert_uint_eq(found.count, 8 + 2 + 1);
    ck_assert_uint_eq(blocks_of(machine), 0);
    ck_assert_uint_eq(walk_page(machine, page).count, 1);
    chained_destroy(&chained);
}
END_TEST

START_TEST(pte_chain_moves_an_entry_without_memory)
{
    struct machine *machine = machine_of(&rmap_pte_chain);
    struct mm *mm = mm_create(machine);
    struct vma *vma = world_vma(mm, BASE, 1);

    world_fault(vma, BASE);
    for (int i = 0; i < 7; i++)
        world_fork(mm);
    struct vma *away = world_vma(mm, BASE + 4 * MIB, 1);
    world_fault(away, away->start);  // the table is there
    world_drop(away);
    ck_assert_uint_eq(blocks_of(machine), 2);

    GArray *hog = world_exhaust(machine);
    struct leaf *from = pagetable_leaf(mm, BASE);
    struct leaf *to = pagetable_leaf_alloc(mm, BASE + 4 * MIB);
    to->pte[0] = from->pte[leaf_index(&arch_x86_64, BASE)];
    uint64_t charged = machine->charges[CHARGE_rmap_chain_update];
    rmap_moved(machine, from, leaf_index(&arch_x86_64, BASE), to, 0);
    ck_assert_uint_eq(machine->charges[CHARGE_rmap_chain_update], charged + 2);
    from->pte[leaf_index(&arch_x86_64, BASE)] = PTE_NONE;
    ck_assert_uint_eq(blocks_of(machine), 2);
    struct found found =
        walk_page(machine, page_of(machine, pte_pfn(to->pte[0])));
    ck_assert_uint_eq(found.count, 8);

    rmap_remove_run(machine, to, 0, 1);
    to->pte[0] = PTE_NONE;
    from->used_count--;
    world_relieve(machine, hog);
    world_destroy(machine);
}
END_TEST

START_TEST(pte_chain_adds_what_memory_allows_and_counts_no_more)
{
    struct machine *machine = machine_of(&rmap_pte_chain);
    struct mm *mm = mm_create(machine), *other = mm_create(machine);
    struct vma *vma = world_vma(mm, BASE, 500);
    struct vma *copy = world_vma(other, BASE, 500);

    for (uint64_t addr = vma->start; addr < vma->end; addr += PAGE_BYTES)
        world_fault(vma, addr);
    ck_assert(anon_clone(copy, vma));
    struct leaf *from = pagetable_leaf(mm, BASE);
    struct leaf *to = pagetable_leaf_alloc(other, BASE);
    uint32_t first = leaf_index(&arch_x86_64, BASE);
    for (uint32_t i = 0; i < 500; i++)
        to->pte[first + i] = from->pte[first + i];

    ck_assert(world_map(world_vma(other, BASE + 8 * MIB, 1), BASE + 8 * MIB,
                        pte_pfn(from->pte[first]), 0));  // a slab with room
    uint64_t charged = machine->charges[CHARGE_rmap_chain_update];
    GArray *hog = world_exhaust(machine);
    uint32_t added = rmap_add_run(machine, copy, to, first, 500);
    ck_assert_uint_gt(added, 0);
    ck_assert_uint_lt(added, 500);
    ck_assert_uint_eq(machine->charges[CHARGE_rmap_chain_update],
                      charged + added);
    for (uint32_t i = added; i < 500; i++) {
        ck_assert_uint_eq(
            page_of(machine, pte_pfn(to->pte[first + i]))->map_count, 1);
        to->pte[first + i] = PTE_NONE;
    }
    to->used_count = added;
    world_unmap(other, BASE + 8 * MIB);
    expect_walks_equal_scan(machine);

    world_relieve(machine, hog);
    for (uint32_t i = added; i < 500; i++)
        to->pte[first + i] = from->pte[first + i];
    ck_assert_uint_eq(
        rmap_add_run(machine, copy, to, first + added, 500 - added),
        500 - added);
    to->used_count = 500;
    expect_walks_equal_scan(machine);
    world_destroy(machine);
}
END_TEST

/* Every process forks once, `levels` times. */
static struct machine *
fork_tree(const struct rmap_ops *rmap, enum anon_fork_form form,
          const struct arch *arch, uint64_t pages, int levels)
{
    struct machine_config config = world_config(rmap, form);
    config.arch = arch;
    struct machine *machine = machine_create(&config);
    struct vma *vma = world_vma(mm_create(machine), BASE, pages);

    for (uint64_t addr = vma->start; addr < vma->end; addr += PAGE_BYTES)
        world_fault(vma, addr);
    for (int level = 0; level < levels; level++) {
        struct mm *last = machine->mms_last;

        for (struct mm *mm = machine->mms;; mm = mm->next) {
            world_fork(mm);
            if (mm == last)
                break;
        }
    }
    return machine;
}

START_TEST(a_fork_tree_of_64_mib_has_five_blocks_per_page)
{
    struct machine *machine =
        fork_tree(&rmap_pte_chain, ANON_FORK_INHERIT, &arch_x86_64, 16384, 5);

    ck_assert_uint_eq(machine->gauge[GAUGE_rmap_bytes], 16384 * 5 * 64);
    ck_assert_uint_eq(machine->charges[CHARGE_rmap_chain_update], 16384 * 32);

    /* The oldest mappings are deepest in the chains. */
    for (int mappers = 31; mappers >= 2; mappers -= 7) {
        int exits = mappers == 31 ? 1 : 7;

        for (int i = 0; i < exits; i++)
            world_exit(machine->mms);
        ck_assert_uint_eq(machine->gauge[GAUGE_rmap_bytes],
                          16384 * (uint64_t)((mappers + 6) / 7) * 64);
    }
    world_destroy(machine);
}
END_TEST

START_TEST(a_fork_tree_has_one_anon_vma)
{
    struct machine *machine =
        fork_tree(&rmap_anon_vma, fork_forms[_i], &arch_x86_64, 64, 5);

    ck_assert_uint_eq(machine->gauge[GAUGE_rmap_bytes], 24);
    world_destroy(machine);

    machine = fork_tree(&rmap_anon_vma, fork_forms[_i], &arch_i386, 64, 5);
    ck_assert_uint_eq(machine->gauge[GAUGE_rmap_bytes], 12);
    world_destroy(machine);
}
END_TEST

START_TEST(a_childs_own_page_is_sought_in_all_siblings_only_by_anon_vma)
{
    struct machine *machine = machine_of(rmap_schemes[_i]);
    struct mm *mm = mm_create(machine);

    world_fault(world_vma(mm, BASE, 1), BASE);
    for (int i = 0; i < 100; i++)
        world_fork(mm);
    struct vma *youngest = machine->mms_last->first;
    world_unmap(youngest->mm, BASE);
    struct page *page = world_fault(youngest, BASE);
    machine->counters.rmap_visit_count = 0;

    ck_assert_uint_eq(walk_page(machine, page).count, 1);
    bool by_origin = rmap_schemes[_i] == &rmap_anon_vma;
    ck_assert_uint_eq(machine->counters.rmap_visit_count, by_origin ? 101 : 1);
    ck_assert_uint_eq(machine->counters.rmap_miss_count, by_origin ? 100 : 0);
    world_destroy(machine);
}
END_TEST

START_TEST(an_anon_vma_walk_ends_with_the_last_mapping)
{
    struct machine *machine = machine_of(&rmap_anon_vma);
    struct mm *mm = mm_create(machine);
    struct vma *vma = world_vma(mm, BASE, 2);

    world_fault(vma, BASE);
    for (int i = 0; i < 10; i++)
        world_fork(mm);
    struct page *late = world_fault(vma, BASE + PAGE_BYTES);  // parent's own
    walk_page(machine, late);
    ck_assert_uint_eq(machine->counters.rmap_visit_count, 1);
    world_destroy(machine);
}
END_TEST

START_TEST(the_zero_page_is_nobodys_mapping)
{
    struct machine *machine = machine_of_case(_i);
    struct mm *mm = mm_create(machine);
    struct vma *vma = world_vma(mm, BASE, 1);
    struct page *page = world_fault(vma, BASE);
    struct mm *child = world_fork(mm);
    struct leaf *leaf = pagetable_leaf(child, BASE);

    world_fork(mm);
    world_unmap(child, BASE);
    leaf->pte[leaf_index(&arch_x86_64, BASE)] =
        pte_make(pfn_of(machine, page), PTE_PRESENT | PTE_ZERO);
    expect_walks_equal_scan(machine);
    leaf->pte[leaf_index(&arch_x86_64, BASE)] = PTE_NONE;
    world_destroy(machine);
}
END_TEST

/* Visits of a walk for the third page of three VMA parts. */
static uint64_t
chain_walk_visits(uint32_t version)
{
    struct machine_config config =
        world_config(&rmap_anon_vma_chain, ANON_FORK_CLONE);
    config.kernel.version = version;
    struct machine *machine = machine_create(&config);
    struct vma *vma = world_vma(mm_create(machine), BASE, 3);

    world_fault(vma, BASE);
    struct page *page = world_fault(vma, BASE + 2 * PAGE_BYTES);
    world_split(world_split(vma, BASE + PAGE_BYTES), BASE + 2 * PAGE_BYTES);
    walk_page(machine, page);
    uint64_t visits = machine->counters.rmap_visit_count;
    world_destroy(machine);
    return visits;
}

START_TEST(anon_vma_chain_walks_of_3_7_skip_vmas_elsewhere)
{
    ck_assert_uint_eq(chain_walk_visits(2006038), 3);
    ck_assert_uint_eq(chain_walk_visits(3008000), 1);
}
END_TEST

START_TEST(anon_vma_chain_has_a_link_per_vma_and_family)
{
    struct machine *machine = machine_of(&rmap_anon_vma_chain);
    struct mm *mm = mm_create(machine);

    world_fault(world_vma(mm, BASE, 1), BASE);
    for (int i = 0; i < 1000; i++)
        world_fork(mm);
    ck_assert_uint_eq(machine->slabs[SLAB_ANON_VMA_CHAIN].live_count, 2001);
    ck_assert_uint_eq(machine->gauge[GAUGE_rmap_bytes], 2001 * 64 + 1001 * 24);
    world_destroy(machine);
}
END_TEST

static TCase *
contract_case(void)
{
    TCase *tcase = tcase_create("every scheme");

    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, walks_find_every_mapping_after_random_changes, 0,
                        CASE_COUNT);
    tcase_add_loop_test(tcase, a_visitor_can_stop_a_walk, 0, CASE_COUNT);
    tcase_add_loop_test(tcase, the_zero_page_is_nobodys_mapping, 0, CASE_COUNT);
    tcase_add_loop_test(tcase, a_visitor_may_remove_the_entry_it_sees, 0,
                        CASE_COUNT);
    tcase_add_loop_test(tcase,
                        file_pages_are_found_through_shared_and_nonlinear_vmas,
                        0, CASE_COUNT);
    tcase_add_loop_test(
        tcase, a_childs_own_page_is_sought_in_all_siblings_only_by_anon_vma, 0,
        SCHEME_COUNT);
    return tcase;
}

static TCase *
pte_chain_case(void)
{
    TCase *tcase = tcase_create("pte-chain");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, pte_chain_blocks_follow_the_number_of_mappings);
    tcase_add_test(tcase, pte_chain_blocks_hold_what_fits_a_cache_line);
    tcase_add_test(tcase, removing_the_first_added_of_eight_empties_the_head);
    tcase_add_loop_test(
        tcase, pte_chain_stays_compact_in_every_order_of_removal, 0, 3);
    tcase_add_test(tcase, a_chain_of_one_collapses_in_page_referenced_alone);
    tcase_add_test(tcase, pte_chain_moves_an_entry_without_memory);
    tcase_add_test(tcase, pte_chain_adds_what_memory_allows_and_counts_no_more);
    tcase_add_test(tcase, a_fork_tree_of_64_mib_has_five_blocks_per_page);
    return tcase;
}

static TCase *
object_case(void)
{
    TCase *tcase = tcase_create("object-based");

    tcase_add_test(tcase,
                   file_walks_of_2_6_7_skip_vmas_that_do_not_cover_the_page);
    tcase_add_loop_test(tcase, a_fork_tree_has_one_anon_vma, 0, FORM_COUNT);
    tcase_add_test(tcase, an_anon_vma_walk_ends_with_the_last_mapping);
    tcase_add_test(tcase, anon_vma_chain_walks_of_3_7_skip_vmas_elsewhere);
    tcase_add_test(tcase, anon_vma_chain_has_a_link_per_vma_and_family);
    return tcase;
}

int
main(void)
{
    Suite *suite = suite_create("rmap");

    suite_add_tcase(suite, contract_case());
    suite_add_tcase(suite, pte_chain_case());
    suite_add_tcase(suite, object_case());
    return run_suite(suite);
}
