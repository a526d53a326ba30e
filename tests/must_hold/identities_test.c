/*
 * What holds for every trace: sums of counters, and that other ways to say the
 * same thing give the same result.  Each committed trace is rewritten --
 * touches split, joined or doubled, another process added, the end cut off,
 * compressed, run beside others -- and only what must change may change.
 */
#include "tests/must_hold/runs.h"

#include "mm/machine.h"
#include "sim/axes.h"
#include "sim/dump.h"
#include "sim/sweep.h"
#include "tests/run_suite.h"
#include "traces/trace_writer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Less RAM than usual: to validate a machine takes time for all of it. */
static const char *const choices[] = {
    "kernel=2.4.21 ram=1G", "kernel=2.6.2 ram=1G", "kernel=2.6.24 ram=1G",
    "kernel=6.18 ram=1G"};

static const struct trace_event *
event_at(const struct trace *trace, size_t index)
{
    return &g_array_index(trace->events, struct trace_event, index);
}

static bool
is_touch(const struct trace_event *event)
{
    return event->op >= TRACE_OP_READ && event->op <= TRACE_OP_EXECUTE;
}

START_TEST(the_sums_of_counters_hold)
{
    static const char *const more[] = {
        "kernel=2.6.7 ram=1G",
        "kernel=2.6.22-nozero ram=1G",
        "kernel=2.6.32 ram=1G",
        "kernel=3.9-vrange ram=1G",
        "kernel=6.18 ram=1G purge=vrange-full guard=gap",
        "kernel=6.18 ram=1G clear=nozero rmap=pte-chain",
        "kernel=2.6.2 machine=i386-pae zero-page=none",
    };
    const struct trace *trace = trace_of_file(committed_traces()[_i]);

    for (size_t i = 0; i < G_N_ELEMENTS(choices); i++)
        assert_identities(result_of(trace, choices[i]));
    /* The recordings' addresses are x86-64's. */
    size_t count =
        G_N_ELEMENTS(more) - (trace->touches == TRACE_TOUCHES_FAULTS);
    for (size_t i = 0; i < count; i++)
        assert_identities(result_of(trace, more[i]));
}
END_TEST

/* ---- traces written anew ---- */

/* What an event becomes. */
typedef void (*rewrite_fn)(const struct trace *trace,
                           const struct trace_event *event, GString *text);

static void
write_event(const struct trace *trace, const struct trace_event *event,
            GString *text)
{
    trace_format_event(trace, event, text);
    g_string_append_c(text, '\n');
}

static void
write_head(const struct trace *trace, GString *text)
{
    g_string_append(text, "#vmtrace 1\n");
    if (trace->touches == TRACE_TOUCHES_FAULTS)
        g_string_append_printf(text, "#touches faults %s\n",
                               trace->touches_kernel);
}

static struct trace *
rewritten(const struct trace *trace, rewrite_fn rewrite)
{
    g_autoptr(GString) text = g_string_new(NULL);

    write_head(trace, text);
    for (size_t i = 0; i < trace->events->len; i++)
        rewrite(trace, event_at(trace, i), text);
    return trace_of_text(text->str);
}

/* A touch of [start, end) behind the event's address. */
static struct trace_event
part_of(const struct trace_event *event, uint64_t start, uint64_t end)
{
    struct trace_event part = *event;

    part.address.offset += event->address.from_end ? -start : start;
    part.length = end - start;
    part.result = TRACE_NONE;
    return part;
}

/* Bytes from the event's address to the next page boundary.  Regions begin and
 * end at page boundaries. */
static uint64_t
bytes_to_boundary(const struct trace_event *event)
{
    uint64_t inside = event->address.offset % PAGE_BYTES;

    if (event->address.from_end)
        return inside ? inside : PAGE_BYTES;
    return PAGE_BYTES - inside;
}

/* Every touch page by page. */
static void
split_touch(const struct trace *trace, const struct trace_event *event,
            GString *text)
{
    if (!is_touch(event) || trace_detail(trace, event)->stride) {
        write_event(trace, event, text);
        return;
    }
    uint64_t end = MIN(bytes_to_boundary(event), event->length);
    for (uint64_t start = 0; start < event->length;) {
        struct trace_event part = part_of(event, start, end);
        write_event(trace, &part, text);
        start = end;
        end = MIN(end + PAGE_BYTES, event->length);
    }
}

