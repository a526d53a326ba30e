/*
 * The importer of perf's recordings writes "# recorded: NAME=NUMBER..." from
 * the page allocations and faults that it saw, whatever they served.  What each
 * name counts is told in traces/examples/README.md.
 */
#include "sim/check_totals.h"

#include "mm/machine.h"

#include <string.h>

#define RECORDED "# recorded:"

static json_t *
recorded_total(const struct trace *trace, const char *name)
{
    g_autofree char *key = g_strdup_printf(" %s=", name);

    for (guint i = 0; i < trace->comments->len; i++) {
        const char *comment = trace->comments->pdata[i];
        const char *found = strstr(comment, key);
        if (!g_str_has_prefix(comment, RECORDED) || !found)
            continue;
        uint64_t total = g_ascii_strtoull(found + strlen(key), NULL, 10);
        return json_integer((json_int_t)total);
    }
    return json_null();
}

json_t *
check_totals(const struct trace *trace, const struct machine *machine)
{
    const struct mm_counters *now = &machine->counters;
    const struct {
        const char *name;
        uint64_t found;
    } totals[] = {
        {"faults", now->fault_count},
        {"clears", now->clear_page_count - now->clear_page_shmem_count},
        {"shmem_clears", now->clear_page_shmem_count},
        {"copies", now->copy_page_count},
        {"file_faults", now->fault_file_count},
        {"pagetable_pages", now->pagetable_alloc_count},
    };
    json_t *object = json_object();

    for (size_t i = 0; i < G_N_ELEMENTS(totals); i++)
        json_object_set_new(object, totals[i].name,
                            json_pack("{s:o, s:I}", "recorded",
                                      recorded_total(trace, totals[i].name),
                                      "found", (json_int_t)totals[i].found));
    return object;
}
