/*
 * The committed recordings: the simulated 6.18 against what the real one did,
 * and older kernels against what their rules make of it.
 *
 * `# recorded:` in the head of each trace has the totals of the recording:
 * exceptions, user pages cleared and copied, faults of files, page-table pages.
 * They are of all programs of the recording from the first exec on, whose
 * arguments (one page, and the three tables above it) are in the trace as a
 * `gup` touch like those of every later exec; so nothing constant is left to
 * account for, and the totals agree to the last page.
 */
#include "tests/must_hold/runs.h"

#include "sim/catalog.h"
#include "sim/run.h"
#include "tests/run_suite.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct trace_event *
event_at(const struct trace *trace, size_t index)
{
    return &g_array_index(trace->events, struct trace_event, index);
}

static const struct trace *
recording(int index)
{
    return trace_of_file(committed_recordings()[index]);
}

/* `name=NUMBER` of the line of totals. */
static uint64_t
recorded_total(const struct trace *trace, const char *name)
{
    g_autofree char *key = g_strdup_printf(" %s=", name);

    for (guint i = 0; i < trace->comments->len; i++) {
        const char *comment = g_ptr_array_index(trace->comments, i);
        const char *found = strstr(comment, key);
        if (strstr(comment, "recorded:") && found)
            return g_ascii_strtoull(found + strlen(key), NULL, 10);
    }
    ck_abort_msg("%s has no total of %s", trace->path, name);
    return 0;
}

static uint64_t
pages_of(const struct trace *trace, const struct trace_event *event)
{
    uint64_t stride = trace_detail(trace, event)->stride;
    uint64_t first = event->address.offset / 4096;
    uint64_t end = (event->address.offset + event->length + 4095) / 4096;

    return stride ? (event->length + stride - 1) / stride : end - first;
}

/* What was recorded of a page of a touch; -1: nothing. */
static int
recorded_outcome(const struct trace *trace, const struct trace_event *event,
                 uint64_t page)
{
    if (event->result == TRACE_NONE)
        return -1;
    const struct trace_result *result =
        &g_array_index(trace->results, struct trace_result, event->result);
    for (uint32_t i = 0; i < result->run_count; i++) {
        const struct trace_run *run = &g_array_index(
            trace->runs, struct trace_run, result->run_first + i);
        if (run->pages == 0 || page < run->pages)
            return (int)run->outcome;
        page -= run->pages;
    }
    return -1;
}

static uint64_t
recorded_pages(const struct trace *trace, enum trace_outcome outcome)
{
    uint64_t count = 0;

    for (size_t i = 0; i < trace->events->len; i++) {
        const struct trace_event *event = event_at(trace, i);
        if (event->op >= TRACE_OP_READ && event->op <= TRACE_OP_EXECUTE)
            for (uint64_t page = 0; page < pages_of(trace, event); page++)
                count += recorded_outcome(trace, event, page) == (int)outcome;
    }
    return count;
}

static uint64_t
recorded_errnos(const struct trace *trace)
{
    uint64_t count = 0;

    for (guint i = 0; i < trace->results->len; i++)
        count += g_array_index(trace->results, struct trace_result, i).kind ==
                 TRACE_RESULT_ERRNO;
    return count;
}

START_TEST(every_address_of_the_recording_is_found)
{
    const struct trace *trace = recording(_i);
    const json_t *result = result_of(trace, "kernel=6.18");

    ck_assert_uint_eq(counter_of(result, "event_skipped_count"), 0);
    ck_assert_uint_eq(counter_of(result, "event_failed_count"),
                      recorded_errnos(trace));
    ck_assert_uint_eq(counter_of(result, "fault_segv_count"),
                      recorded_pages(trace, TRACE_OUTCOME_SEGV));
    ck_assert_uint_eq(counter_of(result, "fault_bus_count"),
                      recorded_pages(trace, TRACE_OUTCOME_BUS));
    ck_assert_uint_eq(counter_of(result, "oom_kill_count"), 0);
    assert_identities(result);
}
END_TEST

START_TEST(the_totals_are_those_of_the_recording)
{
    const struct trace *trace = recording(_i);
    const json_t *result = result_of(trace, "kernel=6.18");
    const struct {
        const char *name;
        uint64_t found;
    } totals[] = {
        {"faults", counter_of(result, "fault_count")},
        {"file_faults", counter_of(result, "fault_file_count")},
        {"clears", counter_of(result, "clear_page_count") -
                       counter_of(result, "clear_page_shmem_count")},
        {"copies", counter_of(result, "copy_page_count")},
        {"pagetable_pages", counter_of(result, "pagetable_alloc_count")},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(totals); i++) {
        uint64_t recorded = recorded_total(trace, totals[i].name);
        MUST(totals[i].found == recorded,
             "%s: recorded %" PRIu64 ", simulated %" PRIu64, totals[i].name,
             recorded, totals[i].found);
    }
}
END_TEST

