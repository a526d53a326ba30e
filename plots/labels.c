/*
 * Which settings tell the runs of a file apart.
 *
 * A sweep over kernels changes every policy with the kernel, but "2.6.22" says
 * it all.  So settings are tried in the order in which a sweep varies them,
 * and one is taken only if it tells apart two runs that those taken before
 * leave equal.
 */
#include "plots/labels.h"

#include "plots/numbers.h"
#include "plots/trace_names.h"

#include <string.h>

#define VALUE_CHARACTERS 40
#define SEPARATOR        ", "

/* In the order of a sweep; a name that ends in a dot stands for all behind. */
static const struct {
    const char *name;
    const char *before;  // the value, in labels
    const char *after;
} dimensions[] = {
    {"kernel", "", ""},          {"machine", "", ""},
    {"ram_bytes", "", " RAM"},   {"cpu_count", "", " CPU"},
    {"swap_bytes", "", " swap"}, {"schedule", "", " schedule"},
    {"sysctl.", "", ""},         {"knobs.", "", ""},
    {"policy.", "", ""},         {"seed", "seed ", ""},
    {"vmsim", "vmsim ", ""},
};

char *
plot_plain(const char *text)
{
    GString *plain = g_string_new(NULL);

    for (; *text; text = g_utf8_next_char(text)) {
        gunichar character = g_utf8_get_char(text);
        if (g_unichar_isspace(character))
            g_string_append_c(plain, ' ');
        else if (g_unichar_iscntrl(character))
            g_string_append_printf(plain, "\\x%02x", character);
        else
            g_string_append_unichar(plain, character);
    }
    return g_string_free(plain, FALSE);
}

char *
plot_shorten(const char *text, size_t limit)
{
    size_t length = (size_t)g_utf8_strlen(text, -1);

    if (length <= limit)
        return g_strdup(text);
    size_t front = (limit - 1) / 2;
    size_t back = limit - 1 - front;
    g_autofree char *head = g_utf8_substring(text, 0, (glong)front);
    const char *tail = g_utf8_offset_to_pointer(text, (glong)(length - back));
    return g_strconcat(head, "…", tail, NULL);
}

/* Whether shortening makes equal what is not. */
static bool
confuses(const GPtrArray *texts, size_t limit)
{
    g_autoptr(GHashTable) seen =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (unsigned i = 0; i < texts->len; i++) {
        char *brief = plot_shorten(texts->pdata[i], limit);
        const char *other = g_hash_table_lookup(seen, brief);
        if (other && strcmp(other, texts->pdata[i]) != 0) {
            g_free(brief);
            return true;
        }
        g_hash_table_insert(seen, brief, texts->pdata[i]);
    }
    return false;
}

/* The more is left, the more differs. */
size_t
plot_shorten_limit(const GPtrArray *texts, size_t limit)
{
    size_t most = limit;

    for (unsigned i = 0; i < texts->len; i++)
        most = MAX(most, (size_t)g_utf8_strlen(texts->pdata[i], -1));
    if (!confuses(texts, limit))
        return limit;
    while (limit + 1 < most) {
        size_t middle = limit + (most - limit) / 2;
        if (confuses(texts, middle))
            limit = middle;
        else
            most = middle;
    }
    return most;
}

/* The parts of a setup that the other has, or those that it has not. */
static char *
filter_parts(const char *setup, const char *other, bool is_shared)
{
    g_auto(GStrv) parts = g_strsplit(setup, SEPARATOR, 0);
    g_auto(GStrv) others = g_strsplit(other, SEPARATOR, 0);
    g_autoptr(GPtrArray) kept = g_ptr_array_new();

    for (char **part = parts; *part; part++)
        if (g_strv_contains((const char *const *)others, *part) == is_shared)
            g_ptr_array_add(kept, *part);
    g_ptr_array_add(kept, NULL);
    return g_strjoinv(SEPARATOR, (char **)kept->pdata);
}

char *
plot_setup_without(const char *setup, const char *other)
{
    return filter_parts(setup, other, false);
}

char *
plot_setup_shared(const char *setup, const char *other)
{
    return filter_parts(setup, other, true);
}

