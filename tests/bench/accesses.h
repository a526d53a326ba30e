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

/* CPU time per access of reading, checking and decoding the blocks of the trace
 * and of replaying them, as `vmsim replay` does it; the digest of the whole file,
 * taken when it is opened, is not in it.  < 0 on failure. */
double accesses_ns(const char *path, GError **error);
