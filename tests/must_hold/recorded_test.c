/*
 * What a recording can answer, and what it takes to answer more: rewriting,
 * validity, and one program recorded by faults and by accesses.
 */
#include "tests/must_hold/runs.h"

#include "mm/machine.h"
#include "tests/run_suite.h"
#include "traces/trace_rewrite.h"

#include <stdlib.h>
#include <string.h>

#define THREADS VMSIM_TRACES "/examples/threads.trace.zst"

static const char *
validity(const json_t *result)
{
    return json_string_value(json_object_get(result, "validity"));
}

static const char *
reason(const json_t *result)
{
    return json_string_value(json_object_get(result, "validity_reason"));
}

/* ---- rewriting ---- */

START_TEST(a_rewritten_program_differs_between_purge_policies)
{
    const json_t *recorded = result_of(trace_of_file(THREADS), "");
    struct trace *trace = trace_of_file(THREADS);
    trace_rewrite(trace, TRACE_RULE_PURGE);
    const json_t *ignore = result_of(trace, "purge=ignore");
    const json_t *dontneed = result_of(trace, "purge=dontneed");
    const json_t *vrange = result_of(trace, "purge=vrange-full");

    ck_assert(json_equal(json_object_get(dontneed, "counters"),
                         json_object_get(recorded, "counters")));
    ck_assert(json_equal(json_object_get(dontneed, "end"),
                         json_object_get(recorded, "end")));
    ck_assert_uint_lt(counter_of(ignore, "fault_count"),
                      counter_of(dontneed, "fault_count"));
    ck_assert_uint_eq(counter_of(ignore, "purge_call_count"), 0);
    ck_assert_uint_eq(counter_of(vrange, "purge_call_count"),
                      counter_of(dontneed, "purge_call_count"));
    ck_assert_uint_gt(counter_of(vrange, "reuse_call_count"), 0);
    ck_assert_uint_eq(counter_of(vrange, "fault_count"),
                      counter_of(ignore, "fault_count"));
    ck_assert_uint_eq(counter_of(vrange, "fault_bus_count"), 0);
    ck_assert_str_eq(validity(ignore), "exact");
    ck_assert_str_eq(validity(dontneed), "exact");
    ck_assert_str_eq(validity(vrange), "exact");
}
END_TEST

START_TEST(rewritten_guards_and_nozero_act_on_a_recorded_program)
{
    struct trace *trace = trace_of_file(THREADS);
    trace_rewrite(trace, TRACE_RULE_GUARD | TRACE_RULE_NOZERO);
    const json_t *mprotect = result_of(trace, "guard=mprotect");
    const json_t *install = result_of(trace, "guard=install");
    const json_t *cleared = result_of(trace, "clear=on-alloc");
    const json_t *uncleared = result_of(trace, "clear=nozero");

    ck_assert_int_gt(json_integer_value(json_object_get(
                         json_object_get(mprotect, "peak"), "vma_count")),
                     json_integer_value(json_object_get(
                         json_object_get(install, "peak"), "vma_count")));
    ck_assert_uint_lt(counter_of(uncleared, "clear_page_count"),
                      counter_of(cleared, "clear_page_count") / 2);
    ck_assert_uint_eq(counter_of(uncleared, "leak_page_count"), 0);
}
END_TEST

/* ---- validity ---- */

/* Number of the event during which reclaim took the first mapped page, counted
 * from 1; 0: none did. */
static uint64_t
first_loss(const struct trace *trace, const char *choices)
{
    struct setup setup = setup_of(choices);
    struct replay *replay = replay_open(trace, &setup, NULL);
    uint64_t found = 0;
    for (uint64_t i = 1; i <= trace->event_count && !found; i++) {
        replay_run(replay, i, UINT64_MAX);
        if (replay->machine->reclaimed_mapped_count > 0)
            found = i;
    }
    replay_close(replay);
    return found;
}

