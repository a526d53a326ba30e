/*
 * Units of the simulated machine.
 *
 * A frame number used as an address yields a plausible number, so frames get
 * a one-member struct of their own: same size, same cost, and the compiler
 * rejects the mix-up.  Virtual addresses are plain uint64_t named addr, start
 * or end, as in the kernel; ranges are half-open.  Amounts carry their unit as
 * the last word of the name: _pages, _bytes, _count, _ns.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PAGE_SHIFT 12
#define PAGE_BYTES (UINT64_C(1) << PAGE_SHIFT)
#define PAGE_MASK  (~(PAGE_BYTES - 1))

/* Physical frame number: 0-based index into machine.pages (16 TiB at most). */
typedef struct {
    uint32_t v;
} pfn_t;

#define PFN_NONE ((pfn_t){UINT32_MAX})

static inline bool
pfn_is_none(pfn_t pfn)
{
    return pfn.v == UINT32_MAX;
}

static inline uint64_t
page_floor(uint64_t addr)
{
    return addr & PAGE_MASK;
}

/* Wraps to 0 within a page of 2^64, as the kernel's PAGE_ALIGN does. */
static inline uint64_t
page_ceil(uint64_t addr)
{
    return (addr + PAGE_BYTES - 1) & PAGE_MASK;
}

static inline uint64_t
bytes_to_pages(uint64_t bytes)
{
    return bytes >> PAGE_SHIFT;
}

static inline uint64_t
pages_to_bytes(uint64_t pages)
{
    return pages << PAGE_SHIFT;
}
