/*
 * The table of `vmsim replay`: what was run, what happened, what memory held,
 * and at the end where the simulated time went, largest share first.
 *
 * It reads the JSON object alone, so that it cannot show what the object does
 * not say.  Counters that are zero are left out.
 */
#include "sim/table.h"

#include "plots/numbers.h"
#include "traces/legible.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#define NAME_COLUMNS   30
#define NUMBER_COLUMNS 18

/* 1234567 as 1 234 567. */
static void
append_grouped(GString *out, uint64_t value)
{
    g_autofree char *digits = g_strdup_printf("%" PRIu64, value);
    g_autofree char *grouped = plot_group_digits(digits, ' ');

    g_string_append_printf(out, "%*s", NUMBER_COLUMNS, grouped);
}

static uint64_t
number_of(const json_t *object, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

static void
append_setup(GString *out, const json_t *result)
{
    const json_t *trace = json_object_get(result, "trace");
    const json_t *config = json_object_get(result, "config");
    g_autofree char *path = legible_text(
        json_string_value(json_object_get(trace, "path")), LEGIBLE_NONE);
    const char *key;
    json_t *value;

    g_string_append_printf(
        out, "%s: %" PRIu64 " events (%s) under %s on %s\n", path,
        number_of(trace, "event_count"),
        json_string_value(json_object_get(trace, "touches")),
        json_string_value(json_object_get(config, "kernel")),
        json_string_value(json_object_get(config, "machine")));
    g_string_append_printf(out,
                           "RAM %" PRIu64 " MiB (%" PRIu64
                           " MiB reserved), %" PRIu64 " CPU\n",
                           number_of(config, "ram_bytes") >> 20,
                           number_of(config, "reserved_bytes") >> 20,
                           number_of(config, "cpu_count"));
    g_string_append(out, "policy");
    json_object_foreach (json_object_get(config, "policy"), key, value)
        g_string_append_printf(out, " %s=%s", key, json_string_value(value));
    g_string_append(out, "\n\n");
}

static void
append_counters(GString *out, const json_t *result)
{
    const char *validity =
        json_string_value(json_object_get(result, "validity"));
    const char *mark = strcmp(validity, "exact") == 0 ? "" : " >=";
    const char *key;
    json_t *value;

    g_string_append_printf(out, "%-*s%*s\n", NAME_COLUMNS, "counter",
                           NUMBER_COLUMNS, "count");
    json_object_foreach (json_object_get(result, "counters"), key, value) {
        if (json_integer_value(value) == 0)
            continue;
        g_string_append_printf(out, "%-*s", NAME_COLUMNS, key);
        append_grouped(out, (uint64_t)json_integer_value(value));
        g_string_append_printf(out, "%s\n", mark);
    }
    if (*mark)
        g_string_append_printf(
            out, ">= a lower bound: %s\n",
            json_string_value(json_object_get(result, "validity_reason")));
}

static void
append_victims(GString *out, const json_t *result)
{
    const json_t *victims = json_object_get(result, "oom_victims");
    size_t i;
    json_t *task;

    if (json_array_size(victims) == 0)
        return;
    g_string_append(out, "\nkilled for want of memory: task");
    json_array_foreach (victims, i, task)
        g_string_append_printf(out, " %" PRIu64,
                               (uint64_t)json_integer_value(task));
    g_string_append_c(out, '\n');
}

static void
append_memory(GString *out, const json_t *result)
{
    const json_t *peak = json_object_get(result, "peak");
    const char *key;
    json_t *value;

    g_string_append_printf(out, "\n%-*s%*s%*s\n", NAME_COLUMNS, "memory",
                           NUMBER_COLUMNS, "peak", NUMBER_COLUMNS, "end");
    json_object_foreach (json_object_get(result, "end"), key, value) {
        if (json_integer_value(value) == 0 && number_of(peak, key) == 0)
            continue;
        g_string_append_printf(out, "%-*s", NAME_COLUMNS, key);
        append_grouped(out, number_of(peak, key));
        append_grouped(out, (uint64_t)json_integer_value(value));
        g_string_append_c(out, '\n');
    }
}

static void
append_marks(GString *out, const json_t *result)
{
    json_t *marks = json_object_get(result, "marks");
    const char *key;
    json_t *value;

    if (json_object_size(marks) == 0)
        return;
    g_string_append_printf(out, "\n%-*s%*s%*s\n", NAME_COLUMNS, "mark",
                           NUMBER_COLUMNS, "count", NUMBER_COLUMNS,
                           "per second");
    json_object_foreach (marks, key, value) {
        g_autofree char *name = legible_text(key, LEGIBLE_NONE);
        g_string_append_printf(out, "%-*s", NAME_COLUMNS, name);
        append_grouped(out, number_of(value, "count"));
        g_string_append_printf(
            out, "%*.1f\n", NUMBER_COLUMNS,
            json_real_value(json_object_get(value, "per_second")));
    }
}

/* Kinds that were recorded at all. */
static void
append_kinds(GString *out, const json_t *check)
{
    const char *key;
    json_t *kind;

    g_string_append_printf(out, "\n%-*s%*s%*s%*s\n", NAME_COLUMNS,
                           "recorded result", NUMBER_COLUMNS, "compared",
                           NUMBER_COLUMNS, "differ", NUMBER_COLUMNS, "raced");
    json_object_foreach (json_object_get(check, "kinds"), key, kind) {
        if (number_of(kind, "compared_count") == 0)
            continue;
        g_string_append_printf(out, "%-*s", NAME_COLUMNS, key);
        append_grouped(out, number_of(kind, "compared_count"));
        append_grouped(out, number_of(kind, "mismatch_count"));
        append_grouped(out, number_of(kind, "raced_count"));
        g_string_append_c(out, '\n');
    }
}

/* Totals that the recording names. */
static void
append_totals(GString *out, const json_t *check)
{
    bool has_head = false;
    const char *key;
    json_t *total;

    json_object_foreach (json_object_get(check, "totals"), key, total) {
        if (json_is_null(json_object_get(total, "recorded")))
            continue;
        if (!has_head)
            g_string_append_printf(out, "\n%-*s%*s%*s\n", NAME_COLUMNS, "total",
                                   NUMBER_COLUMNS, "recorded", NUMBER_COLUMNS,
                                   "simulated");
        has_head = true;
        g_string_append_printf(out, "%-*s", NAME_COLUMNS, key);
        append_grouped(out, number_of(total, "recorded"));
        append_grouped(out, number_of(total, "found"));
        g_string_append_c(out, '\n');
    }
}

static void
append_difference(GString *out, const json_t *difference, bool is_first)
{
    const json_t *vmas = json_object_get(difference, "vmas");
    const json_t *pte = json_object_get(difference, "pte");
    size_t i;
    json_t *line;

    g_string_append_printf(
        out, "\n%s: line %" PRIu64 ": %s: recorded %s, found %s\n",
        is_first ? "first difference" : "difference",
        number_of(difference, "line"),
        json_string_value(json_object_get(difference, "what")),
        json_string_value(json_object_get(difference, "expected")),
        json_string_value(json_object_get(difference, "found")));
    if (json_is_string(pte))
        g_string_append_printf(out, "    page %s\n", json_string_value(pte));
    if (json_array_size(vmas) > 0)
        g_string_append_printf(out, "    around it, of %" PRIu64 " mappings:\n",
                               number_of(difference, "vma_count"));
    json_array_foreach (vmas, i, line)
        g_string_append_printf(out, "    %s\n", json_string_value(line));
}

static void
append_check(GString *out, const json_t *result)
{
    const json_t *check = json_object_get(result, "check");
    const json_t *differences = json_object_get(check, "differences");
    size_t i;
    json_t *difference;

    if (!json_is_object(check))
        return;
    g_string_append_printf(out,
                           "\ncheck: %" PRIu64 " results compared, %" PRIu64
                           " differ, %" PRIu64 " raced\n",
                           number_of(check, "compared_count"),
                           number_of(check, "mismatch_count"),
                           number_of(check, "raced_count"));
    append_kinds(out, check);
    append_totals(out, check);
    json_array_foreach (differences, i, difference)
        append_difference(out, difference, i == 0);
}

struct share {
    const char *cost;
    uint64_t ns;
};

/* Largest first; equal ones in the order of the result. */
static int
compare_shares(gconstpointer a, gconstpointer b)
{
    const struct share *left = a, *right = b;

    return left->ns == right->ns ? 0 : left->ns < right->ns ? 1 : -1;
}

static void
append_profile(GString *out, const json_t *result)
{
    json_t *time = json_object_get(result, "time_ns");
    uint64_t elapsed = number_of(time, "elapsed");
    g_autoptr(GArray) shares = g_array_new(FALSE, FALSE, sizeof(struct share));
    const char *key;
    json_t *value;

    json_object_foreach (time, key, value) {
        struct share share = {key, (uint64_t)json_integer_value(value)};
        bool is_sum = strcmp(key, "elapsed") == 0 || strcmp(key, "user") == 0 ||
                      strcmp(key, "system") == 0;
        if (!is_sum && share.ns > 0)
            g_array_append_val(shares, share);
    }
    g_array_sort(shares, compare_shares);
    g_string_append_printf(out, "\n%-*s%*s%9s\n", NAME_COLUMNS,
                           "simulated time", NUMBER_COLUMNS, "ns", "share");
    for (size_t i = 0; i < shares->len; i++) {
        const struct share *share = &g_array_index(shares, struct share, i);
        g_string_append_printf(out, "%-*s", NAME_COLUMNS, share->cost);
        append_grouped(out, share->ns);
        g_string_append_printf(out, "%8.2f%%\n",
                               100.0 * (double)share->ns / (double)elapsed);
    }
    g_string_append_printf(out, "%-*s", NAME_COLUMNS, "elapsed");
    append_grouped(out, elapsed);
    g_string_append_c(out, '\n');
}

void
table_append(GString *out, const json_t *result)
{
    append_setup(out, result);
    append_counters(out, result);
    append_victims(out, result);
    append_memory(out, result);
    append_marks(out, result);
    append_check(out, result);
    append_profile(out, result);
}
