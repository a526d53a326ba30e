/*
 * Reading the state of a worker's address space, and comparing it with the
 * simulated one.
 *
 *   VMAs         range, protection, sharing, file offset, VmFlags   smaps
 *   pages        none, guard, present: file, anonymous              pagemap
 *                zero page, lazily freed, exclusive, map count      kpage*
 *   amounts      page-table bytes, RSS by kind, locked pages        status
 *
 * Many VMAs are read without text where the host can (sim/verify_iterator.h).
 * The third line needs root (CAP_SYS_ADMIN); without it the zero page is told
 * from others by RSS alone.
 *
 * Not compared: write and dirty bits of PTEs (no file shows them; the next
 * write does), frame numbers (only classes), objects of the reverse map.
 */
#pragma once

#include "sim/verify_host.h"
#include "sim/verify_iterator.h"

struct mm;

enum { FRAME_WINDOW_PAGES = 512 };

/* What is known of frames side by side. */
struct frame_window {
    uint64_t first, count;
    uint64_t flags[FRAME_WINDOW_PAGES], map_counts[FRAME_WINDOW_PAGES];
};

struct state_reader {
    int kpageflags, kpagecount;  // -1: not allowed here
    char *text;                  // of the latest file read
    size_t text_bytes;           // room
    uint64_t zero_pfn;           // 0: not seen yet
    struct frame_window frames;
    GHashTable *held;           // struct file *: with a mapping more each
    struct iterator *iterator;  // for long lists of VMAs; NULL: none
    GArray *vmas;               // struct iterated_vma
    uint64_t list_count;        // of long lists up to now
};

void state_open(struct state_reader *reader);
void state_close(struct state_reader *reader);
bool state_sees_frames(const struct state_reader *reader);

/*
 * Compare all of it.  A difference is appended to `difference`; nothing is when
 * all agree.  false and *error when the state cannot be read.
 */
bool state_compare(struct state_reader *reader, struct worker *worker,
                   const struct mm *mm, GString *difference, GError **error);
