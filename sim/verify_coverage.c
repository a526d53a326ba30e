/*
 * Counting what happened under names, and showing the names in order.
 */
#include "sim/verify_coverage.h"

#include "mm/machine.h"
#include "traces/trace.h"
#include "traces/trace_syntax.h"

#include <inttypes.h>
#include <string.h>

struct range {
    uint64_t start, end;
};

/* What became of an end of a call's range. */
enum edge { EDGE_INSIDE, EDGE_KEPT, EDGE_CUT, EDGE_JOINED };

struct verify_coverage *
coverage_new(void)
{
    struct verify_coverage *coverage = g_new0(struct verify_coverage, 1);

    coverage->counts =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return coverage;
}

void
coverage_free(struct verify_coverage *coverage)
{
    g_hash_table_unref(coverage->counts);
    g_free(coverage);
}

/* Takes the name over. */
static void
count(struct verify_coverage *coverage, char *name)
{
    uint64_t *known = g_hash_table_lookup(coverage->counts, name);

    if (!known) {
        known = g_new0(uint64_t, 1);
        g_hash_table_insert(coverage->counts, name, known);
    } else {
        g_free(name);
    }
    ++*known;
}

GArray *
coverage_ranges(const struct mm *mm)
{
    GArray *ranges = g_array_new(FALSE, FALSE, sizeof(struct range));

    for (const struct vma *vma = mm->first; vma; vma = vma->next) {
        struct range range = {vma->start, vma->end};
        g_array_append_val(ranges, range);
    }
    return ranges;
}

static const char *
call_name(const struct call *call)
{
    switch (call->kind) {
    case CALL_MMAP:
        return "mmap";
    case CALL_MUNMAP:
        return "munmap";
    case CALL_MPROTECT:
        return "mprotect";
    case CALL_MREMAP:
        return "mremap";
    case CALL_MADVISE:
        return trace_advice_word((enum trace_advice)call->advice);
    case CALL_BRK:
        return "brk";
    case CALL_MLOCK:
        return "mlock";
    case CALL_MUNLOCK:
        return "munlock";
    case CALL_REMAP_FILE_PAGES:
        return "remap_file_pages";
    case CALL_START:
        return "start";
    case CALL_FORK:
        return "fork";
    case CALL_VFORK:
        return "vfork";
    case CALL_THREAD:
        return "thread";
    case CALL_EXIT:
        return "exit";
    case CALL_TOUCH:
        return call->access == TOUCH_READ    ? "read"
               : call->access == TOUCH_WRITE ? "write"
                                             : "execute";
    case CALL_VRANGE:
    case CALL_PURGE:
    case CALL_REUSE:
    case CALL_GUARD:
    case CALL_EXEC:
    case CALL_EXIT_GROUP:
    case CALL_SETUID:
    case CALL_PTRACE:
        break;
    }
    return "other";
}

/* A VMA boundary: some VMA begins or ends here, and none spans it. */
static bool
is_spanned(const struct range *ranges, guint length, uint64_t at)
{
    for (guint i = 0; i < length; i++)
        if (ranges[i].start < at && at < ranges[i].end)
            return true;
    return false;
}

static enum edge
edge_of(const GArray *before, const GArray *after, uint64_t at)
{
    bool was_spanned =
        is_spanned((const struct range *)(void *)before->data, before->len, at);
    bool spanned =
        is_spanned((const struct range *)(void *)after->data, after->len, at);

    if (was_spanned)
        return spanned ? EDGE_INSIDE : EDGE_CUT;
    return spanned ? EDGE_JOINED : EDGE_KEPT;
}

static void
count_edges(struct verify_coverage *coverage, const struct operation *op,
            const GArray *before, uint64_t start, uint64_t length)
{
    static const char *const words[] = {"inside", "kept", "cut", "joined"};
    g_autoptr(GArray) after = coverage_ranges(op->task->mm);

    count(coverage,
          g_strdup_printf("%s: below %s, above %s", call_name(op->call),
                          words[edge_of(before, after, start)],
                          words[edge_of(before, after, start + length)]));
}

/* The range whose ends the call may join to their neighbours, or cut. */
static void
count_range(struct verify_coverage *coverage, const struct operation *op,
            const GArray *before)
{
    const struct call *call = op->call;

    switch ((int)call->kind) {
    case CALL_MMAP:
        count_edges(coverage, op, before, (uint64_t)op->result,
                    page_ceil(call->length));
        return;
    case CALL_MREMAP:
        count_edges(coverage, op, before, (uint64_t)op->result,
                    page_ceil(call->new_length));
        return;
    case CALL_MUNMAP:
    case CALL_MPROTECT:
    case CALL_MADVISE:
    case CALL_MLOCK:
    case CALL_MUNLOCK:
        count_edges(coverage, op, before, page_floor(call->addr),
                    page_ceil(call->length));
        return;
    default:
        return;
    }
}

static void
count_touch(struct verify_coverage *coverage, const struct operation *op,
            uint64_t zero_breaks)
{
    const uint64_t *pages = op->touch.outcome_pages;

    for (size_t i = 0; i < OUTCOME_COUNT; i++) {
        coverage->touch_count += pages[i];
        if (pages[i] > 0)
            count(coverage,
                  g_strdup_printf("%s%s: %s",
                                  op->call->from_kernel ? "kernel " : "",
                                  call_name(op->call),
                                  trace_outcome_word((enum trace_outcome)i)));
    }
    coverage->present_count += pages[OUTCOME_HIT] + pages[OUTCOME_COPY] +
                               pages[OUTCOME_REUSE] + zero_breaks;
}

void
coverage_call(struct verify_coverage *coverage, const struct operation *op,
              const GArray *before, uint64_t zero_breaks)
{
    coverage->event_count++;
    if (op->call->kind == CALL_TOUCH) {
        count_touch(coverage, op, zero_breaks);
        return;
    }
    const char *error =
        op->result < 0 ? trace_errno_name((int)-op->result) : "success";
    count(coverage, g_strdup_printf("%s = %s", call_name(op->call),
                                    error ? error : "another error"));
    if (op->result >= 0 && before && op->task->mm)
        count_range(coverage, op, before);
}

static gint
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(a, b);
}

void
coverage_append(GString *out, const struct verify_coverage *coverage)
{
    GList *names =
        g_list_sort(g_hash_table_get_keys(coverage->counts), compare_names);

    for (GList *at = names; at; at = at->next)
        g_string_append_printf(
            out, "%10" PRIu64 "  %s\n",
            *(const uint64_t *)g_hash_table_lookup(coverage->counts, at->data),
            (const char *)at->data);
    g_list_free(names);
    g_string_append_printf(
        out, "%10" PRIu64 "  pages touched, %" PRIu64 " of them present\n",
        coverage->touch_count, coverage->present_count);
}
