/*
 * See runs.h.
 */
#include "tests/must_hold/runs.h"

#include "mm/machine.h"
#include "sim/catalog.h"
#include "sim/result.h"
#include "sim/run.h"
#include "traces/trace_source.h"
#include "workloads/workload.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <glib/gstdio.h>

/* A test process holds one of these, made anew for every test. */
static struct {
    struct catalog catalog;
    char *folder;
    GPtrArray *traces;   // struct trace
    GPtrArray *results;  // json_t
    GPtrArray *texts;    // char *
    unsigned trace_count;
} runs;

static void
free_trace(void *trace)
{
    trace_free(trace);
}

static void
free_result(void *result)
{
    json_decref(result);
}

void
runs_setup(void)
{
    GError *error = NULL;
    bool is_open = catalog_open(&runs.catalog, VMSIM_DATA, &error);

    MUST(is_open, "%s", error ? error->message : "");
    runs.folder = g_dir_make_tmp("vmsim-XXXXXX", NULL);
    MUST(runs.folder, "no folder for files");
    runs.traces = g_ptr_array_new_with_free_func(free_trace);
    runs.results = g_ptr_array_new_with_free_func(free_result);
    runs.texts = g_ptr_array_new_with_free_func(g_free);
    runs.trace_count = 0;
}

void
runs_teardown(void)
{
    GDir *dir = g_dir_open(runs.folder, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(runs.folder, name, NULL);
        g_unlink(path);
    }
    g_dir_close(dir);
    g_rmdir(runs.folder);
    g_free(runs.folder);
    g_ptr_array_unref(runs.results);
    g_ptr_array_unref(runs.traces);
    g_ptr_array_unref(runs.texts);
    catalog_close(&runs.catalog);
}

struct catalog *
runs_catalog(void)
{
    return &runs.catalog;
}

const char *
path_of(const char *name)
{
    char *path = g_build_filename(runs.folder, name, NULL);

    g_ptr_array_add(runs.texts, path);
    return path;
}

struct trace *
trace_of_file(const char *path)
{
    GError *error = NULL;
    struct trace *trace = trace_load(path, &error);

    MUST(trace != NULL, "%s", error ? error->message : "");
    g_ptr_array_add(runs.traces, trace);
    return trace;
}

static const char *
new_trace_path(void)
{
    g_autofree char *name =
        g_strdup_printf("trace-%u.trace", ++runs.trace_count);

    return path_of(name);
}

struct trace *
trace_of_workload(const char *command)
{
    g_auto(GStrv) words = g_strsplit(command, " ", -1);
    const char *path = new_trace_path();
    struct trace_writer *writer = trace_writer_open(path, NULL);
    GError *error = NULL;

    MUST(writer, "%s cannot be written", path);
    bool is_made = workload_run(words[0], words + 1, writer, &error);
    MUST(is_made, "%s: %s", command, error ? error->message : "");
    MUST(trace_writer_close(writer, NULL), "%s cannot be written", path);
    return trace_of_file(path);
}

struct trace *
trace_of_text(const char *text)
{
    const char *path = new_trace_path();

    MUST(g_file_set_contents(path, text, -1, NULL), "%s cannot be written",
         path);
    return trace_of_file(path);
}

struct trace *
trace_of_lines(const char *lines)
{
    g_autofree char *text = g_strconcat("#vmtrace 1\n", lines, "\n", NULL);

    return trace_of_text(text);
}

const char *
text_of_file(const char *path)
{
    struct trace_source *source = trace_source_open(path, NULL);
    GString *text = g_string_new(NULL);
    g_autofree char *block = g_malloc(1 << 16);
    gssize got;

    MUST(source, "%s cannot be read", path);
    while ((got = trace_source_read(source, block, 1 << 16, NULL)) > 0)
        g_string_append_len(text, block, got);
    MUST(got == 0, "%s cannot be read", path);
    trace_source_free(source);
    g_ptr_array_add(runs.texts, g_string_free(text, FALSE));
    return g_ptr_array_index(runs.texts, runs.texts->len - 1);
}

#define RECORDING(name) VMSIM_TRACES "/examples/" name ".trace.zst"
#define SAMPLE(name)    VMSIM_TRACES "/samples/" name ".trace"
static const char *const committed[] = {
    SAMPLE("brk"),
    SAMPLE("cow-fork"),
    SAMPLE("guard-stack"),
    SAMPLE("hello"),
    SAMPLE("mremap"),
    SAMPLE("purge-reuse"),
    SAMPLE("server"),
    SAMPLE("threads"),
    RECORDING("compiler"),
    RECORDING("interpreter"),
    RECORDING("server"),
    RECORDING("threads"),
    NULL,
};

const char *const *
committed_traces(void)
{
    return committed;
}

const char *const *
committed_recordings(void)
{
    return committed + 8;
}

static struct setup_choice
choice_of(char *word)
{
    static const struct {
        const char *name;
        enum setup_kind kind;
    } names[] = {
        {"kernel", SETUP_KERNEL},
        {"machine", SETUP_MACHINE},
        {"ram", SETUP_RAM},
        {"cpus", SETUP_CPUS},
    };
    char *equals = strchr(word, '=');
    struct setup_choice choice = {.kind = SETUP_POLICY, .name = word};

    MUST(equals, "%s: no =", word);
    *equals = '\0';
    choice.value = equals + 1;
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        if (strcmp(word, names[i].name) == 0)
            choice.kind = names[i].kind;
    if (g_str_has_prefix(word, "knob."))
        choice.kind = SETUP_KNOB;
    if (g_str_has_prefix(word, "sysctl."))
        choice.kind = SETUP_SYSCTL;
    if (choice.kind == SETUP_KNOB || choice.kind == SETUP_SYSCTL)
        choice.name = strchr(word, '.') + 1;
    return choice;
}

