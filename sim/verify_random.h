/*
 * Random programs for `vmsim verify --random`: traces over the whole call
 * surface.  A function of their arguments alone.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Lines (char *) of a trace with about `event_count` events, freed with the
 * array.  `uid` is that of processes that are not meant to be somebody else;
 * with can_change_uid some are.
 */
GPtrArray *random_program(uint64_t seed, size_t event_count, uint64_t uid,
                          bool can_change_uid);
