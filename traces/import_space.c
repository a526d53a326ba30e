/*
 * A sorted array of pieces: recorded processes have few, and a fork copies it
 * in one go.
 */
#include "traces/import_space.h"

#include <inttypes.h>

enum { STEM_BYTES_MAX = 48, PAGE_BYTES = 4096 };

char *
import_size(uint64_t bytes)
{
    static const char units[] = "KMGT";
    unsigned unit = 0;
    for (; unit < 4 && bytes >= 1024 && bytes % 1024 == 0; unit++)
        bytes /= 1024;
    if (unit == 0)
        return g_strdup_printf("%" PRIu64, bytes);
    return g_strdup_printf("%" PRIu64 "%c", bytes, units[unit - 1]);
}

/* ---- regions ---- */

static struct import_region *
region_new(char *name, uint64_t base, uint64_t length, bool from_end)
{
    struct import_region *region = g_new0(struct import_region, 1);
    g_ref_count_init(&region->count);
    region->name = name;
    region->base = base;
    region->length = length;
    region->from_end = from_end;
    return region;
}

static struct import_region *
region_ref(struct import_region *region)
{
    g_ref_count_inc(&region->count);
    return region;
}

static void
region_unref(struct import_region *region)
{
    if (!g_ref_count_dec(&region->count))
        return;
    g_free(region->name);
    g_free(region);
}

static void
piece_clear(gpointer data)
{
    region_unref(((struct import_piece *)data)->region);
}

/* A region name made of a file's name: no byte but letters, digits, _ and . */
static char *
clean_stem(const char *stem)
{
    GString *clean = g_string_new(NULL);
    if (!g_ascii_isalpha(*stem) && *stem != '_')
        g_string_append_c(clean, '_');
    for (; *stem && clean->len < STEM_BYTES_MAX; stem++) {
        bool fits = g_ascii_isalnum(*stem) || *stem == '.';
        g_string_append_c(clean, fits ? *stem : '_');
    }
    return g_string_free(clean, FALSE);
}

/* The next unused name of this stem.  A file may be called like a numbered
 * name of another one, so numbers that are taken are passed over. */
char *
import_space_new_name(struct import_space *space, const char *stem)
{
    char *clean = clean_stem(stem);
    char *name = g_strdup(clean);
    guint number =
        GPOINTER_TO_UINT(g_hash_table_lookup(space->next_name, clean));
    if (number > 0) {
        do {
            g_free(name);
            name = g_strdup_printf("%s.%u", clean, number++);
        } while (g_hash_table_contains(space->next_name, name));
        g_hash_table_insert(space->next_name, g_strdup(name),
                            GUINT_TO_POINTER(1));
    }
    g_hash_table_insert(space->next_name, clean,
                        GUINT_TO_POINTER(MAX(number, 1)));
    return name;
}

/* ---- spaces ---- */

static GArray *
new_pieces(void)
{
    GArray *pieces = g_array_new(FALSE, FALSE, sizeof(struct import_piece));
    g_array_set_clear_func(pieces, piece_clear);
    return pieces;
}

struct import_space *
import_space_new(uint64_t heap_start, uint64_t stack_top, uint64_t stack_limit)
{
    struct import_space *space = g_new0(struct import_space, 1);
    g_ref_count_init(&space->count);
    space->pieces = new_pieces();
    space->heap = region_new(g_strdup("heap"), heap_start, 0, false);
    space->stack =
        region_new(g_strdup("stack"), stack_top - MIN(stack_top, stack_limit),
                   MIN(stack_top, stack_limit), true);
    space->brk = heap_start;
    space->next_name =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    static const char *const reserved[] = {"heap", "stack"};
    for (unsigned i = 0; i < G_N_ELEMENTS(reserved); i++)
        g_hash_table_insert(space->next_name, g_strdup(reserved[i]),
                            GUINT_TO_POINTER(1));
    return space;
}

struct import_space *
import_space_copy(const struct import_space *space)
{
    struct import_space *copy = g_new0(struct import_space, 1);
    g_ref_count_init(&copy->count);
    copy->pieces = new_pieces();
    g_array_append_vals(copy->pieces, space->pieces->data, space->pieces->len);
    for (guint i = 0; i < copy->pieces->len; i++)
        region_ref(g_array_index(copy->pieces, struct import_piece, i).region);
    copy->heap = region_ref(space->heap);
    copy->stack = region_ref(space->stack);
    copy->brk = space->brk;
    copy->next_name = g_hash_table_ref(space->next_name);
    return copy;
}

struct import_space *
import_space_ref(struct import_space *space)
{
    g_ref_count_inc(&space->count);
    return space;
}

void
import_space_unref(struct import_space *space)
{
    if (!g_ref_count_dec(&space->count))
        return;
    g_array_unref(space->pieces);
    region_unref(space->heap);
    region_unref(space->stack);
    g_hash_table_unref(space->next_name);
    g_free(space);
}

/* ---- pieces ---- */

static struct import_piece *
piece_at(const struct import_space *space, guint index)
{
    return &g_array_index(space->pieces, struct import_piece, index);
}

