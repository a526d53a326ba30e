/*
 * The program that workers run: one page that is an ELF file and its machine
 * code at once.
 *
 * Not for other processors than x86-64: elsewhere there is no image.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

/* Where in the page the pieces begin; each ends in a breakpoint. */
enum image_entry {
    IMAGE_SYSCALL = 0x100,  // system call with the registers as they are
    IMAGE_READ = 0x120,     // touch rcx pages from rdi on, rsi bytes apart
    IMAGE_WRITE = 0x140,
    IMAGE_PLACES = 0x200,  // no code: struct prctl_mm_map without arguments
};

/* A file descriptor to execute and to map; its image is loaded so that the
 * heap begins at brk_start.  -1 and *error on failure. */
int image_create(uint64_t brk_start, GError **error);
