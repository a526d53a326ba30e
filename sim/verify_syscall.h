/*
 * Which system call of the host a simulated call is.
 */
#pragma once

#include "mm/operation.h"

struct host_syscall {
    long number;  // SYS_..., -1: no call
    uint64_t args[6];
};

/* What the operation's call, or what a policy event becomes under the axes of
 * its machine, is on the host; the file that it maps, if any, is `file_fd`
 * there. */
struct host_syscall host_syscall_of(const struct operation *op, int file_fd);

struct host_range {
    uint64_t start, end;
};

/* The addresses that a call names, at most two ranges; how many. */
size_t host_syscall_ranges(const struct host_syscall *call,
                           struct host_range ranges[2]);
