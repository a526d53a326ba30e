/*
 * A reference interpreter: what a program must see, without a memory system.
 *
 * An address space is an array of pages of one arena; a page is mapped or not,
 * has a protection, and holds the tag of its last write.  There are no page
 * tables, frames, VMAs or copies, so nothing can be shared by mistake.  It says
 * for every access whether it is refused and which tags a read may return.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define REF_PAGES   48
#define REF_OBJECTS 4096
#define REF_TAGS    (1 << 16)

struct ref_page {
    bool is_mapped, is_readable, is_writable, is_shared, is_guard, is_nozero;
    bool is_lazy;       // lazily freed: the old tag or 0
    bool is_untouched;  // never accessed since it was mapped or dropped
    uint32_t tag;       // private pages
    uint32_t object;    // shared pages: which object ...
    uint32_t offset;    // ... and which page of it
};

struct ref_aspace {
    struct ref_page pages[REF_PAGES];
    uint64_t uid;
};

struct ref_world {
    uint32_t object_count;
    uint32_t shared_tags[REF_OBJECTS][REF_PAGES];
    uint64_t tag_uids[REF_TAGS];  // who wrote the tag
    uint32_t tag_count;
};

uint32_t ref_new_tag(struct ref_world *world, uint64_t uid);

void ref_map(struct ref_world *world, struct ref_aspace *aspace, unsigned first,
             unsigned count, bool writable, bool shared, bool nozero);
void ref_unmap(struct ref_aspace *aspace, unsigned first, unsigned count);
void ref_protect(struct ref_aspace *aspace, unsigned first, unsigned count,
                 bool readable, bool writable);
void ref_dontneed(struct ref_aspace *aspace, unsigned first, unsigned count);
void ref_free(struct ref_aspace *aspace, unsigned first, unsigned count);
void ref_guard(struct ref_aspace *aspace, unsigned first, unsigned count,
               bool install);
void ref_move(struct ref_aspace *aspace, unsigned from, unsigned to,
              unsigned count);
void ref_fork(struct ref_aspace *child, const struct ref_aspace *parent);

bool ref_is_refused(const struct ref_aspace *aspace, unsigned page, bool write);
void ref_write(struct ref_world *world, struct ref_aspace *aspace,
               unsigned page, uint32_t tag);
/* May a read return `tag`?  Pages whose content was open are settled by it. */
bool ref_may_read(struct ref_world *world, struct ref_aspace *aspace,
                  unsigned page, uint32_t tag, bool never_clears);
