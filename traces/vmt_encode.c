/*
 * See vmt_encode.h.
 *
 * A block is coded when all its events are known.  An event costs a byte for
 * its shape and what its offset differs in from that of the shape's last
 * event, or no more if it is as far from it as that was from the one before:
 *
 *     events --> shapes, counted --> the 318 most frequent get slots
 *            `-> offset, length, times of each
 *
 * Shapes that differ in the length alone are a family.  A family of many
 * becomes one shape whose events carry their length.
 */
#include "traces/vmt_encode.h"

#include <string.h>

#include "traces/vmt_event.h"
#include "traces/vmt_layout.h"

enum {
    PAGE_MASK = (1 << 12) - 1,
    BUCKETS = 4 * VMT_BLOCK_EVENTS,    // a power of two
    LENGTHS_MAX = 4,                   // of a family that keeps its shapes
    NOTE_BYTES = 1 << 20,              // fill a block, too
    LATEST = 256,                      // kinds of events, by hash
    EVENT_BYTES_MAX = 2 + 5 + 3 * 10,  // with a shape: it, offset, numbers
    NO_SLOT = UINT16_MAX,
};

struct family {
    uint32_t start, size;  // its bytes in encoder.bytes
    uint32_t shape_count;
    uint32_t varying;  // shape that stands for all, if they are many
    unsigned traits;
};

struct shape {
    uint32_t family;
    uint32_t count;        // events
    uint64_t length;       // unless the family's varies
    uint64_t value, step;  // of the offset, while events are put
    uint16_t slot;
    bool varies;
};

struct record {
    uint32_t shape;
    bool has_time;
    uint64_t offset, length, start_ns, duration_ns;
};

/* The latest event of a kind: the next one mostly has its shape. */
struct latest {
    struct trace_event event;
    unsigned traits;
    uint32_t shape;
    bool is_known;
};

/* Words of an event that its shape and length are made of; the others are
 * offset, start and duration. */
static const uint8_t shape_words[] = {1, 2, 5, 6, 7};

_Static_assert(offsetof(struct trace_event, address.binding) == 1 * 8 &&
                   offsetof(struct trace_event, length) == 2 * 8 &&
                   offsetof(struct trace_event, flags) == 5 * 8,
               "words of an event");

struct vmt_encoder {
    struct latest latest[LATEST];
    GByteArray *bytes;       // of families
    GArray *families;        // struct family
    GArray *shapes;          // struct shape
    struct record *records;  // VMT_BLOCK_EVENTS of them
    guint record_count;
    GArray *slots;  // uint32_t: shapes, most frequent first
    GByteArray *notes;
    GByteArray *payload;
    uint32_t *family_buckets, *shape_buckets;  // index + 1; 0: empty
    uint64_t first_event, first_line;
    uint64_t line_count;  // of the block
    guint noted_event;    // of the latest note
};

struct vmt_encoder *
vmt_encoder_new(void)
{
    struct vmt_encoder *encoder = g_new0(struct vmt_encoder, 1);
    encoder->bytes = g_byte_array_new();
    encoder->families = g_array_new(FALSE, FALSE, sizeof(struct family));
    encoder->shapes = g_array_new(FALSE, FALSE, sizeof(struct shape));
    encoder->records = g_new(struct record, VMT_BLOCK_EVENTS);
    encoder->slots = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    encoder->notes = g_byte_array_new();
    encoder->payload = g_byte_array_new();
    encoder->family_buckets = g_new0(uint32_t, BUCKETS);
    encoder->shape_buckets = g_new0(uint32_t, BUCKETS);
    encoder->first_line = 2;  // below the one that every trace begins with
    return encoder;
}

void
vmt_encoder_free(struct vmt_encoder *encoder)
{
    g_byte_array_unref(encoder->bytes);
    g_array_unref(encoder->families);
    g_array_unref(encoder->shapes);
    g_free(encoder->records);
    g_array_unref(encoder->slots);
    g_byte_array_unref(encoder->notes);
    g_byte_array_unref(encoder->payload);
    g_free(encoder->family_buckets);
    g_free(encoder->shape_buckets);
    g_free(encoder);
}

static struct family *
family_at(const struct vmt_encoder *encoder, uint32_t index)
{
    return &g_array_index(encoder->families, struct family, index);
}

static struct shape *
shape_at(const struct vmt_encoder *encoder, uint32_t index)
{
    return &g_array_index(encoder->shapes, struct shape, index);
}

