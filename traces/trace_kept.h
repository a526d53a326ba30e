/*
 * Blocks of a trace's file that many cursors read: whoever needs one first
 * decodes it, and it is kept, packed, for all others.
 *
 * When room runs out, the blocks from there on are not kept, and everyone
 * decodes them for himself: a scan that always begins at the first block finds
 * most in a store that keeps the first ones.
 */
#pragma once

#include "traces/trace_pack.h"
#include "traces/vmt_file.h"

struct trace_kept;

struct trace_kept *trace_kept_new(guint block_count, struct trace_room *room);
void trace_kept_free(struct trace_kept *kept);

/* Block `index`; NULL: it is not kept.  Meanwhile `block` may be used to decode
 * it, or one that is needed next. */
const struct trace_pack *trace_kept_get(struct trace_kept *kept, guint index,
                                        struct vmt_block *block);
