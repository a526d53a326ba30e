/*
 * Counting what happened into tables of what can happen.
 */
#include "sim/verify_coverage.h"

#include "mm/machine.h"
#include "traces/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* The columns of the first table. */
static const struct {
    int error;
    const char *word;
} errors[COVERAGE_ERRORS] = {
    {0, "success"},     {EINVAL, "EINVAL"},       {ENOMEM, "ENOMEM"},
    {EAGAIN, "EAGAIN"}, {EFAULT, "EFAULT"},       {EPERM, "EPERM"},
    {EEXIST, "EEXIST"}, {EOVERFLOW, "EOVERFLOW"},
};

enum {
    OK = 1 << 0,
    INVAL = 1 << 1,
    NOMEM = 1 << 2,
    AGAIN = 1 << 3,
    FAULT = 1 << 4,
    PERM = 1 << 5,
    EXIST = 1 << 6,
    OVERFLOW = 1 << 7,
};

#define ANY_ADVICE (-1)
#define ADVICE_ROW(advice, errors)                                             \
    {                                                                          \
        CALL_MADVISE, advice, errors                                           \
    }

/*
 * The rows.  All advice refuses unaligned places (EINVAL) and tells of holes
 * (ENOMEM); advice that changes flags says EAGAIN for a VMA too many.  EFAULT
 * of populating is a guard or a page beyond the end of a file.
 */
static const struct {
    enum call_kind kind;
    int advice;
    unsigned errors;  // a bit per column that can be
} calls[COVERAGE_CALLS] = {
    {CALL_MMAP, ANY_ADVICE,
     OK | INVAL | NOMEM | AGAIN | PERM | EXIST | OVERFLOW},
    {CALL_MUNMAP, ANY_ADVICE, OK | INVAL | NOMEM},
    {CALL_MPROTECT, ANY_ADVICE, OK | INVAL | NOMEM},
    {CALL_MREMAP, ANY_ADVICE, OK | INVAL | NOMEM | AGAIN | FAULT},
    {CALL_BRK, ANY_ADVICE, OK | NOMEM},
    {CALL_MLOCK, ANY_ADVICE, OK | INVAL | NOMEM | PERM},
    {CALL_MUNLOCK, ANY_ADVICE, OK | INVAL | NOMEM},
    {CALL_REMAP_FILE_PAGES, ANY_ADVICE, OK | INVAL | NOMEM | AGAIN | PERM},
    ADVICE_ROW(ADVICE_DONTNEED, OK | INVAL | NOMEM),
    ADVICE_ROW(ADVICE_DONTNEED_LOCKED, OK | INVAL | NOMEM),
    ADVICE_ROW(ADVICE_FREE, OK | INVAL | NOMEM),
    ADVICE_ROW(ADVICE_WILLNEED, OK | INVAL | NOMEM),
    ADVICE_ROW(ADVICE_COLD, OK | INVAL | NOMEM),
    ADVICE_ROW(ADVICE_PAGEOUT, OK | INVAL | NOMEM),
    ADVICE_ROW(ADVICE_COLLAPSE, OK | INVAL | NOMEM),
    ADVICE_ROW(ADVICE_POPULATE_READ, OK | INVAL | NOMEM | FAULT),
    ADVICE_ROW(ADVICE_POPULATE_WRITE, OK | INVAL | NOMEM | FAULT),
    ADVICE_ROW(ADVICE_GUARD_INSTALL, OK | INVAL | NOMEM),
    ADVICE_ROW(ADVICE_GUARD_REMOVE, OK | INVAL | NOMEM),
    ADVICE_ROW(ADVICE_NORMAL, OK | INVAL | NOMEM | AGAIN),
    ADVICE_ROW(ADVICE_RANDOM, OK | INVAL | NOMEM | AGAIN),
    ADVICE_ROW(ADVICE_SEQUENTIAL, OK | INVAL | NOMEM | AGAIN),
    ADVICE_ROW(ADVICE_DONTFORK, OK | INVAL | NOMEM | AGAIN),
    ADVICE_ROW(ADVICE_DOFORK, OK | INVAL | NOMEM | AGAIN),
    ADVICE_ROW(ADVICE_WIPEONFORK, OK | INVAL | NOMEM | AGAIN),
    ADVICE_ROW(ADVICE_KEEPONFORK, OK | INVAL | NOMEM | AGAIN),
    ADVICE_ROW(ADVICE_HUGEPAGE, OK | INVAL | NOMEM | AGAIN),
    ADVICE_ROW(ADVICE_NOHUGEPAGE, OK | INVAL | NOMEM | AGAIN),
    ADVICE_ROW(ADVICE_MERGEABLE, OK | INVAL | NOMEM | AGAIN),
    ADVICE_ROW(ADVICE_UNMERGEABLE, OK | INVAL | NOMEM | AGAIN),
    {CALL_START, ANY_ADVICE, OK},
    {CALL_FORK, ANY_ADVICE, OK | NOMEM},
    {CALL_VFORK, ANY_ADVICE, OK},
    {CALL_THREAD, ANY_ADVICE, OK},
    {CALL_EXEC, ANY_ADVICE, OK},
    {CALL_SETUID, ANY_ADVICE, OK},
    {CALL_EXIT, ANY_ADVICE, OK},
    {CALL_EXIT_GROUP, ANY_ADVICE, OK},
};

