/*
 * Life of the simulated machine, and the gauges of where its frames are.
 *
 * Frame records are one flat reservation of address space: a record costs host
 * memory only once its frame was touched, so a terabyte machine starts as fast
 * as a small one and indexing needs no directory.
 */
#include "mm/machine.h"

#include "mm/aspace.h"
#include "mm/file.h"
#include "mm/host_memory.h"
#include "mm/lru.h"
#include "mm/maple.h"
#include "mm/page_alloc.h"
#include "mm/pieces.h"
#include "mm/reclaim.h"
#include "mm/rmap.h"
#include "mm/task.h"
#include "mm/unevictable.h"
#include "mm/vrange.h"

#include <string.h>

#define PAE_NX_VERSION 2006008

/* Where frames were used their records are written: not where a zone is still
 * virgin. */
static void
clear_page_records(struct machine *machine)
{
    for (unsigned i = 0; i < machine->zone_count; i++) {
        const struct zone *zone = &machine->zones[i];
        uint32_t first = zone->end - (uint32_t)zone->managed_pages;

        memset(&machine->pages[first], 0,
               (zone->virgin - first) * sizeof(struct page));
        memset(&machine->pages[zone->virgin_end], 0,
               (zone->end - zone->virgin_end) * sizeof(struct page));
    }
}

static void
get_host_memory(struct machine *machine)
{
    machine->host_memory = machine->config.host_memory
                               ? machine->config.host_memory
                               : host_memory_create();
    machine->pages = host_memory_get_records(
        machine->host_memory, machine->ram_pages * sizeof(struct page));
    machine->leaf_pieces =
        pieces_create(machine->host_memory, /* are_zeroed = */ true);
    machine->table_pieces =
        pieces_create(machine->host_memory, /* are_zeroed = */ true);
    machine->object_pieces =
        pieces_create(machine->host_memory, /* are_zeroed = */ false);
    machine->node_pieces =
        pieces_create(machine->host_memory, /* are_zeroed = */ false);
}

static void
end_host_memory(struct machine *machine)
{
    pieces_end(machine->leaf_pieces);
    pieces_end(machine->table_pieces);
    pieces_end(machine->object_pieces);
    pieces_end(machine->node_pieces);
}

static void
put_host_memory(struct machine *machine)
{
    bool is_shared = machine->config.host_memory;

    pieces_destroy(machine->leaf_pieces);
    pieces_destroy(machine->table_pieces);
    pieces_destroy(machine->object_pieces);
    pieces_destroy(machine->node_pieces);
    if (is_shared)
        clear_page_records(machine);
    else
        host_memory_destroy(machine->host_memory);
}

static uint64_t
reserved_pages_of(const struct machine *machine)
{
    uint64_t record_bytes = machine->ram_pages * machine->sizes.page;

    return bytes_to_pages(
        page_ceil(machine->config.kernel_image_bytes + record_bytes));
}

/* Objects that the preset's kernel did not have, but that a policy axis may
 * bring: the sizes of the first kernel that had them. */
static void
default_sizes(struct kernel_sizes *sizes, bool is_64bit)
{
    if (!sizes->anon_vma)
        sizes->anon_vma = is_64bit ? 24 : 12;
    if (!sizes->anon_vma_chain)
        sizes->anon_vma_chain = is_64bit ? 48 : 24;
}

/* Caches of the core; a reverse-map scheme sets up its own. */
static void
init_slabs(struct machine *machine)
{
    const struct kernel_sizes *sizes = &machine->sizes;

    slab_cache_init(&machine->slabs[SLAB_VMA], sizes->vma, sizeof(struct vma));
    slab_cache_init(&machine->slabs[SLAB_MM], sizes->mm, sizeof(struct mm));
    slab_cache_init(&machine->slabs[SLAB_TASK], sizes->task, 0);
    if (machine->arch->pgd_pages == 0)
        slab_cache_init(&machine->slabs[SLAB_PGD], machine->arch->pgd_bytes, 8);
    slab_cache_init(&machine->slabs[SLAB_VRANGE],
                    machine->arch->is_64bit ? 96 : 56, sizeof(struct vrange));
    slab_cache_init(&machine->slabs[SLAB_MAPLE_NODE], MAPLE_NODE_BYTES,
                    sizeof(struct maple_node));
}

/* x86-64 always; i386 needs the wide entries of PAE, and a kernel that uses
 * them for it. */
static bool
has_nx(const struct machine_config *config)
{
    return config->arch->is_64bit || (config->arch->level_count > 2 &&
                                      config->kernel.version >= PAE_NX_VERSION);
}

