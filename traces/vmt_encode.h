/*
 * Events become a block of a binary trace.
 */
#pragma once

#include "traces/trace.h"

struct vmt_encoder;

/* What the text has beside the canonical lines of events, by place. */
enum vmt_note {
    VMT_NOTE_LINE,      // a line above the event that holds none
    VMT_NOTE_SPELLING,  // the event's own line, as it is written
    VMT_NOTE_GAP,       // lines above the event that were not kept
    VMT_NOTE_COUNT,
};

struct vmt_encoder *vmt_encoder_new(void);
void vmt_encoder_free(struct vmt_encoder *encoder);

/* Notes come before the event that they are about; the last ones of a trace
 * before none.  `length` counts bytes, or lines of a gap. */
void vmt_encoder_note(struct vmt_encoder *encoder, enum vmt_note kind,
                      const char *bytes, uint64_t length);
void vmt_encoder_event(struct vmt_encoder *encoder, const struct trace *trace,
                       const struct trace_event *event, unsigned spelling);

/* Whether the block should be taken before more is put. */
bool vmt_encoder_is_full(const struct vmt_encoder *encoder);

/* What a block holds, for the index. */
struct vmt_extent {
    uint64_t at;  // byte offset of its header
    uint64_t first_event, first_line;
};

/* Append the block and begin the next one behind it.  Nothing is appended, and
 * false returned, when there is nothing. */
bool vmt_encoder_take(struct vmt_encoder *encoder, GByteArray *out,
                      struct vmt_extent *extent);
