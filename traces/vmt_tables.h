/*
 * The tables of a whole trace, as the last block of a binary one has them.
 */
#pragma once

#include "traces/vmt_bytes.h"
#include "traces/vmt_encode.h"

/* `extents` are those of the blocks, in order. */
void vmt_put_tables(GByteArray *out, const struct trace *trace,
                    const GArray *extents);

/* Fill a new trace, and `extents`; `tables_at` is where the blocks end.  On
 * failure bytes->expected says what was not there. */
bool vmt_take_tables(struct vmt_bytes *bytes, uint64_t tables_at,
                     struct trace *trace, GArray *extents);
