/*
 * See vmt_decode.h.
 */
#include "traces/vmt_decode.h"

#include <string.h>

#include "traces/trace_format.h"
#include "traces/trace_tables.h"
#include "traces/vmt_event.h"

/* A shape of the block, and where its offsets have got to. */
struct slot {
    struct trace_event event;  // all that its events share
    uint64_t value, step;
    uint8_t offset_shift;
    uint8_t traits;
    bool is_plain;  // the offset is all that varies
};

struct vmt_decoder {
    struct vmt_rules rules;
    struct slot slots[VMT_SLOTS];
    unsigned slot_count;
    uint64_t clock_ns;
};

struct vmt_decoder *
vmt_decoder_new(const struct trace *trace)
{
    struct vmt_decoder *decoder = g_new0(struct vmt_decoder, 1);
    decoder->rules = vmt_rules(trace);
    return decoder;
}

void
vmt_decoder_free(struct vmt_decoder *decoder)
{
    g_free(decoder);
}

static unsigned
spelling_of(unsigned traits)
{
    return traits >> VMT_SPELLING_SHIFT;
}

static bool
take_shape(struct vmt_decoder *decoder, struct vmt_block *block,
           struct vmt_bytes *bytes, struct trace_event *event, unsigned *traits)
{
    if (!vmt_take_shape(bytes, &decoder->rules, &block->window, event, traits))
        return false;
    return spelling_of(*traits) < TRACE_SPELLING_COUNT ||
           vmt_bytes_fail(bytes, "a spelling");
}

static void
take_slots(struct vmt_decoder *decoder, struct vmt_block *block,
           struct vmt_bytes *bytes)
{
    decoder->slot_count = 0;
    while (bytes->at < bytes->end && !bytes->is_bad) {
        struct slot *slot = &decoder->slots[decoder->slot_count];
        unsigned traits = 0;
        if (decoder->slot_count++ == VMT_SLOTS) {
            vmt_bytes_fail(bytes, "at most 318 shapes");
            return;
        }
        if (!take_shape(decoder, block, bytes, &slot->event, &traits))
            return;
        bool varies = traits & VMT_LENGTH_VARIES;
        if (!varies)
            slot->event.length = vmt_take_number(bytes);
        if (!varies && !vmt_is_length_allowed(&slot->event))
            vmt_bytes_fail(bytes, "a length that the event can have");
        slot->value = slot->step = 0;
        slot->offset_shift = (uint8_t)vmt_offset_shift(traits);
        slot->traits = (uint8_t)traits;
        slot->is_plain = !varies && !(slot->event.flags & TRACE_HAS_TIME);
    }
}

static void
take_times(struct vmt_decoder *decoder, struct vmt_bytes *bytes,
           unsigned traits, struct trace_event *event)
{
    uint64_t end;
    if (!(event->flags & TRACE_HAS_TIME))
        return;
    decoder->clock_ns += vmt_take_difference(bytes);
    event->start_ns = decoder->clock_ns;
    if (traits & VMT_HAS_DURATION)
        event->duration_ns = vmt_take_number(bytes);
    if (__builtin_add_overflow(event->start_ns, event->duration_ns, &end))
        vmt_bytes_fail(bytes, "times below 2^64 ns");
}

/* What stands behind the offset of an event that is not plain. */
static void
take_rest(struct vmt_decoder *decoder, struct vmt_bytes *bytes, unsigned traits,
          struct trace_event *event)
{
    if (traits & VMT_LENGTH_VARIES) {
        event->length = vmt_take_number(bytes) << vmt_length_shift(traits);
        if (!vmt_is_length_allowed(event))
            vmt_bytes_fail(bytes, "a length that the event can have");
    }
    take_times(decoder, bytes, traits, event);
}

static void
take_full(struct vmt_decoder *decoder, struct vmt_block *block,
          struct vmt_bytes *bytes, struct trace_event *event, uint8_t *spelling)
{
    unsigned traits;
    bytes->at++;
    if (!take_shape(decoder, block, bytes, event, &traits))
        return;
    event->length = vmt_take_number(bytes);
    if (!vmt_is_length_allowed(event))
        vmt_bytes_fail(bytes, "a length that the event can have");
    event->address.offset = vmt_take_number(bytes);
    take_times(decoder, bytes, traits, event);
    *spelling = (uint8_t)spelling_of(traits);
}

/* The slot of the event at the cursor, which moves behind its number but for
 * one byte; NULL: there is none. */