/* One by one: no call and no touch ended differently. */
START_TEST(no_result_differs)
{
    const struct trace *trace = recording(_i);
    struct setup setup = setup_of("kernel=6.18");
    struct run_wishes wishes = {.check = true};
    bool has_rules = run_has_recorded_rules(trace, &setup, runs_catalog());
    json_t *result = run_trace(trace, &setup, &wishes, has_rules, NULL, NULL);

    ck_assert_ptr_nonnull(result);
    ck_assert_uint_gt(value_of(result, "check.compared_count"), 1000);
    ck_assert_uint_eq(value_of(result, "check.mismatch_count"), 0);
    ck_assert_uint_le(1000 * value_of(result, "check.raced_count"),
                      value_of(result, "check.compared_count"));
    json_decref(result);
}
END_TEST

/* The lines without what follows a `=` that stands alone. */
static struct trace *
without_results(const char *path)
{
    g_auto(GStrv) lines = g_strsplit(text_of_file(path), "\n", -1);

    for (char **line = lines; *line; line++) {
        char *result = **line == '#' ? NULL : strstr(*line, " = ");
        if (result)
            *result = '\0';
    }
    g_autofree char *text = g_strjoinv("\n", lines);
    return trace_of_text(text);
}

START_TEST(results_are_never_read_by_the_simulation)
{
    static const char *const kernels[] = {"kernel=2.6.2", "kernel=2.6.24",
                                          "kernel=6.18"};
    const struct trace *trace = recording(_i);
    const struct trace *bare = without_results(committed_recordings()[_i]);

    ck_assert_uint_eq(bare->results->len, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(kernels); i++) {
        const json_t *left = result_of(trace, kernels[i]);
        const json_t *right = result_of(bare, kernels[i]);
        assert_same(left, right, "counters", "");
        assert_same(left, right, "peak", "");
        assert_same(left, right, "end", "");
        assert_same(left, right, "time_ns", "");
    }
}
END_TEST

static void
assert_grows(const json_t *before, const json_t *after, const char *name,
             int64_t difference)
{
    int64_t found =
        (int64_t)counter_of(after, name) - (int64_t)counter_of(before, name);

    MUST(found == difference, "%s grows by %" PRId64 ", not %" PRId64, name,
         found, difference);
}

/*
 * 2.6.24 has no zero page: what mapped it takes a frame at
 * once, which is writable, so the later write is no fault.  A read that is
 * never followed by a write costs a frame and its clear.
 */
START_TEST(without_a_zero_page_reads_take_frames)
{
    const struct trace *trace = recording(_i);
    const json_t *now = result_of(trace, "kernel=6.18");
    const json_t *old = result_of(trace, "kernel=2.6.24");
    int64_t maps = (int64_t)counter_of(now, "fault_zero_map_count");
    int64_t breaks = (int64_t)counter_of(now, "fault_zero_break_count");

    ck_assert_int_gt(maps, 0);
    assert_grows(now, old, "fault_zero_map_count", -maps);
    assert_grows(now, old, "fault_zero_break_count", -breaks);
    assert_grows(now, old, "fault_fresh_count", maps);
    assert_grows(now, old, "fault_count", -breaks);
    assert_grows(now, old, "clear_page_count", maps - breaks);
    assert_grows(now, old, "fault_cow_copy_count", 0);
    assert_grows(now, old, "fault_file_count", 0);
    assert_identities(old);
}
END_TEST

/* ---- what 2.6.2's fork copies ---- */

/* A page by its region and its place in it. */
static gpointer
page_key(const struct trace_event *event, uint64_t page)
{
    uint64_t side = event->address.from_end;
    uint64_t first = event->address.offset / 4096;

    return (gpointer)(uintptr_t)((uint64_t)event->address.binding << 40 |
                                 side << 39 |
                                 (side ? first - page : first + page));
}

static GHashTable *
copy_pages(GHashTable *from)
{
    GHashTable *to = g_hash_table_new(NULL, NULL);
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, from);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        g_hash_table_add(to, key);
    return to;
}

/*
 * File faults if every fork copies all page tables: those
 * of a page that the parent had touched before are gone.  The recordings use
 * each address of a file under one name, so names and offsets tell pages apart.
 */
static uint64_t
predict_file_faults(const struct trace *trace)
{
    g_autofree GHashTable **spaces =
        g_new0(GHashTable *, trace->tasks->len + 1);
    uint64_t faults = 0;

    for (size_t i = 0; i < trace->events->len; i++) {
        const struct trace_event *event = event_at(trace, i);
        if (event->task == TRACE_NONE)
            continue;
        GHashTable **pages = &spaces[event->task];
        if (event->op == TRACE_OP_START || event->op == TRACE_OP_EXEC) {
            *pages = g_hash_table_new(NULL, NULL);
        } else if (event->op == TRACE_OP_FORK) {
            spaces[event->object] = copy_pages(*pages);
        } else if (event->op == TRACE_OP_VFORK ||
                   event->op == TRACE_OP_THREAD) {
            spaces[event->object] = *pages;
        } else if (event->op >= TRACE_OP_READ &&
                   event->op <= TRACE_OP_EXECUTE) {
            for (uint64_t page = 0; page < pages_of(trace, event); page++)
                faults +=
                    g_hash_table_add(*pages, page_key(event, page)) &&
                    recorded_outcome(trace, event, page) == TRACE_OUTCOME_FILE;
        }
    }
    return faults;
}

