/*
 * Delta debugging: cut behind the difference, then leave out what makes very
 * many VMAs, then whole tasks, then ever smaller runs of lines, then fold
 * children into their parents, until no single line can go.
 *
 * A candidate that is no trace any more (a name or task is missing), or that
 * the host refuses to carry out, counts as one without a difference, and so
 * does one that differs in something else.  Of differences of one kind any will
 * do, not only the first: the shorter trace is the better test.
 */
#include "sim/verify_shrink.h"

#include "mm/machine.h"
#include "sim/error.h"
#include "sim/replay.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CROWD_VMAS 256  // more by one event

struct shrink {
    char *kind;  // of the difference: its first word
    const struct setup *setup;
    GPtrArray *lines;  // the shortest that differ; not owned strings
    struct verify_result *result;
    GStringChunk *texts;  // of lines that were rewritten
};

static bool
write_lines(int fd, const GPtrArray *lines)
{
    FILE *file = fdopen(dup(fd), "w");

    for (guint i = 0; file && i < lines->len; i++)
        fprintf(file, "%s\n", (const char *)lines->pdata[i]);
    bool is_written = file && !ferror(file);
    return file && fclose(file) == 0 && is_written;
}

struct trace *
lines_load(const GPtrArray *lines, GError **error)
{
    int fd = memfd_create("vmsim-trace", MFD_CLOEXEC);
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
    struct trace *trace = NULL;

    if (fd < 0 || !write_lines(fd, lines))
        sim_fail(error, SIM_ERROR_FAILED, "no memory for a trace");
    else
        trace = trace_load(path, error);
    if (fd >= 0)
        close(fd);
    return trace;
}

GPtrArray *
lines_of_trace(const struct trace *trace)
{
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(lines, g_strdup("#vmtrace 1"));
    for (guint i = 0; i < trace->events->len; i++) {
        GString *line = g_string_new(NULL);
        struct trace_event event =
            g_array_index(trace->events, struct trace_event, i);
        event.flags &= ~(uint32_t)(TRACE_HAS_TIME | TRACE_HAS_CPU);
        event.result = TRACE_NONE;
        trace_format_event(trace, &event, line);
        g_ptr_array_add(lines, g_string_free(line, FALSE));
    }
    return lines;
}

/* Lines behind the difference do not matter. */
static void
cut_behind(GPtrArray *lines, const struct verify_result *result)
{
    if (result->line < lines->len)
        g_ptr_array_set_size(lines, (gint)result->line);
}

/* Carry the trace out once, and if it differs again: a host that is disturbed
 * may differ anywhere. */
static void
run_candidate(const struct shrink *shrink, const struct trace *trace,
              struct verify_result *result)
{
    /* The difference is at the end, most likely. */
    const struct verify_wishes wishes = {
        .state_from = trace->events->len > 0 ? trace->events->len - 1 : 0};

    for (int run = 0; run < 2; run++) {
        verify_result_clear(result);
        verify_trace(trace, shrink->setup, &wishes, result, NULL);
        if (!result->differs)
            return;
    }
}

/* "page", "VMAs", "results", "VmPTE:" */
static char *
kind_of(const char *difference)
{
    return g_strndup(difference, strcspn(difference, " "));
}

static bool
is_of_kind(const struct shrink *shrink, const char *difference)
{
    g_autofree char *kind = kind_of(difference);

    return strcmp(kind, shrink->kind) == 0;
}

/* Whether the candidate differs in the same way; if so it becomes the shortest.
 * Takes it over. */
static bool
try_lines(struct shrink *shrink, GPtrArray *candidate)
{
    struct trace *trace = lines_load(candidate, NULL);
    struct verify_result result = {0};

    if (trace) {
        run_candidate(shrink, trace, &result);
        trace_free(trace);
    }
    if (!result.differs || !is_of_kind(shrink, result.difference)) {
        verify_result_clear(&result);
        g_ptr_array_unref(candidate);
        return false;
    }
    cut_behind(candidate, &result);
    g_ptr_array_unref(shrink->lines);
    shrink->lines = candidate;
    verify_result_clear(shrink->result);
    *shrink->result = result;
    return true;
}

/* All lines but `count` from `from` on. */
static GPtrArray *
without_range(const GPtrArray *lines, guint from, guint count)
{
    GPtrArray *rest = g_ptr_array_new();

    for (guint i = 0; i < lines->len; i++)
        if (i < from || i >= from + count)
            g_ptr_array_add(rest, lines->pdata[i]);
    return rest;
}

/* The lines (guint) that make very many VMAs, as the simulation has it. */
static GArray *
crowd_lines(const struct shrink *shrink)
{
    GArray *crowd = g_array_new(FALSE, FALSE, sizeof(guint));
    struct trace *trace = lines_load(shrink->lines, NULL);

    if (!trace)
        return crowd;
    struct replay *replay = replay_open(trace, shrink->setup, NULL);
    const uint64_t *count = &replay->machine->gauge[GAUGE_vma_count];
    for (guint event = 0; event < trace->events->len; event++) {
        uint64_t before = *count;
        guint line = (guint)trace_event_line(trace, event) - 1;
        replay_run(replay, event + 1, UINT64_MAX);
        if (*count >= before + CROWD_VMAS)
            g_array_append_val(crowd, line);
    }
    replay_close(replay);
    trace_free(trace);
    return crowd;
}

