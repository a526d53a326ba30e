/*
 * Copying an address space at fork.
 */
#pragma once

struct mm;

/* A copy of the parent's address space, or NULL: no memory, everything that
 * was built is gone again. */
struct mm *fork_mm(struct mm *parent);
