/*
 * How much memory may be spent on keeping what could be made again.
 */
#pragma once

#include <stdint.h>

/* Bytes: a quarter of what this process may have, by the host's memory, its
 * control group and its limits; no more than a bound of ours. */
int64_t room_bytes(void);
