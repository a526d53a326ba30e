/*
 * In which order pages are touched.
 */
#pragma once

#include <stdint.h>

enum order { ASCENDING, SHUFFLED, ZIPF };

/* All of `count` pages once; of ZIPF that many accesses to them.  For g_free. */
uint32_t *order_new(enum order order, uint32_t count, uint64_t seed);

/*
 * Pages drawn one by one: the k-th most frequent of `count` has weight
 * k^-0.99; which page is the k-th is chance.
 */
struct zipf;

struct zipf *zipf_new(uint32_t count, uint64_t seed);
void zipf_free(struct zipf *zipf);
uint32_t zipf_next(struct zipf *zipf);
