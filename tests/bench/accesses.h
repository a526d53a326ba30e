/*
 * Traces of single-page accesses to a million present anonymous pages, and
 * what it costs to replay them.
 */
#pragma once

#include "orders.h"

#include <glib.h>
#include <stdbool.h>

struct trace;

#define ACCESSES_FIRST_EVENT 3  // start, mmap and the write of all pages

/* `count` accesses by zipf, one in three a write, over LIMIT_PAGES pages that
 * were all written before.  The path says in which form. */
bool accesses_write(const char *path, uint64_t count, GError **error);

/* CPU time per access of reading the trace and replaying it, as `vmsim replay`
 * does it, without what comes before the first access; < 0 on failure. */
double accesses_ns(const char *path, GError **error);
