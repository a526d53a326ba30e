/*
 * The dumps, one function each, and single lines of them.
 */
#pragma once

#include "mm/pagetable.h"
#include "sim/replay.h"

#include <glib.h>

void dump_maps(GString *out, const struct replay *replay, struct mm *mm);
void dump_smaps(GString *out, const struct replay *replay, struct mm *mm);
void dump_pagemap(GString *out, const struct replay *replay, struct mm *mm);

void dump_buddyinfo(GString *out, const struct machine *machine);
void dump_zoneinfo(GString *out, const struct machine *machine);
void dump_vmstat(GString *out, const struct machine *machine);
void dump_slabinfo(GString *out, const struct machine *machine);

/* One mapping as a line of maps. */
void dump_vma(GString *out, const struct replay *replay, const struct vma *vma);
/* What pagemap says of an entry that is not none; `page` is the frame of one
 * that maps one.  The caller frees it. */
char *dump_page_flags(const struct page *page, pte_t pte);
