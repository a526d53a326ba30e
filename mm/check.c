/*
 * Where a failed assertion ends: one line on stderr through GLib, then abort.
 *
 * Not g_assertion_message(): that one prints on stdout and would break the
 * output of a test that expects the abort.
 */
#include "mm/check.h"

#include <glib.h>
#include <stdlib.h>

void
mm_assert_failed(const char *expr, const char *file, int line)
{
    g_critical("%s:%d: assertion failed: %s", file, line, expr);
    abort();
}