void
vmt_encoder_note(struct vmt_encoder *encoder, enum vmt_note kind,
                 const char *bytes, uint64_t length)
{
    guint event = encoder->record_count;
    vmt_put_number(encoder->notes, event - encoder->noted_event);
    vmt_put_number(encoder->notes, length * VMT_NOTE_COUNT + kind);
    encoder->noted_event = event;
    if (kind != VMT_NOTE_GAP)
        g_byte_array_append(encoder->notes, (const guint8 *)bytes,
                            (guint)length);
    if (kind != VMT_NOTE_SPELLING)
        encoder->line_count += kind == VMT_NOTE_GAP ? length : 1;
}

/* The family whose bytes were put last; they go if it is known already. */
static uint32_t
find_family(struct vmt_encoder *encoder, uint32_t start, unsigned traits)
{
    const uint8_t *bytes = encoder->bytes->data + start;
    uint32_t size = encoder->bytes->len - start;
    uint64_t hash = vmt_checksum(bytes, size);
    for (uint32_t i = (uint32_t)hash;; i++) {
        uint32_t *bucket = &encoder->family_buckets[i % BUCKETS];
        if (*bucket == 0) {
            struct family family = {.start = start,
                                    .size = size,
                                    .varying = UINT32_MAX,
                                    .traits = traits};
            g_array_append_val(encoder->families, family);
            *bucket = encoder->families->len;
            return *bucket - 1;
        }
        const struct family *known = family_at(encoder, *bucket - 1);
        if (known->size == size &&
            memcmp(encoder->bytes->data + known->start, bytes, size) == 0) {
            g_byte_array_set_size(encoder->bytes, start);
            return *bucket - 1;
        }
    }
}

static uint32_t
find_shape(struct vmt_encoder *encoder, uint32_t family, uint64_t length)
{
    uint64_t hash =
        (length ^ (uint64_t)family << 32) * UINT64_C(0x9e3779b97f4a7c15);
    for (uint32_t i = (uint32_t)(hash >> 32);; i++) {
        uint32_t *bucket = &encoder->shape_buckets[i % BUCKETS];
        if (*bucket == 0) {
            struct shape shape = {.family = family, .length = length};
            g_array_append_val(encoder->shapes, shape);
            family_at(encoder, family)->shape_count++;
            *bucket = encoder->shapes->len;
            return *bucket - 1;
        }
        const struct shape *known = shape_at(encoder, *bucket - 1);
        if (known->family == family && known->length == length)
            return *bucket - 1;
    }
}

static struct latest *
latest_like(struct vmt_encoder *encoder, const struct trace_event *event)
{
    uint32_t hash = event->task * 31 + event->op;
    hash = hash * 31 + event->address.binding;
    return &encoder->latest[hash * 0x9e3779b1u >> 24 & (LATEST - 1)];
}

static bool
has_same_shape(const struct latest *latest, const struct trace_event *event,
               unsigned traits)
{
    uint64_t known[sizeof(*event) / 8], words[sizeof(*event) / 8];
    uint64_t differing = latest->traits ^ traits;
    memcpy(known, &latest->event, sizeof(known));
    memcpy(words, event, sizeof(words));
    for (unsigned i = 0; i < G_N_ELEMENTS(shape_words); i++)
        differing |= known[shape_words[i]] ^ words[shape_words[i]];
    return differing == 0 && latest->is_known && event->detail == TRACE_NONE &&
           event->result == TRACE_NONE;
}

static uint32_t
shape_of(struct vmt_encoder *encoder, const struct trace *trace,
         const struct trace_event *event, unsigned traits)
{
    struct latest *latest = latest_like(encoder, event);
    if (!has_same_shape(latest, event, traits)) {
        guint start = encoder->bytes->len;
        vmt_put_shape(encoder->bytes, trace, event, traits);
        uint32_t family = find_family(encoder, start, traits);
        *latest = (struct latest){
            .event = *event,
            .traits = traits,
            .shape = find_shape(encoder, family, event->length),
            .is_known = true,
        };
    }
    return latest->shape;
}

