/*
 * buddyinfo, zoneinfo, vmstat and slabinfo.
 */
#include "mm/machine.h"
#include "sim/dump_private.h"

#include <inttypes.h>

/* Free blocks of every order, memory that was never used included: it stands
 * for the maximal aligned blocks that it would be cut into. */
static void
count_blocks(const struct machine *machine, const struct zone *zone,
             uint64_t blocks[ORDER_COUNT_MAX])
{
    unsigned highest = machine->kernel.order_count - 1;
    uint64_t pfn = zone->virgin;

    for (unsigned order = 0; order < ORDER_COUNT_MAX; order++)
        blocks[order] = zone->free_area[order].count;
    while (pfn < zone->end) {
        unsigned order = 0;
        while (order < highest && !(pfn >> order & 1) &&
               pfn + (UINT64_C(2) << order) <= zone->end)
            order++;
        uint64_t count = 1;
        if (order == highest)
            count = (zone->end - pfn) >> highest;
        blocks[order] += count;
        pfn += count << order;
    }
}

void
dump_buddyinfo(GString *out, const struct machine *machine)
{
    for (unsigned i = 0; i < machine->zone_count; i++) {
        const struct zone *zone = &machine->zones[i];
        uint64_t blocks[ORDER_COUNT_MAX];
        count_blocks(machine, zone, blocks);
        g_string_append_printf(out, "Node 0, zone %8s ", zone->name);
        for (unsigned order = 0; order < machine->kernel.order_count; order++)
            g_string_append_printf(out, "%6" PRIu64 " ", blocks[order]);
        g_string_append_c(out, '\n');
    }
}

static void
append_pagesets(GString *out, const struct machine *machine,
                const struct zone *zone)
{
    g_string_append(out, "  pagesets\n");
    for (unsigned cpu = 0; cpu < machine->config.cpu_count; cpu++)
        g_string_append_printf(out,
                               "    cpu: %u\n"
                               "              count:    %" PRIu32 "\n"
                               "              high:     %" PRIu32 "\n"
                               "              batch:    %" PRIu32 "\n",
                               cpu, zone->pcp ? zone->pcp[cpu].page_count : 0,
                               zone->pcp_high, zone->pcp_batch);
}

/* The lines of what is simulated, as they stand there. */
void
dump_zoneinfo(GString *out, const struct machine *machine)
{
    for (unsigned i = 0; i < machine->zone_count; i++) {
        const struct zone *zone = &machine->zones[i];
        g_string_append_printf(out,
                               "Node 0, zone %8s\n"
                               "  pages free     %" PRIu64 "\n"
                               "        min      %" PRIu64 "\n"
                               "        low      %" PRIu64 "\n"
                               "        high     %" PRIu64 "\n"
                               "        spanned  %" PRIu32 "\n"
                               "        present  %" PRIu64 "\n"
                               "        managed  %" PRIu64 "\n"
                               "        protection: (",
                               zone->name, zone->free_pages,
                               zone->watermark_min, zone->watermark_low,
                               zone->watermark_high, zone->end - zone->start,
                               zone->present_pages, zone->managed_pages);
        for (unsigned j = 0; j < machine->zone_count; j++)
            g_string_append_printf(out, "%s%" PRIu64, j > 0 ? ", " : "",
                                   zone->lowmem_reserve[j]);
        g_string_append_printf(out, ")\n      nr_free_pages %" PRIu64 "\n",
                               zone->free_pages);
        append_pagesets(out, machine, zone);
        g_string_append_printf(out, "  start_pfn:           %" PRIu32 "\n",
                               zone->start);
    }
}

void
dump_vmstat(GString *out, const struct machine *machine)
{
    const struct mm_counters *counters = &machine->counters;
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"nr_free_pages", bytes_to_pages(machine->gauge[GAUGE_free_bytes])},
        {"nr_anon_pages", bytes_to_pages(machine->gauge[GAUGE_anon_bytes])},
        {"nr_file_pages", bytes_to_pages(machine->gauge[GAUGE_file_bytes])},
        {"nr_slab_reclaimable", 0},
        {"nr_slab_unreclaimable",
         bytes_to_pages(machine->gauge[GAUGE_slab_bytes])},
        {"nr_page_table_pages",
         bytes_to_pages(machine->gauge[GAUGE_pagetable_bytes])},
        {"pgalloc", counters->page_alloc_count},
        {"pgfree", counters->page_free_count},
        {"pgfault", counters->fault_count + counters->populate_fault_count +
                        counters->fault_spurious_count},
        {"pgmajfault", counters->fault_major_count},
        {"pgscan", counters->reclaim_scanned_pages},
        {"pgsteal", counters->reclaim_freed_pages},
        {"pglazyfreed", counters->purge_lazy_pages},
        {"pswpin", counters->swap_in_pages},
        {"pswpout", counters->swap_out_pages},
        {"oom_kill", counters->oom_kill_count},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        g_string_append_printf(out, "%s %" PRIu64 "\n", rows[i].name,
                               rows[i].value);
}

void
dump_slabinfo(GString *out, const struct machine *machine)
{
    static const char *const names[SLAB_KIND_COUNT] = {
        [SLAB_VMA] = "vm_area_struct",
        [SLAB_ANON_VMA] = "anon_vma",
        [SLAB_ANON_VMA_CHAIN] = "anon_vma_chain",
        [SLAB_PTE_CHAIN] = "pte_chain",
        [SLAB_MM] = "mm_struct",
        [SLAB_TASK] = "task_struct",
        [SLAB_PGD] = "pgd",
        [SLAB_VRANGE] = "vrange",
        [SLAB_MAPLE_NODE] = "maple_node",
    };

    g_string_append(out, "slabinfo - version: 2.1\n"
                         "# name            <active_objs> <num_objs> <objsize> "
                         "<objperslab> <pagesperslab>"
                         " : tunables <limit> <batchcount> <sharedfactor>"
                         " : slabdata <active_slabs> <num_slabs> "
                         "<sharedavail>\n");
    for (size_t i = 0; i < SLAB_KIND_COUNT; i++) {
        const struct slab_cache *cache = &machine->slabs[i];
        uint64_t slabs = slab_count(cache);
        g_string_append_printf(
            out,
            "%-17s %6" PRIu64 " %6" PRIu64 " %6" PRIu32 " %4" PRIu32 " %4u"
            " : tunables %4u %4u %4u"
            " : slabdata %6" PRIu64 " %6" PRIu64 " %6u\n",
            names[i], cache->live_count, slabs * cache->object_count_max,
            cache->object_bytes, cache->object_count_max, 1u << cache->order, 0,
            0, 0, slabs, slabs, 0);
    }
}
