/*
 * See rewrite.h; traces/trace_rewrite.c does the work.
 */
#include "sim/rewrite.h"

#include "sim/error.h"
#include "traces/trace_format.h"
#include "traces/trace_rewrite.h"

#include <string.h>

unsigned
rewrite_rules(const char *words, GError **error)
{
    const char *unknown = words;
    unsigned rules = trace_rules_parse(words, &unknown);

    if (!rules) {
        g_autofree char *word = g_strndup(unknown, strcspn(unknown, ","));
        sim_fail_unknown(error, "rule", word, trace_rule_words);
    }
    return rules;
}

bool
rewrite_trace(const char *from, unsigned rules, const char *to, GError **error)
{
    struct trace *trace = trace_load(from, error);

    if (!trace)
        return false;
    struct trace_writer *writer = trace_writer_open(to, error);
    if (writer) {
        trace_rewrite(trace, rules);
        trace_write_text(trace, writer);
    }
    trace_free(trace);
    return writer && trace_writer_close(writer, error);
}