/* Index of the first piece that ends above the address. */
static guint
first_above(const struct import_space *space, uint64_t address)
{
    guint low = 0, high = space->pieces->len;
    while (low < high) {
        guint middle = low + (high - low) / 2;
        if (piece_at(space, middle)->end > address)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Index of the first piece that starts at or above the address; a piece that
 * contains it is cut. */
static guint
cut(struct import_space *space, uint64_t address)
{
    guint index = first_above(space, address);
    if (index == space->pieces->len || piece_at(space, index)->start >= address)
        return index;
    struct import_piece upper = *piece_at(space, index);
    piece_at(space, index)->end = address;
    upper.start = address;
    region_ref(upper.region);
    g_array_insert_val(space->pieces, index + 1, upper);
    return index + 1;
}

static bool
is_continued(const struct import_piece *lower, const struct import_piece *upper)
{
    return lower->end == upper->start && lower->region == upper->region &&
           lower->prot == upper->prot && lower->is_guard == upper->is_guard &&
           lower->is_shared == upper->is_shared;
}

/* Undo cuts that changed nothing, between two indices. */
static void
join(struct import_space *space, guint first, guint last)
{
    last = MIN(last, space->pieces->len - 1);
    for (guint i = last; i > first; i--) {
        struct import_piece *lower = piece_at(space, i - 1);
        if (!is_continued(lower, piece_at(space, i)))
            continue;
        lower->end = piece_at(space, i)->end;
        g_array_remove_index(space->pieces, i);
    }
}

void
import_space_unmap(struct import_space *space, uint64_t start, uint64_t end)
{
    if (start >= end)
        return;
    guint first = cut(space, start);
    guint last = cut(space, end);
    if (last > first)
        g_array_remove_range(space->pieces, first, last - first);
}

void
import_space_put(struct import_space *space, struct import_region *region,
                 uint64_t start, uint64_t end, const struct import_piece *like)
{
    if (start >= end)
        return;
    import_space_unmap(space, start, end);
    struct import_piece piece = *like;
    piece.start = start;
    piece.end = end;
    piece.region = region_ref(region);
    guint index = first_above(space, start);
    g_array_insert_val(space->pieces, index, piece);
    join(space, index > 0 ? index - 1 : 0, index + 1);
}

void
import_space_map(struct import_space *space, const char *name, uint64_t start,
                 uint64_t length, const struct import_piece *like)
{
    struct import_region *region =
        region_new(g_strdup(name), start, length, false);
    import_space_put(space, region, start, start + length, like);
    region_unref(region);
}

enum change { CHANGE_PROT, CHANGE_GUARD };

static void
change_pieces(struct import_space *space, uint64_t start, uint64_t end,
              enum change change, uint8_t value)
{
    if (start >= end)
        return;
    guint first = cut(space, start);
    guint last = cut(space, end);
    for (guint i = first; i < last; i++) {
        if (change == CHANGE_PROT)
            piece_at(space, i)->prot = value;
        else
            piece_at(space, i)->is_guard = value;
    }
    if (last > first)
        join(space, first > 0 ? first - 1 : 0, last);
}

void
import_space_protect(struct import_space *space, uint64_t start, uint64_t end,
                     uint8_t prot)
{
    change_pieces(space, start, end, CHANGE_PROT, prot);
}

void
import_space_guard(struct import_space *space, uint64_t start, uint64_t end,
                   bool is_guard)
{
    change_pieces(space, start, end, CHANGE_GUARD, is_guard);
}

static bool
is_in_region(const struct import_region *region, uint64_t address)
{
    return address >= region->base && address - region->base < region->length;
}

const struct import_piece *
import_space_find(struct import_space *space, uint64_t address)
{
    guint index = first_above(space, address);
    if (index == space->pieces->len)
        return NULL;
    struct import_piece *piece = piece_at(space, index);
    if (piece->start <= address)
        return piece;
    bool grows =
        piece->region == space->stack && is_in_region(space->stack, address);
    if (!grows)
        return NULL;
    piece->start = address & ~(uint64_t)(PAGE_BYTES - 1);
    return piece;
}

static void
format_in(const struct import_region *region, uint64_t address, GString *text)
{
    uint64_t offset = region->from_end ? region->base + region->length - address
                                       : address - region->base;
    g_autofree char *size = import_size(offset);
    g_string_append_printf(text, "%s%c%s", region->name,
                           region->from_end ? '-' : '+', size);
}

/* Where nothing is mapped, the neighbours' regions may still cover it. */
void
import_space_format(const struct import_space *space, uint64_t address,
                    GString *text)
{
    guint index = first_above(space, address);
    const struct import_piece *above =
        index < space->pieces->len ? piece_at(space, index) : NULL;
    const struct import_piece *below =
        index > 0 ? piece_at(space, index - 1) : NULL;
    if (above && above->start <= address)
        format_in(above->region, address, text);
    else if (is_in_region(space->stack, address))
        format_in(space->stack, address, text);
    else if (below && is_in_region(below->region, address))
        format_in(below->region, address, text);
    else if (above && is_in_region(above->region, address))
        format_in(above->region, address, text);
    else
        g_string_append_printf(text, "0x%" PRIx64, address);
}
