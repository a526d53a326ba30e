/*
 * Exits that follow one another in order of the tasks' creation, as they do at
 * a machine's end: what the next ones will read comes into the caches of the
 * host meanwhile.
 *
 * An exit goes from a task to its address space, from there to VMAs and tables,
 * and on to entries and frames.  Where ten thousand processes live these places
 * are in no cache, and each step would wait for the one before.
 */
#pragma once

struct task;

/* This task exits now and is still in the list of tasks. */
void expect_exits(struct task *task);
