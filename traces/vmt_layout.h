/*
 * What stands where in a binary trace, as FORMAT.md draws it.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

/* The first bytes of every binary trace.  The first one is no UTF-8, so no
 * text begins like this. */
static const char vmt_magic[8] = {'\xb7', 'v', 'm', 't', 'r', 'a', 'c', 'e'};
/* The last bytes. */
static const char vmt_end_magic[8] = {'v', 'm', 't', ' ', 'e', 'n', 'd', '\n'};

#define VMT_VERSION 1

/* The two top bits of an event's first byte say how many of the lowest bytes
 * of the offset stand behind it; the others are those of the shape's last
 * event.  None: the offset is as far from that as that was from the one before.
 */
static const uint8_t vmt_offset_bytes[4] = {0, 2, 3, 5};
static const uint64_t vmt_offset_mask[4] = {0, 0xffff, 0xffffff,
                                            UINT64_C(0xffffffffff)};

enum {
    VMT_BLOCK_EVENTS = 4096,        // at most; decoded, they fit in a cache
    VMT_BLOCK_BYTES_MAX = 1 << 26,  // of a payload; a reader refuses more
    VMT_SHORT_SLOTS = 62,           // shapes told by the first byte of an event
    VMT_SLOTS = VMT_SHORT_SLOTS + 256,
    VMT_CODE_LONG_SLOT = 62,  // the next byte tells the shape
    VMT_CODE_FULL = 63,       // an event without a shape
};

struct vmt_header {
    char magic[8];
    uint32_t version;
    uint32_t zero;
};

/* Before every block, and before the tables, which are one. */
struct vmt_block_header {
    uint64_t checksum;  // XXH64 of the rest of the header and the payload
    uint64_t first_event;
    uint64_t first_line;  // of the text: where the block's part of it begins
    uint32_t payload_bytes;
    uint32_t event_count;
    uint32_t shape_bytes;  // the payload is shapes, events, notes
    uint32_t note_bytes;
};

struct vmt_footer {
    uint64_t tables_at;  // byte offset of the tables
    uint64_t checksum;   // XXH64 of tables_at
    char magic[8];
};

_Static_assert(sizeof(struct vmt_header) == 16, "no holes in a header");
_Static_assert(sizeof(struct vmt_block_header) == 40, "no holes in a header");
_Static_assert(sizeof(struct vmt_footer) == 24, "no holes in a footer");

/* Append a block; its checksum and payload_bytes are set here. */
void vmt_put_block(GByteArray *out, const struct vmt_block_header *header,
                   const void *payload, gsize payload_bytes);