/* All lines but the last `count` of `crowd`. */
static GPtrArray *
without_crowd(const GPtrArray *lines, const GArray *crowd, guint count)
{
    GPtrArray *rest = g_ptr_array_new();
    guint next = crowd->len - count;

    for (guint i = 0; i < lines->len; i++) {
        if (next < crowd->len && g_array_index(crowd, guint, next) == i)
            next++;
        else
            g_ptr_array_add(rest, lines->pdata[i]);
    }
    return rest;
}

/* The fewer VMAs there are, the less time all other candidates take. */
static void
drop_crowd(struct shrink *shrink)
{
    g_autoptr(GArray) crowd = crowd_lines(shrink);

    for (guint count = crowd->len; count > 0; count /= 2)
        while (count <= crowd->len &&
               try_lines(shrink, without_crowd(shrink->lines, crowd, count)))
            g_array_set_size(crowd, crowd->len - count);
}

/* A line of this task, or one that makes it. */
static bool
concerns_task(const char *line, const char *id)
{
    g_auto(GStrv) words = g_strsplit(line, " ", 4);
    guint count = g_strv_length(words);
    bool makes = count > 2 && (strcmp(words[1], "fork") == 0 ||
                               strcmp(words[1], "vfork") == 0 ||
                               strcmp(words[1], "thread") == 0);

    return strcmp(words[0], id) == 0 || (makes && strcmp(words[2], id) == 0);
}

static GPtrArray *
without_task(const GPtrArray *lines, const char *id)
{
    GPtrArray *rest = g_ptr_array_new();

    for (guint i = 0; i < lines->len; i++)
        if (!concerns_task(lines->pdata[i], id))
            g_ptr_array_add(rest, lines->pdata[i]);
    return rest;
}

/* Youngest first: a task's children have gone when it is tried. */
static void
drop_tasks(struct shrink *shrink)
{
    for (guint i = shrink->lines->len; i-- > 1;) {
        if (i >= shrink->lines->len)
            continue;
        g_auto(GStrv) words = g_strsplit(shrink->lines->pdata[i], " ", 4);
        if (g_strv_length(words) > 2 && strcmp(words[1], "fork") == 0)
            try_lines(shrink, without_task(shrink->lines, words[2]));
        else if (g_strv_length(words) > 1 && strcmp(words[1], "start") == 0)
            try_lines(shrink, without_task(shrink->lines, words[0]));
    }
}

static const char *
renamed(const struct shrink *shrink, const char *task, const char *rest)
{
    g_autofree char *line = g_strconcat(task, " ", rest, NULL);

    return g_string_chunk_insert_const(shrink->texts, line);
}

/* The lines with parent and child as one process: without the fork, the
 * child's lines are the parent's. */
static GPtrArray *
folded(const struct shrink *shrink, guint fork, const char *parent,
       const char *child)
{
    GPtrArray *rest = g_ptr_array_new();
    g_autofree char *prefix = g_strconcat(child, " ", NULL);

    for (guint i = 0; i < shrink->lines->len; i++) {
        const char *line = shrink->lines->pdata[i];
        if (i == fork)
            continue;
        if (i > fork && g_str_has_prefix(line, prefix))
            line = renamed(shrink, parent, line + strlen(prefix));
        g_ptr_array_add(rest, (char *)(uintptr_t)line);
    }
    return rest;
}

static void
fold_tasks(struct shrink *shrink)
{
    for (guint i = 1; i < shrink->lines->len; i++) {
        g_auto(GStrv) words = g_strsplit(shrink->lines->pdata[i], " ", 4);
        if (g_strv_length(words) > 2 && strcmp(words[1], "fork") == 0 &&
            try_lines(shrink, folded(shrink, i, words[0], words[2])))
            i--;
    }
}

/* true: something went. */
static bool
drop_runs(struct shrink *shrink, guint count)
{
    bool dropped = false;

    for (guint end = shrink->lines->len; end > 1;) {
        guint from = end > count + 1 ? end - count : 1;
        dropped |=
            try_lines(shrink, without_range(shrink->lines, from, end - from));
        end = MIN(from, shrink->lines->len);
    }
    return dropped;
}

void
shrink_lines(GPtrArray *lines, const struct setup *setup,
             struct verify_result *result)
{
    struct shrink shrink = {
        .kind = kind_of(result->difference),
        .setup = setup,
        .lines = without_range(lines, 0, 0),
        .result = result,
        .texts = g_string_chunk_new(4096),
    };
    GPtrArray *copies = g_ptr_array_new();

    cut_behind(shrink.lines, result);
    drop_crowd(&shrink);
    drop_tasks(&shrink);
    for (guint count = shrink.lines->len / 2; count > 0; count /= 2)
        drop_runs(&shrink, count);
    fold_tasks(&shrink);
    while (drop_runs(&shrink, 1))
        ;
    for (guint i = 0; i < shrink.lines->len; i++)
        g_ptr_array_add(copies, g_strdup(shrink.lines->pdata[i]));
    g_ptr_array_unref(shrink.lines);
    g_string_chunk_free(shrink.texts);
    g_free(shrink.kind);
    g_ptr_array_set_size(lines, 0);
    g_ptr_array_extend_and_steal(lines, copies);
}
