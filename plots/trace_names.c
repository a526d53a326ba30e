/*
 * A trace is called by its file, "ebizzy" for "dir/ebizzy.trace.zst".  Where
 * that means several files, as much of their paths is added as tells them
 * apart; where one path stands for several contents, results were put together
 * that were not made at one time, and the digest tells.
 */
#include "plots/trace_names.h"

#include "plots/labels.h"
#include "plots/path_tail.h"

#include <string.h>

#define NAME_CHARACTERS   48
#define DIGEST_CHARACTERS 8

struct named_trace {
    char *path, *stem, *name;  // as they can be shown
    const char *digest;
};

static void
named_trace_free(void *data)
{
    struct named_trace *trace = data;

    g_free(trace->path);
    g_free(trace->stem);
    g_free(trace->name);
    g_free(trace);
}

/* "dir/ebizzy.trace.zst" is "ebizzy". */
static char *
trace_stem(const char *path)
{
    static const char *const suffixes[] = {".zst", ".vmt", ".vmtrace", ".trace",
                                           ".txt"};
    char *stem = g_path_get_basename(path);

    for (size_t i = 0; i < G_N_ELEMENTS(suffixes); i++)
        if (g_str_has_suffix(stem, suffixes[i]) &&
            strlen(stem) > strlen(suffixes[i]))
            stem[strlen(stem) - strlen(suffixes[i])] = '\0';
    return stem;
}

static struct named_trace *
trace_of(const struct plot_run *run)
{
    const json_t *object = json_object_get(run->root, "trace");
    const char *digest =
        json_string_value(json_object_get(object, "content_sha256"));
    struct named_trace *trace = g_new0(struct named_trace, 1);

    trace->path =
        plot_plain(json_string_value(json_object_get(object, "path")));
    trace->digest = digest ? digest : "";
    trace->stem = trace_stem(trace->path);
    return trace;
}

static char *
full_name(const struct named_trace *trace, const GPtrArray *traces)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new();
    bool has_twin = false;

    for (unsigned i = 0; i < traces->len; i++) {
        const struct named_trace *other = traces->pdata[i];
        if (other == trace || strcmp(other->stem, trace->stem) != 0)
            continue;
        if (strcmp(other->path, trace->path) != 0)
            g_ptr_array_add(paths, other->path);
        else
            has_twin = true;
    }
    g_autofree char *name =
        paths->len > 0 ? path_tail(trace->path, paths) : g_strdup(trace->stem);
    if (!has_twin)
        return g_steal_pointer(&name);
    return g_strdup_printf("%s (%.*s)", name, DIGEST_CHARACTERS,
                           *trace->digest ? trace->digest : "unknown");
}

static void
make_names(const GPtrArray *traces)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (unsigned i = 0; i < traces->len; i++) {
        struct named_trace *trace = traces->pdata[i];
        trace->name = full_name(trace, traces);
        g_ptr_array_add(names, trace->name);
    }
    size_t limit = plot_shorten_limit(names, NAME_CHARACTERS);
    for (unsigned i = 0; i < traces->len; i++) {
        struct named_trace *trace = traces->pdata[i];
        g_autofree char *whole = trace->name;
        trace->name = plot_shorten(whole, limit);
    }
}

/* The traces of the runs, in order of appearance; each run has its index. */
static GPtrArray *
find_traces(const GPtrArray *all)
{
    GPtrArray *traces = g_ptr_array_new_with_free_func(named_trace_free);
    g_autoptr(GHashTable) counts =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (unsigned i = 0; i < all->len; i++) {
        struct plot_run *run = all->pdata[i];
        struct named_trace *trace = trace_of(run);
        char *key = g_strconcat(trace->digest, " ", trace->path, NULL);
        guint count = GPOINTER_TO_UINT(g_hash_table_lookup(counts, key));
        if (count > 0) {
            named_trace_free(trace);
            g_free(key);
        } else {
            g_ptr_array_add(traces, trace);
            count = traces->len;
            g_hash_table_insert(counts, key, GUINT_TO_POINTER(count));
        }
        run->trace_index = count - 1;
    }
    return traces;
}

void
plot_name_traces(struct plot_runs *runs, const GPtrArray *all)
{
    g_autoptr(GPtrArray) traces = find_traces(all);

    make_names(traces);
    for (unsigned i = 0; i < traces->len; i++) {
        struct named_trace *trace = traces->pdata[i];
        g_ptr_array_add(runs->traces, g_steal_pointer(&trace->name));
    }
    for (unsigned i = 0; i < all->len; i++) {
        struct plot_run *run = all->pdata[i];
        run->trace = runs->traces->pdata[run->trace_index];
    }
}
