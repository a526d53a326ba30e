/*
 * SHA-256 as FIPS 180-4 defines it.  Traces are long and GLib's digest reads
 * a quarter of a gigabyte per second, so x86 hosts that have instructions for
 * it use them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef void sha256_mix(uint32_t state[8], const uint8_t *blocks, size_t count);

struct sha256 {
    sha256_mix *mix;  // as the host does it best
    uint32_t state[8];
    uint64_t length;      // bytes digested
    uint8_t pending[64];  // the last length % 64 of them
};

/* Fits any host; sha256_init() takes something better where there is. */
sha256_mix sha256_mix_portably;

void sha256_init(struct sha256 *digest);
void sha256_update(struct sha256 *digest, const void *bytes, size_t length);
/* In hexadecimal, with a NUL.  The digest can go on afterwards. */
void sha256_hex(const struct sha256 *digest, char hex[65]);
