/*
 * Which events each policy axis needs, and whether a trace has them.
 */
#include "sim/idle_axes.h"

#include "sim/axes.h"

#include <string.h>

#define OP(name) (UINT64_C(1) << TRACE_OP_##name)
#define TOUCHES  (OP(READ) | OP(WRITE) | OP(EXECUTE))
#define MAPPINGS (OP(MMAP) | OP(MREMAP))

/* An axis that is not here can always act. */
static const struct need {
    const char *axis;
    uint64_t ops;
    const char *needs;
    bool or_populate;  // a call that brings pages in will do
} needs[] = {
    {"purge", OP(PURGE) | OP(REUSE) | OP(VRANGE), "purge or reuse events",
     false},
    {"guard", OP(GUARD), "guard events", false},
    {"fork", OP(FORK), "forks", false},
    {"gap", MAPPINGS, "mmap or mremap calls", false},
    {"layout", MAPPINGS, "mmap or mremap calls", false},
    {"merge",
     MAPPINGS | OP(MAP) | OP(BRK) | OP(MPROTECT) | OP(MADVISE) | OP(GUARD) |
         OP(MLOCK) | OP(MUNLOCK),
     "calls that make or change mappings", false},
    {"zero-page", OP(READ) | OP(EXECUTE), "reads", true},
    {"clear", TOUCHES, "touches", true},
    {"cow", OP(WRITE), "writes", true},
    {"rmap", TOUCHES, "touches", true},
};

static bool
has_op(const struct trace *trace, uint64_t ops)
{
    for (size_t op = 0; op < TRACE_OP_COUNT; op++)
        if (ops >> op & 1 && trace->op_count[op] > 0)
            return true;
    return false;
}

static bool
populates(const struct trace_event *event)
{
    return event->op == TRACE_OP_MLOCK ||
           (event->op == TRACE_OP_MMAP &&
            event->flags & (TRACE_POPULATE | TRACE_LOCKED)) ||
           (event->op == TRACE_OP_MADVISE &&
            (event->advice == TRACE_ADVICE_POPULATE_READ ||
             event->advice == TRACE_ADVICE_POPULATE_WRITE));
}

/* Only asked of traces that lack some kind of touch; one that cannot be read
 * fails when it is run. */
static bool
has_populate(const struct trace *trace)
{
    struct trace_cursor *cursor = trace_cursor_open(trace);
    const struct trace *window;
    bool found = false;

    while (!found && (window = trace_cursor_next(cursor, NULL)))
        for (size_t i = 0; i < window->events->len && !found; i++)
            found = populates(
                &g_array_index(window->events, struct trace_event, i));
    trace_cursor_close(cursor);
    return found;
}

/* What an axis acts on, if the trace has none of it, else NULL. */
static const char *
idle_axis_needs(const struct trace *trace, const char *axis)
{
    for (size_t i = 0; i < G_N_ELEMENTS(needs); i++) {
        const struct need *need = &needs[i];
        if (strcmp(need->axis, axis) == 0 && !has_op(trace, need->ops) &&
            !(need->or_populate && has_populate(trace)))
            return need->needs;
    }
    return NULL;
}

void
idle_axes_warn(const struct trace *trace, const GArray *axes)
{
    for (size_t i = 0; i < axes->len; i++) {
        const struct axis *axis = &g_array_index(axes, struct axis, i);
        if (axis->kind != SETUP_POLICY)
            continue;
        const char *missing = idle_axis_needs(trace, axis->name);
        if (missing)
            g_printerr("vmsim: the axis %s cannot act on %s, which has no "
                       "%s\n",
                       axis->name, trace->path, missing);
    }
}