static void
set_value(struct plot_runs *runs, struct plot_run *run, const char *name,
          char *value)
{
    guint index = 0;

    while (index < runs->settings->len &&
           strcmp(runs->settings->pdata[index], name) != 0)
        index++;
    if (index == runs->settings->len)
        g_ptr_array_add(runs->settings, g_strdup(name));
    if (run->values->len <= index)
        g_ptr_array_set_size(run->values, (gint)index + 1);
    g_free(run->values->pdata[index]);
    run->values->pdata[index] = value;
}

static char *
scalar_text(const json_t *value)
{
    if (json_is_string(value))
        return g_strdup(json_string_value(value));
    char *dump = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    char *text = g_strdup(dump);
    free(dump);
    return text;
}

static void
flatten(struct plot_runs *runs, struct plot_run *run, const char *prefix,
        json_t *object)
{
    const char *key;
    json_t *value;

    json_object_foreach (object, key, value) {
        g_autofree char *name = g_strconcat(prefix, key, NULL);
        if (!json_is_object(value)) {
            set_value(runs, run, name, scalar_text(value));
            continue;
        }
        g_autofree char *dotted = g_strconcat(name, ".", NULL);
        flatten(runs, run, dotted, value);
    }
}

static void
flatten_run(void *data, void *user_data)
{
    struct plot_run *run = data;
    const json_t *version = json_object_get(run->root, "vmsim");

    flatten(user_data, run, "", json_object_get(run->root, "config"));
    if (json_is_string(version))
        set_value(user_data, run, "vmsim", scalar_text(version));
}

static gint
compare_runs(gconstpointer a, gconstpointer b)
{
    const struct plot_run *left = *(struct plot_run *const *)a;
    const struct plot_run *right = *(struct plot_run *const *)b;

    if (left->trace_index != right->trace_index)
        return left->trace_index < right->trace_index ? -1 : 1;
    return left->line < right->line ? -1 : left->line > right->line;
}

/* "policy.clear" with "nozero" is "clear=nozero". */
static char *
setting_text(size_t dimension, const char *name, const char *value)
{
    g_autofree char *shown = plot_plain(value ? value : "none");
    g_autofree char *shown_name = plot_plain(name);
    g_autofree char *brief = NULL;

    if (g_str_has_suffix(name, "_bytes"))
        brief = plot_bytes_text(g_ascii_strtod(shown, NULL));
    else
        brief = plot_shorten(shown, VALUE_CHARACTERS);
    size_t prefix = strlen(dimensions[dimension].name);
    if (dimensions[dimension].name[prefix - 1] == '.')
        return g_strdup_printf("%s=%s", shown_name + prefix, brief);
    bool is_plural =
        g_str_has_suffix(name, "_count") && !g_str_equal(brief, "1");
    return g_strconcat(dimensions[dimension].before, brief,
                       dimensions[dimension].after, is_plural ? "s" : "", NULL);
}

static bool
belongs(size_t dimension, const char *name)
{
    const char *pattern = dimensions[dimension].name;

    return g_str_has_suffix(pattern, ".") ? g_str_has_prefix(name, pattern)
                                          : strcmp(name, pattern) == 0;
}

/* Whether two runs with the same trace and setup differ in the setting. */
static bool
tells_apart(const struct plot_runs *runs, const GPtrArray *all,
            const char *name)
{
    g_autoptr(GHashTable) seen =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (unsigned i = 0; i < all->len; i++) {
        const struct plot_run *run = all->pdata[i];
        const char *value = plot_run_setting(runs, run, name);
        const char *text = value ? value : "";
        g_autofree char *key =
            g_strdup_printf("%u %s", run->trace_index, run->setup);
        const char *other = g_hash_table_lookup(seen, key);
        if (other && strcmp(other, text) != 0)
            return true;
        if (!other)
            g_hash_table_insert(seen, g_steal_pointer(&key), (char *)text);
    }
    return false;
}

static void
append_setting(const struct plot_runs *runs, const GPtrArray *all,
               size_t dimension, const char *name)
{
    for (unsigned i = 0; i < all->len; i++) {
        struct plot_run *run = all->pdata[i];
        g_autofree char *text =
            setting_text(dimension, name, plot_run_setting(runs, run, name));
        g_autofree char *before = run->setup;
        run->setup = *before ? g_strconcat(before, SEPARATOR, text, NULL)
                             : g_strdup(text);
    }
}

