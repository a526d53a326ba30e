/*
 * Comparing recorded results with simulated ones.
 */
#include "sim/check.h"

#include "mm/machine.h"
#include "sim/counters_list.h"
#include "sim/error.h"
#include "traces/trace_syntax.h"

#include <inttypes.h>
#include <string.h>

static const struct trace_event *
event_at(const struct check *check, uint64_t number)
{
    return &g_array_index(check->window->events, struct trace_event,
                          number - check->window->first_event);
}

static bool
judge_expects(const struct trace *window, GError **error)
{
    for (size_t i = 0; i < window->events->len; i++) {
        const struct trace_event *event =
            &g_array_index(window->events, struct trace_event, i);
        if (event->op != TRACE_OP_EXPECT)
            continue;
        const char *name = trace_string(window, event->object);
        if (!g_strv_contains(counter_names, name))
            return sim_fail(error, SIM_ERROR_FAILED,
                            "%s:%" PRIu64 ":%zu: expected the name of a "
                            "counter, found \"%s\"",
                            window->path,
                            trace_event_line(window, window->first_event + i),
                            sizeof("0 expect "), name);
    }
    return true;
}

/* Before the run, so that a misspelt name does not show at its end. */
static bool
judge_all_expects(const struct trace *trace, GError **error)
{
    GError *failure = NULL;
    const struct trace *window;

    if (trace->op_count[TRACE_OP_EXPECT] == 0)
        return true;
    struct trace_cursor *cursor = trace_cursor_open(trace);
    while ((window = trace_cursor_next(cursor, &failure)) &&
           judge_expects(window, &failure))
        continue;
    trace_cursor_close(cursor);
    if (failure)
        g_propagate_error(error, failure);
    return !failure;
}

struct check *
check_open(const struct trace *trace, bool has_recorded_rules, GError **error)
{
    if (!judge_all_expects(trace, error))
        return NULL;
    struct check *check = g_new0(struct check, 1);
    check->trace = trace;
    check->has_recorded_rules = has_recorded_rules;
    check->has_layout = g_new0(bool, trace->tasks->len + 1);
    check->runs = g_array_new(FALSE, FALSE, sizeof(struct touch_run));
    return check;
}

void
check_close(struct check *check)
{
    if (!check)
        return;
    g_free(check->has_layout);
    g_array_unref(check->runs);
    g_free(check->first.what);
    g_free(check->first.expected);
    g_free(check->first.found);
    g_free(check);
}

/* Count a difference; the first one is kept in words, which it takes over. */
static void
report(struct check *check, size_t event, char *expected, char *found)
{
    const struct trace_event *at = event_at(check, event);
    GString *what = g_string_new(NULL);

    if (check->mismatch_count++ > 0) {
        g_string_free(what, TRUE);
        g_free(expected);
        g_free(found);
        return;
    }
    trace_format_event(check->window, at, what);
    check->first = (struct check_first){
        .event = event + 1,
        .line = trace_event_line(check->window, event),
        .task = at->task == TRACE_NONE
                    ? 0
                    : g_array_index(check->trace->tasks, struct trace_task,
                                    at->task)
                          .id,
        .what = g_string_free(what, FALSE),
        .expected = expected,
        .found = found,
    };
}

static char *
errno_text(int64_t error)
{
    const char *name = trace_errno_name((int)error);

    return name ? g_strdup(name) : g_strdup_printf("errno %" PRId64, error);
}

static char *
result_text(const struct operation *op)
{
    if (op->result < 0)
        return errno_text(-op->result);
    return g_strdup_printf("0x%" PRIx64, (uint64_t)op->result);
}

static void
append_run(GString *text, enum trace_outcome outcome, uint64_t pages)
{
    g_string_append_printf(text, "%s%s*%" PRIu64, text->len > 0 ? "," : "",
                           trace_outcome_word(outcome), pages);
}

static char *
found_runs_text(const struct check *check)
{
    GString *text = g_string_new(NULL);

    for (size_t i = 0; i < check->runs->len; i++) {
        const struct touch_run *run =
            &g_array_index(check->runs, struct touch_run, i);
        append_run(text, (enum trace_outcome)run->outcome, run->pages);
    }
    return g_string_free(text, FALSE);
}

static const struct trace_run *
recorded_run(const struct check *check, const struct trace_result *result,
             uint32_t index)
{
    return &g_array_index(check->window->runs, struct trace_run,
                          result->run_first + index);
}

static char *
recorded_runs_text(const struct check *check, const struct trace_result *result)
{
    GString *text = g_string_new(NULL);

    for (uint32_t i = 0; i < result->run_count; i++) {
        const struct trace_run *run = recorded_run(check, result, i);
        if (run->pages == 0)
            g_string_append(text, trace_outcome_word(run->outcome));
        else
            append_run(text, run->outcome, run->pages);
    }
    return g_string_free(text, FALSE);
}

