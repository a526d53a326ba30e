/*
 * Numbers and strings as bytes of a binary trace, both ways.
 *
 * A number is seven bits per byte, the lowest first; the top bit says that more
 * follow.  Whoever takes never reads beyond the end: what is cut off or too
 * large sets is_bad, and everything taken from then on is 0.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmt_bytes {
    const uint8_t *start, *at, *end;
    const char *expected;  // what was not there when it went bad
    bool is_bad;
};

static inline struct vmt_bytes
vmt_bytes(const void *bytes, size_t length)
{
    const uint8_t *start = bytes;
    return (struct vmt_bytes){
        .start = start, .at = start, .end = start + length};
}

/* From here on nothing can be taken; the first complaint stays. */
static inline bool
vmt_bytes_fail(struct vmt_bytes *bytes, const char *expected)
{
    if (!bytes->is_bad)
        bytes->expected = expected;
    bytes->is_bad = true;
    return false;
}

static inline uint8_t
vmt_take_byte(struct vmt_bytes *bytes)
{
    if (bytes->at < bytes->end && !bytes->is_bad)
        return *bytes->at++;
    vmt_bytes_fail(bytes, "another byte");
    return 0;
}

static inline uint64_t
vmt_take_number(struct vmt_bytes *bytes)
{
    uint64_t number = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = vmt_take_byte(bytes);
        number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return number;
    }
    vmt_bytes_fail(bytes, "a number below 2^64");
    return 0;
}

/* A number below `limit`; `what` is expected. */
static inline uint32_t
vmt_take_below(struct vmt_bytes *bytes, uint64_t limit, const char *what)
{
    uint64_t number = vmt_take_number(bytes);
    if (number < limit)
        return (uint32_t)number;
    vmt_bytes_fail(bytes, what);
    return 0;
}

/* UINT32_MAX is coded as 0, every other number as one more. */
static inline uint32_t
vmt_take_optional(struct vmt_bytes *bytes, uint64_t limit, const char *what)
{
    return vmt_take_below(bytes, limit + 1, what) - 1;
}

/* A signed difference: 0, -1, 1, -2 are 0, 1, 2, 3. */
static inline uint64_t
vmt_take_difference(struct vmt_bytes *bytes)
{
    uint64_t number = vmt_take_number(bytes);
    return number >> 1 ^ (0 - (number & 1));
}

/* Bytes behind their length; NULL if they are cut off. */
const uint8_t *vmt_take_bytes(struct vmt_bytes *bytes, size_t length);
/* A string without NUL, to be freed; never NULL. */
char *vmt_take_string(struct vmt_bytes *bytes);

/* Write a number of at most ten bytes; its end is returned. */
static inline uint8_t *
vmt_write_number(uint8_t *at, uint64_t number)
{
    for (; number >= 0x80; number >>= 7)
        *at++ = (uint8_t)(number | 0x80);
    *at++ = (uint8_t)number;
    return at;
}

static inline uint8_t *
vmt_write_difference(uint8_t *at, uint64_t difference)
{
    uint64_t sign = 0 - (difference >> 63);
    return vmt_write_number(at, difference << 1 ^ sign);
}

void vmt_put_number(GByteArray *out, uint64_t number);
void vmt_put_string(GByteArray *out, const char *string);

static inline void
vmt_put_byte(GByteArray *out, unsigned byte)
{
    uint8_t single = (uint8_t)byte;
    g_byte_array_append(out, &single, 1);
}

static inline void
vmt_put_optional(GByteArray *out, uint32_t number)
{
    vmt_put_number(out, (uint64_t)(uint32_t)(number + 1));
}

/* The checksum of blocks: XXH64 with seed 0. */
uint64_t vmt_checksum(const void *bytes, size_t length);
