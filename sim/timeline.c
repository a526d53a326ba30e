/*
 * Rows of the timeline.  Its columns are one table, so that the header and the
 * rows agree.
 */
#include "sim/timeline.h"

#include "mm/machine.h"
#include "sim/counters_list.h"
#include "sim/error.h"
#include "sim/numbers.h"

#include <string.h>

/* clang-format off */
#define GAUGE_COLUMN(name, meaning) #name,
static const char *const columns[] = {
    MM_GAUGES(GAUGE_COLUMN)
    "fault_count", "fault_major_count", "fault_segv_count", "clear_page_count",
    "clear_page_skipped_count", "copy_page_count", "purge_discarded_pages",
    "reclaim_freed_pages", "syscall_count", NULL};
/* clang-format on */

bool
timeline_parse(const char *text, struct timeline_spec *spec, GError **error)
{
    bool is_ms = g_str_has_suffix(text, "ms");
    g_autofree char *digits =
        g_strndup(text, strlen(text) - (is_ms ? strlen("ms") : 0));

    if (!parse_number(digits, &spec->every) || spec->every == 0 ||
        spec->every > UINT32_MAX)
        return sim_fail(error, SIM_ERROR_USAGE,
                        "expected a number of events or of milliseconds such "
                        "as 10ms for --timeline, found \"%s\"",
                        text);
    spec->is_ms = is_ms;
    return true;
}

json_t *
timeline_new(const struct timeline_spec *spec)
{
    json_t *names = json_array();

    json_array_append_new(names, json_string("event"));
    json_array_append_new(names, json_string("ns"));
    for (size_t i = 0; columns[i]; i++)
        json_array_append_new(names, json_string(columns[i]));
    return json_pack("{s:I, s:s, s:o, s:o}", "every", (json_int_t)spec->every,
                     "unit", spec->is_ms ? "ms" : "event", "columns", names,
                     "rows", json_array());
}

void
timeline_sample(json_t *timeline, const struct replay *replay)
{
    json_t *row = json_array();
    const struct machine *machine = replay->machine;

    json_array_append_new(row, json_integer((json_int_t)replay->next_event));
    json_array_append_new(row, json_integer((json_int_t)machine->now_ns));
    for (size_t i = 0; columns[i]; i++)
        json_array_append_new(
            row, json_integer((json_int_t)*counter_find(machine, columns[i])));
    json_array_append_new(json_object_get(timeline, "rows"), row);
}
