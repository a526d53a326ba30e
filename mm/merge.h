/*
 * The answer of the `merge` axis, and a tally of what was made of it.
 *
 * A range touches a VMA below and one above, B and A; it is new, R, or the
 * part r of a mapping M that got other flags.  Each neighbour is judged; what
 * the range then joins has one of eight shapes, the cases of the kernel's
 * vma_merge():
 *
 *   1  BBBB RRRR AAAA  ->  BBBBBBBBBBBB      5  BBBB rrMM  ->  BBBBBB MM
 *   2  BBBB RRRR       ->  BBBBBBBB          6  BBBB rrrr AAAA -> BBBBBBBBBBBB
 *   3       RRRR AAAA  ->       AAAAAAAA     7  BBBB rrrr AAAA -> BBBBBBBB AAAA
 *   4  MMrr AAAA       ->  MM AAAAAA         8  BBBB rrrr AAAA -> BBBB AAAAAAAA
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct merge_request;
struct vma;

enum merge_caller {
    MERGE_BY_MMAP,
    MERGE_BY_BRK,
    MERGE_BY_MPROTECT,
    MERGE_BY_MREMAP,
    MERGE_BY_MADVISE,
    MERGE_BY_MLOCK,  // the last one
};
#define MERGE_CALLER_COUNT (MERGE_BY_MLOCK + 1)

enum merge_shape {
    MERGE_NEW_BRIDGES,     // 1
    MERGE_NEW_TO_BELOW,    // 2
    MERGE_NEW_TO_ABOVE,    // 3
    MERGE_TAIL_TO_ABOVE,   // 4
    MERGE_HEAD_TO_BELOW,   // 5
    MERGE_WHOLE_BRIDGES,   // 6
    MERGE_WHOLE_TO_BELOW,  // 7
    MERGE_WHOLE_TO_ABOVE,  // 8
    MERGE_SHAPE_COUNT,
};

/* X(NAME, words): why a range may join a neighbour, then why not; the first
 * reason that holds. */
#define MERGE_VERDICTS(X)                                                      \
    X(FITS_BARE, "joined, neither has an anon_vma")                            \
    X(FITS_SAME, "joined, both have the same anon_vma")                        \
    X(FITS_NEIGHBOUR_HAS, "joined a neighbour's anon_vma")                     \
    X(FITS_RANGE_HAS, "joined, bringing its anon_vma")                         \
    X(REFUSED_SPECIAL, "refused: a special mapping")                           \
    X(REFUSED_FLAGS, "refused: other flags")                                   \
    X(REFUSED_FILE, "refused: another file")                                   \
    X(REFUSED_GAP, "refused: a gap is kept")                                   \
    X(REFUSED_PGOFF, "refused: pgoff is not linear")                           \
    X(REFUSED_OTHER_FAMILY, "refused: unlike anon_vmas")                       \
    X(REFUSED_FORKED, "refused: an anon_vma of a fork's child")                \
    X(REFUSED_CALLER, "refused: the call does not merge")                      \
    X(REFUSED_BSS, "refused: below the heap's start")                          \
    X(REFUSED_BRIDGE, "refused: neighbours of different anon_vmas")

enum merge_verdict {
#define MERGE_ENUM(name, words) MERGE_##name,
    MERGE_VERDICTS(MERGE_ENUM)
#undef MERGE_ENUM
        MERGE_VERDICT_COUNT,
};

/* Everything that ever touched a neighbour on a machine. */
struct merge_tally {
    uint64_t shapes[MERGE_CALLER_COUNT][MERGE_SHAPE_COUNT];
    uint64_t verdicts[MERGE_VERDICT_COUNT];  // one per neighbour judged
};

static inline bool
merge_fits(enum merge_verdict verdict)
{
    return verdict <= MERGE_FITS_RANGE_HAS;
}

/* May a range with these facts join `neighbour`, which lies before it (below)
 * or after it? */
enum merge_verdict merge_judge(const struct merge_request *request,
                               const struct vma *neighbour,
                               bool neighbour_is_below);
