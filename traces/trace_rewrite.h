/*
 * Rewriting a recorded trace, so that policies choose the calls that its
 * program had chosen.
 *
 *   purge   madvise dontneed and free of private anonymous memory become
 *           `purge`, and `reuse` stands before the next touch of the range
 *   guard   what thread libraries do to make a stack with a guard becomes mmap
 *           and `guard`
 *   nozero  private anonymous mmaps and brks ask for memory uncleared
 */
#pragma once

#include "traces/trace.h"

enum trace_rule {
    TRACE_RULE_PURGE = 1 << 0,
    TRACE_RULE_GUARD = 1 << 1,
    TRACE_RULE_NOZERO = 1 << 2,
};

/* What trace.rewrite has instead of "purge" when one stands for a madvise free,
 * which took nothing away at once. */
#define TRACE_REWROTE_FREE "purge:free"

/* The words of the rules, until NULL. */
extern const char *const trace_rule_words[];

/* "purge,nozero" as bits of enum trace_rule.  0: a word is unknown, *unknown is
 * where it begins. */
unsigned trace_rules_parse(const char *words, const char **unknown);

/* Rewrite a trace whose events are all in memory. */
void trace_rewrite(struct trace *trace, unsigned rules);
