/*
 * Orders of pages, and chance that prefers some.
 *
 * Zipf is drawn by Walker's alias method: every rank has a column of equal
 * width, a part of which is another rank's.
 */
#include "orders.h"

#include "measure.h"

#include <glib.h>
#include <math.h>

static uint32_t *
ascending_new(uint32_t count)
{
    uint32_t *pages = g_new(uint32_t, count);

    for (uint32_t i = 0; i < count; i++)
        pages[i] = i;
    return pages;
}

static uint32_t *
shuffled_new(uint32_t count, uint64_t seed)
{
    uint32_t *pages = ascending_new(count);

    for (uint32_t i = count - 1; i > 0; i--) {
        uint32_t other = (uint32_t)(measure_random(&seed) % (i + 1));
        uint32_t kept = pages[i];

        pages[i] = pages[other];
        pages[other] = kept;
    }
    return pages;
}

struct column {
    double own;      // part of the column that is its rank's
    uint32_t other;  // whose the rest is
    uint32_t page;   // of the rank
};

struct zipf {
    uint32_t count;
    uint64_t seed;
    struct column columns[];
};

/* Give the rest of every column that is too low to one that is too high. */
static void
fill_columns(struct zipf *zipf)
{
    struct column *columns = zipf->columns;
    g_autofree uint32_t *low = g_new(uint32_t, zipf->count);
    g_autofree uint32_t *high = g_new(uint32_t, zipf->count);
    uint32_t low_count = 0, high_count = 0;

    for (uint32_t i = 0; i < zipf->count; i++)
        if (columns[i].own < 1)
            low[low_count++] = i;
        else
            high[high_count++] = i;
    while (low_count && high_count) {
        uint32_t from = high[high_count - 1];
        struct column *column = &columns[low[--low_count]];

        column->other = from;
        columns[from].own -= 1 - column->own;
        if (columns[from].own < 1) {
            low[low_count++] = from;
            high_count--;
        }
    }
}

struct zipf *
zipf_new(uint32_t count, uint64_t seed)
{
    struct zipf *zipf =
        g_malloc(sizeof(*zipf) + count * sizeof(zipf->columns[0]));
    g_autofree uint32_t *pages = shuffled_new(count, seed);
    double sum = 0;

    zipf->count = count;
    zipf->seed = seed + 1;
    for (uint32_t i = 0; i < count; i++)
        sum += pow(i + 1, -0.99);
    for (uint32_t i = 0; i < count; i++)
        zipf->columns[i] = (struct column){
            .own = pow(i + 1, -0.99) / sum * count,
            .other = i,
            .page = pages[i],
        };
    fill_columns(zipf);
    return zipf;
}

void
zipf_free(struct zipf *zipf)
{
    g_free(zipf);
}

uint32_t
zipf_next(struct zipf *zipf)
{
    uint64_t random = measure_random(&zipf->seed);
    uint64_t at = (random >> 32) * zipf->count;
    const struct column *column = &zipf->columns[at >> 32];
    double within = (double)(uint32_t)random * 0x1p-32;

    return within < column->own ? column->page
                                : zipf->columns[column->other].page;
}

static uint32_t *
drawn_new(uint32_t count, uint64_t seed)
{
    struct zipf *zipf = zipf_new(count, seed);
    uint32_t *pages = g_new(uint32_t, count);

    for (uint32_t i = 0; i < count; i++)
        pages[i] = zipf_next(zipf);
    zipf_free(zipf);
    return pages;
}

uint32_t *
order_new(enum order order, uint32_t count, uint64_t seed)
{
    switch (order) {
    case ASCENDING:
        return ascending_new(count);
    case SHUFFLED:
        return shuffled_new(count, seed);
    case ZIPF:
        return drawn_new(count, seed);
    }
    return NULL;
}