#define BIT(outcome) (1U << (outcome))
#define COMMON                                                                 \
    (BIT(OUTCOME_HIT) | BIT(OUTCOME_FILE) | BIT(OUTCOME_SEGV) |                \
     BIT(OUTCOME_BUS))
#define READS (COMMON | BIT(OUTCOME_ZERO))
#define WRITES                                                                 \
    (COMMON | BIT(OUTCOME_FRESH) | BIT(OUTCOME_COPY) | BIT(OUTCOME_REUSE))

/* Rows and columns of the second table; no swap on hosts. */
static const struct {
    const char *word;
    unsigned outcomes;
} accesses[COVERAGE_ACCESSES] = {
    {"read", READS},        {"write", WRITES},        {"execute", READS},
    {"kernel read", READS}, {"kernel write", WRITES},
};

static const enum touch_outcome outcomes[] = {
    OUTCOME_HIT,   OUTCOME_ZERO, OUTCOME_FRESH, OUTCOME_COPY,
    OUTCOME_REUSE, OUTCOME_FILE, OUTCOME_SEGV,  OUTCOME_BUS,
};

/* The rows of the third: which shapes a caller can give.  brk keeps a page free
 * above the heap, so it joins what is below alone. */
#define NEW_SHAPES                                                             \
    (BIT(MERGE_NEW_BRIDGES) | BIT(MERGE_NEW_TO_BELOW) | BIT(MERGE_NEW_TO_ABOVE))
#define FLAG_SHAPES (BIT(MERGE_SHAPE_COUNT) - 1 - NEW_SHAPES)
static const struct {
    const char *word;
    unsigned shapes;
} callers[MERGE_CALLER_COUNT] = {
    [MERGE_BY_MMAP] = {"mmap", NEW_SHAPES},
    [MERGE_BY_BRK] = {"brk", BIT(MERGE_NEW_TO_BELOW)},
    [MERGE_BY_MREMAP] = {"mremap", NEW_SHAPES},
    [MERGE_BY_MPROTECT] = {"mprotect", FLAG_SHAPES},
    [MERGE_BY_MLOCK] = {"mlock, munlock", FLAG_SHAPES},
    [MERGE_BY_MADVISE] = {"madvise", FLAG_SHAPES},
};

struct verify_coverage *
coverage_new(void)
{
    struct verify_coverage *coverage = g_new0(struct verify_coverage, 1);

    coverage->generations = g_array_new(FALSE, TRUE, sizeof(uint8_t));
    return coverage;
}

void
coverage_free(struct verify_coverage *coverage)
{
    g_array_unref(coverage->generations);
    g_free(coverage->other);
    g_free(coverage);
}

