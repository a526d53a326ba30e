/*
 * An open-addressing hash table over the strings of a trace.  GHashTable would
 * want a NUL-terminated copy of every name that a line merely mentions.
 */
#include "traces/trace_strings.h"

#include <string.h>

enum { FIRST_SLOT_COUNT = 256 };
#define TOTAL_BYTES_MAX (UINT64_C(1) << 30)

struct trace_string_slot {
    uint32_t hash;
    uint32_t length;
    uint32_t index;  // UINT32_MAX: the slot is empty
};

static struct trace_string_slot *
new_slots(uint32_t count)
{
    struct trace_string_slot *slots = g_new(struct trace_string_slot, count);
    for (uint32_t i = 0; i < count; i++)
        slots[i] = (struct trace_string_slot){.index = UINT32_MAX};
    return slots;
}

void
trace_strings_init(struct trace_strings *strings, GPtrArray *storage)
{
    *strings = (struct trace_strings){
        .strings = storage,
        .slots = new_slots(FIRST_SLOT_COUNT),
        .slot_count = FIRST_SLOT_COUNT,
    };
}

void
trace_strings_finish(struct trace_strings *strings)
{
    g_free(strings->slots);
}

/* Eight bytes at a time: region names are short and looked up on every line. */
static uint32_t
hash_bytes(const char *bytes, size_t length)
{
    const uint64_t factor = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t hash = length * factor;
    while (length >= 8) {
        uint64_t chunk;
        memcpy(&chunk, bytes, 8);
        hash = (hash ^ chunk) * factor;
        hash ^= hash >> 32;
        bytes += 8;
        length -= 8;
    }
    uint64_t rest = 0;
    for (size_t i = 0; i < length; i++)
        rest = rest << 8 | (unsigned char)bytes[i];
    hash = (hash ^ rest) * factor;
    return (uint32_t)(hash >> 32);
}

/* The slot that holds the string, or the empty one where it would go. */
static struct trace_string_slot *
find_slot(const struct trace_strings *strings, const char *bytes, size_t length,
          uint32_t hash)
{
    uint32_t mask = strings->slot_count - 1;
    for (uint32_t i = hash & mask;; i = (i + 1) & mask) {
        struct trace_string_slot *slot = &strings->slots[i];
        if (slot->index == UINT32_MAX)
            return slot;
        if (slot->hash == hash && slot->length == length &&
            memcmp(g_ptr_array_index(strings->strings, slot->index), bytes,
                   length) == 0)
            return slot;
    }
}

uint32_t
trace_strings_find(const struct trace_strings *strings, const char *bytes,
                   size_t length)
{
    return find_slot(strings, bytes, length, hash_bytes(bytes, length))->index;
}

static void
grow(struct trace_strings *strings)
{
    uint32_t count = strings->slot_count * 2;
    struct trace_string_slot *slots = new_slots(count);
    for (uint32_t i = 0; i < strings->slot_count; i++) {
        struct trace_string_slot slot = strings->slots[i];
        if (slot.index == UINT32_MAX)
            continue;
        uint32_t place = slot.hash & (count - 1);
        while (slots[place].index != UINT32_MAX)
            place = (place + 1) & (count - 1);
        slots[place] = slot;
    }
    g_free(strings->slots);
    strings->slots = slots;
    strings->slot_count = count;
}

uint32_t
trace_strings_add(struct trace_strings *strings, const char *bytes,
                  size_t length)
{
    uint32_t hash = hash_bytes(bytes, length);
    struct trace_string_slot *slot = find_slot(strings, bytes, length, hash);
    if (slot->index != UINT32_MAX)
        return slot->index;
    uint64_t total = strings->total_bytes + length + sizeof(*slot);
    if (total > TOTAL_BYTES_MAX)
        return UINT32_MAX;
    strings->total_bytes = total;
    uint32_t index = strings->strings->len;
    *slot = (struct trace_string_slot){hash, (uint32_t)length, index};
    g_ptr_array_add(strings->strings, g_strndup(bytes, length));
    if (strings->strings->len > strings->slot_count / 2)
        grow(strings);
    return index;
}