/* Every touch in two, at a page boundary after its first third. */
static void
halve_touch(const struct trace *trace, const struct trace_event *event,
            GString *text)
{
    uint64_t middle = bytes_to_boundary(event) + page_floor(event->length / 3);

    if (!is_touch(event) || trace_detail(trace, event)->stride ||
        middle >= event->length) {
        write_event(trace, event, text);
        return;
    }
    struct trace_event first = part_of(event, 0, middle);
    struct trace_event second = part_of(event, middle, event->length);
    write_event(trace, &first, text);
    write_event(trace, &second, text);
}

static void
double_touch(const struct trace *trace, const struct trace_event *event,
             GString *text)
{
    write_event(trace, event, text);
    if (is_touch(event))
        write_event(trace, event, text);
}

/* The second touch goes on where the first ends. */
static bool
can_join(const struct trace_event *first, const struct trace_event *second)
{
    return is_touch(first) && first->op == second->op &&
           first->task == second->task && first->flags == second->flags &&
           first->cpu == second->cpu && first->detail == TRACE_NONE &&
           second->detail == TRACE_NONE &&
           first->address.binding == second->address.binding &&
           first->address.from_end == second->address.from_end &&
           (first->address.from_end ? first->address.offset - first->length ==
                                          second->address.offset
                                    : first->address.offset + first->length ==
                                          second->address.offset) &&
           (first->address.offset + first->length) % PAGE_BYTES == 0;
}

/* What follows each other becomes one; `joined` counts. */
static struct trace *
joined(const struct trace *trace, size_t *count)
{
    g_autoptr(GString) text = g_string_new(NULL);

    *count = 0;
    write_head(trace, text);
    for (size_t i = 0; i < trace->events->len; i++) {
        struct trace_event event = *event_at(trace, i);
        while (i + 1 < trace->events->len &&
               can_join(&event, event_at(trace, i + 1))) {
            event.length += event_at(trace, ++i)->length;
            event.result = TRACE_NONE;
            ++*count;
        }
        write_event(trace, &event, text);
    }
    return trace_of_text(text->str);
}

static void
assert_same_run(const struct trace *left, const struct trace *right,
                const char *under)
{
    const json_t *a = result_of(left, under);
    const json_t *b = result_of(right, under);

    assert_same(a, b, "counters", "");
    assert_same(a, b, "peak", "");
    assert_same(a, b, "end", "");
    assert_same(a, b, "time_ns", "");
    assert_same(a, b, "config", "");
}

START_TEST(splitting_touches_changes_nothing)
{
    const struct trace *trace = trace_of_file(committed_traces()[_i]);
    const struct trace *pages = rewritten(trace, split_touch);
    const struct trace *halves = rewritten(trace, halve_touch);

    MUST(pages->events->len > trace->events->len, "nothing was split");
    for (size_t i = 0; i < G_N_ELEMENTS(choices); i++) {
        assert_same_run(trace, pages, choices[i]);
        assert_same_run(trace, halves, choices[i]);
    }
}
END_TEST

START_TEST(joining_touches_changes_nothing)
{
    const struct trace *trace = trace_of_file(committed_traces()[_i]);
    const struct trace *pages = rewritten(trace, split_touch);
    size_t count;

    for (size_t i = 0; i < G_N_ELEMENTS(choices); i++) {
        assert_same_run(trace, joined(trace, &count), choices[i]);
        assert_same_run(trace, joined(pages, &count), choices[i]);
        MUST(count > 0, "nothing was joined");
    }
}
END_TEST

START_TEST(doubling_touches_only_counts_them)
{
    const struct trace *trace = trace_of_file(committed_traces()[_i]);
    const struct trace *twice = rewritten(trace, double_touch);

    for (size_t i = 0; i < G_N_ELEMENTS(choices); i++) {
        const json_t *one = result_of(trace, choices[i]);
        const json_t *two = result_of(twice, choices[i]);
        uint64_t segv = counter_of(one, "fault_segv_count");
        uint64_t bus = counter_of(one, "fault_bus_count");

        assert_same(one, two, "counters",
                    "touch_count fault_count fault_segv_count "
                    "fault_bus_count");
        assert_same(one, two, "peak", "");
        assert_same(one, two, "end", "");
        ck_assert_uint_eq(counter_of(two, "touch_count"),
                          2 * counter_of(one, "touch_count"));
        ck_assert_uint_eq(counter_of(two, "fault_segv_count"), 2 * segv);
        ck_assert_uint_eq(counter_of(two, "fault_bus_count"), 2 * bus);
        ck_assert_uint_eq(counter_of(two, "fault_count"),
                          counter_of(one, "fault_count") + segv + bus);
    }
}
END_TEST

