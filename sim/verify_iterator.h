/*
 * All VMAs of a process of this host at once, quickly: a program of a few
 * instructions that its kernel runs over them (a BPF iterator) and that only
 * reads.  What `smaps` tells in 700 bytes and 2.4 us each is told in 40 bytes.
 *
 * It needs root, and a kernel that describes its own types; whoever has
 * neither reads smaps.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct iterator;

/* As the kernel has them: `flags` are its own bits. */
struct iterated_vma {
    uint64_t start, end, flags, offset_pages, has_file;
};

/* NULL: this host has no such thing. */
struct iterator *iterator_open(void);
void iterator_close(struct iterator *iterator);

/* The VMAs of the process, ascending, into `vmas` (struct iterated_vma); false:
 * they could not be read. */
bool iterator_read(const struct iterator *iterator, pid_t pid, GArray *vmas);