struct machine *
machine_create(const struct machine_config *config)
{
    struct machine *machine = g_new0(struct machine, 1);

    mm_assert(config->cpu_count >= 1 && config->cpu_count <= CPU_COUNT_MAX);
    machine->config = *config;
    machine->arch = config->arch;
    machine->kernel = config->kernel;
    machine->policy = config->policy;
    if (machine->policy.rmap->has_family_per_process &&
        machine->kernel.anon_fork == ANON_FORK_INHERIT)
        machine->kernel.anon_fork = ANON_FORK_CLONE;
    machine->sizes = config->arch->is_64bit ? config->kernel.sizes64
                                            : config->kernel.sizes32;
    default_sizes(&machine->sizes, config->arch->is_64bit);
    machine->has_nx = has_nx(config);
    machine->ram_pages = bytes_to_pages(config->ram_bytes);
    machine->reserved_pages = reserved_pages_of(machine);
    mm_assert(machine->reserved_pages < machine->ram_pages);
    get_host_memory(machine);
    zones_init(machine);

    uint64_t free_pages = machine->ram_pages - machine->reserved_pages;
    machine->gauge[GAUGE_free_bytes] = pages_to_bytes(free_pages);
    machine->peak[GAUGE_free_bytes] = machine->gauge[GAUGE_free_bytes];
    machine->peak_pending = true;

    machine->files = g_ptr_array_new();
    machine->leaves = g_ptr_array_new();
    machine->free_leaf_ids = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    machine->families = g_ptr_array_new();
    g_ptr_array_add(machine->families, NULL);
    machine->free_family_ids = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    machine->uids = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    machine->uid_codes = g_hash_table_new(NULL, NULL);
    init_slabs(machine);
    lru_init(machine);
    unevictable_init(machine);
    machine->rmap = machine->policy.rmap->create(machine);
    return machine;
}

static void
end_all_tasks(struct machine *machine)
{
    for (struct task *task = machine->tasks, *next; task; task = next) {
        next = task->next;
        if (task->mm)
            task_exit(task);
    }
}

void
machine_destroy(struct machine *machine)
{
    if (!machine)
        return;
    end_host_memory(machine);
    end_all_tasks(machine);
    for (uint32_t i = 0; i < machine->files->len; i++)
        if (machine->files->pdata[i])
            file_destroy(machine->files->pdata[i]);
    machine->policy.rmap->destroy(machine, machine->rmap);
    lru_finish(machine);
    unevictable_finish(machine);
    for (unsigned kind = 0; kind < SLAB_KIND_COUNT; kind++)
        if (machine->slabs[kind].object_bytes)
            slab_cache_finish(machine, (enum slab_kind)kind);
    zones_finish(machine);
    g_ptr_array_free(machine->files, TRUE);
    g_ptr_array_free(machine->leaves, TRUE);
    g_array_free(machine->free_leaf_ids, TRUE);
    g_ptr_array_free(machine->families, TRUE);
    g_array_free(machine->free_family_ids, TRUE);
    g_array_free(machine->uids, TRUE);
    g_hash_table_unref(machine->uid_codes);
    put_host_memory(machine);
    g_free(machine);
}

void
machine_run_daemons(struct machine *machine)
{
    if (machine->kswapd_wanted) {
        machine->kswapd_wanted = false;
        reclaim_kswapd(machine, 0);
    }
}

uint16_t
machine_holder_of(struct machine *machine, uint64_t uid)
{
    gpointer key = GSIZE_TO_POINTER(uid), code;

    if (g_hash_table_lookup_extended(machine->uid_codes, key, NULL, &code))
        return (uint16_t)GPOINTER_TO_UINT(code);

    /* 65533 different uids share what is left: nobody's. */
    if (machine->uids->len >= UINT16_MAX - HOLDER_FIRST_UID)
        return HOLDER_MIXED;
    code = GUINT_TO_POINTER(HOLDER_FIRST_UID + machine->uids->len);
    g_hash_table_insert(machine->uid_codes, key, code);
    g_array_append_val(machine->uids, uid);
    return (uint16_t)GPOINTER_TO_UINT(code);
}

enum mm_gauge
page_state_gauge(enum page_state state)
{
    static const uint8_t gauges[PAGE_STATE_COUNT] = {
        [PAGE_FREE] = GAUGE_COUNT,
        [PAGE_PCP] = GAUGE_COUNT,
        [PAGE_ANON] = GAUGE_anon_bytes,
        [PAGE_FILE] = GAUGE_file_bytes,
        [PAGE_PAGETABLE] = GAUGE_pagetable_bytes,
        [PAGE_SLAB] = GAUGE_slab_bytes,
        [PAGE_TASK] = GAUGE_task_bytes,
        [PAGE_HOG] = GAUGE_anon_bytes,
        [PAGE_RESERVED] = GAUGE_COUNT,
    };

    return (enum mm_gauge)gauges[state];
}

void
gauge_frames_taken(struct machine *machine, enum page_state state,
                   uint64_t pages)
{
    uint64_t bytes = pages_to_bytes(pages);

    gauge_sub(machine, GAUGE_free_bytes, bytes);
    gauge_add(machine, page_state_gauge(state), bytes);
    if (machine->gauge[GAUGE_free_bytes] < machine->peak[GAUGE_free_bytes]) {
        machine->peak[GAUGE_free_bytes] = machine->gauge[GAUGE_free_bytes];
        machine->peak_pending = true;
    }
}

/*
 * The snapshot of all gauges at the moment of most use is taken when use is
 * about to fall: once per peak instead of once per allocation.
 */
void
machine_settle_peak(struct machine *machine)
{
    if (!machine->peak_pending)
        return;
    machine->peak_pending = false;
    for (unsigned i = 0; i < GAUGE_COUNT; i++)
        machine->peak_total[i] = machine->gauge[i];
}

void
gauge_frames_given(struct machine *machine, enum page_state state,
                   uint64_t pages)
{
    uint64_t bytes = pages_to_bytes(pages);

    machine_settle_peak(machine);
    gauge_sub(machine, page_state_gauge(state), bytes);
    gauge_add(machine, GAUGE_free_bytes, bytes);
}
