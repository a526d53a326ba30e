/*
 * See trace_pack.h.
 *
 *     event   slot: which model it is held against       1 byte
 *             mask: bit i, word i is not the model's     1 byte
 *     words   those, one after the other                 8 bytes each
 *
 * An event of which all words are another becomes the model of its slot; so
 * does the first one.  Other events leave it alone: to copy what was written a
 * moment ago costs more than all the rest.
 */
#include "traces/trace_pack.h"

#include <string.h>

enum {
    WORDS = 8,
    SLOT_BITS = 8,
    SLOTS = 1 << SLOT_BITS,
    ALL_WORDS = (1 << WORDS) - 1
};

union image {
    struct trace_event event;
    uint64_t words[WORDS];
};

_Static_assert(sizeof(union image) == sizeof(struct trace_event),
               "an event is eight words");

struct code {
    uint8_t slot, mask;
};

struct trace_pack {
    uint64_t first_event;
    guint event_count;
    guint word_count;
    struct code *codes;
    uint64_t *words;
    GArray *details, *results, *runs, *anchors;
};

/* Events that are alike have one slot; others may share it. */
static uint8_t
slot_of(const struct trace_event *event)
{
    uint32_t hash = event->task * 31 + event->op;

    hash = hash * 31 + event->flags;
    hash = hash * 31 + event->address.binding;
    return (uint8_t)(hash * 0x9e3779b1u >> (32 - SLOT_BITS));
}

/* Which words of `now` are not the model's. */
static unsigned
new_words(const union image *model, const union image *now)
{
    unsigned mask = 0;

    for (unsigned i = 0; i < WORDS; i++)
        mask |= (unsigned)(now->words[i] != model->words[i]) << i;
    return mask;
}

static GArray *
copy_table(const GArray *table, size_t element_bytes)
{
    GArray *copy =
        g_array_sized_new(FALSE, FALSE, (guint)element_bytes, table->len);

    return g_array_append_vals(copy, table->data, table->len);
}

static void
pack_events(struct trace_pack *pack, const struct trace *window)
{
    const union image *now = (const void *)window->events->data;
    union image models[SLOTS];
    bool has_model[SLOTS] = {false};
    g_autofree uint64_t *words =
        g_new(uint64_t, pack->event_count * (size_t)WORDS);
    uint64_t *word = words;

    for (guint i = 0; i < pack->event_count; i++, now++) {
        uint8_t slot = slot_of(&now->event);
        unsigned mask =
            has_model[slot] ? new_words(&models[slot], now) : ALL_WORDS;
        for (unsigned left = mask; left != 0; left &= left - 1)
            *word++ = now->words[__builtin_ctz(left)];
        if (mask == ALL_WORDS)
            models[slot] = *now;
        has_model[slot] = true;
        pack->codes[i] = (struct code){slot, (uint8_t)mask};
    }
    pack->word_count = (guint)(word - words);
    pack->words = g_memdup2(words, pack->word_count * sizeof(uint64_t));
}

struct trace_pack *
trace_pack_new(const struct trace *window)
{
    struct trace_pack *pack = g_new0(struct trace_pack, 1);

    pack->first_event = window->first_event;
    pack->event_count = window->events->len;
    pack->codes = g_new(struct code, pack->event_count);
    pack_events(pack, window);
    pack->details = copy_table(window->details, sizeof(struct trace_detail));
    pack->results = copy_table(window->results, sizeof(struct trace_result));
    pack->runs = copy_table(window->runs, sizeof(struct trace_run));
    pack->anchors = copy_table(window->anchors, sizeof(struct trace_anchor));
    return pack;
}

void
trace_pack_free(struct trace_pack *pack)
{
    if (!pack)
        return;
    g_free(pack->codes);
    g_free(pack->words);
    g_array_unref(pack->details);
    g_array_unref(pack->results);
    g_array_unref(pack->runs);
    g_array_unref(pack->anchors);
    g_free(pack);
}

size_t
trace_pack_size(const struct trace_pack *pack)
{
    return sizeof(*pack) + pack->event_count * sizeof(struct code) +
           pack->word_count * sizeof(uint64_t) +
           pack->details->len * sizeof(struct trace_detail) +
           pack->results->len * sizeof(struct trace_result) +
           pack->runs->len * sizeof(struct trace_run) +
           pack->anchors->len * sizeof(struct trace_anchor);
}

void
trace_pack_open(const struct trace_pack *pack, struct trace *window)
{
    union image models[SLOTS];
    const uint64_t *word = pack->words;

    g_array_set_size(window->events, pack->event_count);
    union image *event = (union image *)(void *)window->events->data;
    for (guint i = 0; i < pack->event_count; i++, event++) {
        struct code code = pack->codes[i];
        *event = models[code.slot];
        for (unsigned mask = code.mask; mask != 0; mask &= mask - 1)
            event->words[__builtin_ctz(mask)] = *word++;
        if (code.mask == ALL_WORDS)
            models[code.slot] = *event;
    }
    window->first_event = pack->first_event;
    window->details = pack->details;
    window->results = pack->results;
    window->runs = pack->runs;
    window->anchors = pack->anchors;
}
