/*
 * See sha256.h.  A block is 64 bytes; 64 rounds mix it into the state.
 */
#include "traces/sha256.h"

#include <glib.h>
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

enum { BLOCK = 64 };

static const uint32_t round_constants[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
    0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
    0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t
rotate(uint32_t word, unsigned bits)
{
    return word >> bits | word << (32 - bits);
}

static void
expand(uint32_t schedule[64], const uint8_t *block)
{
    for (unsigned i = 0; i < 16; i++) {
        uint32_t word;
        memcpy(&word, block + 4 * i, 4);
        schedule[i] = GUINT32_FROM_BE(word);
    }
    for (unsigned i = 16; i < 64; i++) {
        uint32_t near = schedule[i - 2], far = schedule[i - 15];
        schedule[i] = schedule[i - 16] + schedule[i - 7] +
                      (rotate(far, 7) ^ rotate(far, 18) ^ far >> 3) +
                      (rotate(near, 17) ^ rotate(near, 19) ^ near >> 10);
    }
}

void
sha256_mix_portably(uint32_t state[8], const uint8_t *blocks, size_t count)
{
    for (; count > 0; count--, blocks += BLOCK) {
        uint32_t schedule[64];
        uint32_t s[8];
        expand(schedule, blocks);
        memcpy(s, state, sizeof(s));
#pragma GCC unroll 64
        for (unsigned i = 0; i < 64; i++) {
            /* The roles move by one word a round, the words stay. */
            uint32_t a = s[(64 - i) % 8], b = s[(65 - i) % 8];
            uint32_t c = s[(66 - i) % 8], *d = &s[(67 - i) % 8];
            uint32_t e = s[(68 - i) % 8], f = s[(69 - i) % 8];
            uint32_t g = s[(70 - i) % 8], *h = &s[(71 - i) % 8];
            uint32_t add = *h + round_constants[i] + schedule[i] +
                           ((e & f) ^ (~e & g)) +
                           (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25));
            *d += add;
            *h = add + ((a & b) ^ (a & c) ^ (b & c)) +
                 (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22));
        }
        for (unsigned i = 0; i < 8; i++)
            state[i] += s[i];
    }
}

#if defined(__x86_64__)
#define HAS_INSTRUCTIONS __attribute__((target("sha,sse4.1,ssse3")))

/* Load four words of the block, most significant byte first. */
HAS_INSTRUCTIONS static __m128i
load_words(const uint8_t *bytes)
{
    const __m128i order =
        _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    return _mm_shuffle_epi8(
        _mm_loadu_si128((const __m128i *)(const void *)bytes), order);
}

/* The instructions keep the state as ABEF and CDGH, the highest word first,
 * and do two rounds each.  words[] holds the last sixteen of the schedule. */
HAS_INSTRUCTIONS static void
mix_by_instructions(uint32_t state[8], const uint8_t *blocks, size_t count)
{
    __m128i low = _mm_loadu_si128((const __m128i *)(const void *)state);
    __m128i high = _mm_loadu_si128((const __m128i *)(const void *)(state + 4));
    __m128i badc = _mm_shuffle_epi32(low, 0xb1);
    __m128i efgh = _mm_shuffle_epi32(high, 0x1b);
    __m128i abef = _mm_alignr_epi8(badc, efgh, 8);
    __m128i cdgh = _mm_blend_epi16(efgh, badc, 0xf0);
    for (; count > 0; count--, blocks += BLOCK) {
        __m128i words[4], abef_before = abef, cdgh_before = cdgh;
        for (unsigned i = 0; i < 4; i++)
            words[i] = load_words(blocks + 16 * i);
#pragma GCC unroll 16
        for (unsigned i = 0; i < 16; i++) {
            __m128i *now = &words[i % 4];
            __m128i sum = _mm_add_epi32(
                *now,
                _mm_load_si128(
                    (const __m128i *)(const void *)&round_constants[4 * i]));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
            abef =
                _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
            if (i >= 12)
                continue;
            const __m128i *after = &words[(i + 1) % 4];
            const __m128i *last = &words[(i + 3) % 4];
            __m128i next = _mm_sha256msg1_epu32(*now, *after);
            next = _mm_add_epi32(next,
                                 _mm_alignr_epi8(*last, words[(i + 2) % 4], 4));
            *now = _mm_sha256msg2_epu32(next, *last);
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    __m128i feba = _mm_shuffle_epi32(abef, 0x1b);
    __m128i dchg = _mm_shuffle_epi32(cdgh, 0xb1);
    low = _mm_blend_epi16(feba, dchg, 0xf0);
    high = _mm_alignr_epi8(dchg, feba, 8);
    _mm_storeu_si128((__m128i *)(void *)state, low);
    _mm_storeu_si128((__m128i *)(void *)(state + 4), high);
}

static bool
has_instructions(void)
{
    const unsigned ssse3 = 1u << 9, sse41 = 1u << 19, sha = 1u << 29;
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & ssse3) && (c & sse41) &&
           __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & sha);
}
#endif

static sha256_mix *
choose_mix(void)
{
#if defined(__x86_64__)
    if (has_instructions())
        return mix_by_instructions;
#endif
    return sha256_mix_portably;
}

void
sha256_init(struct sha256 *digest)
{
    *digest = (struct sha256){
        .state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
                  0x9b05688c, 0x1f83d9ab, 0x5be0cd19},
        .mix = choose_mix(),
    };
}

void
sha256_update(struct sha256 *digest, const void *bytes, size_t length)
{
    const uint8_t *next = bytes;
    size_t pending = digest->length % BLOCK;
    digest->length += length;
    if (pending > 0) {
        size_t taken = MIN(length, BLOCK - pending);
        memcpy(digest->pending + pending, next, taken);
        next += taken;
        length -= taken;
        if (pending + taken < BLOCK)
            return;
        digest->mix(digest->state, digest->pending, 1);
    }
    if (length >= BLOCK)
        digest->mix(digest->state, next, length / BLOCK);
    if (length % BLOCK > 0)
        memcpy(digest->pending, next + length / BLOCK * BLOCK, length % BLOCK);
}

void
sha256_hex(const struct sha256 *digest, char hex[65])
{
    static const uint8_t padding[BLOCK] = {0x80};
    struct sha256 last = *digest;
    uint64_t bits = GUINT64_TO_BE(digest->length * 8);
    size_t zeros = (BLOCK + 56 - 1 - digest->length % BLOCK) % BLOCK;
    sha256_update(&last, padding, 1 + zeros);
    sha256_update(&last, &bits, sizeof(bits));
    for (unsigned i = 0; i < 8; i++)
        g_snprintf(hex + 8 * i, 9, "%08x", last.state[i]);
}