struct setup
setup_of(const char *choices)
{
    char **words = g_strsplit(choices, " ", -1);
    g_autoptr(GArray) list =
        g_array_new(FALSE, FALSE, sizeof(struct setup_choice));
    struct setup setup;
    GError *error = NULL;

    for (char **word = words; *word; word++) {
        if (**word) {
            struct setup_choice choice = choice_of(*word);
            g_array_append_val(list, choice);
        }
    }
    bool is_made = setup_create(&setup, &runs.catalog,
                                (const struct setup_choice *)list->data,
                                list->len, 1, &error);
    MUST(is_made, "%s: %s", choices, error ? error->message : "");
    MUST(!setup.refusal, "%s: %s", choices, setup.refusal);
    g_strfreev(words);
    return setup;
}

json_t *
result_after(const struct trace *trace, const char *choices, size_t events)
{
    struct setup setup = setup_of(choices);
    struct replay *replay = replay_open(trace, &setup, NULL);

    replay_run(replay, events, UINT64_MAX);
    machine_validate(replay->machine);
    json_t *result = result_json(replay, &setup, NULL);
    replay_close(replay);
    g_ptr_array_add(runs.results, result);
    return result;
}

json_t *
result_of(const struct trace *trace, const char *choices)
{
    return result_after(trace, choices, trace->events->len);
}

static const json_t *
find_member(const json_t *object, const char *place)
{
    g_auto(GStrv) names = g_strsplit(place, ".", -1);

    for (char **name = names; *name; name++) {
        object = json_object_get(object, *name);
        MUST(object != NULL, "the result has no %s", place);
    }
    return object;
}

uint64_t
value_of(const json_t *result, const char *place)
{
    const json_t *value = find_member(result, place);

    MUST(json_is_integer(value), "%s is no integer", place);
    return (uint64_t)json_integer_value(value);
}

uint64_t
counter_of(const json_t *result, const char *name)
{
    g_autofree char *place = g_strconcat("counters.", name, NULL);

    return value_of(result, place);
}

void
assert_same(const json_t *left, const json_t *right, const char *place,
            const char *apart)
{
    g_auto(GStrv) skipped = g_strsplit(apart, " ", -1);
    const json_t *a = find_member(left, place);
    const json_t *b = find_member(right, place);
    const char *key;
    json_t *value;

    MUST(json_object_size(a) == json_object_size(b), "%s: members differ",
         place);
    json_object_foreach ((json_t *)a, key, value) {
        if (g_strv_contains((const char *const *)skipped, key))
            continue;
        g_autofree char *found =
            json_dumps(json_object_get(b, key), JSON_ENCODE_ANY);
        g_autofree char *expected = json_dumps(value, JSON_ENCODE_ANY);
        MUST(g_strcmp0(found, expected) == 0, "%s.%s: expected %s, found %s",
             place, key, expected, found);
    }
}

static void
assert_equal_sums(const char *what, uint64_t left, uint64_t right)
{
    MUST(left == right, "%s: %" PRIu64 " is not %" PRIu64, what, left, right);
}

void
assert_identities(const json_t *result)
{
    static const char *const kinds[] = {"fresh",    "zero_map",  "zero_break",
                                        "cow_copy", "cow_reuse", "file",
                                        "swap_in",  "segv",      "bus"};
    static const char *const users[] = {
        "end.anon_bytes", "end.file_bytes", "end.pagetable_bytes",
        "end.slab_bytes", "end.task_bytes", "end.free_bytes"};
    uint64_t faults = 0, used = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autofree char *name = g_strdup_printf("fault_%s_count", kinds[i]);
        faults += counter_of(result, name);
    }
    assert_equal_sums("identity 1", counter_of(result, "fault_count"), faults);
    for (size_t i = 0; i < G_N_ELEMENTS(users); i++)
        used += value_of(result, users[i]);
    assert_equal_sums("identity 4",
                      value_of(result, "config.ram_bytes") -
                          value_of(result, "config.reserved_bytes"),
                      used);
    /* Of populate only the zeroed part is cleared. */
    uint64_t cleared = counter_of(result, "fault_fresh_count") +
                       counter_of(result, "fault_zero_break_count") +
                       counter_of(result, "clear_page_shmem_count");
    uint64_t clears = counter_of(result, "clear_page_count") +
                      counter_of(result, "clear_page_skipped_count");
    MUST(clears >= cleared &&
             clears <= cleared + counter_of(result, "populate_fault_count"),
         "identity 3: %" PRIu64 " clears, %" PRIu64 " by faults", clears,
         cleared);
}

bool
runs_is_host_busy(void)
{
    FILE *file = fopen("/proc/loadavg", "r");
    unsigned running = 1;

    if (!file)
        return false;
    if (fscanf(file, "%*f %*f %*f %u/", &running) != 1)
        running = 1;
    fclose(file);
    return running > 1;
}
