/*
 * Numbers and sizes as people write them on a command line.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Decimal or 0x hex; the whole text. */
bool parse_number(const char *text, uint64_t *number);

/* The same, perhaps followed by K, M, G or T. */
bool parse_size(const char *text, uint64_t *bytes);
