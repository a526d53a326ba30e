/*
 * Carrying a run out: the replay is stopped wherever a sample or a dump is
 * due.
 */
#include "sim/run.h"

#include "mm/machine.h"
#include "sim/check.h"
#include "sim/dump.h"
#include "sim/error.h"
#include "sim/output.h"
#include "sim/result.h"

#include <string.h>

#define NS_PER_MS UINT64_C(1000000)

/* The first event after which something is due, beyond the next one. */
static uint64_t
next_stop(const struct replay *replay, const struct run_wishes *wishes)
{
    uint64_t stop = replay->trace->event_count;
    uint64_t done = replay->next_event;

    for (size_t i = 0; wishes->dumps && i < wishes->dumps->len; i++) {
        uint64_t event =
            g_array_index(wishes->dumps, struct dump_request, i).event;
        if (event > done && event < stop)
            stop = event;
    }
    if (wishes->timeline.every > 0 && !wishes->timeline.is_ms) {
        uint64_t every = wishes->timeline.every;
        stop = MIN(stop, (done / every + 1) * every);
    }
    return stop;
}

static uint64_t
next_sample_ns(const struct replay *replay, const struct run_wishes *wishes)
{
    uint64_t every = wishes->timeline.every * NS_PER_MS;

    if (!wishes->timeline.is_ms)
        return UINT64_MAX;
    return (replay->machine->now_ns / every + 1) * every;
}

static bool
write_dumps(const struct replay *replay, const struct run_wishes *wishes,
            GString *dump_text, GError **error)
{
    uint64_t last = replay->trace->event_count;

    for (size_t i = 0; wishes->dumps && i < wishes->dumps->len; i++) {
        const struct dump_request *dump =
            &g_array_index(wishes->dumps, struct dump_request, i);
        size_t due = dump->event > 0 ? MIN(dump->event, last) : last;
        if (due != replay->next_event)
            continue;
        g_autoptr(GString) text = g_string_new(NULL);
        if (!dump_append(dump->file ? text : dump_text, replay, dump, error) ||
            (dump->file && !output_write(dump->file, text, error)))
            return false;
    }
    return true;
}

/* A stop may be there for a dump alone. */
static bool
is_sample_due(const struct replay *replay, const struct timeline_spec *timeline,
              uint64_t sample_ns)
{
    if (replay->next_event == replay->trace->event_count)
        return true;
    return timeline->is_ms ? replay->machine->now_ns >= sample_ns
                           : replay->next_event % timeline->every == 0;
}

/* Everything is sampled once at the start and once at the end. */
static bool
run_with_stops(struct replay *replay, const struct run_wishes *wishes,
               json_t *timeline, GString *dump_text, GError **error)
{
    uint64_t last = replay->trace->event_count;
    uint64_t dumped = UINT64_MAX;

    if (timeline)
        timeline_sample(timeline, replay);
    while (replay->next_event < last) {
        uint64_t sample_ns = next_sample_ns(replay, wishes);
        replay_run(replay, next_stop(replay, wishes), sample_ns);
        if (replay->error) {
            g_propagate_error(error, g_steal_pointer(&replay->error));
            return false;
        }
        if (timeline && is_sample_due(replay, &wishes->timeline, sample_ns))
            timeline_sample(timeline, replay);
        dumped = replay->next_event;
        if (!write_dumps(replay, wishes, dump_text, error))
            return false;
    }
    return dumped == last || write_dumps(replay, wishes, dump_text, error);
}

json_t *
run_trace(const struct trace *trace, const struct setup *setup,
          const struct run_wishes *wishes, bool has_recorded_rules,
          GString *dump_text, GError **error)
{
    struct check *check = NULL;
    json_t *result = NULL;

    if (setup->refusal)
        return result_refused_json(trace, setup);
    if (wishes->check) {
        check = check_open(trace, has_recorded_rules, error);
        if (!check)
            return NULL;
    }
    struct replay *replay = replay_open(trace, setup, check);
    json_t *timeline =
        wishes->timeline.every > 0 ? timeline_new(&wishes->timeline) : NULL;
    if (run_with_stops(replay, wishes, timeline, dump_text, error))
        result = result_json(replay, setup, timeline);
    else
        json_decref(timeline);
    replay_close(replay);
    check_close(check);
    return result;
}

/* The newest preset whose name begins the recorded kernel's: 6.18 of
 * 6.18.44; NULL: none. */
static const struct kernel_file *
recorded_kernel(const struct trace *trace, struct catalog *catalog)
{
    g_auto(GStrv) names = catalog_kernel_names(catalog);
    const char *recorded = trace->touches_kernel;
    const char *best = NULL;

    for (char **name = names; recorded && *name; name++) {
        size_t length = strlen(*name);
        if (strncmp(recorded, *name, length) == 0 &&
            strchr(".-", recorded[length]) && (!best || length > strlen(best)))
            best = *name;
    }
    return best ? catalog_kernel(catalog, best, NULL) : NULL;
}

bool
run_has_recorded_rules(const struct trace *trace, const struct setup *setup,
                       struct catalog *catalog)
{
    static const char *const rules[] = {"gap", "layout", "merge"};
    const struct kernel_file *kernel = recorded_kernel(trace, catalog);
    int width = setup->config.arch->is_64bit ? KERNEL_FILE_64 : KERNEL_FILE_32;

    if (!kernel)
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(rules); i++) {
        size_t axis = (size_t)(policy_axis_find(rules[i]) - policy_axes);
        if (kernel->wanted[axis][width] != setup->wanted[axis])
            return false;
    }
    return true;
}
