/*
 * Comparing recorded results with simulated ones.
 */
#include "sim/check.h"

#include "mm/machine.h"
#include "sim/check_totals.h"
#include "sim/counters_list.h"
#include "sim/error.h"
#include "sim/replay.h"
#include "traces/trace_syntax.h"
#include "traces/trace_text.h"

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
        if (g_strv_contains(counter_names, name))
            continue;
        g_autofree char *quoted = trace_text_quote(name, strlen(name));
        return sim_fail(error, SIM_ERROR_FAILED,
                        "%s:%" PRIu64 ":%u: expected the name of a "
                        "counter, found %s",
                        trace_shown_path(window->path),
                        trace_event_line(window, window->first_event + i),
                        trace_expect_column(window, event->object), quoted);
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
    check->races = races_new(trace);
    check_report_init(&check->report);
    return check;
}

void
check_close(struct check *check)
{
    if (!check)
        return;
    g_free(check->has_layout);
    g_array_unref(check->runs);
    races_free(check->races);
    check_report_finish(&check->report);
    g_free(check);
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

/* ---- differences ---- */

/* What is being compared. */
struct comparison {
    struct check *check;
    const struct replay *replay;
    const struct trace_event *event;
    const struct trace_result *result;  // NULL of an expect
    struct mm *mm;
    const struct operation *op;
};

static uint64_t
task_id(const struct check *check, const struct trace_event *event)
{
    return event->task == TRACE_NONE
               ? 0
               : g_array_index(check->trace->tasks, struct trace_task,
                               event->task)
                     .id;
}

/* Takes over the strings and the difference; the first ones get words. */
static void
add_difference(const struct comparison *comparison,
               struct check_difference *difference, uint64_t address,
               char *expected, char *found)
{
    struct check *check = comparison->check;

    if (!check_report_wants_words(&check->report)) {
        g_free(expected);
        g_free(found);
        check_report_add(&check->report, check->races, difference);
        return;
    }
    GString *what = g_string_new(NULL);
    trace_format_event(check->window, comparison->event, what);
    difference->line =
        trace_event_line(check->window, comparison->replay->next_event);
    difference->task = task_id(check, comparison->event);
    difference->what = g_string_free(what, FALSE);
    difference->expected = expected;
    difference->found = found;
    check_explain(difference, comparison->replay, comparison->mm, address,
                  &check->before);
    check_report_add(&check->report, check->races, difference);
}

static struct check_difference *
difference_new(const struct comparison *comparison)
{
    return check_difference_new(comparison->replay->next_event + 1,
                                comparison->check->access);
}

/* A result that is one thing.  It takes over the strings. */
static void
report(const struct comparison *comparison, enum check_kind kind,
       uint64_t address, char *expected, char *found)
{
    struct check_difference *difference = difference_new(comparison);
    struct check_part part = {.kind = kind, .count = 1};

    difference->access = 0;
    check_difference_add(difference, &part);
    add_difference(comparison, difference, address, expected, found);
}

static void
count(const struct comparison *comparison, enum check_kind kind, uint64_t pages)
{
    comparison->check->report.tally[kind].compared_count += pages;
}

/* ---- touches ---- */

/* Address of the page that a touch comes to after so many others. */
static uint64_t
touched_page(const struct call *call, uint64_t page)
{
    return call->stride ? (call->addr + page * call->stride) & PAGE_MASK
                        : (call->addr & PAGE_MASK) + page * PAGE_BYTES;
}

/* Of the current touch, pages that did not come out as recorded. */
struct page_judge {
    const struct comparison *comparison;
    struct check_difference *difference;  // NULL: none so far
    uint64_t page;                        // the next one
};

static void
judge_pages(struct page_judge *judge, enum check_kind kind, bool is_equal,
            uint64_t pages)
{
    const struct call *call = judge->comparison->op->call;
    struct check_part part = {.kind = kind, .count = pages};

    count(judge->comparison, kind, pages);
    if (!is_equal) {
        part.start = touched_page(call, judge->page);
        part.end = touched_page(call, judge->page + pages - 1) + PAGE_BYTES;
        if (!judge->difference)
            judge->difference = difference_new(judge->comparison);
        check_difference_add(judge->difference, &part);
    }
    judge->page += pages;
}

/* Run by run, without unfolding either side; `used` pages of the recorded run
 * `index` were found before. */
static void
judge_run(struct page_judge *judge, const struct touch_run *found,
          uint32_t *index, uint64_t *used)
{
    const struct comparison *comparison = judge->comparison;

    for (uint64_t left = found->pages; left > 0;) {
        if (*index == comparison->result->run_count) {
            judge_pages(judge, CHECK_TOUCH + found->outcome, false, left);
            return;
        }
        const struct trace_run *run =
            recorded_run(comparison->check, comparison->result, *index);
        uint64_t step = run->pages ? MIN(left, run->pages - *used) : left;
        judge_pages(judge, CHECK_TOUCH + run->outcome,
                    (int)run->outcome == (int)found->outcome, step);
        left -= step;
        *used += step;
        if (run->pages && *used == run->pages) {
            ++*index;
            *used = 0;
        }
    }
}

static void
compare_touch(const struct comparison *comparison)
{
    const struct check *check = comparison->check;
    struct page_judge judge = {.comparison = comparison};
    uint32_t index = 0;
    uint64_t used = 0;

    for (size_t i = 0; i < check->runs->len; i++)
        judge_run(&judge, &g_array_index(check->runs, struct touch_run, i),
                  &index, &used);
    for (; index < comparison->result->run_count; index++, used = 0) {
        const struct trace_run *run =
            recorded_run(check, comparison->result, index);
        if (run->pages > 0)
            judge_pages(&judge, CHECK_TOUCH + run->outcome, false,
                        run->pages - used);
    }
    if (!judge.difference)
        return;
    uint64_t address =
        g_array_index(judge.difference->parts, struct check_part, 0).start;
    add_difference(comparison, judge.difference, address,
                   recorded_runs_text(check, comparison->result),
                   found_runs_text(check));
}

/* ---- calls ---- */

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

static char *
address_text(uint64_t address)
{
    return g_strdup_printf("0x%" PRIx64, address);
}

static void
compare_vma(const struct comparison *comparison)
{
    const struct trace_result *result = comparison->result;
    const struct vma *vma =
        comparison->mm ? vma_find_quiet(comparison->mm, result->address) : NULL;

    count(comparison, CHECK_VMA, 1);
    if (vma && vma->start == result->vma_start && vma->end == result->vma_end)
        return;
    report(comparison, CHECK_VMA, result->address,
           g_strdup_printf("vma=0x%" PRIx64 "-0x%" PRIx64, result->vma_start,
                           result->vma_end),
           vma ? g_strdup_printf("vma=0x%" PRIx64 "-0x%" PRIx64, vma->start,
                                 vma->end)
               : g_strdup("no VMA"));
}

static void
compare_address(const struct comparison *comparison)
{
    const struct operation *op = comparison->op;
    const struct mm *mm = comparison->mm;
    uint64_t wanted = comparison->result->address;
    uint64_t found =
        op->call->kind == CALL_BRK && mm ? mm->brk : (uint64_t)op->result;

    count(comparison, CHECK_ADDRESS, 1);
    if (op->result < 0)
        report(comparison, CHECK_ADDRESS, wanted, address_text(wanted),
               result_text(op));
    else if (!is_comparable(comparison->check, comparison->event))
        return;
    else if (found != wanted)
        report(comparison, CHECK_ADDRESS, wanted, address_text(wanted),
               address_text(found));
    else if (comparison->result->vma_end > 0)
        compare_vma(comparison);
}

static void
compare_success(const struct comparison *comparison)
{
    count(comparison, CHECK_SUCCESS, 1);
    if (comparison->op->result < 0)
        report(comparison, CHECK_SUCCESS, comparison->op->call->addr,
               g_strdup("0"), result_text(comparison->op));
}

static void
compare_errno(const struct comparison *comparison)
{
    int error = comparison->result->error;

    count(comparison, CHECK_ERRNO, 1);
    if (comparison->op->result != -error)
        report(comparison, CHECK_ERRNO, comparison->op->call->addr,
               errno_text(error), result_text(comparison->op));
}

/* ---- events ---- */

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

/* What the call worked on: [*start, *end), empty if it is no memory. */
static void
find_range(const struct operation *op, uint64_t *start, uint64_t *end)
{
    const struct call *call = op->call;

    *start = call->addr & PAGE_MASK;
    if (call->kind == CALL_MMAP)
        *start = op->result < 0 ? 0 : (uint64_t)op->result;
    *end = *start + call->length;
    if (call->kind == CALL_BRK || *end < *start)
        *end = *start;
}

void
check_begin(struct check *check, struct mm *mm, const struct call *call)
{
    check->before.address = UINT64_MAX;
    if (mm && call->kind == CALL_TOUCH)
        check_page_look(&check->before, mm, call->addr);
}

void
check_result(struct check *check, const struct replay *replay, struct mm *mm,
             const struct operation *op)
{
    const struct trace_event *event = event_at(check, replay->next_event);
    struct comparison comparison = {check, replay, event, NULL, mm, op};
    uint64_t start, end;

    note_layout(check, event);
    find_range(op, &start, &end);
    check->access = races_note(check->races, event, start, end);
    if (check->access > 0 && check->access % RACES_HORIZON == 0)
        check_report_settle(&check->report, check->races, false);
    if (event->result == TRACE_NONE)
        return;
    comparison.result = &g_array_index(check->window->results,
                                       struct trace_result, event->result);
    check->report.compared_count++;
    switch (comparison.result->kind) {
    case TRACE_RESULT_SUCCESS:
        compare_success(&comparison);
        break;
    case TRACE_RESULT_ERRNO:
        compare_errno(&comparison);
        break;
    case TRACE_RESULT_ADDRESS:
        compare_address(&comparison);
        break;
    case TRACE_RESULT_TOUCH:
        compare_touch(&comparison);
        break;
    }
}

void
check_passage(struct check *check, const struct trace_event *event)
{
    races_note(check->races, event, 0, 0);
}

void
check_expect(struct check *check, const struct replay *replay)
{
    const struct trace_event *event = event_at(check, replay->next_event);
    struct comparison comparison = {check, replay, event, NULL, NULL, NULL};
    uint64_t found = *counter_find(replay->machine,
                                   trace_string(check->trace, event->object));

    check->report.compared_count++;
    count(&comparison, CHECK_EXPECT, 1);
    if (found != event->length)
        report(&comparison, CHECK_EXPECT, 0,
               g_strdup_printf("%" PRIu64, event->length),
               g_strdup_printf("%" PRIu64, found));
}

json_t *
check_json(struct check *check, const struct machine *machine)
{
    check_report_settle(&check->report, check->races, true);
    json_t *object = check_report_json(&check->report);
    json_object_set_new(object, "totals", check_totals(check->trace, machine));
    return object;
}