void
vmt_encoder_event(struct vmt_encoder *encoder, const struct trace *trace,
                  const struct trace_event *event, unsigned spelling)
{
    unsigned traits = spelling << VMT_SPELLING_SHIFT;
    traits |= event->address.offset & PAGE_MASK ? 0 : VMT_PAGE_OFFSET;
    traits |= event->length & PAGE_MASK ? 0 : VMT_PAGE_LENGTH;
    traits |= event->duration_ns > 0 ? VMT_HAS_DURATION : 0;
    struct record record = {
        .shape = shape_of(encoder, trace, event, traits),
        .has_time = event->flags & TRACE_HAS_TIME,
        .offset = event->address.offset,
        .length = event->length,
        .start_ns = event->start_ns,
        .duration_ns = event->duration_ns,
    };
    shape_at(encoder, record.shape)->count++;
    encoder->records[encoder->record_count++] = record;
    encoder->line_count++;
}

bool
vmt_encoder_is_full(const struct vmt_encoder *encoder)
{
    return encoder->record_count >= VMT_BLOCK_EVENTS ||
           encoder->notes->len + encoder->bytes->len >= NOTE_BYTES;
}

/* Let one shape stand for all of a family that has many. */
static void
join_families(struct vmt_encoder *encoder)
{
    guint count = encoder->shapes->len;
    for (guint i = 0; i < count; i++) {
        struct family *family =
            family_at(encoder, shape_at(encoder, i)->family);
        if (family->shape_count <= LENGTHS_MAX)
            continue;
        if (family->varying == UINT32_MAX) {
            struct shape varying = {.family = shape_at(encoder, i)->family,
                                    .varies = true};
            family->varying = encoder->shapes->len;
            g_array_append_val(encoder->shapes, varying);
        }
        shape_at(encoder, family->varying)->count +=
            shape_at(encoder, i)->count;
        shape_at(encoder, i)->count = 0;
    }
}

/* By falling count, then by first use: the same events, the same bytes. */
static int
compare_slots(gconstpointer left, gconstpointer right, gpointer data)
{
    const struct vmt_encoder *encoder = data;
    const uint32_t *a = left, *b = right;
    uint32_t first = shape_at(encoder, *a)->count;
    uint32_t second = shape_at(encoder, *b)->count;
    if (first != second)
        return first > second ? -1 : 1;
    return (*a > *b) - (*a < *b);
}

/* A shape pays when two events have it. */
static void
choose_slots(struct vmt_encoder *encoder)
{
    g_array_set_size(encoder->slots, 0);
    for (uint32_t i = 0; i < encoder->shapes->len; i++) {
        shape_at(encoder, i)->slot = NO_SLOT;
        if (shape_at(encoder, i)->count > 1)
            g_array_append_val(encoder->slots, i);
    }
    g_array_sort_with_data(encoder->slots, compare_slots, encoder);
    if (encoder->slots->len > VMT_SLOTS)
        g_array_set_size(encoder->slots, VMT_SLOTS);
    for (uint32_t i = 0; i < encoder->slots->len; i++)
        shape_at(encoder, g_array_index(encoder->slots, uint32_t, i))->slot =
            (uint16_t)i;
}

static void
put_family(struct vmt_encoder *encoder, const struct family *family,
           unsigned more_traits)
{
    GByteArray *out = encoder->payload;
    guint traits_at = out->len + 1;  // behind the op
    g_byte_array_append(out, encoder->bytes->data + family->start,
                        family->size);
    out->data[traits_at] |= (uint8_t)more_traits;
}

static void
put_shapes(struct vmt_encoder *encoder)
{
    for (guint i = 0; i < encoder->slots->len; i++) {
        const struct shape *shape =
            shape_at(encoder, g_array_index(encoder->slots, uint32_t, i));
        put_family(encoder, family_at(encoder, shape->family),
                   shape->varies ? VMT_LENGTH_VARIES : 0);
        if (!shape->varies)
            vmt_put_number(encoder->payload, shape->length);
    }
}

/* Write the shape and the low bytes of the offset that were not predicted, and
 * return where they end; NULL when five do not suffice. */
static uint8_t *
write_slot(uint8_t *at, struct shape *shape, unsigned offset_shift,
           uint64_t offset)
{
    uint64_t value = offset >> offset_shift;
    unsigned code = value == shape->value + shape->step ? 0 : 1;
    while (code > 0 && code < 4 &&
           ((shape->value ^ value) & ~vmt_offset_mask[code]) != 0)
        code++;
    if (code == 4)
        return NULL;
    bool is_short = shape->slot < VMT_SHORT_SLOTS;
    *at++ =
        (uint8_t)((is_short ? shape->slot : VMT_CODE_LONG_SLOT) | code << 6);
    if (!is_short)
        *at++ = (uint8_t)(shape->slot - VMT_SHORT_SLOTS);
    uint64_t low = GUINT64_TO_LE(value);
    memcpy(at, &low, sizeof(low));
    shape->step = value - shape->value;
    shape->value = value;
    return at + vmt_offset_bytes[code];
}

