/*
 * Axes from options, and runs from axes.
 */
#include "sim/axes.h"

#include "sim/error.h"

#include <string.h>

/* By enum setup_kind. */
static const char *const option_names[] = {
    "kernel",   "machine", "ram",  "cpus",   "swap",
    "schedule", "sysctl",  "knob", "policy",
};
_Static_assert(sizeof(option_names) / sizeof(option_names[0]) ==
                   SETUP_KIND_COUNT,
               "an option for every kind");

static void
clear_axis(void *data)
{
    struct axis *axis = data;

    g_free(axis->name);
    g_strfreev(axis->values);
}

static bool
is_given(const GArray *axes, enum setup_kind kind, const char *name)
{
    for (size_t i = 0; i < axes->len; i++) {
        const struct axis *axis = &g_array_index(axes, struct axis, i);
        if (axis->kind == kind && g_strcmp0(axis->name, name) == 0)
            return true;
    }
    return false;
}

/* A list with nothing before or after a comma is a slip of the pen. */
static char **
split_values(const char *values, enum setup_kind kind, GError **error)
{
    char **list = g_strsplit(values, ",", 0);

    if (list[0] && !g_strv_contains((const char *const *)list, ""))
        return list;
    g_strfreev(list);
    sim_fail(error, SIM_ERROR_USAGE,
             "expected values with a comma between two for --%s, found \"%s\"",
             option_names[kind], values);
    return NULL;
}

static bool
add_axis(GArray *axes, enum setup_kind kind, const char *text, GError **error)
{
    struct axis axis = {.kind = kind};
    const char *values = text;

    if (kind >= SETUP_SYSCTL) {
        const char *equals = strchr(text, '=');
        if (!equals || equals == text)
            return sim_fail(error, SIM_ERROR_USAGE,
                            "expected NAME=VALUE for --%s, found \"%s\"",
                            option_names[kind], text);
        axis.name = g_strndup(text, (size_t)(equals - text));
        values = equals + 1;
    }
    if (is_given(axes, kind, axis.name)) {
        sim_fail(error, SIM_ERROR_USAGE, "--%s%s%s is given twice",
                 option_names[kind], axis.name ? " " : "",
                 axis.name ? axis.name : "");
        g_free(axis.name);
        return false;
    }
    axis.values = split_values(values, kind, error);
    if (!axis.values) {
        g_free(axis.name);
        return false;
    }
    g_array_append_val(axes, axis);
    return true;
}

GArray *
axes_of(const struct arguments *arguments, GError **error)
{
    GArray *axes = g_array_new(FALSE, FALSE, sizeof(struct axis));

    g_array_set_clear_func(axes, clear_axis);
    for (int kind = 0; kind < SETUP_KIND_COUNT; kind++) {
        for (size_t i = 0; i < arguments->given->len; i++) {
            const struct given_option *given =
                &g_array_index(arguments->given, struct given_option, i);
            if (strcmp(given->spec->name, option_names[kind]) != 0)
                continue;
            if (!add_axis(axes, (enum setup_kind)kind, given->value, error)) {
                g_array_unref(axes);
                return NULL;
            }
        }
    }
    return axes;
}

size_t
axes_count(const GArray *axes)
{
    size_t count = 1;

    for (size_t i = 0; i < axes->len; i++) {
        size_t values =
            g_strv_length(g_array_index(axes, struct axis, i).values);
        if (__builtin_mul_overflow(count, values, &count))
            return SIZE_MAX;
    }
    return count;
}

GArray *
axes_choices(const GArray *axes, size_t run)
{
    GArray *choices =
        g_array_sized_new(FALSE, FALSE, sizeof(struct setup_choice), axes->len);

    g_array_set_size(choices, axes->len);
    for (size_t i = axes->len; i-- > 0;) {
        const struct axis *axis = &g_array_index(axes, struct axis, i);
        size_t count = g_strv_length(axis->values);
        g_array_index(choices, struct setup_choice, i) = (struct setup_choice){
            .kind = axis->kind,
            .name = axis->name,
            .value = axis->values[run % count],
        };
        run /= count;
    }
    return choices;
}
