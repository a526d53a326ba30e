/*
 * See trace_kept.h.
 */
#include "traces/trace_kept.h"

/* Who would wait for a block decodes one of the next so many. */
enum { AHEAD = 16 };

struct trace_kept {
    struct trace_room *room;
    GMutex mutex;  // of what follows
    GCond decoded;
    struct trace_pack **packs;  // by block; NULL: not decoded yet
    size_t bytes;               // of them
    guint claimed;              // blocks below are decoded, or being so
    guint end;                  // blocks from here on are not kept
};

struct trace_kept *
trace_kept_new(guint block_count, struct trace_room *room)
{
    struct trace_kept *kept = g_new0(struct trace_kept, 1);

    kept->room = room;
    kept->packs = g_new0(struct trace_pack *, block_count);
    kept->end = block_count;
    g_mutex_init(&kept->mutex);
    g_cond_init(&kept->decoded);
    return kept;
}

void
trace_kept_free(struct trace_kept *kept)
{
    if (!kept)
        return;
    for (guint i = 0; i < kept->claimed; i++)
        trace_pack_free(kept->packs[i]);
    atomic_fetch_add(&kept->room->bytes, (long long)kept->bytes);
    g_free(kept->packs);
    g_mutex_clear(&kept->mutex);
    g_cond_clear(&kept->decoded);
    g_free(kept);
}

static bool
take_room(struct trace_room *room, size_t bytes)
{
    long long wanted = (long long)bytes;

    if (atomic_fetch_sub(&room->bytes, wanted) >= wanted)
        return true;
    atomic_fetch_add(&room->bytes, wanted);
    return false;
}

/* NULL: there is no room, or it cannot be read.  Then each reader decodes it
 * for himself, and has the error, too. */
static struct trace_pack *
decode(struct trace_kept *kept, guint index, struct vmt_block *block)
{
    if (!vmt_block_read(block, index, NULL))
        return NULL;
    struct trace_pack *pack = trace_pack_new(&block->window);
    if (take_room(kept->room, trace_pack_size(pack)))
        return pack;
    trace_pack_free(pack);
    return NULL;
}

/* Decode the first block that nobody has. */
static void
decode_next(struct trace_kept *kept, struct vmt_block *block)
{
    guint index = kept->claimed++;

    g_mutex_unlock(&kept->mutex);
    struct trace_pack *pack = decode(kept, index, block);
    g_mutex_lock(&kept->mutex);
    kept->packs[index] = pack;
    if (pack)
        kept->bytes += trace_pack_size(pack);
    else
        kept->end = MIN(kept->end, index);
    g_cond_broadcast(&kept->decoded);
}

const struct trace_pack *
trace_kept_get(struct trace_kept *kept, guint index, struct vmt_block *block)
{
    g_mutex_lock(&kept->mutex);
    while (index < kept->end && !kept->packs[index]) {
        if (kept->claimed < kept->end && kept->claimed <= index + AHEAD)
            decode_next(kept, block);
        else
            g_cond_wait(&kept->decoded, &kept->mutex);
    }
    const struct trace_pack *pack =
        index < kept->end ? kept->packs[index] : NULL;
    g_mutex_unlock(&kept->mutex);
    return pack;
}
