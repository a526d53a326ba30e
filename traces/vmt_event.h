/*
 * One event as bytes, in full, both ways.
 *
 * An event is its *shape*, which many events share, and what varies: where its
 * address lies, how long it is, when it was.
 */
#pragma once

#include "traces/trace.h"
#include "traces/vmt_bytes.h"

/* Bits beside the fields of an event. */
enum vmt_trait {
    VMT_PAGE_OFFSET = 1 << 0,    // the offset counts pages of 4 KiB
    VMT_PAGE_LENGTH = 1 << 1,    // so does the length
    VMT_HAS_DURATION = 1 << 2,   // of TRACE_HAS_TIME
    VMT_LENGTH_VARIES = 1 << 3,  // the length stands behind each event
    VMT_SPELLING_SHIFT = 4,      // enum trace_spelling, how the text has it
    VMT_TRAIT_LIMIT = 1 << 7,
};

static inline unsigned
vmt_offset_shift(unsigned traits)
{
    return traits & VMT_PAGE_OFFSET ? 12 : 0;
}

static inline unsigned
vmt_length_shift(unsigned traits)
{
    return traits & VMT_PAGE_LENGTH ? 12 : 0;
}

/* Put the shape of an event: all but offset, length and times. */
void vmt_put_shape(GByteArray *out, const struct trace *trace,
                   const struct trace_event *event, unsigned traits);

/* What events are judged by. */
struct vmt_rules {
    const struct trace *trace;               // its tables
    uint32_t flags_allowed[TRACE_OP_COUNT];  // enum trace_flag
};

struct vmt_rules vmt_rules(const struct trace *trace);

/* Take a shape that can stand in a trace.  Its detail and result are appended
 * to the window. */
bool vmt_take_shape(struct vmt_bytes *bytes, const struct vmt_rules *rules,
                    struct trace *window, struct trace_event *event,
                    unsigned *traits);
/* Whether this length can stand in such an event. */
bool vmt_is_length_allowed(const struct trace_event *event);