/* Put an event without a shape, behind `at` of the payload; its end is
 * returned, and as much room behind it as there was. */
static uint8_t *
put_full(struct vmt_encoder *encoder, uint8_t *at, const struct record *record)
{
    GByteArray *out = encoder->payload;
    const struct shape *shape = shape_at(encoder, record->shape);
    guint room = out->len - (guint)(at - out->data);
    g_byte_array_set_size(out, out->len - room);
    vmt_put_byte(out, VMT_CODE_FULL);
    put_family(encoder, family_at(encoder, shape->family), 0);
    vmt_put_number(out, record->length);
    vmt_put_number(out, record->offset);
    g_byte_array_set_size(out, out->len + room);
    return out->data + out->len - room;
}

static uint8_t *
put_record(struct vmt_encoder *encoder, uint8_t *at,
           const struct record *record, uint64_t *clock_ns)
{
    struct shape *shape = shape_at(encoder, record->shape);
    const struct family *family = family_at(encoder, shape->family);
    if (family->varying != UINT32_MAX)
        shape = shape_at(encoder, family->varying);
    uint8_t *behind =
        shape->slot == NO_SLOT
            ? NULL
            : write_slot(at, shape, vmt_offset_shift(family->traits),
                         record->offset);
    if (!behind)
        behind = put_full(encoder, at, record);
    else if (shape->varies)
        behind = vmt_write_number(behind, record->length >>
                                              vmt_length_shift(family->traits));
    if (!record->has_time)
        return behind;
    behind = vmt_write_difference(behind, record->start_ns - *clock_ns);
    *clock_ns = record->start_ns;
    if (family->traits & VMT_HAS_DURATION)
        behind = vmt_write_number(behind, record->duration_ns);
    return behind;
}

static void
put_records(struct vmt_encoder *encoder)
{
    GByteArray *out = encoder->payload;
    uint64_t clock_ns = 0;
    guint start = out->len;
    g_byte_array_set_size(out,
                          start + encoder->record_count * EVENT_BYTES_MAX + 8);
    uint8_t *at = out->data + start;
    for (guint i = 0; i < encoder->record_count; i++)
        at = put_record(encoder, at, &encoder->records[i], &clock_ns);
    g_byte_array_set_size(out, (guint)(at - out->data));
}

static void
reset(struct vmt_encoder *encoder)
{
    encoder->first_event += encoder->record_count;
    encoder->first_line += encoder->line_count;
    encoder->line_count = 0;
    encoder->noted_event = 0;
    g_byte_array_set_size(encoder->bytes, 0);
    g_byte_array_set_size(encoder->notes, 0);
    g_byte_array_set_size(encoder->payload, 0);
    g_array_set_size(encoder->families, 0);
    g_array_set_size(encoder->shapes, 0);
    encoder->record_count = 0;
    memset(encoder->latest, 0, sizeof(encoder->latest));
    memset(encoder->family_buckets, 0, BUCKETS * sizeof(uint32_t));
    memset(encoder->shape_buckets, 0, BUCKETS * sizeof(uint32_t));
}

bool
vmt_encoder_take(struct vmt_encoder *encoder, GByteArray *out,
                 struct vmt_extent *extent)
{
    if (encoder->record_count == 0 && encoder->notes->len == 0)
        return false;
    join_families(encoder);
    choose_slots(encoder);
    put_shapes(encoder);
    guint shape_bytes = encoder->payload->len;
    put_records(encoder);
    g_byte_array_append(encoder->payload, encoder->notes->data,
                        encoder->notes->len);
    *extent = (struct vmt_extent){
        .first_event = encoder->first_event,
        .first_line = encoder->first_line,
    };
    struct vmt_block_header header = {
        .first_event = encoder->first_event,
        .first_line = encoder->first_line,
        .event_count = encoder->record_count,
        .shape_bytes = shape_bytes,
        .note_bytes = encoder->notes->len,
    };
    vmt_put_block(out, &header, encoder->payload->data, encoder->payload->len);
    reset(encoder);
    return true;
}