/*
 * 2.6.2 has a zero page like today's and no fault-around, and forks with all
 * page tables: everything anonymous costs the same, and children fault for no
 * file page that their parent had.
 */
START_TEST(a_fork_that_copies_all_tables_saves_file_faults)
{
    const struct trace *trace = recording(_i);
    const json_t *now = result_of(trace, "kernel=6.18");
    const json_t *old = result_of(trace, "kernel=2.6.2");
    int64_t file_faults = (int64_t)counter_of(now, "fault_file_count");
    int64_t predicted = (int64_t)predict_file_faults(trace);

    ck_assert_int_le(predicted, file_faults);
    assert_grows(now, old, "fault_file_count", predicted - file_faults);
    assert_grows(now, old, "fault_count", predicted - file_faults);
    assert_grows(now, old, "fault_fresh_count", 0);
    assert_grows(now, old, "fault_zero_map_count", 0);
    assert_grows(now, old, "fault_zero_break_count", 0);
    assert_grows(now, old, "clear_page_count", 0);
    assert_grows(now, old, "copy_page_count", 0);
    assert_identities(old);
    if (strstr(trace->path, "server"))
        ck_assert_int_lt(predicted, file_faults);
    /* 2.6.24 skips VMAs without an anon_vma again. */
    assert_grows(now, result_of(trace, "kernel=2.6.24"), "fault_file_count", 0);
}
END_TEST

/* Fault-around came with 3.15: before, a fault maps the
 * page that was asked for.  Touches that it spared today are not recorded. */
START_TEST(before_fault_around_only_what_is_touched_is_mapped)
{
    static const char *const kernels[] = {"kernel=2.6.2", "kernel=2.6.24",
                                          "kernel=3.8"};
    const struct trace *trace = recording(_i);
    const json_t *now = result_of(trace, "kernel=6.18");

    ck_assert_uint_gt(counter_of(now, "fault_around_pages"), 0);
    for (size_t i = 0; i < G_N_ELEMENTS(kernels); i++) {
        const json_t *old = result_of(trace, kernels[i]);
        ck_assert_uint_eq(counter_of(old, "fault_around_pages"), 0);
        ck_assert_uint_lt(value_of(old, "peak.resident_bytes"),
                          value_of(now, "peak.resident_bytes"));
    }
}
END_TEST

/*
 * x86-64 mapped bottom-up until 2.6.24: an address space
 * has its mmaps apart from the images that exec placed at the top, which takes
 * a directory, a middle directory and a table at least.  With the layout and
 * the search of today the tables are those of the recording.
 */
START_TEST(a_layout_apart_takes_three_tables_more)
{
    static const char *const kernels[] = {"2.6.2", "2.6.24"};
    const struct trace *trace = recording(_i);
    uint64_t recorded = recorded_total(trace, "pagetable_pages");
    uint64_t spaces = 0;

    for (size_t i = 0; i < trace->events->len; i++)
        spaces += event_at(trace, i)->op == TRACE_OP_EXEC ||
                  event_at(trace, i)->op == TRACE_OP_FORK;
    for (size_t i = 0; i < G_N_ELEMENTS(kernels); i++) {
        g_autofree char *up =
            g_strdup_printf("kernel=%s layout=bottom-up", kernels[i]);
        g_autofree char *down =
            g_strdup_printf("kernel=%s layout=top-down gap=rb-gap", kernels[i]);
        ck_assert_uint_ge(
            counter_of(result_of(trace, up), "pagetable_alloc_count"),
            recorded + 3 * spaces);
        /* 6.18 aligns arenas of whole 2 MiB, which can save a table. */
        uint64_t tables =
            counter_of(result_of(trace, down), "pagetable_alloc_count");
        ck_assert_uint_ge(tables, recorded);
        ck_assert_uint_le(tables, recorded + 1);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("must_hold/recordings");
    TCase *tcase = tcase_create("recordings");
    int count = (int)g_strv_length((char **)committed_recordings());

    tcase_add_checked_fixture(tcase, runs_setup, runs_teardown);
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, every_address_of_the_recording_is_found, 0,
                        count);
    tcase_add_loop_test(tcase, the_totals_are_those_of_the_recording, 0, count);
    tcase_add_loop_test(tcase, no_result_differs, 0, count);
    tcase_add_loop_test(tcase, results_are_never_read_by_the_simulation, 0,
                        count);
    tcase_add_loop_test(tcase, without_a_zero_page_reads_take_frames, 0, count);
    tcase_add_loop_test(tcase, a_fork_that_copies_all_tables_saves_file_faults,
                        0, count);
    tcase_add_loop_test(
        tcase, before_fault_around_only_what_is_touched_is_mapped, 0, count);
    tcase_add_loop_test(tcase, a_layout_apart_takes_three_tables_more, 0,
                        count);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
