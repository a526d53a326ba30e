/*
 * Reading the state of a worker's address space, and comparing it with the
 * simulated one.
 *
 *   VMAs         range, protection, sharing, file offset, VmFlags   smaps
 *   pages        none, guard, present: file, anonymous              pagemap
 *                zero page, lazily freed, exclusive, map count      kpage*
 *   amounts      page-table bytes, RSS by kind, locked pages        status
 *
 * The third line needs root (CAP_SYS_ADMIN); without it the zero page is told
 * from others by RSS alone.
 *
 * Not compared: write and dirty bits of PTEs (no file shows them; the next
 * write does), frame numbers (only classes), objects of the reverse map.
 */
#pragma once

#include "sim/verify_host.h"

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
    GHashTable *held;  // struct file *: with a mapping more each
};

void state_open(struct state_reader *reader);
void state_close(struct state_reader *reader);
bool state_sees_frames(const struct state_reader *reader);

/* What is compared. */
enum state_part {
    STATE_VMAS = 1 << 0,
    STATE_PAGES = 1 << 1,
    STATE_AMOUNTS = 1 << 2,
    STATE_ALL = STATE_VMAS | STATE_PAGES | STATE_AMOUNTS,
};

/*
 * Compare these parts.  A difference is appended to `difference`; nothing is
 * when all agree.  false and *error when the state cannot be read.
 */
bool state_compare(struct state_reader *reader, struct worker *worker,
                   const struct mm *mm, unsigned parts, GString *difference,
                   GError **error);
/* The same of the VMAs that meet [start, start + length) and their neighbours,
 * as far as one call each shows them (range, protection, sharing, offset), and
 * of the pages of the range.  Hosts before 6.11 show no VMA by itself: only
 * pages are compared. */
bool state_compare_near(struct state_reader *reader, struct worker *worker,
                        const struct mm *mm, uint64_t start, uint64_t length,
                        GString *difference, GError **error);
