/*
 * The dumps, one function each; for dump.c alone.
 */
#pragma once

#include "sim/replay.h"

#include <glib.h>

void dump_maps(GString *out, const struct replay *replay, struct mm *mm);
void dump_smaps(GString *out, const struct replay *replay, struct mm *mm);
void dump_pagemap(GString *out, const struct replay *replay, struct mm *mm);

void dump_buddyinfo(GString *out, const struct machine *machine);
void dump_zoneinfo(GString *out, const struct machine *machine);
void dump_vmstat(GString *out, const struct machine *machine);
void dump_slabinfo(GString *out, const struct machine *machine);
