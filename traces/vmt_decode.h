/*
 * A block of a binary trace becomes events.
 */
#pragma once

#include "traces/vmt_bytes.h"
#include "traces/vmt_file.h"
#include "traces/vmt_layout.h"

struct vmt_decoder;

enum { VMT_PADDING = 16 };  // readable bytes behind those of a block

struct vmt_decoder *vmt_decoder_new(const struct trace *trace);
void vmt_decoder_free(struct vmt_decoder *decoder);

/* Fill the block's window from `payload`.  On failure payload->expected says
 * what was not there. */
bool vmt_decode(struct vmt_block *block, const struct vmt_block_header *header,
                struct vmt_bytes *payload);
