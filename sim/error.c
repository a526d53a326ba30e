/*
 * Errors of the program: the quark, and the two ways to set one.
 */
#include "sim/error.h"

#include "workloads/nearest.h"

GQuark
sim_error_quark(void)
{
    return g_quark_from_static_string("vmsim-sim-error");
}

bool
sim_fail(GError **error, enum sim_error code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, SIM_ERROR, (int)code, message);
    return false;
}

bool
sim_fail_unknown(GError **error, const char *what, const char *word,
                 const char *const *names)
{
    const char *near = nearest_name(word, names);

    if (!near)
        return sim_fail(error, SIM_ERROR_USAGE, "unknown %s \"%s\"", what,
                        word);
    return sim_fail(error, SIM_ERROR_USAGE,
                    "unknown %s \"%s\"; the nearest known one is \"%s\"", what,
                    word, near);
}
