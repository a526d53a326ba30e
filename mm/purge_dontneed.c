/*
 * purge=dontneed: madvise(MADV_DONTNEED), what allocators do by default.
 *
 * Every page goes at once, linear in mapped pages, and comes back through a
 * fault and a clear.
 */
#include "mm/madvise.h"
#include "mm/purge.h"

static struct purge_outcome
dontneed(struct mm *mm, uint64_t start, uint64_t length)
{
    return (struct purge_outcome){
        .result = mm_madvise_dontneed(mm, start, length),
        .is_call = true,
    };
}

const struct purge_ops purge_dontneed = {
    .name = "dontneed",
    .purge = dontneed,
    .reuse = purge_no_call,
};
