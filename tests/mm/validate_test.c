/*
 * machine_validate() names what is broken.
 *
 * A machine in the middle of its work -- a forked process, files, lazily freed
 * and volatile pages -- is corrupted in one place, and the failure must name
 * the invariant that was broken.  Those of zones, slabs, VMAs and anon
 * identities are tested beside their modules.
 */
#include "eras.h"
#include "invariant.h"

#include "mm/file.h"
#include "mm/lru.h"
#include "mm/task.h"
#include "mm/unevictable.h"
#include "mm/vrange.h"
#include "tests/run_suite.h"

#include <check.h>
#include <signal.h>

#define PAGES(n) ((uint64_t)(n) << PAGE_SHIFT)

struct scene {
    struct machine *machine;
    struct task *parent, *child;
    uint64_t addr;  // 64 pages, written by the parent, shared with the child
    uint64_t file_addr;
    struct file *file;
};

static uint64_t
map_file(struct task *task, struct file *file)
{
    return (uint64_t)run_call(task->machine, task,
                              &(struct call){.kind = CALL_MMAP,
                                             .length = PAGES(16),
                                             .prot = VM_READ,
                                             .flags = MM_SHARED,
                                             .file = file});
}

static struct scene
scene_new(void)
{
    struct machine_config config = era_config(4, &arch_x86_64, 64 * MIB);
    struct scene scene = {.machine = machine_create(&config)};

    config.policy.purge = &purge_vrange_full;
    scene.parent = start_task(scene.machine, 1000);
    scene.addr = map_anon(scene.parent, PAGES(64));
    touch(scene.parent, TOUCH_WRITE, scene.addr, PAGES(64));
    scene.file = file_create(scene.machine, PAGES(16), false, false);
    scene.file_addr = map_file(scene.parent, scene.file);
    touch(scene.parent, TOUCH_READ, scene.file_addr, PAGES(16));
    memory_call(scene.parent, CALL_MLOCK, scene.addr, PAGES(2));
    vrange_call(scene.parent->mm, scene.addr, PAGES(4), true);
    vrange_call(scene.parent->mm, scene.addr + PAGES(8), PAGES(4), true);
    scene.child = fork_task(scene.parent, 1);
    touch(scene.child, TOUCH_WRITE, scene.addr, PAGES(40));
    machine_validate(scene.machine);
    return scene;
}

static struct leaf *
leaf_of(const struct scene *scene)
{
    return pagetable_leaf(scene->parent->mm, scene->addr);
}

static struct page *
page_at(const struct scene *scene, uint64_t addr)
{
    struct leaf *leaf = pagetable_leaf(scene->parent->mm, addr);
    pte_t pte = leaf->pte[leaf_index(&arch_x86_64, addr)];

    return page_of(scene->machine, pte_pfn(pte));
}

static struct page *
on_list(const struct scene *scene)
{
    return &scene->machine->pages[scene->machine->lru[LRU_ANON].head];
}

/* ---- corruptions ---- */

static void
a1(struct scene *scene)
{
    struct vma *last = scene->parent->mm->last;

    vma_tree_resize(last->mm, last, last->start, last->end + PAGE_BYTES);
}

static void
a2(struct scene *scene)
{
    scene->parent->mm->total_pages++;
}

static void
a3(struct scene *scene)
{
    scene->parent->mm->locked_pages--;
}

static void
a4(struct scene *scene)
{
    scene->parent->mm->accounted_pages++;
}

static void
f1(struct scene *scene)
{
    page_at(scene, scene->file_addr)->index++;
}

static void
f2(struct scene *scene)
{
    scene->file->cached_pages++;
}

static void
f3(struct scene *scene)
{
    scene->file->i_mmap = scene->file->i_mmap->file_next;
}

static void
l1(struct scene *scene)
{
    on_list(scene)->flags &= ~(uint32_t)PAGE_LRU;
}

static void
l2(struct scene *scene)
{
    on_list(scene)->flags |= PAGE_IN_BATCH;
}

static void
l3(struct scene *scene)
{
    scene->machine->lru[LRU_ANON].count++;
}

static void
t1(struct scene *scene)
{
    leaf_of(scene)->used_count++;
}

