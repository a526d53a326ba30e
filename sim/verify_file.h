/*
 * Files of a trace on this host: temporary ones, without a name, full of
 * zeroes.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct host_file {
    int fd;  // the same in every worker started later
    uint64_t size_bytes;
    bool is_shmem, is_cold;
    /* Mapped and locked by the caller, too, so that no page of it leaves the
     * page cache: each has a mapping more. */
    bool is_held;
    void *pages;  // mapped by the caller; without is_held never touched
};

/* A file of that size and kind, whose pages are in the page cache (or not, if
 * cold).  is_held asks for that; it is false where it is not allowed. */
bool host_file_open(struct host_file *file, GError **error);
void host_file_close(struct host_file *file);
/* A byte per page of the file, its lowest bit: whether it is in memory. */
bool host_file_residency(const struct host_file *file, unsigned char *pages,
                         GError **error);

/* What read-ahead depends on where those files are. */
struct host_disk {
    uint64_t read_ahead_kb, max_sectors_kb;
    bool has_large_folios;
};

bool host_disk_read(struct host_disk *disk, GError **error);
