/*
 * For tests that break an invariant and want the validator to name it: the
 * process aborts only if the message does, and exits otherwise.
 */
#pragma once

#include <glib.h>
#include <stdlib.h>
#include <string.h>

static inline void
abort_if_named(const char *domain, GLogLevelFlags level, const char *message,
               void *invariant)
{
    (void)domain;
    (void)level;
    if (strstr(message, invariant))
        abort();
    _Exit(1);
}

/* "Z1: " */
static inline void
expect_invariant(char *prefix)
{
    g_log_set_default_handler(abort_if_named, prefix);
}
