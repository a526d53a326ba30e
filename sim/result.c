/*
 * Building the JSON object of a run from the tables of mm/counters.h.
 */
#include "sim/result.h"

#include "mm/machine.h"
#include "mm/task.h"
#include "sim/check.h"
#include "sim/prices.h"
#include "traces/legible.h"

static json_t *
integer(uint64_t value)
{
    return json_integer((json_int_t)value);
}

/* Where the trace lies on this host is nobody's business. */
static json_t *
trace_json(const struct trace *trace)
{
    static const char *const touches[] = {"accesses", "faults", "filtered"};
    g_autofree char *path = legible_text(trace->shown_path, LEGIBLE_ALL);

    return json_pack("{s:s, s:s, s:s, s:I, s:s}", "path", path, "sha256",
                     trace->sha256, "content_sha256", trace->content_sha256,
                     "event_count", (json_int_t)trace->event_count, "touches",
                     touches[trace->touches]);
}

static json_t *
counters_json(const struct mm_counters *counters)
{
    json_t *object = json_object();

#define ADD_COUNTER(name, class, meaning)                                      \
    json_object_set_new(object, #name, integer(counters->name));
    MM_COUNTERS(ADD_COUNTER)
#undef ADD_COUNTER
    return object;
}

static json_t *
gauges_json(const uint64_t gauges[GAUGE_COUNT])
{
    json_t *object = json_object();

#define ADD_GAUGE(name, meaning)                                               \
    json_object_set_new(object, #name, integer(gauges[GAUGE_##name]));
    MM_GAUGES(ADD_GAUGE)
#undef ADD_GAUGE
    return object;
}

static json_t *
peak_json(const struct machine *machine)
{
    json_t *object = gauges_json(machine->peak);

    json_object_set_new(object, "total", gauges_json(machine->peak_total));
    return object;
}

static json_t *
time_json(const struct simulated_time *time)
{
    json_t *object = json_pack(
        "{s:I, s:I, s:I}", "elapsed", (json_int_t)time->elapsed, "user",
        (json_int_t)time->user, "system", (json_int_t)time->system);

    for (int i = 0; i < COST_COUNT; i++)
        json_object_set_new(object, cost_names[i], integer(time->cost[i]));
    return object;
}

/* Per second of simulated time, to a thousandth. */
static json_t *
rate_json(uint64_t count, uint64_t elapsed_ns)
{
    if (elapsed_ns == 0)
        return json_null();
    double rate = (double)count * 1e9 / (double)elapsed_ns;
    return json_real((double)(int64_t)(rate * 1000 + 0.5) / 1000);
}

static json_t *
marks_json(const struct replay *replay, uint64_t elapsed_ns)
{
    json_t *object = json_object();

    for (uint32_t i = 0; i < replay->trace->strings->len; i++) {
        uint64_t count = replay->mark_counts[i];
        if (count == UINT64_MAX)
            continue;
        g_autofree char *name =
            legible_text(trace_string(replay->trace, i), LEGIBLE_ALL);
        json_object_set_new(object, name,
                            json_pack("{s:I, s:o}", "count", (json_int_t)count,
                                      "per_second",
                                      rate_json(count, elapsed_ns)));
    }
    return object;
}

/* Whether a task that was created earlier belongs to the same process. */
static bool
is_named_already(const struct replay *replay, const struct task *task)
{
    for (size_t i = 0; i < replay->trace->tasks->len; i++) {
        const struct task *other = replay->tasks[i];
        if (other && other->oom_killed && other->serial < task->serial &&
            other->leader == task->leader)
            return true;
    }
    return false;
}

/* Processes that the OOM killer chose: ids of tasks in the trace. */
static json_t *
oom_victims_json(const struct replay *replay)
{
    json_t *victims = json_array();

    if (replay->machine->counters.oom_kill_count == 0)
        return victims;
    for (size_t i = 0; i < replay->trace->tasks->len; i++) {
        const struct task *task = replay->tasks[i];
        if (task && task->oom_killed && !is_named_already(replay, task))
            json_array_append_new(victims,
                                  integer(replay_task_id(replay, task)));
    }
    return victims;
}

static json_t *
header_json(const struct trace *trace)
{
    return json_pack("{s:i, s:s, s:o}", "schema", RESULT_SCHEMA, "vmsim",
                     VMSIM_VERSION, "trace", trace_json(trace));
}

static void
add_validity(json_t *result, const struct validity *validity)
{
    g_autofree char *reason = validity_reason(validity);

    json_object_set_new(result, "validity",
                        json_string(reason ? "lower-bound" : "exact"));
    json_object_set_new(result, "validity_reason",
                        reason ? json_string(reason) : json_null());
}

json_t *
result_json(const struct replay *replay, const struct setup *setup,
            json_t *timeline)
{
    struct machine *machine = replay->machine;
    struct simulated_time time = price_run(machine->charges, setup->price_ps,
                                           replay->user_ns, replay->kwork_ns);
    json_t *result = header_json(replay->trace);

    machine_settle_peak(machine);
    add_validity(result, &replay->validity);
    json_object_set_new(result, "config", setup_json(setup, machine));
    json_object_set_new(result, "counters", counters_json(&machine->counters));
    json_object_set_new(result, "peak", peak_json(machine));
    json_object_set_new(result, "end", gauges_json(machine->gauge));
    json_object_set_new(result, "time_ns", time_json(&time));
    json_object_set_new(result, "marks", marks_json(replay, time.elapsed));
    json_object_set_new(result, "phases", json_array());
    json_object_set_new(result, "timeline", timeline ? timeline : json_null());
    json_object_set_new(result, "check",
                        replay->check ? check_json(replay->check, machine)
                                      : json_null());
    json_object_set_new(result, "oom_victims", oom_victims_json(replay));
    return result;
}

json_t *
result_refused_json(const struct trace *trace, const struct setup *setup)
{
    json_t *result = header_json(trace);

    json_object_set_new(result, "config", setup_json(setup, NULL));
    json_object_set_new(result, "refused", json_string(setup->refusal));
    return result;
}

char *
result_line(const json_t *result)
{
    char *dump = json_dumps(result, JSON_COMPACT);
    char *line = g_strdup(dump);

    free(dump);
    return line;
}
