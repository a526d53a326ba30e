/*
 * What a program file wants mapped, for recordings that do not say it.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct import_segment {
    uint64_t start, end, offset;  // bytes; whole pages
    uint8_t prot;                 // enum trace_prot
    bool is_anon;                 // what the file is too short for
};

struct import_elf {
    GArray *segments;   // struct import_segment, ascending
    char *interpreter;  // path, or NULL
    uint64_t entry;
    bool is_relocatable;  // addresses count from where it is put
};

/* NULL: no 64-bit ELF program that can be read. */
struct import_elf *import_elf_read(const char *path);
void import_elf_free(struct import_elf *elf);