/* ---- counting ---- */

/* Whoever reads this looks the numbers up: it is a cell that is missing. */
static void
count_other(struct verify_coverage *coverage, enum call_kind kind,
            size_t detail, int error)
{
    coverage->other_count++;
    if (!coverage->other)
        coverage->other =
            g_strdup_printf("call %d/%zu error %d", kind, detail, error);
}

static void
count_pair(struct verify_coverage *coverage, const struct operation *op)
{
    int error = op->result < 0 ? (int)-op->result : 0;
    size_t row = 0, column = 0;

    while (row < COVERAGE_CALLS &&
           (calls[row].kind != op->call->kind ||
            (calls[row].advice != ANY_ADVICE &&
             calls[row].advice != (int)op->call->advice)))
        row++;
    while (column < COVERAGE_ERRORS && errors[column].error != error)
        column++;
    if (row < COVERAGE_CALLS && column < COVERAGE_ERRORS &&
        (calls[row].errors & BIT(column)))
        coverage->pairs[row][column]++;
    else
        count_other(coverage, op->call->kind, op->call->advice, error);
}

static size_t
access_row(const struct call *call)
{
    if (call->from_kernel)
        return call->access == TOUCH_WRITE ? 4 : 3;
    return call->access == TOUCH_READ ? 0 : call->access == TOUCH_WRITE ? 1 : 2;
}

static void
count_touch(struct verify_coverage *coverage, const struct operation *op,
            uint64_t zero_breaks)
{
    const uint64_t *pages = op->touch.outcome_pages;
    size_t row = access_row(op->call);

    for (size_t i = 0; i < OUTCOME_COUNT; i++) {
        coverage->touch_count += pages[i];
        if (accesses[row].outcomes & BIT(i))
            coverage->touches[row][i] += pages[i];
        else
            for (uint64_t k = 0; k < pages[i]; k++)
                count_other(coverage, CALL_TOUCH, i, 0);
    }
    coverage->present_count += pages[OUTCOME_HIT] + pages[OUTCOME_COPY] +
                               pages[OUTCOME_REUSE] + zero_breaks;
}

static void
count_borders(struct verify_coverage *coverage, const struct call *call)
{
    uint64_t first = call->addr, last = call->addr + call->length - 1;

    if (!call->addr || !call->length || last < first)
        return;
    coverage->border_2m_count += first >> 21 != last >> 21;
    coverage->border_1g_count += first >> 30 != last >> 30;
}

static uint8_t *
generation_of(struct verify_coverage *coverage, const struct task *task)
{
    if (task->serial >= coverage->generations->len)
        g_array_set_size(coverage->generations, task->serial + 1);
    return &g_array_index(coverage->generations, uint8_t, task->serial);
}

static void
count_birth(struct verify_coverage *coverage, const struct operation *op)
{
    uint8_t generation = 0;

    if (!op->child)
        return;
    if (op->task)
        generation = *generation_of(coverage, op->task);
    if (op->call->kind == CALL_FORK) {
        coverage->births[MIN(generation, COVERAGE_GENERATIONS - 1)]++;
        generation = (uint8_t)MIN(generation + 1, UINT8_MAX);
    }
    *generation_of(coverage, op->child) = generation;
}

void
coverage_call(struct verify_coverage *coverage, const struct operation *op,
              uint64_t zero_breaks)
{
    coverage->event_count++;
    count_borders(coverage, op->call);
    if (op->call->kind == CALL_TOUCH) {
        count_touch(coverage, op, zero_breaks);
        return;
    }
    count_pair(coverage, op);
    count_birth(coverage, op);
}

void
coverage_end_run(struct verify_coverage *coverage,
                 const struct merge_tally *merges)
{
    struct merge_tally *sum = &coverage->merges;

    for (size_t i = 0; i < MERGE_CALLER_COUNT; i++)
        for (size_t k = 0; k < MERGE_SHAPE_COUNT; k++)
            sum->shapes[i][k] += merges->shapes[i][k];
    for (size_t i = 0; i < MERGE_VERDICT_COUNT; i++)
        sum->verdicts[i] += merges->verdicts[i];
}