/* ---- sweeps ---- */

static void
add_axis(GArray *axes, enum setup_kind kind, const char *name,
         const char *values)
{
    struct axis axis = {
        .kind = kind,
        .name = g_strdup(name),
        .values = g_strsplit(values, ",", -1),
    };

    g_array_append_val(axes, axis);
}

/* The lines of a sweep over the traces. */
static char *
sweep_lines(const GPtrArray *traces, unsigned jobs)
{
    GArray *axes = g_array_new(FALSE, FALSE, sizeof(struct axis));
    g_autofree char *name =
        g_strdup_printf("sweep-%p-%u.jsonl", (const void *)traces, jobs);
    const char *path = path_of(name);
    struct sweep sweep = {.catalog = runs_catalog(),
                          .traces = traces,
                          .axes = axes,
                          .seed = 1,
                          .jobs = jobs,
                          .output = path};
    GError *error = NULL;
    char *lines = NULL;

    sweep.wishes.timeline.every = 500;
    add_axis(axes, SETUP_KERNEL, NULL, "2.6.2,2.6.24,6.18");
    add_axis(axes, SETUP_CPUS, NULL, "1,4");
    add_axis(axes, SETUP_POLICY, "gap", "linear,rb-gap");
    add_axis(axes, SETUP_POLICY, "clear", "on-alloc,nozero");
    bool is_done = sweep_run(&sweep, &error);
    MUST(is_done, "%s", error ? error->message : "");
    MUST(g_file_get_contents(path, &lines, NULL, NULL), "%s is not there",
         path);
    for (guint i = 0; i < axes->len; i++) {
        g_free(g_array_index(axes, struct axis, i).name);
        g_strfreev(g_array_index(axes, struct axis, i).values);
    }
    g_array_unref(axes);
    return lines;
}

/* All committed traces, or the same as copies with that ending. */
static GPtrArray *
load_committed(const char *ending)
{
    GPtrArray *traces = g_ptr_array_new();

    for (size_t i = 0; committed_traces()[i]; i++) {
        const char *path = committed_traces()[i];
        if (ending) {
            g_autofree char *name =
                g_strdup_printf("copy-%u-%zu%s", traces->len, i, ending);
            g_auto(GStrv) lines = g_strsplit(text_of_file(path), "\n", -1);
            const char *copy = path_of(name);
            struct trace_writer *writer = trace_writer_open(copy, NULL);

            MUST(writer, "%s cannot be written", copy);
            for (char **line = lines + 1; *line && line[1]; line++)
                trace_writer_line(writer, "%s", *line);
            MUST(trace_writer_close(writer, NULL), "%s was not written", copy);
            path = copy;
        }
        g_ptr_array_add(traces, trace_of_file(path));
    }
    return traces;
}

START_TEST(one_job_and_sixteen_give_the_same_bytes)
{
    g_autoptr(GPtrArray) traces = load_committed(NULL);
    g_autofree char *alone = sweep_lines(traces, 1);
    g_autofree char *together = sweep_lines(traces, 16);

    ck_assert_uint_gt(strlen(alone), 100000);
    ck_assert(strcmp(alone, together) == 0);
}
END_TEST

/* The line without what names the file. */
static char *
without_file(const char *line)
{
    json_t *result = json_loads(line, 0, NULL);

    MUST(result, "a line is no JSON");
    json_object_del(json_object_get(result, "trace"), "path");
    json_object_del(json_object_get(result, "trace"), "sha256");
    char *dump = json_dumps(result, JSON_COMPACT);
    json_decref(result);
    return dump;
}

