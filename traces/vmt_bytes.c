/*
 * See vmt_bytes.h.
 */
#include "traces/vmt_bytes.h"

#include <string.h>

const uint8_t *
vmt_take_bytes(struct vmt_bytes *bytes, size_t length)
{
    const uint8_t *start = bytes->at;
    if (bytes->is_bad || length > (size_t)(bytes->end - start)) {
        vmt_bytes_fail(bytes, "as many bytes as announced");
        return NULL;
    }
    bytes->at += length;
    return start;
}

char *
vmt_take_string(struct vmt_bytes *bytes)
{
    size_t length = vmt_take_number(bytes);
    const uint8_t *start = vmt_take_bytes(bytes, length);
    if (start && (length == 0 || memchr(start, 0, length))) {
        vmt_bytes_fail(bytes, "a string without NUL");
        start = NULL;
    }
    return start ? g_strndup((const char *)start, length) : g_strdup("");
}

void
vmt_put_number(GByteArray *out, uint64_t number)
{
    uint8_t bytes[10];
    const uint8_t *end = vmt_write_number(bytes, number);
    g_byte_array_append(out, bytes, (guint)(end - bytes));
}

void
vmt_put_string(GByteArray *out, const char *string)
{
    size_t length = strlen(string);
    vmt_put_number(out, length);
    g_byte_array_append(out, (const guint8 *)string, (guint)length);
}

static const uint64_t primes[] = {
    UINT64_C(11400714785074694791), UINT64_C(14029467366897019727),
    UINT64_C(1609587929392839161),  UINT64_C(9650029242287828579),
    UINT64_C(2870177450012600261),
};

static uint64_t
rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static uint64_t
load(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    return GUINT64_FROM_LE(word);
}

static uint64_t
step(uint64_t lane, uint64_t word)
{
    return rotate(lane + word * primes[1], 31) * primes[0];
}

/* Four lanes of eight bytes each, as long as there are 32. */
static uint64_t
mix_lanes(const uint8_t **at, const uint8_t *end)
{
    uint64_t lanes[4] = {primes[0] + primes[1], primes[1], 0, 0 - primes[0]};
    for (; end - *at >= 32; *at += 32)
        for (unsigned i = 0; i < 4; i++)
            lanes[i] = step(lanes[i], load(*at + 8 * i));
    uint64_t hash = rotate(lanes[0], 1) + rotate(lanes[1], 7) +
                    rotate(lanes[2], 12) + rotate(lanes[3], 18);
    for (unsigned i = 0; i < 4; i++)
        hash = (hash ^ step(0, lanes[i])) * primes[0] + primes[3];
    return hash;
}

uint64_t
vmt_checksum(const void *bytes, size_t length)
{
    const uint8_t *at = bytes, *end = at + length;
    uint64_t hash = length >= 32 ? mix_lanes(&at, end) : primes[4];
    hash += length;
    for (; end - at >= 8; at += 8)
        hash = rotate(hash ^ step(0, load(at)), 27) * primes[0] + primes[3];
    if (end - at >= 4) {
        uint32_t half;
        memcpy(&half, at, sizeof(half));
        hash ^= GUINT32_FROM_LE(half) * primes[0];
        hash = rotate(hash, 23) * primes[1] + primes[2];
        at += 4;
    }
    for (; at < end; at++)
        hash = rotate(hash ^ *at * primes[4], 11) * primes[0];
    hash = (hash ^ hash >> 33) * primes[1];
    hash = (hash ^ hash >> 29) * primes[2];
    return hash ^ hash >> 32;
}