static void
t2(struct scene *scene)
{
    struct leaf *leaf = leaf_of(scene);

    for (uint32_t i = 0; i < leaf_entries(&arch_x86_64); i++) {
        uint64_t addr = leaf->base + PAGES(i);

        if (leaf->pte[i] == PTE_NONE &&
            !vma_intersect(scene->parent->mm, addr, addr + PAGE_BYTES)) {
            leaf->pte[i] = PTE_PRESENT | PTE_ZERO;
            leaf->used_count++;
            return;
        }
    }
}

static void
t3(struct scene *scene)
{
    struct pagetable *tables = &scene->parent->mm->pagetable;

    pagetable_leaf(scene->parent->mm, scene->addr);
    for (size_t i = 0; i <= tables->recent_mask; i++)
        tables->recent[i].first ^= 1;
}

static void
t4(struct scene *scene)
{
    scene->parent->mm->pagetable.page_count++;
}

static void
t5(struct scene *scene)
{
    struct page *page = page_of(scene->machine, leaf_of(scene)->pfn);

    page->flags = (page->flags & ~(uint32_t)PAGE_STATE_MASK) | PAGE_TASK;
}

static void
u1(struct scene *scene)
{
    page_at(scene, scene->addr)->flags &= ~(uint32_t)PAGE_MLOCKED;
}

static void
u2(struct scene *scene)
{
    struct page *page = page_at(scene, scene->addr);

    unevictable_mlock(scene->machine, 0, page);
    page->mlock_waits--;
}

static void
u3(struct scene *scene)
{
    scene->machine->mlocked_count++;
}

static void
r1(struct scene *scene)
{
    vrange_find(scene->parent->mm, scene->addr, scene->addr + 1)->end =
        scene->addr + PAGES(9);
}

static void
r2(struct scene *scene)
{
    scene->machine->vrange_lru_head = scene->machine->vrange_lru_head->lru_next;
}

/* A frame that says it is something else than what it is used as. */
static void
m1(struct scene *scene)
{
    gauge_add(scene->machine, GAUGE_task_bytes, PAGE_BYTES);
}

static void
m2(struct scene *scene)
{
    page_at(scene, scene->addr + PAGES(50))->map_count--;
}

/* The reverse map looks elsewhere. */
static void
m3(struct scene *scene)
{
    page_at(scene, scene->addr + PAGES(50))->index += 1000;
}

static void
m4(struct scene *scene)
{
    scene->child->mm->rss_pages[RSS_ANON]++;
}

static void
m5(struct scene *scene)
{
    gauge_sub(scene->machine, GAUGE_free_bytes, PAGE_BYTES);
}

static void
m6(struct scene *scene)
{
    struct machine *machine = scene->machine;

    while (machine->tasks)
        task_exit(machine->tasks);
    machine->committed_pages++;
}

static const struct {
    char *name;
    void (*corrupt)(struct scene *scene);
} corruptions[] = {
    {"A1: ", a1}, {"A2: ", a2}, {"A3: ", a3}, {"A4: ", a4}, {"F1: ", f1},
    {"F2: ", f2}, {"F3: ", f3}, {"L1: ", l1}, {"L2: ", l2}, {"L3: ", l3},
    {"T1: ", t1}, {"T2: ", t2}, {"T3: ", t3}, {"T4: ", t4}, {"T5: ", t5},
    {"R1: ", r1}, {"R2: ", r2}, {"M1: ", m1}, {"M2: ", m2}, {"M3: ", m3},
    {"M4: ", m4}, {"M5: ", m5}, {"M6: ", m6}, {"U1: ", u1}, {"U2: ", u2},
    {"U3: ", u3},
};

START_TEST(a_corruption_is_named)
{
    struct scene scene = scene_new();

    corruptions[_i].corrupt(&scene);
    expect_invariant(corruptions[_i].name);
    machine_validate(scene.machine);
}
END_TEST

START_TEST(a_validation_counts_nothing)
{
    struct scene scene = scene_new();
    struct mm_counters before = scene.machine->counters;

    machine_validate(scene.machine);
    ck_assert_mem_eq(&before, &scene.machine->counters, sizeof(before));
    machine_destroy(scene.machine);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("validate");
    TCase *broken = tcase_create("broken"), *whole = tcase_create("whole");

    tcase_add_loop_test_raise_signal(broken, a_corruption_is_named, SIGABRT, 0,
                                     G_N_ELEMENTS(corruptions));
    suite_add_tcase(suite, broken);
    tcase_add_test(whole, a_validation_counts_nothing);
    suite_add_tcase(suite, whole);
    return run_suite(suite);
}