START_TEST(text_and_zst_give_the_same_bytes)
{
    g_autoptr(GPtrArray) text = load_committed(".trace");
    g_autoptr(GPtrArray) zst = load_committed(".trace.zst");
    g_autofree char *text_all = sweep_lines(text, 2);
    g_autofree char *zst_all = sweep_lines(zst, 2);
    g_auto(GStrv) text_lines = g_strsplit(text_all, "\n", -1);
    g_auto(GStrv) zst_lines = g_strsplit(zst_all, "\n", -1);
    size_t count = g_strv_length(text_lines);

    ck_assert_uint_eq(g_strv_length(zst_lines), count);
    ck_assert_uint_eq(count, text->len * 24 + 1);
    for (size_t i = 0; i + 1 < count; i++) {
        char *left = without_file(text_lines[i]);
        char *right = without_file(zst_lines[i]);
        MUST(strcmp(left, right) == 0, "line %zu differs", i);
        free(left);
        free(right);
    }
}
END_TEST

/* ---- another process ---- */

/* It does a bit of everything, with regions and tasks of its own. */
static const char *const stranger[] = {
    "@0/0 901 start uid=77 comm=stranger",
    "@0/0 901 mmap xA 256K rw- anon,private",
    "@0/0 901 r xA 64K",
    "@0/0 901 w xA+32K 128K",
    "@0/0 901 brk 64K",
    "@0/0 901 w heap+0 64K",
    "@0/0 901 mmap xB 64K rw- anon,shared",
    "@0/0 901 w xB+0 32K",
    "@0/0 901 fork 902",
    "@0/0 902 w xA+32K 64K",
    "@0/0 902 r xB+0 64K",
    "@0/0 901 w xA+32K 16K",
    "@0/0 901 mprotect xA+0 16K r--",
    "@0/0 901 w xA+0 16K",
    "@0/0 902 munmap xA+128K 64K",
    "@0/0 902 exit",
    "@0/0 901 w xA+0 256K",
    "@0/0 901 madvise xA+64K 64K dontneed",
    "@0/0 901 mremap xA+128K 128K 512K maymove as=xC",
    "@0/0 901 w xC+0 512K",
    "@0/0 901 thread 903",
    "@0/0 903 munmap xB 64K",
    "@0/0 903 exit",
};

/* The stranger's lines between those of the trace (which may have none). */
static struct trace *
with_stranger(const struct trace *trace)
{
    g_autoptr(GString) text = g_string_new(NULL);
    size_t events = trace ? trace->events->len : 0;
    size_t done = 0, count = G_N_ELEMENTS(stranger);

    if (trace)
        write_head(trace, text);
    else
        g_string_append(text, "#vmtrace 1\n");
    for (size_t i = 0; i <= events; i++) {
        size_t due = events ? count * i / events : count;
        for (; done < due; done++)
            g_string_append_printf(text, "%s\n", stranger[done]);
        if (i < events)
            write_event(trace, event_at(trace, i), text);
    }
    return trace_of_text(text->str);
}

static void
assert_adds(const json_t *both, const json_t *one, const json_t *other,
            const char *place, const char *apart)
{
    g_auto(GStrv) skipped = g_strsplit(apart, " ", -1);
    const char *key;
    json_t *value;

    json_object_foreach(json_object_get(both, place), key, value)
    {
        if (g_strv_contains((const char *const *)skipped, key))
            continue;
        g_autofree char *name = g_strdup_printf("%s.%s", place, key);
        MUST(value_of(both, name) ==
                 value_of(one, name) + value_of(other, name),
             "%s: %" PRIu64 " is not %" PRIu64 " + %" PRIu64, name,
             value_of(both, name), value_of(one, name), value_of(other, name));
    }
}

/*
 * Apart from what the allocator of frames does on their common behalf: halves
 * and joins, and blocks of objects of both.  On one CPU, so that the number of
 * tasks before does not decide which; with the zero page or without.
 */
