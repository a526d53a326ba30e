/*
 * The reference interpreter; see reference.h.
 */
#include "reference.h"

#include "mm/check.h"

#include <string.h>

uint32_t
ref_new_tag(struct ref_world *world, uint64_t uid)
{
    mm_assert(world->tag_count + 1 < REF_TAGS);
    world->tag_uids[++world->tag_count] = uid;
    return world->tag_count;
}

void
ref_map(struct ref_world *world, struct ref_aspace *aspace, unsigned first,
        unsigned count, bool writable, bool shared, bool nozero)
{
    uint32_t object = 0;

    if (shared) {
        object = world->object_count++;
        mm_assert(object < REF_OBJECTS);
    }
    for (unsigned i = 0; i < count; i++)
        aspace->pages[first + i] = (struct ref_page){
            .is_mapped = true,
            .is_readable = true,
            .is_writable = writable,
            .is_shared = shared,
            .is_nozero = nozero,
            .is_untouched = true,
            .object = object,
            .offset = i,
        };
}

void
ref_unmap(struct ref_aspace *aspace, unsigned first, unsigned count)
{
    memset(&aspace->pages[first], 0, count * sizeof(struct ref_page));
}

void
ref_protect(struct ref_aspace *aspace, unsigned first, unsigned count,
            bool readable, bool writable)
{
    for (unsigned i = first; i < first + count; i++) {
        if (!aspace->pages[i].is_mapped)
            return;  // the part before a hole is changed
        aspace->pages[i].is_readable = readable;
        aspace->pages[i].is_writable = writable;
    }
}

static void
drop(struct ref_page *page)
{
    page->tag = 0;
    page->is_lazy = false;
    page->is_untouched = true;
}

void
ref_dontneed(struct ref_aspace *aspace, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++)
        if (aspace->pages[i].is_mapped)
            drop(&aspace->pages[i]);
}

void
ref_free(struct ref_aspace *aspace, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++) {
        if (aspace->pages[i].is_shared)
            return;  // EINVAL stops the walk
        if (aspace->pages[i].is_mapped)
            aspace->pages[i].is_lazy = true;
    }
}

void
ref_guard(struct ref_aspace *aspace, unsigned first, unsigned count,
          bool install)
{
    for (unsigned i = first; i < first + count; i++) {
        if (aspace->pages[i].is_shared)
            return;  // EINVAL stops the walk
        if (!aspace->pages[i].is_mapped)
            continue;
        if (install)
            drop(&aspace->pages[i]);
        aspace->pages[i].is_guard = install;
    }
}

void
ref_move(struct ref_aspace *aspace, unsigned from, unsigned to, unsigned count)
{
    memcpy(&aspace->pages[to], &aspace->pages[from],
           count * sizeof(struct ref_page));
    ref_unmap(aspace, from, count);
}

void
ref_fork(struct ref_aspace *child, const struct ref_aspace *parent)
{
    *child = *parent;
}

bool
ref_is_refused(const struct ref_aspace *aspace, unsigned page, bool write)
{
    const struct ref_page *at = &aspace->pages[page];

    if (!at->is_mapped || at->is_guard)
        return true;
    return write ? !at->is_writable : !at->is_readable;
}

void
ref_write(struct ref_world *world, struct ref_aspace *aspace, unsigned page,
          uint32_t tag)
{
    struct ref_page *at = &aspace->pages[page];

    at->is_lazy = false;
    at->is_untouched = false;
    if (at->is_shared)
        world->shared_tags[at->object][at->offset] = tag;
    else
        at->tag = tag;
}

/* An untouched page of a nozero mapping may hold what its uid once wrote. */
static bool
may_be_stale(const struct ref_world *world, const struct ref_aspace *aspace,
             const struct ref_page *page, uint32_t tag, bool never_clears)
{
    if (!page->is_untouched || page->is_shared)
        return false;
    if (never_clears)
        return true;
    return page->is_nozero && world->tag_uids[tag] == aspace->uid;
}

bool
ref_may_read(struct ref_world *world, struct ref_aspace *aspace, unsigned page,
             uint32_t tag, bool never_clears)
{
    struct ref_page *at = &aspace->pages[page];
    uint32_t expected =
        at->is_shared ? world->shared_tags[at->object][at->offset] : at->tag;
    bool is_fine = tag == expected || (at->is_lazy && tag == 0) ||
                   may_be_stale(world, aspace, at, tag, never_clears);

    /* A lazily freed page that was dropped, or a stale one, is settled. */
    if (!at->is_shared && tag != at->tag) {
        at->tag = tag;
        at->is_lazy = false;
    }
    at->is_untouched = at->is_untouched && never_clears;
    return is_fine;
}
