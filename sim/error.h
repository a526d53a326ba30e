/*
 * What can go wrong in the program, by what the caller should do about it.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#define SIM_ERROR (sim_error_quark())
GQuark sim_error_quark(void);

enum sim_error {
    SIM_ERROR_USAGE,     // the command line is wrong: exit status 2
    SIM_ERROR_FAILED,    // a file or a run failed: exit status 1
    SIM_ERROR_MISMATCH,  // --check found a difference: exit status 1
};

/* Set *error and return false, so that callers can `return sim_fail(...)`. */
bool sim_fail(GError **error, enum sim_error code, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/*
 * "WHAT is not known; did you mean NEAREST?" as a usage error.  `names` is
 * NULL-terminated.
 */
bool sim_fail_unknown(GError **error, const char *what, const char *word,
                      const char *const *names);