/* ---- showing ---- */

struct table {
    const char *title;
    size_t row_count, column_count;
    const char *(*row_word)(size_t row);
    const char *(*column_word)(size_t column);
    bool (*can_be)(size_t row, size_t column);
    uint64_t (*count)(const struct verify_coverage *coverage, size_t row,
                      size_t column);
};

static const char *
pair_row_word(size_t row)
{
    static const char *const words[] = {
        [CALL_MMAP] = "mmap",
        [CALL_MUNMAP] = "munmap",
        [CALL_MPROTECT] = "mprotect",
        [CALL_MREMAP] = "mremap",
        [CALL_BRK] = "brk",
        [CALL_MLOCK] = "mlock",
        [CALL_MUNLOCK] = "munlock",
        [CALL_REMAP_FILE_PAGES] = "remap_file_pages",
        [CALL_START] = "start",
        [CALL_FORK] = "fork",
        [CALL_VFORK] = "vfork",
        [CALL_THREAD] = "thread",
        [CALL_EXEC] = "exec",
        [CALL_SETUID] = "setuid",
        [CALL_EXIT] = "exit",
        [CALL_EXIT_GROUP] = "exit-group",
    };

    if (calls[row].kind == CALL_MADVISE)
        return trace_advice_word((enum trace_advice)calls[row].advice);
    return words[calls[row].kind];
}

static const char *
pair_column_word(size_t column)
{
    return errors[column].word;
}

static bool
pair_can_be(size_t row, size_t column)
{
    return calls[row].errors & BIT(column);
}

static uint64_t
pair_count(const struct verify_coverage *coverage, size_t row, size_t column)
{
    return coverage->pairs[row][column];
}

static const char *
touch_row_word(size_t row)
{
    return accesses[row].word;
}

static const char *
touch_column_word(size_t column)
{
    return trace_outcome_word((enum trace_outcome)outcomes[column]);
}

static bool
touch_can_be(size_t row, size_t column)
{
    return accesses[row].outcomes & BIT(outcomes[column]);
}

static uint64_t
touch_count(const struct verify_coverage *coverage, size_t row, size_t column)
{
    return coverage->touches[row][outcomes[column]];
}

static const char *
shape_row_word(size_t row)
{
    return callers[row].word;
}

static const char *
shape_column_word(size_t column)
{
    static const char *const words[MERGE_SHAPE_COUNT] = {
        "case 1", "case 2", "case 3", "case 4",
        "case 5", "case 6", "case 7", "case 8"};

    return words[column];
}

static bool
shape_can_be(size_t row, size_t column)
{
    return callers[row].shapes & BIT(column);
}

static uint64_t
shape_count(const struct verify_coverage *coverage, size_t row, size_t column)
{
    return coverage->merges.shapes[row][column];
}

static const char *
verdict_row_word(size_t row)
{
    static const char *const words[] = {
#define VERDICT_WORDS(name, words) words,
        MERGE_VERDICTS(VERDICT_WORDS)
#undef VERDICT_WORDS
    };

    return words[row];
}

static const char *
single_column_word(size_t column)
{
    (void)column;
    return "";
}

/* Special mappings, kept gaps and calls that do not merge are of traces and
 * policies. */
static bool
verdict_can_be(size_t row, size_t column)
{
    (void)column;
    return row != MERGE_REFUSED_SPECIAL && row != MERGE_REFUSED_GAP &&
           row != MERGE_REFUSED_CALLER;
}

static uint64_t
verdict_count(const struct verify_coverage *coverage, size_t row, size_t column)
{
    (void)column;
    return coverage->merges.verdicts[row];
}

static const char *
place_row_word(size_t row)
{
    static const char *const words[] = {"ranges across a border of 2 MiB",
                                        "ranges across a border of 1 GiB",
                                        "forks of a process that was begun",
                                        "forks of a child",
                                        "forks of a grandchild",
                                        "forks further down"};

    return words[row];
}