START_TEST(a_run_turns_to_lower_bound_where_reclaim_takes_a_mapped_page)
{
    static const char *const rams[] = {"ram=1G", "ram=96M", "ram=64M",
                                       "ram=48M", "ram=40M"};
    struct trace *trace = trace_of_file(THREADS);
    unsigned exact_count = 0;
    for (unsigned i = 0; i < G_N_ELEMENTS(rams); i++) {
        const json_t *result = result_of(trace, rams[i]);
        uint64_t event = first_loss(trace, rams[i]);
        ck_assert_str_eq(validity(result), event ? "lower-bound" : "exact");
        exact_count += !event;
        if (!event)
            continue;
        g_autofree char *head =
            g_strdup_printf("event %" G_GUINT64_FORMAT " (", event);
        ck_assert_msg(g_str_has_prefix(reason(result), head), "%s: %s", rams[i],
                      reason(result));
        ck_assert_ptr_nonnull(
            strstr(reason(result), "reclaim took a mapped page"));
    }
    ck_assert_uint_gt(exact_count, 0);
    ck_assert_uint_lt(exact_count, G_N_ELEMENTS(rams));
}
END_TEST

START_TEST(an_access_trace_says_exact_under_the_same_pressure)
{
    struct trace *accesses =
        trace_of_file(VMSIM_RECORDINGS "/pages-accesses.trace.zst");
    const json_t *result = result_of(accesses, "ram=36M");

    ck_assert_uint_gt(first_loss(accesses, "ram=36M"), 0);
    ck_assert_str_eq(validity(result), "exact");
}
END_TEST

/* ---- one program, recorded both ways ---- */

/* Faults that a recording has of the program itself: of its own image and
 * memory, without ld.so and the stack, and without env, which started it. */
static uint64_t
recorded_faults(const struct trace *trace)
{
    uint64_t count = 0;
    bool has_begun = false;
    for (guint i = 0; i < trace->events->len; i++) {
        const struct trace_event *event =
            &g_array_index(trace->events, struct trace_event, i);
        bool is_touch = event->op == TRACE_OP_READ ||
                        event->op == TRACE_OP_WRITE ||
                        event->op == TRACE_OP_EXECUTE;
        if (event->op == TRACE_OP_EXEC)
            has_begun =
                strcmp(trace_string(trace, event->object), "pages") == 0;
        if (!is_touch || !has_begun || event->flags & TRACE_GUP)
            continue;
        g_autoptr(GString) line = g_string_new(NULL);
        trace_format_event(trace, event, line);
        if (strstr(line->str, " ld_linux") || strstr(line->str, " stack-") ||
            strstr(line->str, " v") || g_str_has_suffix(line->str, "= hit"))
            continue;
        count += (event->length + 4095) / 4096;
    }
    return count;
}

/* The accesses without those of ld.so, the stack and valgrind's own library. */
static struct trace *
accesses_of_program(void)
{
    const char *text =
        text_of_file(VMSIM_RECORDINGS "/pages-accesses.trace.zst");
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autoptr(GString) kept = g_string_new(NULL);
    for (char **line = lines; *line && **line; line++) {
        bool is_touch = strstr(*line, " r ") || strstr(*line, " w ") ||
                        strstr(*line, " x ");
        bool is_other = strstr(*line, " ld_linux") ||
                        strstr(*line, " stack-") || strstr(*line, " vgpreload");
        if (!is_touch || !is_other)
            g_string_append_printf(kept, "%s\n", *line);
    }
    return trace_of_text(kept->str);
}

START_TEST(accesses_predict_the_faults_that_were_recorded)
{
    uint64_t recorded = recorded_faults(
        trace_of_file(VMSIM_RECORDINGS "/pages-faults.trace.zst"));
    const json_t *result = result_of(accesses_of_program(), "kernel=6.18");
    uint64_t predicted = counter_of(result, "fault_count");

    ck_assert_uint_gt(recorded, 7000);
    uint64_t apart = MAX(predicted, recorded) - MIN(predicted, recorded);
    ck_assert_uint_le(apart * 100, recorded);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("must_hold/recorded");
    TCase *tests = tcase_create("recorded");

    tcase_add_checked_fixture(tests, runs_setup, runs_teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_rewritten_program_differs_between_purge_policies);
    tcase_add_test(tests,
                   rewritten_guards_and_nozero_act_on_a_recorded_program);
    tcase_add_test(
        tests, a_run_turns_to_lower_bound_where_reclaim_takes_a_mapped_page);
    tcase_add_test(tests, an_access_trace_says_exact_under_the_same_pressure);
    tcase_add_test(tests, accesses_predict_the_faults_that_were_recorded);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
