/*
 * The machine of frames.h, and the parts that the allocator calls.
 */
#include "tests/mm/frames.h"

#include "mm/host_memory.h"
#include "mm/pieces.h"

const struct arch frames_arch_one_zone = {
    .name = "one-zone",
    .zones = {{.name = "Normal", .end_bytes = UINT64_MAX}},
    .zone_count = 1,
};

/* libcheck forks per test, so each test starts with an empty script. */
static struct frames_script script;

struct frames_script *
frames_script(void)
{
    return &script;
}

struct machine *
frames_create(const struct machine_config *config, uint64_t reserved_pages)
{
    struct machine *machine = g_new0(struct machine, 1);

    machine->config = *config;
    machine->arch = config->arch;
    machine->kernel = config->kernel;
    machine->ram_pages = bytes_to_pages(config->ram_bytes);
    machine->reserved_pages = reserved_pages;
    machine->host_memory = host_memory_create();
    machine->pages = host_memory_get_records(
        machine->host_memory, machine->ram_pages * sizeof(struct page));
    machine->object_pieces =
        pieces_create(machine->host_memory, /* are_zeroed = */ false);
    zones_init(machine);
    machine->gauge[GAUGE_free_bytes] =
        pages_to_bytes(machine->ram_pages - reserved_pages);
    return machine;
}

void
frames_destroy(struct machine *machine)
{
    zones_finish(machine);
    pieces_destroy(machine->object_pieces);
    host_memory_destroy(machine->host_memory);
    g_free(machine);
}

void
frames_validate(const struct machine *machine)
{
    uint64_t free_pages = 0;

    zone_validate(machine);
    slab_validate(machine);
    for (unsigned i = 0; i < machine->zone_count; i++) {
        const struct zone *zone = &machine->zones[i];
        free_pages += zone->free_pages;
        for (unsigned cpu = 0; zone->pcp && cpu < machine->config.cpu_count;
             cpu++)
            free_pages += zone->pcp[cpu].page_count;
    }
    mm_assert(machine->gauge[GAUGE_free_bytes] == pages_to_bytes(free_pages));
}

static enum mm_gauge
gauge_of(enum page_state state)
{
    return state == PAGE_SLAB ? GAUGE_slab_bytes : GAUGE_anon_bytes;
}

void
gauge_frames_taken(struct machine *machine, enum page_state state,
                   uint64_t pages)
{
    gauge_sub(machine, GAUGE_free_bytes, pages_to_bytes(pages));
    gauge_add(machine, gauge_of(state), pages_to_bytes(pages));
}

void
gauge_frames_given(struct machine *machine, enum page_state state,
                   uint64_t pages)
{
    gauge_sub(machine, gauge_of(state), pages_to_bytes(pages));
    gauge_add(machine, GAUGE_free_bytes, pages_to_bytes(pages));
}

void
reclaim_wake_kswapd(struct machine *machine)
{
    machine->kswapd_wanted = true;
    script.wake_count++;
}

uint64_t
reclaim_direct(struct machine *machine, unsigned cpu, enum page_state state,
               unsigned order)
{
    uint64_t freed = 0;
    (void)state;
    (void)order;

    script.reclaim_count++;
    while (freed < script.reclaim_cluster && script.reclaimable_count) {
        page_free(machine, cpu, script.reclaimable[--script.reclaimable_count],
                  0, 0);
        freed++;
    }
    return freed;
}

bool
oom_kill(struct machine *machine)
{
    if (script.victim_count == 0)
        return false;
    script.kill_count++;
    while (script.victim_count)
        page_free(machine, 0, script.victim[--script.victim_count], 0, 0);
    return true;
}
