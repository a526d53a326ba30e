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
static const struct {
    const char *axis;
    uint64_t ops;
    const char *needs;
} needs[] = {
    {"purge", OP(PURGE) | OP(REUSE) | OP(VRANGE), "purge or reuse events"},
    {"guard", OP(GUARD), "guard events"},
    {"fork", OP(FORK), "forks"},
    {"gap", MAPPINGS, "mmap or mremap calls"},
    {"layout", MAPPINGS, "mmap or mremap calls"},
    {"merge", MAPPINGS | OP(BRK) | OP(MPROTECT) | OP(MADVISE) | OP(GUARD),
     "calls that make or change mappings"},
    {"zero-page", OP(READ) | OP(EXECUTE), "reads"},
    {"clear", TOUCHES, "touches"},
    {"cow", OP(WRITE), "writes"},
    {"rmap", TOUCHES, "touches"},
};

const char *
idle_axis_needs(const struct trace *trace, const char *axis)
{
    for (size_t i = 0; i < G_N_ELEMENTS(needs); i++) {
        if (strcmp(needs[i].axis, axis) != 0)
            continue;
        for (size_t op = 0; op < TRACE_OP_COUNT; op++)
            if (needs[i].ops >> op & 1 && trace->op_count[op] > 0)
                return NULL;
        return needs[i].needs;
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
