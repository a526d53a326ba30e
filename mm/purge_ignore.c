/*
 * purge=ignore: the allocator keeps its memory; no call is made.
 *
 * The price is resident memory, and it is the only price.
 */
#include "mm/purge.h"

const struct purge_ops purge_ignore = {
    .name = "ignore",
    .purge = purge_no_call,
    .reuse = purge_no_call,
};
