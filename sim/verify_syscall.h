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
