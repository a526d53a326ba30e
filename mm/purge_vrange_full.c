/*
 * purge=vrange-full: vrange v7 (2013), a victim range loses all its pages.
 *
 * Both calls cost the same whatever the length; pages go only under memory
 * pressure.
 */
#include "mm/aspace.h"
#include "mm/machine.h"
#include "mm/purge.h"
#include "mm/vrange.h"

static struct purge_outcome
make_volatile(struct mm *mm, uint64_t start, uint64_t length)
{
    mm->machine->counters.purge_call_count++;
    return (struct purge_outcome){
        .result = vrange_call(mm, start, length, /* is_volatile = */ true),
        .is_call = true,
    };
}

static struct purge_outcome
make_nonvolatile(struct mm *mm, uint64_t start, uint64_t length)
{
    mm->machine->counters.reuse_call_count++;
    return (struct purge_outcome){
        .result = vrange_call(mm, start, length, /* is_volatile = */ false),
        .is_call = true,
    };
}

const struct purge_ops purge_vrange_full = {
    .name = "vrange-full",
    .purge = make_volatile,
    .reuse = make_nonvolatile,
    .uses_vrange = true,
};
