/*
 * What breaks a run of a recording by faults, in the order of validity_watch():
 *
 *   reclaim took a mapped page
 *   reclaim took a page of a range that madvise free gave up: the recorded
 *     program may have written it again without a fault
 *   a purge took at once what a madvise free of the recorded run left
 *   the zero page is mapped where the recorded run had a page that can be
 *     written
 *   a fault maps one page of a file where the recorded kernel mapped 16
 *   a process was killed for lack of memory
 */
#include "sim/validity.h"

#include "mm/machine.h"
#include "traces/trace_rewrite.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Fault-around came with 3.15. */
static bool
maps_around(const char *release)
{
    char *end;
    unsigned long major = strtoul(release, &end, 10);
    unsigned long minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;

    return major > 3 || (major == 3 && minor >= 15);
}

void
validity_init(struct validity *validity, const struct trace *trace)
{
    bool has_faults = trace->touches == TRACE_TOUCHES_FAULTS;

    *validity = (struct validity){
        .is_watched = has_faults,
        .is_selection = trace->touches == TRACE_TOUCHES_FILTERED,
        .keeps_freed =
            trace->rewrite && strstr(trace->rewrite, TRACE_REWROTE_FREE),
        .has_around = has_faults && maps_around(trace->touches_kernel),
    };
}

void
validity_finish(struct validity *validity)
{
    g_free(validity->text);
}

/* The recorded result of the event's first page is this. */
static bool
was_recorded(const struct trace *window, const struct trace_event *event,
             enum trace_outcome outcome)
{
    if (event->result == TRACE_NONE)
        return false;
    const struct trace_result *result =
        &g_array_index(window->results, struct trace_result, event->result);
    return result->kind == TRACE_RESULT_TOUCH && result->run_count > 0 &&
           g_array_index(window->runs, struct trace_run, result->run_first)
                   .outcome == outcome;
}

static const char *
find_reason(const struct validity *validity, const struct machine *machine,
            const struct trace *window, const struct trace_event *event)
{
    const struct mm_counters *now = &machine->counters;
    const struct mm_counters *before = &validity->before;
    uint64_t lazy = now->purge_lazy_pages - before->purge_lazy_pages;
    uint64_t discarded =
        now->purge_discarded_pages - before->purge_discarded_pages;

    if (machine->reclaimed_mapped_count > 0)
        return "reclaim took a mapped page";
    if (validity->keeps_freed && lazy > 0)
        return "reclaim took a page that the recorded run may have written "
               "again";
    if (validity->keeps_freed && event->op == TRACE_OP_PURGE &&
        discarded > lazy)
        return "a purge took pages that the recorded run kept";
    if (now->fault_zero_map_count > before->fault_zero_map_count &&
        was_recorded(window, event, TRACE_OUTCOME_FRESH))
        return "the zero page is mapped where the recorded run had a page of "
               "its own";
    if (validity->has_around && machine->kernel.fault_around_pages < 2 &&
        event->op != TRACE_OP_WRITE &&
        now->fault_file_count > before->fault_file_count)
        return "one page of a file is mapped where the recorded kernel mapped "
               "those around it, too";
    if (now->oom_kill_count > 0)
        return "a process was killed for lack of memory";
    return NULL;
}

void
validity_watch(struct validity *validity, const struct machine *machine,
               const struct trace *window, const struct trace_event *event,
               uint64_t number)
{
    validity->reason = find_reason(validity, machine, window, event);
    if (validity->reason) {
        GString *text = g_string_new(NULL);
        trace_format_event(window, event, text);
        validity->event = number + 1;
        validity->text = g_string_free(text, FALSE);
        validity->is_watched = false;
        return;
    }
    validity->keeps_freed |=
        event->op == TRACE_OP_MADVISE && event->advice == TRACE_ADVICE_FREE;
    validity->before = machine->counters;
}

char *
validity_reason(const struct validity *validity)
{
    if (validity->is_selection)
        return g_strdup("the trace holds a selection of the touches");
    if (!validity->reason)
        return NULL;
    return g_strdup_printf("event %" PRIu64 " (%s): %s", validity->event,
                           validity->text, validity->reason);
}
