/*
 * Random programs for `vmsim verify --random`: traces over the whole call
 * surface.  A function of their arguments alone.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct random_request {
    uint64_t seed, index;  // which program of which seed
    size_t event_count;    // about so many
    uint64_t uid;         // of processes that are not meant to be somebody else
    bool can_change_uid;  // some processes are
    uint64_t ram_bytes;   // of the host, for promises beyond it
};

/* Lines (char *) of a trace, freed with the array. */
GPtrArray *random_program(const struct random_request *request);