static bool
place_can_be(size_t row, size_t column)
{
    (void)row;
    (void)column;
    return true;
}

static uint64_t
place_count(const struct verify_coverage *coverage, size_t row, size_t column)
{
    (void)column;
    return row == 0   ? coverage->border_2m_count
           : row == 1 ? coverage->border_1g_count
                      : coverage->births[row - 2];
}

static const struct table tables[] = {
    {"calls", COVERAGE_CALLS, COVERAGE_ERRORS, pair_row_word, pair_column_word,
     pair_can_be, pair_count},
    {"pages touched", COVERAGE_ACCESSES, G_N_ELEMENTS(outcomes), touch_row_word,
     touch_column_word, touch_can_be, touch_count},
    {"merges", MERGE_CALLER_COUNT, MERGE_SHAPE_COUNT, shape_row_word,
     shape_column_word, shape_can_be, shape_count},
    {"neighbours", MERGE_VERDICT_COUNT, 1, verdict_row_word, single_column_word,
     verdict_can_be, verdict_count},
    {"places", 2 + COVERAGE_GENERATIONS, 1, place_row_word, single_column_word,
     place_can_be, place_count},
};

static void
append_row(GString *out, const struct table *table,
           const struct verify_coverage *coverage, size_t row)
{
    /* A list with long names, or a table with short ones. */
    g_string_append_printf(out, "%-*s", table->column_count == 1 ? 42 : 17,
                           table->row_word(row));
    for (size_t column = 0; column < table->column_count; column++)
        if (table->can_be(row, column))
            g_string_append_printf(out, " %7" PRIu64,
                                   table->count(coverage, row, column));
        else
            g_string_append_printf(out, " %7s", "-");
    g_string_append_c(out, '\n');
}

static bool
row_can_be(const struct table *table, size_t row)
{
    for (size_t column = 0; column < table->column_count; column++)
        if (table->can_be(row, column))
            return true;
    return false;
}

static void
append_table(GString *out, const struct table *table,
             const struct verify_coverage *coverage)
{
    g_string_append_printf(out, "%-17s", table->title);
    for (size_t column = 0; column < table->column_count; column++)
        g_string_append_printf(out, " %7s", table->column_word(column));
    g_string_append_c(out, '\n');
    for (size_t row = 0; row < table->row_count; row++)
        if (row_can_be(table, row))
            append_row(out, table, coverage, row);
}

void
coverage_append(GString *out, const struct verify_coverage *coverage)
{
    for (size_t i = 0; i < G_N_ELEMENTS(tables); i++)
        append_table(out, &tables[i], coverage);
    if (coverage->other_count > 0)
        g_string_append_printf(out, "what no cell is for: %s %*s%7" PRIu64 "\n",
                               coverage->other, 3, "", coverage->other_count);
    g_string_append_printf(
        out, "%" PRIu64 " pages touched, %.1f %% of them present before\n",
        coverage->touch_count,
        coverage->touch_count > 0 ? 100.0 * (double)coverage->present_count /
                                        (double)coverage->touch_count
                                  : 0.0);
}

void
coverage_append_rare(GString *out, const struct verify_coverage *coverage,
                     uint64_t least)
{
    size_t cells = 0, rare = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(tables); i++) {
        const struct table *table = &tables[i];
        for (size_t at = 0; at < table->row_count * table->column_count; at++) {
            size_t row = at / table->column_count;
            size_t column = at % table->column_count;
            if (!table->can_be(row, column))
                continue;
            uint64_t count = table->count(coverage, row, column);
            cells++;
            if (count >= least)
                continue;
            rare++;
            g_string_append_printf(out, "below %" PRIu64 ": %" PRIu64 " %s%s%s",
                                   least, count, table->row_word(row),
                                   table->column_count > 1 ? ": " : "",
                                   table->column_word(column));
            g_string_append_c(out, '\n');
        }
    }
    g_string_append_printf(out,
                           "%zu of %zu cells at least %" PRIu64 " times each\n",
                           cells - rare, cells, least);
}