/* Page by page, without unfolding the runs of either side. */
static bool
runs_agree(const struct check *check, const struct trace_result *result)
{
    uint32_t index = 0;
    uint64_t used = 0;

    for (size_t i = 0; i < check->runs->len; i++) {
        const struct touch_run *found =
            &g_array_index(check->runs, struct touch_run, i);
        uint64_t left = found->pages;
        while (left > 0) {
            if (index == result->run_count)
                return false;
            const struct trace_run *run = recorded_run(check, result, index);
            if ((int)run->outcome != (int)found->outcome)
                return false;
            if (run->pages == 0)
                break;  // one word for the whole range
            uint64_t step = MIN(left, run->pages - used);
            left -= step;
            used += step;
            if (used == run->pages) {
                index++;
                used = 0;
            }
        }
    }
    return index == result->run_count ||
           recorded_run(check, result, index)->pages == 0;
}

/* Whether this event's address can be the recorded one. */
static bool
is_comparable(const struct check *check, const struct trace_event *event)
{
    const struct trace_detail *detail = trace_detail(check->window, event);
    bool is_placed = event->flags & (TRACE_FIXED | TRACE_FIXED_NOREPLACE) &&
                     detail->at.binding == TRACE_BINDING_ABSOLUTE;

    return is_placed ||
           (check->has_recorded_rules && check->has_layout[event->task]);
}

static void
check_vma(struct check *check, size_t event, const struct mm *mm,
          const struct trace_result *result, uint64_t address)
{
    const struct vma *vma = mm ? vma_find_quiet(mm, address) : NULL;

    if (vma && vma->start == result->vma_start && vma->end == result->vma_end)
        return;
    report(check, event,
           g_strdup_printf("vma=0x%" PRIx64 "-0x%" PRIx64, result->vma_start,
                           result->vma_end),
           vma ? g_strdup_printf("vma=0x%" PRIx64 "-0x%" PRIx64, vma->start,
                                 vma->end)
               : g_strdup("no VMA"));
}

static void
check_address(struct check *check, size_t event, const struct mm *mm,
              const struct operation *op, const struct trace_result *result)
{
    uint64_t found =
        op->call->kind == CALL_BRK && mm ? mm->brk : (uint64_t)op->result;

    if (op->result < 0)
        report(check, event, g_strdup_printf("0x%" PRIx64, result->address),
               result_text(op));
    else if (!is_comparable(check, event_at(check, event)))
        return;
    else if (found != result->address)
        report(check, event, g_strdup_printf("0x%" PRIx64, result->address),
               g_strdup_printf("0x%" PRIx64, found));
    else if (result->vma_end > 0)
        check_vma(check, event, mm, result, result->address);
}

/* Layout keys of a new image; children have their parent's. */
static void
note_layout(struct check *check, const struct trace_event *event)
{
    if (event->op == TRACE_OP_START || event->op == TRACE_OP_EXEC) {
        check->has_layout[event->task] =
            trace_detail(check->window, event)->keys >> TRACE_KEY_MMAP_BASE & 1;
    } else if (event->op == TRACE_OP_FORK || event->op == TRACE_OP_VFORK ||
               event->op == TRACE_OP_THREAD) {
        check->has_layout[event->object] = check->has_layout[event->task];
    }
}

void
check_result(struct check *check, size_t event, const struct mm *mm,
             const struct operation *op)
{
    const struct trace_event *at = event_at(check, event);

    note_layout(check, at);
    if (at->result == TRACE_NONE)
        return;
    const struct trace_result *result =
        &g_array_index(check->window->results, struct trace_result, at->result);
    check->compared_count++;
    switch (result->kind) {
    case TRACE_RESULT_SUCCESS:
        if (op->result < 0)
            report(check, event, g_strdup("0"), result_text(op));
        break;
    case TRACE_RESULT_ERRNO:
        if (op->result != -result->error)
            report(check, event, errno_text(result->error), result_text(op));
        break;
    case TRACE_RESULT_ADDRESS:
        check_address(check, event, mm, op, result);
        break;
    case TRACE_RESULT_TOUCH:
        if (!runs_agree(check, result))
            report(check, event, recorded_runs_text(check, result),
                   found_runs_text(check));
        break;
    }
}

void
check_expect(struct check *check, size_t event, const struct machine *machine)
{
    const struct trace_event *at = event_at(check, event);
    uint64_t found =
        *counter_find(machine, trace_string(check->trace, at->object));

    check->compared_count++;
    if (found != at->length)
        report(check, event, g_strdup_printf("%" PRIu64, at->length),
               g_strdup_printf("%" PRIu64, found));
}

json_t *
check_json(const struct check *check)
{
    const struct check_first *first = &check->first;
    json_t *object = json_null();

    if (check->mismatch_count > 0)
        object =
            json_pack("{s:I, s:I, s:I, s:s, s:s, s:s}", "event",
                      (json_int_t)first->event, "line", (json_int_t)first->line,
                      "task", (json_int_t)first->task, "what", first->what,
                      "expected", first->expected, "found", first->found);
    return json_pack("{s:I, s:I, s:I, s:o}", "compared_count",
                     (json_int_t)check->compared_count, "mismatch_count",
                     (json_int_t)check->mismatch_count, "raced_count",
                     (json_int_t)check->raced_count, "first", object);
}