static struct slot *
find_slot(struct vmt_decoder *decoder, struct vmt_bytes *bytes)
{
    unsigned number = *bytes->at & 63;
    if (number == VMT_CODE_LONG_SLOT)
        number = VMT_SHORT_SLOTS + *++bytes->at;
    return number < decoder->slot_count ? &decoder->slots[number] : NULL;
}

/* The bytes of an offset are read eight at once, which padding allows. */
static void
take_events(struct vmt_decoder *decoder, struct vmt_block *block,
            struct vmt_bytes *bytes, uint32_t count)
{
    struct trace_event *event =
        (struct trace_event *)(void *)block->window.events->data;
    uint8_t *spelling = block->spellings->data;
    for (; count > 0 && bytes->at < bytes->end; count--, event++, spelling++) {
        unsigned code = *bytes->at >> 6;
        if (*bytes->at == VMT_CODE_FULL) {
            take_full(decoder, block, bytes, event, spelling);
            if (bytes->is_bad)
                return;
            continue;
        }
        struct slot *slot = find_slot(decoder, bytes);
        if (!slot) {
            vmt_bytes_fail(bytes, "a shape of the block");
            return;
        }
        uint64_t low;
        memcpy(&low, bytes->at + 1, sizeof(low));
        bytes->at += 1 + vmt_offset_bytes[code];
        uint64_t mask = vmt_offset_mask[code];
        uint64_t base = slot->value + (code == 0 ? slot->step : 0);
        uint64_t value = (base & ~mask) | (GUINT64_FROM_LE(low) & mask);
        slot->step = value - slot->value;
        slot->value = value;
        *event = slot->event;
        event->address.offset = value << slot->offset_shift;
        *spelling = slot->traits >> VMT_SPELLING_SHIFT;
        if (slot->is_plain)
            continue;
        take_rest(decoder, bytes, slot->traits, event);
        if (bytes->is_bad)
            return;
    }
    if (count > 0)
        vmt_bytes_fail(bytes, "another event");
    else if (bytes->at != bytes->end)
        vmt_bytes_fail(bytes, "the end of the events");
}

static void
add_anchor(struct trace *window, uint64_t event, uint64_t line)
{
    struct trace_anchor anchor = {event, line};
    g_array_append_val(window->anchors, anchor);
}

/* See where lines do not follow each other; what the notes say stays where it
 * is. */
static void
take_notes(struct vmt_block *block, const struct vmt_block_header *header,
           struct vmt_bytes *bytes)
{
    uint64_t event = 0, lines = 0;
    add_anchor(&block->window, header->first_event, header->first_line);
    while (bytes->at < bytes->end && !bytes->is_bad) {
        uint64_t skipped = vmt_take_number(bytes);
        uint64_t number = vmt_take_number(bytes);
        uint64_t length = number / VMT_NOTE_COUNT;
        enum vmt_note kind = (enum vmt_note)(number % VMT_NOTE_COUNT);
        if (skipped > header->event_count - event) {
            vmt_bytes_fail(bytes, "a note on an event of the block");
            return;
        }
        event += skipped;
        if (kind != VMT_NOTE_GAP)
            vmt_take_bytes(bytes, length);
        if (kind == VMT_NOTE_SPELLING)
            continue;
        lines += kind == VMT_NOTE_GAP ? length : 1;
        add_anchor(&block->window, header->first_event + event,
                   header->first_line + event + lines);
    }
}

bool
vmt_decode(struct vmt_block *block, const struct vmt_block_header *header,
           struct vmt_bytes *payload)
{
    struct vmt_decoder *decoder = block->decoder;
    const uint8_t *end = payload->end;
    trace_empty_window(&block->window);
    if (header->event_count > VMT_BLOCK_EVENTS)
        return vmt_bytes_fail(payload, "at most 4096 events");
    g_array_set_size(block->window.events, header->event_count);
    g_byte_array_set_size(block->spellings, header->event_count);
    block->window.first_event = header->first_event;
    decoder->clock_ns = 0;
    if ((uint64_t)header->shape_bytes + header->note_bytes >
        (uint64_t)(end - payload->start))
        return vmt_bytes_fail(payload, "a payload as long as its parts");
    payload->end = payload->start + header->shape_bytes;
    take_slots(decoder, block, payload);
    payload->end = end - header->note_bytes;
    if (!payload->is_bad)
        take_events(decoder, block, payload, header->event_count);
    block->notes = payload->end;
    block->notes_end = payload->end = end;
    if (!payload->is_bad)
        take_notes(block, header, payload);
    return !payload->is_bad;
}
