/*
 * A machine that has frames and slabs and nothing else, for the tests of
 * physical memory: no tasks, no page tables, no reverse map.
 *
 * What the allocator calls of the rest of a machine is played here, as
 * scripted: reclaim gives back frames that the test handed over, and a kill
 * frees what the test calls a victim.
 */
#pragma once

#include "mm/page_alloc.h"
#include "mm/reclaim.h"
#include "tests/mm/kernel_fixture.h"

#define FRAMES_SCRIPT_MAX 4096

struct frames_script {
    pfn_t reclaimable[FRAMES_SCRIPT_MAX];  // direct reclaim frees these
    uint32_t reclaimable_count;
    uint32_t reclaim_cluster;         // so many at a time; 0: none
    pfn_t victim[FRAMES_SCRIPT_MAX];  // a kill frees all of these
    uint32_t victim_count;            // 0: nobody to kill
    uint32_t wake_count, reclaim_count, kill_count;
};

/* Reserved frames: reserved_pages; no frame records are taken off. */
struct machine *frames_create(const struct machine_config *config,
                              uint64_t reserved_pages);
void frames_destroy(struct machine *machine);

/* Every invariant of physical memory, and that no frame got lost. */
void frames_validate(const struct machine *machine);

/* The script of the machine under test. */
struct frames_script *frames_script(void);

/* Architecture with one lowmem zone, for rules that look at one zone. */
extern const struct arch frames_arch_one_zone;

/* Seeded chance: splitmix64. */
static inline uint64_t
frames_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}
