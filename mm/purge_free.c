/*
 * purge=free: madvise(MADV_FREE), Linux 4.5 and later.
 *
 * Pages stay mapped and are dropped by reclaim unless written again: a PTE
 * walk at the call, no fault at reuse.
 */
#include "mm/madvise.h"
#include "mm/purge.h"

static struct purge_outcome
lazily(struct mm *mm, uint64_t start, uint64_t length)
{
    return (struct purge_outcome){
        .result = mm_madvise_free(mm, start, length),
        .is_call = true,
    };
}

const struct purge_ops purge_free = {
    .name = "free",
    .purge = lazily,
    .reuse = purge_no_call,
    .uses_madv_free = true,
};