START_TEST(a_process_that_shares_nothing_adds_its_counters)
{
    static const char *const under[] = {
        "ram=1G kernel=6.18 cpus=1",
        "ram=1G kernel=2.6.24 cpus=1",
        "ram=1G kernel=2.6.32 cpus=1 rmap=pte-chain gap=linear",
        "ram=1G kernel=3.9-vrange cpus=1 purge=vrange-full",
    };
    const struct trace *trace = trace_of_file(committed_traces()[_i]);
    const struct trace *alone = with_stranger(NULL);
    const struct trace *both = with_stranger(trace);

    MUST(both->events->len == trace->events->len + alone->events->len,
         "a line is missing");
    for (size_t i = 0; i < G_N_ELEMENTS(under); i++) {
        const json_t *one = result_of(trace, under[i]);
        const json_t *other = result_of(alone, under[i]);
        const json_t *sum = result_of(both, under[i]);

        assert_adds(sum, one, other, "counters",
                    "page_alloc_count page_free_count buddy_split_count "
                    "buddy_merge_count clear_page_kernel_count");
        assert_adds(sum, one, other, "end", "slab_bytes free_bytes");
        ck_assert_uint_eq(counter_of(other, "event_failed_count"), 0);
        ck_assert_uint_gt(counter_of(other, "fault_cow_copy_count"), 0);
    }
}
END_TEST

/* ---- beginnings ---- */

/* The lines up to the event of that number, as a trace. */
static struct trace *
beginning_of(const struct trace *trace, const char *text, size_t events)
{
    const char *end = text;
    uint64_t line = trace_event_line(trace, events - 1);

    for (uint64_t i = 0; i < line; i++)
        end = strchr(end, '\n') + 1;
    g_autofree char *part = g_strndup(text, (gsize)(end - text));
    return trace_of_text(part);
}

struct state {
    json_t *result;
    GString *maps;
};

static struct state
state_after(const struct trace *trace, const char *under, size_t events)
{
    struct dump_request request;
    struct state state = {result_after(trace, under, events),
                          g_string_new(NULL)};
    struct setup setup = setup_of(under);
    struct replay *replay = replay_open(trace, &setup, NULL);

    MUST(dump_parse("smaps", &request, NULL), "smaps is no dump");
    replay_run(replay, events, UINT64_MAX);
    MUST(dump_append(state.maps, replay, &request, NULL), "no task lives");
    replay_close(replay);
    return state;
}

static void
assert_same_beginning(const struct trace *trace, const char *text,
                      const char *under, size_t events)
{
    struct state whole = state_after(trace, under, events);
    struct state part =
        state_after(beginning_of(trace, text, events), under, events);

    assert_same(whole.result, part.result, "counters", "");
    assert_same(whole.result, part.result, "end", "");
    assert_same(whole.result, part.result, "peak", "");
    assert_same(whole.result, part.result, "time_ns", "");
    MUST(strcmp(whole.maps->str, part.maps->str) == 0,
         "%s, %s: the maps differ after event %zu", trace->path, under, events);
    g_string_free(whole.maps, TRUE);
    g_string_free(part.maps, TRUE);
}

/* Every beginning of a short trace, and of a long one every first one, every
 * image and now and then. */
static bool
is_looked_at(const struct trace *trace, size_t events)
{
    return trace->events->len < 100 || events < 60 ||
           event_at(trace, events - 1)->op == TRACE_OP_EXEC ||
           events % 200 == 0 || events == trace->events->len;
}

START_TEST(the_state_after_an_event_does_not_know_what_follows)
{
    static const char *const under[] = {"kernel=2.6.2 ram=1G",
                                        "kernel=6.18 ram=1G"};
    const char *path = committed_traces()[_i];
    const struct trace *trace = trace_of_file(path);
    const char *text = text_of_file(path);

    for (size_t i = 0; i < G_N_ELEMENTS(under); i++)
        for (size_t events = 1; events <= trace->events->len; events++)
            if (is_looked_at(trace, events))
                assert_same_beginning(trace, text, under[i], events);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("must_hold/identities");
    TCase *tcase = tcase_create("identities");
    int count = (int)g_strv_length((char **)committed_traces());

    tcase_add_checked_fixture(tcase, runs_setup, runs_teardown);
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, the_sums_of_counters_hold, 0, count);
    tcase_add_loop_test(tcase, splitting_touches_changes_nothing, 0, count);
    tcase_add_loop_test(tcase, joining_touches_changes_nothing, 0, count);
    tcase_add_loop_test(tcase, doubling_touches_only_counts_them, 0, count);
    tcase_add_test(tcase, one_job_and_sixteen_give_the_same_bytes);
    tcase_add_test(tcase, text_and_zst_give_the_same_bytes);
    tcase_add_loop_test(tcase, a_process_that_shares_nothing_adds_its_counters,
                        0, count);
    tcase_add_loop_test(
        tcase, the_state_after_an_event_does_not_know_what_follows, 0, count);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