static void
choose_settings(const struct plot_runs *runs, const GPtrArray *all)
{
    for (unsigned i = 0; i < all->len; i++) {
        struct plot_run *run = all->pdata[i];
        g_free(run->setup);
        run->setup = g_strdup("");
    }
    for (size_t dimension = 0; dimension < G_N_ELEMENTS(dimensions);
         dimension++)
        for (unsigned i = 0; i < runs->settings->len; i++) {
            const char *name = runs->settings->pdata[i];
            if (belongs(dimension, name) && tells_apart(runs, all, name))
                append_setting(runs, all, dimension, name);
        }
}

/* Runs that are equal in everything are numbered. */
static void
number_twins(const GPtrArray *all)
{
    g_autoptr(GHashTable) seen =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (unsigned i = 0; i < all->len; i++) {
        struct plot_run *run = all->pdata[i];
        char *key = g_strdup_printf("%u %s", run->trace_index, run->setup);
        guint count = GPOINTER_TO_UINT(g_hash_table_lookup(seen, key)) + 1;
        g_hash_table_insert(seen, key, GUINT_TO_POINTER(count));
        if (count == 1)
            continue;
        g_autofree char *before = run->setup;
        run->setup =
            g_strdup_printf("%s%s#%u", before, *before ? " " : "", count);
    }
}

static void
join_labels(const struct plot_runs *runs, const GPtrArray *all)
{
    bool has_traces = runs->traces->len > 1;

    for (unsigned i = 0; i < all->len; i++) {
        struct plot_run *run = all->pdata[i];
        g_free(run->label);
        if (!*run->setup)
            run->label = g_strdup(run->trace);
        else if (has_traces)
            run->label = g_strconcat(run->trace, SEPARATOR, run->setup, NULL);
        else
            run->label = g_strdup(run->setup);
    }
}

/* The value that all runs share, or NULL. */
static const char *
shared_value(const struct plot_runs *runs, const char *name)
{
    const char *value = plot_run_setting(runs, plot_run_at(runs, 0), name);

    for (unsigned i = 1; i < runs->runs->len; i++)
        if (g_strcmp0(value,
                      plot_run_setting(runs, plot_run_at(runs, i), name)) != 0)
            return NULL;
    return value;
}

/* "ebizzy on kernel 6.18, x86-64, 16 GiB RAM, 4 CPUs"; policies are too many.
 */
static char *
common_text(const struct plot_runs *runs)
{
    g_autoptr(GPtrArray) parts = g_ptr_array_new_with_free_func(g_free);

    for (size_t i = 0; i < G_N_ELEMENTS(dimensions); i++) {
        const char *name = dimensions[i].name;
        const char *value = shared_value(runs, name);
        if (!value || strcmp(value, "0") == 0 ||
            strcmp(value, "recorded") == 0 || strcmp(name, "seed") == 0)
            continue;
        g_autofree char *text = setting_text(i, name, value);
        g_ptr_array_add(parts,
                        g_strconcat(i == 0 ? "kernel " : "", text, NULL));
    }
    g_ptr_array_add(parts, NULL);
    g_autofree char *where = g_strjoinv(SEPARATOR, (char **)parts->pdata);
    if (runs->traces->len > 1)
        return g_steal_pointer(&where);
    return g_strconcat((char *)runs->traces->pdata[0], *where ? " on " : "",
                       where, NULL);
}

/* What tells these runs apart. */
static void
label(const struct plot_runs *runs, const GPtrArray *all)
{
    choose_settings(runs, all);
    number_twins(all);
    join_labels(runs, all);
}

void
plot_runs_label(struct plot_runs *runs)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new();

    g_ptr_array_extend(all, runs->runs, NULL, NULL);
    g_ptr_array_extend(all, runs->refused, NULL, NULL);
    g_ptr_array_foreach(all, flatten_run, runs);
    plot_name_traces(runs, all);
    g_ptr_array_sort(runs->runs, compare_runs);
    g_ptr_array_sort(runs->refused, compare_runs);
    label(runs, all);  // the refused, from those that ran, too
    label(runs, runs->runs);
    runs->common = runs->runs->len > 0 ? common_text(runs) : g_strdup("");
}
